// SPDX-License-Identifier: Apache-2.0

package shm

import (
	"errors"
	"fmt"
	"math/rand"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestHeartbeatIsAnsweredByTheLibrary(t *testing.T) {
	bounded(t)
	h := newHost(t, 1, 64)
	h.serve(t, func(*Request, []byte) (int, error) { panic("the handler got a heartbeat") })
	h.callers[0].expect(t, MessageHeartbeatRequest, "", ok(MessageHeartbeatResponse, ""))
	h.callers[0].expect(t, MessageHeartbeatRequest, "ignored", ok(MessageHeartbeatResponse, ""))
}

func TestUnknownAndBrokenRequestsDoNotReachTheHandler(t *testing.T) {
	bounded(t)
	h := newHost(t, 1, 64)
	h.serve(t, func(*Request, []byte) (int, error) { panic("the handler got it") })
	c := h.callers[0]
	for _, id := range []uint32{MessageHeartbeatResponse, 4, 5, 64, 127} {
		c.expect(t, id, "x", answer{answerUnknownMessage, id, nil})
	}
	large := make([]byte, tinyCapacity+1)
	for _, id := range []uint32{MessageNormal, MessageHeartbeatRequest, MessageShutdown, 5, 300} {
		for _, size := range []uint32{65, 128, 1 << 31, 1<<32 - 1} {
			c.describe(id, large)
			c.slot.ordinaryTurn.size = size
			c.set(codeRequest)
			c.expectResult(t, answer{answerBadRequest, id, nil})
		}
		for _, flags := range []uint32{2, 3, 1 << 31} {
			c.describe(id, large)
			c.slot.ordinaryTurn.flags = flags
			c.set(codeRequest)
			c.expectResult(t, answer{answerBadRequest, id, nil})
		}
		beyond := uint64(tinyNamedCapacity)
		if id == MessageNormal {
			beyond = tinyCapacity
		}
		for size := beyond + 1; size <= transportIDSizeMask; size++ {
			c.describe(id, nil)
			c.slot.turn.transportID |= size
			c.set(codeRequest)
			c.expectResult(t, answer{answerBadRequest, id, nil})
		}
	}
}

// The message id 0 is NORMAL, also where it is said at length.
func TestANamedRequestMayBeNormal(t *testing.T) {
	bounded(t)
	h := newHost(t, 1, 64)
	h.serve(t, func(request *Request, response []byte) (int, error) {
		if request.MessageID != MessageNormal {
			return 0, fmt.Errorf("its id is %d", request.MessageID)
		}
		return copy(response, request.Data), nil
	})
	c := h.callers[0]
	payload := strings.Repeat("n", tinyNamedCapacity)
	c.describe(MessageNormal, []byte(payload))
	c.slot.turn.transportID |= transportIDNamed
	c.slot.namedTurn.tinyMessageID = MessageNormal
	c.set(codeRequest)
	c.expectResult(t, ok(MessageNormal, payload))
	if !c.answeredTiny() {
		t.Error("it was not answered in the turn line")
	}
}

// Whatever a request is made of, all of it comes to the handler, and back.
func TestMessagesOfEveryTinySizeGoToAndFro(t *testing.T) {
	bounded(t)
	h := newHost(t, 1, 64)
	var asked uint32
	h.serve(t, func(request *Request, response []byte) (int, error) {
		atomic.StoreUint32(&asked, request.MessageID)
		return copy(response, request.Data), nil
	})
	c := h.callers[0]
	for _, id := range []uint32{MessageNormal, MessageFirstUser, 1<<32 - 1} {
		for size := 0; size <= 64; size++ {
			payload := make([]byte, size)
			for i := range payload {
				payload[i] = byte(size + i*7)
			}
			c.expect(t, id, string(payload), ok(id, string(payload)))
			tiny := size <= 44 || id == MessageNormal && size <= 48
			if got := atomic.LoadUint32(&asked); got != id || c.answeredTiny() != tiny {
				t.Errorf("%d bytes of message %d came as %d, and back in the turn line: %v", size, id, got, c.answeredTiny())
			}
			if id := c.slot.responder.transportID; !tiny && id != c.id() {
				t.Errorf("the answer to %#x is one to %#x", c.id(), id)
			}
		}
	}
}

// What is no success, or has another message id, cannot be told in the turn line.
func TestWhatTheTurnLineCannotSayStandsInTheResponderLine(t *testing.T) {
	bounded(t)
	h := newHost(t, 1, 64)
	h.serve(t, func(request *Request, response []byte) (int, error) { return 0, errors.New("no") })
	c := h.callers[0]
	for _, turn := range []struct {
		id   uint32
		want answer
	}{
		{300, answer{answerHandlerFailed, 300, []byte("no")}},
		{MessageHeartbeatRequest, ok(MessageHeartbeatResponse, "")},
		{5, answer{answerUnknownMessage, 5, nil}},
	} {
		c.expect(t, turn.id, "tiny", turn.want)
		whole := c.id() | transportIDNamed | 4
		if id := c.slot.responder.transportID; c.answeredTiny() || id != whole {
			t.Errorf("in the turn line: %v; the answer to %#x is one to %#x", c.answeredTiny(), whole, id)
		}
	}
}

func (c *peerCaller) expectResult(t testing.TB, want answer) {
	t.Helper()
	if got, err := c.result(); err != nil || got.String() != want.String() {
		t.Fatalf("the answer is %v, %v instead of %v", got, err, want)
	}
}

// Tiny answers to tiny requests stand in the turn line, all others in the responder's line.
func TestWhereAResponseStands(t *testing.T) {
	bounded(t)
	h := newHost(t, 1, 64)
	h.serve(t, func(request *Request, response []byte) (int, error) { return int(request.Data[0]), nil })
	c := h.callers[0]
	for _, turn := range []struct {
		id                uint32
		request, response int
	}{
		{0, 1, 0}, {0, 48, 48}, {0, 48, 49}, {0, 49, 0}, {0, 49, 48}, {0, 64, 64}, {0, 1, 64}, {0, 1, 48}, {0, 1, 65}, {0, 49, 65},
		{200, 1, 0}, {200, 44, 44}, {200, 44, 48}, {200, 44, 49}, {200, 45, 0}, {200, 45, 44}, {200, 48, 48}, {200, 49, 64},
	} {
		payload := make([]byte, turn.request)
		payload[0] = byte(turn.response)
		for _, sleeps := range []bool{false, true} {
			if sleeps { // then a tiny response changes the word on which the caller sleeps as well
				atomic.StoreUint32(&c.slot.annex.callerWaiting, 1)
			}
			got, err := c.call(turn.id, payload)
			if err != nil {
				t.Fatal(err)
			}
			size := turn.response
			if size == 65 {
				size = 0 // too large: no payload
			}
			room := 48
			if turn.id != MessageNormal {
				room = 44
			}
			tiny := turn.request <= room && turn.response <= 48
			if len(got.payload) != size || c.answeredTiny() != tiny {
				t.Errorf("%d of %d bytes, in the turn line: %v", len(got.payload), size, c.answeredTiny())
			}
			// On a busy machine the caller may have slept without being told to.
			eventually(func() bool { return c.answeredOrdinarily() || tiny && !sleeps })
			atomic.StoreUint32(&c.slot.annex.callerWaiting, 0)
		}
	}
}

// Both sides sleep each time, on small buffers and in both places where messages stand.
func TestEveryExchangeWakesBothSides(t *testing.T) {
	bounded(t)
	h := newHost(t, 1, 56)
	h.serve(t, echo, WithWait(WaitPolicy{}))
	c := h.callers[0]
	c.wait.policy, c.wait.budget = WaitPolicy{}, 0
	for i := 0; i < 2000; i++ {
		payload := strings.Repeat("p", i%57)
		c.expect(t, MessageNormal, payload, ok(MessageNormal, payload))
	}
}

func TestGenerationsWrapAround(t *testing.T) {
	bounded(t)
	h := newHost(t, 1, 64)
	c := h.callers[0]
	c.generation = 1<<29 - 3
	atomic.StoreUint32(&c.slot.responder.state, wordFor(c.generation, codeResponse))
	atomic.StoreUint32(&c.slot.turn.callerState, wordFor(c.generation, codeRequest))
	h.serve(t, echo)
	for i := 0; i < 5; i++ {
		c.expect(t, MessageNormal, "x", ok(MessageNormal, "x"))
	}
	if c.generation != 2 {
		t.Errorf("the generation is %d", c.generation)
	}
}

func TestShutdownEndsAllWorkersOfTheClient(t *testing.T) {
	bounded(t)
	h := newHost(t, 3, 64)
	client := h.serve(t, echo)
	for _, c := range h.callers {
		c.expect(t, MessageNormal, "x", ok(MessageNormal, "x"))
	}
	h.callers[1].expect(t, MessageShutdown, "", ok(MessageShutdown, ""))
	if err := client.Wait(); err != nil {
		t.Error(err)
	}
	h.expectLeft(t, client)
}

// expectLeft checks that the client's slots are free for another guest and its memory is given back.
func (h *host) expectLeft(t testing.TB, client *Client) {
	t.Helper()
	for index, c := range h.callers {
		if c.attended() || h.claimed(t, index) {
			t.Errorf("slot %d: attended %v, claimed %v", index, c.attended(), h.claimed(t, index))
		}
	}
	eventually(func() bool { return atomic.LoadInt32(&client.now.region.users) == 0 })
}

func TestACallerThatLeavesEndsItsWorkerAlone(t *testing.T) {
	bounded(t)
	h := newHost(t, 2, 64)
	client := h.serve(t, echo)
	h.callers[0].expect(t, MessageNormal, "x", ok(MessageNormal, "x"))
	h.callers[0].set(codeClosed)
	eventually(func() bool { return !h.claimed(t, 0) })
	h.callers[1].expect(t, MessageNormal, "x", ok(MessageNormal, "x"))
	h.callers[1].set(codeClosed)
	if err := client.Wait(); err != nil {
		t.Error(err)
	}
	h.expectLeft(t, client)
}

func TestCloseWhileAllSleep(t *testing.T) {
	bounded(t)
	for i := 0; i < 200; i++ {
		h := newHost(t, 4, 64)
		client := h.serve(t, echo, WithWait(WaitPolicy{}))
		if i%2 == 0 {
			eventually(func() bool {
				for _, c := range h.callers {
					if atomic.LoadUint32(&c.slot.responder.waiting) == 0 {
						return false
					}
				}
				return true
			})
		}
		if err := client.Close(); err != nil {
			t.Fatal(err)
		}
		h.expectLeft(t, client)
	}
}

// A caller that never lets its worker wait must not keep it.
func TestCloseDuringTraffic(t *testing.T) {
	bounded(t)
	h := newHost(t, 2, 64)
	client := h.serve(t, echo)
	var callers sync.WaitGroup
	for _, c := range h.callers {
		callers.Add(1)
		go func(c *peerCaller) {
			defer callers.Done()
			for i := 0; ; i++ {
				payload := fmt.Sprint("request ", i)
				got, err := c.call(MessageNormal, []byte(payload))
				if err == errStopped {
					return
				}
				if err != nil || got.String() != ok(MessageNormal, payload).String() {
					t.Errorf("the answer to %q is %v, %v", payload, got, err)
					return
				}
			}
		}(c)
	}
	time.Sleep(20 * time.Millisecond)
	if err := client.Close(); err != nil {
		t.Error(err)
	}
	h.expectLeft(t, client)
	for _, c := range h.callers {
		atomic.StoreUint32(&c.stop, 1)
	}
	done := make(chan struct{})
	go func() { callers.Wait(); close(done) }()
	for ended := false; !ended; {
		for _, c := range h.callers {
			c.slot.callerBell.ring()
		}
		select {
		case <-done:
			ended = true
		case <-time.After(time.Millisecond):
		}
	}
}

func TestCloseFromInsideAHandler(t *testing.T) {
	bounded(t)
	h := newHost(t, 3, 64)
	var client *Client
	closed := make(chan error, 1)
	client = h.connect(t)
	client.HandleMessage(func(request *Request, response []byte) (int, error) {
		closed <- client.Close()
		return copy(response, "closed"), nil
	})
	if err := client.Start(); err != nil {
		t.Fatal(err)
	}
	h.callers[1].expect(t, MessageNormal, "", ok(MessageNormal, "closed"))
	if err := <-closed; err != nil {
		t.Error(err)
	}
	if err := client.Wait(); err != nil {
		t.Error(err)
	}
	h.expectLeft(t, client)
}

// Close waits for no handler, and the request in it is answered all the same.
func TestCloseWhileAHandlerIsBusy(t *testing.T) {
	bounded(t)
	h := newHost(t, 2, 64)
	begun, goOn := make(chan struct{}), make(chan struct{})
	client := h.serve(t, func(request *Request, response []byte) (int, error) {
		close(begun)
		<-goOn
		return copy(response, "late"), nil
	})
	c := h.callers[0]
	c.post(MessageNormal, nil)
	<-begun
	if err := client.Close(); err != nil {
		t.Error(err)
	}
	if h.callers[1].attended() || h.claimed(t, 1) {
		t.Error("the idle worker has not left")
	}
	if !c.attended() || !h.claimed(t, 0) {
		t.Error("the busy worker lost its slot")
	}
	close(goOn)
	c.expectResult(t, ok(MessageNormal, "late"))
	if err := client.Wait(); err != nil {
		t.Error(err)
	}
	h.expectLeft(t, client)
	c.expectResult(t, ok(MessageNormal, "late")) // it stays readable
}

func TestCloseTwiceAndFromSeveralGoroutines(t *testing.T) {
	bounded(t)
	for i := 0; i < 100; i++ {
		h := newHost(t, 2, 64)
		client := h.serve(t, echo)
		var closers sync.WaitGroup
		for n := 0; n < 4; n++ {
			closers.Add(1)
			go func() {
				defer closers.Done()
				if err := client.Close(); err != nil {
					t.Error(err)
				}
			}()
		}
		closers.Wait()
		if err := client.Close(); err != nil {
			t.Error(err)
		}
		if err := client.Wait(); err != nil {
			t.Error(err)
		}
		h.expectLeft(t, client)
	}
}

func TestMethodsInTheWrongOrder(t *testing.T) {
	bounded(t)
	h := newHost(t, 1, 64)
	client := h.connect(t)
	check := func(what string, err, want error) {
		t.Helper()
		if !errors.Is(err, want) {
			t.Errorf("%s: %v instead of %v", what, err, want)
		}
	}
	check("Wait before Start", client.Wait(), ErrInvalidArgument)
	check("Start without a handler", client.Start(), ErrInvalidArgument)
	client.Handle(nil)
	check("Start with a nil handler", client.Start(), ErrInvalidArgument)
	client.HandleMessage(echo)
	check("Start", client.Start(), nil)
	check("Start again", client.Start(), ErrBusy)
	check("Close", client.Close(), nil)
	check("Start after Close", client.Start(), ErrClosed)

	unstarted := h.connect(t)
	unstarted.HandleMessage(echo)
	check("Close before Start", unstarted.Close(), nil)
	check("Wait after Close before Start", unstarted.Wait(), nil)
	check("Start after Close", unstarted.Start(), ErrClosed)
	h.expectLeft(t, unstarted)
}

func TestMethodsOfANilClient(t *testing.T) {
	bounded(t)
	client, err := connectTo(freshName(), WithAttachTimeout(0))
	if client != nil || err == nil {
		t.Fatal(client, err)
	}
	client.Handle(func(req []byte, respBuf []byte) uint32 { return 0 })
	client.Handle(nil)
	client.HandleMessage(echo)
	for what, err := range map[string]error{"Start": client.Start(), "Wait": client.Wait()} {
		if !errors.Is(err, ErrInvalidArgument) || !strings.Contains(err.Error(), "Connect failed") {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := client.Close(); err != nil || client.Slots() != 0 {
		t.Error(err, client.Slots())
	}
}

// The former responder began the request and is gone: nobody may begin it again. It may have died while
// it wrote its answer over the request.
func TestASuccessorAnswersForADeadResponder(t *testing.T) {
	bounded(t)
	for _, payload := range []string{"tiny", strings.Repeat("l", 50)} {
		for _, code := range []uint32{codeRequest, codeCancelled} {
			for _, halfAnswered := range []bool{false, true} {
				h := newHost(t, 1, 64)
				c := h.callers[0]
				c.describe(300, []byte(payload))
				if halfAnswered {
					c.slot.turn.transportID = ^(c.id() | 48)
					copy(c.slot.turn.tinyPayload[:], strings.Repeat("r", 48))
				}
				atomic.StoreUint32(&c.slot.owner.started, wordFor(c.generation, 0))
				c.set(code)
				h.serve(t, func(*Request, []byte) (int, error) { panic("it was handled again") })
				c.expectResult(t, answer{answerResponderDied, 0, nil})
				if !c.attended() {
					t.Error("the successor is not there")
				}
				c.expect(t, MessageHeartbeatRequest, "", ok(MessageHeartbeatResponse, ""))
			}
		}
	}
}

func TestASuccessorServesWhatWasNotStarted(t *testing.T) {
	bounded(t)
	h := newHost(t, 1, 64)
	c := h.callers[0]
	c.post(MessageNormal, []byte("x"))
	h.serve(t, echo)
	c.expectResult(t, ok(MessageNormal, "x"))
}

func TestASuccessorLeavesResponsesReadable(t *testing.T) {
	bounded(t)
	h := newHost(t, 1, 64)
	c := h.callers[0]
	for turn := 0; turn < 8; turn++ {
		client := h.serve(t, echo)
		payload := strings.Repeat(fmt.Sprint(turn), 1+49*(turn%2)) // in the turn line, in the buffers
		c.expect(t, MessageNormal, payload, ok(MessageNormal, payload))
		client.Close()
		c.expectResult(t, ok(MessageNormal, payload))
		successor := h.serve(t, func(*Request, []byte) (int, error) { panic("it was handled again") })
		c.expectResult(t, ok(MessageNormal, payload))
		successor.Close()
	}
}

// The former responder answered in the turn line and died before it rang: the caller, which looked before
// and is about to sleep on the responder's word, must find that word changed.
func TestASuccessorRingsForATinyResponse(t *testing.T) {
	bounded(t)
	h := newHost(t, 1, 64)
	c := h.callers[0]
	client := h.serve(t, echo)
	c.expect(t, MessageNormal, "x", ok(MessageNormal, "x"))
	client.Close()
	attended := atomic.LoadUint32(&c.slot.responder.state) | flagAttended // as one that was killed leaves it
	atomic.StoreUint32(&c.slot.responder.state, attended)
	atomic.StoreUint32(&c.slot.annex.callerWaiting, 1)
	ended := make(chan error)
	go func() { ended <- c.slot.callerBell.sleep(attended) }()
	h.serve(t, echo)
	if word := atomic.LoadUint32(&c.slot.responder.state); word != wordFor(c.generation, codeResponse|flagAttended) {
		t.Errorf("the responder's word is %#x after %#x", word, attended)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
	c.expectResult(t, ok(MessageNormal, "x"))
}

// A tiny response of the same generation, 2^29 exchanges ago, is none to a request that is not tiny.
func TestAnOldTinyResponseIsNotTakenForAnother(t *testing.T) {
	bounded(t)
	h := newHost(t, 1, 64)
	c := h.callers[0]
	payload := strings.Repeat("l", 50)
	c.describe(MessageNormal, []byte(payload))
	atomic.StoreUint32(&c.slot.turn.tinyState, wordFor(c.generation, codeResponse))
	c.set(codeRequest)
	h.serve(t, echo)
	c.expectResult(t, ok(MessageNormal, payload))
}

// A cancelled request that nobody began stays alone; the slot serves on.
func TestACancelledRequestIsNotBegun(t *testing.T) {
	bounded(t)
	h := newHost(t, 1, 64)
	c := h.callers[0]
	c.describe(MessageNormal, nil)
	c.set(codeCancelled)
	h.serve(t, func(*Request, []byte) (int, error) { panic("it was handled") })
	c.expect(t, MessageHeartbeatRequest, "", ok(MessageHeartbeatResponse, ""))
	if started := atomic.LoadUint32(&c.slot.owner.started); started != wordFor(2, 0) {
		t.Errorf("the started mark is %#x", started)
	}
}

// The caller gives up between the responder's look at the request and its started mark.
func TestARequestCancelledWhileItIsBegunIsNotExecuted(t *testing.T) {
	bounded(t)
	h := newHost(t, 1, 64)
	c := h.callers[0]
	var stop uint32
	g, err := newGroup([]*slot{c.slot}, &stop, WaitBalanced)
	if err != nil {
		t.Fatal(err)
	}
	g.take(&identity{pid: 1, incarnation: 1})
	c.post(MessageNormal, nil)
	r, err := g.await()
	if err != nil {
		t.Fatal(err)
	}
	c.set(codeCancelled)
	if r.begin(&incoming{}) {
		t.Error("it was begun")
	}
	if started := atomic.LoadUint32(&c.slot.owner.started); started != wordFor(c.generation, 0) {
		t.Errorf("the started mark is %#x", started)
	}
	if line := c.slot.responder; !c.answeredOrdinarily() || line.status != answerNotExecuted || line.transportID != 0 || line.size != 0 {
		t.Errorf("the answer is %+v", *line)
	}
	if c.slot.turn.transportID != c.id() {
		t.Error("it wrote into the turn line, which is the caller's")
	}
}

func TestTheOwnerLineNamesTheAttachment(t *testing.T) {
	bounded(t)
	h := newHost(t, 2, 64)
	var last uint64
	for turn := 0; turn < 2; turn++ {
		client := h.serve(t, echo)
		owner := h.callers[1].slot.owner
		if owner.pid != uint32(os.Getpid()) || owner.pidNamespace != processNamespace() || owner.incarnation == 0 || owner.incarnation == last {
			t.Errorf("the owner is %d, %#x after %#x", owner.pid, owner.incarnation, last)
		}
		if other := h.callers[0].slot.owner.incarnation; other != owner.incarnation {
			t.Errorf("one attachment has the incarnations %#x and %#x", other, owner.incarnation)
		}
		last = owner.incarnation
		client.Close()
	}
}

func TestSlotsAreSharedAmongGuests(t *testing.T) {
	bounded(t)
	h := newHost(t, 4, 64)
	name := func(text string) MessageHandler {
		return func(request *Request, response []byte) (int, error) { return copy(response, text), nil }
	}
	h.callers[2].post(MessageNormal, nil)
	first := h.serve(t, name("first"), WithWorkers(2)) // where somebody waits, then the lowest
	h.callers[2].expectResult(t, ok(MessageNormal, "first"))
	second := h.serve(t, name("second"), WithWorkers(1))
	third := h.serve(t, name("third"), WithWorkers(4))
	for index, want := range []string{"first", "second", "first", "third"} {
		h.callers[index].expect(t, MessageNormal, "", ok(MessageNormal, want))
	}
	if first.Slots() != 2 || second.Slots() != 1 || third.Slots() != 1 {
		t.Error(first.Slots(), second.Slots(), third.Slots())
	}
	if client, err := connectTo(h.name); client != nil || !errors.Is(err, ErrNoSlot) {
		t.Errorf("a fourth guest: %v, %v", client, err)
	}
	if client, err := connectTo(h.name, WithWorkers(5)); client != nil || !errors.Is(err, ErrInvalidArgument) {
		t.Errorf("more workers than slots: %v, %v", client, err)
	}
	second.Close()
	h.serve(t, name("fourth"))
	h.callers[1].expect(t, MessageNormal, "", ok(MessageNormal, "fourth"))
}

// Whatever stands in the region, the guest neither crashes nor touches what lies beyond it, and leaves
// when it is told to.
func TestAHostThatScribblesOverTheRegion(t *testing.T) {
	bounded(t)
	h := newHost(t, 3, 100)
	client := h.serve(t, func(request *Request, response []byte) (int, error) {
		sum := 0
		for _, b := range request.Data {
			sum += int(b)
		}
		request.Deadline()
		return copy(response, request.Data) + sum%2, nil
	})
	random := rand.New(rand.NewSource(1))
	interesting := []uint32{0, 1, 2, 3, 4, 9, 64, 65, 100, 101, 1 << 31, 1<<32 - 1}
	for i := 0; i < 300000; i++ {
		offset := 4 * random.Intn(len(h.memory)/4)
		if i%2 == 0 { // more often where it hurts
			offset = int(slotsOffset+uint64(random.Intn(3))*h.layout.slotSize) + 4*random.Intn(slotHeaderSize/4)
		}
		word := (*uint32)(wordAt(h.memory, offset))
		value := interesting[random.Intn(len(interesting))]
		if random.Intn(4) == 0 {
			value = random.Uint32()
		}
		if value&7 == codeClosed { // a caller that leaves would end the test early
			value ^= codeRequest
		}
		atomic.StoreUint32(word, value)
		if i%100 == 0 {
			h.callers[random.Intn(3)].slot.responderBell.ring()
		}
	}
	if err := client.Close(); err != nil {
		t.Error(err)
	}
	if err := client.Wait(); err != nil {
		t.Error(err)
	}
}
