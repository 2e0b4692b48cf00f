// SPDX-License-Identifier: Apache-2.0

package shm

import (
	"context"
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// limit is how long one call may take: until the deadline of its context, or else for a time that counts from when
// the call begins to wait, and never longer than the context lasts. The zero limit is none.
type limit struct {
	ctx      context.Context
	done     <-chan struct{} // of the context; nil if it cannot be cancelled
	timeout  time.Duration   // unless the context has a deadline
	deadline time.Time       // of the context
	timed    bool            // the context has a deadline
	end      time.Duration   // since processStart; 0: not computed yet
	watch    *contextWatch   // nil while nobody sleeps
}

// newLimit asks the context for all that is needed while the call lasts: it may be anybody's, and panic.
func newLimit(ctx context.Context, timeout time.Duration) limit {
	l := limit{ctx: ctx, done: ctx.Done(), timeout: timeout}
	l.deadline, l.timed = ctx.Deadline()
	return l
}

// left is the time that is left.
func (l *limit) left() time.Duration {
	now := sinceStart()
	if l.end == 0 {
		timeout := l.timeout
		if l.timed {
			timeout = time.Until(l.deadline)
		}
		if l.end = now + timeout; timeout > 0 && l.end < now {
			l.end = forever
		}
	}
	return l.end - now
}

// monotonicStart is what the machine's clock said at processStart.
var monotonicStart = func() uint64 {
	// Between two looks at it; the closest of a few, since others may have had the processor in between.
	start, closest := uint64(0), uint64(math.MaxUint64)
	for try := 0; try < 5; try++ {
		before := monotonicNow()
		elapsed := sinceStart()
		if after := monotonicNow(); after-before < closest {
			start, closest = before+(after-before)/2-uint64(elapsed), after-before
		}
	}
	return start
}()

// monotonicAt is the machine's clock at that moment, at the least 1.
func monotonicAt(moment time.Time) uint64 {
	elapsed := moment.Sub(processStart) // no look at a clock, and good whatever is done to the wall clock
	if moment == moment.Round(0) {
		left := time.Until(moment) // it knows of the wall clock only
		if elapsed = sinceStart() + left; left > 0 && elapsed < 0 {
			elapsed = forever
		}
	}
	if elapsed < 0 && uint64(-elapsed) >= monotonicStart {
		return 1
	}
	return monotonicStart + uint64(elapsed)
}

// ending is why a wait was left.
type ending int

const (
	endNone      ending = iota
	endStopped          // the attachment ended
	endContext          // the context was cancelled
	endDeadline         // the deadline passed
	endClosing          // the host closes
	endBusy             // the deadline passed before there was a slot
	endTakenBack        // a response was there and is not any more
	endBroken           // the doorbell does not work
	endPipeline         // the pipeline was closed
)

// passed says what of the limit has passed.
func (l *limit) passed() ending {
	select {
	case <-l.done:
		return endContext
	default:
	}
	if l.left() <= 0 {
		return endDeadline
	}
	return endNone
}

// withoutSlot is why somebody whose context is done has no slot. A deadline is a deadline, whoever notices it first.
func (l *limit) withoutSlot() ending {
	if l.ctx.Err() == context.DeadlineExceeded {
		return endBusy
	}
	return endContext
}

// cause is the context's error if the context was why.
func (l *limit) cause(why ending) error {
	switch {
	case why == endContext:
		return l.ctx.Err()
	case why == endDeadline && l.timed:
		return context.DeadlineExceeded // also if the context has not noticed yet
	}
	return nil
}

// contextWatch interrupts a caller that sleeps when a context is done.
type contextWatch struct {
	mutex sync.Mutex // held while it interrupts, so that it does not do so afterwards
	over  bool
	ended chan struct{}
}

func (w *contextWatch) run(c *caller, done <-chan struct{}) {
	select {
	case <-w.ended:
		return
	case <-done:
	}
	for pause := 20 * time.Microsecond; w.interrupt(c); pause = nextPause(pause) {
		time.Sleep(pause)
	}
}

func (w *contextWatch) interrupt(c *caller) bool {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	if !w.over {
		c.interrupt()
	}
	return !w.over
}

func (w *contextWatch) stop() {
	w.mutex.Lock()
	w.over = true
	w.mutex.Unlock()
	close(w.ended)
}

// limitedBell is a caller's bell, on which it sleeps at most as long as its call may last.
type limitedBell struct {
	doorbell
	caller *caller
}

func (b limitedBell) sleep(seen uint32) error {
	c := b.caller
	if c.settling {
		return b.doorbell.sleep(seen)
	}
	left := c.call.left()
	if left <= 0 {
		atomic.StoreUint32(&c.leave, 1) // the waiter looks before each sleep
		return nil
	}
	if c.call.done != nil && c.call.watch == nil {
		c.call.watch = &contextWatch{ended: make(chan struct{})}
		go c.call.watch.run(c, c.call.done)
	}
	return b.doorbell.sleepFor(seen, left)
}

// await waits on after spinning in vain, until there is a response or a reason to leave.
func (c *caller) await(l *limit, stopping *uint32) (where place, why ending, problem error) {
	c.call = *l
	defer c.forgetLimit()
	for {
		err := c.wait.afterSpinning()
		switch {
		case err == nil && c.hostIsClosing():
			return c.find(), endClosing, nil
		case err == nil:
			return c.find(), endTakenBack, nil
		case err != errStopped:
			return nowhere, endBroken, err
		case atomic.LoadUint32(stopping) != 0:
			return nowhere, endStopped, nil
		}
		// First the flag, then the look: who sets it has a reason before. It may be of a call before.
		atomic.StoreUint32(&c.leave, 0)
		if why := c.call.passed(); why != endNone {
			return nowhere, why, nil
		}
	}
}

func (c *caller) forgetLimit() {
	if c.call.watch != nil {
		c.call.watch.stop()
	}
	c.call = limit{}
}
