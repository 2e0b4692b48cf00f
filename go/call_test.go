// SPDX-License-Identifier: Apache-2.0

package shm

import (
	"bytes"
	"context"
	"errors"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// peerResponder is the host's role in a guest slot, as small as the tests can do with.
type peerResponder struct {
	*slot
	seen, stop uint32
}

func (p *peerResponder) respond(word uint32) {
	if waiting := publish(&p.responder.state, word, &p.annex.callerWaiting); waiting != 0 {
		p.ringCaller(waiting)
	}
}

// next waits for a request and marks it as started; false if it is to end.
func (p *peerResponder) next() bool {
	for atomic.LoadUint32(&p.stop) == 0 {
		if word := atomic.LoadUint32(&p.turn.callerState); word != p.seen {
			if p.seen = word; callerCode(word) == codeRequest {
				atomic.SwapUint32(&p.owner.started, wordFor(generationOf(word), 0))
				if atomic.LoadUint32(&p.turn.callerState) == word {
					return true
				}
				p.answer(answerNotExecuted, 0, 0)
			}
		}
		runtime.Gosched()
	}
	return false
}

// payload is the request.
func (p *peerResponder) payload() []byte {
	if p.seen&flagTiny != 0 {
		return p.turn.tinyPayload[:p.turn.transportID&transportIDSizeMask]
	}
	if p.ordinaryTurn.flags != 0 {
		return lastOf(p.requestRoom, p.ordinaryTurn.size)
	}
	return p.request[:p.ordinaryTurn.size]
}

func (p *peerResponder) answer(status, size uint32, id uint64) {
	p.responder.transportID, p.responder.size, p.responder.status = id, size, status
	p.respond(wordFor(generationOf(p.seen), codeResponse|flagAttended))
}

// echo answers where the spec says.
func (p *peerResponder) echo() {
	payload := append([]byte(nil), p.payload()...)
	if p.seen&flagTiny == 0 {
		copy(p.response, payload)
		p.answer(answerOK, uint32(len(payload)), atomic.LoadUint64(&p.turn.transportID))
		return
	}
	p.turn.transportID = ^(withoutMessageBits(p.turn.transportID) | uint64(len(payload)))
	atomic.SwapUint32(&p.turn.tinyState, wordFor(generationOf(p.seen), codeResponse))
	if atomic.LoadUint32(&p.annex.callerWaiting) != 0 {
		p.respond(wordFor(generationOf(p.seen), codeResponse|flagAttended))
	}
}

// newCalledHost is a host of that many guest slots, none of them served, and no other slot.
func newCalledHost(t testing.TB, slots, capacity uint32) (*host, []*peerResponder) {
	t.Helper()
	h := newUnfinishedHost(t, freshName(), slots, capacity)
	h.header.hostSlots, h.header.guestSlots = 0, slots
	h.claimAsHost(t)
	h.finish()
	var peers []*peerResponder
	for _, c := range h.callers {
		atomic.StoreUint32(&c.slot.responder.state, flagAttended)
		peers = append(peers, &peerResponder{slot: c.slot})
	}
	return h, peers
}

// run answers each request by f until the test ends.
func (p *peerResponder) run(t testing.TB, f func(*peerResponder)) {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for p.next() {
			f(p)
		}
	}()
	t.Cleanup(func() { atomic.StoreUint32(&p.stop, 1); <-ended })
}

func expectCallError(t testing.TB, err, want error, fate Fate) {
	t.Helper()
	var e *CallError
	if !errors.Is(err, want) || !errors.As(err, &e) || e.Fate() != fate {
		t.Errorf("%v instead of %v, %v", err, want, fate)
	}
}

func TestCallsOfEverySize(t *testing.T) {
	bounded(t)
	for _, policy := range []WaitPolicy{WaitBalanced, {}} { // the last sleeps each time
		h, peers := newCalledHost(t, 1, 200)
		peers[0].run(t, (*peerResponder).echo)
		client := h.connect(t, WithCallsOnly(), WithWait(policy))
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		response := make([]byte, 200)
		for size := 0; size <= 200; size++ {
			request := bytes.Repeat([]byte{byte(size + 1)}, size)
			for _, id := range []uint32{MessageNormal, MessageFirstUser, 1<<32 - 1} {
				for _, ctx := range []context.Context{ctx, context.Background()} {
					if n, err := client.Call(ctx, id, request, response); err != nil || !bytes.Equal(request, response[:n]) {
						t.Fatalf("%d bytes of message %d: %d, %v", size, id, n, err)
					}
				}
			}
		}
		cancel()
		if n, err := client.Call(context.Background(), 0, make([]byte, 100), response[:99]); n != 100 {
			t.Error(n)
		} else {
			expectCallError(t, err, ErrBufferTooSmall, Answered)
		}
	}
}

func TestWhatMustNotBeSentIsRefused(t *testing.T) {
	bounded(t)
	h, _ := newCalledHost(t, 1, 64)
	client := h.connect(t, WithCallsOnly())
	ctx := context.Background()
	for _, id := range []uint32{2, 3, 4, 127} {
		_, err := client.Call(ctx, id, nil, nil)
		expectCallError(t, err, ErrBadMessageID, NotStarted)
	}
	_, err := client.Call(ctx, 0, make([]byte, 65), nil)
	expectCallError(t, err, ErrRequestTooLarge, NotStarted)
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	_, err = client.Call(cancelled, 0, nil, nil)
	expectCallError(t, err, ErrTimeout, NotStarted)
	expectCallError(t, err, context.Canceled, NotStarted)
	_, err = newHost(t, 1, 64).connect(t).Call(ctx, 0, nil, nil)
	expectCallError(t, err, ErrNoSlot, NotStarted)
	if word := h.callers[0].slot.turn.callerState; word != 0 || client.CallSlots() != 1 {
		t.Error("something was written", word)
	}
	if _, err := connectTo(h.name, WithCallsOnly()); !errors.Is(err, ErrNoSlot) {
		t.Error(err)
	}
	if err := client.Start(); !errors.Is(err, ErrInvalidArgument) {
		t.Error(err)
	}
}

// The fates of calls that end by deadline, by cancellation, by the end of the client and of the host.
func TestTheFateOfACallWithoutAnAnswer(t *testing.T) {
	bounded(t)
	for _, started := range []bool{false, true} {
		for how, want := range map[string][2]error{
			"deadline": {ErrTimeout, ErrTimeoutMaybeExecuted},
			"cancel":   {ErrTimeout, ErrTimeoutMaybeExecuted},
			"close":    {ErrClosed, ErrClosedMaybeExecuted},
			"closing":  {ErrClosed, ErrClosedMaybeExecuted},
			"death":    {ErrPeerDied, ErrPeerDiedMaybeExecuted},
		} {
			h, peers := newCalledHost(t, 1, 64)
			h.hideProcess()
			client, err := connectTo(h.name, WithCallsOnly(), WithCallTimeout(time.Minute))
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(context.Background())
			if how == "deadline" {
				ctx, cancel = context.WithTimeout(context.Background(), startTime)
			}
			ended := make(chan error)
			go func() {
				_, err := client.Call(ctx, 0, []byte("x"), nil)
				ended <- err
			}()
			eventually(func() bool { return atomic.LoadUint32(&peers[0].annex.callerWaiting) == 1 })
			fate := NotStarted
			if started {
				fate = MaybeExecuted
				peers[0].next()
			}
			switch how {
			case "cancel":
				cancel()
			case "close":
				client.Close()
			case "closing":
				atomic.StoreUint32(&h.line.closing, 1)
				peers[0].respond(0)
			case "death":
				h.die(t)
			}
			err = <-ended
			expectCallError(t, err, want[fate], fate)
			switch how {
			case "deadline":
				expectCallError(t, err, context.DeadlineExceeded, fate)
			case "cancel":
				expectCallError(t, err, context.Canceled, fate)
			}
			cancel()
			client.Close()
		}
	}
}

// A slot whose handler still runs takes no other call; its late response reaches nobody.
func TestALateResponseIsDropped(t *testing.T) {
	bounded(t)
	h, peers := newCalledHost(t, 1, 64)
	client := h.connect(t, WithCallsOnly(), WithCallTimeout(startTime))
	ended := make(chan error)
	call := func() {
		_, err := client.Call(context.Background(), 0, []byte("first"), make([]byte, 64))
		ended <- err
	}
	go call()
	peers[0].next()
	expectCallError(t, <-ended, ErrTimeoutMaybeExecuted, MaybeExecuted)
	go call()
	expectCallError(t, <-ended, ErrAllSlotsBusy, NotStarted)
	go func() {
		response := make([]byte, 64)
		patient, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		n, err := client.Call(patient, 0, []byte("second"), response)
		if string(response[:n]) != "second" {
			err = errors.New(string(response[:n]))
		}
		ended <- err
	}()
	peers[0].echo()
	peers[0].run(t, (*peerResponder).echo)
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// The slot is out of use until its handler ends, and afterwards nobody serves it any more.
func TestAClosingHostLeavesNobodyWaitingForASlot(t *testing.T) {
	bounded(t)
	h, peers := newCalledHost(t, 1, 64)
	begun, letGo := make(chan struct{}), make(chan struct{})
	peers[0].run(t, func(p *peerResponder) {
		close(begun)
		<-letGo
		atomic.StoreUint32(&h.line.closing, 1)
		p.answer(answerOK, 0, p.turn.transportID)
		p.respond(unattended(atomic.LoadUint32(&p.responder.state)))
		atomic.StoreUint32(&p.stop, 1)
	})
	client := h.connect(t, WithCallsOnly(), WithCallTimeout(time.Hour))
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	call := func(ctx context.Context) {
		_, err := client.Call(ctx, 0, nil, nil)
		ended <- err
	}
	go call(ctx)
	<-begun
	cancel()
	expectCallError(t, <-ended, ErrTimeoutMaybeExecuted, MaybeExecuted)
	go call(context.Background())
	eventually(func() bool { return atomic.LoadInt32(&client.now.calls.waiting) == 1 })
	close(letGo)
	expectCallError(t, <-ended, ErrClosed, NotStarted)
}

// Whatever a dead guest left, the next one calls with the generation and the count that follow.
func TestTheNextGuestTakesOverASlot(t *testing.T) {
	bounded(t)
	for what, leave := range map[string]func(c *peerCaller, p *peerResponder){
		"answered":           func(c *peerCaller, p *peerResponder) { c.set(codeRequest); p.next(); p.echo() },
		"not begun":          func(c *peerCaller, p *peerResponder) { c.set(codeRequest) },
		"half written":       func(c *peerCaller, p *peerResponder) { c.generation-- },
		"cancelled":          func(c *peerCaller, p *peerResponder) { c.set(codeCancelled) },
		"begun":              func(c *peerCaller, p *peerResponder) { c.set(codeRequest); p.next() },
		"begun and given up": func(c *peerCaller, p *peerResponder) { c.set(codeRequest); p.next(); c.set(codeCancelled) },
	} {
		h, peers := newCalledHost(t, 1, 64)
		c, p := h.callers[0], peers[0]
		c.generation, c.requests = 1<<29-3, 1<<41-2
		atomic.StoreUint32(&p.turn.callerState, wordFor(c.generation, codeCancelled))
		p.seen = wordFor(c.generation, codeCancelled)
		p.annex.callerWaiting, p.annex.deadline = 1, 5
		c.describe(0, []byte("x"))
		leave(c, p)
		client := h.connect(t, WithCallsOnly(), WithCallTimeout(time.Minute))
		if p.annex.callerWaiting > 1 || p.annex.deadline != 0 {
			t.Error("its marks were left")
		}
		if strings.HasPrefix(what, "begun") {
			if word := atomic.LoadUint32(&p.turn.callerState); callerCode(word) != codeCancelled {
				t.Errorf("%s: %#x", what, word)
			}
			go func() { time.Sleep(20 * time.Millisecond); p.echo(); p.run(t, (*peerResponder).echo) }()
		} else {
			p.run(t, (*peerResponder).echo)
		}
		for i := uint32(1); i < 4; i++ {
			response := make([]byte, 64)
			if n, err := client.Call(context.Background(), 0, []byte("next"), response); err != nil || string(response[:n]) != "next" {
				t.Fatalf("%s: %q, %v", what, response[:n], err)
			}
			id := ownTransportID(0, atomic.LoadUint64(&p.turn.transportID)) << 16 >> 23
			if g := generationOf(atomic.LoadUint32(&p.turn.callerState)); g != (c.generation+i)&generationMask || id != (c.requests+uint64(i))&(1<<41-1) {
				t.Errorf("%s: generation %d, count %d after %d, %d", what, g, id, c.generation, c.requests)
			}
		}
	}
}

func TestManyGoroutinesShareTheSlots(t *testing.T) {
	bounded(t)
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	for _, processors := range []int{1, 4} {
		runtime.GOMAXPROCS(processors)
		h, peers := newCalledHost(t, 3, 100)
		for _, p := range peers {
			p.run(t, (*peerResponder).echo)
		}
		client := h.connect(t, WithCallsOnly(), WithCallSlots(3))
		var all sync.WaitGroup
		for n := 0; n < 12; n++ {
			all.Add(1)
			go func(n int) {
				defer all.Done()
				request, response := bytes.Repeat([]byte{byte(n)}, 8*n), make([]byte, 100)
				for i := 0; i < 200; i++ {
					if size, err := client.Call(context.Background(), 0, request, response); err != nil || !bytes.Equal(response[:size], request) {
						t.Errorf("%d bytes: %v", size, err)
						return
					}
				}
			}(n)
		}
		all.Wait()
	}
}

func TestACallAllocatesNothing(t *testing.T) {
	bounded(t)
	h, peers := newCalledHost(t, 1, 100)
	client := h.connect(t, WithCallsOnly(), WithWait(WaitPolicy{Yields: maxPolls})) // it does not sleep
	answered := func(p *peerResponder) {                                            // allocates nothing either
		if p.seen&flagTiny == 0 {
			p.answer(answerOK, 100, p.turn.transportID)
		} else {
			p.turn.transportID = ^(withoutMessageBits(p.turn.transportID) | 5)
			atomic.SwapUint32(&p.turn.tinyState, wordFor(generationOf(p.seen), codeResponse))
			if atomic.LoadUint32(&p.annex.callerWaiting) != 0 { // after a yield that took long it sleeps all the same
				p.respond(wordFor(generationOf(p.seen), codeResponse|flagAttended))
			}
		}
	}
	peers[0].run(t, answered)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	response := make([]byte, 100)
	for _, size := range []int{8, 100} {
		request := make([]byte, size)
		if n := testing.AllocsPerRun(200, func() {
			if _, err := client.Call(ctx, 200, request, response); err != nil {
				t.Error(err)
			}
		}); n != 0 {
			t.Errorf("%v allocations at %d bytes", n, size)
		}
	}
}

// What a hostile host writes is checked: no crash, nothing out of bounds, no wait past the deadline.
func TestAHostThatBreaksTheProtocol(t *testing.T) {
	bounded(t)
	for what, c := range map[string]struct {
		answer func(p *peerResponder)
		want   error
		fate   Fate
	}{
		"id":      {func(p *peerResponder) { p.answer(0, 0, p.turn.transportID+128) }, ErrProtocolViolated, MaybeExecuted},
		"size":    {func(p *peerResponder) { p.answer(0, 65, p.turn.transportID) }, ErrProtocolViolated, MaybeExecuted},
		"status":  {func(p *peerResponder) { p.answer(77, 0, p.turn.transportID) }, ErrProtocolViolated, MaybeExecuted},
		"unasked": {func(p *peerResponder) { p.answer(5, 0, p.turn.transportID) }, ErrProtocolViolated, MaybeExecuted},
		"died":    {func(p *peerResponder) { p.answer(6, 0, p.turn.transportID) }, ErrPeerDiedMaybeExecuted, MaybeExecuted},
		"unknown": {func(p *peerResponder) { p.answer(3, 0, p.turn.transportID) }, ErrUnknownMessage, NotStarted},
		"large":   {func(p *peerResponder) { p.answer(2, 0, p.turn.transportID) }, ErrResponseTooLarge, Answered},
		"failed":  {func(p *peerResponder) { copy(p.response, "oh"); p.answer(1, 2, p.turn.transportID) }, ErrHandlerFailed, Answered},
		"tiny": {func(p *peerResponder) {
			p.turn.transportID = ^(withoutMessageBits(p.turn.transportID) | 49)
			atomic.SwapUint32(&p.turn.tinyState, wordFor(generationOf(p.seen), codeResponse))
		}, ErrProtocolViolated, MaybeExecuted},
		"silent": {func(p *peerResponder) {}, ErrTimeoutMaybeExecuted, MaybeExecuted},
		"wild": {func(p *peerResponder) {
			for i := uint32(0); i < 50000; i++ {
				atomic.StoreUint32(&p.responder.state, i*2654435761)
				atomic.StoreUint32(&p.annex.callerWaiting, i)
			}
		}, nil, MaybeExecuted},
	} {
		h, peers := newCalledHost(t, 1, 64)
		peers[0].run(t, c.answer)
		timeout := 20 * time.Second
		if what == "silent" || what == "wild" || what == "tiny" { // which it ends: nobody rings
			timeout = startTime
		}
		client := h.connect(t, WithCallsOnly(), WithCallTimeout(timeout))
		began := time.Now()
		_, err := client.Call(context.Background(), 0, []byte("x"), make([]byte, 64))
		if c.want != nil {
			expectCallError(t, err, c.want, c.fate)
		}
		var e *CallError
		if what == "failed" && (!errors.As(err, &e) || e.Text() != "oh") {
			t.Error(err)
		}
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("%s: %v", what, took)
		}
	}
}

// A handler calls the host that called it.
func TestACallFromAHandler(t *testing.T) {
	bounded(t)
	h := newUnfinishedHost(t, freshName(), 2, 64)
	h.header.hostSlots, h.header.guestSlots = 1, 1
	h.claimAsHost(t)
	h.finish()
	p := &peerResponder{slot: h.callers[1].slot}
	p.run(t, (*peerResponder).echo)
	client := h.connect(t)
	client.HandleMessage(func(request *Request, response []byte) (int, error) {
		return client.Call(context.Background(), 300, request.Data, response)
	})
	if err := client.Start(); err != nil {
		t.Fatal(err)
	}
	for i := 0; i < 100; i++ {
		h.callers[0].expect(t, 0, "nested", ok(0, "nested"))
	}
	if client.CallSlots() != 1 || client.Slots() != 1 {
		t.Error(client.CallSlots(), client.Slots())
	}
}
