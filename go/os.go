// SPDX-License-Identifier: Apache-2.0

package shm

import "time"

// The contract with the system. Everything that differs between systems is in os_*.go, one file
// per system; no other file makes a system call. Each such file defines what the assertions
// below name; one that does not fulfils them does not compile.
//
// The type object is an open shared memory object. Its claims (spec, section 9) belong to this
// opening of it: the same process can hold the claims of two openings, and they exclude each other.
var (
	// openObject opens the object of the region NAME, which was checked before. The error is
	// fs.ErrNotExist if there is none, ErrForbidden if it may not be opened or is no ordinary
	// object (a symbolic link, say), else ErrSystem.
	_ func(name string) (*object, error) = openObject
	// openObjectToRead is openObject for who only reads, and may claim nothing.
	_ func(name string) (*object, error) = openObjectToRead
	// openSealed gets the object of the sealed region NAME from its host, by the socket in that folder
	// (spec, section 12). The error is fs.ErrNotExist if there is no such socket, *notReady if nobody
	// answers there, which it waits for briefly and hardly past the deadline, ErrForbidden if either side
	// does not accept the other's user, ErrBadName if the path is too long, ErrNotARegion if what stands
	// there or comes from there is not what it has to be, else ErrSystem.
	_ func(folder, name string, anyOwner bool, deadline time.Time) (*object, error) = openSealed
	// size is how many bytes the system gives for the object now.
	_ func(*object) (uint64, error) = (*object).size
	// resize gives the object that size; what is new in it is 0.
	_ func(*object, uint64) error = (*object).resize
	// ownedByUser tells whether the object belongs to the user of this process.
	_ func(*object) (bool, error) = (*object).ownedByUser
	// read copies the object's first bytes without mapping it, so that a short object is an
	// error (io.ErrUnexpectedEOF) and not a fault.
	_ func(*object, []byte) error = (*object).read
	// readAt is read from an offset on.
	_ func(*object, []byte, uint64) error = (*object).readAt
	// mapShared maps that many bytes for reading and writing. The mapping outlives close.
	_ func(*object, uint64) ([]byte, error) = (*object).mapShared
	// claim takes a claim; false if another opening has it. The kernel gives it back when this
	// process ends, however it ends.
	_ func(*object, uint64) (bool, error) = (*object).claim
	// unclaim gives a claim back.
	_ func(*object, uint64) error = (*object).unclaim
	// claimedByAnother tells whether another opening has the claim, without taking it.
	_ func(*object, uint64) (bool, error) = (*object).claimedByAnother
	// watchHolder watches the holder of a claim, whose process id and namespace are hints. The
	// object must stay open until await returned false or an error.
	_ func(o *object, claim uint64, pid uint32, namespace uint64) *holderWatch = watchHolder
	// await blocks until it is time to look whether the claim is still held; it costs nothing
	// meanwhile. False after stop. One goroutine calls it, as often as the claim is still held.
	_ func(*holderWatch) (bool, error) = (*holderWatch).await
	// stop ends await, now and from now on; to be called once.
	_ func(*holderWatch) = (*holderWatch).stop
	// touch tells those who watch the object's changes that something is new (spec, section 9.2).
	_ func(*object) = (*object).touch
	// watchChanges tells of those. nil if the system does not tell.
	_ func(*object) *changesWatch = (*object).watchChanges
	// news gets a value when something has changed, as long as nobody has taken the one before.
	_ func(*changesWatch) <-chan struct{} = (*changesWatch).news
	// hearsOfEnds is true if it tells, too, of processes that close the object, which an ending one does a moment
	// before its claims are free.
	_ func(*changesWatch) bool = (*changesWatch).hearsOfEnds
	// stop ends the watch; to be called once.
	_ func(*changesWatch) = (*changesWatch).stop
	// close closes the object and gives back the claims that are left.
	_ func(*object) error = (*object).close

	// unmap ends a mapping; nothing may point into it any more.
	_ func([]byte) error = unmap

	// openDoorbell finds what wakes one side of a slot, for an event backend of the spec's
	// section 7. ErrBackendUnsupported if this system or this build does not have it.
	_ func(o *object, backend uint32, region string, slot int, side side, watched *uint32) (doorbell, error) = openDoorbell

	// yieldThread lets another thread of the machine run on this processor.
	_ func() = yieldThread
	// monotonicNow is the machine's monotonic clock in ns, the one in which deadlines are given.
	_ func() uint64 = monotonicNow
	// sinceStart is the time since the package was initialised, fine enough to time what takes a microsecond.
	_ func() time.Duration = sinceStart
	// processID is this process's id in its own namespace.
	_ func() uint32 = processID
	// processNamespace tells whether a process id of another process means the same process here: equal
	// numbers, the same namespace; 0: unknown.
	_ func() uint64 = processNamespace
)
