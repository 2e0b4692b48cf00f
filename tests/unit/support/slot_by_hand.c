// SPDX-License-Identifier: Apache-2.0
#include "slot_by_hand.h"

#include <string.h>

#include "fake_system.h"
#include "left_behind.h"
#include "system.h"

const sipc_word never_interrupted;

void slot_by_hand_make(struct slot_by_hand *made, uint32_t index, uint32_t request_capacity,
                       uint32_t response_capacity) {
    *made = (struct slot_by_hand){
        .slot = {.turn = allocate_lines(sizeof(struct sipc_turn_line)),
                 .responder = allocate_lines(sizeof(struct sipc_responder_line)),
                 .owner = allocate_lines(sizeof(struct sipc_owner_line)),
                 .annex = allocate_lines(sizeof(struct sipc_annex_line)),
                 .caller_counters = allocate_lines(sizeof(struct sipc_caller_block)),
                 .responder_counters = allocate_lines(sizeof(struct sipc_responder_block)),
                 .request = allocate_lines(sipc_room(request_capacity)),
                 .response = allocate_lines(sipc_room(response_capacity)),
                 .request_capacity = request_capacity,
                 .response_capacity = response_capacity,
                 .index = index,
                 .responder_claim = SIPC_CLAIM_FIRST_SLOT + index}};
    open_nameless_twice(&made->object, &made->responder);
    made->slot.object = &made->object;
    made->slot.lost = &never_interrupted;
    made->slot.wakes_caller = (struct sipc_event){.backend = &fake_backend};
    made->slot.wakes_responder = (struct sipc_event){.backend = &fake_backend};
}

void slot_by_hand_free(struct slot_by_hand *made) {
    free_lines(made->slot.turn);
    free_lines(made->slot.responder);
    free_lines(made->slot.owner);
    free_lines(made->slot.annex);
    free_lines(made->slot.caller_counters);
    free_lines(made->slot.responder_counters);
    free_lines(made->slot.request);
    free_lines(made->slot.response);
    free_real_event(&made->slot.wakes_caller);
    free_real_event(&made->slot.wakes_responder);
    close_nameless(&made->object);
    close_nameless(&made->responder);
}

void slot_by_hand_use_real_events(struct slot_by_hand *made) {
    make_real_event(&made->object, SIPC_SIDE_CALLER, &made->slot.wakes_caller);
    make_real_event(&made->object, SIPC_SIDE_RESPONDER, &made->slot.wakes_responder);
}

void slot_by_hand_claim(struct slot_by_hand *made, bool claimed) {
    uint32_t claim = made->slot.responder_claim;
    bool won = true;
    if (claimed)
        assert_int_equal(sipc_os_claim(&made->responder, claim, &won), SIPC_OK);
    else
        sipc_os_unclaim(&made->responder, claim);
    assert_true(won);
}

void caller_by_steps(struct sipc_caller *caller, const struct slot_by_hand *slot, uint32_t yields,
                     const sipc_word *interrupt) {
    const sipc_wait_policy policy = {.preset = SIPC_WAIT_CUSTOM, .yields = yields};
    sipc_caller_init(caller, &slot->slot, &policy, interrupt);
    caller->waiter.system = &fake_wait_system;
}

void answer_in_turn_line(const struct sipc_slot *slot, const struct answer_by_hand *answer) {
    struct sipc_turn_line *line = slot->turn;
    if (answer->payload) memcpy(line->tiny_payload, answer->payload, answer->size);
    line->transport_id = ~((answer->transport_id & ~UINT64_C(127)) | (answer->size & 127));
    sipc_exchange_barrier(&line->tiny_state, sipc_state(answer->generation, SIPC_CODE_RESPONSE));
}

void answer_in_responder_line(const struct sipc_slot *slot, const struct answer_by_hand *answer) {
    struct sipc_responder_line *line = slot->responder;
    if (answer->payload) memcpy(slot->response, answer->payload, answer->size);
    line->transport_id = answer->transport_id;
    line->size = answer->size;
    line->message_id = answer->message_id;
    line->status = answer->status;
    sipc_exchange_barrier(&line->state,
                          sipc_state(answer->generation, SIPC_CODE_RESPONSE | SIPC_FLAG_ATTENDED));
}

static uint32_t message_id_of_request(const struct sipc_turn_line *line) {
    if (!(sipc_load_acquire(&line->caller_state) & SIPC_FLAG_TINY)) return line->message_id;
    return line->transport_id & SIPC_TRANSPORT_ID_NAMED ? line->tiny_message_id : 0;
}

struct answer_by_hand right_answer(const struct sipc_slot *slot, const void *payload,
                                   uint32_t size) {
    uint32_t state = sipc_load_acquire(&slot->turn->caller_state);
    return (struct answer_by_hand){.generation = sipc_state_generation(state),
                                   .transport_id = slot->turn->transport_id,
                                   .size = size,
                                   .message_id = message_id_of_request(slot->turn),
                                   .status = SIPC_ANSWER_OK,
                                   .payload = payload};
}

void request_by_hand(const struct sipc_slot *slot, uint32_t generation, uint32_t message_id,
                     const void *payload, uint32_t size) {
    struct sipc_turn_line *line = slot->turn;
    bool tiny = size <= (message_id ? 44u : 48u);
    if (payload) memcpy(tiny ? line->tiny_payload : slot->request, payload, size);
    if (tiny) {
        if (message_id) line->tiny_message_id = message_id;
        line->transport_id = tiny_id_by_hand(slot, generation, message_id, size);
    } else {
        line->size = size;
        line->message_id = message_id;
        line->flags = 0;
        line->transport_id = id_by_hand(slot, generation);
    }
    uint32_t code = tiny ? SIPC_CODE_REQUEST | SIPC_FLAG_TINY : SIPC_CODE_REQUEST;
    sipc_exchange_barrier(&line->caller_state, sipc_state(generation, code));
}

uint64_t id_by_hand(const struct sipc_slot *slot, uint64_t count) {
    return (slot->index + UINT64_C(1)) << 48 | count << 7;
}

uint64_t tiny_id_by_hand(const struct sipc_slot *slot, uint64_t count, uint32_t message_id,
                         uint32_t size) {
    return id_by_hand(slot, count) | (message_id ? 64 : 0) | size;
}
