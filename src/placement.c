// SPDX-License-Identifier: Apache-2.0
#include "internal/placement.h"

#include "internal/errors.h"

// ---- Pairs -------------------------------------------------------------------------------------

// Two threads that spin on one core take it from each other: of each core one processor counts.
static bool is_first_of_its_core(const struct sipc_os_processor *processors, uint32_t index) {
    for (uint32_t i = 0; i < index; i++)
        if (processors[i].core == processors[index].core) return false;
    return true;
}

struct pairing {
    const struct sipc_os_processor *processors;
    uint32_t count;
    bool taken[SIPC_OS_MOST_PROCESSORS]; // or not to be used
    struct sipc_neighbours *pairs;
    uint32_t pair_count;
};

// In the order of the callers' processors: where cores differ, the system counts the fast ones
// first.
static void add_pair(struct pairing *pairing, uint32_t caller, uint32_t responder) {
    const struct sipc_neighbours pair = {
        .of = {[SIPC_SIDE_CALLER] = (uint16_t)pairing->processors[caller].id,
               [SIPC_SIDE_RESPONDER] = (uint16_t)pairing->processors[responder].id}};
    if (pairing->pair_count == SIPC_MOST_PLACES) return;
    uint32_t at = pairing->pair_count++;
    for (; at > 0 && pairing->pairs[at - 1].of[SIPC_SIDE_CALLER] > pair.of[SIPC_SIDE_CALLER]; at--)
        pairing->pairs[at] = pairing->pairs[at - 1];
    pairing->pairs[at] = pair;
    pairing->taken[caller] = pairing->taken[responder] = true;
}

static void pair_at_level(struct pairing *pairing, uint32_t level) {
    for (uint32_t i = 0; i < pairing->count; i++) {
        uint32_t cache = pairing->processors[i].caches[level];
        if (cache == SIPC_OS_NO_CACHE) continue;
        for (uint32_t j = i + 1; j < pairing->count && !pairing->taken[i]; j++)
            if (!pairing->taken[j] && pairing->processors[j].caches[level] == cache)
                add_pair(pairing, i, j);
    }
}

uint32_t sipc_placement_pair(const struct sipc_os_processor *processors, uint32_t count,
                             struct sipc_neighbours pairs[SIPC_MOST_PLACES]) {
    struct pairing pairing = {.processors = processors, .count = count, .pairs = pairs};
    for (uint32_t i = 0; i < count; i++) pairing.taken[i] = !is_first_of_its_core(processors, i);
    for (uint32_t level = 0; level < SIPC_OS_CACHE_LEVELS; level++) pair_at_level(&pairing, level);
    return pairing.pair_count;
}

static void find_neighbours(struct sipc_placement *placement) {
    struct sipc_os_processor processors[SIPC_OS_MOST_PROCESSORS];
    uint32_t count = sipc_os_processors(processors);
    placement->count = sipc_placement_pair(processors, count, placement->places);
}

// ---- A list ------------------------------------------------------------------------------------

static sipc_status copy_list(struct sipc_placement *placement, const uint32_t *list,
                             uint32_t count) {
    if (!list || count == 0 || count > SIPC_MOST_PLACES)
        return sipc_fail(SIPC_INVALID_ARGUMENT,
                         "a list of %u processors at %s; name 1 to %u processors", count,
                         list ? "an address" : "NULL", SIPC_MOST_PLACES);
    for (uint32_t i = 0; i < count; i++) {
        if (!sipc_os_may_run_on(list[i]))
            return sipc_fail(SIPC_INVALID_ARGUMENT,
                             "this thread may not run on processor %u, number %u of the list; name "
                             "processors of its affinity and its control group",
                             list[i], i);
        for (int side = SIPC_SIDE_CALLER; side <= SIPC_SIDE_RESPONDER; side++)
            placement->places[i].of[side] = (uint16_t)list[i];
    }
    placement->count = count;
    return SIPC_OK;
}

// ---- Both --------------------------------------------------------------------------------------

sipc_status sipc_placement_init(struct sipc_placement *placement, sipc_place place,
                                const uint32_t *list, uint32_t count) {
    placement->place = place;
    placement->count = 0;
    if ((uint32_t)place > SIPC_PLACE_LIST)
        return sipc_fail(SIPC_INVALID_ARGUMENT, "there is no placement %d", (int)place);
    if (place == SIPC_PLACE_LIST) return copy_list(placement, list, count);
    if (count != 0)
        return sipc_fail(SIPC_INVALID_ARGUMENT,
                         "%u processors are listed, but placement %d takes no list", count,
                         (int)place);
    if (place == SIPC_PLACE_AUTO) find_neighbours(placement);
    return SIPC_OK;
}

// Pairs for some would leave the others to push the placed ones aside, who cannot move away.
uint32_t sipc_placement_of(const struct sipc_placement *placement, enum sipc_side side,
                           uint32_t worker, uint32_t workers) {
    if (placement->count == 0) return SIPC_NO_PROCESSOR;
    if (placement->place == SIPC_PLACE_AUTO && placement->count < workers) return SIPC_NO_PROCESSOR;
    return placement->places[worker % placement->count].of[side];
}
