// SPDX-License-Identifier: Apache-2.0
// A handler for each message id.
#include <stdlib.h>
#include <string.h>

#include "internal/errors.h"

struct sipc_dispatcher {
    uint32_t count;
    sipc_route routes[]; // by message id, each once
};

static int by_message_id(const void *one, const void *other) {
    const sipc_route *a = one, *b = other;
    return a->message_id < b->message_id ? -1 : a->message_id > b->message_id;
}

static sipc_status check_route(const sipc_route *route) {
    if (!route->handler)
        return sipc_fail(SIPC_INVALID_ARGUMENT, "the handler of message id %u is NULL",
                         route->message_id);
    if (route->message_id != SIPC_MESSAGE_NORMAL && route->message_id < SIPC_MESSAGE_FIRST_USER)
        return sipc_fail(SIPC_BAD_MESSAGE_ID,
                         "the message id %u never reaches a handler; use 0 or 128 and above",
                         route->message_id);
    return SIPC_OK;
}

static sipc_status check_routes(const sipc_route *routes, uint32_t count) {
    if (!routes || count == 0)
        return sipc_fail(SIPC_INVALID_ARGUMENT, "there is no route; name at least one handler");
    for (uint32_t i = 0; i < count; i++) {
        sipc_status status = check_route(&routes[i]);
        if (status) return status;
    }
    return SIPC_OK;
}

// Of routes in order.
static sipc_status check_unique(const sipc_dispatcher *dispatcher) {
    for (uint32_t i = 1; i < dispatcher->count; i++)
        if (dispatcher->routes[i].message_id == dispatcher->routes[i - 1].message_id)
            return sipc_fail(SIPC_INVALID_ARGUMENT,
                             "the message id %u has two handlers; name one of them",
                             dispatcher->routes[i].message_id);
    return SIPC_OK;
}

sipc_status sipc_dispatcher_create(const sipc_route *routes, uint32_t count,
                                   sipc_dispatcher **dispatcher) {
    if (!dispatcher)
        return sipc_fail(SIPC_INVALID_ARGUMENT, "dispatcher is NULL; pass where to put the handle");
    *dispatcher = NULL;
    sipc_status status = check_routes(routes, count);
    if (status) return status;
    sipc_dispatcher *made = malloc(sizeof *made + count * sizeof made->routes[0]);
    if (!made) return sipc_fail(SIPC_OUT_OF_MEMORY, "no memory for %u routes", count);
    made->count = count;
    memcpy(made->routes, routes, count * sizeof made->routes[0]);
    qsort(made->routes, count, sizeof made->routes[0], by_message_id);
    status = check_unique(made);
    if (status)
        free(made);
    else
        *dispatcher = made;
    return status;
}

sipc_status sipc_dispatch(void *given, const sipc_request *request, sipc_response *response) {
    const sipc_dispatcher *dispatcher = given;
    uint32_t first = 0, end = dispatcher->count;
    while (first < end) {
        uint32_t middle = first + (end - first) / 2;
        const sipc_route *route = &dispatcher->routes[middle];
        if (route->message_id == request->message_id)
            return route->handler(route->context, request, response);
        if (route->message_id < request->message_id)
            first = middle + 1;
        else
            end = middle;
    }
    return SIPC_UNKNOWN_MESSAGE;
}

void sipc_dispatcher_free(sipc_dispatcher *dispatcher) {
    free(dispatcher);
}
