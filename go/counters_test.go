// SPDX-License-Identifier: Apache-2.0

package shm

import (
	"context"
	"errors"
	"math"
	"testing"
	"time"
)

// At rest the responder's counters say exactly what it has answered, to the guest and to a third process.
func TestTheRespondersCountersAreExactAtRest(t *testing.T) {
	bounded(t)
	const failing, large, unknown, calls = 200, 201, 4, 2*sampleInterval + 10
	h := newHost(t, 1, 128)
	client := h.serve(t, func(request *Request, response []byte) (int, error) {
		switch request.MessageID {
		case failing:
			return 0, errors.New("no")
		case large:
			return 129, nil
		}
		return copy(response, request.Data), nil
	})
	payload, bytes := make([]byte, 128), uint64(0)
	for i := 0; i < calls; i++ {
		if _, err := h.callers[0].call(MessageNormal, payload[:i%128]); err != nil {
			t.Fatal(err)
		}
		bytes += uint64(i % 128)
	}
	for _, id := range []uint32{failing, large, unknown} {
		if _, err := h.callers[0].call(id, payload[:3]); err != nil {
			t.Fatal(err)
		}
	}
	var now *Counters
	eventually(func() bool {
		var err error
		if now, err = client.Counters(0); err != nil {
			t.Fatal(err)
		}
		return now.Responder.Requests == calls+3 && now.Responder.RequestBytes == bytes+6
	})
	r := &now.Responder
	if r.Requests != calls+3 || r.ResponseBytes != bytes+2 ||
		r.HandlerFailed != 1 || r.ResponseTooLarge != 1 || r.UnknownMessage != 1 || r.BadRequest+r.NotExecuted+r.Inherited != 0 {
		t.Errorf("%+v", r)
	}
	if r.Queue.Samples() != 2 || r.Service.Samples() != 2 {
		t.Error(r.Queue, r.Service)
	}
	reader, err := OpenCounters(h.name)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	if host, guest := reader.Slots(); host != 1 || guest != 0 {
		t.Error(host, guest)
	}
	third, err := reader.Read(0)
	if err != nil || third.Responder.Requests != r.Requests || third.Responder.Queue != r.Queue {
		t.Error(third, err)
	}
	for _, slot := range []int{-1, 1} {
		if _, err := client.Counters(slot); !errors.Is(err, ErrInvalidArgument) {
			t.Error(err)
		}
		if _, err := reader.Read(slot); !errors.Is(err, ErrInvalidArgument) {
			t.Error(err)
		}
	}
}

// The same of the caller's, whose calls end in every way.
func TestTheCallersCountersAreExactAtRest(t *testing.T) {
	bounded(t)
	const calls = sampleInterval + 10
	h, peers := newCalledHost(t, 1, 128)
	peers[0].run(t, (*peerResponder).echo)
	client := h.connect(t, WithCallsOnly())
	response, bytes := make([]byte, 128), uint64(0)
	for i := 0; i < calls; i++ {
		if _, err := client.Call(context.Background(), MessageNormal, response[:i%128], response); err != nil {
			t.Fatal(err)
		}
		bytes += uint64(i % 128)
	}
	now, err := client.Counters(0)
	if err != nil {
		t.Fatal(err)
	}
	c := &now.Caller
	if c.Calls != calls || c.RequestBytes != bytes || c.ResponseBytes != bytes || c.RoundTrip.Samples() != 1 {
		t.Errorf("%+v", c)
	}
	// The host of this test says nothing of its answers' times.
	if c.Wake.Samples() != 0 || c.HandlerFailed+c.TimedOut+c.Closed+c.PeerDied+c.ProtocolViolated != 0 {
		t.Errorf("%+v", c)
	}
}

func TestACallWithoutAnAnswerIsCounted(t *testing.T) {
	bounded(t)
	h, _ := newCalledHost(t, 1, 64)
	client := h.connect(t, WithCallsOnly(), WithCallTimeout(startTime), WithWait(WaitPolicy{}))
	_, err := client.Call(context.Background(), 0, []byte("x"), nil)
	expectCallError(t, err, ErrTimeout, NotStarted)
	now, err := client.Counters(0)
	if err != nil {
		t.Fatal(err)
	}
	c := &now.Caller
	if c.Calls != 1 || c.TimedOut != 1 || c.MaybeExecuted != 0 || c.Waits.Sleeps != 1 || c.Waits.Sleep < startTime/2 {
		t.Errorf("%+v", c)
	}
}

func TestCountersOfNothing(t *testing.T) {
	if _, err := OpenCounters(freshName()); !errors.Is(err, ErrNoHost) {
		t.Error(err)
	}
	if _, err := OpenCounters("no/name"); !errors.Is(err, ErrBadName) {
		t.Error(err)
	}
	if _, err := (*Client)(nil).Counters(0); !errors.Is(err, ErrInvalidArgument) {
		t.Error(err)
	}
	client := newHost(t, 1, 64).connect(t)
	if err := client.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Counters(0); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
}

func TestHistograms(t *testing.T) {
	var h Histogram
	if h.Percentile(0.5) != 0 {
		t.Error(h.Percentile(0.5))
	}
	h[0], h[3], h[histogramBuckets-1] = 50, 49, 1
	for share, want := range map[float64]time.Duration{0.5: 64, 0.51: 512, 0.99: 512, 1: math.MaxInt64} {
		if got := h.Percentile(share); got != want {
			t.Error(share, got, want)
		}
	}
	for ns, want := range map[uint64]int{0: 0, 63: 0, 64: 1, 127: 1, 128: 2, 1<<28 - 1: 22, 1 << 28: 23, math.MaxUint64: 23} {
		if got := bucketOf(ns); got != want {
			t.Error(ns, got, want)
		}
	}
	sum := Counters{Caller: CallerCounters{Calls: 1, RoundTrip: h}}
	sum.Add(&sum)
	if sum.Caller.Calls != 2 || sum.Caller.RoundTrip.Samples() != 200 || timeBetween(5, 3) != 0 {
		t.Error(sum)
	}
}

// The clock for latencies is the machine's, as the other processes read it.
func TestTheSharedClock(t *testing.T) {
	setClock()
	before := monotonicNow()
	now := sharedNow()
	after := monotonicNow()
	if now+1000000 < before || now > after+1000000 {
		t.Error(before, now, after)
	}
}
