// SPDX-License-Identifier: Apache-2.0
#include "internal/doorbell.h"

static void wake(const struct sipc_event *event, sipc_word *word) {
    event->backend->wake(event->handle, word);
}

// Barrier: who loads the count and then looks at its slots sees what was published before this.
static void ring_bell(const struct sipc_event *event, sipc_word *bell) {
    sipc_add_barrier(bell, 1);
    wake(event, bell);
}

// NULL: the peer wrote a slot that there is not.
static const struct sipc_slot *lead_of(const struct sipc_slot *slot, uint32_t waiting) {
    uint32_t lead = waiting - SIPC_WAITING_FIRST_LEAD;
    return lead < slot->count ? slot - slot->index + lead : NULL;
}

void sipc_ring_responder(const struct sipc_slot *slot, uint32_t waiting) {
    if (waiting < SIPC_WAITING_FIRST_LEAD) {
        wake(&slot->wakes_responder, &slot->turn->caller_state);
        return;
    }
    const struct sipc_slot *lead = lead_of(slot, waiting);
    if (lead) ring_bell(&lead->wakes_responder, &lead->annex->responder_bell);
}

void sipc_ring_caller(const struct sipc_slot *slot, uint32_t waiting) {
    if (waiting < SIPC_WAITING_FIRST_LEAD) {
        wake(&slot->wakes_caller, &slot->responder->state);
        return;
    }
    const struct sipc_slot *lead = lead_of(slot, waiting);
    if (lead) ring_bell(&lead->wakes_caller, &lead->annex->caller_bell);
}
