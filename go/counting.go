// SPDX-License-Identifier: Apache-2.0

package shm

import (
	"math/bits"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/xll-gen/shm/go/internal/cpu"
)

// Counting, by a counter's one writer (spec, section 2.6). Nothing but additions to a line that nobody else uses;
// clocks are read for sampled exchanges only.

// isSampled tells whether an exchange is timed. Both sides know it by the generation alone.
func isSampled(generation uint32) bool { return generation%sampleInterval == 0 }

// timeBetween is what passed between two points in time. The first may be the peer's word, and any number.
func timeBetween(from, to uint64) uint64 {
	if from < to {
		return to - from
	}
	return 0
}

func bucketOf(ns uint64) int {
	bucket := bits.Len64(ns >> histogramFirstBits)
	if bucket < histogramBuckets {
		return bucket
	}
	return histogramBuckets - 1
}

func note(histogram *[histogramBuckets]uint64, ns uint64) { cpu.Count(&histogram[bucketOf(ns)], 1) }

// clock tells the machine's monotonic clock without a system call: by the one of package time, which is the same but
// for its zero.
var clock struct {
	once   sync.Once
	offset uint64
}

// setClock finds out the offset: of some tries the one that took the least time.
func setClock() {
	clock.once.Do(func() {
		for i, least := 0, time.Duration(0); i < 8; i++ {
			before := sinceStart()
			now := monotonicNow()
			took := sinceStart() - before
			if i == 0 || took < least {
				least = took
				clock.offset = now - uint64(before+took/2)
			}
		}
	})
}

// sharedNow is monotonicNow for latencies.
func sharedNow() uint64 { return uint64(sinceStart()) + clock.offset }

// waitCounters are the last four numbers of a side's line, how it waits; nil of who does not count.
type waitCounters struct{ spinNs, yieldNs, sleepNs, sleeps uint64 }

func (s *slot) callerWaits() *waitCounters {
	return (*waitCounters)(unsafe.Pointer(&s.calls.spinNs))
}

func (s *slot) responderWaits() *waitCounters {
	return (*waitCounters)(unsafe.Pointer(&s.answers.spinNs))
}

// ---- Waiting

// spinBegins times this spin, which stands for many.
func (w *waiter) spinBegins() { w.spinFrom, w.spinTimed = w.system.now(), true }

// spinEnded takes note of the end of a spin that was timed.
func (w *waiter) spinEnded(now time.Duration) {
	w.spinTimed = false
	if w.times != nil && now > w.spinFrom {
		cpu.Count(&w.times.spinNs, uint64(now-w.spinFrom)*sampleInterval)
	}
}

func (w *waiter) yielded(took time.Duration) {
	if w.times != nil {
		cpu.Count(&w.times.yieldNs, uint64(took))
	}
}

func (w *waiter) slept(took time.Duration) {
	if w.times != nil {
		cpu.Count(&w.times.sleeps, 1)
		cpu.Count(&w.times.sleepNs, uint64(took))
	}
}

// ---- The caller

// sampleRequest is for a request that is about to be published.
func (c *caller) sampleRequest() {
	c.publishedAt = sharedNow()
	cpu.SetCounter(&c.slot.calls.publishedAt, c.publishedAt)
	if !c.grouped {
		c.wait.spinBegins()
	}
}

// countRequest is for one that was.
func (c *caller) countRequest(size int) {
	cpu.Count(&c.slot.calls.calls, 1)
	cpu.Count(&c.slot.calls.requestBytes, uint64(size))
}

// countResponse is for a response that was found sound, whatever its status.
func (c *caller) countResponse(size uint32) {
	cpu.Count(&c.slot.calls.responseBytes, uint64(size))
	if isSampled(c.generation) {
		c.sampleResponse()
	}
}

func (c *caller) sampleResponse() {
	counters := c.slot.calls
	now, answeredAt := sharedNow(), atomic.LoadUint64(&c.slot.answers.answeredAt)
	if c.wait.spinTimed {
		c.wait.spinEnded(c.wait.system.now())
	}
	note(&counters.roundTrip, timeBetween(c.publishedAt, now))
	if answeredAt >= c.publishedAt {
		note(&counters.wake, timeBetween(answeredAt, now))
	}
}

// counted is for a call that was published and ends with this error.
func (c *caller) counted(failed *CallError) *CallError {
	counter, givenUp := c.counterOf(failed)
	if counter == nil { // the region was lost, and its counters with it
		return failed
	}
	cpu.Count(counter, 1)
	if givenUp && failed.fate == MaybeExecuted {
		cpu.Count(&c.slot.calls.maybeExecuted, 1)
	}
	return failed
}

func (c *caller) counterOf(failed *CallError) (counter *uint64, givenUp bool) {
	counters := c.slot.calls
	switch failed.kind {
	case ErrHandlerFailed:
		return &counters.handlerFailed, false
	case ErrResponseTooLarge:
		return &counters.responseTooLarge, false
	case ErrUnknownMessage:
		return &counters.unknownMessage, false
	case ErrProtocolViolated:
		return &counters.protocolViolated, false
	case ErrTimeout, ErrTimeoutMaybeExecuted:
		return &counters.timedOut, true
	case ErrPeerDied, ErrPeerDiedMaybeExecuted, ErrNoHost:
		return &counters.peerDied, true
	case ErrClosed, ErrClosedMaybeExecuted:
		return &counters.closed, true
	}
	return nil, false
}

// ---- The responder

// countAnswer is for an answer that was published.
func (r *responder) countAnswer(status, size uint32) {
	counters := r.slot.answers
	cpu.Count(&counters.requests, 1)
	cpu.Count(&counters.responseBytes, uint64(size))
	if status != answerOK {
		cpu.Count(counters.failure(status), 1)
	}
}

// failure is the counter of answers with that status, not answerOK.
func (c *responderCounters) failure(status uint32) *uint64 {
	switch status {
	case answerResponseTooLarge:
		return &c.responseTooLarge
	case answerUnknownMessage:
		return &c.unknownMessage
	case answerBadRequest:
		return &c.badRequest
	case answerNotExecuted:
		return &c.notExecuted
	case answerResponderDied:
		return &c.inherited
	}
	return &c.handlerFailed
}

// countHandled is for a request that a handler saw.
func (r *responder) countHandled(size uint32) {
	cpu.Count(&r.slot.answers.requestBytes, uint64(size))
}

// sampleStart and sampleEnd are around the handler of a sampled request.
func (r *responder) sampleStart() (began uint64) {
	publishedAt := atomic.LoadUint64(&r.slot.calls.publishedAt)
	began = sharedNow()
	note(&r.slot.answers.queue, timeBetween(publishedAt, began))
	return began
}

func (r *responder) sampleEnd(began uint64) {
	now := sharedNow()
	note(&r.slot.answers.service, timeBetween(began, now))
	cpu.SetCounter(&r.slot.answers.answeredAt, now)
}
