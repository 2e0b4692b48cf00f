// SPDX-License-Identifier: Apache-2.0

package shm

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
)

// What becomes of those who use a region whose object somebody cuts short.

// cut shortens the region's object under everybody.
func (h *host) cut(t *testing.T, size uint64) {
	t.Helper()
	resizeObject(t, h.object, size)
}

// postGuarded publishes a request where there may be no memory.
func (h *host) postGuarded(payload []byte) {
	h.guarded(func() error { h.callers[0].post(MessageNormal, payload); return nil })
}

func TestARegionCutShortUnderSleepingWorkers(t *testing.T) {
	bounded(t)
	for _, size := range []uint64{0, 4096} {
		h := newHost(t, 3, 4096)
		client := serveNamed(t, h.name, WithWait(WaitPolicy{}))
		for _, c := range h.callers {
			waiting := &c.slot.responder.waiting
			eventually(func() bool { return atomic.LoadUint32(waiting) == 1 })
		}
		h.cut(t, size)
		client.Close() // and they wake up
		expectEnd(t, client, ErrRegionLost)
		h.expectLeft(t, client)
	}
}

func TestARegionCutShortUnderSpinningWorkers(t *testing.T) {
	bounded(t)
	h := newHost(t, 2, 64)
	client := serveNamed(t, h.name, WithWait(WaitPolicy{SpinMin: maxPolls, SpinMax: maxPolls}))
	h.cut(t, 0)
	expectEnd(t, client, ErrRegionLost)
}

func TestARegionCutShortInAHandler(t *testing.T) {
	bounded(t)
	const capacity = 8192
	endOfRequest := uint64(slotsOffset) + slotSizeFor(capacity, capacity)
	for _, c := range []struct {
		payload int
		left    uint64
	}{
		{8, 0}, // the request was in the turn line
		{capacity, 0},
		{capacity, endOfRequest - 4096}, // there is memory still for the response
	} {
		h := newHost(t, 1, capacity)
		client := h.connect(t)
		client.HandleMessage(func(request *Request, response []byte) (int, error) {
			h.cut(t, c.left)
			return copy(response, request.Data), nil
		})
		if err := client.Start(); err != nil {
			t.Fatal(err)
		}
		h.postGuarded(make([]byte, c.payload))
		expectEnd(t, client, ErrRegionLost)
		h.expectLeft(t, client)
		client.now.why = errStopped // the cleanup expects an ordinary end
	}
}

func TestARegionCutShortBeforeStart(t *testing.T) {
	bounded(t)
	h := newHost(t, 1, 64)
	client, err := connectTo(h.name)
	if err != nil {
		t.Fatal(err)
	}
	client.HandleMessage(echo)
	h.cut(t, 0)
	if err := client.Start(); !errors.Is(err, ErrRegionLost) {
		t.Error(err)
	}
	if err := client.Close(); err != nil {
		t.Error(err)
	}
}

// What is no fault in the region goes its way.
func TestTheGuardLetsOtherPanicsPass(t *testing.T) {
	bounded(t)
	h := newHost(t, 1, 64)
	other := newHost(t, 1, 64)
	other.cut(t, 0)
	for what, f := range map[string]func(){
		"a panic":                func() { panic("mine") },
		"a nil pointer":          func() { var none *host; none.layout.hostSlots++ },
		"a fault somewhere else": func() { other.memory[0]++ },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s was taken for a lost region", what)
				}
			}()
			err := h.guarded(func() error { f(); return nil })
			t.Errorf("%s became %v", what, err)
		}()
	}
	if err := h.guarded(func() error { return errStopped }); err != errStopped {
		t.Error(err)
	}
}

func TestAShortObjectIsNotThereYet(t *testing.T) {
	bounded(t)
	h := newHost(t, 1, 64)
	for _, size := range []uint64{127, 64, 8, 0} {
		resizeObject(t, h.object, size)
		expectRefusal(t, h.name, ErrNoHost, "not completed")
	}
}

// A consistent geometry that is larger than the object.
func TestARegionBeyondItsObject(t *testing.T) {
	bounded(t)
	h := newHost(t, 2, 100)
	size := h.header.regionSize
	resizeObject(t, h.object, size-1)
	expectRefusal(t, h.name, ErrBadGeometry, "region_size", fmt.Sprint(size), fmt.Sprint(size-1))
	resizeObject(t, h.object, size+1)
	if err := h.connect(t).Close(); err != nil {
		t.Errorf("an object larger than its region: %v", err)
	}
}

func TestACallInARegionCutShort(t *testing.T) {
	bounded(t)
	for _, started := range []bool{false, true} {
		h, peers := newCalledHost(t, 1, 8192)
		client, err := connectTo(h.name, WithCallsOnly())
		if err != nil {
			t.Fatal(err)
		}
		if started {
			peers[0].run(t, func(p *peerResponder) {
				p.answer(answerOK, 8192, p.turn.transportID)
			})
			resizeObject(t, h.object, slotsOffset+slotHeaderSize+64)
		} else {
			h.cut(t, 0)
		}
		_, err = client.Call(context.Background(), 0, make([]byte, 8192), make([]byte, 8192))
		expectCallError(t, err, ErrRegionLost, NotStarted) // no room for the request
		client.Close()
	}
}

// Who answers after the region's memory was taken away gets an error, and so does Wait.
func TestALaterAnswerWithoutMemory(t *testing.T) {
	bounded(t)
	h := newHost(t, 1, 64)
	client, err := connectTo(h.name)
	if err != nil {
		t.Fatal(err)
	}
	pending := make(chan *Pending, 1)
	client.HandleMessage(postpone(pending))
	if err := client.Start(); err != nil {
		t.Fatal(err)
	}
	h.callers[0].post(MessageNormal, nil)
	p := <-pending
	h.callers[0].asleep()
	resizeObject(t, h.object, 0)
	if err := p.Respond([]byte("done"), nil); !errors.Is(err, ErrRegionLost) {
		t.Error(err)
	}
	if err := client.Wait(); !errors.Is(err, ErrRegionLost) {
		t.Error(err)
	}
	_ = client.Close()
	resizeObject(t, h.object, h.layout.regionSize)
}

func TestAGroupInARegionCutShort(t *testing.T) {
	bounded(t)
	for _, policy := range []WaitPolicy{{}, {SpinMin: maxPolls, SpinMax: maxPolls}} {
		h := newHost(t, 3, 64)
		client := serveNamed(t, h.name, WithSlotsPerWorker(3), WithWait(policy))
		h.cut(t, 0)
		if policy == (WaitPolicy{}) {
			client.Close() // and the sleepers wake up
		}
		expectEnd(t, client, ErrRegionLost)
	}
}

func TestAPipelineInARegionCutShort(t *testing.T) {
	bounded(t)
	for _, submitting := range []bool{true, false} {
		h, _ := newCalledHost(t, 2, 8192)
		client, err := connectTo(h.name, WithCallsOnly(), WithCallSlots(2))
		if err != nil {
			t.Fatal(err)
		}
		p := openPipeline(t, client, 2)
		large := Submission{Request: make([]byte, 8192)}
		if err := p.Submit(context.Background(), large); err != nil {
			t.Fatal(err)
		}
		h.cut(t, 0)
		if submitting {
			expectCallError(t, p.Submit(context.Background(), large), ErrRegionLost, NotStarted)
		}
		completions := make([]Completion, 2)
		if n, err := p.Reap(context.Background(), completions); n != 1 || err != nil {
			t.Fatal(n, err)
		}
		expectCallError(t, completions[0].Err, ErrRegionLostMaybeExecuted, MaybeExecuted)
		if _, err := p.Reap(context.Background(), completions); !errors.Is(err, ErrRegionLost) {
			t.Error(err)
		}
		if err := client.Close(); !errors.Is(err, ErrRegionLost) {
			t.Error(err)
		}
		p.Close()
	}
}
