// SPDX-License-Identifier: Apache-2.0
#include "pipeliner.h"

#include <stddef.h>

static sipc_guest *guest;
static sipc_pipeline *pipeline;

static void hear(void *context, const sipc_completion *completion) {
    (void)context;
    pipeliner_told(completion->tag, completion->status, completion->response,
                   completion->response_size);
}

sipc_status pipeliner_open(const char *name, uint32_t depth) {
    const sipc_guest_options options = {.calls_only = 1, .call_slots = depth};
    sipc_status status = sipc_guest_attach(name, &options, &guest);
    if (status) return status;
    return sipc_guest_pipeline_open(guest, depth, SIPC_DEFAULT_TIMEOUT, hear, NULL, &pipeline);
}

sipc_status pipeliner_submit(uint32_t message_id, const void *request, uint32_t size,
                             uint64_t tag) {
    return sipc_pipeline_submit(pipeline, message_id, request, size, SIPC_DEFAULT_TIMEOUT, tag);
}

uint32_t pipeliner_in_flight(void) {
    return sipc_pipeline_in_flight(pipeline);
}

sipc_status pipeliner_reap(void) {
    return sipc_pipeline_reap(pipeline, 0, SIPC_FOREVER, NULL);
}

void pipeliner_close(void) {
    sipc_pipeline_close(pipeline);
    sipc_guest_detach(guest);
}
