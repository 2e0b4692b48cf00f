// SPDX-License-Identifier: Apache-2.0

package shm

import (
	"errors"
	"sync/atomic"
	"unsafe"

	"github.com/xll-gen/shm/go/internal/cpu"
)

// errCallerClosed tells that the slot's caller left for good.
var errCallerClosed = errors.New("shm: the caller left")

// responder is the answering role of a slot (spec, section 4.1). It belongs to one goroutine at a time,
// which holds the slot's claim.
type responder struct {
	slot *slot
	turn *turnLine // of the slot
	seen uint32    // the caller's word as last looked at
	// own is what stands in the responder's word. Its only writer knows it and need not believe the
	// region.
	own        uint32
	attendance uint32
	// fresh tells that a caller may take this responder for its predecessor (spec, section 9.2).
	fresh    bool
	lastSize uint32   // of the last request that was not tiny: a guess for the next one
	request  Request  // handed to the handler; here so that no request allocates
	later    *Pending // the last request, if it is to be answered later
	worker   *worker
}

func newResponder(s *slot) responder {
	return responder{slot: s, turn: s.turn, request: Request{Slot: s.index, annex: s.annex, room: s.responseRoom}}
}

// serveFor says whose the responder is, which does not move any more.
func (r *responder) serveFor(w *worker) { r.worker, r.request.responder = w, r }

// incoming is a private copy of a request: of what it says of itself, and of a tiny one's payload.
type incoming struct {
	tinyPayload [tinyCapacity]byte
	transportID uint64
	size        uint32
	capacity    uint32 // of the place where the payload stands
	messageID   uint32
	flags       uint32
	tiny        bool

	responseFlags uint32 // of the answer
}

// prefetchLimit is as much of a payload as is asked for ahead: what hides behind the barrier of the mark.
const prefetchLimit = 512

// take begins to serve the slot as the successor of whoever served it before (spec, section 9). A
// request that the former responder had begun is answered with RESPONDER_DIED: it may have been
// executed, so that nobody may handle it again.
func (r *responder) take(who *identity) {
	r.introduce(who)
	owner := r.slot.owner
	atomic.StoreUint32(&r.slot.responder.waiting, 0)
	word := atomic.LoadUint32(&r.turn.callerState)
	r.own = atomic.LoadUint32(&r.slot.responder.state)
	code, response := callerCode(word), wordFor(generationOf(word), codeResponse)
	tiny := r.answeredTiny(word)
	answered := tiny || unattended(r.own) == response
	begun := atomic.LoadUint32(&owner.started) == wordFor(generationOf(word), 0)
	if code == codeRequest && answered {
		r.seen = word // else 0, IDLE: what stands there is looked at
	}
	switch {
	case (code == codeRequest || code == codeCancelled) && !answered && begun:
		r.seen = word
		// The former responder may have died while it wrote its own answer over the request, and over its
		// message id.
		in := incoming{transportID: ownTransportID(r.slot.index, atomic.LoadUint64(&r.turn.transportID))}
		r.answerInOwnLine(&in, answerResponderDied, 0, 0)
		r.countAnswer(answerResponderDied, 0)
	case code == codeRequest && tiny:
		// The former responder may have died before it rang for this answer. A ring is safe only after
		// the word changed on which the caller is about to sleep.
		r.publish(response | flagAttended)
	default:
		r.publish(r.own | flagAttended)
	}
}

// introduce says who serves the slot. While the attendance is 0 nobody believes the owner line; and since the
// exchange is a barrier, either the responder sees afterwards what stands in the slot, or its caller sees the
// attendance (spec, section 9.2).
func (r *responder) introduce(who *identity) {
	owner, attendance := r.slot.owner, &r.slot.responder.attendance
	r.fresh, r.attendance = true, uint32(who.incarnation)|1
	atomic.SwapUint32(attendance, 0)
	owner.pid = who.pid
	owner.pidNamespace = who.pidNamespace
	owner.incarnation = who.incarnation
	owner.name = who.name
	atomic.SwapUint32(attendance, r.attendance)
}

// isForAnother tells whether the request that stands in the slot is for the guest that served it before. It is asked
// until one is not: every later one comes from a caller that knows who serves (spec, section 9.2).
func (r *responder) isForAnother() bool {
	addressee := atomic.LoadUint32(&r.slot.annex.addressee)
	r.fresh = addressee != 0 && addressee != r.attendance
	return r.fresh
}

// answeredTiny tells whether the response to the exchange of that caller's word stands in the turn line,
// where no answer to a request is that was not tiny.
func (r *responder) answeredTiny(word uint32) bool {
	if callerCode(word) == codeRequest && word&flagTiny == 0 {
		return false
	}
	return atomic.LoadUint32(&r.turn.tinyState) == wordFor(generationOf(word), codeResponse)
}

// hasNews tells whether the caller's word is not what was seen (acquire).
func (r *responder) hasNews() bool { return atomic.LoadUint32(&r.turn.callerState) != r.seen }

// begin copies the request out and marks it as started, then looks whether it still stands: either the caller
// that gives up sees the mark, or this sees the cancellation and leaves the request alone (spec, section
// 4.2). What was copied is whole if the request still stands, and is not looked at otherwise.
func (r *responder) begin(in *incoming) (stands bool) {
	if r.fresh && r.isForAnother() {
		refused := incoming{transportID: ownTransportID(r.slot.index, atomic.LoadUint64(&r.turn.transportID))}
		r.answerInOwnLine(&refused, answerNotAddressed, 0, 0)
		return false
	}
	if r.seen&flagTiny != 0 {
		r.readTiny(in)
	} else {
		r.read(in)
	}
	atomic.SwapUint32(&r.slot.owner.started, wordFor(generationOf(r.seen), 0))
	if atomic.LoadUint32(&r.turn.callerState) == r.seen {
		return true
	}
	// The turn line is the caller's: nothing is written there.
	r.answerInOwnLine(&incoming{}, answerNotExecuted, 0, 0)
	r.countAnswer(answerNotExecuted, 0)
	return false
}

// read copies the fields of a request that is not tiny, each once: an atomic load cannot be repeated by the
// compiler, and what is checked is then what is used, whatever the peer writes meanwhile.
func (r *responder) read(in *incoming) {
	// The payload comes while the mark is being made; most of it, if the request is as large as the last one.
	cpu.Prefetch(unsafe.Pointer(&r.slot.request[0]), r.lastSize)
	line := r.slot.ordinaryTurn
	in.tiny, in.responseFlags = false, 0
	in.transportID = atomic.LoadUint64(&r.turn.transportID)
	in.messageID = atomic.LoadUint32(&line.messageID)
	in.flags = atomic.LoadUint32(&line.flags)
	in.capacity = uint32(len(r.slot.request))
	in.size = atomic.LoadUint32(&line.size)
	if in.size != r.lastSize {
		r.lastSize = lesser(in.size, prefetchLimit)
	}
}

// readTiny copies a tiny request. A caller that gives up may be writing the next one meanwhile: nobody looks at a
// torn copy, so that the race is harmless, and the race detector is not told of it.
//
//go:norace
func (r *responder) readTiny(in *incoming) {
	line := r.turn
	in.tiny, in.responseFlags = true, 0
	in.tinyPayload = line.tinyPayload
	in.transportID = atomic.LoadUint64(&line.transportID)
	in.size = uint32(in.transportID) & transportIDSizeMask
	in.flags = 0
	in.messageID, in.capacity = MessageNormal, tinyCapacity
	if in.transportID&transportIDNamed != 0 {
		in.messageID = *(*uint32)(unsafe.Pointer(&in.tinyPayload[tinyNamedCapacity]))
		in.capacity = tinyNamedCapacity
	}
}

// wellFormed is the check of the spec's section 8.
func (in *incoming) wellFormed() bool { return in.size <= in.capacity && in.flags&^flagAtEnd == 0 }

// payload is where the payload of a well-formed request stands.
func (r *responder) payload(in *incoming) []byte {
	if in.tiny {
		return in.tinyPayload[:in.size:in.size]
	}
	if in.flags != 0 {
		return lastOf(r.slot.requestRoom, in.size)
	}
	return r.slot.request[:in.size:in.size]
}

// isAnsweredTiny tells whether this answer stands in the turn line.
func (in *incoming) isAnsweredTiny(status, messageID, size uint32) bool {
	return in.tiny && size <= tinyCapacity && status|in.responseFlags == answerOK && messageID == in.messageID
}

// answer completes an exchange that was begun and found standing. The payload, if any, stands in the
// response buffer. The turn line says neither status nor message id: what is told there is a success, and
// has the request's own.
func (r *responder) answer(in *incoming, status, messageID, size uint32) {
	if in.isAnsweredTiny(status, messageID, size) {
		r.answerInTurnLine(in, size)
	} else {
		r.answerInOwnLine(in, status, messageID, size)
	}
	r.countAnswer(status, size)
}

func (r *responder) answerInTurnLine(in *incoming, size uint32) {
	line := r.turn
	cpu.CopySmall(unsafe.Pointer(&line.tinyPayload), unsafe.Pointer(&r.slot.response[0]), size)
	// The complement: where nothing was written, the request's own id still stands.
	line.transportID = ^(withoutMessageBits(in.transportID) | uint64(size))
	atomic.SwapUint32(&line.tinyState, wordFor(generationOf(r.seen), codeResponse))
	if atomic.LoadUint32(&r.slot.annex.callerWaiting) != 0 {
		// A sleeping caller sleeps on the responder's word: that must change before the ring.
		r.publish(wordFor(generationOf(r.seen), codeResponse|flagAttended))
	}
}

func (r *responder) answerInOwnLine(in *incoming, status, messageID, size uint32) {
	line := r.slot.responder
	line.transportID = in.transportID
	line.size = size
	line.messageID = messageID
	line.status = status
	line.flags = in.responseFlags
	r.publish(wordFor(generationOf(r.seen), codeResponse|flagAttended))
}

// leave tells the caller that nobody serves the slot any more; the last response stays readable.
func (r *responder) leave() { r.publish(unattended(r.own)) }

func (r *responder) publish(word uint32) {
	r.own = word
	line := r.slot.responder
	if waiting := publish(&line.state, word, &r.slot.annex.callerWaiting); waiting != 0 {
		r.slot.ringCaller(waiting)
	}
}
