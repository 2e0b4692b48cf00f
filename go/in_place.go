// SPDX-License-Identifier: Apache-2.0

package shm

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync/atomic"
)

// RequestBuffer is the request buffer of a guest slot, to be written in place; see Client.Acquire. It is a handle:
// its copies are the same buffer, and once it was sent or released all of them are stale. A stale one has no bytes, and
// sending it is an error. What Go cannot do is take a slice back: one that was kept must not be used any more, as
// it leads to the next request.
type RequestBuffer struct {
	pool   *pool
	caller *caller
	turn   uint32
}

// ResponseView is a response that is read where it stands. It is a handle as RequestBuffer is: stale once it was
// released or reused.
type ResponseView struct {
	buffer  RequestBuffer
	payload []byte
}

// Acquire holds a guest slot, to build a request and read its response in place. It waits for one until the deadline of
// ctx, or for the time of WithCallTimeout, and as long as ctx is not done.
//
// The slot is the caller's until the buffer or the response that came of it is released. It belongs to one goroutine at a
// time. Its memory stays valid beyond the end of the client and of the host: then sending fails. But where somebody
// cuts the region's object short, an access to it by the application faults, which ends the process unless
// debug.SetPanicOnFault says otherwise; nobody can cut a sealed region.
//
// Errors as those of Call before anything was sent.
func (c *Client) Acquire(ctx context.Context) (RequestBuffer, error) {
	if c == nil || ctx == nil {
		return RequestBuffer{}, callError(ErrInvalidArgument, NotStarted, nil, "the client or the context is nil")
	}
	p := c.calls.Load().(*pool)
	if failed := p.check(MessageNormal, nil); failed != nil {
		return RequestBuffer{}, failed
	}
	l := newLimit(ctx, c.settings.callTimeout)
	held, failed := p.acquireMany(&l, 1)
	if failed != nil {
		return RequestBuffer{}, failed
	}
	return p.lend(held[0]), nil
}

// lend gives a slot that is held to the application. The region stays until it is given back.
func (p *pool) lend(c *caller) RequestBuffer {
	p.attachment.region.retain() // which it is, as long as a slot is held
	turn := atomic.AddUint32(&c.turn, 1)
	atomic.SwapUint32(&c.claim, claimLent)
	return RequestBuffer{p, c, turn}
}

// takeBack ends a loan whose handle is stale.
func (p *pool) takeBack(c *caller) {
	a := p.attachment
	if atomic.CompareAndSwapUint32(&c.claim, claimLent, claimFree) {
		p.tell()
	} else { // the attachment has ended, and left this to us
		a.fail(a.region.object.unclaim(claimFirstSlot + uint64(c.slot.index)))
		atomic.SwapUint32(&c.claim, claimRetired)
	}
	a.fail(a.region.release())
}

// isStale: it was sent or released, or never was one.
func (b RequestBuffer) isStale() bool {
	return b.caller == nil || atomic.LoadUint32(&b.caller.turn) != b.turn
}

// spend makes the handle stale; false if it is already.
func (b RequestBuffer) spend() bool {
	return b.caller != nil && atomic.CompareAndSwapUint32(&b.caller.turn, b.turn, b.turn+1)
}

// Bytes is the buffer, as long as a request may be; it begins at a multiple of 64. Nil if the handle is stale.
func (b RequestBuffer) Bytes() []byte {
	if b.isStale() {
		return nil
	}
	return b.caller.slot.request
}

// End is the same many bytes, counted from the end of the buffer's room, which is a multiple of 64: for what is built
// from its end downwards. Nil if the handle is stale.
func (b RequestBuffer) End() []byte {
	if b.isStale() {
		return nil
	}
	return lastOf(b.caller.slot.requestRoom, uint32(len(b.caller.slot.request)))
}

// Release gives the slot back without sending. A stale handle is left alone.
func (b RequestBuffer) Release() {
	if b.spend() {
		b.pool.takeBack(b.caller)
	}
}

// Send sends the first size bytes of Bytes and waits for the response. It takes the slot away, whatever comes of it: with
// the response it is the ResponseView's, without one it is given back.
//
// Errors as those of Call; ErrInvalidArgument also if the handle is stale or the size negative.
func (b RequestBuffer) Send(ctx context.Context, messageID uint32, size int) (ResponseView, error) {
	return b.send(ctx, messageID, size, 0)
}

// SendAtEnd is Send for the last size bytes of End.
func (b RequestBuffer) SendAtEnd(ctx context.Context, messageID uint32, size int) (ResponseView, error) {
	return b.send(ctx, messageID, size, flagAtEnd)
}

// SendMessage is Send for a message that was built in Bytes or End, by whatever may have left them when it grew: it is
// sent from where it stands if it begins where Bytes does or ends where End does, and copied there otherwise. One larger
// than the buffer is ErrRequestTooLarge, and nothing was sent.
func (b RequestBuffer) SendMessage(ctx context.Context, messageID uint32, message []byte) (ResponseView, error) {
	return b.send(ctx, messageID, len(message), placeMessage(message, b.Bytes(), b.End()))
}

// placeMessage puts a message where it can be sent from, and says by its flags where that is.
func placeMessage(message, begin, end []byte) (flags uint32) {
	switch size := len(message); {
	case size == 0 || size > len(begin) || &message[0] == &begin[0]:
		return 0
	case &message[0] != &end[len(end)-size]:
		copy(end[len(end)-size:], message)
	}
	return flagAtEnd
}

var errStale = callError(ErrInvalidArgument, NotStarted, nil, "the buffer was sent or released before; acquire another")

func (b RequestBuffer) send(ctx context.Context, messageID uint32, size int, flags uint32) (ResponseView, error) {
	if !b.spend() {
		return ResponseView{}, errStale
	}
	payload, failed := b.pool.exchangeInPlace(ctx, b.caller, messageID, size, flags)
	if failed != nil {
		return ResponseView{}, failed
	}
	return ResponseView{RequestBuffer{b.pool, b.caller, b.turn + 1}, payload}, nil
}

// exchangeInPlace makes one exchange through a slot that is lent, which it is afterwards if there is a response, and
// given back if there is none.
func (p *pool) exchangeInPlace(ctx context.Context, c *caller, messageID uint32, size int, flags uint32) (payload []byte, failed *CallError) {
	if failed = p.checkInPlace(ctx, messageID, size); failed == nil && !atomic.CompareAndSwapUint32(&c.claim, claimLent, claimHeld) {
		failed = p.stopped(NotStarted)
	}
	if failed != nil {
		p.takeBack(c)
		return nil, failed
	}
	l := newLimit(ctx, p.attachment.client.settings.callTimeout)
	if payload, failed = p.callInPlace(&l, c, messageID, uint32(size), flags); failed != nil {
		p.attachment.fail(p.attachment.region.release()) // the slot was given back
	}
	return payload, failed
}

func (p *pool) checkInPlace(ctx context.Context, messageID uint32, size int) *CallError {
	switch {
	case ctx == nil:
		return callError(ErrInvalidArgument, NotStarted, nil, "the context is nil")
	case size < 0:
		return callError(ErrInvalidArgument, NotStarted, nil, "the size is %d", size)
	case ctx.Err() != nil:
		l := newLimit(ctx, 0)
		return p.gaveUp(&l, endContext, NotStarted, nil)
	}
	return p.checkSize(messageID, size)
}

// callInPlace is call through a slot that is held. With a response it is lent then, else given back.
func (p *pool) callInPlace(l *limit, c *caller, messageID, size, flags uint32) (payload []byte, failed *CallError) {
	held := c
	defer p.done(&held, &failed, debug.SetPanicOnFault(true))
	c.tell(l)
	if flags == 0 && isTiny(messageID, int(size)) {
		c.publish(messageID, c.slot.request[:size])
	} else {
		c.prepareInPlace(messageID, size, flags)
		c.send(int(size))
	}
	where, failed := p.await(c, l)
	if failed != nil {
		return nil, failed
	}
	payload, failed = c.take(where)
	// Asked last: nothing that was read before tells the truth then.
	if p.attachment.region.wasCut() {
		return nil, p.lost(MaybeExecuted)
	}
	if failed == nil {
		c.published = false
		held = nil
		atomic.SwapUint32(&c.claim, claimLent)
	}
	return payload, failed
}

// Bytes is the response where it stands, not to be written. A hostile host may change it meanwhile: copy what you decide
// on twice. Nil if the handle is stale.
func (r ResponseView) Bytes() []byte {
	if r.buffer.isStale() {
		return nil
	}
	return r.payload
}

// Reuse makes the slot's buffer the next request's; the response is stale then. Of a stale handle comes a stale one.
func (r ResponseView) Reuse() RequestBuffer {
	if !r.buffer.spend() {
		return RequestBuffer{}
	}
	return RequestBuffer{r.buffer.pool, r.buffer.caller, r.buffer.turn + 1}
}

// Release gives the slot back. A stale handle is left alone.
func (r ResponseView) Release() { r.buffer.Release() }

// ResponseBuffer is a handler's response buffer, to be written in place; see InPlace. It is a handle: once it was
// sent, and when its handler has returned, it has no bytes, and sending it is an error. A slice that was kept must not
// be used any more.
type ResponseBuffer struct {
	request *Request
	bytes   []byte
	turn    uint32
}

// InPlaceHandler answers one request by sending a response, or later: see Request.Later. An error it returns counts more than what was sent, and reaches
// the caller as that of a MessageHandler, as does everything else; so does its absence if nothing was sent.
type InPlaceHandler func(request *Request, response ResponseBuffer) error

// InPlace makes a MessageHandler of one that gets its response buffer as a handle: for Client.HandleMessage and
// Mux.Handle. It allocates nothing.
func InPlace(handler InPlaceHandler) MessageHandler {
	if handler == nil {
		return nil
	}
	return func(request *Request, buffer []byte) (int, error) {
		request.sent = -1
		response := ResponseBuffer{request, buffer, atomic.AddUint32(&request.turn, 1)}
		defer atomic.AddUint32(&request.turn, 2) // however it ends; sending adds 1
		if err := handler(request, response); err != nil {
			return 0, err
		}
		if request.sent < 0 {
			if request.later != nil {
				return 0, nil // it is answered later
			}
			return 0, errNothingSent
		}
		return request.sent, nil
	}
}

var errNothingSent = errors.New("the handler sent no response")

func (b ResponseBuffer) isStale() bool {
	return b.request == nil || atomic.LoadUint32(&b.request.turn) != b.turn
}

// Bytes is the buffer, as long as a response may be; it begins at a multiple of 64. Nil if the handle is stale.
func (b ResponseBuffer) Bytes() []byte {
	if b.isStale() {
		return nil
	}
	return b.bytes
}

// End is the same many bytes, counted from the end of the buffer's room, which is a multiple of 64. Nil if the handle
// is stale.
func (b ResponseBuffer) End() []byte {
	if b.isStale() {
		return nil
	}
	return lastOf(b.request.room, uint32(len(b.bytes)))
}

// Send answers with the first size bytes of Bytes. More than there are reach the caller as RESPONSE_TOO_LARGE.
// Errors: ErrInvalidArgument if the handle is stale or the size negative.
func (b ResponseBuffer) Send(size int) error { return b.send(size, false) }

// SendAtEnd is Send for the last size bytes of End.
func (b ResponseBuffer) SendAtEnd(size int) error { return b.send(size, true) }

// SendMessage is Send for a message that was built in Bytes or End; see RequestBuffer.SendMessage.
func (b ResponseBuffer) SendMessage(message []byte) error {
	return b.send(len(message), placeMessage(message, b.Bytes(), b.End()) != 0)
}

func (b ResponseBuffer) send(size int, atEnd bool) error {
	if size < 0 {
		return &failure{ErrInvalidArgument, fmt.Sprintf("the size is %d", size), nil}
	}
	if b.request == nil || !atomic.CompareAndSwapUint32(&b.request.turn, b.turn, b.turn+1) {
		return &failure{ErrInvalidArgument, "the response was sent before, or its handler has returned", nil}
	}
	b.request.sent, b.request.atEnd = size, atEnd
	return nil
}
