// SPDX-License-Identifier: Apache-2.0
// The host of the process tests over the C API.
#include <stddef.h>

#include "host_api.h"

static sipc_host *host;

sipc_status api_open(const char *name, uint32_t slots, uint32_t data_size, sipc_backend backend) {
    sipc_host_options options = {.backend = backend};
    seal_as_told(&options);
    pass_deadlines_as_told(&options);
    return sipc_host_create(name, slots, data_size, &options, &host);
}

uint32_t api_capacity(void) {
    return sipc_host_request_capacity(host);
}

uint32_t api_slots(void) {
    return sipc_host_slots(host);
}

sipc_status api_call_for_id(const struct request *request, struct reply *reply,
                            uint32_t *message_id) {
    sipc_call call = {
        .message_id = request->message_id,
        .request_size = request->size,
        .request = request->data,
        .response = reply->data,
        .response_capacity = reply->capacity,
        .timeout_ns = request->timeout_ns,
        .guest = request->guest,
    };
    sipc_status status = request->slot == SIPC_ANY_SLOT
                             ? sipc_host_call(host, &call)
                             : sipc_host_call_slot(host, request->slot, &call);
    reply->size = call.response_size;
    *message_id = call.response_message_id;
    return status;
}

sipc_status api_call(const struct request *request, struct reply *reply) {
    uint32_t message_id;
    return api_call_for_id(request, reply, &message_id);
}

const char *api_error_text(void) {
    return sipc_error_text();
}

// A held slot is a session.

static sipc_session *session_of(struct held *held) {
    return (sipc_session *)held;
}

sipc_status api_hold(uint32_t slot, uint64_t timeout_ns, struct held **held) {
    sipc_session *session;
    sipc_status status = sipc_host_acquire(host, slot, timeout_ns, &session);
    *held = (struct held *)session;
    return status;
}

uint32_t api_held_slot(const struct held *held) {
    return sipc_session_slot((const sipc_session *)held);
}

uint8_t *api_held_buffer(struct held *held) {
    uint32_t capacity;
    uint8_t *buffer = sipc_session_request(session_of(held), &capacity);
    return capacity == api_capacity() ? buffer : NULL;
}

sipc_status api_held_call(struct held *held, uint32_t message_id, uint32_t size,
                          uint64_t timeout_ns, const uint8_t **response, uint32_t *response_size) {
    const void *data;
    sipc_status status =
        sipc_session_call(session_of(held), message_id, size, timeout_ns, &data, response_size);
    *response = data;
    return status;
}

sipc_status api_held_settle(struct held *held, uint64_t timeout_ns) {
    return sipc_session_settle(session_of(held), timeout_ns);
}

void api_release(struct held *held) {
    sipc_session_release(session_of(held));
}

void api_shutdown(void) {
    sipc_host_shutdown(host);
}

void api_close(void) {
    sipc_host_close(host);
    host = NULL;
}
