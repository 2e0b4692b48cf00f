// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "callers.h"
#include "simpleipc/stream.h"

struct flow {
    struct message *message;
    uint64_t left;
};

static sipc_status source(void *context, void *buffer, uint32_t capacity, uint32_t *size,
                          uint32_t *last) {
    struct flow *flow = context;
    *size = flow->left < capacity ? (uint32_t)flow->left : capacity;
    memcpy(buffer, message_next(flow->message, *size), *size);
    flow->left -= *size;
    *last = flow->left == 0;
    return SIPC_OK;
}

static sipc_status sink(void *context, const void *piece, uint32_t size) {
    struct flow *flow = context;
    memcpy(message_next(flow->message, size), piece, size);
    flow->left -= size;
    return SIPC_OK;
}

bool call_by_c(struct pair *pair, struct message *message, bool gives, uint64_t total) {
    struct flow flow = {message, total};
    sipc_stream_call call = {.message_id = gives ? STREAM_GIVE : STREAM_TAKE,
                             .source = gives ? NULL : source,
                             .request = gives ? &total : NULL,
                             .request_size = gives ? sizeof total : total,
                             .sink = sink,
                             .context = &flow};
    return sipc_host_stream(pair->host, &call) == SIPC_OK && flow.left == 0;
}
