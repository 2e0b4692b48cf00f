// SPDX-License-Identifier: Apache-2.0

package shm

import (
	"sync/atomic"

	"github.com/xll-gen/shm/go/internal/cpu"
)

// caller is the calling role of a guest slot (spec, sections 4.1 and 9.1). It belongs to one goroutine at a
// time; which one, says the pool. What it has read of the region is checked before it is believed.
type caller struct {
	slot *slot
	wait waiter
	call limit // of the wait that is not over soon

	requests    uint64 // made so far: the count in the transport id
	transportID uint64 // of the last request, its low bits 0
	own         uint32 // what stands in the caller's word. Its only writer knows it and need not believe the region
	generation  uint32 // of the last request
	stale       [2]uint32
	tiny        bool // its response may stand in the turn line
	timed       bool // the last request said its deadline
	published   bool // the present request
	abandoned   bool // given up, and maybe still in its handler: the slot is out of use
	settling    bool // waits for the end of that, not for a response
	grouped     bool // another waits for its response, with others

	publishedAt uint64 // of the last sampled request

	leave  uint32 // atomic, private; not 0: see whether there is a reason to leave the wait
	quiet  uint32 // always 0
	claim  uint32 // atomic, private; the pool's
	served uint32 // atomic, private; whether the host served the slot when it was last looked at
	turn   uint32 // atomic, private; of the handle by which the application has the slot
}

const (
	generationMask = 1<<(32-generationShift) - 1
	// staleLook is how many generations pass between two looks at what the response words show.
	staleLook    = 1 << 20
	noGeneration = generationMask + 1
)

// Where a response stands.
type place int

const (
	nowhere place = iota
	inTurnLine
	inResponderLine
)

func newCaller(s *slot, policy WaitPolicy) *caller {
	c := &caller{slot: s}
	c.wait = newWaiter(&s.responder.state, &s.annex.callerWaiting, &c.leave, c.ready, limitedBell{s.callerBell, c}, policy)
	c.wait.times = s.callerWaits()
	return c
}

// succeed takes over what the slot's last caller left, who may have died at any moment (spec, section 9.1).
func (c *caller) succeed() {
	line := c.slot.turn
	atomic.StoreUint32(&c.slot.annex.callerWaiting, 0)
	c.slot.annex.deadline = 0
	c.slot.annex.traceID = 0
	c.own = atomic.LoadUint32(&line.callerState)
	c.generation = generationOf(c.own)
	if id := ownTransportID(c.slot.index, atomic.LoadUint64(&line.transportID)); id>>transportIDSlotShift == uint64(c.slot.index)+1 {
		c.requests = id << (64 - transportIDSlotShift) >> (64 - transportIDSlotShift + transportIDCountShift)
	}
	c.noteStale()
	switch callerCode(c.own) {
	case codeRequest:
		c.tiny = c.own&flagTiny != 0
		c.cancel()
	case codeCancelled:
		c.tiny = true // nothing says so any more: its response may stand in either line
		c.abandoned = c.find() == nowhere && c.begun()
	}
}

// id is what tells the request from all others of the region.
func (c *caller) id() uint64 {
	const counts = 1<<(transportIDSlotShift-transportIDCountShift) - 1
	return uint64(c.slot.index+1)<<transportIDSlotShift | (c.requests&counts)<<transportIDCountShift
}

// advance begins the next generation that neither response word shows: one of them may not have changed since
// the generations came round (spec, section 3). A word only changes to the current generation, so that it shows what
// was noted or something younger, which does not come round before the next look. No look each time: a load of
// a line that is about to be written costs another transfer of it.
func (c *caller) advance() {
	for again := true; again; again = c.generation == c.stale[0] || c.generation == c.stale[1] {
		c.generation = (c.generation + 1) & generationMask
		if c.generation%staleLook == 0 {
			c.noteStale()
		}
	}
}

func (c *caller) noteStale() {
	for i, word := range []*uint32{&c.slot.turn.tinyState, &c.slot.responder.state} {
		c.stale[i] = noGeneration
		if shown := atomic.LoadUint32(word); shown&codeResponse != 0 {
			c.stale[i] = generationOf(shown)
		}
	}
}

// isTiny tells which requests go as tiny ones (spec, section 2.3).
func isTiny(messageID uint32, size int) bool {
	return size <= tinyNamedCapacity || messageID == MessageNormal && size <= tinyCapacity
}

// publish writes a request that was checked, and hands it to the responder.
func (c *caller) publish(messageID uint32, payload []byte) {
	c.prepare(messageID, payload)
	c.send(len(payload))
}

// send hands a request of that size over, which was prepared.
func (c *caller) send(size int) {
	c.published = true
	slot := c.slot
	if waiting := publish(&slot.turn.callerState, c.own, &slot.responder.waiting); waiting != 0 {
		slot.ringResponder(waiting)
	}
	c.countRequest(size)
}

// prepare writes all of a request but the word that hands it over. The payload first, then the fields, then the word: the
// line is complete when the peer asks for it.
func (c *caller) prepare(messageID uint32, payload []byte) {
	slot := c.slot
	if !isTiny(messageID, len(payload)) {
		copy(slot.request, payload)
		c.prepareInPlace(messageID, uint32(len(payload)), 0)
		return
	}
	low := uint64(len(payload))
	copy(slot.turn.tinyPayload[:], payload)
	if messageID != MessageNormal {
		low |= transportIDNamed
		slot.namedTurn.tinyMessageID = messageID
	}
	c.tiny = true
	c.handOver(codeRequest|flagTiny, low)
}

// preparePiece is prepare for a piece of a stream, which is never tiny.
func (c *caller) preparePiece(s *Submission) {
	n := copy(c.slot.request, s.head[:])
	n += copy(c.slot.request[n:], s.Request)
	c.prepareInPlace(s.MessageID, uint32(n), 0)
}

// prepareInPlace is prepare for a payload that stands in the request buffer, where the flags say, and is not tiny or
// stands at the end.
func (c *caller) prepareInPlace(messageID, size, flags uint32) {
	line := c.slot.ordinaryTurn
	line.size = size
	line.messageID = messageID
	line.flags = flags
	c.tiny = false
	c.handOver(codeRequest, 0)
}

// handOver says what was written; low are the low bits of its transport id.
func (c *caller) handOver(word uint32, low uint64) {
	slot := c.slot
	c.advance()
	c.requests++
	c.transportID = c.id()
	slot.turn.transportID = c.transportID | low
	if isSampled(c.generation) {
		c.sampleRequest()
	}
	c.own = wordFor(c.generation, word)
}

// lookForSleeper wakes a responder that sleeps, after a barrier that follows the word.
func (c *caller) lookForSleeper() {
	if waiting := atomic.LoadUint32(&c.slot.responder.waiting); waiting != 0 {
		c.slot.ringResponder(waiting)
	}
}

// tell says when the next request's call ends, if its context does.
func (c *caller) tell(l *limit) {
	if l.timed || c.timed {
		c.tellDeadline(l)
	}
}

func (c *caller) tellDeadline(l *limit) {
	deadline := uint64(0)
	if l.timed {
		deadline = monotonicAt(l.deadline)
	}
	c.timed = l.timed
	c.slot.annex.deadline = deadline
}

// find says where the response of the current generation stands (spec, section 3; acquire). Only the caller of a
// tiny request looks at the turn line: the others would take it from the responder, which is reading it.
func (c *caller) find() place {
	response := wordFor(c.generation, codeResponse)
	if c.tiny && atomic.LoadUint32(&c.slot.turn.tinyState) == response {
		return inTurnLine
	}
	if unattended(atomic.LoadUint32(&c.slot.responder.state)) != response {
		return nowhere
	}
	// A second look: a responder that woke us changed its own word after the turn line's (spec, section 7).
	if c.tiny && atomic.LoadUint32(&c.slot.turn.tinyState) == response {
		return inTurnLine
	}
	return inResponderLine
}

// spin looks for a response that comes soon.
func (c *caller) spin() place {
	if c.tiny {
		// A look in vain pulls the line back from the responder, which has to read and to write it.
		c.rest(2)
	}
	for polls := c.wait.budget; polls > 0; polls-- {
		if where := c.find(); where != nowhere {
			c.wait.spinPaid()
			return where
		}
		c.rest(1)
	}
	return nowhere
}

// rest is that many pauses of the processor: looks at a word of its own, which nobody changes.
func (c *caller) rest(pauses uint32) { cpu.Spin(&c.quiet, 0, pauses) }

// attended tells whether the host says that it serves the slot.
func (c *caller) attended() bool {
	return atomic.LoadUint32(&c.slot.responder.state)&flagAttended != 0
}

// hostIsClosing tells whether no response will come any more. What comes first is told first: a handler that ran has
// answered before.
func (c *caller) hostIsClosing() bool {
	return !c.attended() && atomic.LoadUint32(&c.slot.region.hostLine().closing) != 0
}

// attendedOrClosing tells whether there is a use in calling: a host that closes serves no more, and who calls it is to
// hear of that.
func (c *caller) attendedOrClosing() bool { return c.attended() || c.hostIsClosing() }

// ready is what the waiter waits for.
func (c *caller) ready() bool {
	if c.settling {
		return (!c.abandoned || c.find() != nowhere) && c.attendedOrClosing()
	}
	return c.find() != nowhere || c.hostIsClosing()
}

// begun tells whether the responder has marked the current request as started.
func (c *caller) begun() bool {
	return atomic.LoadUint32(&c.slot.owner.started) == wordFor(c.generation, 0)
}

// cancel gives up the current request (spec, section 4.1). It returns where the response stands if it came after
// all; else abandoned tells the fate. Sound is false if others wrote over the region or took its memory away: then
// nothing there tells the fate.
func (c *caller) cancel() (where place, sound bool) {
	// Either this side sees the started mark, or the responder sees the cancellation: both exchanges are
	// sequentially consistent, as are the loads after them (spec, section 4.2).
	old := atomic.SwapUint32(&c.slot.turn.callerState, wordFor(c.generation, codeCancelled))
	sound = old == c.own
	c.own = wordFor(c.generation, codeCancelled)
	where = c.find()
	if where == nowhere {
		c.abandoned = c.begun()
	} else if where == inResponderLine && atomic.LoadUint32(&c.slot.responder.status) == answerNotExecuted {
		where = nowhere // the responder saw the cancellation first: not abandoned, and not started
	}
	// Who handles the request may sleep until it is given up (spec, section 4.4). After the looks: what it then
	// answers is not in time.
	if waiting := atomic.LoadUint32(&c.slot.responder.waiting); waiting != 0 {
		c.slot.ringResponder(waiting)
	}
	// Asked last: nothing that was read before tells the truth then.
	return where, sound && !c.slot.region.wasCut()
}

// settle waits until the slot can be used and is served. errStopped: it is not to be used any more.
func (c *caller) settle(stopping *uint32) error {
	c.settling = true
	for {
		atomic.StoreUint32(&c.leave, 0) // of a call before; who wants this to end repeats it
		err := c.wait.sleep()
		switch {
		case err == nil:
			c.abandoned, c.settling = false, false
			return nil
		case err != errStopped || atomic.LoadUint32(stopping) != 0:
			return err
		}
	}
}

// interrupt lets a wait look whether there is a reason to leave. It is repeated until the wait was left: the waiter
// may have looked just before, and not sleep yet.
func (c *caller) interrupt() {
	atomic.StoreUint32(&c.leave, 1)
	c.slot.callerBell.ring()
}
