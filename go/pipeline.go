// SPDX-License-Identifier: Apache-2.0

package shm

import (
	"context"
	"runtime/debug"
	"sort"
	"sync"
	"sync/atomic"

	"github.com/xll-gen/shm/go/internal/cpu"
)

// Submission is one request of a pipeline.
type Submission struct {
	MessageID uint32 // as in Call
	Request   []byte // copied before Submit returns
	Response  []byte // where the response will be copied; the pipeline's until the completion; may be Request
	Tag       uint64 // comes back in the completion

	reply   chan<- Completion  // of an AsyncCaller
	library bool               // a message of the library's own, which was checked
	head    *[streamPiece]byte // what stands before the Request; nil: nothing
}

// Completion is what became of one request.
type Completion struct {
	Tag      uint64 // as submitted
	Response []byte // the beginning of the Submission's Response, as long as the response; nil with an error
	Size     int    // bytes of the response; with ErrBufferTooSmall the room that it takes
	Err      error  // nil or a *CallError, as of Call

	reply chan<- Completion
}

// Pipeline keeps several requests to the host in flight: one in each of the guest slots that it holds. Requests are
// submitted without waiting for the response, one by one or several for less than one by one, and completed in any
// order: each submitted request has exactly one completion, which Reap or Poll tells.
//
// One goroutine can do both. Any number may submit at a time, also while another reaps; one at a time reaps. In the
// steady state nothing is allocated. See the spec's sections 7.1 and 9.1.
type Pipeline struct {
	until    int64 // atomic; not 0: who reaps sleeps, at most until then (since processStart)
	inFlight int32 // atomic; submitted, and not told yet
	waiters  int32 // atomic; goroutines that wait for room
	leave    uint32
	closing  uint32 // atomic; not 0: Close was called

	pool *pool
	room chan struct{} // tokens: a request was completed while somebody waited
	over chan struct{} // closed when the slots are given back

	mutex   sync.Mutex // held by who submits or rings: nobody ends the pipeline meanwhile
	flights []flight   // by slot; the first one's leads
	next    int        // where the next request goes, if that flight is free
	ended   bool       // the slots are given back

	batch     []*flight // of this call: whose host is to be looked at
	departing *flight   // being published
	uncounted int32     // in flight, but not in inFlight
	unwatched bool      // one has a context that nobody watches yet

	reaper     sync.Mutex // held by who reaps, and by who ends the pipeline
	wait       waiter
	limit      limit         // of the reap that waits
	watch      *contextVigil // of its context
	bell       doorbell
	filled     int  // completions, by this reap
	oldest     int  // where the next response is expected
	aside      int  // where else to look
	disordered bool // the last response was not the one that was expected
}

// A flight's state hands it over: free and abandoned ones are of who submits, the others of who reaps.
const (
	flightFree      = iota
	flightInFlight  // its request is not completed
	flightAbandoned // given up, and maybe still in its handler
	flightEnded     // over with the pipeline; its completion is to be told
)

type flight struct {
	*caller
	state    uint32 // atomic
	tag      uint64
	response []byte
	reply    chan<- Completion
	limit    limit
	watch    *contextVigil // of the last request's context, as long as the next ones have the same
	last     Completion    // of an ended one
}

// Pipeline opens a pipeline of that many requests in flight at most. It holds as many of the client's guest slots, all
// or none, until it is closed; it waits for them until the deadline of ctx, or for the time of WithCallTimeout, and as
// long as ctx is not done. It belongs to the present host: with WithReconnect it ends with that.
//
// The caller owns it and ends it with Close; it ends by itself with the client and with the host.
//
// Every error is a *CallError: ErrInvalidArgument (a nil client or context, a depth below 1 or beyond CallSlots),
// ErrNoSlot, ErrAllSlotsBusy, ErrNoHost, ErrClosed, ErrPeerDied, ErrRegionLost, ErrSystem.
func (c *Client) Pipeline(ctx context.Context, depth int) (*Pipeline, error) {
	if c == nil || ctx == nil {
		return nil, callError(ErrInvalidArgument, NotStarted, nil, "the client or the context is nil")
	}
	calls := c.calls.Load().(*pool)
	if failed := calls.check(MessageNormal, nil); failed != nil {
		return nil, failed
	}
	if depth < 1 || depth > len(calls.callers) {
		return nil, callError(ErrInvalidArgument, NotStarted, nil,
			"a pipeline of depth %d needs as many slots, the client has %d", depth, len(calls.callers))
	}
	p := &Pipeline{pool: calls, room: make(chan struct{}, depth), over: make(chan struct{})}
	if failed := p.open(ctx, depth); failed != nil {
		return nil, failed
	}
	return p, nil
}

func (p *Pipeline) open(ctx context.Context, depth int) *CallError {
	l := newLimit(ctx, p.pool.attachment.client.settings.callTimeout)
	held, failed := p.pool.acquireMany(&l, depth)
	if failed != nil {
		return failed
	}
	// Workers of a group look at their slots in this order.
	sort.Slice(held, func(i, j int) bool { return held[i].slot.index < held[j].slot.index })
	p.flights, p.batch = make([]flight, depth), make([]*flight, 0, depth)
	for i := range p.flights {
		p.flights[i].caller = held[i]
		held[i].grouped = true
	}
	err := p.leadGroup()
	if err == nil && p.pool.enlist(p) {
		return nil
	}
	for _, c := range held {
		c.grouped = false
		p.pool.release(c)
	}
	if err == nil {
		return p.pool.stopped(NotStarted)
	}
	return callError(ErrSystem, NotStarted, err, "the event of slot %d does not open", held[0].slot.index)
}

// leadGroup makes the waiter of who reaps: it sleeps once for all slots, on the first one's bell (spec, section 7.1).
func (p *Pipeline) leadGroup() (err error) {
	lead := p.flights[0].slot
	if p.bell, err = lead.openCallersBell(); err != nil {
		return err
	}
	p.wait = newWaiter(&lead.annex.callerBell, &lead.annex.callerWaiting, &p.leave, p.ready, pipelineBell{p.bell, p},
		p.flights[0].wait.policy)
	p.wait.asleepAs = waitingFirstLead + uint32(lead.index)
	p.wait.times = lead.callerWaits()
	for i := range p.flights[1:] {
		p.wait.others = append(p.wait.others, &p.flights[i+1].slot.annex.callerWaiting)
	}
	return nil
}

// Depth is how many requests can be in flight.
func (p *Pipeline) Depth() int { return len(p.flights) }

// InFlight is how many requests were submitted and are not completed.
func (p *Pipeline) InFlight() int { return int(atomic.LoadInt32(&p.inFlight)) }

// Submit sends a request and does not wait: not for room either. The request ends without a response at the deadline
// of ctx, or, if that has none, after the time of WithCallTimeout, counted from when somebody who reaps begins to
// wait; and as soon as ctx is done.
//
// After nil there will be one completion. After an error, a *CallError, nothing was sent and there will be none:
// ErrAllSlotsBusy (as many as the depth are in flight, or in a handler that outlived its deadline; reap first),
// ErrBadMessageID, ErrRequestTooLarge, ErrInvalidArgument (a nil context), ErrTimeout (ctx is done already),
// ErrClosed, ErrNoHost, ErrPeerDied, ErrRegionLost.
func (p *Pipeline) Submit(ctx context.Context, submission Submission) error {
	one := [1]Submission{submission}
	_, err := p.SubmitMany(ctx, one[:])
	return err
}

// SubmitMany sends several requests, in this order, for less than one by one: the host's sleep is looked at once, after
// the last. It tells how many were sent, the first ones, and if that is not all, why the next one was not.
func (p *Pipeline) SubmitMany(ctx context.Context, submissions []Submission) (sent int, err error) {
	if ctx == nil {
		return 0, callError(ErrInvalidArgument, NotStarted, nil, "the context is nil")
	}
	l := newLimit(ctx, p.pool.attachment.client.settings.callTimeout)
	select {
	case <-l.done:
		return 0, p.pool.gaveUp(&l, endContext, NotStarted, nil)
	default:
	}
	sent, failed := p.submit(&l, submissions)
	if failed != nil { // a nil *CallError would be an error
		err = failed
	}
	return sent, err
}

// SubmitWait is Submit, but waits for room as long as ctx is not done, and at most until the deadline of the request:
// ErrAllSlotsBusy then. Others have to reap meanwhile.
func (p *Pipeline) SubmitWait(ctx context.Context, submission Submission) error {
	err := p.Submit(ctx, submission)
	if !isBusy(err) {
		return err
	}
	l := newLimit(ctx, p.pool.attachment.client.settings.callTimeout)
	return p.submitInTime(ctx, &l, submission)
}

func (p *Pipeline) submit(l *limit, submissions []Submission) (sent int, failed *CallError) {
	p.mutex.Lock()
	defer p.leaveRegion(&failed, debug.SetPanicOnFault(true))
	if failed = p.closed(); failed != nil {
		return 0, failed
	}
	p.batch, p.unwatched = p.batch[:0], false
	for ; sent < len(submissions); sent++ {
		s := &submissions[sent]
		f := p.freeFlight()
		if f == nil {
			failed = p.full()
			break
		}
		if !s.library {
			if failed = p.pool.check(s.MessageID, s.Request); failed != nil {
				break
			}
		}
		p.depart(f, l, s)
	}
	if sent > 0 {
		p.lookForSleepers(l)
	}
	return sent, failed
}

// leaveRegion is deferred by submit: it turns a fault in the region's memory into an error.
func (p *Pipeline) leaveRegion(failed **CallError, before bool) {
	value := recover()
	debug.SetPanicOnFault(before)
	if p.departing != nil { // not sent
		atomic.StoreUint32(&p.departing.state, flightFree)
		p.departing = nil
	}
	if p.uncounted != 0 {
		atomic.AddInt32(&p.inFlight, p.uncounted)
		p.uncounted = 0
	}
	p.mutex.Unlock()
	if value == nil {
		return
	}
	a := p.pool.attachment
	a.fail(a.region.recovered(value))
	*failed = p.pool.lost(NotStarted)
}

// closed says why nothing can be submitted any more. With the mutex.
func (p *Pipeline) closed() *CallError {
	switch {
	case atomic.LoadUint32(&p.pool.attachment.stopping) != 0:
		return p.pool.stopped(NotStarted)
	case p.ended || atomic.LoadUint32(&p.closing) != 0:
		return callError(ErrClosed, NotStarted, nil, "the pipeline was closed; open another")
	}
	return nil
}

func (p *Pipeline) full() *CallError {
	return callError(ErrAllSlotsBusy, NotStarted, nil,
		"%d requests are in flight or in a handler that outlived its deadline; reap first", len(p.flights))
}

func (p *Pipeline) after(index int) int {
	if index++; index < len(p.flights) {
		return index
	}
	return 0
}

// freeFlight finds one that can take a request, in turn; nil if none can.
func (p *Pipeline) freeFlight() *flight {
	for range p.flights {
		f := &p.flights[p.next]
		switch atomic.LoadUint32(&f.state) {
		case flightFree:
			return f
		case flightAbandoned:
			if f.abandoned = f.find() == nowhere; !f.abandoned {
				return f
			}
		}
		p.next = p.after(p.next)
	}
	return nil
}

// depart publishes a request. Whether the host sleeps is looked at after the last one of the batch.
func (p *Pipeline) depart(f *flight, l *limit, s *Submission) {
	f.tag, f.response, f.reply = s.Tag, s.Response, s.reply
	if f.watch != nil && f.watch.done != l.done {
		f.watch.stop()
		f.watch = nil
	}
	p.unwatched = p.unwatched || l.done != nil && f.watch == nil
	f.limit = *l
	f.tell(l)
	if s.head != nil {
		f.preparePiece(s)
	} else {
		f.prepare(s.MessageID, s.Request)
	}
	p.departing = f
	// Release, both: who finds it in flight finds all of it; and the request is complete before its word. In this order, so
	// that who is about to sleep does not miss it.
	cpu.StoreRelease(&f.state, flightInFlight)
	cpu.StoreRelease(&f.slot.turn.callerState, f.own)
	f.countRequest(len(s.Request))
	p.departing = nil
	p.uncounted++
	p.batch = append(p.batch, f)
	p.next = p.after(p.next)
}

// lookForSleepers wakes who sleeps on the other side, and who reaps if it does not know enough of the new requests.
func (p *Pipeline) lookForSleepers(l *limit) {
	// A full barrier for all that was published: either this side sees who sleeps, or they see the requests when
	// they look once more (spec, sections 4.2 and 7.1).
	atomic.AddInt32(&p.inFlight, p.uncounted)
	p.uncounted = 0
	for _, f := range p.batch {
		f.lookForSleeper()
	}
	until := atomic.LoadInt64(&p.until)
	if until == 0 {
		return
	}
	own := *l
	if own.left(); int64(own.end) < until || p.unwatched {
		p.ring()
	}
}

// ring wakes who reaps, as a response would. With the mutex, and before the end.
func (p *Pipeline) ring() {
	atomic.AddUint32(p.wait.watched, 1)
	p.bell.ring()
}

// rouse lets who reaps look whether there is a reason to leave its wait.
func (p *Pipeline) rouse() {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if p.ended {
		return
	}
	atomic.StoreUint32(&p.leave, 1)
	a := p.pool.attachment
	a.fail(a.region.guarded(func() error { p.ring(); return nil }))
}
