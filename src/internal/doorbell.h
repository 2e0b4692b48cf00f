// SPDX-License-Identifier: Apache-2.0
// Waking the other side of a slot, wherever its waiting word says that it sleeps (spec 7 and 7.1).
#ifndef SIPC_INTERNAL_DOORBELL_H
#define SIPC_INTERNAL_DOORBELL_H

#include "region.h"

// After the word on which it sleeps has changed, if it sleeps on this slot's own event.
void sipc_ring_responder(const struct sipc_slot *slot, uint32_t waiting);
void sipc_ring_caller(const struct sipc_slot *slot, uint32_t waiting);

#endif
