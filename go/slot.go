// SPDX-License-Identifier: Apache-2.0

package shm

import (
	"sync/atomic"
	"unsafe"
)

// slot is one slot as this process sees it: where its parts are and what wakes its sides. Both roles,
// caller and responder, work on it.
type slot struct {
	index         int
	region        *region
	turn          *turnLine // and two other views of the same line
	namedTurn     *namedTurnLine
	ordinaryTurn  *ordinaryTurnLine
	responder     *responderLine
	owner         *ownerLine
	annex         *annexLine
	calls         *callerCounters
	answers       *responderCounters
	request       []byte // the request buffer, as long as its capacity
	response      []byte // the response buffer, as long as its capacity
	requestRoom   []byte // the same, as long as its room
	responseRoom  []byte
	callerBell    doorbell // wakes the caller
	responderBell doorbell // wakes the responder
	groupBell     doorbell // wakes the responder of several slots of which this one leads; nil if none
	callersBell   doorbell // the same for the caller
}

// slot finds the parts of a slot. The geometry was checked, and index is below the number of slots:
// every bounds check below holds.
func (r *region) slot(index int) *slot {
	g := &r.layout
	start := slotsOffset + uint64(index)*g.slotSize
	header := (*slotHeader)(unsafe.Pointer(&part(r.memory, start, slotHeaderSize)[0]))
	tail := (*slotTail)(unsafe.Pointer(&part(r.memory, g.tailOffset+uint64(index)*tailSize, tailSize)[0]))
	requestRoom := part(r.memory, start+requestBufferOffset(g.responseCapacity), roundToLine(uint64(g.requestCapacity)))
	responseRoom := part(r.memory, start+responseBufferOffset(), roundToLine(uint64(g.responseCapacity)))
	return &slot{
		index:        index,
		region:       r,
		turn:         &header.turn,
		namedTurn:    (*namedTurnLine)(unsafe.Pointer(&header.turn)),
		ordinaryTurn: (*ordinaryTurnLine)(unsafe.Pointer(&header.turn)),
		responder:    &header.responder,
		owner:        &tail.owner,
		annex:        &tail.annex,
		calls:        &tail.callerCounters,
		answers:      &tail.responderCounters,
		request:      part(requestRoom, 0, uint64(g.requestCapacity)),
		response:     part(responseRoom, 0, uint64(g.responseCapacity)),
		requestRoom:  requestRoom,
		responseRoom: responseRoom,
	}
}

// part is memory[from : from+size] with nothing behind it to be sliced into.
func part(memory []byte, from, size uint64) []byte { return memory[from : from+size : from+size] }

// lastOf is the last bytes of a room; size is at most that of the room.
func lastOf(room []byte, size uint32) []byte { return room[len(room)-int(size):] }

// openSlot is a slot with its doorbells, which the region closes with itself. One goroutine at a time.
func (r *region) openSlot(index int) (*slot, error) {
	s := r.slot(index)
	r.slots = append(r.slots, s)
	var err error
	s.callerBell, err = openDoorbell(r.object, r.backend, r.name, index, callerSide, &s.responder.state)
	if err != nil {
		return nil, err
	}
	s.responderBell, err = openDoorbell(r.object, r.backend, r.name, index, responderSide, &s.turn.callerState)
	return s, err
}

// openGroupBell is for the lead of several slots, whose responder sleeps on the bell in its annex line.
func (s *slot) openGroupBell() (err error) {
	r := s.region
	s.groupBell, err = openDoorbell(r.object, r.backend, r.name, s.index, responderSide, &s.annex.responderBell)
	return err
}

// openCallersBell is the same for the caller's role, which may be taken again and again.
func (s *slot) openCallersBell() (bell doorbell, err error) {
	if s.callersBell == nil {
		bell, err = openDoorbell(s.region.object, s.region.backend, s.region.name, s.index, callerSide, &s.annex.callerBell)
		if err != nil {
			return nil, err
		}
		s.callersBell = bell
	}
	return s.callersBell, nil
}

func (s *slot) closeDoorbells() {
	for _, bell := range []doorbell{s.callerBell, s.responderBell, s.groupBell, s.callersBell} {
		if bell != nil {
			bell.close()
		}
	}
	s.callerBell, s.responderBell, s.groupBell, s.callersBell = nil, nil, nil, nil
}

// publish stores a side's state word and tells where the peer sleeps, 0 if it does not. What the side
// wrote before is visible to who reads the word (release); the exchange is sequentially consistent, so
// that either this side sees the peer's waiting or the peer, which stores waiting and then looks at the
// word, sees the new state (spec, section 4.2). In Go every atomic access is sequentially consistent.
func publish(state *uint32, word uint32, peerWaiting *uint32) (waiting uint32) {
	atomic.SwapUint32(state, word)
	return atomic.LoadUint32(peerWaiting)
}

// ringCaller and ringResponder wake the side where its waiting word says that it sleeps.
func (s *slot) ringCaller(waiting uint32) {
	if waiting < waitingFirstLead {
		s.callerBell.ring()
	} else {
		s.region.ringGroup(waiting-waitingFirstLead, callerSide)
	}
}

func (s *slot) ringResponder(waiting uint32) {
	if waiting < waitingFirstLead {
		s.responderBell.ring()
	} else {
		s.region.ringGroup(waiting-waitingFirstLead, responderSide)
	}
}

// ringGroup wakes who sleeps on the bell of a lead slot. The peer named that slot: one that there is not
// is ignored.
func (r *region) ringGroup(lead uint32, side side) {
	if uint64(lead) >= uint64(r.layout.hostSlots)+uint64(r.layout.guestSlots) {
		return
	}
	annex := r.slot(int(lead)).annex
	word := &annex.callerBell
	if side == responderSide {
		word = &annex.responderBell
	}
	atomic.AddUint32(word, 1)
	// The event of another's slot; without it the sleeper's deadline still holds.
	if bell, err := openDoorbell(r.object, r.backend, r.name, int(lead), side, word); err == nil {
		bell.ring()
		bell.close()
	}
}
