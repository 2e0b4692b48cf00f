// SPDX-License-Identifier: Apache-2.0
// A slot in private memory, each part of exactly its size, and both sides of it played by hand.
#ifndef SIPC_TESTS_SLOT_BY_HAND_H
#define SIPC_TESTS_SLOT_BY_HAND_H

#include "internal/caller.h"
#include "internal/responder.h"

struct slot_by_hand {
    struct sipc_slot slot;
    struct sipc_os_object object;    // on which the claims are looked at
    struct sipc_os_object responder; // on which the responder's claim is held
};

// The events do what the fake system says; use_real_events() replaces them.
void slot_by_hand_make(struct slot_by_hand *made, uint32_t index, uint32_t request_capacity,
                       uint32_t response_capacity);
void slot_by_hand_free(struct slot_by_hand *made);
void slot_by_hand_use_real_events(struct slot_by_hand *made);
// A responder lives, or does not, as far as the system knows.
void slot_by_hand_claim(struct slot_by_hand *made, bool claimed);

// No spinning, the given number of yields, then sleep; on the fake system.
extern const sipc_word never_interrupted;
void caller_by_steps(struct sipc_caller *caller, const struct slot_by_hand *slot, uint32_t yields,
                     const sipc_word *interrupt);

// A response, as the responder writes it. In the turn line it has no status, no message id, and
// only the low 7 bits of its size.
struct answer_by_hand {
    uint32_t generation;
    uint64_t transport_id;
    uint32_t size;
    uint32_t message_id;
    uint32_t status;
    const void *payload; // NULL: none is written, whatever size says
};

// In the turn line, with the id's complement; in the responder line, with the id itself.
void answer_in_turn_line(const struct sipc_slot *slot, const struct answer_by_hand *answer);
void answer_in_responder_line(const struct sipc_slot *slot, const struct answer_by_hand *answer);
// The answer that the request now in the slot asks for.
struct answer_by_hand right_answer(const struct sipc_slot *slot, const void *payload,
                                   uint32_t size);

// A request, as the caller writes it; tiny if size and message id allow.
void request_by_hand(const struct sipc_slot *slot, uint32_t generation, uint32_t message_id,
                     const void *payload, uint32_t size);
// Its transport id: of one that is not tiny, and of a tiny one with what the message adds.
uint64_t id_by_hand(const struct sipc_slot *slot, uint64_t count);
uint64_t tiny_id_by_hand(const struct sipc_slot *slot, uint64_t count, uint32_t message_id,
                         uint32_t size);

#endif
