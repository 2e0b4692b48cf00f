// SPDX-License-Identifier: Apache-2.0
// Which processor the two ends of a slot run on. Both sides work it out by themselves from what the
// system tells of its processors: the slot's index decides, and nothing about it is in the region.
#ifndef SIPC_INTERNAL_PLACEMENT_H
#define SIPC_INTERNAL_PLACEMENT_H

#include "os.h"

// As many as can be listed, and as many pairs as are made use of.
#define SIPC_MOST_PLACES 256u

// Two processors: of a caller, and of the worker that answers it.
struct sipc_neighbours {
    uint16_t of[2]; // by enum sipc_side
};

// The pairs of 'auto', or a list, where both are the same.
struct sipc_placement {
    sipc_place place;
    uint32_t count;
    struct sipc_neighbours places[SIPC_MOST_PLACES];
};

// Copies the list, or looks at this thread's processors. SIPC_INVALID_ARGUMENT for what cannot be.
sipc_status sipc_placement_init(struct sipc_placement *placement, sipc_place place,
                                const uint32_t *list, uint32_t count);

// Of the worker with this index, counted in the order of the slots, or of its caller, if there are
// so many workers in all. SIPC_NO_PROCESSOR: the system decides.
uint32_t sipc_placement_of(const struct sipc_placement *placement, enum sipc_side side,
                           uint32_t worker, uint32_t workers);

// Makes pairs of cores that share a cache, the closest ones first, in the order of their
// processors. Returns how many.
uint32_t sipc_placement_pair(const struct sipc_os_processor *processors, uint32_t count,
                             struct sipc_neighbours pairs[SIPC_MOST_PLACES]);

#endif
