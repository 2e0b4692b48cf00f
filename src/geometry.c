// SPDX-License-Identifier: Apache-2.0
// The geometry of a region: computed by the host, proved by the guest (spec 2.1).
#include "internal/errors.h"
#include "internal/region.h"

static uint64_t round_to_line(uint64_t size) {
    return (size + SIPC_LINE_SIZE - 1) / SIPC_LINE_SIZE * SIPC_LINE_SIZE;
}

// No sum or product below can overflow 64 bits: at most 2^16 slots of at most 2^32 + 128 bytes.
static sipc_status compute(sipc_status failure, uint64_t host_slots, uint64_t guest_slots,
                           uint64_t request_capacity, uint64_t response_capacity,
                           struct sipc_geometry *geometry) {
    uint64_t slots = host_slots + guest_slots;
    if (slots < 1 || slots > SIPC_MAX_SLOTS)
        return sipc_fail(failure, "the number of slots is %llu; it must be 1 to %u",
                         (unsigned long long)slots, SIPC_MAX_SLOTS);
    if (request_capacity < 1 || request_capacity > SIPC_MAX_CAPACITY)
        return sipc_fail(failure, "the request capacity is %llu bytes; it must be 1 to %u",
                         (unsigned long long)request_capacity, SIPC_MAX_CAPACITY);
    if (response_capacity < 1 || response_capacity > SIPC_MAX_CAPACITY)
        return sipc_fail(failure, "the response capacity is %llu bytes; it must be 1 to %u",
                         (unsigned long long)response_capacity, SIPC_MAX_CAPACITY);
    uint64_t slot_size =
        SIPC_SLOT_HEADER_SIZE + round_to_line(request_capacity) + round_to_line(response_capacity);
    uint64_t tail = SIPC_SLOTS_OFFSET + slots * slot_size;
    *geometry = (struct sipc_geometry){
        .host_slots = (uint32_t)host_slots,
        .guest_slots = (uint32_t)guest_slots,
        .request_capacity = (uint32_t)request_capacity,
        .response_capacity = (uint32_t)response_capacity,
        .slot_size = slot_size,
        .tail_offset = tail,
        .region_size = tail + slots * SIPC_SLOT_TAIL_SIZE,
    };
    return SIPC_OK;
}

sipc_status sipc_geometry_make(uint32_t host_slots, uint32_t guest_slots, uint32_t request_capacity,
                               uint32_t response_capacity, struct sipc_geometry *geometry) {
    return compute(SIPC_INVALID_ARGUMENT, host_slots, guest_slots, request_capacity,
                   response_capacity, geometry);
}

static sipc_status differs(const char *field, uint64_t found, uint64_t expected) {
    if (found == expected) return SIPC_OK;
    return sipc_fail(SIPC_BAD_GEOMETRY, "the region's %s is %llu where its counts make %llu", field,
                     (unsigned long long)found, (unsigned long long)expected);
}

sipc_status sipc_geometry_check(const struct sipc_exchange_header *header, uint64_t object_size,
                                struct sipc_geometry *geometry) {
    struct sipc_geometry made;
    sipc_status status = compute(SIPC_BAD_GEOMETRY, header->host_slots, header->guest_slots,
                                 header->request_capacity, header->response_capacity, &made);
    if (!status) status = differs("slots offset", header->slots_offset, SIPC_SLOTS_OFFSET);
    if (!status) status = differs("slot size", header->slot_size, made.slot_size);
    if (!status) status = differs("tail offset", header->tail_offset, made.tail_offset);
    if (!status) status = differs("size", header->region_size, made.region_size);
    if (!status && made.region_size > object_size)
        status = sipc_fail(SIPC_BAD_GEOMETRY, "the region claims %llu bytes of an object of %llu",
                           (unsigned long long)made.region_size, (unsigned long long)object_size);
    if (!status) *geometry = made;
    return status;
}
