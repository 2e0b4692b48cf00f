// SPDX-License-Identifier: Apache-2.0

package shm

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestTheOwnerLineNamesTheGuest(t *testing.T) {
	bounded(t)
	h := newHost(t, 1, 64)
	whole := strings.Repeat("n", maxGuestName)
	for _, name := range []string{whole, "one", ""} {
		options := []Option{}
		if name != "" {
			options = append(options, WithName(name))
		}
		client := h.serve(t, echo, options...)
		owner := h.callers[0].slot.owner
		if got := strings.TrimRight(string(owner.name[:]), "\x00"); got != name {
			t.Errorf("the name is %q instead of %q", got, name)
		}
		if got := atomic.LoadUint32(&h.callers[0].slot.responder.attendance); got != uint32(owner.incarnation)|1 {
			t.Errorf("the attendance is %#x, the incarnation %#x", got, owner.incarnation)
		}
		client.Close()
	}
}

func TestGuestNamesAreChecked(t *testing.T) {
	bounded(t)
	h := newHost(t, 1, 64)
	for _, name := range []string{"", ".a", "a b", "a/b", strings.Repeat("n", maxGuestName+1)} {
		if client, err := connectTo(h.name, WithName(name)); client != nil || !errors.Is(err, ErrBadName) {
			t.Errorf("%q: %v, %v", name, client, err)
		}
	}
	if client, err := connectTo(h.name, WithCallsOnly(), WithName("one")); client != nil || !errors.Is(err, ErrInvalidArgument) {
		t.Errorf("a name that nobody can call: %v, %v", client, err)
	}
}

// A request for the guest before is refused, until one is for this guest or for anybody; then no more is asked.
func TestWhatIsForAnotherGuestIsNotHandled(t *testing.T) {
	bounded(t)
	for what, late := range map[string]bool{"it stands there": false, "it comes": true} {
		h := newHost(t, 1, 64)
		c := h.callers[0]
		annex := c.slot.annex
		atomic.StoreUint32(&annex.addressee, 77)
		if !late {
			c.post(MessageNormal, []byte("mine"))
		}
		h.serve(t, echo)
		if late {
			c.post(MessageNormal, []byte("mine"))
		}
		refused := answer{answerNotAddressed, 0, nil}
		c.expectResult(t, refused)
		c.expect(t, MessageNormal, strings.Repeat("l", 60), refused)
		atomic.StoreUint32(&annex.addressee, atomic.LoadUint32(&c.slot.responder.attendance))
		c.expect(t, MessageNormal, what, ok(MessageNormal, what))
		atomic.StoreUint32(&annex.addressee, 77)
		c.expect(t, MessageNormal, what, ok(MessageNormal, what))
	}
}

func TestASpareTakesTheSlotsOfOneThatLeaves(t *testing.T) {
	bounded(t)
	h := newHost(t, 2, 64)
	first := h.serve(t, echo)
	taken := make(chan *Client)
	go func() {
		client, err := connectTo(h.name, WithWaitForSlots(), WithWorkers(2), WithAttachTimeout(time.Hour))
		if err != nil {
			t.Error(err)
		}
		taken <- client
	}()
	select {
	case <-taken:
		t.Fatal("it took slots that another guest serves")
	case <-time.After(50 * time.Millisecond):
	}
	first.Close()
	spare := <-taken
	if spare.Slots() != 2 {
		t.Errorf("it took %d slots", spare.Slots())
	}
	if client, err := connectTo(h.name, WithWaitForSlots(), WithAttachTimeout(time.Millisecond)); client != nil || !errors.Is(err, ErrNoSlot) {
		t.Errorf("a second spare: %v, %v", client, err)
	}
	if err := spare.Close(); err != nil {
		t.Error(err)
	}
}
