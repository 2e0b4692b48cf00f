// SPDX-License-Identifier: Apache-2.0

package shm

import (
	"bytes"
	"context"
	"sync/atomic"
	"testing"
)

// postAtEnd is post for a payload that stands at the end of the request buffer's room.
func (c *peerCaller) postAtEnd(messageID uint32, payload []byte, flags uint32) {
	c.describe(messageID, make([]byte, tinyCapacity+1)) // which is no tiny one
	line := c.slot.ordinaryTurn
	line.size, line.flags = uint32(len(payload)), flags
	copy(lastOf(c.slot.requestRoom, line.size), payload)
	c.set(codeRequest)
}

// The capacity is no multiple of 64, so that the rooms are larger.
const unevenCapacity = 100

func TestMessagesAtTheEndOfTheirRoom(t *testing.T) {
	bounded(t)
	h := newHost(t, 1, unevenCapacity)
	h.serve(t, func(request *Request, response []byte) (int, error) {
		request.atEnd = request.MessageID != MessageNormal
		if request.atEnd {
			copy(lastOf(request.room, uint32(len(request.Data))), request.Data)
		}
		return copy(response, request.Data), nil
	})
	c := h.callers[0]
	for size := 0; size <= unevenCapacity; size++ {
		payload := string(bytes.Repeat([]byte{byte(size + 1)}, size))
		for _, id := range []uint32{MessageNormal, MessageFirstUser} {
			c.postAtEnd(id, []byte(payload), flagAtEnd)
			c.expectResult(t, ok(id, payload))
			c.expect(t, id, payload, ok(id, payload))
			if atEnd := c.slot.responder.flags == flagAtEnd; !c.answeredTiny() && atEnd != (id != MessageNormal) {
				t.Fatalf("%d bytes of message %d: at the end: %v", size, id, atEnd)
			}
		}
	}
}

func TestAPanicIsNoAnswerAtTheEnd(t *testing.T) {
	bounded(t)
	h := newHost(t, 1, unevenCapacity)
	h.serve(t, func(request *Request, response []byte) (int, error) {
		if request.MessageID == MessageFirstUser {
			request.atEnd = true
			panic("at the end")
		}
		return copy(response, "plain"), nil
	})
	h.callers[0].expect(t, MessageFirstUser, "", failedWith("panic: at the end").of(MessageFirstUser))
	h.callers[0].expect(t, MessageNormal, "", ok(MessageNormal, "plain"))
}

func (a answer) of(messageID uint32) answer { a.messageID = messageID; return a }

func TestResponsesFromTheEndOfTheirRoom(t *testing.T) {
	bounded(t)
	h, peers := newCalledHost(t, 1, unevenCapacity)
	flags := uint32(flagAtEnd)
	peers[0].run(t, func(p *peerResponder) {
		payload := append([]byte(nil), p.payload()...)
		copy(lastOf(p.responseRoom, uint32(len(payload))), payload)
		p.responder.flags = atomic.LoadUint32(&flags)
		p.answer(answerOK, uint32(len(payload)), p.turn.transportID)
	})
	client := h.connect(t, WithCallsOnly())
	response := make([]byte, unevenCapacity)
	for size := 0; size <= unevenCapacity; size++ {
		request := bytes.Repeat([]byte{byte(size + 1)}, size)
		n, err := client.Call(context.Background(), MessageNormal, request, response)
		if err != nil || !bytes.Equal(request, response[:n]) {
			t.Fatalf("%d bytes: %d, %v", size, n, err)
		}
	}
	for _, wrong := range []uint32{2, 3, 1 << 31} {
		atomic.StoreUint32(&flags, wrong)
		_, err := client.Call(context.Background(), MessageNormal, nil, response)
		expectCallError(t, err, ErrProtocolViolated, MaybeExecuted)
	}
}
