// SPDX-License-Identifier: Apache-2.0
// The host's handle, and what its faces have in common: calls (host.c) and pipelines (pipeline.c).
#ifndef SIPC_INTERNAL_HOST_H
#define SIPC_INTERNAL_HOST_H

#include "errors.h"
#include "placement.h"
#include "pool.h"

struct sipc_host {
    struct sipc_region region;
    struct sipc_pool pool;
    void *pool_memory;
    uint64_t timeout_ns;
    bool resend;
    uint32_t forks;      // of the process that made it
    sipc_word shut_down; // 0; 1: somebody shuts down; 2: done
    uint32_t slots_per_worker;
    struct sipc_placement placement;
};

// SIPC_INVALID_ARGUMENT unless the handle is there and is this process's.
sipc_status sipc_host_check(const sipc_host *host);

static inline struct sipc_deadline sipc_host_deadline(const struct sipc_host *host,
                                                      uint64_t timeout_ns) {
    return sipc_deadline_after(timeout_ns == SIPC_DEFAULT_TIMEOUT ? host->timeout_ns : timeout_ns);
}

static inline sipc_status sipc_host_closed(void) {
    return sipc_fail(SIPC_CLOSED, "the host was shut down");
}

// Why sipc_caller_may() said no; SIPC_OK if it may after all.
SIPC_SELDOM sipc_status sipc_session_refuse(struct sipc_session *session, uint32_t message_id,
                                            uint32_t size);

#endif
