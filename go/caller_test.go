// SPDX-License-Identifier: Apache-2.0

package shm

import (
	"fmt"
	"sync/atomic"

	"github.com/xll-gen/shm/go/internal/cpu"
)

// peerCaller is the calling role of a slot (spec, section 4.1), as small as the tests can do with.
type peerCaller struct {
	slot       *slot
	wait       waiter
	stop       uint32
	generation uint32
	requests   uint64
	messageID  uint32 // of the request in the slot
	tiny       bool   // the request in the slot
}

// answer is a private copy of what a response says.
type answer struct {
	status, messageID uint32
	payload           []byte
}

func (a answer) String() string {
	return fmt.Sprintf("status %d, message %d, %q", a.status, a.messageID, a.payload)
}

func newPeerCaller(s *slot) *peerCaller {
	c := &peerCaller{slot: s}
	c.wait = newWaiter(&s.responder.state, &s.annex.callerWaiting, &c.stop, c.answered, s.callerBell, WaitBalanced)
	return c
}

// call is one exchange.
func (c *peerCaller) call(messageID uint32, payload []byte) (answer, error) {
	c.post(messageID, payload)
	return c.result()
}

// post publishes a request.
func (c *peerCaller) post(messageID uint32, payload []byte) {
	c.describe(messageID, payload)
	c.set(codeRequest)
}

// describe begins the next exchange and says all of it but the state.
func (c *peerCaller) describe(messageID uint32, payload []byte) {
	c.generation = (c.generation + 1) & (1<<(32-generationShift) - 1)
	c.requests++
	c.messageID = messageID
	id := c.id()
	if c.tiny = isTiny(messageID, len(payload)); c.tiny {
		copy(c.slot.turn.tinyPayload[:], payload)
		id |= uint64(len(payload))
		if messageID != MessageNormal {
			id |= transportIDNamed
			c.slot.namedTurn.tinyMessageID = messageID
		}
	} else {
		copy(c.slot.request, payload)
		line := c.slot.ordinaryTurn
		line.size = uint32(len(payload))
		line.messageID = messageID
		line.flags = 0
	}
	c.slot.turn.transportID = id
}

// id tells the request from others. The low bits, which are the message's, are 0.
func (c *peerCaller) id() uint64 {
	return uint64(c.slot.index+1)<<transportIDSlotShift | c.requests<<transportIDCountShift
}

// set publishes the caller's word.
func (c *peerCaller) set(code uint32) {
	if code == codeRequest && c.tiny {
		code |= flagTiny
	}
	if waiting := publish(&c.slot.turn.callerState, wordFor(c.generation, code), &c.slot.responder.waiting); waiting != 0 {
		c.slot.ringResponder(waiting)
	}
}

func (c *peerCaller) answeredTiny() bool {
	return c.tiny && atomic.LoadUint32(&c.slot.turn.tinyState) == wordFor(c.generation, codeResponse)
}

func (c *peerCaller) answeredOrdinarily() bool {
	return unattended(atomic.LoadUint32(&c.slot.responder.state)) == wordFor(c.generation, codeResponse)
}

func (c *peerCaller) answered() bool { return c.answeredTiny() || c.answeredOrdinarily() }

// result waits for the response and checks it.
func (c *peerCaller) result() (answer, error) {
	if err := c.await(); err != nil {
		return answer{}, err
	}
	if c.answeredTiny() {
		line := c.slot.turn
		size := ^line.transportID ^ c.id()
		if size > tinyCapacity {
			return answer{}, fmt.Errorf("broken response to %#x: %+v", c.id(), *line)
		}
		return answer{answerOK, c.messageID, line.tinyPayload[:size]}, nil
	}
	line := c.slot.responder
	if withoutMessageBits(line.transportID) != c.id() || uint64(line.size) > uint64(len(c.slot.response)) || line.flags&^flagAtEnd != 0 {
		return answer{}, fmt.Errorf("broken response to %#x: %+v", c.id(), *line)
	}
	payload := c.slot.response[:line.size]
	if line.flags != 0 {
		payload = lastOf(c.slot.responseRoom, line.size)
	}
	return answer{line.status, line.messageID, payload}, nil
}

func (c *peerCaller) await() error {
	for polls := c.wait.budget; polls > 0; polls-- {
		if c.answered() {
			c.wait.spinPaid()
			return nil
		}
		var nothing uint32
		cpu.Spin(&nothing, 0, 1) // a pause
	}
	return c.wait.afterSpinning()
}
