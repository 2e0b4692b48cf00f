// SPDX-License-Identifier: Apache-2.0

package shm

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"sort"
	"sync"
	"sync/atomic"
	"time"
)

// attachment is what a client has of one host: its region, the claimed slots and their workers. It serves
// once, from start to end.
type attachment struct {
	client  *Client
	region  *region
	workers []*worker
	calls   *pool

	stopping uint32 // atomic; not 0: workers are to leave. What the waiters watch
	active   int32  // atomic; workers that have not left

	context        context.Context // of all that is done here; done after the end
	cancelContexts context.CancelFunc

	mutex sync.Mutex   // guards what follows
	watch *holderWatch // of the host; nil before the first call slot or start
	serve bool         // the workers were started
	why   error        // the reason for the end; nil before

	quiet chan struct{} // closed when, after the end, no worker is left but those inside a handler
	done  chan struct{} // closed when no worker is left, or none can ever be
}

// identity is what a guest says of itself in the owner lines of its slots.
type identity struct {
	incarnation  uint64
	pid          uint32
	pidNamespace uint64
	name         [maxGuestName]byte // padded with zeros; all zero: it has none
}

// newAttachment makes one attempt to attach and to claim slots.
func newAttachment(ctx context.Context, c *Client, deadline time.Time) (*attachment, error) {
	r, err := attach(c.name, &c.settings, deadline)
	if err != nil {
		return nil, err
	}
	a := &attachment{client: c, region: r, quiet: make(chan struct{}), done: make(chan struct{})}
	a.context, a.cancelContexts = context.WithCancel(context.Background())
	a.calls = newPool(a)
	claims := func() error {
		if c.settings.callsOnly {
			return a.claimCallSlots(&c.settings)
		}
		if c.settings.waitForSlots {
			if err := awaitSlots(ctx, r, &c.settings, deadline); err != nil {
				return err
			}
		}
		if err := a.claimSlots(&c.settings); err != nil {
			return err
		}
		return a.claimCallSlots(&c.settings)
	}
	if err := r.guarded(claims); err != nil {
		a.cancelContexts()
		r.release()
		return nil, err
	}
	if len(a.calls.callers) > 0 {
		a.watchFromNow()
		a.calls.start()
	}
	return a, nil
}

func (a *attachment) claimSlots(s *settings) error {
	wanted, slots, err := slotsToClaim(a.region)
	if err != nil {
		return err
	}
	if s.workers > slots/s.slotsEach || s.slotsEach > 1 && s.slotsEach > slots {
		return &failure{ErrInvalidArgument, fmt.Sprintf("%d workers of %d slots each for the %d slots of %q; ask for fewer",
			s.workers, s.slotsEach, slots, a.region.name), nil}
	}
	most := slots
	if s.workers > 0 {
		most = s.workers * s.slotsEach
	}
	claimed, err := a.claimSome(wanted, most)
	if err != nil {
		return err
	}
	if len(claimed) == 0 {
		return &failure{ErrNoSlot, fmt.Sprintf(
			"other guests serve all %d host slots of %q; end one of them or give the host more slots",
			slots, a.region.name), nil}
	}
	return a.divideAmongWorkers(claimed, s)
}

// claimSome claims those of the wanted slots that nobody else has, up to a limit.
func (a *attachment) claimSome(wanted []int, most int) (claimed []*slot, err error) {
	for _, index := range wanted {
		if len(claimed) == most {
			break
		}
		won, err := a.region.object.claim(claimFirstSlot + uint64(index))
		if err != nil {
			return nil, err
		}
		if !won {
			continue
		}
		slot, err := a.region.openSlot(index)
		if err != nil {
			return nil, err
		}
		claimed = append(claimed, slot)
	}
	return claimed, nil
}

// divideAmongWorkers gives slots next to each other to one worker, in the order in which a pipeline fills them.
func (a *attachment) divideAmongWorkers(slots []*slot, s *settings) error {
	sort.Slice(slots, func(i, j int) bool { return slots[i].index < slots[j].index })
	for len(slots) > 0 {
		count := s.slotsEach
		if count > len(slots) {
			count = len(slots)
		}
		group, err := newGroup(slots[:count], &a.stopping, s.wait)
		if err != nil {
			return err
		}
		w := &worker{attachment: a, client: a.client, group: group}
		for i := range group.responders {
			group.responders[i].serveFor(w)
		}
		a.workers = append(a.workers, w)
		slots = slots[count:]
	}
	return nil
}

func (a *attachment) slotCount() (count int) {
	for _, w := range a.workers {
		count += len(w.group.responders)
	}
	return count
}

// slotsToClaim orders the slots in which the host calls: those in which a request stands come first,
// since somebody waits there. A slot whose caller has left is of no use.
func slotsToClaim(r *region) (wanted []int, slots int, err error) {
	slots = int(r.layout.hostSlots)
	var others []int
	for index := 0; index < slots; index++ {
		switch callerCode(atomic.LoadUint32(&r.slot(index).turn.callerState)) {
		case codeClosed:
		case codeRequest:
			wanted = append(wanted, index)
		default:
			others = append(others, index)
		}
	}
	wanted = append(wanted, others...)
	if slots > 0 && len(wanted) == 0 {
		return nil, slots, &notReady{"its host is closing the region"}
	}
	return wanted, slots, nil
}

// start begins to serve and to watch the host.
func (a *attachment) start() error {
	var random [8]byte
	if _, err := rand.Read(random[:]); err != nil {
		return &failure{ErrSystem, "draw a random number", err}
	}
	who := identity{
		incarnation:  binary.LittleEndian.Uint64(random[:]) | 1, // never 0
		pid:          processID(),
		pidNamespace: processNamespace(),
	}
	copy(who.name[:], a.client.settings.name)
	a.mutex.Lock()
	defer a.mutex.Unlock()
	if a.why != nil {
		return nil // the host has gone since; Wait says so
	}
	err := a.region.guarded(func() error {
		for _, w := range a.workers {
			w.group.take(&who)
		}
		return nil
	})
	if err != nil {
		return err
	}
	a.region.object.touch()
	a.serve = true
	a.active = int32(len(a.workers))
	for _, w := range a.workers {
		a.region.retain()
		go w.run()
	}
	if a.watch == nil {
		a.watchFromNow()
	}
	return nil
}

// watchFromNow watches the host; with the mutex, or before others know the attachment.
func (a *attachment) watchFromNow() {
	host := &a.region.host
	a.watch = watchHolder(a.region.object, claimHost, host.pid, host.pidNamespace)
	a.region.retain()
	go a.watchHost()
}

// watchHost ends the attachment when the host's claim is free. It looks first: the host may have gone
// before it was watched.
func (a *attachment) watchHost() {
	for {
		why, err := a.lookForHost()
		if why != nil {
			a.end(why)
			break
		}
		again := err == nil
		if again {
			again, err = a.watch.await()
		}
		a.fail(err)
		if !again {
			break
		}
	}
	a.fail(a.region.release())
}

// lookForHost says what became of the host, nil if it lives (spec, section 9). One that closed in order has
// closed its slots before it gave its claim back.
func (a *attachment) lookForHost() (why, err error) {
	lives, err := a.region.object.claimedByAnother(claimHost)
	if err != nil || lives {
		return nil, err
	}
	err = a.region.guarded(func() error {
		why = errCallerClosed
		if !a.hostLeftInOrder() {
			why = &failure{ErrPeerDied, fmt.Sprintf("the host of %q is gone; connect anew, or use WithReconnect",
				a.region.name), nil}
		}
		return nil
	})
	return why, err
}

// hostLeftInOrder: a host closes its slots before it gives its claim back, and says that it is closing where it
// has none.
func (a *attachment) hostLeftInOrder() bool {
	if a.region.layout.hostSlots == 0 {
		return atomic.LoadUint32(&a.region.hostLine().closing) != 0
	}
	return callerCode(atomic.LoadUint32(&a.region.slot(0).turn.callerState)) == codeClosed
}

// end tells all workers to leave and returns at once. The first reason counts.
func (a *attachment) end(why error) {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	if a.why != nil {
		return
	}
	a.why = why
	// The exchange is a full barrier: a worker that goes to sleep afterwards sees the flag.
	atomic.SwapUint32(&a.stopping, 1)
	a.cancelContexts()
	a.calls.close()
	if a.watch == nil {
		if err := a.region.release(); err != nil {
			a.why = err
		}
		close(a.quiet)
		close(a.done)
		return
	}
	a.watch.stop()
	go a.rouse()
}

// rouse rings the sleeping workers' own bells until all have left but those inside a handler, which
// see the flag before they sleep again. One ring is not enough: a worker may have read the flag just
// before it was set, and not sleep yet (spec, section 7).
func (a *attachment) rouse() {
	for pause := 20 * time.Microsecond; ; pause = nextPause(pause) {
		a.fail(a.region.restore())
		asleep := a.calls.drain()
		for _, w := range a.workers {
			if atomic.LoadUint32(&w.phase) == phaseWaiting {
				asleep = true
				w.group.wait.bell.ring()
			}
		}
		if !asleep {
			break
		}
		time.Sleep(pause)
	}
	for _, c := range a.calls.callers {
		if atomic.LoadUint32(&c.claim) != claimEnded {
			a.fail(a.region.object.unclaim(claimFirstSlot + uint64(c.slot.index)))
		}
	}
	a.fail(a.region.release())
	close(a.quiet)
	if !a.serve { // nobody changes that after the end
		close(a.done)
	}
}

// left takes note that a worker uses its slots no more.
func (a *attachment) left(w *worker) {
	for i := range w.group.responders {
		a.fail(a.region.object.unclaim(claimFirstSlot + uint64(w.group.responders[i].slot.index)))
	}
	atomic.StoreUint32(&w.phase, phaseLeft)
	last := atomic.AddInt32(&a.active, -1) == 0
	if last { // who waits for slots finds them all
		a.region.object.touch()
	}
	a.fail(a.region.release())
	if last {
		a.end(errCallerClosed) // unless there was another reason
		close(a.done)
	}
}

// fail ends the attachment if something went wrong. That is worth more than an ordinary reason for an end
// that has begun.
func (a *attachment) fail(err error) {
	if err == nil {
		return
	}
	a.end(err)
	a.mutex.Lock()
	defer a.mutex.Unlock()
	if isOrdinary(a.why) {
		a.why = err
	}
}

// reason is that for the end, nil before.
func (a *attachment) reason() error {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	return a.why
}

// problem is the reason for the end, nil if that was an ordinary one.
func (a *attachment) problem() error {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	if isOrdinary(a.why) {
		return nil
	}
	return a.why
}

// isOrdinary tells whether an end was asked for, by this process or in order by the host.
func isOrdinary(why error) bool { return why == errStopped || why == errCallerClosed }

// hostIsGone tells whether the host's end was the reason for the end.
func (a *attachment) hostIsGone() bool {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	return a.why == errCallerClosed || errors.Is(a.why, ErrPeerDied)
}
