// SPDX-License-Identifier: Apache-2.0

package shm

import (
	"bytes"
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"unsafe"
)

var background = context.Background()

func mustAcquire(t testing.TB, client *Client) RequestBuffer {
	t.Helper()
	buffer, err := client.Acquire(background)
	if err != nil {
		t.Fatal(err)
	}
	return buffer
}

// offsetIn is where a slice begins in the memory of a region.
func offsetIn(r *region, part []byte) uintptr {
	return uintptr(unsafe.Pointer(&part[:1][0])) - uintptr(unsafe.Pointer(&r.memory[0]))
}

// echoFromTheEnd is echo, whose response stands at the end.
func (p *peerResponder) echoFromTheEnd() {
	payload := p.payload()
	size := uint32(len(payload))
	copy(lastOf(p.responseRoom, size), payload)
	p.responder.flags = flagAtEnd
	p.answer(answerOK, size, p.turn.transportID)
}

func TestRequestsAndResponsesInPlace(t *testing.T) {
	bounded(t)
	h, peers := newCalledHost(t, 1, unevenCapacity)
	var fromTheEnd uint32
	peers[0].run(t, func(p *peerResponder) {
		if p.responder.flags = 0; atomic.LoadUint32(&fromTheEnd) != 0 {
			p.echoFromTheEnd()
		} else {
			p.echo()
		}
	})
	client := h.connect(t, WithCallsOnly())
	buffer := mustAcquire(t, client)
	for size := 1; size <= unevenCapacity; size++ {
		for plan := 0; plan < 4; plan++ {
			atomic.StoreUint32(&fromTheEnd, uint32(plan>>1))
			send, to := buffer.Send, buffer.Bytes()
			if plan&1 != 0 {
				send, to = buffer.SendAtEnd, buffer.End()[unevenCapacity-size:]
			}
			want := bytes.Repeat([]byte{byte(size + plan)}, size)
			copy(to, want)
			response, err := send(background, MessageFirstUser, size)
			if err != nil || !bytes.Equal(response.Bytes(), want) {
				t.Fatalf("%d bytes, plan %d: %v", size, plan, err)
			}
			if slot := buffer.caller.slot; offsetIn(slot.region, response.Bytes()) >= uintptr(len(slot.region.memory)) {
				t.Fatal("the response is a copy")
			}
			if plan&1 != 0 && peers[0].ordinaryTurn.flags != flagAtEnd {
				t.Fatal("the request was moved")
			}
			buffer = response.Reuse()
		}
	}
	buffer.Release()
}

func TestWhatWasSentOrReleasedIsStale(t *testing.T) {
	bounded(t)
	h, peers := newCalledHost(t, 1, 64)
	peers[0].run(t, (*peerResponder).echo)
	client := h.connect(t, WithCallsOnly())
	expectStale := func(b RequestBuffer) {
		t.Helper()
		if b.Bytes() != nil || b.End() != nil {
			t.Error("a stale buffer has bytes")
		}
		_, err := b.Send(background, MessageNormal, 0)
		expectCallError(t, err, ErrInvalidArgument, NotStarted)
		_, err = b.SendMessage(background, MessageNormal, []byte("x"))
		expectCallError(t, err, ErrInvalidArgument, NotStarted)
		b.Release() // and does nothing
	}
	expectStale(RequestBuffer{})
	first := mustAcquire(t, client)
	copied := first
	response, err := first.Send(background, MessageNormal, copy(first.Bytes(), "x"))
	if err != nil {
		t.Fatal(err)
	}
	expectStale(first)
	expectStale(copied)
	second := response.Reuse()
	if response.Bytes() != nil || response.Reuse() != (RequestBuffer{}) {
		t.Error("a response that was reused is not stale")
	}
	response.Release()
	expectStale(first)
	if len(second.Bytes()) != 64 {
		t.Error("the buffer that came of a response is stale")
	}
	second.Release()
	expectStale(second)
	third := mustAcquire(t, client) // there is one slot
	expectStale(first)
	expectStale(second)
	third.Release()
	if (ResponseView{}).Bytes() != nil {
		t.Error("no response has bytes")
	}
}

func TestASlotComesBackFromWhatFails(t *testing.T) {
	bounded(t)
	h, peers := newCalledHost(t, 1, 64)
	peers[0].run(t, func(p *peerResponder) {
		p.answer(answerHandlerFailed, uint32(copy(p.response, "no")), p.turn.transportID)
	})
	client := h.connect(t, WithCallsOnly())
	done, cancel := context.WithCancel(background)
	cancel()
	for _, attempt := range []struct {
		ctx  context.Context
		id   uint32
		size int
		want error
		fate Fate
	}{
		{background, MessageNormal, 65, ErrRequestTooLarge, NotStarted},
		{background, 5, 1, ErrBadMessageID, NotStarted},
		{background, MessageNormal, -1, ErrInvalidArgument, NotStarted},
		{nil, MessageNormal, 1, ErrInvalidArgument, NotStarted},
		{done, MessageNormal, 1, context.Canceled, NotStarted},
		{background, MessageNormal, 1, ErrHandlerFailed, Answered},
	} {
		_, err := mustAcquire(t, client).SendAtEnd(attempt.ctx, attempt.id, attempt.size)
		expectCallError(t, err, attempt.want, attempt.fate)
	}
	mustAcquire(t, client).Release()
	_, err := client.Acquire(nil) //nolint:staticcheck
	expectCallError(t, err, ErrInvalidArgument, NotStarted)
	if users := atomic.LoadInt32(&client.attachment().region.users); users != 2 { // the watch's and the client's own
		t.Errorf("the region has %d users", users)
	}
}

func TestALoanOutlivesItsClient(t *testing.T) {
	bounded(t)
	h, _ := newCalledHost(t, 2, 64)
	client := h.connect(t, WithCallsOnly(), WithCallSlots(2))
	sent, released := mustAcquire(t, client), mustAcquire(t, client)
	if err := client.Close(); err != nil {
		t.Fatal(err)
	}
	for _, buffer := range []RequestBuffer{sent, released} {
		copy(buffer.Bytes(), "there is memory")
		if !h.claimed(t, buffer.caller.slot.index) {
			t.Error("a slot that is lent can be somebody else's")
		}
	}
	_, err := sent.Send(background, MessageNormal, 1)
	expectCallError(t, err, ErrClosed, NotStarted)
	released.Release()
	_, err = client.Acquire(background)
	expectCallError(t, err, ErrClosed, NotStarted)
	for _, buffer := range []RequestBuffer{sent, released} {
		if h.claimed(t, buffer.caller.slot.index) {
			t.Error("a slot was not given back")
		}
		users := &buffer.caller.slot.region.users
		eventually(func() bool { return atomic.LoadInt32(users) == 0 }) // the host is watched for a moment longer
	}
}

func TestAMessageIsSentFromWhereItWasBuilt(t *testing.T) {
	bounded(t)
	h, peers := newCalledHost(t, 1, unevenCapacity)
	peers[0].run(t, (*peerResponder).echo)
	client := h.connect(t, WithCallsOnly())
	buffer := mustAcquire(t, client)
	for size := 0; size <= unevenCapacity; size++ {
		elsewhere := bytes.Repeat([]byte{byte(size + 1)}, size)
		begin, end := buffer.Bytes()[:size], buffer.End()[unevenCapacity-size:]
		for i, message := range [][]byte{begin, end, elsewhere} {
			copy(message, elsewhere)
			response, err := buffer.SendMessage(background, MessageFirstUser, message)
			if err != nil || !bytes.Equal(response.Bytes(), elsewhere) {
				t.Fatalf("%d bytes at %d: %v", size, i, err)
			}
			buffer = response.Reuse()
		}
	}
	_, err := buffer.SendMessage(background, MessageFirstUser, make([]byte, unevenCapacity+1))
	expectCallError(t, err, ErrRequestTooLarge, NotStarted)
}

// ---- The handler's side ------------------------------------------------------------------------------------------------

func TestAResponseIsSentOnce(t *testing.T) {
	bounded(t)
	h := newHost(t, 1, unevenCapacity)
	var kept ResponseBuffer
	h.serve(t, InPlace(func(request *Request, response ResponseBuffer) error {
		if kept.Bytes() != nil || kept.Send(1) == nil {
			t.Error("the buffer of a request before is not stale")
		}
		if err := response.Send(-1); !errors.Is(err, ErrInvalidArgument) {
			t.Error(err)
		}
		kept = response
		switch string(request.Data) {
		case "begin":
			return response.Send(copy(response.Bytes(), "at the beginning"))
		case "end":
			err := response.SendMessage(append(response.End()[:unevenCapacity-3], "end"...)[unevenCapacity-3:])
			if again := response.Send(0); response.Bytes() != nil || response.End() != nil || !errors.Is(again, ErrInvalidArgument) {
				t.Error("a response can be sent twice")
			}
			return err
		case "elsewhere":
			return response.SendMessage([]byte("elsewhere"))
		case "large":
			return response.SendMessage(make([]byte, unevenCapacity+1))
		case "error":
			copy(response.Bytes(), "something else")
			_ = response.Send(5)
			return errors.New("no")
		case "later":
			pending := request.Later()
			go func() { _ = pending.Respond([]byte("late"), nil) }()
		case "panic":
			_ = response.SendAtEnd(5)
			panic("no")
		}
		return nil
	}))
	c := h.callers[0]
	c.expect(t, 0, "begin", ok(0, "at the beginning"))
	c.expect(t, 0, "end", ok(0, "end"))
	if c.answeredTiny() || c.slot.responder.flags != flagAtEnd {
		t.Error("the response was moved")
	}
	c.expect(t, 0, "elsewhere", ok(0, "elsewhere"))
	c.expect(t, 0, "large", answer{answerResponseTooLarge, 0, nil})
	c.expect(t, 0, "error", failedWith("no"))
	c.expect(t, 0, "panic", failedWith("panic: no"))
	c.expect(t, 0, "later", ok(0, "late"))
	c.expect(t, 0, "nothing", failedWith("the handler sent no response"))
	c.expect(t, 0, "begin", ok(0, "at the beginning"))
	if InPlace(nil) != nil {
		t.Error("no handler is one")
	}
}

func TestNothingIsAllocatedInPlace(t *testing.T) {
	bounded(t)
	h, peers := newCalledHost(t, 1, 4096)
	peers[0].run(t, (*peerResponder).echoFromTheEnd)
	client := h.connect(t, WithCallsOnly(), WithWait(WaitLatency))
	buffer := mustAcquire(t, client)
	allocations := testing.AllocsPerRun(1000, func() {
		response, err := buffer.SendAtEnd(background, MessageFirstUser, len(buffer.End()))
		if err != nil || len(response.Bytes()) != 4096 {
			t.Fatal(err)
		}
		buffer = response.Reuse()
	})
	if allocations >= 1 { // a wait that sleeps may
		t.Errorf("%v allocations", allocations)
	}
	buffer.Release()
}

// ---- Structs -----------------------------------------------------------------------------------------------------------

type plainPoint struct {
	X, Y   int64
	Colour uint32
	_      uint32
}

func TestStructsStandWhereTheyAre(t *testing.T) {
	var room [4]plainPoint
	memory := bytesOf(&room)
	for i := range memory {
		memory[i] = 0xFF
	}
	point, size, err := StructFor[plainPoint](memory)
	if err != nil || size != 24 || *point != (plainPoint{}) || point != &room[0] {
		t.Fatal(point, size, err)
	}
	point.X = 3
	if read, err := StructIn[plainPoint](memory[:24]); err != nil || read != point {
		t.Error(read, err)
	}
	type hasPointer struct{ At *int64 }
	type empty struct{}
	for i, err := range []error{
		second(StructIn[plainPoint](memory[:23])), second(StructIn[plainPoint](memory[:25])), second(StructIn[plainPoint](nil)),
		second(StructIn[plainPoint](memory[4:28])), third(StructFor[plainPoint](memory[:23])), third(StructFor[plainPoint](nil)),
		second(StructIn[hasPointer](memory[:8])), third(StructFor[hasPointer](memory)), second(StructIn[empty](nil)),
		third(StructFor[plainPoint](memory[4:])),
	} {
		if !errors.Is(err, ErrInvalidArgument) {
			t.Error(i, err)
		}
	}
}

func second[T any](_ T, err error) error        { return err }
func third[T, U any](_ T, _ U, err error) error { return err }
