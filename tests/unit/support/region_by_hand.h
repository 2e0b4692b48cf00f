// SPDX-License-Identifier: Apache-2.0
// A region's object made without the library: half built, stale, hostile, or good.
#ifndef SIPC_TESTS_REGION_BY_HAND_H
#define SIPC_TESTS_REGION_BY_HAND_H

#include "internal/region.h"

struct region_by_hand {
    char object[SIPC_OBJECT_NAME_SIZE];
    int descriptor; // of the host that never was
    uint64_t size;
};

// The header of a good region of host slots, complete with its version.
struct sipc_exchange_header header_by_hand(uint32_t host_slots, uint32_t request_capacity,
                                           uint32_t response_capacity);

// An object of that size that begins with these bytes. Nobody has claimed it.
void region_by_hand_make(struct region_by_hand *made, const char *name, const void *bytes,
                         size_t length, uint64_t size);
// A good one.
void region_by_hand_make_good(struct region_by_hand *made, const char *name, uint32_t host_slots);
// Through a description of its own, as another process would.
void region_by_hand_claim(struct region_by_hand *made, uint32_t claim);
void *region_by_hand_map(const struct region_by_hand *made);
// Removes the name, if the object still has it, and gives back every claim.
void region_by_hand_free(struct region_by_hand *made);

#endif
