// SPDX-License-Identifier: Apache-2.0
#include "load.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "../common/system.h"
#include "failure.h"
#include "progress.h"
#include "window.h"

#define INTERVAL_NS UINT64_C(100000000)
#define WARM_UP_NS UINT64_C(100000000)
// Between two looks at the clock of the whole: long enough not to be felt.
#define BATCH 32u

enum phase { WARMING, COUNTING, ENDED };

struct load {
    struct pair *pair;
    const struct contender *contender;
    _Atomic uint32_t phase;
};

// One caller, on cache lines of its own.
struct member {
    _Alignas(128) struct load *load;
    uint32_t slot;
    pthread_t thread;
    struct payload payload;
    struct histogram *histogram; // NULL: not timed
    _Atomic uint64_t trips;      // counted
};

static void call_until(struct member *member, void *state, enum phase end, bool counted) {
    const struct contender *contender = member->load->contender;
    while (atomic_load_explicit(&member->load->phase, memory_order_relaxed) < (uint32_t)end) {
        int result = counted && member->histogram
                         ? contender->time(state, &member->payload, BATCH, member->histogram)
                         : contender->run(state, &member->payload, BATCH);
        if (result != 0) contender_failed(contender, result);
        if (counted) atomic_fetch_add_explicit(&member->trips, BATCH, memory_order_relaxed);
    }
}

static void *call(void *given) {
    struct member *member = given;
    const struct contender *contender = member->load->contender;
    void *state = contender->open(member->load->pair, member->slot, &member->payload);
    if (!state) failure_exit(1, "%s: %s", contender->name, sipc_error_text());
    call_until(member, state, COUNTING, false);
    call_until(member, state, ENDED, true);
    contender->close(state);
    return NULL;
}

static uint64_t trips_so_far(struct member *members, uint32_t threads) {
    uint64_t trips = 0;
    for (uint32_t i = 0; i < threads; i++)
        trips += atomic_load_explicit(&members[i].trips, memory_order_relaxed);
    return trips;
}

// Looks on. The rate of each interval is over the time that it really took.
static void observe(struct member *members, uint32_t threads, double seconds,
                    struct load_result *result) {
    uint64_t began = system_clock_ns(), last = began, now = began;
    uint64_t last_trips = trips_so_far(members, threads);
    while ((double)(now - began) < seconds * 1e9) {
        system_sleep_ns(INTERVAL_NS);
        now = system_clock_ns();
        uint64_t trips = trips_so_far(members, threads);
        double rate = (double)(trips - last_trips) / (double)(now - last) * 1e9;
        numbers_append(&result->intervals, rate);
        progress_show("%s, %u threads: %.1f of %.1f s, %.2f M/s", members->load->contender->name,
                      threads, (double)(now - began) / 1e9, seconds, rate / 1e6);
        last = now;
        last_trips = trips;
    }
    result->trips = last_trips;
    result->seconds = (double)(now - began) / 1e9;
}

static void start(struct member *member, struct load *load, uint32_t slot,
                  const struct load_setup *setup) {
    member->load = load;
    member->slot = slot;
    payload_fill(&member->payload, setup->size, setup->in_place);
    if (setup->histogram) member->histogram = must_allocate(1, sizeof *member->histogram);
    int error = pthread_create(&member->thread, NULL, call, member);
    if (error) failure_exit(1, "no thread for caller %u: %s", slot, strerror(error));
}

static void end(struct member *member, struct histogram *histogram) {
    pthread_join(member->thread, NULL);
    if (member->histogram) histogram_add(histogram, member->histogram);
    free(member->histogram);
    payload_free(&member->payload);
}

void load_run(struct pair *pair, const struct load_setup *setup, struct load_result *result) {
    uint32_t threads = setup->threads;
    struct load load = {.pair = pair, .contender = setup->contender, .phase = WARMING};
    struct member *members = aligned_alloc(_Alignof(struct member), threads * sizeof *members);
    if (!members) failure_exit(1, "no memory for %u callers", threads);
    memset(members, 0, threads * sizeof *members);
    *result = (struct load_result){.trips = 0};
    for (uint32_t i = 0; i < threads; i++) start(&members[i], &load, i, setup);
    system_sleep_ns(WARM_UP_NS);
    uint64_t host_cpu = system_process_cpu_ns(getpid());
    uint64_t guest_cpu = system_process_cpu_ns(pair->guest);
    atomic_store_explicit(&load.phase, COUNTING, memory_order_relaxed);
    observe(members, threads, setup->seconds, result);
    result->host_cpu_seconds = (double)(system_process_cpu_ns(getpid()) - host_cpu) / 1e9;
    result->guest_cpu_seconds = (double)(system_process_cpu_ns(pair->guest) - guest_cpu) / 1e9;
    atomic_store_explicit(&load.phase, ENDED, memory_order_relaxed);
    for (uint32_t i = 0; i < threads; i++) end(&members[i], setup->histogram);
    free(members);
}
