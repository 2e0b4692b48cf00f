// SPDX-License-Identifier: Apache-2.0

package shm

import (
	"sync"
	"sync/atomic"

	"golang.org/x/sys/windows"
)

// holderWatch waits for the end of the process that is said to hold a claim. If there is no such process, or this one may
// not wait for it, or the claim outlives it, nobody tells: then it is time to look from time to time (spec, section 14).
type holderWatch struct {
	process windows.Handle // 0 if the process cannot be watched
	leave   windows.Handle // an event: stop was called
	byClaim uint32         // atomic; not 0: the process is of no use, or not any more

	mutex   sync.Mutex // guards what follows
	waiting bool       // await uses the handles
	stopped bool
}

func watchHolder(_ *object, _ uint64, pid uint32, namespace uint64) *holderWatch {
	w := &holderWatch{}
	if namespace == processNamespace() {
		// 0 if it fails, as it does if there is no such process.
		w.process, _ = windows.OpenProcess(windows.SYNCHRONIZE, false, pid)
	}
	if w.process == 0 {
		w.byClaim = 1
	}
	return w
}

func (w *holderWatch) await() (bool, error) {
	if err := w.begin(); err != nil {
		return false, err
	}
	defer w.end()
	return w.wait()
}

func (w *holderWatch) begin() (err error) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	if w.leave == 0 && !w.stopped {
		if w.leave, err = windows.CreateEvent(nil, 1, 0, nil); err != nil {
			return systemError("create an event", err)
		}
	}
	w.waiting = true
	return nil
}

func (w *holderWatch) wait() (bool, error) {
	if w.isStopped() {
		return false, nil
	}
	var err error
	if atomic.LoadUint32(&w.byClaim) != 0 {
		_, err = windows.WaitForSingleObject(w.leave, uint32(untold.Milliseconds()))
	} else {
		_, err = windows.WaitForMultipleObjects([]windows.Handle{w.leave, w.process}, false, windows.INFINITE)
		atomic.StoreUint32(&w.byClaim, 1)
	}
	if err != nil {
		return false, systemError("wait for a process", err)
	}
	return !w.isStopped(), nil
}

func (w *holderWatch) end() {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	w.waiting = false
	if w.stopped {
		w.close()
	}
}

func (w *holderWatch) stop() {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	w.stopped = true
	if w.waiting {
		windows.SetEvent(w.leave)
	} else {
		w.close()
	}
}

// close is for who holds the mutex.
func (w *holderWatch) close() {
	for _, handle := range []*windows.Handle{&w.process, &w.leave} {
		if *handle != 0 {
			windows.CloseHandle(*handle)
			*handle = 0
		}
	}
}

func (w *holderWatch) isStopped() bool {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	return w.stopped
}
