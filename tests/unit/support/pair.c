// SPDX-License-Identifier: Apache-2.0
#include "pair.h"

#include <stdlib.h>
#include <string.h>

#include "left_behind.h"

sipc_backend chosen_backend = SIPC_BACKEND_DEFAULT;

const sipc_wait_policy sleeper = {.preset = SIPC_WAIT_CUSTOM};

sipc_backend backend_of_arguments(int count, char **arguments) {
    if (count < 2) return SIPC_BACKEND_DEFAULT;
    if (strcmp(arguments[1], "futex") == 0) return SIPC_BACKEND_FUTEX;
    if (strcmp(arguments[1], "semaphore") == 0) return SIPC_BACKEND_SEMAPHORE;
    if (strcmp(arguments[1], "event") == 0) return SIPC_BACKEND_WINDOWS_EVENT;
    print_error("there is no backend \"%s\"\n", arguments[1]);
    exit(2);
}

sipc_host *open_host(const char *name, uint32_t slots, uint32_t data_size,
                     const sipc_wait_policy *wait) {
    sipc_host_options options = {.backend = chosen_backend};
    if (wait) options.wait = *wait;
    sipc_host *host;
    assert_int_equal(sipc_host_create(name, slots, data_size, &options, &host), SIPC_OK);
    return host;
}

sipc_guest *attach_guest(const char *name, uint32_t workers) {
    const sipc_guest_options options = {.workers = workers};
    sipc_guest *guest;
    assert_int_equal(sipc_guest_attach(name, &options, &guest), SIPC_OK);
    return guest;
}

void pair_open(struct pair *pair, uint32_t slots, uint32_t data_size, const sipc_wait_policy *wait,
               sipc_handler handler, void *context) {
    pair->name = fresh_name();
    pair->host = open_host(pair->name, slots, data_size, wait);
    sipc_guest_options options = {.attach_timeout_ns = 0};
    if (wait) options.wait = *wait;
    assert_int_equal(sipc_guest_attach(pair->name, &options, &pair->guest), SIPC_OK);
    assert_int_equal(sipc_guest_slots(pair->guest), slots);
    assert_int_equal(sipc_guest_start(pair->guest, handler, context), SIPC_OK);
}

void pair_close(struct pair *pair) {
    sipc_host_close(pair->host);
    assert_int_equal(sipc_guest_detach(pair->guest), SIPC_OK);
}

sipc_status call_with(sipc_host *host, const void *request, uint32_t size, uint64_t timeout_ns) {
    sipc_call call = {.request = request, .request_size = size, .timeout_ns = timeout_ns};
    return sipc_host_call(host, &call);
}

void give_up_in_handler(sipc_status (*attempt)(void *context, uint64_t timeout_ns), void *context,
                        uint64_t first_timeout_ns, struct gate *entered) {
    bool is_in = false;
    for (uint64_t timeout = first_timeout_ns; !is_in; timeout *= 2) {
        const sipc_status status = attempt(context, timeout);
        const bool may_enter = status == SIPC_TIMEOUT_MAYBE_EXECUTED;
        if (!may_enter && status != SIPC_TIMEOUT && status != SIPC_ALL_SLOTS_BUSY)
            fail_msg("a call to be given up ended with %s", sipc_status_name(status));
        is_in = gate_pass_within(entered, may_enter ? 1000 : 0);
    }
}

sipc_status echo(void *context, const sipc_request *request, sipc_response *response) {
    (void)context;
    response->size = request->size;
    if (request->size <= response->capacity) memcpy(response->data, request->data, request->size);
    return SIPC_OK;
}

sipc_status nod(void *context, const sipc_request *request, sipc_response *response) {
    (void)context;
    (void)request;
    response->size = 0;
    return SIPC_OK;
}
