// SPDX-License-Identifier: Apache-2.0

package shm

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"sync/atomic"
	"time"
	"unsafe"
)

// Counters are what a slot has carried and how its two sides have waited, or sums of such figures. They stand in shared
// memory, each written by the side that it is of alone, from the region's creation on: they survive the processes that
// count. In a quiet region all are exact but WaitTimes.Spin, which is an estimate from samples. Under traffic each is the
// value of some moment, and not all are of the same one. Latencies are measured at one exchange in 1024 of each slot.
//
// Nothing depends on the figures. A peer that may write to the region can write any numbers there. See the spec's
// section 2.6. All numbers wrap at 2^64.
type Counters struct {
	Caller    CallerCounters    // of the side that calls
	Responder ResponderCounters // of the side that answers
}

// CallerCounters are of the calling side of a slot.
type CallerCounters struct {
	Calls         uint64    // requests published
	RequestBytes  uint64    // payload of these
	ResponseBytes uint64    // payload of the responses taken, a handler's error text included
	Waits         WaitTimes // for responses; of several slots that one waits for at once, in the first of them

	HandlerFailed    uint64 // calls whose handler reported an error
	ResponseTooLarge uint64 // whose response did not fit the slot
	UnknownMessage   uint64 // whose message id nobody handles
	TimedOut         uint64 // given up at the deadline, or because the context was done
	PeerDied         uint64 // because the other side died
	Closed           uint64 // because one side closed, or the call was called off
	MaybeExecuted    uint64 // how many of the last three were maybe executed
	ProtocolViolated uint64 // with a response that broke the protocol

	RoundTrip Histogram // from publishing a request until its response was seen
	Wake      Histogram // from the end of the handler until the response was seen
}

// ResponderCounters are of the answering side of a slot.
type ResponderCounters struct {
	Requests      uint64    // answers given, whatever their status
	RequestBytes  uint64    // payload of the requests that a handler saw
	ResponseBytes uint64    // payload of the answers
	Waits         WaitTimes // for requests; of a worker with several slots, in the first of them

	HandlerFailed    uint64 // answers whose handler reported an error or did not return
	ResponseTooLarge uint64 // whose response did not fit the slot
	UnknownMessage   uint64 // to message ids that nobody handles
	BadRequest       uint64 // to requests that broke the protocol
	NotExecuted      uint64 // to requests that were cancelled before they began
	Inherited        uint64 // to requests that a predecessor, which died, had begun

	Queue   Histogram // from publishing a request until its handler began
	Service Histogram // how long the handler took
}

// WaitTimes are how a side has waited for the other.
type WaitTimes struct {
	Spin   time.Duration // spent polling; an estimate
	Yield  time.Duration // in which it let other threads run instead
	Sleep  time.Duration // asleep, from announcing it to being awake again
	Sleeps uint64        // how often it slept, or was about to
}

// Histogram says how often a time of some length was measured. Bucket 0: below 64 ns; bucket i: from 2^(5 + i) up to
// 2^(6 + i) ns; the last: all from 2^28 ns (0.27 s) on.
type Histogram [histogramBuckets]uint64

// Samples is how many times were measured.
func (h *Histogram) Samples() (samples uint64) {
	for _, count := range h {
		samples += count
	}
	return samples
}

// Percentile is a time that this share of the measured ones, above 0 and up to 1, stayed below: a power of two in
// nanoseconds. It is the longest time.Duration if it is in the last bucket, which has no end, and 0 if nothing was measured.
func (h *Histogram) Percentile(share float64) time.Duration {
	samples, seen := h.Samples(), uint64(0)
	for i, count := range h[:histogramBuckets-1] {
		seen += count
		if seen > 0 && float64(seen) >= share*float64(samples) {
			return time.Duration(1) << (histogramFirstBits + i)
		}
	}
	if samples == 0 {
		return 0
	}
	return math.MaxInt64
}

func (h *Histogram) add(more *Histogram) {
	for i, count := range more {
		h[i] += count
	}
}

func (w *WaitTimes) add(more *WaitTimes) {
	w.Spin += more.Spin
	w.Yield += more.Yield
	w.Sleep += more.Sleep
	w.Sleeps += more.Sleeps
}

// Add adds the figures of another slot, or region.
func (c *Counters) Add(more *Counters) {
	a, b := &c.Caller, &more.Caller
	a.Calls += b.Calls
	a.RequestBytes += b.RequestBytes
	a.ResponseBytes += b.ResponseBytes
	a.Waits.add(&b.Waits)
	a.HandlerFailed += b.HandlerFailed
	a.ResponseTooLarge += b.ResponseTooLarge
	a.UnknownMessage += b.UnknownMessage
	a.TimedOut += b.TimedOut
	a.PeerDied += b.PeerDied
	a.Closed += b.Closed
	a.MaybeExecuted += b.MaybeExecuted
	a.ProtocolViolated += b.ProtocolViolated
	a.RoundTrip.add(&b.RoundTrip)
	a.Wake.add(&b.Wake)
	c.Responder.add(&more.Responder)
}

func (r *ResponderCounters) add(more *ResponderCounters) {
	r.Requests += more.Requests
	r.RequestBytes += more.RequestBytes
	r.ResponseBytes += more.ResponseBytes
	r.Waits.add(&more.Waits)
	r.HandlerFailed += more.HandlerFailed
	r.ResponseTooLarge += more.ResponseTooLarge
	r.UnknownMessage += more.UnknownMessage
	r.BadRequest += more.BadRequest
	r.NotExecuted += more.NotExecuted
	r.Inherited += more.Inherited
	r.Queue.add(&more.Queue)
	r.Service.add(&more.Service)
}

// ---- Reading

func read(counter *uint64) uint64 { return atomic.LoadUint64(counter) }

func readHistogram(from *[histogramBuckets]uint64) (to Histogram) {
	for i := range from {
		to[i] = read(&from[i])
	}
	return to
}

func readWaits(from *waitCounters) WaitTimes {
	return WaitTimes{time.Duration(read(&from.spinNs)), time.Duration(read(&from.yieldNs)),
		time.Duration(read(&from.sleepNs)), read(&from.sleeps)}
}

func (s *slot) readCounters() *Counters {
	a, b := s.calls, s.answers
	return &Counters{
		CallerCounters{read(&a.calls), read(&a.requestBytes), read(&a.responseBytes), readWaits(s.callerWaits()),
			read(&a.handlerFailed), read(&a.responseTooLarge), read(&a.unknownMessage), read(&a.timedOut),
			read(&a.peerDied), read(&a.closed), read(&a.maybeExecuted), read(&a.protocolViolated),
			readHistogram(&a.roundTrip), readHistogram(&a.wake)},
		ResponderCounters{read(&b.requests), read(&b.requestBytes), read(&b.responseBytes), readWaits(s.responderWaits()),
			read(&b.handlerFailed), read(&b.responseTooLarge), read(&b.unknownMessage), read(&b.badRequest),
			read(&b.notExecuted), read(&b.inherited), readHistogram(&b.queue), readHistogram(&b.service)},
	}
}

func countersOf(tail *slotTail) *Counters {
	return (&slot{calls: &tail.callerCounters, answers: &tail.responderCounters}).readCounters()
}

func (r *region) checkSlot(slot int) error {
	slots := int(r.layout.hostSlots) + int(r.layout.guestSlots)
	if slot >= 0 && slot < slots {
		return nil
	}
	return &failure{ErrInvalidArgument, fmt.Sprintf("there is no slot %d; %q has 0 to %d", slot, r.name, slots-1), nil}
}

// Counters reads the counters of a slot of the region that the client is attached to, its own or another: first come the
// host slots, in which the host calls, then the guest slots. Any goroutine may call it at any time.
//
// Errors: ErrInvalidArgument (no such slot, or a nil client), ErrClosed (after the end of the attachment), ErrRegionLost.
func (c *Client) Counters(slot int) (*Counters, error) {
	if c == nil {
		return nil, errNilClient
	}
	a := c.attachment()
	if !a.hold() {
		return nil, &failure{ErrClosed, "the client or its host was closed; connect anew", nil}
	}
	defer a.region.release()
	if err := a.region.checkSlot(slot); err != nil {
		return nil, err
	}
	var counters *Counters
	err := a.region.guarded(func() error {
		counters = a.region.slot(slot).readCounters()
		return nil
	})
	if err == nil && a.region.wasCut() {
		err = &failure{ErrRegionLost, fmt.Sprintf("somebody cut the object of %q short; connect anew", a.region.name), nil}
	}
	if err != nil {
		return nil, err
	}
	return counters, nil
}

// hold keeps the region mapped until it is released; false after the attachment's end.
func (a *attachment) hold() bool {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	if a.why != nil {
		return false
	}
	a.region.retain()
	return true
}

// CountersReader reads the counters of a region that is not this process's. It maps, claims and writes nothing: the
// region's processes do not notice.
type CountersReader struct{ region *region }

// OpenCounters opens the region of that name to read its counters, also if its host is gone, as long as the name stands;
// of a sealed region with the option WithSealedFolder, the only one that counts. The region may be another user's, if its
// mode lets this one read. The caller owns the reader and ends it with Close.
//
// Errors: ErrBadName, ErrInvalidArgument (an option), ErrNoHost if there is no such region or it is not complete,
// ErrNotARegion, ErrVersionMismatch, ErrBadGeometry, ErrBackendUnsupported, ErrForbidden, ErrSystem.
func OpenCounters(name string, options ...Option) (*CountersReader, error) {
	s, err := settingsOf(options)
	if err != nil {
		return nil, err
	}
	if err := checkName(name); err != nil {
		return nil, err
	}
	r := &region{name: name, sealed: s.sealedFolder != "", users: 1}
	if r.sealed {
		r.object, err = openSealed(s.sealedFolder, name, true, time.Now().Add(offerTime))
	} else {
		r.object, err = openObjectToRead(name)
	}
	if errors.Is(err, fs.ErrNotExist) {
		err = &notReady{"no region of that name exists"}
	}
	if err == nil {
		if _, err = r.learnGeometry(); err != nil {
			r.object.close()
		}
	}
	var waitFor *notReady
	if errors.As(err, &waitFor) {
		err = noHost(name, waitFor, "nothing to read", nil)
	}
	if err != nil {
		return nil, err
	}
	return &CountersReader{r}, nil
}

// offerTime is how long a reader waits for the offer of a sealed region.
const offerTime = 100 * time.Millisecond

// Slots is how many slots there are: those in which the host calls, and those in which guests call, which follow.
func (c *CountersReader) Slots() (host, guest int) {
	return int(c.region.layout.hostSlots), int(c.region.layout.guestSlots)
}

// Read reads the counters of a slot. Any goroutine may call it, but not beside Close.
//
// Errors: ErrInvalidArgument (no such slot), ErrSystem, also if somebody cut the region's object short.
func (c *CountersReader) Read(slot int) (*Counters, error) {
	if err := c.region.checkSlot(slot); err != nil {
		return nil, err
	}
	tail := new(slotTail)
	bytes := (*[tailSize]byte)(unsafe.Pointer(tail))[:]
	if err := c.region.object.readAt(bytes, c.region.layout.tailOffset+uint64(slot)*tailSize); err != nil {
		return nil, err
	}
	return countersOf(tail), nil
}

// Close ends the reader.
func (c *CountersReader) Close() error { return c.region.object.close() }
