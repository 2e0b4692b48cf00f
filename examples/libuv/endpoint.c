// SPDX-License-Identifier: Apache-2.0
#include "endpoint.h"

#include <stdio.h>
#include <stdlib.h>

void must(sipc_status status) {
    if (status == SIPC_OK) return;
    fprintf(stderr, "%s\n", sipc_error_text());
    exit(1); // NOLINT(concurrency-mt-unsafe): nobody else does
}

void must_uv(int result) {
    if (result >= 0) return;
    fprintf(stderr, "libuv: %s\n", uv_strerror(result));
    exit(1); // NOLINT(concurrency-mt-unsafe): nobody else does
}

static void arm(uv_prepare_t *before_wait) {
    const struct endpoint *endpoint = before_wait->data;
    must(endpoint->arm(endpoint->handle));
}

static void take(uv_poll_t *readable, int status, int events) {
    const struct endpoint *endpoint = readable->data;
    (void)events;
    must_uv(status);
    endpoint->take(endpoint->handle);
}

void endpoint_start(struct endpoint *endpoint, uv_loop_t *loop, intptr_t descriptor) {
    must_uv(uv_prepare_init(loop, &endpoint->before_wait));
    must_uv(uv_poll_init(loop, &endpoint->readable, (int)descriptor));
    endpoint->before_wait.data = endpoint->readable.data = endpoint;
    must_uv(uv_prepare_start(&endpoint->before_wait, arm));
    must_uv(uv_poll_start(&endpoint->readable, UV_READABLE, take));
}

void endpoint_stop(struct endpoint *endpoint) {
    uv_close((uv_handle_t *)&endpoint->before_wait, NULL);
    uv_close((uv_handle_t *)&endpoint->readable, NULL);
}
