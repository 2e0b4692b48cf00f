// SPDX-License-Identifier: Apache-2.0
// A thread that is stepped through takes milliseconds for what else takes nanoseconds: its peer
// has long done its part when it looks, so that the first look succeeds, and the count is the same
// each time. Both sides spin long enough for the peer not to fall asleep meanwhile.
#include "paths.h"

#include <stdio.h>
#include <string.h>

#include "simpleipc/simpleipc.h"
#include "step.h"

#define CAPACITY 4096u
#define WARM_UP_CALLS 100
#define MESSAGE_STEPPED 128u // asks the guest to be counted from its answer on

static const sipc_wait_policy patient = {
    .preset = SIPC_WAIT_CUSTOM, .spin_min = 1000000, .spin_max = 1000000, .yields = 1000};

static int failed(const char *what) {
    fprintf(stderr, "%s: %s\n", what, sipc_error_text());
    return 1;
}

// ---- The host ----------------------------------------------------------------------------------

struct caller {
    const struct path *path;
    sipc_host *host;
    sipc_session *session; // NULL: any slot
    uint8_t request[CAPACITY], response[CAPACITY];
};

static sipc_status call(struct caller *caller, uint32_t message_id) {
    if (caller->session)
        return sipc_session_call(caller->session, message_id, caller->path->size, SIPC_FOREVER,
                                 NULL, NULL);
    sipc_call call = {.message_id = message_id,
                      .timeout_ns = SIPC_FOREVER,
                      .request = caller->request,
                      .request_size = caller->path->size,
                      .response = caller->response,
                      .response_capacity = CAPACITY};
    return sipc_host_call(caller->host, &call);
}

static sipc_status call_and_count(struct caller *caller) {
    step_stop();
    step_begin();
    sipc_status status = call(caller, SIPC_MESSAGE_NORMAL);
    step_end();
    return status;
}

static sipc_status go_through(struct caller *caller) {
    bool responder = caller->path->responder;
    sipc_status status = SIPC_OK;
    for (int i = 0; i < WARM_UP_CALLS && status == SIPC_OK; i++)
        status = call(caller, SIPC_MESSAGE_NORMAL);
    for (int i = 0; i < PATH_REPETITIONS && status == SIPC_OK; i++) {
        // The one before wakes the worker, or asks it to be counted until the next one.
        status = call(caller, responder ? MESSAGE_STEPPED : SIPC_MESSAGE_NORMAL);
        if (status == SIPC_OK)
            status = responder ? call(caller, SIPC_MESSAGE_NORMAL) : call_and_count(caller);
    }
    return status;
}

int path_host(const char *region, const struct path *path) {
    static struct caller caller;
    sipc_host_options options = {.wait = patient};
    caller.path = path;
    if (!path->responder) step_allow();
    if (sipc_host_create(region, 1, 2 * CAPACITY, &options, &caller.host) != SIPC_OK)
        return failed("creating the region");
    if (!path->any_slot &&
        sipc_host_acquire(caller.host, 0, SIPC_FOREVER, &caller.session) != SIPC_OK)
        return failed("acquiring the slot");
    int result = go_through(&caller) == SIPC_OK ? 0 : failed("a call");
    sipc_session_release(caller.session);
    sipc_host_close(caller.host);
    return result;
}

// ---- The guest ---------------------------------------------------------------------------------

static sipc_status echo(void *context, const sipc_request *request, sipc_response *response) {
    static _Thread_local bool allowed;
    const struct path *path = context;
    step_end();
    memcpy(response->data, request->data, request->size);
    response->size = request->size;
    if (path->responder && !allowed) step_allow();
    allowed = true;
    if (request->message_id == MESSAGE_STEPPED) {
        step_stop();
        step_begin();
    }
    return SIPC_OK;
}

int path_guest(const char *region, const struct path *path) {
    sipc_guest *guest;
    sipc_guest_options options = {.wait = patient};
    if (sipc_guest_attach(region, &options, &guest) != SIPC_OK) return failed("attaching");
    if (sipc_guest_start(guest, echo, (void *)(uintptr_t)path) != SIPC_OK)
        return failed("starting the worker");
    if (sipc_guest_wait(guest) != SIPC_OK) return failed("waiting");
    return sipc_guest_detach(guest) == SIPC_OK ? 0 : failed("detaching");
}
