// SPDX-License-Identifier: Apache-2.0

package shm

import (
	"sync/atomic"
	"unsafe"

	"github.com/xll-gen/shm/go/internal/cpu"
)

// group is the responders of one worker: of slots next to each other, for which it sleeps once (spec, section
// 7.1). A group of one is a responder alone and sleeps on its slot's own event.
type group struct {
	responders []responder // the first leads
	wait       waiter
	at         int // whose request is served, or was last
	next       int // where the next request is expected
	aside      int // where else to look
}

const (
	// spinBurst is how many polls the scheduler cannot interrupt: a few microseconds.
	spinBurst = 64
	// Of the polls of a group one in so many looks at another slot than the expected one: each look in vain takes
	// a line from the caller that is about to write it.
	lookAside = 4
)

// newGroup makes the responders of these slots, one at the least. Their doorbells are open.
func newGroup(slots []*slot, stop *uint32, policy WaitPolicy) (*group, error) {
	g := &group{responders: make([]responder, len(slots))}
	for i, s := range slots {
		g.responders[i] = newResponder(s)
	}
	lead := slots[0]
	g.wait = newWaiter(&lead.turn.callerState, &lead.responder.waiting, stop, g.hasNews, lead.responderBell, policy)
	g.wait.times = lead.responderWaits()
	if len(slots) == 1 {
		return g, nil
	}
	if err := lead.openGroupBell(); err != nil {
		return nil, err
	}
	g.wait.watched, g.wait.bell = &lead.annex.responderBell, lead.groupBell
	g.wait.asleepAs = waitingFirstLead + uint32(lead.index)
	for _, s := range slots[1:] {
		g.wait.others = append(g.wait.others, &s.responder.waiting)
	}
	return g, nil
}

// take begins to serve the slots.
func (g *group) take(who *identity) {
	for i := range g.responders {
		g.responders[i].take(who)
	}
}

// leave tells the callers that nobody serves the slots any more.
func (g *group) leave() error {
	for i := range g.responders {
		g.responders[i].leave()
	}
	return nil
}

func (g *group) serving() *responder { return &g.responders[g.at] }

func (g *group) after(index int) int {
	if index++; index < len(g.responders) {
		return index
	}
	return 0
}

func (g *group) hasNews() bool {
	for i := range g.responders {
		if g.responders[i].hasNews() {
			return true
		}
	}
	return false
}

// await waits for a request. The errors are errCallerClosed, errStopped, or what is wrong with the
// doorbell. A host that closes one slot closes all.
func (g *group) await() (*responder, error) {
	for {
		// Here and not in the spin: a busy caller must not keep this side from leaving.
		if atomic.LoadUint32(g.wait.stop) != 0 {
			return nil, errStopped
		}
		r := &g.responders[g.next]
		word := atomic.LoadUint32(&r.turn.callerState)
		if word == r.seen {
			if err := g.awaitNews(); err != nil {
				return nil, err
			}
			continue // a hostile caller may have taken its word back
		}
		r.seen = word
		g.at = g.next
		g.next = g.after(g.at)
		if r.later != nil && !r.isMine() {
			continue
		}
		switch callerCode(word) {
		case codeRequest:
			if len(g.responders) > 1 {
				// It comes while this one is served.
				cpu.Prefetch(unsafe.Pointer(g.responders[g.next].turn), lineSize)
			}
			return r, nil
		case codeClosed:
			return nil, errCallerClosed
		}
	}
}

// awaitNews waits until there is news and finds out whose is next. Several may have some; in the order of the slots
// none is passed over for long.
func (g *group) awaitNews() error {
	if g.wait.samplesSpin() {
		g.wait.spinBegins()
	}
	if g.spin() {
		return nil
	}
	if err := g.wait.afterSpinning(); err != nil {
		return err
	}
	for range g.responders {
		if g.responders[g.next].hasNews() {
			break
		}
		g.next = g.after(g.next)
	}
	return nil
}

// spin looks as often as the budget says. It tells whether there is news, of the responder that is next.
func (g *group) spin() bool {
	if len(g.responders) == 1 {
		return g.spinOnOne()
	}
	for polls := g.wait.budget; polls > 0; polls-- {
		at := g.next
		if polls%lookAside == 0 {
			g.aside = g.after(g.aside)
			at = g.aside
		}
		if r := &g.responders[at]; cpu.Spin(&r.turn.callerState, r.seen, 1) > 0 {
			g.next = at
			g.spun()
			return true
		}
	}
	return false
}

// spun takes note of a spin that was not in vain.
func (g *group) spun() {
	g.wait.spinPaid()
	if g.wait.spinTimed {
		g.wait.spinEnded(g.wait.system.now())
	}
}

func (g *group) spinOnOne() bool {
	r := &g.responders[0]
	for polls := g.wait.budget; polls > 0; {
		burst := lesser(polls, spinBurst)
		if cpu.Spin(&r.turn.callerState, r.seen, burst) > 0 {
			g.spun()
			return true
		}
		polls -= burst
	}
	return false
}

func lesser(a, b uint32) uint32 {
	if a < b {
		return a
	}
	return b
}
