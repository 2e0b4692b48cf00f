// SPDX-License-Identifier: Apache-2.0

package shm

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"
)

func connectTo(name string, options ...Option) (*Client, error) {
	return ConnectContext(context.Background(), name, options...)
}

func wordAt(memory []byte, offset int) unsafe.Pointer { return unsafe.Pointer(&memory[offset]) }

// expectRefusal attaches once and expects that error, with these words in its text.
func expectRefusal(t *testing.T, name string, want error, words ...string) {
	t.Helper()
	client, err := connectTo(name, WithAttachTimeout(0))
	if client != nil {
		client.Close()
	}
	if client != nil || !errors.Is(err, want) {
		t.Errorf("attached with %v, %v instead of %v", client, err, want)
		return
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("%q does not say %q", err, word)
		}
	}
}

func TestNoHost(t *testing.T) {
	bounded(t)
	name := freshName()
	expectRefusal(t, name, ErrNoHost, name, "no region of that name")
	begun := time.Now()
	_, err := connectTo(name, WithAttachTimeout(30*time.Millisecond))
	if waited := time.Since(begun); !errors.Is(err, ErrNoHost) || waited < 30*time.Millisecond {
		t.Errorf("%v after %v", err, waited)
	}
}

func TestTheContextEndsTheWaitForTheHost(t *testing.T) {
	bounded(t)
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(10*time.Millisecond, cancel)
	for turn := 0; turn < 2; turn++ { // while it waits, then before it begins
		client, err := ConnectContext(ctx, freshName())
		if client != nil || !errors.Is(err, ErrNoHost) || !errors.Is(err, context.Canceled) {
			t.Errorf("%v, %v", client, err)
		}
	}
	expired, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	if _, err := ConnectContext(expired, freshName()); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}

// Each step of a host's creation, seen by a guest that waits all the while.
func TestAGuestWaitsUntilTheRegionIsComplete(t *testing.T) {
	bounded(t)
	name := freshName()
	connected := make(chan *Client)
	go func() {
		client, err := connectTo(name)
		if err != nil {
			t.Error(err)
		}
		connected <- client
	}()
	step := func() { time.Sleep(30 * time.Millisecond) }
	step()
	h := newUnfinishedHost(t, name, 2, 64)
	step()
	expectRefusal(t, name, ErrNoHost, "stale")
	h.claimAsHost(t)
	step()
	expectRefusal(t, name, ErrNoHost, "not completed")
	select {
	case <-connected:
		t.Fatal("attached to half a region")
	default:
	}
	h.finish()
	client := <-connected
	if client.Slots() != 2 {
		t.Errorf("%d slots", client.Slots())
	}
	if err := client.Close(); err != nil {
		t.Error(err)
	}
}

func TestAStaleRegionIsNoHost(t *testing.T) {
	bounded(t)
	h := newHost(t, 1, 64)
	if err := h.object.unclaim(claimHost); err != nil {
		t.Fatal(err)
	}
	expectRefusal(t, h.name, ErrNoHost, "stale")
}

func TestARegionThatItsHostClosesIsNotThere(t *testing.T) {
	bounded(t)
	h := newHost(t, 2, 64)
	for _, c := range h.callers {
		c.set(codeClosed)
	}
	expectRefusal(t, h.name, ErrNoHost, "closing")
	c := h.callers[1]
	atomic.StoreUint32(&c.slot.turn.callerState, 0)
	client := h.serve(t, echo)
	if client.Slots() != 1 {
		t.Errorf("%d slots, one of them closed", client.Slots())
	}
	c.expect(t, MessageNormal, "x", ok(MessageNormal, "x"))
}

func TestBadMagic(t *testing.T) {
	bounded(t)
	h := newHost(t, 1, 64)
	for _, bad := range []uint64{0, magic + 1, magic ^ 1<<63, 1<<64 - 1} {
		h.header.magic = bad
		expectRefusal(t, h.name, ErrNotARegion, fmt.Sprintf("0x%016x", bad))
	}
}

func TestVersions(t *testing.T) {
	bounded(t)
	h := newHost(t, 1, 64)
	for version, text := range map[uint32]string{
		1: "0.1", 0xFFFF: "0.65535", 2 << 16: "2.0", 2<<16 | 7: "2.7", 0xFFFFFFFF: "65535.65535",
	} {
		atomic.StoreUint32(&h.header.version, version)
		expectRefusal(t, h.name, ErrVersionMismatch, text, "1.0")
	}
	for _, version := range []uint32{1 << 16, 1<<16 | 1, 1<<16 | 0xFFFF} {
		atomic.StoreUint32(&h.header.version, version)
		if err := h.connect(t).Close(); err != nil {
			t.Errorf("version %#x: %v", version, err)
		}
	}
}

func TestEventBackends(t *testing.T) {
	bounded(t)
	h := newHost(t, 1, 64)
	for _, backend := range []uint32{0, otherBackend, 4, 1<<32 - 1} {
		h.header.eventBackend = backend
		expectRefusal(t, h.name, ErrBackendUnsupported, "event_backend", fmt.Sprint(backend))
	}
}

// Every field of the geometry, at the values where a careless reader goes wrong.
func TestGeometryAtItsBoundaries(t *testing.T) {
	bounded(t)
	h := newHost(t, 2, 100)
	good := *h.header
	expectSpoiled := func(field string, words ...string) {
		t.Helper()
		expectRefusal(t, h.name, ErrBadGeometry, append(words, field)...)
	}
	for _, word := range []*uint32{
		&h.header.hostSlots, &h.header.guestSlots, &h.header.requestCapacity, &h.header.responseCapacity,
	} {
		kept := *word
		for _, bad := range []uint32{0, 3, 64, 129, 65534, 65535, 65536, maxCapacity, maxCapacity + 1, 1 << 31, 1<<32 - 64, 1<<32 - 1} {
			if *word = bad; word != &h.header.guestSlots || bad != 0 {
				expectRefusal(t, h.name, ErrBadGeometry)
			}
		}
		*word = kept
	}
	h.header.hostSlots, h.header.guestSlots = 1<<31, 1<<31 // 0 in 32 bits
	expectSpoiled("host_slots + guest_slots", "4294967296")
	h.header.hostSlots, h.header.guestSlots = 0, 0
	expectSpoiled("host_slots + guest_slots", "is 0")
	*h.header = good
	for field, word := range map[string]*uint64{
		"region_size":  &h.header.regionSize,
		"slots_offset": &h.header.slotsOffset,
		"slot_size":    &h.header.slotSize,
		"tail_offset":  &h.header.tailOffset,
	} {
		kept := *word
		for _, bad := range []uint64{0, 1, 64, kept - 64, kept - 1, kept + 1, kept + 64, 1 << 32, 1<<32 + kept, 1 << 63, 1<<64 - 64, 1<<64 - 1} {
			*word = bad
			expectSpoiled(field, fmt.Sprint(bad), fmt.Sprint(kept))
		}
		*word = kept
	}
	h.header.slotsOffset, h.header.tailOffset = good.tailOffset, good.slotsOffset
	expectSpoiled("slots_offset")
	*h.header = good
	if err := h.connect(t).Close(); err != nil {
		t.Errorf("the good geometry: %v", err)
	}
}

// The largest geometry that the rules allow does not overflow.
func TestTheLargestGeometry(t *testing.T) {
	g, err := geometryFor(1, maxSlots-1, maxCapacity, maxCapacity)
	if err != nil {
		t.Fatal(err)
	}
	slot := uint64(slotHeaderSize + 2*maxCapacity)
	if g.slotSize != slot || g.tailOffset != slotsOffset+maxSlots*slot || g.regionSize != g.tailOffset+maxSlots*tailSize {
		t.Errorf("%+v", g)
	}
}

// A region in which only guests call has nothing to serve.
func TestARegionWithoutHostSlots(t *testing.T) {
	bounded(t)
	h := newHost(t, 1, 64)
	h.header.hostSlots, h.header.guestSlots = 0, 1
	expectRefusal(t, h.name, ErrNoSlot)
}

func TestOptionsOutOfRange(t *testing.T) {
	bounded(t)
	h := newHost(t, 1, 64)
	for what, option := range map[string]Option{
		"0":         WithWorkers(0),
		"-3":        WithWorkers(-3),
		"-1ns":      WithAttachTimeout(-1),
		"5 to 4 po": WithWait(WaitPolicy{SpinMin: 5, SpinMax: 4}),
	} {
		client, err := connectTo(h.name, option)
		if client != nil || !errors.Is(err, ErrInvalidArgument) || !strings.Contains(err.Error(), what) {
			t.Errorf("%s: %v, %v", what, client, err)
		}
	}
	if err := h.connect(t, nil, WithAnyOwner(), WithWorkers(1), WithWait(WaitLatency)).Close(); err != nil {
		t.Error(err)
	}
}
