// SPDX-License-Identifier: Apache-2.0
#include "echo.h"

#include <stdalign.h>
#include <stdlib.h>

#include "../../experiments/pingpong/bare.h"
#include "control.h"

void echo_copy(const void *request, void *response, uint32_t size) {
    bare_copy(response, request, size);
}

// Private buffers. Not on the stack: each thread's own, once it has served a request.
static _Thread_local struct echo_buffers own;

struct echo_buffers echo_private_buffers(void) {
    if (own.request) return own;
    own.request = aligned_alloc(4096, 2 * BARE_MAX_SIZE);
    if (!own.request) return own;
    memset(own.request, 0, 2 * BARE_MAX_SIZE);
    own.response = own.request + BARE_MAX_SIZE;
    return own;
}

static bool writes_through;

void echo_write_through(bool through) {
    writes_through = through;
}

// Called through a variable, as the bare server calls its handler.
static bare_handler *volatile handler = echo_copy;

sipc_status echo_answer(void *context, const sipc_request *request, sipc_response *response) {
    uint32_t size = request->size;
    (void)context;
    if (size > response->capacity || size > BARE_MAX_SIZE) return SIPC_RESPONSE_TOO_LARGE;
    response->size = size;
    if (request->message_id == BENCH_MESSAGE_IN_PLACE) {
        handler(request->data, response->data, size);
        return SIPC_OK;
    }
    if (!own.request && !echo_private_buffers().request) return SIPC_OUT_OF_MEMORY;
    bare_copy(own.request, request->data, size);
    if (writes_through) {
        handler(own.request, response->data, size);
        return SIPC_OK;
    }
    handler(own.request, own.response, size);
    bare_copy(response->data, own.response, size);
    return SIPC_OK;
}
