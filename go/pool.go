// SPDX-License-Identifier: Apache-2.0

package shm

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"
)

// What a caller's claim says. All of it is private memory: the host never sees who calls.
const (
	claimFree = iota
	claimHeld
	claimRetired // nobody gets it any more
	claimLent    // held by the application, which is in no call
	claimEnded   // the same when the attachment ended: the application gives the slot's own claim back
)

// patience is after what time a goroutine that waits for a slot is not overtaken any more. Until then whoever
// comes first takes it: it is in use for less time than it takes to wake another goroutine.
const patience = time.Millisecond

// pool says which goroutine may use which guest slot of an attachment. Who holds one may touch the region, and
// nobody else of those that call.
//
// A slot that is given up and maybe still in its handler, or that the host does not serve while it serves others,
// is held by a goroutine of its own, which gives it back when it can be used.
type pool struct {
	attachment *attachment
	callers    []*caller
	freed      chan struct{} // tokens: a slot was given back while somebody waited
	many       chan struct{} // has a token while somebody gathers several slots
	closed     chan struct{}
	waiting    int32 // atomic; goroutines that wait for a slot
	overtaken  int32 // atomic; those among them that have waited for long

	mutex     sync.Mutex             // guards what follows
	pipelines map[*Pipeline]struct{} // that hold slots
	over      bool                   // there will be no others
}

func newPool(a *attachment) *pool {
	return &pool{attachment: a, many: make(chan struct{}, 1), closed: make(chan struct{}), pipelines: map[*Pipeline]struct{}{}}
}

// add is for slots that were claimed, before the first call.
func (p *pool) add(c *caller) {
	p.callers = append(p.callers, c)
	p.freed = make(chan struct{}, len(p.callers))
}

// claimCallSlots claims guest slots, and takes over what the last guest left in each.
func (a *attachment) claimCallSlots(s *settings) error {
	r, wanted := a.region, s.callSlots
	if wanted < 0 {
		wanted = a.slotCount()
		if s.callsOnly {
			wanted = 1
		}
	}
	for i := 0; i < int(r.layout.guestSlots) && len(a.calls.callers) < wanted; i++ {
		index := int(r.layout.hostSlots) + i
		won, err := r.object.claim(claimFirstSlot + uint64(index))
		if err != nil {
			return err
		}
		if !won {
			continue
		}
		slot, err := r.openSlot(index)
		if err != nil {
			return err
		}
		c := newCaller(slot, s.wait)
		c.succeed()
		a.calls.add(c)
	}
	if needed := s.callSlots > 0 || s.callsOnly; needed && len(a.calls.callers) < wanted {
		return &failure{ErrNoSlot, fmt.Sprintf("%d of the %d guest slots of %q are free, %d are wanted; create more or ask for less",
			len(a.calls.callers), r.layout.guestSlots, r.name, wanted), nil}
	}
	return nil
}

func (c *caller) tryClaim() bool {
	return atomic.LoadUint32(&c.claim) == claimFree &&
		atomic.CompareAndSwapUint32(&c.claim, claimFree, claimHeld)
}

// start sets those goroutines going that wait for handlers of a dead guest's requests.
func (p *pool) start() {
	for _, c := range p.callers {
		if c.abandoned && c.tryClaim() {
			p.release(c)
		}
	}
}

// find holds a free slot that the host serves. If it serves none, any free one: its request waits for the host.
func (p *pool) find() *caller {
	count := len(p.callers)
	var looking, unserved *caller
	defer func() { // also if there is no memory to look at
		p.putBack(looking)
		p.putBack(unserved)
	}()
	someServed := false
	for i, index := 0, p.first(); i < count; i, index = i+1, index+1 {
		if index >= count {
			index = 0
		}
		c := p.callers[index]
		if !c.tryClaim() {
			someServed = someServed || atomic.LoadUint32(&c.served) != 0
			continue
		}
		looking = c
		served := c.isServed()
		looking = nil
		switch {
		case served:
			return c
		case unserved == nil:
			unserved = c
		default:
			p.putBack(c)
		}
	}
	free := unserved
	unserved = nil
	if free != nil && someServed {
		go p.settle(free)
		return nil
	}
	return free
}

// first is where a goroutine looks first: mostly where it was before. Stacks lie apart, so that the address of
// something there tells goroutines apart well enough.
func (p *pool) first() int {
	var here byte
	return int(uint32(uintptr(unsafe.Pointer(&here))>>11) % uint32(len(p.callers)))
}

// isServed tells whether there is a use in calling, also others who cannot look, since they do not hold the slot.
func (c *caller) isServed() bool {
	served := uint32(0)
	if c.attendedOrClosing() {
		served = 1
	}
	if atomic.LoadUint32(&c.served) != served {
		atomic.StoreUint32(&c.served, served)
	}
	return served != 0
}

func (p *pool) putBack(c *caller) {
	if c != nil {
		p.free(c)
	}
}

// release gives a slot back after a call.
func (p *pool) release(c *caller) {
	if c.abandoned {
		atomic.StoreUint32(&c.served, 1) // a handler runs
		go p.settle(c)
	} else {
		p.free(c)
	}
}

// free: either this side sees who waits, or they see the free slot when they look once more.
func (p *pool) free(c *caller) {
	atomic.SwapUint32(&c.claim, claimFree)
	p.tell()
}

func (p *pool) tell() {
	if atomic.LoadInt32(&p.waiting) == 0 {
		return
	}
	select {
	case p.freed <- struct{}{}:
	default: // there is a token for each slot: nobody sleeps through this one
	}
}

// settle holds a slot until it can be used.
func (p *pool) settle(c *caller) {
	a := p.attachment
	err := a.region.guarded(func() error { return c.settle(&a.stopping) })
	if err == nil {
		p.free(c)
		return
	}
	if err != errStopped {
		a.fail(err)
	}
	atomic.SwapUint32(&c.claim, claimRetired)
}

// acquire holds a usable slot. Those who were overtaken for long come first.
func (p *pool) acquire(l *limit) (*caller, ending) {
	if atomic.LoadInt32(&p.overtaken) == 0 {
		if c := p.find(); c != nil {
			return c, endNone
		}
	}
	return p.acquireInTurn(l)
}

func (p *pool) acquireInTurn(l *limit) (*caller, ending) {
	began, overtaken := time.Now(), false
	deadline := time.NewTimer(l.left())
	defer deadline.Stop()
	atomic.AddInt32(&p.waiting, 1)
	defer func() {
		if overtaken {
			atomic.AddInt32(&p.overtaken, -1)
		}
		atomic.AddInt32(&p.waiting, -1)
		p.tell() // the token that this goroutine may have had
	}()
	for told := false; ; told = true {
		if told || atomic.LoadInt32(&p.overtaken) == 0 {
			if c := p.find(); c != nil {
				return c, endNone
			}
		}
		if !overtaken && time.Since(began) > patience {
			overtaken = true
			atomic.AddInt32(&p.overtaken, 1)
		}
		select {
		case <-p.freed:
		case <-p.closed:
			return nil, endStopped
		case <-l.done:
			return nil, l.withoutSlot()
		case <-deadline.C:
			return nil, endBusy
		}
	}
}

// awaitTurn waits until nobody else gathers several slots: two who do would wait for what the other one holds.
func (p *pool) awaitTurn(l *limit) ending {
	select {
	case p.many <- struct{}{}:
		return endNone // whatever the limit says, as for a slot that is free
	default:
	}
	deadline := time.NewTimer(l.left())
	defer deadline.Stop()
	select {
	case p.many <- struct{}{}:
		return endNone
	case <-p.closed:
		return endStopped
	case <-l.done:
		return l.withoutSlot()
	case <-deadline.C:
		return endBusy
	}
}

// acquireMany holds so many usable slots, or none.
func (p *pool) acquireMany(l *limit, count int) (held []*caller, failed *CallError) {
	a := p.attachment
	if count > 1 {
		if why := p.awaitTurn(l); why != endNone {
			return nil, p.gaveUp(l, why, NotStarted, nil)
		}
		defer func() { <-p.many }()
	}
	problem := a.region.guarded(func() error {
		for len(held) < count && failed == nil {
			if c, why := p.acquire(l); c != nil {
				held = append(held, c)
			} else {
				failed = p.gaveUp(l, why, NotStarted, nil)
			}
		}
		return nil
	})
	if problem != nil {
		a.fail(problem)
		failed = p.lost(NotStarted)
	}
	if failed != nil {
		for _, c := range held {
			p.release(c)
		}
	}
	return held, failed
}

// enlist takes note of a pipeline, which is to give its slots back at the end; false if that has come.
func (p *pool) enlist(pipeline *Pipeline) bool {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if !p.over {
		p.pipelines[pipeline] = struct{}{}
	}
	return !p.over
}

func (p *pool) discharge(pipeline *Pipeline) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	delete(p.pipelines, pipeline)
}

// close ends what waits for a slot. To be called once.
func (p *pool) close() {
	p.mutex.Lock()
	p.over = true
	p.mutex.Unlock()
	close(p.closed)
}

// endPipelines ends those that nobody reaps, and lets the others see that it is the end.
func (p *pool) endPipelines() {
	p.mutex.Lock()
	var pipelines []*Pipeline
	for pipeline := range p.pipelines {
		pipelines = append(pipelines, pipeline)
	}
	p.mutex.Unlock()
	for _, pipeline := range pipelines {
		if !pipeline.endUnlessReaping(endStopped) {
			pipeline.rouse()
		}
	}
}

// drain retires the slots that nobody holds, and interrupts who holds the others. It tells whether there are such.
func (p *pool) drain() bool {
	p.endPipelines()
	held := false
	for _, c := range p.callers {
		if atomic.CompareAndSwapUint32(&c.claim, claimFree, claimRetired) ||
			atomic.CompareAndSwapUint32(&c.claim, claimLent, claimEnded) || atomic.LoadUint32(&c.claim) > claimHeld {
			continue
		}
		held = true
		c.interrupt()
	}
	return held
}
