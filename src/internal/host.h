// SPDX-License-Identifier: Apache-2.0
// The host's handle, and what its faces have in common: its life (host.c), calls (calls.c),
// pipelines (pipeline.c), and what it serves (serving.c).
#ifndef SIPC_INTERNAL_HOST_H
#define SIPC_INTERNAL_HOST_H

#include "calls.h"
#include "errors.h"
#include "placement.h"
#include "service.h"

// How a host answers its guests.
enum sipc_serving { SIPC_NOT_SERVING, SIPC_SERVED_BY_WORKERS, SIPC_SERVED_BY_POLLS };

struct sipc_host {
    struct sipc_region region;
    struct sipc_calls calls;                // through the host slots
    struct sipc_service service;            // of the guest slots
    _Atomic(struct sipc_streams *) streams; // served there beside the handler; NULL: none are
    sipc_word serving;                      // enum sipc_serving
    sipc_word lock;                         // guards the beginning and the end of serving
    uint32_t forks;                         // of the process that made it
    sipc_word shut_down;                    // 0; 1: somebody shuts down; 2: done
    uint32_t slots_per_worker;              // of its guests, as far as placement goes
    struct sipc_placement placement;
};

// SIPC_INVALID_ARGUMENT unless the handle is there and is this process's.
sipc_status sipc_host_check(const sipc_host *host);

static inline struct sipc_streams *sipc_host_streams(const struct sipc_host *host) {
    return atomic_load_explicit(&host->streams, memory_order_acquire);
}

static inline sipc_status sipc_host_closed(void) {
    return sipc_fail(SIPC_CLOSED, "the host was shut down");
}

// Ends what the host serves: handlers that run are not waited for.
void sipc_host_stop_serving(struct sipc_host *host);

#endif
