// SPDX-License-Identifier: Apache-2.0

package shm

import (
	"fmt"
	"os"
	"runtime"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"
)

// bounded ends the test program, with the stacks of all goroutines, if the test does not end in time.
func bounded(t testing.TB) {
	t.Helper()
	name := t.Name()
	timer := time.AfterFunc(60*time.Second, func() {
		stacks := make([]byte, 1<<20)
		stacks = stacks[:runtime.Stack(stacks, true)]
		fmt.Fprintf(os.Stderr, "%s did not end within a minute\n%s\n", name, stacks)
		os.Exit(2)
	})
	t.Cleanup(func() { timer.Stop() })
}

// What a busy machine needs to have begun what a test then lets its deadline end.
const startTime = 500 * time.Millisecond

// host is a miniature host: a region laid out by the spec, and a caller for each slot.
type host struct {
	*region
	header  *exchangeHeader
	line    *hostFields
	callers []*peerCaller
}

var regionCount uint32

// freshName is a name that no other test and no other run of the tests uses.
func freshName() string {
	return fmt.Sprintf("gotest-%d-%d", os.Getpid(), atomic.AddUint32(&regionCount, 1))
}

// newHost creates a region whose callers are ready to call.
func newHost(t testing.TB, slots, capacity uint32) *host {
	t.Helper()
	h := newUnfinishedHost(t, freshName(), slots, capacity)
	h.claimAsHost(t)
	h.finish()
	return h
}

// newUnfinishedHost creates a region without the host's claim and without its version.
func newUnfinishedHost(t testing.TB, name string, slots, capacity uint32) *host {
	t.Helper()
	g, err := geometryFor(slots, 0, capacity, capacity)
	if err != nil {
		t.Fatal(err)
	}
	r := &region{name: name, object: createObject(t, name), layout: g, backend: testBackend, users: 1}
	t.Cleanup(func() {
		removeObject(r.object)
		if err := r.release(); err != nil {
			t.Error(err)
		}
	})
	resizeObject(t, r.object, g.regionSize)
	if r.memory, err = r.object.mapShared(g.regionSize); err != nil {
		t.Fatal(err)
	}
	createBells(t, r)
	first := (*firstLines)(unsafe.Pointer(&r.memory[0]))
	first.host = hostFields{incarnation: 1, pid: processID(), pidNamespace: processNamespace()}
	h := &host{region: r, header: &first.header, line: &first.host}
	*h.header = exchangeHeader{
		magic: magic, eventBackend: testBackend,
		hostSlots: g.hostSlots, guestSlots: g.guestSlots,
		requestCapacity: g.requestCapacity, responseCapacity: g.responseCapacity,
		regionSize: g.regionSize, slotsOffset: slotsOffset, slotSize: g.slotSize,
		tailOffset: g.tailOffset,
	}
	return h
}

func (h *host) claimAsHost(t testing.TB) {
	t.Helper()
	if won, err := h.object.claim(claimHost); !won || err != nil {
		t.Fatal(won, err)
	}
}

// finish makes the region visible to guests.
func (h *host) finish() {
	for index := 0; index < int(h.layout.hostSlots); index++ {
		s, err := h.openSlot(index)
		if err != nil {
			panic(err)
		}
		h.callers = append(h.callers, newPeerCaller(s))
	}
	atomic.StoreUint32(&h.header.version, versionMajor<<16|versionMinor)
}

// connect is a guest of the host; it is closed with the test.
func (h *host) connect(t testing.TB, options ...Option) *Client {
	t.Helper()
	client, err := connectTo(h.name, options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := client.Close(); err != nil {
			t.Error(err)
		}
	})
	return client
}

// serve is a guest of the host that serves with this handler.
func (h *host) serve(t testing.TB, handler MessageHandler, options ...Option) *Client {
	t.Helper()
	client := h.connect(t, options...)
	client.HandleMessage(handler)
	if err := client.Start(); err != nil {
		t.Fatal(err)
	}
	return client
}

// attended tells whether a slot's responder says that it is there.
func (c *peerCaller) attended() bool {
	return atomic.LoadUint32(&c.slot.responder.state)&flagAttended != 0
}

// claimed tells whether a guest holds the slot's claim.
func (h *host) claimed(t testing.TB, index int) bool {
	t.Helper()
	taken, err := h.object.claimedByAnother(claimFirstSlot + uint64(index))
	if err != nil {
		t.Fatal(err)
	}
	return taken
}

// expect calls and compares the answer.
func (c *peerCaller) expect(t testing.TB, messageID uint32, payload string, want answer) {
	t.Helper()
	got, err := c.call(messageID, []byte(payload))
	if err != nil {
		t.Fatal(err)
	}
	if got.String() != want.String() {
		t.Fatalf("the answer to message %d is %v instead of %v", messageID, got, want)
	}
}

func ok(messageID uint32, payload string) answer { return answer{answerOK, messageID, []byte(payload)} }

func failedWith(text string) answer { return answer{answerHandlerFailed, MessageNormal, []byte(text)} }

func echo(request *Request, response []byte) (int, error) { return copy(response, request.Data), nil }

// eventually waits for something that another goroutine is about to bring about; bounded limits it.
func eventually(condition func() bool) {
	for !condition() {
		time.Sleep(time.Millisecond)
	}
}
