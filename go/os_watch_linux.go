// SPDX-License-Identifier: Apache-2.0

package shm

import (
	"fmt"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// holderWatch waits for the end of the process that is said to hold a claim. If there is no such process
// here, or the claim outlives it, it waits for the claim itself.
type holderWatch struct {
	object  *object
	claim   uint64
	process *os.File // a pidfd; nil if the process cannot be watched
	byClaim bool     // await's own
	stopped chan struct{}
}

func watchHolder(o *object, claim uint64, pid uint32, namespace uint64) *holderWatch {
	w := &holderWatch{object: o, claim: claim, stopped: make(chan struct{})}
	if namespace != 0 && namespace == processNamespace() {
		w.process = openProcess(pid)
	}
	w.byClaim = w.process == nil
	return w
}

// openProcess is the process as a file that becomes readable when it ends; nil if there is none of that
// id, or on a kernel that does not have such files.
func openProcess(pid uint32) *os.File {
	descriptor, err := unix.PidfdOpen(int(int32(pid)), 0)
	if err != nil {
		return nil
	}
	// The runtime's poller takes what does not block: no thread waits for it.
	if err := unix.SetNonblock(descriptor, true); err != nil {
		unix.Close(descriptor)
		return nil
	}
	return os.NewFile(uintptr(descriptor), fmt.Sprint("process ", pid))
}

func (w *holderWatch) stop() {
	close(w.stopped)
	if w.process != nil {
		w.process.Close() // ends the wait for it
	}
}

func (w *holderWatch) await() (bool, error) {
	if !w.byClaim {
		w.byClaim = true
		awaitReadable(w.process)
		return !w.isStopped(), nil
	}
	wait, err := waitForClaim(w.object, w.claim)
	if err != nil {
		return false, err
	}
	select {
	case <-w.stopped:
		return false, nil
	case <-wait.ended:
		return wait.err == nil, wait.err
	}
}

func (w *holderWatch) isStopped() bool {
	select {
	case <-w.stopped:
		return true
	default:
		return false
	}
}

// awaitReadable returns early if the file is closed, or of a kind that the poller does not take.
func awaitReadable(file *os.File) {
	raw, err := file.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Read(func(descriptor uintptr) bool {
		polled := []unix.PollFd{{Fd: int32(descriptor), Events: unix.POLLIN}}
		n, _ := unix.Poll(polled, 0)
		return n > 0
	})
}

// claimWait is the wait for a claim to become free, by a read lock on its byte. Nothing in Go ends such a
// wait early: one thread waits for all clients of an object, and may outlive them, but not the claim.
type claimWait struct {
	ended chan struct{}
	err   error // to be read after the end
}

type claimedByte struct{ device, inode, claim uint64 }

var (
	claimWaitsMutex sync.Mutex
	claimWaits      = map[claimedByte]*claimWait{}
)

func waitForClaim(o *object, claim uint64) (*claimWait, error) {
	status, err := o.status()
	if err != nil {
		return nil, err
	}
	key := claimedByte{uint64(status.Dev), status.Ino, claim}
	claimWaitsMutex.Lock()
	defer claimWaitsMutex.Unlock()
	if wait := claimWaits[key]; wait != nil {
		return wait, nil
	}
	// An opening of its own, with locks of its own; by number, since the name may lead elsewhere now.
	again := fmt.Sprintf("/proc/self/fd/%d", o.descriptor)
	descriptor, err := unix.Open(again, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, systemError("open "+again+", which is "+o.path, err)
	}
	wait := &claimWait{ended: make(chan struct{})}
	claimWaits[key] = wait
	go wait.run(&object{descriptor: descriptor, path: o.path}, key)
	return wait, nil
}

func (w *claimWait) run(own *object, key claimedByte) {
	if err := own.lock(unix.F_OFD_SETLKW, lockByte(unix.F_RDLCK, key.claim)); err != nil {
		w.err = systemError(fmt.Sprintf("wait for byte %d of %s", key.claim, own.path), err)
	}
	own.close() // gives the lock back
	claimWaitsMutex.Lock()
	delete(claimWaits, key)
	claimWaitsMutex.Unlock()
	close(w.ended)
}
