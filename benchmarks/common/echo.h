// SPDX-License-Identifier: Apache-2.0
// The library's handler of the benchmark, whichever side answers: it does what the bare server does
// with a request, with the same copies.
#ifndef BENCH_ECHO_H
#define BENCH_ECHO_H

#include <stdbool.h>

#include "simpleipc/simpleipc.h"

// Of this thread, with room for the largest payload each; made by the first call.
struct echo_buffers {
    unsigned char *request, *response;
};
// NULL in both: no memory.
struct echo_buffers echo_private_buffers(void);

// In moves of the same widths as those by which the request came: a load that spans two stores
// waits until both are in the cache, behind all that was stored before them.
void echo_copy(const void *request, void *response, uint32_t size);

// Before the first request: see writes_through in control.h.
void echo_write_through(bool through);
// A sipc_handler.
sipc_status echo_answer(void *context, const sipc_request *request, sipc_response *response);

#endif
