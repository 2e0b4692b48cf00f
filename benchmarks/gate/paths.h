// SPDX-License-Identifier: Apache-2.0
// The hot paths whose instructions are counted, each as a host and a guest process.
#ifndef BENCH_GATE_PATHS_H
#define BENCH_GATE_PATHS_H

#include <stdbool.h>
#include <stdint.h>

struct path {
    const char *name; // one word
    uint32_t size;    // of the request and of its response
    bool any_slot;    // sipc_host_call() instead of sipc_session_call()
    bool responder;   // the guest's path from one handler's return to the next one's beginning
};

// Each path is gone through so often: it is the least count that stands for it.
#define PATH_REPETITIONS 50

// The processes' bodies; they return their exit status.
int path_host(const char *region, const struct path *path);
int path_guest(const char *region, const struct path *path);

#endif
