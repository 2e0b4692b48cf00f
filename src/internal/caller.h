// SPDX-License-Identifier: Apache-2.0
// The caller's role of one slot (spec 4). Used by whoever calls: the host in a host slot.
// One thread at a time; who that is, is decided outside.
#ifndef SIPC_INTERNAL_CALLER_H
#define SIPC_INTERNAL_CALLER_H

#include "region.h"
#include "wait.h"

struct sipc_caller {
    const struct sipc_slot *slot;
    uint64_t requests;     // made so far: the low part of the transport id
    uint64_t transport_id; // of the last request; our own copy
    uint32_t generation;   // of the last request
    uint32_t stale[2];     // generations that the two response words may still show
    uint32_t last_size;    // of the last response that was not tiny: the guess for the next one
    bool tiny;             // that request was a tiny one: its response may stand in the turn line
    bool damaged;          // its own word was found changed by others: nothing there tells its fate
    bool abandoned;        // given up, and maybe still in its handler: the slot is out of use
    bool wants_service;    // what sipc_caller_settle() waits for
    struct sipc_waiter waiter;
};

// A response that stands in the slot, checked.
struct sipc_answer {
    const uint8_t *data;
    uint32_t size;
    uint32_t message_id;
};

void sipc_caller_init(struct sipc_caller *caller, const struct sipc_slot *slot,
                      const sipc_wait_policy *policy, const sipc_word *interrupt);

// Whether the application may send this message id. SIPC_BAD_MESSAGE_ID.
sipc_status sipc_caller_check(const struct sipc_caller *caller, uint32_t message_id,
                              uint32_t request_size);

// Whether the slot can take a request now: nothing of an earlier one is left in it.
bool sipc_caller_usable(struct sipc_caller *caller);
// Whether a responder says that it serves the slot.
static inline bool sipc_caller_attended(const struct sipc_caller *caller) {
    return (sipc_load_acquire(&caller->slot->responder->state) & SIPC_FLAG_ATTENDED) != 0;
}
// Waits until the slot can take a request and, if asked for, is served.
enum sipc_wait_result sipc_caller_settle(struct sipc_caller *caller, bool served,
                                         struct sipc_deadline *deadline);

// Publishes a request and waits for the response. The payload is copied, or stands in the slot's
// request buffer already. Precondition: sipc_caller_check() and sipc_caller_usable() said yes.
sipc_status sipc_caller_exchange(struct sipc_caller *caller, uint32_t message_id,
                                 const void *payload, uint32_t size, struct sipc_deadline *deadline,
                                 struct sipc_answer *answer);

// Leaves the slot for good; a responder that waits there is told.
void sipc_caller_close(struct sipc_caller *caller);

#endif
