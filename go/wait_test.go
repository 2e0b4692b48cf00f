// SPDX-License-Identifier: Apache-2.0

package shm

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"
)

// waitFakes is a waiter on private words whose clock, yields and sleeps are the test's.
type waitFakes struct {
	waiter
	word, flag, leave uint32
	clock             time.Duration
	yields, sleeps    int
	sleptOn           uint32 // the word that the last sleep had seen
	onClock           func()
	onYield           func(turn int)
	onSleep           func(turn int) error
}

const before, after = 8, 17 // two words of a peer

func newWaitFakes(policy WaitPolicy) *waitFakes {
	f := &waitFakes{word: before}
	ready := func() bool { return f.word == after }
	f.waiter = newWaiter(&f.word, &f.flag, &f.leave, ready, f, policy)
	f.waiter.system = &waitSystem{
		now: func() time.Duration {
			if f.onClock != nil {
				f.onClock()
			}
			return f.clock
		},
		yield: func() {
			f.yields++
			if f.onYield != nil {
				f.onYield(f.yields)
			}
		},
	}
	return f
}

func (f *waitFakes) sleep(seen uint32) error {
	f.sleeps++
	f.sleptOn = seen
	if f.onSleep == nil {
		return errors.New("the test did not expect a sleep")
	}
	return f.onSleep(f.sleeps)
}

func (f *waitFakes) sleepFor(seen uint32, _ time.Duration) error { return f.sleep(seen) }

func (f *waitFakes) ring()  {}
func (f *waitFakes) close() {}

func (f *waitFakes) expect(t *testing.T, err, want error) {
	t.Helper()
	if err != want {
		t.Errorf("the wait ended with %v instead of %v", err, want)
	}
	if f.flag != 0 {
		t.Error("the waiting mark was left behind")
	}
}

func TestSpinningThatPaysGrowsBackSlowly(t *testing.T) {
	f := newWaitFakes(WaitBalanced)
	f.budget = 50
	for _, want := range []uint32{57, 65, 74} {
		f.spinPaid()
		if f.budget != want {
			t.Fatalf("the budget is %d instead of %d", f.budget, want)
		}
	}
	for i := 0; i < 100; i++ {
		f.spinPaid()
	}
	if f.budget != WaitBalanced.SpinMax {
		t.Errorf("the budget is %d instead of its limit %d", f.budget, WaitBalanced.SpinMax)
	}
}

// What the budget becomes when a change comes in that turn of yielding, after that time.
func TestYieldingAdaptsTheBudget(t *testing.T) {
	for _, c := range []struct {
		name         string
		turn         int
		took         time.Duration
		budget, want uint32
	}{
		{"the first turn let the peer run", 1, time.Microsecond, 1000, 500},
		{"the first turn, slowly", 1, time.Millisecond, 1000, 500},
		{"the first turn, at the limit", 1, time.Microsecond, 60, 50},
		{"soon after spinning", 2, 19999 * time.Nanosecond, 400, 801},
		{"soon after spinning, at the limit", 20, time.Microsecond, 1500, 2000},
		{"late", 2, 20 * time.Microsecond, 400, 300},
		{"late, at the limit", 20, time.Second, 51, 50},
	} {
		f := newWaitFakes(WaitBalanced)
		f.budget = c.budget
		f.onYield = func(turn int) {
			if turn == c.turn {
				f.word, f.clock = after, c.took
			}
		}
		f.expect(t, f.afterSpinning(), nil)
		if f.budget != c.want || f.yields != c.turn || f.sleeps != 0 {
			t.Errorf("%s: budget %d instead of %d, %d yields, %d sleeps", c.name, f.budget, c.want, f.yields, f.sleeps)
		}
	}
}

// A yield that gave a time slice to somebody who computes is the last one of its wait, and the next waits sleep at
// once: more of them the oftener it happens, up to a limit.
func TestDearYieldsAreShunned(t *testing.T) {
	f := newWaitFakes(WaitBalanced)
	wait := func() (yields int) {
		f.word, f.yields, f.sleeps = before, 0, 0
		f.expect(t, f.afterSpinning(), nil)
		if f.sleeps != 1 {
			t.Errorf("%d sleeps", f.sleeps)
		}
		return f.yields
	}
	f.onYield = func(int) { f.clock += dearYield + 1 }
	f.onSleep = func(int) error { f.word = after; return nil }
	for _, shunned := range []int{1, 3, 7, 15, 31, 63, 127, 255, 511, 1023, 1023} {
		if yields := wait(); yields != 1 {
			t.Fatalf("%d yields although the first was dear", yields)
		}
		for i := 0; i < shunned; i++ {
			if yields := wait(); yields != 0 {
				t.Fatalf("wait %d of %d after a dear yield yields %d times", i, shunned, yields)
			}
		}
	}
}

// Yields that are cheap again make good for dear ones, step by step.
func TestCheapYieldsAreForgiven(t *testing.T) {
	f := newWaitFakes(WaitBalanced)
	f.penalty = 1023
	f.onYield = func(int) { f.word = after }
	for want := uint32(511); ; want /= 2 {
		f.word = before
		f.expect(t, f.afterSpinning(), nil)
		if f.penalty != want {
			t.Fatalf("the penalty is %d instead of %d", f.penalty, want)
		}
		if want == 0 {
			break
		}
	}
}

// It sleeps for several slots: all of them say where, as long as it sleeps.
func TestASleepForSeveralSlotsIsAnnouncedInEach(t *testing.T) {
	f := newWaitFakes(WaitPolicy{})
	var others [2]uint32
	f.others, f.asleepAs = []*uint32{&others[0], &others[1]}, waitingFirstLead+7
	f.onSleep = func(int) error {
		if f.flag != waitingFirstLead+7 || others != [2]uint32{waitingFirstLead + 7, waitingFirstLead + 7} {
			t.Errorf("asleep as %d, %v", f.flag, others)
		}
		f.word = after
		return nil
	}
	f.expect(t, f.afterSpinning(), nil)
	if others != [2]uint32{} {
		t.Errorf("it left %v behind", others)
	}
}

func TestSleepComesAfterAllYieldsAndHalvesTheBudget(t *testing.T) {
	f := newWaitFakes(WaitBalanced)
	f.budget = 90
	f.onSleep = func(int) error {
		if f.flag != 1 {
			t.Error("asleep without the waiting mark: nobody would ring")
		}
		f.word = after
		return nil
	}
	f.expect(t, f.afterSpinning(), nil)
	if f.yields != 20 || f.sleeps != 1 || f.budget != 50 {
		t.Errorf("%d yields, %d sleeps, budget %d", f.yields, f.sleeps, f.budget)
	}
}

func TestAnEarlyReturnFromSleepSleepsAgain(t *testing.T) {
	f := newWaitFakes(WaitPower)
	f.onSleep = func(turn int) error {
		if f.flag != 1 {
			t.Error("asleep without the waiting mark")
		}
		if turn == 5 {
			f.word = after
		}
		return nil
	}
	f.expect(t, f.afterSpinning(), nil)
	if f.sleeps != 5 {
		t.Errorf("%d sleeps instead of 5", f.sleeps)
	}
}

// The peer published after the last poll and before the mark: it did not ring, so nobody may sleep.
func TestAChangeBeforeTheWaitingMarkIsNotSleptThrough(t *testing.T) {
	f := newWaitFakes(WaitPolicy{})
	f.onClock = func() { f.word = after }
	f.expect(t, f.afterSpinning(), nil)
	if f.sleeps != 0 {
		t.Error("it slept")
	}
}

// The peer publishes while this side looks: the sleep must be on the word from before the look, so
// that the doorbell refuses it.
func TestASleepIsOnTheWordFromBeforeTheLook(t *testing.T) {
	f := newWaitFakes(WaitPolicy{})
	f.ready = func() bool { f.word++; return f.sleeps == 1 }
	f.onSleep = func(int) error { return nil }
	f.expect(t, f.afterSpinning(), nil)
	if f.sleptOn != before {
		t.Errorf("it slept on %d instead of %d", f.sleptOn, before)
	}
}

// A request that comes while spinning needs no clock, no yield and no look at the stop flag.
func TestSpinningIsNothingButLooking(t *testing.T) {
	bounded(t)
	h := newHost(t, 1, 64)
	stop := uint32(1)
	g, err := newGroup([]*slot{h.callers[0].slot}, &stop, WaitBalanced)
	if err != nil {
		t.Fatal(err)
	}
	g.take(&identity{pid: 1, incarnation: 1})
	g.wait.system = &waitSystem{
		now:   func() time.Duration { t.Error("the clock was read"); return 0 },
		yield: func() { t.Error("it yielded") },
	}
	h.callers[0].post(MessageNormal, nil)
	budget := g.wait.budget
	if !g.spin() || g.wait.budget <= budget {
		t.Errorf("budget %d after %d", g.wait.budget, budget)
	}
}

func TestStopIsSeenBeforeEachYield(t *testing.T) {
	f := newWaitFakes(WaitBalanced)
	f.onYield = func(turn int) {
		if turn == 3 {
			f.leave = 1
		}
	}
	f.expect(t, f.afterSpinning(), errStopped)
	if f.yields != 3 || f.sleeps != 0 {
		t.Errorf("%d yields and %d sleeps", f.yields, f.sleeps)
	}
}

func TestStopIsSeenAroundEachSleep(t *testing.T) {
	for _, turnOfStop := range []int{0, 1, 3} {
		f := newWaitFakes(WaitPolicy{})
		stopAt := func(turn int) {
			if turn == turnOfStop {
				f.leave = 1
			}
		}
		f.onClock = func() { stopAt(0) }
		f.onSleep = func(turn int) error { stopAt(turn); return nil }
		f.expect(t, f.afterSpinning(), errStopped)
		if f.sleeps != turnOfStop {
			t.Errorf("%d sleeps instead of %d", f.sleeps, turnOfStop)
		}
	}
}

func TestABrokenDoorbellEndsTheWait(t *testing.T) {
	broken := errors.New("broken")
	f := newWaitFakes(WaitPolicy{})
	f.onSleep = func(int) error { return broken }
	f.expect(t, f.afterSpinning(), broken)
}

func TestWaitPolicyLimits(t *testing.T) {
	for policy, good := range map[WaitPolicy]bool{
		{}:                                   true,
		WaitBalanced:                         true,
		WaitLatency:                          true,
		WaitPower:                            true,
		{1000000, 1000000, 1000000}:          true,
		{1, 0, 0}:                            false,
		{0, 1000001, 0}:                      false,
		{0, 0, 1000001}:                      false,
		{4294967295, 4294967295, 4294967295}: false,
	} {
		err := policy.check()
		if (err == nil) != good || err != nil && !errors.Is(err, ErrInvalidArgument) {
			t.Errorf("%+v: %v", policy, err)
		}
	}
}

// handOversLoseNoWake is for a real doorbell, of each side on its word: whoever publishes while the other goes to sleep
// wakes it, every time.
func handOversLoseNoWake(t *testing.T, turns uint32, bellOf func(side int, word *uint32) doorbell) {
	t.Helper()
	var words, waits [2]uint32
	bells := [2]doorbell{bellOf(0, &words[0]), bellOf(1, &words[1])}
	var stop uint32
	side := func(me int, first bool) {
		peer := 1 - me
		var seen uint32
		changed := func() bool { return atomic.LoadUint32(&words[peer]) != seen }
		w := newWaiter(&words[peer], &waits[me], &stop, changed, bells[peer], WaitPolicy{})
		tell := func(word uint32) {
			if publish(&words[me], word, &waits[peer]) != 0 {
				bells[me].ring()
			}
		}
		for turn := uint32(0); turn < turns; turn++ {
			if first {
				tell(turn + 1)
			}
			if err := w.afterSpinning(); err != nil {
				t.Errorf("turn %d: %v", turn, err)
				return
			}
			if seen = atomic.LoadUint32(&words[peer]); seen != turn+1 {
				t.Errorf("turn %d: the peer's word is %d", turn, seen)
				return
			}
			if !first {
				tell(turn + 1)
			}
		}
	}
	var done uint32
	ended := make(chan struct{})
	for me := 0; me < 2; me++ {
		go func(me int) {
			side(me, me == 0)
			if atomic.AddUint32(&done, 1) == 2 {
				close(ended)
			}
		}(me)
	}
	<-ended
}
