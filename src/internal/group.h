// SPDX-License-Identifier: Apache-2.0
// The responders of one worker: slots next to each other in an array, for which it sleeps once
// (spec 7.1). A group of one is a responder alone and sleeps on its slot's own event.
#ifndef SIPC_INTERNAL_GROUP_H
#define SIPC_INTERNAL_GROUP_H

#include "responder.h"

struct sipc_group {
    struct sipc_responder *responders; // the first leads
    uint32_t count;
    uint32_t next;  // where the next request is expected
    uint32_t aside; // where else to look
    struct sipc_last_answer last;
};

// The responders are initialised and stay where they are.
void sipc_group_init(struct sipc_group *group, struct sipc_responder *responders, uint32_t count);

// Waits until the caller's word of one of the slots changes: of *ready.
enum sipc_wait_result sipc_group_wait(struct sipc_group *group, struct sipc_responder **ready);

// Answers the request of one of them, as sipc_responder_serve().
static inline enum sipc_served sipc_group_serve(struct sipc_group *group,
                                                struct sipc_responder *responder,
                                                sipc_handler handler, void *context) {
    return group->count == 1
               ? sipc_responder_serve(responder, handler, context)
               : sipc_responder_serve_one_of_many(responder, handler, context, &group->last);
}

static inline struct sipc_waiter *sipc_group_waiter(const struct sipc_group *group) {
    return &group->responders[0].waiter;
}

#endif
