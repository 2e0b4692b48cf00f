// SPDX-License-Identifier: Apache-2.0

package shm

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/xll-gen/shm/go/internal/cpu"
)

// Reap completes what can be completed: responses that have come, requests whose deadline has passed or whose context is
// done, and all that is in flight when the host has gone, or the client or the pipeline was closed. It waits until there
// is something, or until ctx is done. It returns how many of the completions it has filled; 0 also if nothing is in flight.
//
// Errors: ErrInvalidArgument (a nil context, no room for completions), ErrBusy (another goroutine reaps), those of ctx;
// and when the pipeline is over and there is nothing left to tell, ErrClosed, ErrNoHost, ErrPeerDied or ErrRegionLost.
func (p *Pipeline) Reap(ctx context.Context, completions []Completion) (int, error) {
	if ctx == nil {
		return 0, &failure{ErrInvalidArgument, "the context is nil", nil}
	}
	return p.reap(ctx, completions)
}

// Poll is Reap without waiting.
func (p *Pipeline) Poll(completions []Completion) (int, error) { return p.reap(nil, completions) }

// Close gives up what is in flight, and gives the slots back. What was in flight has completions still, with ErrClosed or
// ErrClosedMaybeExecuted if there is no response, which Reap and Poll tell. Calling it twice does no harm.
func (p *Pipeline) Close() {
	atomic.StoreUint32(&p.closing, 1)
	// It may be about to sleep, and a hostile host could undo the ring.
	for pause := 20 * time.Microsecond; !p.endUnlessReaping(endPipeline); pause = nextPause(pause) {
		p.rouse()
		time.Sleep(pause)
	}
}

// endUnlessReaping ends the pipeline. False: another goroutine reaps, and will do so.
func (p *Pipeline) endUnlessReaping(why ending) bool {
	if !p.reaper.TryLock() {
		return false
	}
	p.end(why, nil)
	p.reaper.Unlock()
	return true
}

// reap: a nil context does not wait.
func (p *Pipeline) reap(ctx context.Context, completions []Completion) (n int, err error) {
	if len(completions) == 0 {
		return 0, &failure{ErrInvalidArgument, "there is no room for completions; give some", nil}
	}
	if !p.reaper.TryLock() {
		if p.reasonToEnd() == endNone {
			return 0, &failure{ErrBusy, "another goroutine reaps; one at a time", nil}
		}
		p.reaper.Lock() // who ends the pipeline has it
	}
	defer p.reaper.Unlock()
	p.filled = 0
	if !p.ended {
		a := p.pool.attachment
		problem := a.region.guarded(func() error {
			n, err = p.reapLive(ctx, completions)
			return nil
		})
		if problem != nil {
			n, err = p.filled, nil
			a.fail(problem)
			p.end(endStopped, nil)
		}
	}
	if p.ended && n < len(completions) {
		n += p.tellEnded(completions[n:])
		if n == 0 && err == nil {
			err = p.whyOver()
		}
	}
	p.told(n)
	return n, err
}

func (p *Pipeline) whyOver() error {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	return p.closed()
}

// told takes note of completions, and tells who waits for room.
func (p *Pipeline) told(n int) {
	if n == 0 {
		return
	}
	// A barrier: either this side sees who waits, or they see the free flights when they look once more.
	atomic.AddInt32(&p.inFlight, -int32(n))
	for waiters := atomic.LoadInt32(&p.waiters); n > 0 && waiters > 0; n-- {
		select {
		case p.room <- struct{}{}:
		default: // there is a token for each flight: nobody sleeps through this one
		}
	}
}

// reapLive is for a pipeline that has not ended: it may touch the region.
func (p *Pipeline) reapLive(ctx context.Context, completions []Completion) (n int, err error) {
	if why := p.reasonToEnd(); why != endNone {
		p.end(why, nil)
		return 0, nil
	}
	oldest := p.oldest
	if n = p.land(completions); n > 0 {
		if p.oldest == oldest && n < len(completions) { // late, maybe, while others are answered
			n += p.giveUpIfHopeless(&p.flights[oldest], completions[n:])
		}
		return n, nil
	}
	if ctx == nil {
		return p.giveUpTheHopeless(completions), nil
	}
	return p.await(ctx, completions)
}

// reasonToEnd: the attachment is over, or Close was called.
func (p *Pipeline) reasonToEnd() ending {
	switch {
	case atomic.LoadUint32(&p.pool.attachment.stopping) != 0:
		return endStopped
	case atomic.LoadUint32(&p.closing) != 0:
		return endPipeline
	}
	return endNone
}

// ---- Responses ----

func (f *flight) isInFlight() bool { return atomic.LoadUint32(&f.state) == flightInFlight }

// ready is what the waiter waits for.
func (p *Pipeline) ready() bool {
	for i := range p.flights {
		if f := &p.flights[i]; f.isInFlight() && (f.find() != nowhere || f.hostIsClosing()) {
			return true
		}
	}
	return false
}

// land takes the responses that have come. As long as they come in order, nothing but the oldest request is looked at: each
// look in vain takes a line from the responder that is about to write it.
func (p *Pipeline) land(completions []Completion) (n int) {
	n = p.landInOrder(completions)
	if n > 0 && !p.disordered {
		return n
	}
	for i := 0; i < len(p.flights) && n < len(completions); i++ {
		f := &p.flights[i]
		if f.isInFlight() && p.landOne(f, &completions[n]) {
			p.disordered = true
			n++
		}
	}
	return n
}

func (p *Pipeline) landInOrder(completions []Completion) (n int) {
	for looked := 0; n < len(completions) && looked < len(p.flights); looked++ {
		if f := &p.flights[p.oldest]; f.isInFlight() {
			if !p.landOne(f, &completions[n]) {
				break
			}
			n++
		}
		p.oldest = p.after(p.oldest)
	}
	if n > 0 {
		p.disordered = false
	}
	return n
}

func (p *Pipeline) landOne(f *flight, completion *Completion) bool {
	where := f.find()
	if where == nowhere {
		return false
	}
	size, failed := p.receive(f, where)
	p.complete(f, completion, size, failed)
	return true
}

// receive copies a response to where the submission says.
func (p *Pipeline) receive(f *flight, where place) (size int, failed *CallError) {
	payload, failed := f.take(where)
	if failed == nil {
		size, failed = deliver(f.response, payload)
	}
	// Asked last: nothing that was read before tells the truth then.
	if p.pool.attachment.region.wasCut() {
		return 0, p.pool.lost(MaybeExecuted)
	}
	return size, failed
}

// complete hands the flight back to who submits.
func (p *Pipeline) complete(f *flight, completion *Completion, size int, failed *CallError) {
	f.describe(completion, size, failed)
	p.filled++
	state := uint32(flightFree)
	if f.abandoned {
		state = flightAbandoned
	}
	cpu.StoreRelease(&f.state, state)
}

// describe fills the completion of a request that is over.
func (f *flight) describe(completion *Completion, size int, failed *CallError) {
	completion.Tag, completion.Size, completion.reply = f.tag, size, f.reply
	if failed != nil {
		completion.Response, completion.Err = nil, failed
	} else {
		completion.Response, completion.Err = f.response[:size], nil
	}
	f.response, f.reply = nil, nil
}

// ---- Requests that end without one ----

// hopeless says why there is no use in waiting on.
func (f *flight) hopeless() ending {
	if f.hostIsClosing() {
		return endClosing
	}
	return f.limit.passed()
}

// giveUp ends a request, unless its response comes after all. With the mutex: it may be being published.
func (p *Pipeline) giveUp(f *flight, why ending, cause error) (size int, failed *CallError) {
	where, sound := f.cancel()
	switch {
	case !sound:
		return 0, p.pool.lost(MaybeExecuted)
	case where == nowhere && why == endPipeline:
		return 0, f.counted(callError(either(f.fate(), ErrClosed, ErrClosedMaybeExecuted), f.fate(), nil,
			"the pipeline was closed; the request was %v", f.fate()))
	case where == nowhere:
		return 0, f.counted(p.pool.gaveUp(&f.limit, why, f.fate(), cause))
	}
	return p.receive(f, where)
}

func (p *Pipeline) giveUpIfHopeless(f *flight, completions []Completion) int {
	if !f.isInFlight() {
		return 0
	}
	why := f.hopeless()
	if why == endNone {
		return 0
	}
	p.mutex.Lock()
	defer p.mutex.Unlock()
	size, failed := p.giveUp(f, why, nil)
	p.complete(f, &completions[0], size, failed)
	return 1
}

func (p *Pipeline) giveUpTheHopeless(completions []Completion) (n int) {
	for i := 0; i < len(p.flights) && n < len(completions); i++ {
		n += p.giveUpIfHopeless(&p.flights[i], completions[n:])
	}
	return n
}

// ---- Waiting ----

// await completes at least one request, unless ctx is done before or none is in flight.
func (p *Pipeline) await(ctx context.Context, completions []Completion) (n int, err error) {
	p.limit = newLimit(ctx, forever)
	defer func() { p.limit = limit{} }()
	for p.anyInFlight() {
		if p.spin() {
			p.wait.spinPaid()
		} else {
			n, err = p.sleep(completions)
		}
		if n == 0 && err == nil && !p.ended {
			n = p.land(completions)
		}
		if n > 0 || err != nil || p.ended {
			break
		}
	}
	return n, err
}

func (p *Pipeline) anyInFlight() bool {
	for i := range p.flights {
		if p.flights[i].isInFlight() {
			return true
		}
	}
	return false
}

// spin looks for a response that comes soon.
func (p *Pipeline) spin() bool {
	if p.wait.samplesSpin() {
		p.wait.spinBegins()
	}
	for polls := p.wait.budget; polls > 0; polls-- {
		at := p.oldest
		if polls%lookAside == 0 {
			p.aside = p.after(p.aside)
			at = p.aside
		}
		f := &p.flights[at]
		if f.isInFlight() && f.find() != nowhere {
			p.disordered = p.disordered || at != p.oldest
			if p.wait.spinTimed {
				p.wait.spinEnded(p.wait.system.now())
			}
			return true
		}
		p.flights[0].rest(1)
	}
	return false
}

// sleep waits on after spinning in vain.
func (p *Pipeline) sleep(completions []Completion) (n int, err error) {
	// First the flag, then the look: who sets it has a reason before. It may be one of a reap before.
	atomic.StoreUint32(&p.leave, 0)
	if why := p.reasonToEnd(); why != endNone {
		p.end(why, nil)
		return 0, nil
	}
	if n = p.giveUpTheHopeless(completions); n > 0 {
		return n, nil
	}
	if why := p.limit.passed(); why != endNone {
		return 0, p.limit.cause(why)
	}
	if err = p.wait.afterSpinning(); err != nil && err != errStopped {
		p.end(endBroken, err)
	}
	return 0, nil
}

// pipelineBell is what the waiter of a pipeline sleeps on: until the first deadline at most.
type pipelineBell struct {
	doorbell
	pipeline *Pipeline
}

func (b pipelineBell) sleep(seen uint32) error {
	p := b.pipeline
	end := p.firstEnd()
	atomic.StoreInt64(&p.until, int64(end))
	defer atomic.StoreInt64(&p.until, 0)
	// Once more: who submits looks at what was stored, or this look sees the request.
	if again := p.firstEnd(); again < end {
		end = again
	}
	left := end - sinceStart()
	if left <= 0 {
		atomic.StoreUint32(&p.leave, 1) // the waiter looks before each sleep
		return nil
	}
	return b.sleepFor(seen, left)
}

// firstEnd is when the first request in flight ends, or the reap. Contexts that nobody watches yet are watched from here on.
func (p *Pipeline) firstEnd() time.Duration {
	p.limit.left()
	end := p.limit.end
	p.watchContext(&p.watch, p.limit.done)
	for i := range p.flights {
		f := &p.flights[i]
		if !f.isInFlight() {
			continue
		}
		p.watchContext(&f.watch, f.limit.done)
		if f.limit.left(); f.limit.end < end {
			end = f.limit.end
		}
	}
	return end
}

// watchContext has a context watched until the pipeline ends, or another is to be watched in its place.
func (p *Pipeline) watchContext(watch **contextVigil, done <-chan struct{}) {
	if *watch != nil && (*watch).done != done {
		(*watch).stop()
		*watch = nil
	}
	if *watch == nil && done != nil {
		*watch = &contextVigil{done: done, over: make(chan struct{})}
		go (*watch).keep(p)
	}
}

// contextVigil lets who reaps look again when a context is done.
type contextVigil struct {
	done <-chan struct{}
	over chan struct{}
}

func (v *contextVigil) keep(p *Pipeline) {
	select {
	case <-v.over:
	case <-v.done:
		p.rouse()
	}
}

func (v *contextVigil) stop() { close(v.over) }

// ---- The end ----

// end gives up all that is in flight, and the slots. Their completions are kept to be told. With the reaper's lock.
func (p *Pipeline) end(why ending, cause error) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if p.ended {
		return
	}
	for i := range p.flights {
		f := &p.flights[i]
		if f.isInFlight() {
			p.endFlight(f, why, cause)
		}
		if f.watch != nil {
			f.watch.stop()
		}
	}
	if p.watch != nil {
		p.watch.stop()
	}
	p.ended = true
	close(p.over)
	p.pool.discharge(p)
	for i := range p.flights {
		p.flights[i].grouped = false
		p.pool.release(p.flights[i].caller)
	}
}

// endFlight keeps what became of a request, also where there is no memory any more to look at.
func (p *Pipeline) endFlight(f *flight, why ending, cause error) {
	size, failed := 0, p.pool.lost(MaybeExecuted)
	a := p.pool.attachment
	a.fail(a.region.guarded(func() error {
		size, failed = p.giveUp(f, why, cause)
		return nil
	}))
	f.describe(&f.last, size, failed)
	atomic.StoreUint32(&f.state, flightEnded)
}

// tellEnded tells the completions that were kept.
func (p *Pipeline) tellEnded(completions []Completion) (n int) {
	for i := 0; i < len(p.flights) && n < len(completions); i++ {
		if f := &p.flights[i]; f.state == flightEnded {
			completions[n], f.last = f.last, Completion{}
			f.state = flightFree
			n++
		}
	}
	return n
}

// ---- Waiting for room ----

// submitInTime tries until the limit has passed, whenever a request was completed.
func (p *Pipeline) submitInTime(ctx context.Context, l *limit, submission Submission) error {
	deadline := time.NewTimer(l.left())
	defer deadline.Stop()
	atomic.AddInt32(&p.waiters, 1)
	defer atomic.AddInt32(&p.waiters, -1)
	for pause := time.Millisecond; ; pause = nextPause(pause) {
		err := p.Submit(ctx, submission)
		if !isBusy(err) {
			return err
		}
		// Nobody tells when the handler of a request that was given up has ended.
		var look <-chan time.Time
		if p.anyAbandoned() {
			look = time.After(pause)
		}
		select {
		case <-p.room:
		case <-p.over:
		case <-look:
		case <-l.done:
			return p.pool.gaveUp(l, endContext, NotStarted, nil)
		case <-deadline.C:
			return err
		}
	}
}

func isBusy(err error) bool {
	failed, is := err.(*CallError)
	return is && failed.kind == ErrAllSlotsBusy
}

func (p *Pipeline) anyAbandoned() bool {
	for i := range p.flights {
		if atomic.LoadUint32(&p.flights[i].state) == flightAbandoned {
			return true
		}
	}
	return false
}
