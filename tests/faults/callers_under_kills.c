// SPDX-License-Identifier: Apache-2.0
#include "callers_under_kills.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>

#include "../process/host_api.h"
#include "../process/load.h"
#include "../process/message.h"
#include "../process/traffic.h"

enum { CALLERS = 4, SLOTS = KILLS_SLOTS, DATA_SIZE = 4096, MOST_PAYLOAD = DATA_SIZE / 2 };
// A call waits for the next guest and is not lost; death is known within these.
enum { LONGEST_WAIT_US = 1000000, KNOWN_P99_US = 10000, KNOWN_MAX_US = 100000 };

static struct caller {
    pthread_t thread;
    uint32_t index;
    _Atomic uint32_t ended; // calls
    uint64_t answered, not_started, maybe_executed, longest_us;
} callers[CALLERS], sum;

static _Atomic bool stopping;
static _Atomic uint64_t killed_at_us, load_at_kill_us;
// From the kill to the return of a call that it ended, beside what the load added.
static struct samples known;

// ---- Callers -----------------------------------------------------------------------------------

static void note(struct caller *caller, sipc_status status, uint64_t began_us) {
    uint64_t now = row_now_us();
    row_expect(now - began_us <= row_limit_us(LONGEST_WAIT_US),
               "a call took %" PRIu64 " us and ended with %s", now - began_us,
               sipc_status_name(status));
    if (now - began_us > caller->longest_us) caller->longest_us = now - began_us;
    if (status == SIPC_OK) {
        caller->answered++;
    } else {
        bool started = status == SIPC_PEER_DIED_MAYBE_EXECUTED;
        row_expect(started || status == SIPC_PEER_DIED, "a call ended with %s: %s",
                   sipc_status_name(status), api_error_text());
        const uint64_t took = now - atomic_load_explicit(&killed_at_us, memory_order_acquire);
        const uint64_t load =
            load_us() - atomic_load_explicit(&load_at_kill_us, memory_order_acquire);
        samples_add(&known, load_taken_from(took, load));
        *(started ? &caller->maybe_executed : &caller->not_started) += 1;
    }
    atomic_fetch_add_explicit(&caller->ended, 1, memory_order_release);
}

static void *run_caller(void *context) {
    struct caller *caller = context;
    while (!atomic_load_explicit(&stopping, memory_order_acquire)) {
        const struct stamped call = {
            .message_id = MESSAGE_STAMPED + row_random(MOST_PAYLOAD),
            .slot = row_random(4) ? SIPC_ANY_SLOT : row_random(SLOTS),
            .request_size = STAMP_WITH_SLEEP_SIZE + row_random(row_random(2) ? 20 : 1000),
            .caller = caller->index,
            .sequence = next_sequence(caller->index),
            .sleep_us = row_random(4) ? 0 : row_random(500),
        };
        sipc_status status;
        uint64_t began = row_now_us();
        row_expect(stamped_call(&call, &status), "caller %u: a wrong response", caller->index);
        note(caller, status, began);
    }
    return NULL;
}

void kills_start_callers(void) {
    atomic_store_explicit(&stopping, false, memory_order_release);
    load_watch();
    for (uint32_t i = 0; i < CALLERS; i++) {
        callers[i] = (struct caller){.index = i};
        row_expect(pthread_create(&callers[i].thread, NULL, run_caller, &callers[i]) == 0,
                   "no thread for caller %u", i);
    }
}

void kills_stop_callers(void) {
    sum = (struct caller){0};
    atomic_store_explicit(&stopping, true, memory_order_release);
    for (uint32_t i = 0; i < CALLERS; i++) {
        pthread_join(callers[i].thread, NULL);
        sum.answered += callers[i].answered;
        sum.not_started += callers[i].not_started;
        sum.maybe_executed += callers[i].maybe_executed;
        if (callers[i].longest_us > sum.longest_us) sum.longest_us = callers[i].longest_us;
    }
    load_watch_end();
}

void kills_note(void) {
    atomic_store_explicit(&load_at_kill_us, load_us(), memory_order_release);
    atomic_store_explicit(&killed_at_us, row_now_us(), memory_order_release);
}

void kills_await_progress(void) {
    uint32_t before[CALLERS];
    for (int i = 0; i < CALLERS; i++)
        before[i] = atomic_load_explicit(&callers[i].ended, memory_order_acquire);
    uint64_t deadline = row_now_us() + row_limit_us(LONGEST_WAIT_US);
    for (int i = 0; i < CALLERS; i++)
        while (atomic_load_explicit(&callers[i].ended, memory_order_acquire) == before[i]) {
            row_expect(row_now_us() < deadline, "caller %d waits for more than a second", i);
            row_sleep_us(100);
        }
}

// ---- The host ----------------------------------------------------------------------------------

void kills_open(void) {
    sipc_status status = api_open(row_region(), SLOTS, DATA_SIZE, SIPC_BACKEND_DEFAULT);
    row_expect(status == SIPC_OK, "%s", api_error_text());
}

void kills_close(void) {
    api_close();
}

void kills_expect_each_slot_to_serve(void) {
    struct held *held[SLOTS];
    for (uint32_t slot = 0; slot < SLOTS; slot++) {
        sipc_status status;
        const struct stamped call = {.message_id = MESSAGE_STAMPED + 100,
                                     .slot = slot,
                                     .request_size = 40,
                                     .sequence = next_sequence(0)};
        row_expect(stamped_call(&call, &status) && status == SIPC_OK, "slot %u: %s", slot,
                   sipc_status_name(status));
    }
    for (uint32_t slot = 0; slot < SLOTS; slot++) {
        sipc_status status = api_hold(slot, 1, &held[slot]);
        row_expect(status == SIPC_OK && api_held_buffer(held[slot]), "slot %u is not free: %s",
                   slot, sipc_status_name(status));
    }
    for (uint32_t slot = 0; slot < SLOTS; slot++) api_release(held[slot]);
}

void kills_result(const char *part, unsigned kills) {
    uint64_t p99 = samples_percentile(&known, 99), max = samples_max(&known);
    row_result("%s: %u kills, %" PRIu64 " calls answered, %" PRIu64 " not started, %" PRIu64
               " maybe executed, 0 wrong; death known after p99 %.1f ms, max %.1f ms; longest "
               "call %.0f ms",
               part, kills, sum.answered, sum.not_started, sum.maybe_executed, (double)p99 / 1e3,
               (double)max / 1e3, (double)sum.longest_us / 1e3);
    row_expect(known.count >= kills / 2, "%zu calls met %u kills", known.count, kills);
    // Of fewer it is the maximum.
    row_expect(known.count < 100 || p99 <= row_limit_us(KNOWN_P99_US),
               "death was known after %" PRIu64 " us (p99)", p99);
    row_expect(max <= row_limit_us(KNOWN_MAX_US), "death was known after %" PRIu64 " us (max)",
               max);
    samples_free(&known);
}
