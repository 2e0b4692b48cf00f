// SPDX-License-Identifier: Apache-2.0

package shm

import "fmt"

// geometry is a region's shape, copied out of the header once and proved; the header is never
// read again.
type geometry struct {
	hostSlots, guestSlots             uint32
	requestCapacity, responseCapacity uint32
	slotSize                          uint64
	tailOffset                        uint64
	regionSize                        uint64
}

// geometryFor computes the shape that the counts and capacities make (spec, section 2.1). Nothing can
// overflow: at most 2^16 slots of at most 2^32 + 128 bytes each.
func geometryFor(hostSlots, guestSlots, requestCapacity, responseCapacity uint32) (geometry, error) {
	slots := uint64(hostSlots) + uint64(guestSlots)
	if slots < 1 || slots > maxSlots {
		return geometry{}, badGeometry("host_slots + guest_slots", slots, fmt.Sprintf("1 to %d", maxSlots))
	}
	if requestCapacity < 1 || requestCapacity > maxCapacity {
		return geometry{}, badGeometry("request_capacity", uint64(requestCapacity), fmt.Sprintf("1 to %d", maxCapacity))
	}
	if responseCapacity < 1 || responseCapacity > maxCapacity {
		return geometry{}, badGeometry("response_capacity", uint64(responseCapacity), fmt.Sprintf("1 to %d", maxCapacity))
	}
	slotSize := slotSizeFor(requestCapacity, responseCapacity)
	tail := slotsOffset + slots*slotSize
	return geometry{
		hostSlots: hostSlots, guestSlots: guestSlots,
		requestCapacity: requestCapacity, responseCapacity: responseCapacity,
		slotSize:   slotSize,
		tailOffset: tail,
		regionSize: tail + slots*tailSize,
	}, nil
}

// checkGeometry proves that the header says what its own counts make, and that an object of that
// size holds it.
func checkGeometry(header *exchangeHeader, objectSize uint64) (geometry, error) {
	g, err := geometryFor(header.hostSlots, header.guestSlots, header.requestCapacity, header.responseCapacity)
	if err != nil {
		return geometry{}, err
	}
	for _, field := range []struct {
		name            string
		found, expected uint64
	}{
		{"slots_offset", header.slotsOffset, slotsOffset},
		{"slot_size", header.slotSize, g.slotSize},
		{"tail_offset", header.tailOffset, g.tailOffset},
		{"region_size", header.regionSize, g.regionSize},
	} {
		if field.found != field.expected {
			return geometry{}, badGeometry(field.name, field.found, fmt.Sprint(field.expected))
		}
	}
	if g.regionSize > objectSize {
		return geometry{}, badGeometry("region_size", g.regionSize,
			fmt.Sprintf("at most %d, the object's size", objectSize))
	}
	return g, nil
}

func badGeometry(field string, found uint64, expected string) error {
	return &failure{ErrBadGeometry, fmt.Sprintf("%s is %d, but must be %s; the host is broken or of another make",
		field, found, expected), nil}
}
