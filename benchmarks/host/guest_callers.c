// SPDX-License-Identifier: Apache-2.0
// The contenders that call in the other direction: a handler of the guest calls this process again
// and again, and tells how long it took. Meanwhile this thread sleeps, and one of the library's
// answers.
#include <stdlib.h>

#include "../common/control.h"
#include "../common/system.h"
#include "contender.h"
#include "pair.h"

// Longer than a worker spins after its last request: the processor is the next window's.
#define REST_NS UINT64_C(1000000)

struct sender {
    sipc_host *host;
    uint64_t took_ns;
};

static void *open(struct pair *pair, uint32_t slot, const struct payload *payload) {
    (void)slot;
    (void)payload;
    struct sender *sender = calloc(1, sizeof *sender);
    if (sender) sender->host = pair->host;
    return sender;
}

static void close(void *state) {
    system_sleep_ns(REST_NS);
    free(state);
}

static int send_guest(struct sender *sender, const struct payload *payload, uint64_t trips,
                      bool by_session) {
    const struct bench_errand errand = {
        .trips = trips, .size = payload->size, .by_session = by_session};
    struct bench_errand_told told = {.result = BENCH_WRONG_RESPONSE};
    sipc_call call = {.message_id = BENCH_MESSAGE_ERRAND,
                      .request = &errand,
                      .request_size = sizeof errand,
                      .response = &told,
                      .response_capacity = sizeof told};
    sipc_status status = sipc_host_call(sender->host, &call);
    sender->took_ns = told.took_ns;
    return status ? status : told.result;
}

static int by_session(void *state, const struct payload *payload, uint64_t trips) {
    return send_guest(state, payload, trips, true);
}

static int any_slot(void *state, const struct payload *payload, uint64_t trips) {
    return send_guest(state, payload, trips, false);
}

static uint64_t took_ns(const void *state) {
    return ((const struct sender *)state)->took_ns;
}

const struct contender contender_guest_session = {.name = "guest's session",
                                                  .guest_calls = true,
                                                  .open = open,
                                                  .close = close,
                                                  .run = by_session,
                                                  .took_ns = took_ns};
const struct contender contender_guest_any = {.name = "guest's call",
                                              .guest_calls = true,
                                              .open = open,
                                              .close = close,
                                              .run = any_slot,
                                              .took_ns = took_ns};
