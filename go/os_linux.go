// SPDX-License-Identifier: Apache-2.0

package shm

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/xll-gen/shm/go/internal/semaphore"
)

// objectFolder is where Linux keeps POSIX shared memory objects.
const objectFolder = "/dev/shm/"

// object is an open file of the shared memory file system.
type object struct {
	descriptor int
	path       string
}

func objectPath(name string) string { return objectFolder + "simpleipc." + name }

func openObject(name string) (*object, error) { return openObjectFor(unix.O_RDWR, name) }

func openObjectToRead(name string) (*object, error) { return openObjectFor(unix.O_RDONLY, name) }

func openObjectFor(access int, name string) (*object, error) {
	path := objectPath(name)
	for {
		descriptor, err := unix.Open(path, access|unix.O_NOFOLLOW|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
		switch {
		case err == unix.EINTR:
			continue
		case err == unix.ENOENT:
			return nil, err
		case err == unix.EACCES || err == unix.EPERM:
			return nil, &failure{ErrForbidden, "may not open " + path + "; run as the host's user", err}
		case err == unix.ELOOP || err == unix.EISDIR || err == unix.ENXIO:
			return nil, &failure{ErrForbidden, path + " is not an ordinary object; remove it", err}
		case err != nil:
			return nil, systemError("open "+path, err)
		}
		return ordinary(&object{descriptor: descriptor, path: path})
	}
}

// ordinary refuses pipes, devices and the like.
func ordinary(o *object) (*object, error) {
	status, err := o.status()
	if err == nil && status.Mode&unix.S_IFMT != unix.S_IFREG {
		err = &failure{ErrForbidden, o.path + " is not an ordinary object; remove it", nil}
	}
	if err != nil {
		o.close()
		return nil, err
	}
	return o, nil
}

func (o *object) status() (unix.Stat_t, error) {
	var status unix.Stat_t
	if err := unix.Fstat(o.descriptor, &status); err != nil {
		return status, systemError("fstat "+o.path, err)
	}
	return status, nil
}

func (o *object) size() (uint64, error) {
	status, err := o.status()
	return uint64(status.Size), err
}

func (o *object) resize(size uint64) error {
	if err := unix.Ftruncate(o.descriptor, int64(size)); err != nil {
		return systemError(fmt.Sprintf("give %s %d bytes", o.path, size), err)
	}
	return nil
}

func (o *object) ownedByUser() (bool, error) {
	status, err := o.status()
	return int64(status.Uid) == int64(unix.Geteuid()), err
}

func (o *object) touch() {
	now := []unix.Timespec{{Nsec: unix.UTIME_NOW}, {Nsec: unix.UTIME_NOW}}
	// Who may write to it may do this; if not, nobody is told. By number: it may have no name.
	_ = unix.UtimesNanoAt(unix.AT_FDCWD, fmt.Sprintf("/proc/self/fd/%d", o.descriptor), now, 0)
}

func (o *object) read(p []byte) error { return o.readAt(p, 0) }

func (o *object) readAt(p []byte, offset uint64) error {
	for done := 0; done < len(p); {
		n, err := unix.Pread(o.descriptor, p[done:], int64(offset)+int64(done))
		switch {
		case err == unix.EINTR:
		case err != nil:
			return systemError("read "+o.path, err)
		case n == 0:
			return systemError("read "+o.path, io.ErrUnexpectedEOF)
		default:
			done += n
		}
	}
	return nil
}

func (o *object) mapShared(size uint64) ([]byte, error) {
	if size > math.MaxInt {
		return nil, systemError(fmt.Sprintf("map %d bytes of %s", size, o.path), unix.ENOMEM)
	}
	memory, err := unix.Mmap(o.descriptor, 0, int(size), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, systemError(fmt.Sprintf("map %d bytes of %s", size, o.path), err)
	}
	return memory, nil
}

func unmap(memory []byte) error {
	if err := unix.Munmap(memory); err != nil {
		return systemError("unmap", err)
	}
	return nil
}

func (o *object) close() error {
	if err := unix.Close(o.descriptor); err != nil {
		return systemError("close "+o.path, err)
	}
	return nil
}

// lockByte is a lock on one byte that belongs to the open file description, not to the process:
// it is gone with the last descriptor of it, and excludes other openings in this process too.
func lockByte(kind int16, at uint64) *unix.Flock_t {
	return &unix.Flock_t{Type: kind, Whence: io.SeekStart, Start: int64(at), Len: 1}
}

func (o *object) lock(command int, what *unix.Flock_t) error {
	for {
		err := unix.FcntlFlock(uintptr(o.descriptor), command, what)
		if err != unix.EINTR {
			return err
		}
	}
}

// How often a claim is tried that is taken by a read lock only, and how long it rests in between.
const (
	claimTries = 1000
	claimRest  = 100 * time.Microsecond
)

// claim tries again when it meets a read lock: somebody waited for the death of the former holder and
// gives way at once. Who does not give way breaks the protocol; the claim then counts as taken.
func (o *object) claim(at uint64) (bool, error) {
	for try := 0; try < claimTries; try++ {
		err := o.lock(unix.F_OFD_SETLK, lockByte(unix.F_WRLCK, at))
		if err == nil {
			return true, nil
		}
		if err != unix.EAGAIN && err != unix.EACCES {
			return false, systemError(fmt.Sprintf("claim byte %d of %s", at, o.path), err)
		}
		if claimed, err := o.claimedByAnother(at); claimed || err != nil {
			return false, err
		}
		time.Sleep(claimRest)
	}
	return false, nil
}

func (o *object) unclaim(at uint64) error {
	if err := o.lock(unix.F_OFD_SETLK, lockByte(unix.F_UNLCK, at)); err != nil {
		return systemError(fmt.Sprintf("give back byte %d of %s", at, o.path), err)
	}
	return nil
}

func (o *object) claimedByAnother(at uint64) (bool, error) {
	found := lockByte(unix.F_WRLCK, at)
	if err := o.lock(unix.F_OFD_GETLK, found); err != nil {
		return false, systemError(fmt.Sprintf("look at byte %d of %s", at, o.path), err)
	}
	return found.Type == unix.F_WRLCK, nil // a read lock is no claim
}

func openDoorbell(_ *object, backend uint32, region string, slot int, side side, watched *uint32) (doorbell, error) {
	switch backend {
	case backendFutex:
		return &futex{word: watched}, nil
	case backendSemaphore:
		name := semaphoreName(region, slot, side)
		bell, err := semaphore.Open(name)
		if errors.Is(err, semaphore.ErrNoCgo) {
			return nil, &failure{ErrBackendUnsupported, fmt.Sprintf(
				"the host of %q chose POSIX semaphores, which need cgo, and this program was built "+
					"without; build it with CGO_ENABLED=1 or let the host choose futexes", region), nil}
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil, &notReady{"its host is closing: semaphore " + name + " is gone"}
		}
		if err != nil {
			return nil, systemError("open semaphore "+name, err)
		}
		return &namedSemaphore{bell}, nil
	}
	return nil, &failure{ErrBackendUnsupported, fmt.Sprintf(
		"the event_backend of %q is %d; Linux has futexes (%d) and semaphores (%d)",
		region, backend, backendFutex, backendSemaphore), nil}
}

func semaphoreName(region string, slot int, side side) string {
	return fmt.Sprintf("/simpleipc.%s.%d.%s", region, slot, side.letter())
}

// futex is a doorbell on the watched word itself: the kernel compares it before it sleeps.
type futex struct{ word *uint32 }

// The kernel's operation codes, without the flag for private futexes: the word is shared.
const (
	futexWait = 0
	futexWake = 1
)

func (f *futex) sleep(seen uint32) error { return f.wait(seen, nil) }

func (f *futex) sleepFor(seen uint32, limit time.Duration) error {
	if limit > mostSleep {
		limit = mostSleep
	}
	timeout := unix.NsecToTimespec(int64(limit))
	return f.wait(seen, &timeout)
}

func (f *futex) wait(seen uint32, timeout *unix.Timespec) error {
	// Syscall6 and not RawSyscall6: the scheduler must be able to use this processor meanwhile.
	_, _, code := syscall.Syscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(f.word)), futexWait,
		uintptr(seen), uintptr(unsafe.Pointer(timeout)), 0, 0)
	if code == 0 || code == unix.EAGAIN || code == unix.EINTR || code == unix.ETIMEDOUT {
		return nil
	}
	if code == unix.EFAULT {
		return &failure{ErrRegionLost, "a word to sleep on has no memory any more", code}
	}
	return systemError("futex wait", code)
}

func (f *futex) ring() {
	// It does not block: no hand-over to the scheduler. It fails only if the word is not mapped
	// any more, and then nobody sleeps on it.
	syscall.RawSyscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(f.word)), futexWake, 1, 0, 0, 0)
}

func (f *futex) close() {}

type namedSemaphore struct{ *semaphore.Semaphore }

func (s *namedSemaphore) sleep(uint32) error {
	if err := s.Wait(); err != nil {
		return systemError("semaphore wait", err)
	}
	return nil
}

func (s *namedSemaphore) sleepFor(_ uint32, limit time.Duration) error {
	if limit > mostSleep {
		limit = mostSleep
	}
	if err := s.WaitFor(limit); err != nil {
		return systemError("semaphore wait", err)
	}
	return nil
}

func (s *namedSemaphore) ring() { s.Post() }

func (s *namedSemaphore) close() { s.Close() }

func yieldThread() {
	// Syscall and not RawSyscall: other threads may have the processor for milliseconds, and the
	// scheduler must be able to run other goroutines meanwhile.
	syscall.Syscall(unix.SYS_SCHED_YIELD, 0, 0, 0)
}

func monotonicNow() uint64 {
	var now unix.Timespec
	// It cannot fail: the clock exists on every Linux and the pointer is good.
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &now)
	return uint64(now.Nano())
}

func sinceStart() time.Duration { return time.Since(processStart) }

func processID() uint32 { return uint32(os.Getpid()) }

func processNamespace() uint64 {
	var status unix.Stat_t
	if err := unix.Stat("/proc/self/ns/pid", &status); err != nil {
		return 0
	}
	return status.Ino
}
