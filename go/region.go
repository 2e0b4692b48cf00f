// SPDX-License-Identifier: Apache-2.0

package shm

import (
	"errors"
	"fmt"
	"io/fs"
	"sync/atomic"
	"time"
	"unsafe"
)

// region is one attachment to a host's region: its object, its checked geometry, its mapping.
// It is shared by reference: the last release unmaps it.
type region struct {
	name    string
	sealed  bool
	object  *object
	layout  geometry
	host    hostFields // as found when attaching
	backend uint32
	memory  []byte
	slots   []*slot // those with open doorbells
	users   int32   // atomic
	cut     uint32  // atomic; not 0: somebody cut the object short
}

// notReady says that there is no host to attach to yet; trying again may help.
type notReady struct{ reason string }

func (n *notReady) Error() string { return n.reason }

// attach makes one attempt to attach as the spec's section 8 says. It fails with *notReady where a
// host may be about to create the region. Only the host of a sealed region is waited for, hardly past the deadline.
func attach(name string, s *settings, deadline time.Time) (*region, error) {
	setClock()
	r := &region{name: name, sealed: s.sealedFolder != "", users: 1}
	err := r.find(s, deadline)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &notReady{"no region of that name exists"}
	}
	if err != nil {
		return nil, err
	}
	if err := r.open(); err != nil {
		r.object.close()
		return nil, err
	}
	return r, nil
}

// find opens the object of a host whose user is accepted.
func (r *region) find(s *settings, deadline time.Time) (err error) {
	if r.sealed {
		r.object, err = openSealed(s.sealedFolder, r.name, s.anyOwner, deadline)
		return err
	}
	if r.object, err = openObject(r.name); err != nil {
		return err
	}
	if err = r.checkOwner(s.anyOwner); err != nil {
		r.object.close()
	}
	return err
}

func (r *region) open() error {
	hostLives, err := r.object.claimedByAnother(claimHost)
	if err != nil {
		return err
	}
	if !hostLives {
		return &notReady{"the region of that name is stale: its host is gone"}
	}
	first, err := r.learnGeometry()
	if err != nil {
		return err
	}
	r.backend, r.host = first.header.eventBackend, first.host
	if r.sealed && r.backend != backendFutex {
		return &failure{ErrBackendUnsupported, fmt.Sprintf(
			"the event_backend of %q is %d; a sealed region has only %d", r.name, r.backend, backendFutex), nil}
	}
	r.memory, err = r.object.mapShared(r.layout.regionSize)
	return err
}

// learnGeometry reads and checks what stands before the slots.
func (r *region) learnGeometry() (*firstLines, error) {
	size, err := r.object.size()
	if err != nil {
		return nil, err
	}
	first, err := r.readFirstLines(size)
	if err != nil {
		return nil, err
	}
	r.layout, err = checkHeader(r.name, &first.header, size)
	return first, err
}

func (r *region) checkOwner(anyOwner bool) error {
	mine, err := r.object.ownedByUser()
	if err != nil || mine || anyOwner {
		return err
	}
	return &failure{ErrForbidden, fmt.Sprintf(
		"%q was made by a user that is not this program's; WithAnyOwner accepts it if you trust that user",
		r.name), nil}
}

// readFirstLines copies them out as from a file: an object that shrinks meanwhile is an error and
// not a fault.
func (r *region) readFirstLines(size uint64) (*firstLines, error) {
	first := new(firstLines)
	if size < slotsOffset {
		return nil, &notReady{"its host has not completed the region"}
	}
	bytes := (*[unsafe.Sizeof(*first)]byte)(unsafe.Pointer(first))[:]
	if err := r.object.read(bytes); err != nil {
		return nil, err
	}
	// Acquire: what the host wrote before the version is read after it, by the second read.
	if atomic.LoadUint32(&first.header.version) == 0 {
		return nil, &notReady{"its host has not completed the region"}
	}
	return first, r.object.read(bytes)
}

// hostLine is the host's own line in the region.
func (r *region) hostLine() *hostFields { return &(*firstLines)(unsafe.Pointer(&r.memory[0])).host }

// checkHeader checks a private copy of the header against an object of that size.
func checkHeader(name string, header *exchangeHeader, size uint64) (geometry, error) {
	if header.magic != magic {
		return geometry{}, &failure{ErrNotARegion, fmt.Sprintf(
			"%q begins with 0x%016x and not with 0x%016x; some other program made it",
			name, header.magic, uint64(magic)), nil}
	}
	major, minor := header.version>>16, header.version&0xFFFF
	if major != versionMajor || minor < versionMinor {
		return geometry{}, &failure{ErrVersionMismatch, fmt.Sprintf(
			"the host of %q speaks version %d.%d, this guest %d.%d; update the older of the two",
			name, major, minor, versionMajor, versionMinor), nil}
	}
	if b := header.eventBackend; b < backendFutex || b > backendWindowsEvent {
		return geometry{}, &failure{ErrBackendUnsupported, fmt.Sprintf(
			"the event_backend of %q is %d; known are %d to %d", name, b, backendFutex, backendWindowsEvent), nil}
	}
	return checkGeometry(header, size)
}

// retain adds a user of the mapping. The caller must be one itself.
func (r *region) retain() { atomic.AddInt32(&r.users, 1) }

// release ends one use; the last one unmaps the region and closes its object.
func (r *region) release() error {
	if atomic.AddInt32(&r.users, -1) > 0 {
		return nil
	}
	for _, s := range r.slots {
		s.closeDoorbells()
	}
	err := unmap(r.memory)
	r.memory = nil
	if closed := r.object.close(); err == nil {
		err = closed
	}
	return err
}
