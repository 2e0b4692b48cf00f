// SPDX-License-Identifier: Apache-2.0

package shm

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"
)

// giveUp is what a caller does that waits no longer (spec, section 4.1).
func (c *peerCaller) giveUp() { c.set(codeCancelled) }

// begun waits until the request is in the handler.
func (c *peerCaller) begun() {
	eventually(func() bool { return atomic.LoadUint32(&c.slot.owner.started) == wordFor(c.generation, 0) })
}

// asleep waits until somebody sleeps as the slot's responder.
func (c *peerCaller) asleep() {
	eventually(func() bool { return atomic.LoadUint32(&c.slot.responder.waiting) != 0 })
}

func TestAContextIsDoneWhenTheCallerGivesUp(t *testing.T) {
	bounded(t)
	for _, slots := range []int{1, 3} { // of the worker
		h := newHost(t, 3, 64)
		entered, told := make(chan struct{}), make(chan error, 1)
		h.serve(t, func(request *Request, response []byte) (int, error) {
			ctx := request.Context()
			if ctx.Err() != nil || ctx != request.Context() {
				t.Error("the request has no context of its own", ctx.Err())
			}
			entered <- struct{}{}
			<-ctx.Done()
			told <- ctx.Err()
			return copy(response, "late"), nil
		}, WithSlotsPerWorker(slots))
		for round := 0; round < 20; round++ {
			c := h.callers[round%3]
			c.post(MessageNormal, []byte("x"))
			<-entered
			if round > 2 { // once the watch sleeps, else as it happens
				c.asleep()
			}
			c.giveUp()
			if err := <-told; err != context.Canceled {
				t.Fatal(err)
			}
			c.expectResult(t, ok(MessageNormal, "late"))
		}
	}
}

func TestAContextEndsWithItsRequest(t *testing.T) {
	bounded(t)
	h := newHost(t, 1, 64)
	contexts := make(chan context.Context, 1)
	var wait int64
	h.serve(t, func(request *Request, response []byte) (int, error) {
		ctx := request.Context()
		ctx.Done()
		time.Sleep(time.Duration(atomic.LoadInt64(&wait)))
		contexts <- ctx
		switch string(request.Data) {
		case "panic":
			panic("as asked")
		case "error":
			return 0, errors.New("as asked")
		}
		return copy(response, request.Data), nil
	})
	c := h.callers[0]
	for _, long := range []time.Duration{0, 3 * watchGrace} {
		atomic.StoreInt64(&wait, int64(long))
		c.expect(t, MessageNormal, "ok", ok(MessageNormal, "ok"))
		first := <-contexts
		c.expect(t, MessageNormal, "error", failedWith("as asked"))
		<-contexts
		c.expect(t, MessageNormal, "panic", failedWith("panic: as asked"))
		<-contexts
		c.expect(t, 200, "long"+string(make([]byte, 60)), ok(200, "long"+string(make([]byte, 60))))
		<-first.Done()
		last := <-contexts
		<-last.Done() // soon after the answer
		if first.Err() != context.Canceled || last.Err() != context.Canceled {
			t.Error("the context of a request that was answered is not done")
		}
	}
	c.asleep() // the worker, as ever
}

func TestAContextIsDoneAtTheDeadline(t *testing.T) {
	bounded(t)
	h := newHost(t, 1, 64)
	h.serve(t, func(request *Request, response []byte) (int, error) {
		ctx := request.Context()
		at, said := ctx.Deadline()
		if told, _ := request.Deadline(); !said || told.Sub(at) > time.Second || at.Sub(told) > time.Second {
			t.Error("the context's deadline is", at, "and the request's", told)
		}
		<-ctx.Done()
		return 0, ctx.Err()
	})
	c := h.callers[0]
	c.describe(MessageNormal, nil)
	c.slot.annex.deadline = monotonicNow() + uint64(50*time.Millisecond)
	c.set(codeRequest)
	c.expectResult(t, failedWith(context.DeadlineExceeded.Error()))
}

func TestAContextIsDoneWhenTheClientOrTheHostEnds(t *testing.T) {
	bounded(t)
	for _, how := range []string{"close", "death", "closed"} {
		h := newHost(t, 1, 64)
		h.hideProcess()
		client, err := connectTo(h.name)
		if err != nil {
			t.Fatal(err)
		}
		client.HandleMessage(func(request *Request, response []byte) (int, error) {
			<-request.Context().Done()
			return 0, nil
		})
		if err := client.Start(); err != nil {
			t.Fatal(err)
		}
		c := h.callers[0]
		c.post(MessageNormal, nil)
		c.begun()
		switch how {
		case "close":
			_ = client.Close()
		case "death":
			h.die(t)
		case "closed":
			c.set(codeClosed)
		}
		if err := client.Wait(); (how == "death") != errors.Is(err, ErrPeerDied) {
			t.Error(how, err)
		}
		_ = client.Close()
	}
}

// Looking costs no watch: a handler that only asks from time to time keeps its slot to itself.
func TestErrLooksForItself(t *testing.T) {
	bounded(t)
	h := newHost(t, 1, 64)
	looked := make(chan bool)
	h.serve(t, func(request *Request, response []byte) (int, error) {
		ctx := request.Context()
		looked <- ctx.Err() == nil
		looked <- true
		return 0, ctx.Err()
	})
	c := h.callers[0]
	c.post(MessageNormal, nil)
	if !<-looked {
		t.Error("the context is done before anybody gave up")
	}
	time.Sleep(3 * watchGrace)
	if atomic.LoadUint32(&c.slot.responder.waiting) != 0 {
		t.Error("somebody sleeps in the slot though nobody waits")
	}
	c.giveUp()
	<-looked
	c.expectResult(t, failedWith(context.Canceled.Error()))
}

func TestContextsOfRequestsThatAreNone(t *testing.T) {
	bounded(t)
	var own Request
	if own.Context() != context.Background() || own.Later() != nil || own.TraceID() != 0 {
		t.Error("a request of the test's own is not told from one of the library's")
	}
	if _, said := own.Deadline(); said {
		t.Error("a request of the test's own has a deadline")
	}
	h := newHost(t, 1, 64)
	kept := make(chan *Request, 1)
	h.serve(t, func(request *Request, response []byte) (int, error) {
		copied := *request
		if copied.Context() != request.Context() {
			t.Error("a copy has another context")
		}
		kept <- &copied
		return 0, nil
	})
	h.callers[0].expect(t, MessageNormal, "", ok(MessageNormal, ""))
	h.callers[0].asleep()
	if late := <-kept; late.Context().Err() == nil || late.Later() != nil {
		t.Error("a request is not over after its handler")
	}
}

// A request is called off by its context's deadline or cancellation, which the host sees.
func TestTheHostSeesDeadlinesAndCancellations(t *testing.T) {
	bounded(t)
	h, peers := newCalledHost(t, 1, 64)
	client := h.connect(t, WithCallsOnly())
	p := peers[0]
	call := func(ctx context.Context) chan error {
		ended := make(chan error, 1)
		go func() {
			_, err := client.Call(ctx, MessageNormal, nil, nil)
			ended <- err
		}()
		p.next()
		return ended
	}
	at := time.Now().Add(time.Minute)
	for _, moment := range []time.Time{at, at.Round(0)} {
		ctx, cancel := context.WithDeadline(context.Background(), moment)
		ended := call(ctx)
		most := time.Until(at)
		said := time.Duration(p.annex.deadline - monotonicNow())
		least := time.Until(at) // the two clocks are not read at once
		if said > most+5*time.Millisecond+clockTick || said < least-5*time.Millisecond-clockTick {
			t.Error("the deadline is off by", said-most, said-least)
		}
		p.echo()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		cancel()
		for round := 0; round < 2; round++ {
			ended = call(context.Background())
			if p.annex.deadline != 0 {
				t.Error("a call without a deadline has the last one's")
			}
			p.echo()
			<-ended
		}
	}
	pipeline, err := client.Pipeline(context.Background(), 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, moment := range []time.Time{at, {}} {
		ctx, cancel := context.Background(), func() {}
		if !moment.IsZero() {
			ctx, cancel = context.WithDeadline(ctx, moment)
		}
		if err := pipeline.Submit(ctx, Submission{}); err != nil {
			t.Fatal(err)
		}
		p.next()
		if (p.annex.deadline == 0) != moment.IsZero() {
			t.Error("a request of a pipeline says", p.annex.deadline)
		}
		p.echo()
		if _, err := pipeline.Reap(context.Background(), make([]Completion, 1)); err != nil {
			t.Error(err)
		}
		cancel()
	}
	pipeline.Close()
	// The responder sleeps until the caller gives up, and is woken.
	ctx, cancel := context.WithCancel(context.Background())
	ended := call(ctx)
	var stop uint32
	gone := func() bool { return atomic.LoadUint32(&p.turn.callerState) != p.seen }
	wait := newWaiter(&p.turn.callerState, &p.slot.responder.waiting, &stop, gone, p.responderBell, WaitPolicy{})
	woken := make(chan error, 1)
	go func() { woken <- wait.sleep() }()
	eventually(func() bool { return atomic.LoadUint32(&p.slot.responder.waiting) != 0 })
	time.Sleep(5 * time.Millisecond)
	cancel()
	if err := <-woken; err != nil {
		t.Error(err)
	}
	expectCallError(t, <-ended, ErrTimeoutMaybeExecuted, MaybeExecuted)
	p.answer(answerOK, 0, 0)
}

func TestMomentsOnTheMachinesClock(t *testing.T) {
	for _, moment := range []time.Time{{}, processStart.Add(-forever), time.Unix(0, 0)} {
		if at := monotonicAt(moment); at != 1 && at >= monotonicNow() {
			t.Error(moment, "is at", at)
		}
	}
	if now := monotonicNow(); monotonicAt(time.Now().Add(forever)) < now+uint64(forever)/2 {
		t.Error("a moment far away is not")
	}
}

// Handlers that use none of it cost no memory.
func TestExchangesAllocateNothing(t *testing.T) {
	bounded(t)
	h := newHost(t, 1, 256)
	h.serve(t, echo)
	c := h.callers[0]
	payload := make([]byte, 100)
	for _, size := range []int{8, 100} {
		allocated := testing.AllocsPerRun(1000, func() {
			c.post(MessageNormal, payload[:size])
			if err := c.await(); err != nil {
				t.Error(err)
			}
		})
		if allocated > 0 {
			t.Errorf("an exchange of %d bytes allocates %v times", size, allocated)
		}
	}
}
