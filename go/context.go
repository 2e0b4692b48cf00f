// SPDX-License-Identifier: Apache-2.0

package shm

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// requestContext is the context of one request, from when its handler first asks for it until it is answered
// (spec, section 4.4). It ends with the attachment, at the caller's deadline, and when the caller gave up.
//
// Who notices that: while the handler runs, a watch that sleeps in the slot in the place of the worker, and that
// nobody sets up before somebody waits for it; while the answer is to come later, the worker, which
// waits in the slot anyway.
type requestContext struct {
	context.Context
	cancel     context.CancelFunc
	attachment *attachment
	slot       *slot
	word       uint32 // the caller's, as long as it waits for the response

	mutex     sync.Mutex // guards what follows
	answered  bool       // the slot is not looked at any more
	inHandler bool       // so that the worker does not wait in the slot
	watch     *cancellationWatch
}

func newRequestContext(a *attachment, r *responder) *requestContext {
	c := &requestContext{attachment: a, slot: r.slot, word: r.seen, inHandler: true}
	if at, said := r.request.Deadline(); said {
		c.Context, c.cancel = context.WithDeadline(a.context, at)
	} else {
		c.Context, c.cancel = context.WithCancel(a.context)
	}
	return c
}

// Done is context.Context's. Only who asks for it makes anybody watch the caller.
func (c *requestContext) Done() <-chan struct{} {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.watch == nil && c.inHandler && !c.answered {
		c.watch = newCancellationWatch(c)
	}
	return c.Context.Done()
}

// Err is context.Context's. It looks itself: who only asks from time to time needs no watch.
func (c *requestContext) Err() error {
	if c.Context.Err() == nil && c.givenUp() {
		c.cancel()
	}
	return c.Context.Err()
}

// givenUp looks whether the caller waits for the response no more.
func (c *requestContext) givenUp() (given bool) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.answered {
		return true
	}
	err := c.slot.region.guarded(func() error {
		given = c.callerLeft()
		return nil
	})
	c.attachment.fail(err)
	return given
}

// callerLeft: nothing but the end of the caller's wait changes its word before there is a response.
func (c *requestContext) callerLeft() bool {
	return atomic.LoadUint32(&c.slot.turn.callerState) != c.word
}

// end is for a request that was answered.
func (c *requestContext) end() {
	c.mutex.Lock()
	c.answered = true
	c.mutex.Unlock()
	c.cancel()
}

// leaveHandler returns when nobody sleeps in the slot any more: it is the worker's again.
func (c *requestContext) leaveHandler() {
	c.mutex.Lock()
	c.inHandler = false
	watch := c.watch
	c.mutex.Unlock()
	if watch != nil {
		watch.end()
	}
}

// watchGrace is how long a handler has run at the least when somebody begins to sleep for its context: that costs a
// goroutine, and several system calls, of which a short handler needs none.
const watchGrace = 100 * time.Microsecond

// cancellationWatch sleeps until the caller gives up, as the slot's responder (spec, section 7), whose worker is in
// the handler meanwhile.
type cancellationWatch struct {
	context *requestContext
	wait    waiter
	leave   uint32 // atomic; not 0: the handler has returned
	begin   *time.Timer
	left    chan struct{} // closed when it does not touch the slot any more
}

func newCancellationWatch(c *requestContext) *cancellationWatch {
	w := &cancellationWatch{context: c, left: make(chan struct{})}
	s := c.slot
	w.wait = newWaiter(&s.turn.callerState, &s.responder.waiting, &w.leave, c.callerLeft, s.responderBell, WaitPolicy{})
	w.begin = time.AfterFunc(watchGrace, w.run)
	return w
}

func (w *cancellationWatch) run() {
	defer close(w.left)
	c := w.context
	switch err := c.slot.region.guarded(w.wait.sleep); err {
	case nil:
		c.cancel()
	case errStopped:
	default:
		c.attachment.fail(err)
	}
}

// end rings until the watch has left: it may have looked just before, and not sleep yet.
func (w *cancellationWatch) end() {
	if w.begin.Stop() {
		return
	}
	atomic.StoreUint32(&w.leave, 1)
	pause := 20 * time.Microsecond
	again := time.NewTimer(pause)
	defer again.Stop()
	for {
		w.wait.bell.ring()
		select {
		case <-w.left:
			return
		case <-again.C:
			pause = nextPause(pause)
			again.Reset(pause)
		}
	}
}
