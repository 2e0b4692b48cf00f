// SPDX-License-Identifier: Apache-2.0

package shm

import (
	"encoding/binary"
	"errors"
	"sync/atomic"
	"testing"
	"time"
)

// attachErrors are all that a region may be refused with.
var attachErrors = []error{
	ErrNoHost, ErrNotARegion, ErrVersionMismatch, ErrBadGeometry, ErrBackendUnsupported, ErrNoSlot,
}

// takeNumber takes the next number from a fuzzer's input, 0 at its end.
func takeNumber(input *[]byte) uint32 {
	var bytes [4]byte
	*input = (*input)[copy(bytes[:], *input):]
	return binary.LittleEndian.Uint32(bytes[:])
}

// overwrite makes the input's writes: one byte says where, one how many bytes, then they follow.
func overwrite(memory, input []byte) {
	for len(input) > 2 {
		at, size := int(input[0])*4%len(memory), 1<<(input[1]%4)
		n := copy(memory[at:], input[2:atMost(2+size, len(input))])
		input = input[2+n:]
	}
}

func atMost(a, b int) int {
	if a < b {
		return a
	}
	return b
}

// FuzzAttach: a region whose header and slots are the host's to write is served or refused.
func FuzzAttach(f *testing.F) {
	h := newHost(f, 2, 100)
	sound := append([]byte(nil), h.memory...)
	f.Add([]byte{})
	for offset := byte(0); offset < 16; offset++ {
		f.Add([]byte{offset, 2, 0xFF, 0xFF, 0xFF, 0xFF})
		f.Add([]byte{offset, 2, 0, 0, 0, 0x80})
	}
	f.Fuzz(func(t *testing.T, input []byte) {
		copy(h.memory, sound)
		header := atMost(int(takeNumber(&input)%256), len(input))
		overwrite(h.memory[:slotsOffset], input[:header])
		overwrite(h.memory[slotsOffset:], input[header:])
		client, err := connectTo(h.name, WithAttachTimeout(0))
		if err == nil {
			client.HandleMessage(echo)
			err = client.Start()
			client.Close()
		}
		for _, known := range append(attachErrors, nil) {
			if errors.Is(err, known) {
				return
			}
		}
		t.Error(err)
	})
}

// hostileRequest is one request, as a hostile caller writes it.
type hostileRequest struct{ size, messageID, flags, tiny, named uint32 }

// post publishes the request with a payload of whatever is there.
func (r hostileRequest) post(c *peerCaller, payload []byte) {
	c.generation++
	c.requests++
	c.tiny = r.tiny != 0
	copy(c.slot.turn.tinyPayload[:], payload)
	copy(c.slot.request, payload)
	c.slot.turn.transportID = c.id() | uint64(r.named*transportIDNamed|r.size&transportIDSizeMask)
	if !c.tiny {
		line := c.slot.ordinaryTurn
		line.size, line.messageID, line.flags = r.size, r.messageID, r.flags
	} else if r.named != 0 {
		c.slot.namedTurn.tinyMessageID = r.messageID
	}
	c.set(codeRequest)
}

// want is the status that the spec's section 8 says, and the message id that a responder reads.
func (r hostileRequest) want(capacity uint32) (status, messageID uint32) {
	if r.tiny == 0 {
		return r.wantOf(capacity), r.messageID
	}
	r.size &= transportIDSizeMask
	r.flags = 0
	if r.named != 0 {
		return r.wantOf(tinyNamedCapacity), r.messageID
	}
	r.messageID = MessageNormal
	return r.wantOf(tinyCapacity), r.messageID
}

func (r hostileRequest) wantOf(capacity uint32) uint32 {
	switch {
	case r.size > capacity || r.flags&^flagAtEnd != 0:
		return answerBadRequest
	case r.messageID == MessageHeartbeatResponse, r.messageID > MessageShutdown && r.messageID < MessageFirstUser:
		return answerUnknownMessage
	}
	return answerOK
}

// FuzzExchange: whatever a request says of itself, it is answered as the spec says, and the handler gets no
// more than there is room for.
func FuzzExchange(f *testing.F) {
	const capacity = 100
	h := newHost(f, 1, capacity)
	var client *Client
	f.Cleanup(func() { client.Close() })
	serve := func() {
		client.Close()
		var err error
		if client, err = connectTo(h.name); err != nil {
			panic(err)
		}
		client.HandleMessage(func(request *Request, response []byte) (int, error) {
			if len(request.Data) > capacity || len(response) != capacity {
				panic("a handler got more than there is room for")
			}
			return copy(response, request.Data), nil
		})
		if err = client.Start(); err != nil {
			panic(err)
		}
	}
	serve()
	for _, size := range []uint32{0, 44, 45, 48, 49, 63, capacity, capacity + 1, 1 << 31, 1<<32 - 1} {
		for _, id := range []uint32{MessageNormal, MessageShutdown, 4, 127, MessageFirstUser} {
			seed := make([]byte, 20)
			binary.LittleEndian.PutUint32(seed, size)
			binary.LittleEndian.PutUint32(seed[4:], id)
			for form := byte(0); form < 4; form++ {
				seed[12], seed[16] = form&1, form>>1
				f.Add(append([]byte(nil), seed...))
			}
		}
	}
	f.Fuzz(func(t *testing.T, input []byte) {
		request := hostileRequest{
			size: takeNumber(&input), messageID: takeNumber(&input), flags: takeNumber(&input) & 3,
			tiny: takeNumber(&input) & 1, named: takeNumber(&input) & 1,
		}
		c := h.callers[0]
		request.post(c, input)
		for deadline := time.Now().Add(10 * time.Second); !c.answered(); {
			if time.Now().After(deadline) {
				t.Fatalf("%+v was not answered", request)
			}
			time.Sleep(time.Microsecond)
		}
		got := atomic.LoadUint32(&c.slot.responder.status)
		if c.answeredTiny() {
			got = answerOK
		}
		want, messageID := request.want(capacity)
		if got != want {
			t.Errorf("%+v was answered with status %d instead of %d", request, got, want)
		}
		if messageID == MessageShutdown && got == answerOK {
			serve()
		}
	})
}
