// SPDX-License-Identifier: Apache-2.0

package shm

import (
	"errors"
	"sync/atomic"
	"testing"
)

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
