// SPDX-License-Identifier: Apache-2.0
// A responder takes a slot over from whoever was there and serves a caller that writes whatever it
// likes, also while the handler runs. The handler gets only what has its room, and no byte outside
// of the slot is touched.
#include <string.h>

#include "fake_system.h"
#include "slot_by_hand.h"
#include "writes.h"

#define CAPACITY 80u

static struct slot_by_hand made;
static struct writes writes;
static sipc_word leave;
static uint32_t sum;

static void write_something(unsigned turn) {
    const struct part parts[] = {{made.slot.turn, sizeof *made.slot.turn},
                                 {made.slot.responder, sizeof *made.slot.responder},
                                 {made.slot.owner, sizeof *made.slot.owner},
                                 {made.slot.request, CAPACITY},
                                 {made.slot.response, CAPACITY}};
    // Some writes are a sound request.
    if (writes.left > 0 && writes.input[0] % 8 == 7) {
        uint32_t plan = next_number(&writes);
        request_by_hand(&made.slot, plan >> 8, plan % 3 ? 128 : plan % 8, NULL,
                        plan % (CAPACITY + 1));
        // Or all but its size, if it says that in its id.
        if (plan >> 7 & 1) made.slot.turn->transport_id ^= plan >> 24 & 127;
    }
    if (!next_write(&writes, parts, sizeof parts / sizeof parts[0]) || turn > 200)
        sipc_set_bits(&leave, 1);
}

static sipc_status use_everything(void *context, const sipc_request *request,
                                  sipc_response *response) {
    (void)context;
    must_hold(request->size <= CAPACITY, "the request has its room");
    must_hold(response->capacity == CAPACITY, "the response has its room");
    must_hold(request->message_id == 0 || request->message_id >= 128, "a handler's message");
    for (uint32_t i = 0; i < request->size; i++)
        sum += ((const volatile uint8_t *)request->data)[i];
    write_something(0);
    for (uint32_t i = 0; i < request->size; i++)
        sum += ((const volatile uint8_t *)request->data)[i];
    memset(response->data, (int)sum, response->capacity);
    response->size = request->size * 2;
    response->at_end = request->size % 3 == 0;
    return request->size % 5 ? SIPC_OK : SIPC_SYSTEM;
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size) {
    writes = (struct writes){.input = input, .left = size};
    sipc_store_relaxed(&leave, 0);
    fake_reset();
    slot_by_hand_make(&made, 0, CAPACITY, CAPACITY);
    fake.on_yield = write_something;
    fake.on_sleep = write_something;
    fake.on_wake = write_something;
    uint32_t plan = next_number(&writes);
    for (uint32_t i = 0; i < plan % 8; i++) write_something(0);
    struct sipc_responder responder;
    const sipc_wait_policy policy = {.preset = SIPC_WAIT_CUSTOM, .yields = plan / 8 % 4};
    const struct sipc_owner owner = {.incarnation = 1};
    sipc_responder_init(&responder, &made.slot, &owner, &policy, &leave);
    responder.waiter.system = &fake_wait_system;
    enum sipc_wait_result result = SIPC_WAIT_READY;
    for (int i = 0; i < 200 && result == SIPC_WAIT_READY; i++) {
        enum sipc_served served = sipc_responder_serve(&responder, use_everything, NULL);
        if (served == SIPC_SERVED_CLOSED) break;
        if (served == SIPC_SERVED_NOTHING) result = sipc_responder_wait(&responder);
    }
    sipc_responder_leave(&responder);
    slot_by_hand_free(&made);
    return 0;
}
