// SPDX-License-Identifier: Apache-2.0
// A guest of the process tests that calls its host, over the C API. Its "slots" are as many guest
// slots as it claims; which one a call goes through cannot be chosen.
#include <stddef.h>

#include "host_api.h"

static sipc_guest *guest;
static uint32_t capacity;

static sipc_status learn_capacity(void) {
    sipc_session *session;
    sipc_status status = sipc_guest_acquire(guest, SIPC_FOREVER, &session);
    if (status) return status;
    sipc_session_request(session, &capacity);
    sipc_session_release(session);
    return SIPC_OK;
}

sipc_status api_open(const char *name, uint32_t slots, uint32_t data_size, sipc_backend backend) {
    (void)data_size;
    (void)backend;
    const sipc_guest_options options = {
        .calls_only = 1, .call_slots = slots, .pass_deadlines = getenv("PASS_DEADLINES") != NULL};
    sipc_status status = sipc_guest_attach(name, &options, &guest);
    return status ? status : learn_capacity();
}

uint32_t api_capacity(void) {
    return capacity;
}

uint32_t api_slots(void) {
    return sipc_guest_call_slots(guest);
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
        .resend = 1, // to nobody: there is one host
    };
    sipc_status status = sipc_guest_call(guest, &call);
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
    (void)slot;
    sipc_session *session;
    sipc_status status = sipc_guest_acquire(guest, timeout_ns, &session);
    *held = (struct held *)session;
    return status;
}

uint32_t api_held_slot(const struct held *held) {
    return sipc_session_slot((const sipc_session *)held);
}

uint8_t *api_held_buffer(struct held *held) {
    return sipc_session_request(session_of(held), NULL);
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
    sipc_guest_stop(guest);
}

void api_close(void) {
    sipc_guest_detach(guest);
    guest = NULL;
}
