// SPDX-License-Identifier: Apache-2.0

package shm

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"math/rand"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// taggedRequest is a request that tells its tag, of a size that follows from it.
func taggedRequest(tag uint64) []byte {
	request := bytes.Repeat([]byte{byte(tag)}, 8+int(tag*7%90))
	binary.LittleEndian.PutUint64(request, tag)
	return request
}

func submissionOf(tag uint64) Submission {
	id := uint32(MessageNormal)
	if tag%3 == 0 {
		id = MessageFirstUser + uint32(tag)
	}
	request := taggedRequest(tag)
	return Submission{MessageID: id, Request: request, Response: request, Tag: tag}
}

func expectAnswered(t testing.TB, c *Completion) {
	t.Helper()
	if want := taggedRequest(c.Tag); c.Err != nil || c.Size != len(want) || !bytes.Equal(c.Response, want) {
		t.Errorf("request %d: %d bytes, %v", c.Tag, c.Size, c.Err)
	}
}

// newPipelinedHost is a host of so many guest slots, and a pipeline through all of them.
func newPipelinedHost(t testing.TB, depth int, options ...Option) (*host, []*peerResponder, *Pipeline) {
	t.Helper()
	h, peers := newCalledHost(t, uint32(depth), 128)
	client := h.connect(t, append([]Option{WithCallsOnly(), WithCallSlots(depth)}, options...)...)
	return h, peers, openPipeline(t, client, depth)
}

func openPipeline(t testing.TB, client *Client, depth int) *Pipeline {
	t.Helper()
	p, err := client.Pipeline(context.Background(), depth)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// serveAll answers all slots with one goroutine, in a random order.
func serveAll(t testing.TB, peers []*peerResponder) {
	ended, stop := make(chan struct{}), uint32(0)
	go func() {
		defer close(ended)
		random := rand.New(rand.NewSource(1))
		for atomic.LoadUint32(&stop) == 0 {
			p := peers[random.Intn(len(peers))]
			if word := atomic.LoadUint32(&p.turn.callerState); word != p.seen && callerCode(word) == codeRequest {
				if p.next() {
					p.echo()
				}
			} else {
				runtime.Gosched()
			}
		}
	}()
	t.Cleanup(func() { atomic.StoreUint32(&stop, 1); <-ended })
}

func TestEachRequestOfAPipelineCompletesOnceWithItsOwnResponse(t *testing.T) {
	bounded(t)
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	for _, processors := range []int{4, 1} {
		runtime.GOMAXPROCS(processors)
		for _, policy := range []WaitPolicy{WaitBalanced, {}} { // the last sleeps each time
			for _, depth := range []int{1, 5, 16} {
				_, peers, p := newPipelinedHost(t, depth, WithWait(policy))
				serveAll(t, peers)
				exchangeMany(t, p, 1000)
				p.Close()
			}
		}
	}
}

func exchangeMany(t testing.TB, p *Pipeline, total uint64) {
	t.Helper()
	seen := make([]bool, total)
	completions := make([]Completion, 7)
	for sent, told := uint64(0), uint64(0); told < total; {
		for ; sent < total; sent++ {
			err := p.Submit(context.Background(), submissionOf(sent))
			if errors.Is(err, ErrAllSlotsBusy) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		n, err := p.Reap(context.Background(), completions)
		if n == 0 || err != nil {
			t.Fatal(n, err)
		}
		for i := range completions[:n] {
			expectAnswered(t, &completions[i])
			if seen[completions[i].Tag] {
				t.Fatalf("request %d was completed twice", completions[i].Tag)
			}
			seen[completions[i].Tag] = true
		}
		told += uint64(n)
	}
	if p.InFlight() != 0 {
		t.Error(p.InFlight())
	}
	if n, err := p.Reap(context.Background(), completions); n != 0 || err != nil {
		t.Error("nothing is in flight, but", n, err)
	}
}

func TestSeveralAreSubmittedAtOnce(t *testing.T) {
	bounded(t)
	_, peers, p := newPipelinedHost(t, 6)
	serveAll(t, peers)
	completions := make([]Completion, 6)
	for next, told := uint64(0), uint64(0); told < 600; {
		batch, room := make([]Submission, 6), 6-p.InFlight()
		for i := range batch {
			batch[i] = submissionOf(next + uint64(i))
		}
		sent, err := p.SubmitMany(context.Background(), batch)
		if sent != room || (room == 6) != (err == nil) || err != nil && !errors.Is(err, ErrAllSlotsBusy) {
			t.Fatalf("%d of %d were sent: %v", sent, room, err)
		}
		next += uint64(sent)
		n, err := p.Reap(context.Background(), completions[:1+told%6])
		if err != nil {
			t.Fatal(err)
		}
		for i := range completions[:n] {
			expectAnswered(t, &completions[i])
		}
		told += uint64(n)
	}
	p.Close()
}

func TestABatchEndsAtTheFirstThatMustNotBeSent(t *testing.T) {
	bounded(t)
	h, peers, p := newPipelinedHost(t, 3)
	ctx := context.Background()
	right := Submission{Request: []byte("x")}
	sent, err := p.SubmitMany(ctx, []Submission{right, {MessageID: 5}, right})
	expectCallError(t, err, ErrBadMessageID, NotStarted)
	if sent != 1 || p.InFlight() != 1 || callerCode(h.callers[1].slot.turn.callerState) != codeIdle {
		t.Error(sent, p.InFlight())
	}
	expectCallError(t, p.Submit(ctx, Submission{MessageID: MessageShutdown}), ErrBadMessageID, NotStarted)
	expectCallError(t, p.Submit(ctx, Submission{Request: make([]byte, 129)}), ErrRequestTooLarge, NotStarted)
	expectCallError(t, p.Submit(nil, right), ErrInvalidArgument, NotStarted) //nolint:staticcheck // what is tested
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	expectCallError(t, p.Submit(cancelled, right), ErrTimeout, NotStarted)
	if n, err := p.Poll(make([]Completion, 1)); n != 0 || err != nil {
		t.Error(n, err)
	}
	if n, err := p.Poll(nil); n != 0 || !errors.Is(err, ErrInvalidArgument) {
		t.Error(n, err)
	}
	serveAll(t, peers)
	completions := make([]Completion, 3)
	if n, err := p.Reap(ctx, completions); n != 1 || err != nil {
		t.Error(n, err)
	}
	expectCallError(t, completions[0].Err, ErrBufferTooSmall, Answered)
	if completions[0].Size != 1 {
		t.Error(completions[0].Size)
	}
}

func TestPipelinesThatCannotBeOpened(t *testing.T) {
	bounded(t)
	h, _ := newCalledHost(t, 3, 64)
	client := h.connect(t, WithCallsOnly(), WithCallSlots(3), WithCallTimeout(startTime))
	ctx := context.Background()
	for _, depth := range []int{-1, 0, 4} {
		_, err := client.Pipeline(ctx, depth)
		expectCallError(t, err, ErrInvalidArgument, NotStarted)
	}
	_, err := (*Client)(nil).Pipeline(ctx, 1)
	expectCallError(t, err, ErrInvalidArgument, NotStarted)
	_, err = newHost(t, 1, 64).connect(t).Pipeline(ctx, 1)
	expectCallError(t, err, ErrNoSlot, NotStarted)
	p := openPipeline(t, client, 2)
	_, err = client.Pipeline(ctx, 2) // all or none
	expectCallError(t, err, ErrAllSlotsBusy, NotStarted)
	openPipeline(t, client, 1).Close()
	p.Close()
	p.Close()
	openPipeline(t, client, 3).Close()
	client.Close()
	_, err = client.Pipeline(ctx, 1)
	expectCallError(t, err, ErrClosed, NotStarted)
}

// The fates of requests that end by deadline, by cancellation, and by the end of pipeline, client and host; whether who
// reaps sleeps meanwhile, or polls.
func TestTheFateOfRequestsInFlight(t *testing.T) {
	bounded(t)
	for how, want := range map[string][2]error{
		"deadline": {ErrTimeout, ErrTimeoutMaybeExecuted},
		"timeout":  {ErrTimeout, ErrTimeoutMaybeExecuted},
		"cancel":   {ErrTimeout, ErrTimeoutMaybeExecuted},
		"finish":   {ErrClosed, ErrClosedMaybeExecuted},
		"close":    {ErrClosed, ErrClosedMaybeExecuted},
		"closing":  {ErrClosed, ErrClosedMaybeExecuted},
		"death":    {ErrPeerDied, ErrPeerDiedMaybeExecuted},
	} {
		for _, asleep := range []bool{true, false} {
			endAPipelineThatHasRequestsInFlight(t, how, want, asleep)
		}
	}
}

func endAPipelineThatHasRequestsInFlight(t *testing.T, how string, want [2]error, asleep bool) {
	h, peers := newCalledHost(t, 3, 64)
	h.hideProcess()
	timeout := time.Minute
	if how == "timeout" {
		timeout = startTime
	}
	client, err := connectTo(h.name, WithCallsOnly(), WithCallSlots(3), WithCallTimeout(timeout))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithCancel(context.Background())
	if how == "deadline" {
		ctx, cancel = context.WithTimeout(context.Background(), startTime)
	}
	defer cancel()
	p := openPipeline(t, client, 3)
	for tag := uint64(0); tag < 3; tag++ {
		if err := p.Submit(ctx, Submission{Request: []byte("x"), Response: make([]byte, 64), Tag: tag}); err != nil {
			t.Fatal(err)
		}
	}
	peers[0].next() // begun, as the third; the second is not
	peers[2].next()
	told := make(chan Completion, 3)
	go func() {
		completions := make([]Completion, 2)
		for left := 3; left > 0; {
			var n int
			if asleep {
				n, _ = p.Reap(context.Background(), completions)
			} else {
				n, _ = p.Poll(completions)
				runtime.Gosched()
			}
			for _, c := range completions[:n] {
				told <- c
			}
			left -= n
		}
	}()
	if asleep {
		eventually(func() bool { return atomic.LoadUint32(&peers[2].annex.callerWaiting) == 2 })
		peers[2].echo() // answered, and the ring is for all
	}
	switch how {
	case "cancel":
		cancel()
	case "finish":
		p.Close()
	case "close":
		client.Close()
	case "closing":
		atomic.StoreUint32(&h.line.closing, 1)
		for i := range peers {
			peers[i].respond(unattended(peers[i].responder.state))
		}
	case "death":
		h.die(t)
	}
	for i := 0; i < 3; i++ {
		switch c := <-told; {
		case c.Tag == 2 && asleep:
			if c.Err != nil || string(c.Response) != "x" {
				t.Errorf("%s: %+v", how, c)
			}
		case c.Tag == 1:
			expectCallError(t, c.Err, want[NotStarted], NotStarted)
		default:
			expectCallError(t, c.Err, want[MaybeExecuted], MaybeExecuted)
		}
	}
	switch how {
	case "finish", "close", "death":
		err := p.Submit(context.Background(), Submission{})
		expectCallError(t, err, want[0], NotStarted)
		n, err := p.Reap(context.Background(), make([]Completion, 1))
		if n != 0 || !errors.Is(err, want[0]) {
			t.Error(how, n, err)
		}
	}
}

// A flight whose handler still runs takes no other request; its late response reaches nobody.
func TestALateResponseInAPipelineIsDropped(t *testing.T) {
	bounded(t)
	_, peers, p := newPipelinedHost(t, 1, WithCallTimeout(startTime))
	ctx := context.Background()
	first, second := submissionOf(1), submissionOf(2)
	if err := p.Submit(ctx, first); err != nil {
		t.Fatal(err)
	}
	peers[0].next()
	completions := make([]Completion, 4)
	if n, err := p.Reap(ctx, completions); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	expectCallError(t, completions[0].Err, ErrTimeoutMaybeExecuted, MaybeExecuted)
	expectCallError(t, p.Submit(ctx, second), ErrAllSlotsBusy, NotStarted)
	expectCallError(t, p.SubmitWait(ctx, second), ErrAllSlotsBusy, NotStarted)
	go func() {
		time.Sleep(5 * time.Millisecond)
		peers[0].echo()
		peers[0].run(t, (*peerResponder).echo)
	}()
	patient, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if err := p.SubmitWait(patient, second); err != nil {
		t.Fatal(err)
	}
	if n, err := p.Reap(ctx, completions); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	expectAnswered(t, &completions[0])
}

// One is stuck, the others are answered: its deadline is seen all the same.
func TestWhoIsLateIsToldWhileOthersAreAnswered(t *testing.T) {
	bounded(t)
	_, peers, p := newPipelinedHost(t, 4)
	short, cancel := context.WithTimeout(context.Background(), startTime)
	defer cancel()
	if err := p.Submit(short, submissionOf(0)); err != nil {
		t.Fatal(err)
	}
	peers[0].next()
	serveAll(t, peers[1:])
	completions := make([]Completion, 4)
	for late, tag := false, uint64(1); !late; tag++ {
		if err := p.Submit(context.Background(), submissionOf(tag)); err != nil {
			t.Fatal(err)
		}
		n, err := p.Reap(context.Background(), completions)
		if err != nil {
			t.Fatal(err)
		}
		for i := range completions[:n] {
			if late = late || completions[i].Tag == 0; completions[i].Tag != 0 {
				expectAnswered(t, &completions[i])
			}
		}
	}
}

func TestAReapEndsWithItsContext(t *testing.T) {
	bounded(t)
	_, peers, p := newPipelinedHost(t, 2)
	completions := make([]Completion, 2)
	if err := p.Submit(context.Background(), submissionOf(1)); err != nil {
		t.Fatal(err)
	}
	short, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	if n, err := p.Reap(short, completions); n != 0 || !errors.Is(err, context.DeadlineExceeded) {
		t.Error(n, err)
	}
	for i := 0; i < 3; i++ {
		cancelled, cancel := context.WithCancel(context.Background())
		ended := make(chan error)
		go func() {
			_, err := p.Reap(cancelled, completions)
			ended <- err
		}()
		eventually(func() bool { return atomic.LoadUint32(&peers[0].annex.callerWaiting) == 2 })
		if n, err := p.Poll(make([]Completion, 1)); n != 0 || !errors.Is(err, ErrBusy) {
			t.Error(n, err)
		}
		cancel()
		if err := <-ended; err != context.Canceled {
			t.Error(err)
		}
	}
	if word := atomic.LoadUint32(&peers[1].annex.callerWaiting); word != 0 {
		t.Errorf("%d, but nobody sleeps", word)
	}
	serveAll(t, peers)
	if n, err := p.Reap(context.Background(), completions); n != 1 || err != nil {
		t.Error(n, err)
	}
	expectAnswered(t, &completions[0])
}

// What is submitted while another goroutine sleeps in Reap ends that sleep when it is due.
func TestWhoReapsAsleepMindsWhatIsSubmittedMeanwhile(t *testing.T) {
	bounded(t)
	_, peers, p := newPipelinedHost(t, 3, WithWait(WaitPolicy{}), WithCallTimeout(time.Minute))
	if err := p.Submit(context.Background(), submissionOf(1)); err != nil {
		t.Fatal(err)
	}
	told := make(chan Completion, 3)
	go func() {
		completions := make([]Completion, 3)
		for left := 3; left > 0; {
			n, err := p.Reap(context.Background(), completions)
			if err != nil {
				t.Error(err)
				return
			}
			for _, c := range completions[:n] {
				told <- c
			}
			left -= n
		}
	}()
	eventually(func() bool { return atomic.LoadInt64(&p.until) != 0 })
	cancelled, cancel := context.WithCancel(context.Background())
	if err := p.Submit(cancelled, submissionOf(2)); err != nil {
		t.Fatal(err)
	}
	eventually(func() bool { return atomic.LoadInt64(&p.until) != 0 })
	cancel()
	if c := <-told; c.Tag != 2 || !errors.Is(c.Err, context.Canceled) {
		t.Errorf("%+v", c)
	}
	eventually(func() bool { return atomic.LoadInt64(&p.until) != 0 })
	short, cancel := context.WithTimeout(context.Background(), startTime)
	defer cancel()
	if err := p.Submit(short, submissionOf(3)); err != nil {
		t.Fatal(err)
	}
	if c := <-told; c.Tag != 3 || !errors.Is(c.Err, context.DeadlineExceeded) {
		t.Errorf("%+v", c)
	}
	serveAll(t, peers)
	c := <-told
	expectAnswered(t, &c)
}

func TestManyGoroutinesSubmitWhileOneReaps(t *testing.T) {
	bounded(t)
	_, peers, p := newPipelinedHost(t, 5)
	serveAll(t, peers)
	const submitters, each = 6, 200
	var all sync.WaitGroup
	for n := 0; n < submitters; n++ {
		all.Add(1)
		go func(n int) {
			defer all.Done()
			for i := 0; i < each; i++ {
				if err := p.SubmitWait(context.Background(), submissionOf(uint64(n*each+i))); err != nil {
					t.Error(err)
					return
				}
			}
		}(n)
	}
	completions, seen := make([]Completion, 5), map[uint64]bool{}
	for len(seen) < submitters*each {
		n, err := p.Reap(context.Background(), completions)
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			runtime.Gosched()
		}
		for i := range completions[:n] {
			expectAnswered(t, &completions[i])
			seen[completions[i].Tag] = true
		}
	}
	all.Wait()
}

func TestAPipelineAllocatesNothing(t *testing.T) {
	bounded(t)
	_, peers, p := newPipelinedHost(t, 4, WithWait(WaitPolicy{Yields: maxPolls})) // it hardly sleeps
	for _, peer := range peers {
		peer.run(t, func(p *peerResponder) { // allocates nothing either, unless it has to ring
			p.turn.transportID = ^(withoutMessageBits(p.turn.transportID) | 5)
			atomic.SwapUint32(&p.turn.tinyState, wordFor(generationOf(p.seen), codeResponse))
			if atomic.LoadUint32(&p.annex.callerWaiting) != 0 {
				p.respond(wordFor(generationOf(p.seen), codeResponse|flagAttended))
			}
		})
	}
	request, response := make([]byte, 8), make([]byte, 48)
	batch, completions := make([]Submission, 3), make([]Completion, 4)
	for i := range batch {
		batch[i] = Submission{Request: request, Response: response}
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	exchange := func() {
		if err := p.Submit(ctx, batch[0]); err != nil {
			t.Error(err)
		}
		if sent, err := p.SubmitMany(ctx, batch); sent != 3 || err != nil {
			t.Error(sent, err)
		}
		for p.InFlight() > 0 {
			if _, err := p.Reap(ctx, completions); err != nil {
				t.Error(err)
			}
		}
	}
	// On a busy machine it sleeps now and then, and is rung.
	n := testing.AllocsPerRun(200, exchange)
	for tries := 0; n != 0 && tries < 20; tries++ {
		n = testing.AllocsPerRun(200, exchange)
	}
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// What a hostile host writes is checked: no crash, nothing out of bounds, no wait past the deadline.
func TestAPipelineToAHostThatBreaksTheProtocol(t *testing.T) {
	bounded(t)
	for what, c := range map[string]struct {
		answer func(p *peerResponder)
		want   error
	}{
		"id":     {func(p *peerResponder) { p.answer(0, 0, p.turn.transportID+128) }, ErrProtocolViolated},
		"size":   {func(p *peerResponder) { p.answer(0, 129, p.turn.transportID) }, ErrProtocolViolated},
		"status": {func(p *peerResponder) { p.answer(77, 0, p.turn.transportID) }, ErrProtocolViolated},
		"died":   {func(p *peerResponder) { p.answer(6, 0, p.turn.transportID) }, ErrPeerDiedMaybeExecuted},
		"silent": {func(p *peerResponder) {}, ErrTimeoutMaybeExecuted},
		"wild": {func(p *peerResponder) {
			for i := uint32(0); i < 20000; i++ {
				atomic.StoreUint32(&p.responder.state, i*2654435761)
				atomic.StoreUint32(&p.annex.callerWaiting, i)
				atomic.StoreUint32(&p.annex.callerBell, i)
			}
		}, nil},
	} {
		timeout := 20 * time.Second
		if what == "silent" || what == "wild" { // which it ends
			timeout = startTime
		}
		_, peers, p := newPipelinedHost(t, 2, WithCallTimeout(timeout))
		for _, peer := range peers {
			peer.run(t, c.answer)
		}
		began := time.Now()
		for tag := uint64(0); tag < 2; tag++ {
			if err := p.Submit(context.Background(), submissionOf(tag)); err != nil {
				t.Fatal(err)
			}
		}
		completions := make([]Completion, 2)
		for told := 0; told < 2; {
			n, err := p.Reap(context.Background(), completions)
			if err != nil {
				t.Fatal(err)
			}
			for i := range completions[:n] {
				if c.want != nil {
					expectCallError(t, completions[i].Err, c.want, MaybeExecuted)
				}
			}
			told += n
		}
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("%s: %v", what, took)
		}
	}
}

// Who has a part of its slots and waits for the others would wait for somebody who does the same.
func TestPipelinesThatAreOpenedAtATime(t *testing.T) {
	bounded(t)
	h, _ := newCalledHost(t, 4, 64)
	client := h.connect(t, WithCallsOnly(), WithCallSlots(4), WithCallTimeout(time.Hour))
	var all sync.WaitGroup
	for i := 0; i < 8; i++ {
		all.Add(1)
		go func(depth int) {
			defer all.Done()
			for turn := 0; turn < 200; turn++ {
				p, err := client.Pipeline(context.Background(), depth)
				if err != nil {
					t.Error(err)
					return
				}
				runtime.Gosched()
				p.Close()
			}
		}(2 + i%3)
	}
	all.Wait()
}

// ---- Calls that complete by a channel ----

func newAsyncCaller(t testing.TB, depth int, options ...Option) (*host, []*peerResponder, *AsyncCaller) {
	t.Helper()
	h, peers := newCalledHost(t, uint32(depth), 128)
	client := h.connect(t, append([]Option{WithCallsOnly(), WithCallSlots(depth)}, options...)...)
	a, err := client.AsyncCaller(context.Background(), depth)
	if err != nil {
		t.Fatal(err)
	}
	return h, peers, a
}

func TestEachCallCompletesByItsChannel(t *testing.T) {
	bounded(t)
	for _, policy := range []WaitPolicy{WaitBalanced, {}} {
		_, peers, a := newAsyncCaller(t, 4, WithWait(policy))
		serveAll(t, peers)
		var all sync.WaitGroup
		for n := 0; n < 3; n++ {
			all.Add(1)
			go func(n int) {
				defer all.Done()
				var pending [6]<-chan Completion
				for i := 0; i < 100; i++ {
					for j := range pending {
						request := taggedRequest(uint64(n*1000 + i + j))
						pending[j] = a.Go(context.Background(), 0, request, request)
					}
					for j := range pending {
						if c := <-pending[j]; !bytes.Equal(c.Response, taggedRequest(uint64(n*1000+i+j))) {
							t.Errorf("%+v", c)
						}
					}
				}
			}(n)
		}
		all.Wait()
		eventually(func() bool { return a.InFlight() == 0 })
		a.Close()
		c := <-a.Go(context.Background(), 0, nil, nil)
		expectCallError(t, c.Err, ErrClosed, NotStarted)
	}
}

// A loop over select hears of the calls and of other things.
func TestManyCallsCompleteByOneChannel(t *testing.T) {
	bounded(t)
	_, peers, a := newAsyncCaller(t, 4)
	serveAll(t, peers)
	const total = 500
	completions := make(chan Completion, 4)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	var sent, told uint64
	for ticks := 0; told < total || ticks == 0; {
		for sent < total && a.Submit(context.Background(), submissionOf(sent), completions) == nil {
			sent++
		}
		select {
		case c := <-completions:
			expectAnswered(t, &c)
			told++
		case <-tick.C:
			ticks++
		}
	}
	for _, unfit := range []chan Completion{nil, make(chan Completion)} {
		expectCallError(t, a.Submit(context.Background(), submissionOf(0), unfit), ErrInvalidArgument, NotStarted)
	}
	a.Close()
	expectCallError(t, a.Submit(context.Background(), submissionOf(0), completions), ErrClosed, NotStarted)
	if len(completions) != 0 {
		t.Errorf("%d completions too many", len(completions))
	}
}

func TestACallEndsWithItsContext(t *testing.T) {
	bounded(t)
	_, peers, a := newAsyncCaller(t, 1)
	ctx, cancel := context.WithCancel(context.Background())
	first := a.Go(ctx, 0, []byte("x"), nil)
	c := <-a.TryGo(ctx, 0, nil, nil)
	expectCallError(t, c.Err, ErrAllSlotsBusy, NotStarted)
	second := make(chan Completion)
	go func() { second <- <-a.Go(ctx, 0, []byte("y"), nil) }()
	eventually(func() bool { return atomic.LoadInt32(&a.pipeline.waiters) == 1 })
	cancel()
	for _, completed := range []<-chan Completion{first, second} {
		c := <-completed
		expectCallError(t, c.Err, context.Canceled, NotStarted)
	}
	serveAll(t, peers)
	if c := <-a.Go(context.Background(), 0, []byte("z"), make([]byte, 1)); string(c.Response) != "z" {
		t.Errorf("%+v", c)
	}
	a.Close()
	a.Close()
}

// The end of the caller, and that of the client, completes all calls.
func TestTheEndCompletesAllCalls(t *testing.T) {
	bounded(t)
	for _, idle := range []bool{true, false} {
		for _, how := range []string{"caller", "client"} {
			h, _ := newCalledHost(t, 2, 64)
			client, err := connectTo(h.name, WithCallsOnly(), WithCallSlots(2))
			if err != nil {
				t.Fatal(err)
			}
			a, err := client.AsyncCaller(context.Background(), 2)
			if err != nil {
				t.Fatal(err)
			}
			var calls []<-chan Completion
			for i := 0; i < 2 && !idle; i++ {
				calls = append(calls, a.Go(context.Background(), 0, []byte("x"), nil))
			}
			if how == "caller" {
				a.Close()
			} else {
				client.Close()
			}
			for _, completed := range calls {
				c := <-completed
				expectCallError(t, c.Err, ErrClosed, NotStarted)
			}
			<-a.ended
			client.Close()
		}
	}
}

func BenchmarkPipeline(b *testing.B) {
	_, peers, p := newPipelinedHost(b, 16)
	for _, peer := range peers {
		peer.run(b, (*peerResponder).echo)
	}
	request, response := make([]byte, 8), make([]byte, 48)
	completions := make([]Completion, 16)
	submission := Submission{Request: request, Response: response}
	b.ResetTimer()
	for sent, told := 0, 0; told < b.N; {
		for ; sent < b.N && p.Submit(context.Background(), submission) == nil; sent++ {
		}
		n, err := p.Reap(context.Background(), completions)
		if err != nil {
			b.Fatal(err)
		}
		told += n
	}
}
