// SPDX-License-Identifier: Apache-2.0

package shm

import "time"

// side is one of the two roles of a slot.
type side int

const (
	callerSide side = iota
	responderSide
)

// letter is the side's part of an event's name (spec, section 7).
func (s side) letter() string {
	if s == callerSide {
		return "c"
	}
	return "r"
}

// A doorbell wakes one side of one slot (spec, section 7): that side sleeps on it, the peer rings it.
type doorbell interface {
	// sleep blocks until the bell is rung, and not at all if the watched word is no longer what
	// was seen. It may return early. An error means that it can never work again.
	sleep(seen uint32) error
	// sleepFor is sleep for at most that long, which is more than 0.
	sleepFor(seen uint32, limit time.Duration) error
	// ring wakes who sleeps; it does nothing, or costs one needless turn, if nobody does.
	ring()
	// close frees what this process holds of it; nobody may be in sleep or ring.
	close()
}

// mostSleep is short enough for every form of a time. A sleep may end early.
const mostSleep = time.Hour
