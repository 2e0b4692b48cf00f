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
    const struct sipc_guest_name *guest; // NULL: whoever serves
};

sipc_status sipc_calls_open_pipeline(struct sipc_calls *calls, const struct sipc_pipelining *wish,
                                     sipc_pipeline **pipeline);

// Ends the wait in sipc_pipeline_reap() that the owner's thread is in, and each later one at once.
// From any thread.
void sipc_pipeline_rouse(sipc_pipeline *pipeline);
// Whether that is so (acquire).
bool sipc_pipeline_is_roused(const sipc_pipeline *pipeline);
// By the owner, before it looks what it was roused for: it may wait again.
void sipc_pipeline_forget_rouse(sipc_pipeline *pipeline);

// Of any thread: what sipc_pipeline_submit() would say of such a request, and when it would end.
sipc_status sipc_pipeline_check(const sipc_pipeline *pipeline, uint32_t message_id, uint32_t size);
uint64_t sipc_pipeline_end_after(const sipc_pipeline *pipeline, uint64_t timeout_ns);

// Lets the message ids of streams through, to the responder that serves its slots now. False, and
// it does not: they are not all served by one, as a stream's must be (spec 13.2).
bool sipc_pipeline_carry_streams(sipc_pipeline *pipeline);
// Whether that responder still serves them all. Asked after a submission: who dies later ends what
// was submitted. A request to a slot that it has left would wait for somebody to come.
bool sipc_pipeline_reaches_stream(const sipc_pipeline *pipeline);
// The longest row of slots, of so many at most, that one responder serves. Returns how many.
uint32_t sipc_calls_slots_of_one(const struct sipc_calls *calls, uint32_t most, uint32_t *first);

#endif
