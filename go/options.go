// SPDX-License-Identifier: Apache-2.0

package shm

import (
	"fmt"
	"time"
)

// DefaultAttachTimeout is how long Connect waits for the host.
const DefaultAttachTimeout = 10 * time.Second

// DefaultCallTimeout is how long a Call waits whose context has no deadline.
const DefaultCallTimeout = 10 * time.Second

// Option changes one thing about a connection; see ConnectContext.
type Option func(*settings)

type settings struct {
	workers       int // 0: as many as it takes for every slot
	slotsEach     int // of one worker
	attachTimeout time.Duration
	anyOwner      bool
	sealedFolder  string // "": the region is a named one
	wait          WaitPolicy
	reconnect     bool
	callsOnly     bool
	callSlots     int           // fewer than 0: as many as it serves host slots, as far as there are some left
	callTimeout   time.Duration // of calls whose context has no deadline
	name          string        // the guest's own; "": none
	waitForSlots  bool
	mostStreams   int
	streamIdle    time.Duration
	problem       error // of the first option that is out of its range
}

func settingsOf(options []Option) (settings, error) {
	s := settings{slotsEach: 1, callSlots: -1, callTimeout: DefaultCallTimeout, attachTimeout: DefaultAttachTimeout, wait: WaitBalanced,
		mostStreams: DefaultMostStreams, streamIdle: DefaultStreamIdle}
	for _, option := range options {
		if option != nil {
			option(&s)
		}
	}
	if s.callsOnly && (s.name != "" || s.waitForSlots) {
		s.refuse("WithCallsOnly serves nothing; leave out WithName and WithWaitForSlots")
	}
	if s.callsOnly && (s.workers > 0 || s.slotsEach > 1 || s.reconnect || s.callSlots == 0) {
		s.refuse("WithCallsOnly has no workers, does not reconnect and needs a call slot; leave out what contradicts it")
	}
	return s, s.problem
}

func (s *settings) refuse(format string, values ...interface{}) {
	if s.problem == nil {
		s.problem = &failure{ErrInvalidArgument, fmt.Sprintf(format, values...), nil}
	}
}

// WithWorkers serves with n workers, or as many as the slots that other guests have left are enough for, so that
// others can serve the rest. The slots of n workers must not exceed the region's; each has one, unless
// WithSlotsPerWorker says otherwise. Slots in which a request stands already are taken first. The default is every
// slot that nobody serves.
func WithWorkers(n int) Option {
	return func(s *settings) {
		if n < 1 {
			s.refuse("the number of workers is %d; give at least 1", n)
		}
		s.workers = n
	}
}

// WithSlotsPerWorker lets each worker serve n slots, which must not exceed the region's. The default is 1, so that no
// request waits for another's handler. More is for a host that keeps many requests in flight: one goroutine answers
// them in turn, the slots next to each other, and is woken once for all of them.
func WithSlotsPerWorker(n int) Option {
	return func(s *settings) {
		if n < 1 {
			s.refuse("the number of slots per worker is %d; give at least 1", n)
		}
		s.slotsEach = n
	}
}

// WithAttachTimeout sets how long to wait for the host: DefaultAttachTimeout if not given; 0 tries once, which
// gives the host of a sealed region ten milliseconds to answer.
func WithAttachTimeout(d time.Duration) Option {
	return func(s *settings) {
		if d < 0 {
			s.refuse("the attach timeout is %v; give 0 or more", d)
		}
		s.attachTimeout = d
	}
}

// WithAnyOwner accepts a region that another user made, if the system lets this process open it. That
// user can then read and change what is sent.
func WithAnyOwner() Option {
	return func(s *settings) { s.anyOwner = true }
}

// WithSealedFolder attaches to a sealed region, whose host was given the same folder. It has no name in shared
// memory, and nobody can cut it short. The host hands it to programs of its own user and of those that it names;
// WithAnyOwner then accepts a host of any user. Linux; elsewhere Connect says ErrInvalidArgument.
func WithSealedFolder(folder string) Option {
	return func(s *settings) {
		if folder == "" {
			s.refuse("the sealed folder is empty; name one, or leave the option out")
		}
		s.sealedFolder = folder
	}
}

// WithName gives the guest a name, by which a host may call it among others: 1 to 40 characters out of A-Z a-z 0-9 . _ -
// that do not begin with a dot. Several guests may have the same. Spec, section 9.2.
func WithName(name string) Option {
	return func(s *settings) {
		if err := checkGuestName(name); err != nil && s.problem == nil {
			s.problem = err
		}
		s.name = name
	}
}

// WithWaitForSlots makes a spare guest: one that finds fewer free slots than WithWorkers asks for, or none without that
// option, waits for them until the attach timeout passes; then it takes those that there are. Without it, it takes
// those at once, and fails with ErrNoSlot if there are none.
func WithWaitForSlots() Option {
	return func(s *settings) { s.waitForSlots = true }
}

// WithWait sets how workers wait; WaitBalanced if not given.
func WithWait(policy WaitPolicy) Option {
	return func(s *settings) {
		if err := policy.check(); err != nil && s.problem == nil {
			s.problem = err
		}
		s.wait = policy
	}
}

// WithReconnect lets Wait attach to the next host of the name when the host has gone, in order or not, and
// serve on with the same handler. It waits for that host until Close. A shutdown message still ends the client.
func WithReconnect() Option {
	return func(s *settings) { s.reconnect = true }
}

// WithCallSlots claims n guest slots, for as many calls of the host at a time; it is ErrNoSlot if fewer are left. 0 claims
// none. The default is as many as the client serves host slots, as far as there are some left, and with
// WithCallsOnly one.
func WithCallSlots(n int) Option {
	return func(s *settings) {
		if n < 0 {
			s.refuse("the number of call slots is %d; give 0 or more", n)
		}
		s.callSlots = n
	}
}

// WithStreams sets how many streams the client serves at a time, and how long one lives of which nothing is heard:
// DefaultMostStreams and DefaultStreamIdle if not given.
func WithStreams(most int, idle time.Duration) Option {
	return func(s *settings) {
		if most < 1 || idle <= 0 {
			s.refuse("%d streams with %v of idle time; give at least 1, and more than 0", most, idle)
		}
		s.mostStreams, s.streamIdle = most, idle
	}
}

// WithCallsOnly makes a client that serves nothing, but calls the host. It has nothing to start, claims no host
// slot, and does not reconnect.
func WithCallsOnly() Option {
	return func(s *settings) { s.callsOnly = true }
}

// WithCallTimeout sets how long a Call waits whose context has no deadline, counted from when it begins to wait:
// DefaultCallTimeout if not given; time.Duration(math.MaxInt64) is for ever.
func WithCallTimeout(d time.Duration) Option {
	return func(s *settings) {
		if d <= 0 {
			s.refuse("the call timeout is %v; give more than 0", d)
		}
		s.callTimeout = d
	}
}
