// SPDX-License-Identifier: Apache-2.0

package shm

import (
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"time"
)

// WaitPolicy says how long a waiting worker spins and yields before it sleeps. The number of polls
// adapts between its two limits to what the last waits cost. A worker for which nothing happens
// sleeps, whatever the policy.
type WaitPolicy struct {
	SpinMin uint32 // polls at the least, 0 to 1,000,000
	SpinMax uint32 // polls at the most, SpinMin to 1,000,000
	Yields  uint32 // turns given to other threads before sleeping, 0 to 1,000,000
}

var (
	// WaitBalanced is the default: steady also with more threads than cores.
	WaitBalanced = WaitPolicy{SpinMin: 50, SpinMax: 2000, Yields: 20}
	// WaitLatency spins long: for machines with a core of its own for each side.
	WaitLatency = WaitPolicy{SpinMin: 2000, SpinMax: 20000, Yields: 50}
	// WaitPower sleeps soon.
	WaitPower = WaitPolicy{SpinMin: 0, SpinMax: 100, Yields: 2}
)

const maxPolls = 1000000

func (p WaitPolicy) check() error {
	if p.SpinMin > p.SpinMax || p.SpinMax > maxPolls || p.Yields > maxPolls {
		return &failure{ErrInvalidArgument, fmt.Sprintf(
			"the wait policy spins %d to %d polls and yields %d times; the first must not exceed the second, and none %d",
			p.SpinMin, p.SpinMax, p.Yields, maxPolls), nil}
	}
	return nil
}

// worthSpinning: a wait that ends within this time after spinning had better spun on.
const worthSpinning = 20 * time.Microsecond

const (
	dearYield   = 100 * time.Microsecond
	mostShunned = 1023
)

// errStopped tells that a wait ended because this process wants to leave.
var errStopped = errors.New("shm: stopped")

// waitSystem is what the slow steps of waiting are made of; tests put fakes here.
type waitSystem struct {
	now   func() time.Duration // since any fixed moment; never set back
	yield func()
}

var processStart = time.Now()

// realWaitSystem yields twice: to the goroutines of this process that want this processor, and to the
// other threads of the machine, among which may be the peer.
var realWaitSystem = waitSystem{
	now: sinceStart,
	yield: func() {
		runtime.Gosched()
		yieldThread()
	},
}

// A waiter is how a role waits for its peer: it spins, then yields, then sleeps (spec, section 7). The
// role itself spins, with one look and one pause for each poll of the budget; the waiter does the
// rest. The budget follows what waiting cost: a wait that ends while spinning costs a cache miss, one
// that ends while yielding some hundred nanoseconds or a time slice of others, one that sleeps as much
// as hundreds of exchanges.
type waiter struct {
	watched  *uint32     // the word that changes before each ring of the bell
	waiting  *uint32     // this side's word that asks the peer to ring
	others   []*uint32   // the same of the other slots for which it sleeps
	asleepAs uint32      // what these words say while it sleeps: where
	stop     *uint32     // private to this process; not 0: leave
	ready    func() bool // looks at the peer's words (acquire): is there what the role waits for?
	bell     doorbell
	system   *waitSystem
	policy   WaitPolicy
	budget   uint32 // polls to spin now
	shunned  uint32 // waits to come that sleep without yielding
	penalty  uint32 // how many the last dear yield cost

	times     *waitCounters // where the waiting is counted; nil: nowhere
	spins     uint32        // of a worker
	spinTimed bool          // the spinning now is timed
	spinFrom  time.Duration // since when
}

func newWaiter(watched, waiting, stop *uint32, ready func() bool, bell doorbell, policy WaitPolicy) waiter {
	return waiter{
		watched: watched, waiting: waiting, asleepAs: waitingAlone, stop: stop, ready: ready, bell: bell,
		system: &realWaitSystem, policy: policy, budget: policy.SpinMin + (policy.SpinMax-policy.SpinMin)/2,
	}
}

// spinPaid notes a wait that ended while spinning: more of it is worth trying.
func (w *waiter) spinPaid() {
	if w.budget < w.policy.SpinMax {
		w.budget = w.atMost(w.budget + w.budget/8 + 1)
	}
}

// afterSpinning waits on until ready. The error is errStopped once stop is set, else the doorbell's.
func (w *waiter) afterSpinning() error {
	began := w.system.now()
	if w.spinTimed {
		w.spinEnded(began)
	}
	before, dear := began, false
	for turn, turns := uint32(0), w.yieldsNow(); turn < turns && !dear; turn++ {
		if atomic.LoadUint32(w.stop) != 0 {
			return errStopped
		}
		w.system.yield()
		now := w.system.now()
		dear = now-before > dearYield
		w.yielded(now - before)
		if dear {
			w.shunYields()
		}
		if w.ready() {
			w.learnFromYield(turn, now-began)
			if !dear {
				w.penalty /= 2
			}
			return nil
		}
		before = now
	}
	w.budget = w.atLeast(w.budget / 2)
	return w.sleep()
}

// samplesSpin tells whether a worker's next spin is to be timed.
func (w *waiter) samplesSpin() bool {
	w.spins++
	return w.spins%sampleInterval == 0
}

// shunYields: a yield that took longer than a wake gave a time slice to somebody who computes, a thread of the
// machine or a goroutine of this process. It is the last of this wait, and the next ones sleep at once: more of
// them the oftener it happens.
func (w *waiter) shunYields() {
	if w.penalty = 2*w.penalty + 1; w.penalty > mostShunned {
		w.penalty = mostShunned
	}
	w.shunned = w.penalty
}

func (w *waiter) yieldsNow() uint32 {
	if w.shunned == 0 {
		return w.policy.Yields
	}
	w.shunned--
	return 0
}

// learnFromYield adapts the budget to a wait that ended while yielding. The first turn brought the
// change: most likely the peer could run only because of it, since both sides share a processor, and no
// spin could ever succeed. A later turn, but soon: the peer runs elsewhere, and spinning on would have
// been better. Else there are more threads than processors.
func (w *waiter) learnFromYield(turn uint32, took time.Duration) {
	switch {
	case turn == 0:
		w.budget = w.atLeast(w.budget / 2)
	case took < worthSpinning:
		w.budget = w.atMost(2*w.budget + 1)
	default:
		w.budget = w.atLeast(w.budget - w.budget/4)
	}
}

// sleep announces itself, then looks again: either it sees the new state, or who published that
// sees the announcement and rings (spec, section 4.2). No time limit hides a lost ring. Who sets stop
// rings until this side has left.
func (w *waiter) sleep() error {
	began := w.system.now()
	err := w.sleepUntilReady()
	w.slept(w.system.now() - began)
	return err
}

func (w *waiter) sleepUntilReady() error {
	atomic.SwapUint32(w.waiting, w.asleepAs)
	for _, word := range w.others {
		atomic.SwapUint32(word, w.asleepAs)
	}
	defer w.awake()
	for {
		// Before the look: what changes after it does not let us sleep.
		seen := atomic.LoadUint32(w.watched)
		if w.ready() {
			return nil
		}
		if atomic.LoadUint32(w.stop) != 0 {
			return errStopped
		}
		if err := w.bell.sleep(seen); err != nil {
			return err
		}
	}
}

// awake takes the announcements back.
func (w *waiter) awake() {
	atomic.StoreUint32(w.waiting, 0)
	for _, word := range w.others {
		atomic.StoreUint32(word, 0)
	}
}

func (w *waiter) atMost(polls uint32) uint32 {
	if polls > w.policy.SpinMax {
		return w.policy.SpinMax
	}
	return polls
}

func (w *waiter) atLeast(polls uint32) uint32 {
	if polls < w.policy.SpinMin {
		return w.policy.SpinMin
	}
	return polls
}
