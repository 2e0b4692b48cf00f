// SPDX-License-Identifier: Apache-2.0
// Reading the counters of a region (spec 2.6): by its host, by a guest, and by a third process.
#include <simpleipc/counters.h>

#include <stdlib.h>
#include <string.h>

#include "internal/attachment.h"
#include "internal/counting.h"
#include "internal/host.h"

// ---- One slot ----------------------------------------------------------------------------------

static void read_histogram(const sipc_counter *from, sipc_histogram *to) {
    for (uint32_t i = 0; i < SIPC_HISTOGRAM_BUCKETS; i++)
        to->buckets[i] = sipc_counter_load(&from[i]);
}

static void read_waits(const struct sipc_wait_line *from, sipc_wait_times *to) {
    to->spin_ns = sipc_counter_load(&from->spin_ns);
    to->yield_ns = sipc_counter_load(&from->yield_ns);
    to->sleep_ns = sipc_counter_load(&from->sleep_ns);
    to->sleeps = sipc_counter_load(&from->sleeps);
}

static void read_caller(const struct sipc_caller_block *from, sipc_caller_counters *to) {
    to->calls = sipc_counter_load(&from->calls);
    to->request_bytes = sipc_counter_load(&from->request_bytes);
    to->response_bytes = sipc_counter_load(&from->response_bytes);
    read_waits(&from->waits, &to->waits);
    to->handler_failed = sipc_counter_load(&from->handler_failed);
    to->response_too_large = sipc_counter_load(&from->response_too_large);
    to->unknown_message = sipc_counter_load(&from->unknown_message);
    to->timed_out = sipc_counter_load(&from->timed_out);
    to->peer_died = sipc_counter_load(&from->peer_died);
    to->closed = sipc_counter_load(&from->closed);
    to->maybe_executed = sipc_counter_load(&from->maybe_executed);
    to->protocol_violated = sipc_counter_load(&from->protocol_violated);
    read_histogram(from->round_trip, &to->round_trip);
    read_histogram(from->wake, &to->wake);
}

static void read_responder(const struct sipc_responder_block *from, sipc_responder_counters *to) {
    to->requests = sipc_counter_load(&from->requests);
    to->request_bytes = sipc_counter_load(&from->request_bytes);
    to->response_bytes = sipc_counter_load(&from->response_bytes);
    read_waits(&from->waits, &to->waits);
    to->handler_failed = sipc_counter_load(&from->handler_failed);
    to->response_too_large = sipc_counter_load(&from->response_too_large);
    to->unknown_message = sipc_counter_load(&from->unknown_message);
    to->bad_request = sipc_counter_load(&from->bad_request);
    to->not_executed = sipc_counter_load(&from->not_executed);
    to->inherited = sipc_counter_load(&from->inherited);
    read_histogram(from->queue, &to->queue);
    read_histogram(from->service, &to->service);
}

static sipc_status check(uint32_t slot, uint32_t slots, const sipc_counters *counters) {
    if (!counters)
        return sipc_fail(SIPC_INVALID_ARGUMENT, "counters is NULL; pass where to put them");
    if (slot >= slots)
        return sipc_fail(SIPC_INVALID_ARGUMENT, "there is no slot %u; the region has 0 to %u", slot,
                         slots - 1);
    return SIPC_OK;
}

sipc_status sipc_region_counters(const struct sipc_region *region, uint32_t slot,
                                 sipc_counters *counters) {
    sipc_status status = check(slot, sipc_geometry_slots(&region->geometry), counters);
    if (status) return status;
    sipc_counters read;
    read_caller(region->slots[slot].caller_counters, &read.caller);
    read_responder(region->slots[slot].responder_counters, &read.responder);
    if (sipc_slot_is_lost(&region->slots[slot]))
        return sipc_fail(SIPC_REGION_LOST, "somebody cut the object of region \"%s\" short",
                         region->name);
    *counters = read;
    return SIPC_OK;
}

sipc_status sipc_host_counters(const sipc_host *host, uint32_t slot, sipc_counters *counters) {
    sipc_status status = sipc_host_check(host);
    return status ? status : sipc_region_counters(&host->region, slot, counters);
}

// ---- A region that is not ours ------------------------------------------------------------------

struct sipc_counters_reader {
    struct sipc_os_object object;
    struct sipc_geometry geometry;
    uint32_t forks; // of the process that opened it
};

sipc_status sipc_counters_open(const char *name, const char *sealed_folder,
                               sipc_counters_reader **reader) {
    if (!reader)
        return sipc_fail(SIPC_INVALID_ARGUMENT, "reader is NULL; pass where to put the handle");
    *reader = NULL;
    sipc_counters_reader *made = calloc(1, sizeof *made);
    if (!made) return sipc_fail(SIPC_OUT_OF_MEMORY, "no memory for a reader of counters");
    made->forks = sipc_os_forks();
    sipc_status status =
        sipc_region_open_to_read(name, sealed_folder, &made->object, &made->geometry);
    if (status)
        free(made);
    else
        *reader = made;
    return status;
}

void sipc_counters_slots(const sipc_counters_reader *reader, uint32_t *host_slots,
                         uint32_t *guest_slots) {
    if (host_slots) *host_slots = reader->geometry.host_slots;
    if (guest_slots) *guest_slots = reader->geometry.guest_slots;
}

static sipc_status check_reader(const sipc_counters_reader *reader) {
    if (!reader) return sipc_fail(SIPC_INVALID_ARGUMENT, "reader is NULL; open one first");
    if (reader->forks != sipc_os_forks())
        return sipc_fail(SIPC_INVALID_ARGUMENT,
                         "the reader belongs to the process that forked this one; open one here");
    return SIPC_OK;
}

sipc_status sipc_counters_read(const sipc_counters_reader *reader, uint32_t slot,
                               sipc_counters *counters) {
    sipc_status status = check_reader(reader);
    if (!status) status = check(slot, sipc_geometry_slots(&reader->geometry), counters);
    if (status) return status;
    struct sipc_slot_tail tail;
    const uint64_t at = reader->geometry.tail_offset + (uint64_t)slot * sizeof tail;
    status = sipc_os_object_read_at(&reader->object, &tail, sizeof tail, at);
    if (status) return status;
    read_caller(&tail.caller_counters, &counters->caller);
    read_responder(&tail.responder_counters, &counters->responder);
    return SIPC_OK;
}

void sipc_counters_close(sipc_counters_reader *reader) {
    if (!reader || check_reader(reader)) return;
    sipc_os_object_close(&reader->object);
    free(reader);
}

// ---- Sums --------------------------------------------------------------------------------------

// A record of counters is numbers of 64 bits and nothing else.
void sipc_counters_add(sipc_counters *sum, const sipc_counters *more) {
    enum { NUMBERS = sizeof *sum / sizeof(uint64_t) };
    static_assert(NUMBERS * sizeof(uint64_t) == sizeof *sum, "no other member");
    uint64_t sums[NUMBERS], others[NUMBERS];
    memcpy(sums, sum, sizeof sums);
    memcpy(others, more, sizeof others);
    for (uint32_t i = 0; i < NUMBERS; i++) sums[i] += others[i];
    memcpy(sum, sums, sizeof sums);
}

uint64_t sipc_histogram_samples(const sipc_histogram *histogram) {
    uint64_t samples = 0;
    for (uint32_t i = 0; i < SIPC_HISTOGRAM_BUCKETS; i++) samples += histogram->buckets[i];
    return samples;
}

uint64_t sipc_histogram_percentile(const sipc_histogram *histogram, double share) {
    const uint64_t samples = sipc_histogram_samples(histogram);
    uint64_t seen = 0;
    for (uint32_t i = 0; i + 1 < SIPC_HISTOGRAM_BUCKETS; i++) {
        seen += histogram->buckets[i];
        if (seen > 0 && (double)seen >= share * (double)samples)
            return UINT64_C(1) << (SIPC_HISTOGRAM_FIRST_BITS + i);
    }
    return samples > 0 ? UINT64_MAX : 0;
}
