// SPDX-License-Identifier: Apache-2.0
// The contenders of the C API: a session, which holds its slot and writes in place, and a call
// through any free slot, which copies.
#include <stdlib.h>

#include "contender.h"
#include "pair.h"

// ---- A session ---------------------------------------------------------------------------------

struct session_caller {
    sipc_session *session;
    uint8_t *request;
};

static void *session_open(struct pair *pair, uint32_t slot, const struct payload *payload) {
    (void)payload;
    struct session_caller *caller = calloc(1, sizeof *caller);
    if (!caller) return NULL;
    if (sipc_host_acquire(pair->host, slot, SIPC_DEFAULT_TIMEOUT, &caller->session) == SIPC_OK)
        caller->request = sipc_session_request(caller->session, NULL);
    if (caller->request) return caller;
    sipc_session_release(caller->session);
    free(caller);
    return NULL;
}

static void session_close(void *state) {
    struct session_caller *caller = state;
    sipc_session_release(caller->session);
    free(caller);
}

BENCH_ALWAYS_INLINE int session_trip(void *state, const struct payload *payload,
                                     const uint8_t *request, const uint8_t **response) {
    struct session_caller *caller = state;
    const void *data;
    uint32_t size;
    memcpy(caller->request, request, payload->size);
    sipc_status status = sipc_session_call(caller->session, payload->message_id, payload->size,
                                           SIPC_DEFAULT_TIMEOUT, &data, &size);
    if (status != SIPC_OK) return status;
    memcpy(payload->response, data, size);
    *response = payload->response;
    return (int)size;
}
BENCH_LOOPS(session, session_trip)

const struct contender contender_session = {.name = "C session",
                                            .open = session_open,
                                            .close = session_close,
                                            .run = session_run,
                                            .time = session_time};

// ---- Any slot ----------------------------------------------------------------------------------

static void *any_slot_open(struct pair *pair, uint32_t slot, const struct payload *payload) {
    (void)slot;
    (void)payload;
    return pair->host;
}

static void any_slot_close(void *state) {
    (void)state;
}

BENCH_ALWAYS_INLINE int any_slot_trip(void *state, const struct payload *payload,
                                      const uint8_t *request, const uint8_t **response) {
    sipc_call call = {.message_id = payload->message_id,
                      .request = request,
                      .request_size = payload->size,
                      .response = payload->response,
                      .response_capacity = payload->size};
    sipc_status status = sipc_host_call(state, &call);
    if (status != SIPC_OK) return status;
    *response = payload->response;
    return (int)call.response_size;
}
BENCH_LOOPS(any_slot, any_slot_trip)

const struct contender contender_any_slot = {.name = "C any slot",
                                             .open = any_slot_open,
                                             .close = any_slot_close,
                                             .run = any_slot_run,
                                             .time = any_slot_time};
