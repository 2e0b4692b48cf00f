// SPDX-License-Identifier: Apache-2.0
#include "errand.h"

#include "../common/control.h"
#include "../common/system.h"

// ---- The ways ----------------------------------------------------------------------------------

BENCH_ALWAYS_INLINE int any_slot_trip(void *guest, const struct payload *payload,
                                      const uint8_t *request, const uint8_t **response) {
    sipc_call call = {.message_id = payload->message_id,
                      .request = request,
                      .request_size = payload->size,
                      .response = payload->response,
                      .response_capacity = payload->size};
    sipc_status status = sipc_guest_call(guest, &call);
    if (status != SIPC_OK) return status;
    *response = payload->response;
    return (int)call.response_size;
}

int errand_call(void *guest, const struct payload *payload, uint64_t trips) {
    return bench_run(any_slot_trip, guest, payload, trips);
}

BENCH_ALWAYS_INLINE int session_trip(void *session, const struct payload *payload,
                                     const uint8_t *request, const uint8_t **response) {
    const void *data;
    uint32_t size;
    memcpy(sipc_session_request(session, NULL), request, payload->size);
    sipc_status status = sipc_session_call(session, payload->message_id, payload->size,
                                           SIPC_DEFAULT_TIMEOUT, &data, &size);
    if (status != SIPC_OK) return status;
    memcpy(payload->response, data, size);
    *response = payload->response;
    return (int)size;
}

static int call_by_session(void *guest, const struct payload *payload, uint64_t trips) {
    sipc_session *session;
    sipc_status status = sipc_guest_acquire(guest, SIPC_DEFAULT_TIMEOUT, &session);
    if (status != SIPC_OK) return status;
    int result = bench_run(session_trip, session, payload, trips);
    sipc_session_release(session);
    return result;
}

// ---- An errand ---------------------------------------------------------------------------------

static uint8_t bytes[BENCH_REQUESTS + 1][BENCH_ERRAND_SIZE];

static struct payload payload_of(uint32_t size) {
    struct payload payload = {.size = size, .response = bytes[BENCH_REQUESTS]};
    for (uint32_t r = 0; r < BENCH_REQUESTS; r++) {
        for (uint32_t i = 0; i < size; i++) bytes[r][i] = (uint8_t)(i * 7 + r * 61 + 1);
        payload.requests[r] = bytes[r];
    }
    return payload;
}

sipc_status errand_run(sipc_guest *guest, run_trips *call, const sipc_request *request,
                       sipc_response *response) {
    struct bench_errand errand;
    if (request->size != sizeof errand) return SIPC_INVALID_ARGUMENT;
    memcpy(&errand, request->data, sizeof errand);
    if (errand.size > BENCH_ERRAND_SIZE) return SIPC_REQUEST_TOO_LARGE;
    const struct payload payload = payload_of(errand.size);
    if (errand.by_session) call = call_by_session;
    int result = call(guest, &payload, BENCH_ERRAND_WARM_UP);
    uint64_t began = system_clock_ns();
    if (result == 0) result = call(guest, &payload, errand.trips);
    const struct bench_errand_told told = {.took_ns = system_clock_ns() - began, .result = result};
    memcpy(response->data, &told, sizeof told);
    response->size = sizeof told;
    return SIPC_OK;
}
