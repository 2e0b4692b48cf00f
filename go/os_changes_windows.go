// SPDX-License-Identifier: Apache-2.0

package shm

import (
	"fmt"

	"golang.org/x/sys/windows"
)

// mostNews is how many can be told of a region's changes at a time.
const mostNews = 64

func (o *object) newsPath(index int) string { return o.path(fmt.Sprintf("news.%d", index)) }

func (o *object) touch() {
	for i := 0; i < mostNews; i++ {
		news, err := windows.OpenEvent(windows.EVENT_MODIFY_STATE, false, wide(o.newsPath(i)))
		if err != nil {
			continue // nobody wants them
		}
		windows.SetEvent(news)
		windows.CloseHandle(news)
	}
}

// changesWatch tells when other processes touch an object, by an event of its own of the region's (spec, section 14).
type changesWatch struct {
	event windows.Handle
	leave windows.Handle // an event: stop was called
	told  chan struct{}
}

func (o *object) watchChanges() *changesWatch {
	w := &changesWatch{told: make(chan struct{}, 1)}
	if w.event = o.makeNews(); w.event == 0 {
		return nil
	}
	var err error
	if w.leave, err = windows.CreateEvent(nil, 1, 0, nil); err != nil {
		windows.CloseHandle(w.event)
		return nil
	}
	go w.run()
	return w
}

// makeNews makes the first event that nobody has; 0: there is none, or the system refuses it.
func (o *object) makeNews() windows.Handle {
	attributes, err := forThisUser()
	if err != nil {
		return 0
	}
	for i := 0; i < mostNews; i++ {
		news, err := windows.CreateEvent(attributes, 0, 0, wide(o.newsPath(i)))
		if err == nil {
			return news
		}
		if news != 0 {
			windows.CloseHandle(news)
		}
	}
	return 0
}

// run ends when stop was called.
func (w *changesWatch) run() {
	defer close(w.told)
	for {
		first, err := windows.WaitForMultipleObjects([]windows.Handle{w.leave, w.event}, false, windows.INFINITE)
		if err != nil || first == windows.WAIT_OBJECT_0 {
			return
		}
		select {
		case w.told <- struct{}{}:
		default: // who takes the one before looks at everything
		}
	}
}

func (w *changesWatch) news() <-chan struct{} { return w.told }

// hearsOfEnds is false: a process that ends gives no news.
func (w *changesWatch) hearsOfEnds() bool { return false }

func (w *changesWatch) stop() {
	windows.SetEvent(w.leave)
	for range w.told { // until run has ended
	}
	windows.CloseHandle(w.event)
	windows.CloseHandle(w.leave)
}
