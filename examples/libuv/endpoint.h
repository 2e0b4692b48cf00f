// SPDX-License-Identifier: Apache-2.0
// An endpoint of SimpleIPC in a loop of libuv.
#ifndef EXAMPLES_LIBUV_ENDPOINT_H
#define EXAMPLES_LIBUV_ENDPOINT_H

#include <simpleipc/event_loop.h>
#include <uv.h>

// Armed whenever the loop is about to wait, taken whenever its descriptor is readable.
struct endpoint {
    sipc_status (*arm)(void *handle);
    void (*take)(void *handle);
    void *handle;
    uv_prepare_t before_wait;
    uv_poll_t readable;
};

// With arm, take and handle set. It stays where it is until the loop has ended.
void endpoint_start(struct endpoint *endpoint, uv_loop_t *loop, intptr_t descriptor);
void endpoint_stop(struct endpoint *endpoint);

// Ends the program with the text of what failed.
void must(sipc_status status);
void must_uv(int result);

#endif
