// SPDX-License-Identifier: Apache-2.0
// Row 22: 64 callers and 16 workers on two cores, and all of them on one: no call takes a second.
#define _GNU_SOURCE
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "../process/host_api.h"
#include "../process/message.h"
#include "../process/traffic.h"
#include "row.h"

enum { CALLERS = 64, SLOTS = 16, DATA_SIZE = 1024, LONGEST_US = 1000000 };

static struct caller {
    pthread_t thread;
    uint32_t index;
    uint64_t answered, longest_us;
} callers[CALLERS];

static _Atomic bool stopping;

static void *run_caller(void *context) {
    struct caller *caller = context;
    while (!atomic_load_explicit(&stopping, memory_order_acquire)) {
        uint32_t sequence = (uint32_t)caller->answered;
        const struct stamped call = {.message_id = MESSAGE_STAMPED + (sequence * 7 + 16) % 200,
                                     .slot = sequence % 8 ? SIPC_ANY_SLOT : caller->index % SLOTS,
                                     .request_size = STAMP_WITH_SLEEP_SIZE + sequence % 100,
                                     .caller = caller->index,
                                     .sequence = sequence};
        sipc_status status;
        uint64_t began = row_now_us();
        row_expect(stamped_call(&call, &status), "caller %u: a wrong response", caller->index);
        uint64_t took = row_now_us() - began;
        row_expect(status == SIPC_OK, "a call ended with %s", sipc_status_name(status));
        row_expect(took <= row_limit_us(LONGEST_US), "a call took %" PRIu64 " us", took);
        if (took > caller->longest_us) caller->longest_us = took;
        caller->answered++;
    }
    return NULL;
}

// This process, and so the peers that it starts, on so many of the cores that it was given.
static void pin(const cpu_set_t *given, int cores) {
    cpu_set_t chosen;
    CPU_ZERO(&chosen);
    for (size_t core = 0; core < CPU_SETSIZE && CPU_COUNT(&chosen) < cores; core++)
        if (CPU_ISSET(core, given)) CPU_SET(core, &chosen);
    row_expect(CPU_COUNT(&chosen) == cores, "there are not %d cores", cores);
    row_expect(sched_setaffinity(0, sizeof chosen, &chosen) == 0, "cannot choose cores");
}

static void serve_a_crowd(const char *language, const char *program, int cores) {
    unsigned milliseconds = row_times(1500, 60000);
    uint64_t answered = 0, longest_us = 0, least = UINT64_MAX;
    struct peer guest;
    row_expect(api_open(row_region(), SLOTS, DATA_SIZE, SIPC_BACKEND_DEFAULT) == SIPC_OK, "%s",
               api_error_text());
    peer_start(&guest, program, row_region(), NULL);
    peer_expect(&guest, "attached 16");
    peer_expect(&guest, "ready");
    atomic_store_explicit(&stopping, false, memory_order_release);
    for (uint32_t i = 0; i < CALLERS; i++) {
        callers[i] = (struct caller){.index = i};
        row_expect(pthread_create(&callers[i].thread, NULL, run_caller, &callers[i]) == 0,
                   "no thread");
    }
    sleep_ms(milliseconds);
    atomic_store_explicit(&stopping, true, memory_order_release);
    for (int i = 0; i < CALLERS; i++) {
        pthread_join(callers[i].thread, NULL);
        answered += callers[i].answered;
        if (callers[i].answered < least) least = callers[i].answered;
        if (callers[i].longest_us > longest_us) longest_us = callers[i].longest_us;
    }
    api_close();
    peer_expect(&guest, "ended");
    peer_finish(&guest);
    row_expect(least > 0, "a caller was never served");
    row_result("%s guest, %d core%s: %" PRIu64 " calls in %.1f s, longest %.0f ms", language, cores,
               cores == 1 ? "" : "s", answered, milliseconds / 1e3, (double)longest_us / 1e3);
}

static void crowds_are_served(void) {
    row_begin("22", "64 callers and 16 workers", 40, 400);
    cpu_set_t given;
    row_expect(sched_getaffinity(0, sizeof given, &given) == 0, "cannot see the cores");
    for (int cores = 2; cores >= 1; cores--) {
        pin(&given, cores);
        serve_a_crowd("C", GUEST_C, cores);
        serve_a_crowd("Go", GUEST_GO, cores);
    }
    row_end();
}

int main(void) {
    return row_main(crowds_are_served);
}
