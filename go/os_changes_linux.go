// SPDX-License-Identifier: Apache-2.0

package shm

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// changesWatch tells when other processes touch an object or close it.
type changesWatch struct {
	notifier *os.File // inotify
	told     chan struct{}
}

func (o *object) watchChanges() *changesWatch {
	descriptor, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil
	}
	path := fmt.Sprintf("/proc/self/fd/%d", o.descriptor) // by number: it may have no name
	if _, err := unix.InotifyAddWatch(descriptor, path, unix.IN_ATTRIB|unix.IN_CLOSE_WRITE); err != nil {
		unix.Close(descriptor)
		return nil
	}
	w := &changesWatch{os.NewFile(uintptr(descriptor), "changes of "+o.path), make(chan struct{}, 1)}
	go w.run()
	return w
}

// run ends when the notifier is closed.
func (w *changesWatch) run() {
	defer close(w.told)
	var events [4096]byte
	for {
		if _, err := w.notifier.Read(events[:]); err != nil {
			return
		}
		select {
		case w.told <- struct{}{}:
		default: // who takes the one before looks at everything
		}
	}
}

func (w *changesWatch) news() <-chan struct{} { return w.told }

func (w *changesWatch) hearsOfEnds() bool { return true }

func (w *changesWatch) stop() {
	w.notifier.Close()
	for range w.told { // until run has ended
	}
}
