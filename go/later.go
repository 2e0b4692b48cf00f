// SPDX-License-Identifier: Apache-2.0

package shm

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"

	"github.com/xll-gen/shm/go/internal/cpu"
)

// Pending is a request that is answered after its handler has returned: by Respond, from any goroutine, and out of
// order with others (spec, section 4.4). Request.Later makes it. Its slot carries no other request meanwhile, but
// its worker goes on to serve the other slots that it has.
//
// It must be answered, also if its context is done: Client.Wait does not return before, as it waits for handlers, and a
// request that is never answered keeps its slot, and the region's memory, until the process ends. Client.Close does not
// wait for it. All methods may be called from several goroutines at a time; on a nil Pending they do nothing, and
// Respond returns an error.
type Pending struct {
	request Request
	annex   annexLine // a private copy
	in      incoming
	role    responder // a copy, which answers this request and no other
	context *requestContext
	worker  *worker
	state   uint32 // atomic
}

// What became of a Pending.
const (
	pendingOpen      = iota
	pendingAnswering // by one goroutine; the response is about to be published
	pendingAnswered  // its slot is the worker's again
)

// Later says that this request is answered later, by the Pending that it returns; called again, by the same. The
// handler then returns, and what it returns is ignored unless it is an error, which answers the request as ever if
// nobody has done so before. The same holds if it panics.
//
// It is to be called by the handler, in its own goroutine. It returns nil for a request that did not come from the
// library, or is over.
func (r *Request) Later() *Pending {
	role := r.responder
	if role == nil || !r.isCurrent() {
		return r.later // of a Pending, the Pending itself
	}
	own := &role.request // the handler may have made a copy
	if own.later == nil {
		own.later = newPending(role)
		own.engaged = true
	}
	return own.later
}

// isCurrent tells whether the request is the one in its worker's handler.
func (r *Request) isCurrent() bool {
	w := r.responder.worker
	return atomic.LoadUint32(&w.phase) == phaseHandling && w.group.serving() == r.responder &&
		r.responder.request.TransportID == r.TransportID
}

func newPending(role *responder) *Pending {
	w := role.worker
	p := &Pending{worker: w, in: w.current, role: *role}
	p.context = role.contextOfRequest()
	own := role.slot.annex
	p.annex = annexLine{deadline: atomic.LoadUint64(&own.deadline), traceID: atomic.LoadUint64(&own.traceID)}
	p.request = role.request
	p.request.Data = role.payload(&p.in)
	p.request.annex, p.request.responder, p.request.later = &p.annex, nil, p
	w.owed.Add(1)
	return p
}

// Request is the request. What it leads to is valid until Respond; a small payload for ever.
func (p *Pending) Request() *Request {
	if p == nil {
		return nil
	}
	return &p.request
}

// Response is the slot's response buffer, in shared memory, for a response to be written in place and given to
// Respond. It is valid until Respond is called; nil afterwards.
func (p *Pending) Response() []byte {
	if p == nil || atomic.LoadUint32(&p.state) != pendingOpen {
		return nil
	}
	return p.role.slot.response
}

// Context is the request's; see Request.Context. With WithSlotsPerWorker, Done is late by as long as the worker is inside
// another request's handler; Err looks for itself.
func (p *Pending) Context() context.Context {
	if p == nil {
		return context.Background()
	}
	return p.context
}

// Respond answers the request: with the payload, which may be the beginning of Response and is copied otherwise, or with
// the error, as a MessageHandler returns it. If the caller gave up meanwhile, nobody gets the response; that
// is no error.
//
// Errors: ErrInvalidArgument if the request was answered before, by whomever; ErrResponseTooLarge, of which the caller is
// told as well; ErrRegionLost.
func (p *Pending) Respond(payload []byte, err error) error {
	if p == nil {
		return &failure{ErrInvalidArgument, "there is no pending request: it was over before Later", nil}
	}
	err = inOwnWords(err) // before anything is changed
	if !atomic.CompareAndSwapUint32(&p.state, pendingOpen, pendingAnswering) {
		return &failure{ErrInvalidArgument, "the request was answered before; answer it once", nil}
	}
	defer p.answered()
	region := p.role.slot.region
	if lost := region.guarded(func() error { p.publish(payload, err); return nil }); lost != nil {
		p.worker.attachment.fail(lost)
		return lost
	}
	if room := len(p.role.slot.response); err == nil && len(payload) > room {
		return &failure{ErrResponseTooLarge, fmt.Sprintf("the response has %d bytes, a slot of %q takes %d; send less",
			len(payload), region.name, room), nil}
	}
	return nil
}

func (p *Pending) publish(payload []byte, err error) {
	buffer, room := p.role.slot.response, p.role.slot.responseRoom
	size := len(payload)
	atEnd := size > 0 && &payload[size-1] == &room[len(room)-1]
	if inPlace := size > 0 && (atEnd || &payload[0] == &buffer[0]); err == nil && !inPlace {
		copy(buffer, payload)
	}
	status, answered := outcome(size, err, buffer)
	if status == answerOK && atEnd {
		p.in.responseFlags = flagAtEnd
	}
	// Before the answer: after it the counters are the worker's.
	p.role.countAnswer(status, answered)
	p.role.countHandled(p.in.size)
	if p.in.isAnsweredTiny(status, p.in.messageID, answered) {
		p.role.answerInTurnLine(&p.in, answered)
	} else {
		p.role.answerInOwnLine(&p.in, status, p.in.messageID, answered)
	}
}

// answered gives the slot back to the worker, which may unmap it.
func (p *Pending) answered() {
	p.context.end()
	atomic.StoreUint32(&p.state, pendingAnswered)
	p.worker.owed.Done()
}

// settle waits until who answers is through with the slot: some instructions.
func (p *Pending) settle() {
	for atomic.LoadUint32(&p.state) != pendingAnswered {
		runtime.Gosched()
	}
}

// isMine tells whether the worker is to deal with what it has just seen in the slot, although its last request was to be
// answered later. As long as it is not, all that the caller may do is to give up, or to leave for good; a request that
// comes all the same is ignored for ever.
func (r *responder) isMine() bool {
	p := r.later
	if atomic.LoadUint32(&p.state) == pendingOpen {
		p.context.cancel()
		return callerCode(r.seen) == codeClosed
	}
	r.resume()
	return true
}

// resume takes the slot back from a Pending that was answered, or is about to be.
func (r *responder) resume() {
	r.later.settle()
	r.own = r.later.role.own
	r.later = nil
}

// conclude ends an exchange whose handler asked for its context, or to answer later.
func (w *worker) conclude(role *responder, n int, err error) {
	err = inOwnWords(err)
	c, p := role.disengage()
	defer c.leaveHandler()
	role.later = p
	if p != nil {
		cpu.StoreRelease(&w.phase, phaseWaiting)
		if err != nil {
			_ = p.Respond(nil, err) // the application may have answered before
		}
		return
	}
	status, size := outcome(n, err, role.slot.response)
	if status == answerOK && role.request.atEnd {
		w.current.responseFlags = flagAtEnd
	}
	cpu.StoreRelease(&w.phase, phaseWaiting)
	role.answer(&w.current, status, w.current.messageID, size)
	role.countHandled(w.current.size)
	c.end()
}

// inOwnWords asks an error all that there is to ask: it may be anybody's, and panic.
func inOwnWords(err error) error {
	if err == nil || errors.Is(err, ErrUnknownMessage) {
		return err
	}
	return errors.New(err.Error())
}

// disengage forgets what the handler asked for.
func (r *responder) disengage() (*requestContext, *Pending) {
	request := &r.request
	c, p := request.context, request.later
	request.context, request.later, request.engaged = nil, nil, false
	return c, p
}

// contextOfRequest is the context of the request in the handler.
func (r *responder) contextOfRequest() *requestContext {
	request := &r.request
	if request.context == nil {
		request.context = newRequestContext(r.worker.attachment, r)
		request.engaged = true
	}
	return request.context
}

// awaitAnswers waits for the answers that are to come later, before the worker leaves its slots. Nobody waits for them
// if the caller has gone, but they touch the slots.
func (w *worker) awaitAnswers() {
	roles := w.group.responders
	for i := range roles {
		if roles[i].request.engaged { // the region was lost in the handler
			c, p := roles[i].disengage()
			c.leaveHandler()
			if roles[i].later = p; p == nil {
				c.end()
			}
		}
		if roles[i].later != nil {
			atomic.StoreUint32(&w.phase, phaseOwing)
			roles[i].later.context.cancel()
		}
	}
	w.owed.Wait()
	atomic.StoreUint32(&w.phase, phaseWaiting)
	for i := range roles {
		if roles[i].later != nil {
			roles[i].resume()
		}
	}
}
