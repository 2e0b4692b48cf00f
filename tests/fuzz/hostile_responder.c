// SPDX-License-Identifier: Apache-2.0
// A caller exchanges with a responder that writes whatever it likes, at each step of the caller's
// wait. Every call ends by its deadline, and no byte outside of the slot is touched.
#include <string.h>

#include "fake_system.h"
#include "slot_by_hand.h"
#include "writes.h"

#define CAPACITY 80u

static struct slot_by_hand made;
static struct writes writes;
static uint32_t sum;

static void write_something(unsigned turn) {
    (void)turn;
    const struct part parts[] = {{made.slot.responder, sizeof *made.slot.responder},
                                 {made.slot.turn, sizeof *made.slot.turn},
                                 {made.slot.owner, sizeof *made.slot.owner},
                                 {made.slot.response, CAPACITY},
                                 {made.slot.request, CAPACITY}};
    // Some writes are the right answer, or its beginning.
    if (writes.left > 0 && writes.input[0] % 8 == 7) {
        struct answer_by_hand right = right_answer(&made.slot, NULL, next_number(&writes) % 120);
        if (right.size & 1)
            answer_in_turn_line(&made.slot, &right);
        else
            answer_in_responder_line(&made.slot, &right);
    }
    next_write(&writes, parts, sizeof parts / sizeof parts[0]);
}

static void check(sipc_status status, const struct sipc_answer *answer) {
    if (answer->data == NULL) {
        must_hold(answer->size == 0, "no payload without a place");
        must_hold(status != SIPC_OK, "a success has a response");
        return;
    }
    must_hold(answer->size <= CAPACITY, "the response is in its room");
    bool tiny = answer->data == made.slot.turn->tiny_payload;
    must_hold(tiny || answer->data == made.slot.response, "the response is in the slot");
    must_hold(!tiny || answer->size <= SIPC_TINY_CAPACITY, "a tiny response is tiny");
    for (uint32_t i = 0; i < answer->size; i++) sum += answer->data[i];
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size) {
    writes = (struct writes){.input = input, .left = size};
    fake_reset();
    slot_by_hand_make(&made, 0, CAPACITY, CAPACITY);
    slot_by_hand_claim(&made, true);
    fake.tick = 1;
    fake.on_yield = write_something;
    fake.on_sleep = write_something;
    fake.on_wake = write_something;
    uint32_t plan = next_number(&writes);
    struct sipc_caller caller;
    caller_by_steps(&caller, &made, plan % 4, &never_interrupted);
    const uint8_t payload[CAPACITY] = {1, 2, 3};
    for (uint32_t i = 0; i < 6; i++) {
        struct sipc_deadline settle_by = sipc_deadline_after(30);
        if (sipc_caller_settle(&caller, false, &settle_by) != SIPC_WAIT_READY) break;
        struct sipc_answer answer = {.data = NULL};
        struct sipc_deadline deadline = sipc_deadline_after(60);
        uint32_t length = (plan >> 2) * (i + 1) % (CAPACITY + 1);
        uint32_t message_id = plan >> i & 4 ? SIPC_MESSAGE_FIRST_USER : SIPC_MESSAGE_NORMAL;
        check(sipc_caller_exchange(&caller, message_id, payload, length, &deadline, &answer),
              &answer);
    }
    sipc_caller_close(&caller);
    slot_by_hand_free(&made);
    return 0;
}
