// SPDX-License-Identifier: Apache-2.0
// A region: its object, its geometry, its mapping, its events.
#ifndef SIPC_INTERNAL_REGION_H
#define SIPC_INTERNAL_REGION_H

#include "layout.h"
#include "name.h"
#include "os.h"

// Copied out of the region once and checked; never read from it again.
struct sipc_geometry {
    uint32_t host_slots;
    uint32_t guest_slots;
    uint32_t request_capacity;
    uint32_t response_capacity;
    uint64_t slot_size;
    uint64_t tail_offset;
    uint64_t region_size;
};

// One slot as this process sees it: where its parts are and what wakes its sides.
struct sipc_slot {
    struct sipc_turn_line *turn;
    struct sipc_responder_line *responder;
    struct sipc_owner_line *owner;
    struct sipc_annex_line *annex;
    struct sipc_caller_block *caller_counters;
    struct sipc_responder_block *responder_counters;
    const struct sipc_os_object *object; // of the region: for the slot's claim
    const sipc_word *lost;               // of the region: 1: its memory was taken away
    uint8_t *request;
    uint8_t *response;
    uint32_t request_capacity;
    uint32_t response_capacity;
    uint32_t index;
    bool guest_calls;                  // a guest slot: the host is its responder
    uint32_t responder_claim;          // whose holder lives as long as the responder (spec 9)
    uint32_t count;                    // of the region's slots, which stand in one array with this
    const struct sipc_host_line *host; // of the region
    struct sipc_event wakes_caller;
    struct sipc_event wakes_responder;
};

struct sipc_region {
    char name[SIPC_MAX_NAME + 1];
    struct sipc_os_object object;
    struct sipc_geometry geometry;
    struct sipc_os_offer *offer; // the host's, of a sealed region; else NULL
    bool sealed;
    const struct sipc_os_backend *backend;
    uint8_t *base;
    const sipc_word *lost;
    struct sipc_slot *slots;
};

static inline struct sipc_host_line *sipc_region_host_line(const struct sipc_region *region) {
    return (struct sipc_host_line *)(region->base + sizeof(struct sipc_exchange_header));
}

// Of a guest slot: nobody serves it, and its host is closing. What comes first is told first: a
// handler that ran has answered before.
static inline bool sipc_slot_is_closing(const struct sipc_slot *slot) {
    return slot->guest_calls &&
           !(sipc_load_acquire(&slot->responder->state) & SIPC_FLAG_ATTENDED) &&
           sipc_load_acquire(&slot->host->closing) != 0;
}

// Somebody cut the object short: what stands in the slot says nothing any more.
static inline bool sipc_slot_is_lost(const struct sipc_slot *slot) {
    return sipc_load_acquire(slot->lost) != 0;
}

// Whether the responder's claim is held: it lives (spec 9). A system call. If the system does not
// say, it lives.
static inline bool sipc_slot_is_claimed(const struct sipc_slot *slot) {
    bool claimed = true;
    return sipc_os_claimed_by_another(slot->object, slot->responder_claim, &claimed) || claimed;
}

// Computes the geometry of section 2.1. SIPC_INVALID_ARGUMENT names what is out of range.
sipc_status sipc_geometry_make(uint32_t host_slots, uint32_t guest_slots, uint32_t request_capacity,
                               uint32_t response_capacity, struct sipc_geometry *geometry);
// Checks a private copy of a header against an object of object_size bytes (spec 8).
sipc_status sipc_geometry_check(const struct sipc_exchange_header *header, uint64_t object_size,
                                struct sipc_geometry *geometry);

static inline uint32_t sipc_geometry_slots(const struct sipc_geometry *geometry) {
    return geometry->host_slots + geometry->guest_slots;
}

// As the host. The region is visible to guests when this returns. Spec 9, creation. If sealing
// names a folder, it is sealed and has no mode, and guests wait until its offer is watched (spec
// 12).
sipc_status sipc_region_create(struct sipc_region *region, const char *name, uint32_t mode,
                               uint32_t backend, const struct sipc_os_sealing *sealing,
                               const struct sipc_geometry *geometry);
// As a guest, in one attempt: SIPC_NO_HOST if there is nothing to attach to now, but might be soon.
// Spec 8. sealed_folder: NULL, or where a sealed region's socket is; only such a one waits, hardly
// past the deadline.
sipc_status sipc_region_attach(struct sipc_region *region, const char *name,
                               const char *sealed_folder, bool any_owner, uint64_t deadline);
// Opens the object of a complete region, of anybody's, to read its counters; its host may be gone.
// The object is the caller's to close.
sipc_status sipc_region_open_to_read(const char *name, const char *sealed_folder,
                                     struct sipc_os_object *object, struct sipc_geometry *geometry);
// The counters of a slot, if there is one of that index (counters.c).
sipc_status sipc_region_counters(const struct sipc_region *region, uint32_t slot,
                                 sipc_counters *counters);
// Removes the name and the events' names: nobody finds the region any more. The host's part.
void sipc_region_remove(struct sipc_region *region);
void sipc_region_close(struct sipc_region *region);

#endif
