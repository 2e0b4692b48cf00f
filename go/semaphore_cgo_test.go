// SPDX-License-Identifier: Apache-2.0

//go:build cgo && linux

package shm

import (
	"context"
	"testing"
	"time"

	"github.com/xll-gen/shm/go/internal/semaphoretest"
)

// newSemaphoreHost creates a region whose sides wake each other by named semaphores.
func newSemaphoreHost(t *testing.T, slots uint32) *host {
	t.Helper()
	h := newUnfinishedHost(t, freshName(), slots, 64)
	for slot := 0; slot < int(slots); slot++ {
		for _, s := range []side{callerSide, responderSide} {
			createSemaphore(t, semaphoreName(h.name, slot, s))
		}
	}
	h.header.eventBackend, h.backend = backendSemaphore, backendSemaphore
	h.claimAsHost(t)
	h.finish()
	return h
}

func createSemaphore(t *testing.T, name string) {
	t.Helper()
	if err := semaphoretest.Create(name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := semaphoretest.Remove(name); err != nil {
			t.Error(err)
		}
	})
}

func TestServingOverSemaphores(t *testing.T) {
	bounded(t)
	h := newSemaphoreHost(t, 2)
	for turn := 0; turn < 20; turn++ {
		client := h.serve(t, echo, WithWait(WaitPolicy{}), WithSlotsPerWorker(1+turn%2)) // sleeps each time
		for i := 0; i < 100; i++ {
			for _, c := range h.callers {
				c.wait.policy, c.wait.budget = WaitPolicy{}, 0
				c.expect(t, MessageNormal, "x", ok(MessageNormal, "x"))
			}
		}
		if err := client.Close(); err != nil {
			t.Fatal(err)
		}
		h.expectLeft(t, client)
	}
}

func TestASemaphoreThatIsMissing(t *testing.T) {
	bounded(t)
	h := newHost(t, 1, 64)
	h.header.eventBackend = backendSemaphore
	expectRefusal(t, h.name, ErrNoHost, semaphoreName(h.name, 0, callerSide))
	if semaphoreName("N", 12, responderSide) != "/simpleipc.N.12.r" {
		t.Error(semaphoreName("N", 12, responderSide))
	}
}

// A call sleeps on a semaphore, and its deadline ends that.
func TestCallsOverSemaphores(t *testing.T) {
	bounded(t)
	h := newSemaphoreHost(t, 1)
	h.header.hostSlots, h.header.guestSlots = 0, 1
	p := &peerResponder{slot: h.callers[0].slot}
	client := h.connect(t, WithCallsOnly(), WithWait(WaitPolicy{}), WithCallTimeout(20*time.Millisecond))
	_, err := client.Call(context.Background(), 0, nil, nil)
	expectCallError(t, err, ErrTimeout, NotStarted)
	p.run(t, (*peerResponder).echo)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for i := 0; i < 100; i++ {
		response := make([]byte, 64)
		if size, err := client.Call(ctx, 0, []byte("x"), response); err != nil || string(response[:size]) != "x" {
			t.Fatal(size, err)
		}
	}
}
