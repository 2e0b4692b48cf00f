// SPDX-License-Identifier: Apache-2.0
// A region: created exclusively by its host, checked by each guest before it believes a byte.
#include "internal/region.h"

#include <stdlib.h>
#include <string.h>

#include "internal/errors.h"

static struct sipc_exchange_header *header_of(const struct sipc_region *region) {
    return (struct sipc_exchange_header *)region->base;
}

// ---- Slots and their events --------------------------------------------------------------------

static void locate(const struct sipc_region *region, uint32_t index, struct sipc_slot *slot) {
    const struct sipc_geometry *geometry = &region->geometry;
    uint8_t *at = region->base + SIPC_SLOTS_OFFSET + index * geometry->slot_size;
    struct sipc_slot_header *header = (struct sipc_slot_header *)at;
    uint64_t response_room = (geometry->response_capacity + SIPC_LINE_SIZE - UINT64_C(1)) /
                             SIPC_LINE_SIZE * SIPC_LINE_SIZE;
    slot->turn = &header->turn;
    slot->responder = &header->responder;
    struct sipc_slot_tail *tail = (struct sipc_slot_tail *)(region->base + geometry->tail_offset);
    slot->owner = &tail[index].owner;
    slot->annex = &tail[index].annex;
    slot->caller_counters = &tail[index].caller_counters;
    slot->responder_counters = &tail[index].responder_counters;
    // The response next to the responder's line: the order that cost least.
    slot->response = at + SIPC_SLOT_HEADER_SIZE;
    slot->request = slot->response + response_room;
    slot->request_capacity = geometry->request_capacity;
    slot->response_capacity = geometry->response_capacity;
    slot->index = index;
    slot->host = sipc_region_host_line(region);
    slot->guest_calls = index >= geometry->host_slots;
    slot->responder_claim = slot->guest_calls ? SIPC_CLAIM_HOST : SIPC_CLAIM_FIRST_SLOT + index;
    slot->count = sipc_geometry_slots(geometry);
    slot->object = &region->object;
    slot->lost = region->lost;
}

// The host creates the events, with the region's mode; a guest opens them.
static sipc_status make_event(const struct sipc_region *region, uint32_t slot, enum sipc_side side,
                              bool create, uint32_t mode, struct sipc_event *event) {
    const struct sipc_os_backend *backend = region->backend;
    sipc_status status =
        create ? backend->create(&region->object, region->name, slot, side, mode, &event->handle)
               : backend->open(&region->object, region->name, slot, side, &event->handle);
    if (!status) event->backend = backend;
    return status;
}

static sipc_status make_slots(struct sipc_region *region, bool create, uint32_t mode) {
    uint32_t count = sipc_geometry_slots(&region->geometry);
    region->slots = calloc(count, sizeof *region->slots);
    if (!region->slots) return sipc_fail(SIPC_OUT_OF_MEMORY, "no memory for %u slots", count);
    sipc_status status = SIPC_OK;
    for (uint32_t i = 0; i < count && !status; i++) {
        struct sipc_slot *slot = &region->slots[i];
        locate(region, i, slot);
        status = make_event(region, i, SIPC_SIDE_CALLER, create, mode, &slot->wakes_caller);
        if (!status)
            status =
                make_event(region, i, SIPC_SIDE_RESPONDER, create, mode, &slot->wakes_responder);
    }
    return status;
}

static void close_event(struct sipc_event *event) {
    if (event->backend) event->backend->close(event->handle);
}

// ---- Creation (spec 9) -------------------------------------------------------------------------

static void remove_events(const char *name, const struct sipc_os_backend *backend, uint32_t slots) {
    for (uint32_t i = 0; i < slots; i++) {
        backend->remove(name, i, SIPC_SIDE_CALLER);
        backend->remove(name, i, SIPC_SIDE_RESPONDER);
    }
}

// The events of a dead host, as far as its region tells: it may be half built, or no region at all.
static void remove_stale_events(const char *name, const struct sipc_os_object *stale) {
    uint64_t size;
    struct sipc_exchange_header header;
    struct sipc_geometry geometry;
    if (sipc_os_object_size(stale, &size) || size < sizeof header ||
        sipc_os_object_read(stale, &header, sizeof header) || header.magic != SIPC_MAGIC ||
        sipc_geometry_check(&header, size, &geometry))
        return;
    const struct sipc_os_backend *backend =
        header.event_backend ? sipc_os_backend(header.event_backend) : NULL;
    if (backend) remove_events(name, backend, sipc_geometry_slots(&geometry));
}

// A name that is taken: a living host keeps it, a stale region loses it.
static sipc_status remove_stale(const char *name, const char *object_name) {
    struct sipc_os_object stale;
    sipc_status status = sipc_os_object_open(object_name, &stale);
    if (status) return status == SIPC_NO_HOST ? SIPC_OK : status;
    // Not the host's own claim: a guest that finds that one taken takes the region for a living
    // host's.
    bool won, hosted = false;
    status = sipc_os_claim(&stale, SIPC_CLAIM_NAME, &won);
    if (!status && won) status = sipc_os_claimed_by_another(&stale, SIPC_CLAIM_HOST, &hosted);
    if (!status && (!won || hosted))
        status =
            sipc_fail(SIPC_EXISTS, "a host of the name \"%s\" is alive; choose another name", name);
    // Holding the claim: only we may take this object's name away.
    if (!status && sipc_os_object_is_named(&stale)) {
        remove_stale_events(name, &stale);
        if (!sipc_os_object_remove_name(&stale, object_name))
            status = sipc_fail(SIPC_FORBIDDEN,
                               "the name \"%s\" is taken by a stale object of another user, who "
                               "alone may remove it; choose another name",
                               name);
    }
    sipc_os_object_close(&stale);
    return status;
}

// Creates the object and claims it; begins again as long as others interfere with stale objects.
static sipc_status claim_name(const char *name, const char *object_name, uint32_t mode,
                              struct sipc_os_object *object) {
    for (;;) {
        sipc_status status = sipc_os_object_create(object_name, mode, object);
        if (status == SIPC_EXISTS) {
            status = remove_stale(name, object_name);
            if (status) return status;
            continue;
        }
        if (status) return status;
        bool won;
        status = sipc_os_claim(object, SIPC_CLAIM_NAME, &won);
        if (!status && won && sipc_os_object_is_named(object)) {
            status = sipc_os_claim(object, SIPC_CLAIM_HOST, &won);
            if (!status && won) return SIPC_OK;
        }
        // Another host took the unclaimed object for a stale one and removed its name.
        sipc_os_object_close(object);
        if (status) {
            // Nobody could claim it: as far as that goes it is stale, and its name goes with it.
            remove_stale(name, object_name);
            return status;
        }
    }
}

static sipc_status allocate_and_map(struct sipc_region *region) {
    uint64_t size = region->geometry.region_size;
    sipc_status status = region->sealed ? sipc_os_object_allocate_sealed(&region->object, size)
                                        : sipc_os_object_allocate(&region->object, size);
    if (status) return status;
    void *base;
    status = sipc_os_object_map(&region->object, size, &base, &region->lost);
    if (!status) region->base = base;
    return status;
}

// All but the version.
static sipc_status write_first_lines(const struct sipc_region *region) {
    const struct sipc_geometry *geometry = &region->geometry;
    struct sipc_exchange_header *header = header_of(region);
    sipc_store_plain(header->magic, SIPC_MAGIC);
    sipc_store_plain(header->event_backend, region->backend->id);
    sipc_store_plain(header->host_slots, geometry->host_slots);
    sipc_store_plain(header->guest_slots, geometry->guest_slots);
    sipc_store_plain(header->request_capacity, geometry->request_capacity);
    sipc_store_plain(header->response_capacity, geometry->response_capacity);
    sipc_store_plain(header->region_size, geometry->region_size);
    sipc_store_plain(header->slots_offset, SIPC_SLOTS_OFFSET);
    sipc_store_plain(header->slot_size, geometry->slot_size);
    sipc_store_plain(header->tail_offset, geometry->tail_offset);
    struct sipc_host_line *line = sipc_region_host_line(region);
    struct sipc_os_process process = sipc_os_this_process();
    sipc_store_plain(line->host_pid, process.id);
    sipc_store_plain(line->host_pid_namespace, process.id_namespace);
    return sipc_os_random(&line->incarnation);
}

static sipc_status build(struct sipc_region *region, uint32_t mode) {
    sipc_status status = allocate_and_map(region);
    if (!status) status = write_first_lines(region);
    // After the header: whoever finds this region stale can tell which events belong to it.
    if (!status) status = make_slots(region, true, mode);
    if (status) return status;
    // Release: who reads the version sees all of the above.
    sipc_store_release(&header_of(region)->version, SIPC_PROTOCOL_VERSION);
    return SIPC_OK;
}

// The object, empty, and the right to be the host of that name.
static sipc_status take_name(struct sipc_region *region, uint32_t mode,
                             const struct sipc_os_sealing *sealing) {
    if (!region->sealed) {
        char object_name[SIPC_OBJECT_NAME_SIZE];
        sipc_name_object(region->name, object_name);
        return claim_name(region->name, object_name, mode, &region->object);
    }
    sipc_status status = sipc_os_offer_make(region->name, sealing, &region->object, &region->offer);
    if (status) return status;
    bool won;
    status = sipc_os_claim(&region->object, SIPC_CLAIM_HOST, &won);
    if (status) {
        sipc_os_offer_withdraw(region->offer);
        sipc_os_offer_close(region->offer);
        sipc_os_object_close(&region->object);
    }
    return status;
}

sipc_status sipc_region_create(struct sipc_region *region, const char *name, uint32_t mode,
                               uint32_t backend, const struct sipc_os_sealing *sealing,
                               const struct sipc_geometry *geometry) {
    *region = (struct sipc_region){.geometry = *geometry, .sealed = sealing->folder != NULL};
    sipc_status status = sipc_name_check(name);
    if (status) return status;
    memcpy(region->name, name, strlen(name) + 1);
    region->backend = sipc_os_backend(backend);
    if (!region->backend)
        return sipc_fail(SIPC_BACKEND_UNSUPPORTED,
                         "this system has no event backend %u; use SIPC_BACKEND_DEFAULT", backend);
    if (region->sealed && region->backend->id != SIPC_BACKEND_FUTEX)
        return sipc_fail(SIPC_BACKEND_UNSUPPORTED,
                         "a sealed region has nothing with a name, so it cannot use event backend "
                         "%u; use SIPC_BACKEND_DEFAULT",
                         backend);
    status = take_name(region, mode, sealing);
    if (status) return status;
    status = build(region, mode);
    if (status) {
        sipc_region_remove(region);
        sipc_region_close(region);
    }
    return status;
}

// How long a reader waits for the offer of a sealed region.
#define OFFER_NS UINT64_C(100000000)

// ---- Attaching (spec 8) ------------------------------------------------------------------------

static sipc_status no_host(const char *name, const char *why) {
    return sipc_fail(SIPC_NO_HOST, "no host of the name \"%s\": %s; start the host or wait longer",
                     name, why);
}

static sipc_status check_owner(const struct sipc_region *region, bool any_owner) {
    bool mine = false;
    sipc_status status = sipc_os_object_is_mine(&region->object, &mine);
    if (status || mine || any_owner) return status;
    return sipc_fail(SIPC_FORBIDDEN,
                     "the region \"%s\" belongs to another user; set any_owner to trust it",
                     region->name);
}

static sipc_status check_header(struct sipc_region *region,
                                const struct sipc_exchange_header *header, uint64_t object_size) {
    uint32_t version = sipc_load_relaxed(&header->version);
    if (header->magic != SIPC_MAGIC)
        return sipc_fail(SIPC_NOT_A_REGION,
                         "the object of the name \"%s\" begins with 0x%016llx; it is not a region",
                         region->name, (unsigned long long)header->magic);
    if (version >> 16 != SIPC_PROTOCOL_MAJOR || version < SIPC_PROTOCOL_VERSION)
        return sipc_fail(
            SIPC_VERSION_MISMATCH,
            "the region \"%s\" speaks protocol %u.%u, this library %u.%u; update the older",
            region->name, version >> 16, version & 0xFFFF, SIPC_PROTOCOL_MAJOR,
            SIPC_PROTOCOL_MINOR);
    region->backend = header->event_backend ? sipc_os_backend(header->event_backend) : NULL;
    if (region->sealed && header->event_backend != SIPC_BACKEND_FUTEX) region->backend = NULL;
    if (!region->backend)
        return sipc_fail(SIPC_BACKEND_UNSUPPORTED,
                         "the region \"%s\" uses event backend %u, which %s does not have",
                         region->name, header->event_backend,
                         region->sealed ? "a sealed region" : "this system");
    return sipc_geometry_check(header, object_size, &region->geometry);
}

// Reads as from a file: an object that is too short or shrinks is an error and not a fault.
static sipc_status read_header(struct sipc_region *region, struct sipc_exchange_header *header) {
    sipc_status status = sipc_os_object_read(&region->object, header, sizeof *header);
    if (status) return status;
    if (sipc_load_relaxed(&header->version) == 0)
        return no_host(region->name, "its region is not complete");
    // The version was read: what the host wrote before it is read after it.
    atomic_thread_fence(memory_order_acquire);
    return sipc_os_object_read(&region->object, header, sizeof *header);
}

static sipc_status learn_geometry(struct sipc_region *region) {
    uint64_t object_size;
    sipc_status status = sipc_os_object_size(&region->object, &object_size);
    if (status) return status;
    if (object_size < SIPC_SLOTS_OFFSET) return no_host(region->name, "its region is not complete");
    struct sipc_exchange_header header;
    status = read_header(region, &header);
    return status ? status : check_header(region, &header, object_size);
}

// One try, on an open object.
static sipc_status attach_object(struct sipc_region *region) {
    bool alive;
    sipc_status status = sipc_os_claimed_by_another(&region->object, SIPC_CLAIM_HOST, &alive);
    if (status) return status;
    if (!alive) return no_host(region->name, "its region is stale");
    status = learn_geometry(region);
    if (status) return status;
    void *base;
    status =
        sipc_os_object_map(&region->object, region->geometry.region_size, &base, &region->lost);
    if (status) return status;
    region->base = base;
    return make_slots(region, false, 0);
}

static sipc_status open_named(struct sipc_region *region, bool any_owner) {
    char object_name[SIPC_OBJECT_NAME_SIZE];
    sipc_name_object(region->name, object_name);
    sipc_status status = sipc_os_object_open(object_name, &region->object);
    if (status == SIPC_NO_HOST) return no_host(region->name, "there is no such region");
    if (status) return status;
    status = check_owner(region, any_owner);
    if (status) sipc_os_object_close(&region->object);
    return status;
}

sipc_status sipc_region_attach(struct sipc_region *region, const char *name,
                               const char *sealed_folder, bool any_owner, uint64_t deadline) {
    *region = (struct sipc_region){.sealed = sealed_folder != NULL};
    sipc_status status = sipc_name_check(name);
    if (status) return status;
    memcpy(region->name, name, strlen(name) + 1);
    status = region->sealed
                 ? sipc_os_offer_fetch(name, sealed_folder, any_owner, deadline, &region->object)
                 : open_named(region, any_owner);
    if (status) return status;
    status = attach_object(region);
    if (status) sipc_region_close(region);
    return status;
}

sipc_status sipc_region_open_to_read(const char *name, const char *sealed_folder,
                                     struct sipc_os_object *object,
                                     struct sipc_geometry *geometry) {
    struct sipc_region region = {.sealed = sealed_folder != NULL};
    sipc_status status = sipc_name_check(name);
    if (status) return status;
    memcpy(region.name, name, strlen(name) + 1);
    char object_name[SIPC_OBJECT_NAME_SIZE];
    sipc_name_object(name, object_name);
    status = region.sealed ? sipc_os_offer_fetch(name, sealed_folder, true,
                                                 sipc_os_now() + OFFER_NS, &region.object)
                           : sipc_os_object_open_to_read(object_name, &region.object);
    if (status == SIPC_NO_HOST) return no_host(name, "there is no such region");
    if (status) return status;
    status = learn_geometry(&region);
    if (status)
        sipc_os_object_close(&region.object);
    else {
        *object = region.object;
        *geometry = region.geometry;
    }
    return status;
}

// ---- The end -----------------------------------------------------------------------------------

void sipc_region_remove(struct sipc_region *region) {
    if (region->offer) {
        sipc_os_offer_withdraw(region->offer);
        return;
    }
    char object_name[SIPC_OBJECT_NAME_SIZE];
    sipc_name_object(region->name, object_name);
    // The events first: as long as the name stands, no other host makes events of these names.
    remove_events(region->name, region->backend, sipc_geometry_slots(&region->geometry));
    if (sipc_os_object_is_named(&region->object))
        sipc_os_object_remove_name(&region->object, object_name);
}

void sipc_region_close(struct sipc_region *region) {
    if (region->slots) {
        for (uint32_t i = 0; i < sipc_geometry_slots(&region->geometry); i++) {
            close_event(&region->slots[i].wakes_caller);
            close_event(&region->slots[i].wakes_responder);
        }
        free(region->slots);
    }
    if (region->base) sipc_os_unmap(region->base, region->geometry.region_size);
    if (region->offer) sipc_os_offer_close(region->offer);
    sipc_os_object_close(&region->object);
    *region = (struct sipc_region){.base = NULL};
}
