// SPDX-License-Identifier: Apache-2.0
// Pipelines of whoever calls: a host through its slots, a guest through those that it has claimed.
#ifndef SIPC_INTERNAL_PIPELINE_H
#define SIPC_INTERNAL_PIPELINE_H

#include "calls.h"

struct sipc_pipelining {
    uint32_t first_slot; // in the pool, or SIPC_ANY_SLOT
    uint32_t depth;
    uint64_t timeout_ns; // for the slots
    sipc_completed completed;
    void *context;
};

sipc_status sipc_calls_open_pipeline(struct sipc_calls *calls, const struct sipc_pipelining *wish,
                                     sipc_pipeline **pipeline);

#endif
