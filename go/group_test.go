// SPDX-License-Identifier: Apache-2.0

package shm

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
)

// callAll posts a request in each slot before it looks for any answer, and expects each one's own.
func (h *host) callAll(t *testing.T, turn int) {
	t.Helper()
	payload := func(index int) string { return fmt.Sprint(turn, index, strings.Repeat("p", turn*(index+1)%100)) }
	for index, c := range h.callers {
		c.post(MessageNormal, []byte(payload(index)))
	}
	for index, c := range h.callers {
		c.expectResult(t, ok(MessageNormal, payload(index)))
	}
}

func (h *host) expectAsleepAs(words ...uint32) {
	eventually(func() bool {
		for index, want := range words {
			if atomic.LoadUint32(&h.callers[index].slot.responder.waiting) != want {
				return false
			}
		}
		return true
	})
}

func TestWorkersServeSeveralSlotsEach(t *testing.T) {
	bounded(t)
	h := newHost(t, 5, 200)
	var inside [5]int32
	client := h.serve(t, func(request *Request, response []byte) (int, error) {
		worker := request.Slot / 2
		if atomic.AddInt32(&inside[worker], 1) != 1 {
			t.Error("two requests of one worker are handled at a time")
		}
		defer atomic.AddInt32(&inside[worker], -1)
		return copy(response, request.Data), nil
	}, WithSlotsPerWorker(2))
	if client.Slots() != 5 || len(client.now.workers) != 3 {
		t.Errorf("%d slots, %d workers", client.Slots(), len(client.now.workers))
	}
	for turn := 0; turn < 500; turn++ {
		h.callAll(t, turn)
	}
	if err := client.Close(); err != nil {
		t.Error(err)
	}
	h.expectLeft(t, client)
}

func TestAWorkerOfSeveralSlotsSleepsOnceAndIsWokenByAnyRequest(t *testing.T) {
	bounded(t)
	h := newHost(t, 4, 200)
	h.serve(t, echo, WithSlotsPerWorker(3), WithWait(WaitPolicy{}))
	for turn := 0; turn < 300; turn++ {
		// The fourth slot's worker has it alone, and sleeps on the slot's own event.
		h.expectAsleepAs(waitingFirstLead, waitingFirstLead, waitingFirstLead, waitingAlone)
		c := h.callers[turn%4]
		c.expect(t, MessageNormal, "x", ok(MessageNormal, "x"))
	}
	for turn := 0; turn < 300; turn++ {
		h.callAll(t, turn%20)
	}
}

// A caller that is always busy does not keep its worker from the other slots.
func TestABusySlotStarvesNoOther(t *testing.T) {
	bounded(t)
	h := newHost(t, 3, 64)
	h.serve(t, echo, WithSlotsPerWorker(3))
	stop, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-stop:
				return
			default:
				h.callers[0].call(MessageNormal, []byte("busy"))
			}
		}
	}()
	for turn := 0; turn < 500; turn++ {
		for _, c := range h.callers[1:] {
			c.expect(t, MessageNormal, "x", ok(MessageNormal, "x"))
		}
	}
	close(stop)
	<-ended
}

func TestAHandlerThatMisbehavesInAGroupEndsItsOwnRequestOnly(t *testing.T) {
	bounded(t)
	h := newHost(t, 3, 200)
	client := h.serve(t, func(request *Request, response []byte) (int, error) {
		switch string(request.Data) {
		case "panic":
			panic("mine")
		case "goexit":
			runtime.Goexit()
		}
		return copy(response, request.Data), nil
	}, WithSlotsPerWorker(3))
	for turn := 0; turn < 100; turn++ {
		for index, misbehaviour := range []string{"panic", "goexit"} {
			h.callers[0].post(MessageNormal, []byte("before"))
			h.callers[1].post(MessageNormal, []byte(misbehaviour))
			h.callers[2].post(MessageNormal, []byte("behind"))
			h.callers[0].expectResult(t, ok(MessageNormal, "before"))
			h.callers[1].expectResult(t, failedWith([]string{"panic: mine", goexitText}[index]))
			h.callers[2].expectResult(t, ok(MessageNormal, "behind"))
		}
	}
	if err := client.Close(); err != nil {
		t.Error(err)
	}
	h.expectLeft(t, client)
}

func TestAGroupLeavesAllItsSlots(t *testing.T) {
	bounded(t)
	for name, end := range map[string]func(h *host, client *Client){
		"closed":          func(h *host, client *Client) { client.Close() },
		"told by message": func(h *host, client *Client) { h.callers[1].call(MessageShutdown, nil) },
		"the host closes": func(h *host, client *Client) { h.callers[2].set(codeClosed) },
	} {
		for _, policy := range []WaitPolicy{{}, WaitLatency} {
			h := newHost(t, 3, 64)
			client := h.serve(t, echo, WithSlotsPerWorker(3), WithWait(policy))
			h.callAll(t, 1)
			if policy == (WaitPolicy{}) {
				h.expectAsleepAs(waitingFirstLead, waitingFirstLead, waitingFirstLead)
			}
			end(h, client)
			if err := client.Wait(); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			h.expectLeft(t, client)
		}
	}
}

func TestCloseInAHandlerOfAGroup(t *testing.T) {
	bounded(t)
	h := newHost(t, 2, 64)
	var client *Client
	client = h.connect(t, WithSlotsPerWorker(2))
	client.HandleMessage(func(request *Request, response []byte) (int, error) {
		client.Close()
		return copy(response, request.Data), nil
	})
	if err := client.Start(); err != nil {
		t.Fatal(err)
	}
	h.callers[1].expect(t, MessageNormal, "last", ok(MessageNormal, "last"))
	if err := client.Wait(); err != nil {
		t.Error(err)
	}
	h.expectLeft(t, client)
}

func TestAGroupWhoseHostDies(t *testing.T) {
	bounded(t)
	for _, policy := range []WaitPolicy{{}, {SpinMin: maxPolls, SpinMax: maxPolls}} {
		h := newHost(t, 3, 64)
		h.hideProcess() // which lives on
		client := serveNamed(t, h.name, WithSlotsPerWorker(3), WithWait(policy))
		h.die(t)
		expectEnd(t, client, ErrPeerDied)
		h.expectLeft(t, client)
	}
}

// What a group left behind when it died is taken over slot by slot.
func TestAGroupSucceedsAGroup(t *testing.T) {
	bounded(t)
	h := newHost(t, 2, 64)
	begun, waiting := h.callers[0], h.callers[1]
	begun.post(MessageNormal, []byte("begun"))
	atomic.StoreUint32(&begun.slot.owner.started, wordFor(begun.generation, 0))
	waiting.post(MessageNormal, []byte("waiting"))
	for _, c := range h.callers {
		atomic.StoreUint32(&c.slot.responder.waiting, waitingFirstLead)
	}
	h.serve(t, echo, WithSlotsPerWorker(2))
	begun.expectResult(t, answer{answerResponderDied, MessageNormal, nil})
	waiting.expectResult(t, ok(MessageNormal, "waiting"))
	h.callAll(t, 1)
}

func TestSlotsPerWorkerThatDoNotFit(t *testing.T) {
	bounded(t)
	h := newHost(t, 4, 64)
	for _, options := range [][]Option{
		{WithSlotsPerWorker(0)},
		{WithSlotsPerWorker(-1)},
		{WithSlotsPerWorker(5)},
		{WithSlotsPerWorker(3), WithWorkers(2)},
		{WithSlotsPerWorker(1 << 30), WithWorkers(1 << 30)},
	} {
		if client, err := connectTo(h.name, options...); client != nil || !errors.Is(err, ErrInvalidArgument) {
			t.Errorf("%v, %v", client, err)
		}
	}
	first := h.serve(t, echo, WithSlotsPerWorker(3), WithWorkers(1))
	second := h.serve(t, echo, WithSlotsPerWorker(3))
	if first.Slots() != 3 || second.Slots() != 1 {
		t.Error(first.Slots(), second.Slots())
	}
	h.callAll(t, 1)
}
