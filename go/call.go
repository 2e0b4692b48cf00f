// SPDX-License-Identifier: Apache-2.0

package shm

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync/atomic"
)

// Fate is what became of the request of a call that returned an error.
type Fate int

const (
	// NotStarted: no handler saw the request, and none will. It may be sent again.
	NotStarted Fate = iota
	// MaybeExecuted: a handler began it; whether it ended is unknown.
	MaybeExecuted
	// Answered: the host answered, with a response or with an error.
	Answered
)

func (f Fate) String() string {
	switch f {
	case NotStarted:
		return "not started"
	case MaybeExecuted:
		return "maybe executed"
	}
	return "answered"
}

// CallError is what Call returns: every error of it is one. errors.Is finds the error of this package that it is, and
// context.Canceled or context.DeadlineExceeded where the context was why.
type CallError struct {
	failure
	fate Fate
}

// Fate is what became of the request.
func (e *CallError) Fate() Fate { return e.fate }

// Text is what is special to this occasion; of ErrHandlerFailed just what the handler said.
func (e *CallError) Text() string { return e.text }

func callError(kind error, fate Fate, cause error, format string, values ...interface{}) *CallError {
	return &CallError{failure{kind, fmt.Sprintf(format, values...), cause}, fate}
}

// mostErrorText is how many bytes of a handler's text become part of an error.
const mostErrorText = 1024

// Call calls the host through one of the client's guest slots and waits for the response. It copies the request
// from the one slice and the response into the other, which may be the same, and says how many bytes the response has.
//
// The message id is MessageNormal, MessageHeartbeatRequest, or one from MessageFirstUser on. The call ends at the
// deadline of ctx, which the host's handler can see, or, if that has none, after the time of WithCallTimeout; and as soon
// as ctx is done, which the handler can see too. Any number of
// goroutines may call, also from inside a handler of this client and before Start; more than there are slots wait
// for each other. It keeps neither slice and allocates nothing, unless it fails or has to sleep.
//
// Every error is a *CallError, which tells the Fate of the request: ErrInvalidArgument (a nil client or context),
// ErrBadMessageID, ErrRequestTooLarge, ErrNoSlot (the client has no guest slot), ErrAllSlotsBusy, ErrNoHost (between
// two hosts, with WithReconnect), ErrClosed and ErrClosedMaybeExecuted (Close was called, or the host closed), ErrTimeout and
// ErrTimeoutMaybeExecuted (the deadline passed or ctx was cancelled), ErrPeerDied and
// ErrPeerDiedMaybeExecuted, ErrBufferTooSmall (size is then the room that it takes, and nothing was copied),
// ErrHandlerFailed (with its text), ErrUnknownMessage, ErrResponseTooLarge, ErrProtocolViolated, ErrRegionLost and
// ErrRegionLostMaybeExecuted.
func (c *Client) Call(ctx context.Context, messageID uint32, request, response []byte) (size int, err error) {
	if c == nil || ctx == nil {
		return 0, callError(ErrInvalidArgument, NotStarted, nil, "the client or the context is nil")
	}
	p := c.calls.Load().(*pool)
	if failed := p.check(messageID, request); failed != nil {
		return 0, failed
	}
	l := newLimit(ctx, c.settings.callTimeout)
	select {
	case <-l.done:
		return 0, p.gaveUp(&l, endContext, NotStarted, nil)
	default:
	}
	size, failed := p.call(&l, messageID, request, response)
	if failed != nil { // a nil *CallError would be an error
		err = failed
	}
	return size, err
}

// CallSlots is the number of guest slots through which the client can call the host: as many calls at a time.
func (c *Client) CallSlots() int {
	if c == nil {
		return 0
	}
	return len(c.calls.Load().(*pool).callers)
}

// check refuses what must not be sent (spec, section 5), before anything is written.
func (p *pool) check(messageID uint32, request []byte) *CallError {
	return p.checkSize(messageID, len(request))
}

func (p *pool) checkSize(messageID uint32, size int) *CallError {
	r := p.attachment.region
	switch {
	case messageID < MessageFirstUser && messageID != MessageNormal && messageID != MessageHeartbeatRequest:
		return callError(ErrBadMessageID, NotStarted, nil, "the message id is %d; use %d, %d or %d and above",
			messageID, MessageNormal, MessageHeartbeatRequest, MessageFirstUser)
	case uint64(size) > uint64(r.layout.requestCapacity):
		return callError(ErrRequestTooLarge, NotStarted, nil, "the request has %d bytes, a slot of %q takes %d; send less",
			size, r.name, r.layout.requestCapacity)
	case len(p.callers) == 0:
		return callError(ErrNoSlot, NotStarted, nil,
			"the client has no slot of %q to call through; give the host guest slots", r.name)
	}
	return nil
}

func (p *pool) call(l *limit, messageID uint32, request, response []byte) (size int, failed *CallError) {
	var c *caller
	defer p.done(&c, &failed, debug.SetPanicOnFault(true))
	var why ending
	if c, why = p.acquire(l); c == nil {
		return 0, p.gaveUp(l, why, NotStarted, nil)
	}
	c.tell(l)
	c.publish(messageID, request)
	where, failed := p.await(c, l)
	if failed != nil {
		return 0, failed
	}
	payload, failed := c.take(where)
	if failed == nil {
		size, failed = deliver(response, payload)
	}
	// Asked last: nothing that was read before tells the truth then.
	if p.attachment.region.wasCut() {
		return 0, p.lost(MaybeExecuted)
	}
	return size, failed
}

// await waits for the response to a request that was published, or gives up.
func (p *pool) await(c *caller, l *limit) (place, *CallError) {
	where := c.spin()
	if where != nowhere {
		return where, nil
	}
	where, why, problem := c.await(l, &p.attachment.stopping)
	sound := true
	if where == nowhere {
		where, sound = c.cancel()
	}
	if !sound {
		return nowhere, p.lost(MaybeExecuted)
	}
	if where == nowhere {
		return nowhere, c.counted(p.gaveUp(l, why, c.fate(), problem))
	}
	return where, nil
}

// done is deferred by call: it gives the slot back, and turns a fault in the region's memory into an error.
func (p *pool) done(held **caller, failed **CallError, before bool) {
	value := recover()
	debug.SetPanicOnFault(before)
	fate := NotStarted
	if c := *held; c != nil {
		if c.published {
			fate = MaybeExecuted
		}
		c.published = false
		defer p.release(c) // after the end of the attachment, so that nobody calls where there is no memory
	}
	if value == nil {
		return
	}
	p.attachment.fail(p.attachment.region.recovered(value))
	*failed = p.lost(fate)
}

// fate is that of a request that was given up.
func (c *caller) fate() Fate {
	if c.abandoned {
		return MaybeExecuted
	}
	return NotStarted
}

// take finds the response where it stands. Nothing of it is believed that was not checked (spec, section 8); each field
// is read once.
func (c *caller) take(where place) ([]byte, *CallError) {
	payload, failed := c.takeUncounted(where)
	if failed != nil {
		c.counted(failed)
	}
	return payload, failed
}

func (c *caller) takeUncounted(where place) ([]byte, *CallError) {
	if where == inTurnLine {
		line := c.slot.turn
		size := ^atomic.LoadUint64(&line.transportID) ^ c.transportID
		if size > tinyCapacity {
			return nil, violated("the response in slot %d is for another request, or claims more than %d bytes", c.slot.index, tinyCapacity)
		}
		c.countResponse(uint32(size))
		return line.tinyPayload[:size:size], nil
	}
	line := c.slot.responder
	id, size, status := atomic.LoadUint64(&line.transportID), atomic.LoadUint32(&line.size), atomic.LoadUint32(&line.status)
	flags := atomic.LoadUint32(&line.flags)
	switch {
	case withoutMessageBits(id) != c.transportID:
		return nil, violated("the response is for the request %#x, not for %#x", id, c.transportID)
	case uint64(size) > uint64(len(c.slot.response)):
		return nil, violated("the response claims %d bytes of a buffer of %d bytes", size, len(c.slot.response))
	case flags&^flagAtEnd != 0:
		return nil, violated("the response has the unknown flags %#x", flags)
	}
	c.countResponse(size)
	payload := c.slot.response[:size:size]
	if flags != 0 {
		payload = lastOf(c.slot.responseRoom, size)
	}
	if status != answerOK {
		return nil, c.refused(status, payload)
	}
	return payload, nil
}

func violated(format string, values ...interface{}) *CallError {
	return callError(ErrProtocolViolated, MaybeExecuted, nil, format, values...)
}

func deliver(response, payload []byte) (int, *CallError) {
	if len(payload) > len(response) {
		return len(payload), callError(ErrBufferTooSmall, Answered, nil,
			"the response has %d bytes, the buffer %d; give a larger one", len(payload), len(response))
	}
	return copy(response, payload), nil
}

// refused is the error of an answer that is no response.
func (c *caller) refused(status uint32, payload []byte) *CallError {
	switch status {
	case answerHandlerFailed:
		text := make([]byte, mostErrorText)
		// A copy: the host may change it meanwhile.
		own := string(payload[:atMostBytes(len(payload), 2*mostErrorText)])
		return callError(ErrHandlerFailed, Answered, nil, "%s", text[:writeText(text, own)])
	case answerResponseTooLarge:
		return callError(ErrResponseTooLarge, Answered, nil,
			"the slot takes %d bytes; let the host create larger slots", len(c.slot.response))
	case answerUnknownMessage:
		return callError(ErrUnknownMessage, NotStarted, nil, "the host said so")
	case answerResponderDied:
		return callError(ErrPeerDiedMaybeExecuted, MaybeExecuted, nil, "the host began the request and did not end it")
	case answerBadRequest:
		return violated("the host found the request broken")
	}
	return violated("the response carries the unknown status %d", status)
}

func atMostBytes(a, b int) int {
	if a < b {
		return a
	}
	return b
}

func (p *pool) lost(fate Fate) *CallError {
	return callError(either(fate, ErrRegionLost, ErrRegionLostMaybeExecuted), fate, nil,
		"somebody cut the object of %q short or wrote over it; connect anew", p.attachment.region.name)
}

// gaveUp is the error of a call without an answer.
func (p *pool) gaveUp(l *limit, why ending, fate Fate, cause error) *CallError {
	name := p.attachment.region.name
	switch why {
	case endStopped:
		return p.stopped(fate)
	case endClosing:
		return callError(either(fate, ErrClosed, ErrClosedMaybeExecuted), fate, nil,
			"the host of %q closed during the call; the request was %v", name, fate)
	case endBusy:
		return callError(ErrAllSlotsBusy, fate, l.cause(endDeadline), "all %d slots were busy until the deadline", len(p.callers))
	case endTakenBack:
		return violated("a response was taken back")
	case endBroken:
		return callError(either(fate, ErrClosed, ErrClosedMaybeExecuted), fate, cause,
			"the event backend failed; the request was %v", fate)
	}
	return callError(either(fate, ErrTimeout, ErrTimeoutMaybeExecuted), fate, l.cause(why),
		"no response of the host of %q until the call was over; the request was %v", name, fate)
}

// stopped is the error of calls after the end of the attachment.
func (p *pool) stopped(fate Fate) *CallError {
	a := p.attachment
	why := a.reason()
	text := fmt.Sprintf("the client or the host was closed; the request was %v", fate)
	switch {
	case errors.Is(why, ErrRegionLost):
		return p.lost(fate)
	case a.client.settings.reconnect && a.hostIsGone() && fate == NotStarted:
		return callError(ErrNoHost, fate, nil, "the host of %q is gone, the next one not there yet", a.region.name)
	case errors.Is(why, ErrPeerDied):
		return callError(either(fate, ErrPeerDied, ErrPeerDiedMaybeExecuted), fate, nil,
			"the host of %q is gone; the request was %v", a.region.name, fate)
	case isOrdinary(why):
		why = nil
	}
	return callError(either(fate, ErrClosed, ErrClosedMaybeExecuted), fate, why, "%s", text)
}

func either(fate Fate, notStarted, maybeExecuted error) error {
	if fate == NotStarted {
		return notStarted
	}
	return maybeExecuted
}
