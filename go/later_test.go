// SPDX-License-Identifier: Apache-2.0

package shm

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// postpone is a handler whose requests all pend.
func postpone(pending chan<- *Pending) MessageHandler {
	return func(request *Request, response []byte) (int, error) {
		pending <- request.Later()
		return 0, nil
	}
}

func TestAnswersMayComeLaterAndOutOfOrder(t *testing.T) {
	bounded(t)
	for _, each := range []int{1, 2, 4} { // slots of a worker
		h := newHost(t, 4, 200)
		pending := make(chan *Pending, 4)
		h.serve(t, postpone(pending), WithSlotsPerWorker(each))
		for round := 0; round < 50; round++ {
			var taken []*Pending
			for i, c := range h.callers {
				c.post(200+uint32(i), []byte(strings.Repeat("x", i*60)+fmt.Sprint(round)))
				taken = append(taken, <-pending)
			}
			for i := len(taken) - 1; i >= 0; i-- {
				p, c := taken[i], h.callers[i]
				want := strings.Repeat("x", i*60) + fmt.Sprint(round)
				if r := p.Request(); string(r.Data) != want || r.MessageID != 200+uint32(i) || r.Slot != i || r.Later() != p || r.Context() != p.Context() {
					t.Fatalf("the request is %+v", r)
				}
				if c.answered() {
					t.Fatal("a request was answered that pends")
				}
				if err := p.Respond([]byte(want), nil); err != nil {
					t.Fatal(err)
				}
				c.expectResult(t, ok(c.messageID, want))
			}
		}
	}
}

func TestAWorkerServesItsOtherSlotsWhileARequestPends(t *testing.T) {
	bounded(t)
	h := newHost(t, 2, 64)
	pending := make(chan *Pending, 1)
	h.serve(t, func(request *Request, response []byte) (int, error) {
		if string(request.Data) == "later" {
			pending <- request.Later()
			return 99, nil // which is ignored
		}
		return copy(response, request.Data), nil
	}, WithSlotsPerWorker(2))
	h.callers[1].post(MessageNormal, []byte("later"))
	p := <-pending
	for i := 0; i < 100; i++ {
		h.callers[0].expect(t, MessageNormal, "now", ok(MessageNormal, "now"))
	}
	if err := p.Respond([]byte("at last"), nil); err != nil {
		t.Error(err)
	}
	h.callers[1].expectResult(t, ok(MessageNormal, "at last"))
	h.callers[1].expect(t, MessageNormal, "now", ok(MessageNormal, "now"))
}

func TestARequestIsAnsweredOnce(t *testing.T) {
	bounded(t)
	h := newHost(t, 1, 64)
	pending := make(chan *Pending, 1)
	h.serve(t, postpone(pending))
	c := h.callers[0]
	for round := 0; round < 200; round++ {
		c.post(MessageNormal, nil)
		p := <-pending
		var wins int32
		var all sync.WaitGroup
		for i := 0; i < 4; i++ {
			all.Add(1)
			go func() {
				defer all.Done()
				if err := p.Respond([]byte("once"), nil); err == nil {
					atomic.AddInt32(&wins, 1)
				} else if !errors.Is(err, ErrInvalidArgument) {
					t.Error(err)
				}
			}()
		}
		c.expectResult(t, ok(MessageNormal, "once"))
		all.Wait()
		if wins != 1 || p.Response() != nil || p.Context().Err() != context.Canceled {
			t.Fatal("the request was answered", wins, "times, or is not over", p.Context().Err())
		}
	}
	var none *Pending
	if err := none.Respond(nil, nil); !errors.Is(err, ErrInvalidArgument) || none.Response() != nil || none.Request() != nil {
		t.Error(err)
	}
}

func TestWhatALaterAnswerSays(t *testing.T) {
	bounded(t)
	h := newHost(t, 1, 64)
	pending := make(chan *Pending, 1)
	h.serve(t, postpone(pending))
	c := h.callers[0]
	for _, size := range []int{0, 60} {
		answer := func(payload []byte, err error, want answer) error {
			c.post(MessageNormal, make([]byte, size))
			told := (<-pending).Respond(payload, err)
			c.expectResult(t, want)
			return told
		}
		for _, told := range []error{
			answer(nil, nil, ok(MessageNormal, "")),
			answer(make([]byte, 64), nil, ok(MessageNormal, string(make([]byte, 64)))),
			answer([]byte("ignored"), errors.New("no such job"), failedWith("no such job")),
			answer(nil, fmt.Errorf("no %w", ErrUnknownMessage), answer0(answerUnknownMessage)),
		} {
			if told != nil {
				t.Error(told)
			}
		}
		if told := answer(make([]byte, 65), nil, answer0(answerResponseTooLarge)); !errors.Is(told, ErrResponseTooLarge) {
			t.Error(told)
		}
		c.post(MessageNormal, make([]byte, size))
		p := <-pending
		written := copy(p.Response(), "in place")
		if err := p.Respond(p.Response()[:written], nil); err != nil {
			t.Error(err)
		}
		c.expectResult(t, ok(MessageNormal, "in place"))
	}
}

func answer0(status uint32) answer { return answer{status, MessageNormal, nil} }

// Also a handler that gives its request away may fail; whoever answers first answers.
func TestHandlersThatFailAfterLater(t *testing.T) {
	bounded(t)
	h := newHost(t, 1, 64)
	pending := make(chan *Pending, 1)
	h.serve(t, func(request *Request, response []byte) (int, error) {
		p := request.Later()
		if p == nil || p != request.Later() {
			t.Error("a request has two answers")
		}
		pending <- p
		switch string(request.Data) {
		case "panic":
			panic("as asked")
		case "answer, then panic":
			_ = p.Respond([]byte("done"), nil)
			panic("as asked")
		case "answer, then error":
			_ = p.Respond([]byte("done"), nil)
		}
		return 0, errors.New("no")
	})
	c := h.callers[0]
	for payload, want := range map[string]answer{
		"panic": failedWith("panic: as asked"), "error": failedWith("no"),
		"answer, then panic": ok(MessageNormal, "done"), "answer, then error": ok(MessageNormal, "done"),
	} {
		for round := 0; round < 50; round++ {
			c.expect(t, MessageNormal, payload, want)
			if err := (<-pending).Respond(nil, nil); !errors.Is(err, ErrInvalidArgument) {
				t.Error(payload, err)
			}
		}
	}
}

func TestAPendingRequestIsGivenUp(t *testing.T) {
	bounded(t)
	for _, each := range []int{1, 2} {
		h := newHost(t, 2, 64)
		pending := make(chan *Pending, 1)
		h.serve(t, postpone(pending), WithSlotsPerWorker(each))
		c := h.callers[1]
		for round := 0; round < 20; round++ {
			c.post(MessageNormal, []byte("job"))
			p := <-pending
			if round%2 == 0 {
				c.asleep()
			}
			c.giveUp()
			<-p.Context().Done()
			if p.Context().Err() != context.Canceled {
				t.Error(p.Context().Err())
			}
			// Nobody waits, but the slot is out of use until then.
			if err := p.Respond([]byte("late"), nil); err != nil {
				t.Error(err)
			}
			c.expectResult(t, ok(MessageNormal, "late"))
		}
	}
}

// The deadline and the trace id that a pending request says are its own, also after the next one came.
func TestAPendingRequestKnowsItsDeadline(t *testing.T) {
	bounded(t)
	h := newHost(t, 1, 64)
	pending := make(chan *Pending, 1)
	h.serve(t, postpone(pending))
	c := h.callers[0]
	c.describe(MessageNormal, nil)
	c.slot.annex.deadline, c.slot.annex.traceID = monotonicNow()+uint64(50*time.Millisecond), 7
	c.set(codeRequest)
	p := <-pending
	c.slot.annex.deadline, c.slot.annex.traceID = 0, 0
	<-p.Context().Done()
	if _, said := p.Request().Deadline(); !said || p.Request().TraceID() != 7 || p.Context().Err() != context.DeadlineExceeded {
		t.Error("the request says", said, p.Request().TraceID(), p.Context().Err())
	}
	if err := p.Respond(nil, nil); err != nil {
		t.Error(err)
	}
	c.expectResult(t, ok(MessageNormal, ""))
}

// A host that breaks the protocol gets no second request into a slot whose first one pends.
func TestARequestBehindAPendingOneIsIgnored(t *testing.T) {
	bounded(t)
	h := newHost(t, 1, 64)
	pending := make(chan *Pending, 4)
	h.serve(t, postpone(pending))
	c := h.callers[0]
	c.post(MessageNormal, []byte("first"))
	p := <-pending
	c.asleep()
	for i := 0; i < 10; i++ {
		c.giveUp()
		c.set(codeRequest) // taken back
		c.post(MessageNormal, []byte("next"))
	}
	<-p.Context().Done()
	select {
	case <-pending:
		t.Error("a request was handled while another one pends")
	case <-time.After(20 * time.Millisecond):
	}
	if err := p.Respond(nil, nil); err != nil {
		t.Error(err)
	}
	c.post(MessageNormal, []byte("good"))
	if p = <-pending; string(p.Request().Data) != "good" {
		t.Error("the request is", string(p.Request().Data))
	}
	_ = p.Respond(nil, nil)
	c.expectResult(t, ok(MessageNormal, ""))
}

// Close returns, Wait waits; the memory stays as long as somebody may answer.
func TestTheEndWaitsForLaterAnswers(t *testing.T) {
	bounded(t)
	for _, how := range []string{"close", "death", "closed", "shutdown"} {
		h := newHost(t, 3, 64)
		h.hideProcess()
		client, err := connectTo(h.name, WithSlotsPerWorker(2)) // of two workers
		if err != nil {
			t.Fatal(err)
		}
		pending := make(chan *Pending, 1)
		client.HandleMessage(postpone(pending))
		if err := client.Start(); err != nil {
			t.Fatal(err)
		}
		c := h.callers[0]
		c.post(MessageNormal, []byte("job"))
		p := <-pending
		ended := make(chan error, 1)
		go func() { ended <- client.Wait() }()
		switch how {
		case "close":
			_ = client.Close()
		case "death":
			h.die(t)
		case "closed":
			for _, c := range h.callers {
				c.set(codeClosed)
			}
		case "shutdown":
			h.callers[2].expect(t, MessageShutdown, "", ok(MessageShutdown, ""))
		}
		<-p.Context().Done()
		select {
		case err := <-ended:
			t.Error(how, "did not wait:", err)
		case <-time.After(10 * time.Millisecond):
		}
		if claimed := h.claimed(t, 0); !claimed || string(p.Request().Data) != "job" {
			t.Error("the slot was left while its request pends")
		}
		if err := p.Respond([]byte("done"), nil); err != nil {
			t.Error(err)
		}
		_ = client.Close()
		if err := <-ended; (how == "death") != errors.Is(err, ErrPeerDied) {
			t.Error(how, err)
		}
		if c.attended() || h.claimed(t, 0) {
			t.Error("the slot was not left", how)
		}
		if how != "closed" {
			c.expectResult(t, ok(MessageNormal, "done"))
		}
	}
}

func TestAMuxMayAnswerLater(t *testing.T) {
	bounded(t)
	h := newHost(t, 1, 64)
	var mux Mux
	pending := make(chan *Pending, 1)
	if err := mux.Handle(200, postpone(pending)); err != nil {
		t.Fatal(err)
	}
	h.serve(t, mux.Serve)
	h.callers[0].post(200, nil)
	_ = (<-pending).Respond([]byte("later"), nil)
	h.callers[0].expectResult(t, ok(200, "later"))
	h.callers[0].expect(t, 201, "", answer{answerUnknownMessage, 201, nil})
}
