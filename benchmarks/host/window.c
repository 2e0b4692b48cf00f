// SPDX-License-Identifier: Apache-2.0
#include "window.h"

#include <stdlib.h>
#include <unistd.h>

#include "../common/control.h"
#include "../common/system.h"
#include "failure.h"

#define ALIGNMENT 64u

// ---- Payloads ----------------------------------------------------------------------------------

static uint8_t *aligned_bytes(uint32_t size) {
    size_t rounded = ((size_t)size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    uint8_t *bytes = aligned_alloc(ALIGNMENT, rounded);
    if (!bytes) failure_exit(1, "no memory for a payload of %u bytes", size);
    memset(bytes, 0, rounded);
    return bytes;
}

void payload_fill(struct payload *payload, uint32_t size, bool in_place) {
    uint64_t seed = UINT64_C(0x9E3779B97F4A7C15);
    payload->size = size;
    payload->message_id = in_place ? BENCH_MESSAGE_IN_PLACE : SIPC_MESSAGE_NORMAL;
    payload->response = aligned_bytes(size);
    for (uint32_t r = 0; r < BENCH_REQUESTS; r++) {
        uint8_t *bytes = aligned_bytes(size);
        for (uint32_t i = 0; i < size; i++) {
            seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
            bytes[i] = (uint8_t)(seed >> 56);
        }
        payload->requests[r] = bytes;
    }
}

void payload_free(struct payload *payload) {
    for (uint32_t r = 0; r < BENCH_REQUESTS; r++) free((void *)(uintptr_t)payload->requests[r]);
    free(payload->response);
}

const char *contender_kind_name(const struct contender *contender) {
    static const char *const names[] = {"library", "bare", "peer"};
    return names[contender->kind];
}

void contender_failed(const struct contender *contender, int result) {
    if (result == BENCH_WRONG_RESPONSE)
        failure_exit(1, "%s: a response is not the echo of its request", contender->name);
    failure_exit(1, "%s: %s", contender->name, sipc_error_text());
}

// ---- Windows -----------------------------------------------------------------------------------

void track_init(struct track *track, struct pair *pair, uint32_t size, bool in_place,
                uint64_t window_ns) {
    *track = (struct track){.pair = pair, .window_ns = window_ns, .last = CONTENDER_LIBRARY};
    payload_fill(&track->payload, size, in_place);
}

void track_free(struct track *track) {
    payload_free(&track->payload);
}

static uint64_t trips_of_a_window(const struct track *track, const struct lane *lane) {
    if (lane->trip_ns <= 0) return 2;
    double trips = (double)track->window_ns / lane->trip_ns;
    return trips < 2 ? 2 : (uint64_t)trips;
}

// The guest's processor must be free for who serves the window. A server of bare windows sleeps as
// soon as its window is closed; the library's workers and a peer's threads do so a little later.
static void let_guest_rest(struct track *track, enum contender_kind next) {
    bool warm = track->last == CONTENDER_BARE || track->last == next;
    if (!warm && !pair_wait_for_rest(track->pair)) track->restless++;
    track->last = next;
}

double track_window(struct track *track, struct lane *lane, struct histogram *histogram) {
    const struct contender *contender = lane->contender;
    const struct payload *payload = &track->payload;
    uint64_t trips = trips_of_a_window(track, lane);
    uint64_t warm_up = trips < WINDOW_WARM_UP_TRIPS ? trips : WINDOW_WARM_UP_TRIPS;
    let_guest_rest(track, contender->kind);
    void *state = contender->open(track->pair, 0, payload);
    if (!state) failure_exit(1, "%s: %s", contender->name, sipc_error_text());
    int result = contender->run(state, payload, warm_up);
    uint64_t began = system_clock_ns();
    if (result == 0)
        result = histogram ? contender->time(state, payload, trips, histogram)
                           : contender->run(state, payload, trips);
    uint64_t took = system_clock_ns() - began;
    if (result != 0) contender_failed(contender, result);
    if (contender->took_ns) took = contender->took_ns(state);
    contender->close(state);
    lane->trip_ns = (double)took / (double)trips;
    lane->trips += trips;
    return lane->trip_ns;
}

// The system tells a process exactly what it has used itself, and of others what they had used when
// they last slept or the clock ticked: so the guest is asked about at rest, before and after.
void track_cost(struct track *track, struct lane *lane, uint64_t nanoseconds) {
    const struct contender *contender = lane->contender;
    const uint64_t batch = trips_of_a_window(track, lane);
    int result = 0;
    if (!pair_wait_for_rest(track->pair)) track->restless++;
    const uint64_t guest = system_process_cpu_ns(track->pair->guest);
    void *state = contender->open(track->pair, 0, &track->payload);
    if (!state) failure_exit(1, "%s: %s", contender->name, sipc_error_text());
    const uint64_t host = system_process_cpu_ns(getpid());
    for (uint64_t began = system_clock_ns(); result == 0 && system_clock_ns() - began < nanoseconds;
         lane->cost.trips += batch)
        result = contender->run(state, &track->payload, batch);
    lane->cost.host_ns += system_process_cpu_ns(getpid()) - host;
    if (result != 0) contender_failed(contender, result);
    contender->close(state);
    if (!pair_wait_for_rest(track->pair)) track->restless++;
    lane->cost.guest_ns += system_process_cpu_ns(track->pair->guest) - guest;
    track->last = contender->kind;
}
