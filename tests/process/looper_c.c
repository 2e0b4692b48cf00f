// SPDX-License-Identifier: Apache-2.0
// A pipeliner that waits in a loop of epoll: a guest that calls its host, or, where LOOPER_IS_HOST
// is defined, a host that calls its guests.
#include <simpleipc/event_loop.h>
#include <stddef.h>

#include "epoll_loop.h"
#include "pipeliner.h"

static sipc_pipeline *pipeline;

static void hear(void *context, const sipc_completion *completion) {
    (void)context;
    pipeliner_told(completion->tag, completion->status, completion->response,
                   completion->response_size);
}

#ifdef LOOPER_IS_HOST

static sipc_host *host;

static sipc_status open_pipeline(const char *name, uint32_t depth) {
    sipc_status status = sipc_host_create(name, depth, 8192, NULL, &host);
    if (status) return status;
    return sipc_pipeline_open(host, 0, depth, SIPC_DEFAULT_TIMEOUT, hear, NULL, &pipeline);
}

static void close_all(void) {
    sipc_pipeline_close(pipeline);
    sipc_host_close(host);
}

#else

static sipc_guest *guest;

static sipc_status open_pipeline(const char *name, uint32_t depth) {
    const sipc_guest_options options = {.calls_only = 1, .call_slots = depth};
    sipc_status status = sipc_guest_attach(name, &options, &guest);
    if (status) return status;
    return sipc_guest_pipeline_open(guest, depth, SIPC_DEFAULT_TIMEOUT, hear, NULL, &pipeline);
}

static void close_all(void) {
    sipc_pipeline_close(pipeline);
    sipc_guest_detach(guest);
}

#endif

sipc_status pipeliner_open(const char *name, uint32_t depth) {
    intptr_t descriptor;
    sipc_status status = open_pipeline(name, depth);
    if (!status) status = sipc_pipeline_descriptor(pipeline, &descriptor);
    if (!status) epoll_loop_open(descriptor);
    return status;
}

sipc_status pipeliner_submit(uint32_t message_id, const void *request, uint32_t size,
                             uint64_t tag) {
    return sipc_pipeline_submit(pipeline, message_id, request, size, SIPC_DEFAULT_TIMEOUT, tag);
}

uint32_t pipeliner_in_flight(void) {
    return sipc_pipeline_in_flight(pipeline);
}

// It may be readable without cause.
sipc_status pipeliner_reap(void) {
    uint32_t reaped = 0;
    sipc_status status = SIPC_OK;
    while (!status && !reaped && pipeliner_in_flight() > 0) {
        status = sipc_pipeline_arm(pipeline);
        if (status) break;
        epoll_loop_wait();
        status = sipc_pipeline_reap(pipeline, 0, 0, &reaped);
    }
    return status;
}

void pipeliner_close(void) {
    close_all();
    epoll_loop_close();
}
