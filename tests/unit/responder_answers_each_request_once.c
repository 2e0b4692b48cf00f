// SPDX-License-Identifier: Apache-2.0
// Promise: the responder hands each sound request to its handler once, answers every other without
// it, puts the response where the spec says, and takes over what a dead one left (spec 2.3, 4, 5,
// 6, 8, 9). The caller is played by hand.
#include <simpleipc/pending.h>
#include <string.h>
#include <unistd.h>

#include "fake_system.h"
#include "left_behind.h"
#include "slot_by_hand.h"

#define CAPACITY 200u
#define SLOT 3u
#define INCARNATION UINT64_C(0x1234567887654321)

static struct slot_by_hand made;
static struct sipc_responder responder;
static uint8_t bytes[CAPACITY];
// What the handler saw, and what it is to do.
static struct {
    unsigned calls;
    sipc_request request;
    uint8_t payload[CAPACITY];
    uint32_t started; // the mark while it ran
    uint32_t answer_size;
    sipc_status status;
    bool lies; // about its response's place
} handler;

static sipc_status handle(void *context, const sipc_request *request, sipc_response *response) {
    assert_ptr_equal(context, &handler);
    handler.calls++;
    handler.request = *request;
    memcpy(handler.payload, request->data, request->size);
    handler.started = sipc_load_relaxed(&made.slot.owner->started);
    assert_int_equal(response->capacity, CAPACITY);
    assert_int_equal(response->size, 0);
    uint8_t *data = response->data;
    for (uint32_t i = 0; i < handler.answer_size && i < CAPACITY; i++)
        data[i] = (uint8_t)(i * 5 + 2);
    response->size = handler.answer_size;
    if (handler.lies) {
        response->capacity = UINT32_MAX;
        response->data = NULL;
    }
    return handler.status;
}

static void make_slot(void) {
    fake_reset();
    memset(&handler, 0, sizeof handler);
    slot_by_hand_make(&made, SLOT, CAPACITY, CAPACITY);
}

static void attend(void) {
    const sipc_wait_policy policy = {.preset = SIPC_WAIT_CUSTOM};
    const struct sipc_owner owner = {.incarnation = INCARNATION, .process = sipc_os_this_process()};
    sipc_responder_init(&responder, &made.slot, &owner, &policy, &never_interrupted);
    responder.waiter.system = &fake_wait_system;
}

static void make_another_slot(void) {
    slot_by_hand_free(&made);
    make_slot();
}

static int begin(void **state) {
    note_what_exists(state);
    make_slot();
    for (uint32_t i = 0; i < CAPACITY; i++) bytes[i] = (uint8_t)(i * 7 + 1);
    return 0;
}

static int end(void **state) {
    slot_by_hand_free(&made);
    return nothing_is_left_behind(state);
}

static enum sipc_served serve(void) {
    return sipc_responder_serve(&responder, handle, &handler);
}

static uint64_t asked_id; // of the last request, as a whole

static void ask(uint32_t generation, uint32_t message_id, uint32_t size) {
    request_by_hand(&made.slot, generation, message_id, size <= CAPACITY ? bytes : NULL, size);
    asked_id = made.slot.turn->transport_id;
}

// A request that says to be tiny, and this of itself.
static void ask_tiny(uint32_t generation, uint32_t message_id, uint32_t low_bits) {
    request_by_hand(&made.slot, generation, 128, bytes, 8);
    made.slot.turn->tiny_message_id = message_id;
    asked_id = id_by_hand(&made.slot, generation) | low_bits;
    made.slot.turn->transport_id = asked_id;
}

static uint32_t own_state(void) {
    return sipc_load_acquire(&made.slot.responder->state);
}

static uint32_t tiny_state(void) {
    return sipc_load_acquire(&made.slot.turn->tiny_state);
}

static void assert_answered_in_turn_line(uint32_t generation, uint32_t size) {
    const struct sipc_turn_line *line = made.slot.turn;
    assert_int_equal(tiny_state(), sipc_state(generation, SIPC_CODE_RESPONSE));
    assert_true(line->transport_id == ~(id_by_hand(&made.slot, generation) | size));
    for (uint32_t i = 0; i < size; i++)
        assert_int_equal(line->tiny_payload[i], (uint8_t)(i * 5 + 2));
}

static void assert_answered_in_own_line(uint32_t generation, uint32_t message_id, uint32_t status,
                                        uint32_t size) {
    const struct sipc_responder_line *line = made.slot.responder;
    assert_int_equal(own_state(), sipc_state(generation, SIPC_CODE_RESPONSE | SIPC_FLAG_ATTENDED));
    assert_true(line->transport_id == asked_id);
    assert_int_equal(line->size, size);
    assert_int_equal(line->message_id, message_id);
    assert_int_equal(line->status, status);
    assert_int_equal(line->flags, 0);
    for (uint32_t i = 0; i < size; i++)
        assert_int_equal(made.slot.response[i], (uint8_t)(i * 5 + 2));
}

// ---- Requests and responses of every size ------------------------------------------------------

static const uint32_t sizes[] = {0, 1, 31, 32, 33, 43, 44, 45, 46, 47, 48, 49, 64, CAPACITY};
#define SIZES (sizeof sizes / sizeof sizes[0])

static void assert_served(uint32_t generation, uint32_t message_id, uint32_t asked,
                          uint32_t answered) {
    handler.answer_size = answered;
    unsigned calls = handler.calls;
    ask(generation, message_id, asked);
    assert_int_equal(serve(), SIPC_SERVED_REQUEST);
    assert_int_equal(handler.calls, calls + 1);
    assert_int_equal(handler.request.size, asked);
    assert_int_equal(handler.request.message_id, message_id);
    assert_int_equal(handler.request.slot, SLOT);
    assert_true(handler.request.transport_id == asked_id);
    assert_int_equal(sipc_request_deadline(&handler.request), 0);
    assert_memory_equal(handler.payload, bytes, asked);
    if (asked <= (message_id ? 44 : 48) && answered <= 48)
        assert_answered_in_turn_line(generation, answered);
    else
        assert_answered_in_own_line(generation, message_id, SIPC_ANSWER_OK, answered);
}

static void every_size_goes_to_the_handler_and_its_response_where_the_spec_says(void **state) {
    (void)state;
    attend();
    const uint32_t message_ids[] = {0, 200, UINT32_MAX};
    for (uint32_t i = 0; i < 3 * SIZES * SIZES; i++)
        assert_served(i + 1, message_ids[i % 3], sizes[i / 3 / SIZES], sizes[i / 3 % SIZES]);
}

static void a_named_request_may_be_a_normal_one(void **state) {
    (void)state;
    attend();
    handler.answer_size = 48;
    ask_tiny(1, 0, 64 | 8);
    assert_int_equal(serve(), SIPC_SERVED_REQUEST);
    assert_int_equal(handler.calls, 1);
    assert_int_equal(handler.request.message_id, 0);
    assert_int_equal(handler.request.size, 8);
    assert_memory_equal(handler.payload, bytes, 8);
    assert_answered_in_turn_line(1, 48);
}

// Those of a request that is not tiny mean nothing, but come back.
static void the_low_bits_of_a_transport_id_come_back_in_the_responder_line(void **state) {
    (void)state;
    attend();
    for (uint32_t low = 0; low < 128; low++) {
        request_by_hand(&made.slot, low + 1, 200, bytes, 100);
        asked_id = id_by_hand(&made.slot, low + 1) | low;
        made.slot.turn->transport_id = asked_id;
        assert_int_equal(serve(), SIPC_SERVED_REQUEST);
        assert_int_equal(handler.request.size, 100);
        assert_answered_in_own_line(low + 1, 200, SIPC_ANSWER_OK, 0);
    }
}

static void a_request_is_handled_once(void **state) {
    (void)state;
    attend();
    ask(1, 0, 8);
    assert_int_equal(serve(), SIPC_SERVED_REQUEST);
    assert_int_equal(serve(), SIPC_SERVED_NOTHING);
    assert_int_equal(handler.calls, 1);
}

static void a_slot_without_a_request_gives_nothing_to_serve(void **state) {
    (void)state;
    attend();
    assert_int_equal(serve(), SIPC_SERVED_NOTHING);
    assert_int_equal(handler.calls, 0);
}

static void a_request_is_marked_as_started_before_the_handler_runs(void **state) {
    (void)state;
    attend();
    ask(9, 0, 8);
    serve();
    assert_int_equal(handler.started, 9 << 3);
}

static void a_cancelled_request_is_left_alone(void **state) {
    (void)state;
    attend();
    ask(1, 0, 8);
    sipc_exchange_barrier(&made.slot.turn->caller_state, sipc_state(1, SIPC_CODE_CANCELLED));
    assert_int_equal(serve(), SIPC_SERVED_NOTHING);
    assert_int_equal(handler.calls, 0);
    assert_int_equal(made.slot.owner->started, 0);
    // And the next one is served.
    ask(2, 0, 8);
    assert_int_equal(serve(), SIPC_SERVED_REQUEST);
    assert_int_equal(handler.calls, 1);
}

static void a_closed_slot_says_so(void **state) {
    (void)state;
    attend();
    sipc_exchange_barrier(&made.slot.turn->caller_state, sipc_state(4, SIPC_CODE_CLOSED));
    assert_int_equal(serve(), SIPC_SERVED_CLOSED);
    assert_int_equal(handler.calls, 0);
}

static void generations_wrap_and_requests_go_on(void **state) {
    (void)state;
    attend();
    const uint32_t last = (UINT32_C(1) << 29) - 1;
    const uint32_t generations[] = {last - 1, last, 0, 1};
    for (uint32_t i = 0; i < 4; i++) {
        ask(generations[i], 0, 8);
        assert_int_equal(serve(), SIPC_SERVED_REQUEST);
        assert_int_equal(tiny_state(), sipc_state(generations[i], SIPC_CODE_RESPONSE));
    }
    assert_int_equal(handler.calls, 4);
}

// ---- What no handler sees ----------------------------------------------------------------------

static void assert_refused(uint32_t generation, uint32_t status, uint32_t message_id) {
    unsigned calls = handler.calls;
    assert_int_equal(serve(), SIPC_SERVED_REQUEST);
    assert_int_equal(handler.calls, calls);
    assert_answered_in_own_line(generation, message_id, status, 0);
}

static void a_size_beyond_the_place_is_a_bad_request(void **state) {
    (void)state;
    attend();
    const uint32_t wrong[] = {CAPACITY + 1, 0x80000000, UINT32_MAX};
    for (uint32_t i = 0; i < 3; i++) {
        ask(i + 1, 0, wrong[i]);
        assert_refused(i + 1, SIPC_ANSWER_BAD_REQUEST, 0);
    }
    // Said to be tiny: all that it can say of itself, with a message id and without.
    handler.answer_size = 5;
    for (uint32_t low = 0; low < 128; low++) {
        const bool named = low >= 64;
        const uint32_t size = low % 64;
        const unsigned calls = handler.calls;
        ask_tiny(low + 10, 300, low);
        if (size > (named ? 44 : 48)) {
            assert_refused(low + 10, SIPC_ANSWER_BAD_REQUEST, named ? 300 : 0);
            continue;
        }
        assert_int_equal(serve(), SIPC_SERVED_REQUEST);
        assert_int_equal(handler.calls, calls + 1);
        assert_int_equal(handler.request.size, size);
        assert_int_equal(handler.request.message_id, named ? 300 : 0);
        assert_answered_in_turn_line(low + 10, 5);
    }
}

static void flags_that_version_1_0_does_not_know_are_a_bad_request(void **state) {
    (void)state;
    attend();
    for (uint32_t bit = 1; bit < 32; bit++) { // bit 0 is AT_END
        ask(bit + 1, 0, 49);
        made.slot.turn->flags = 1u << bit;
        assert_refused(bit + 1, SIPC_ANSWER_BAD_REQUEST, 0);
    }
}

static void reserved_message_ids_are_unknown_and_the_others_go_to_the_handler(void **state) {
    (void)state;
    attend();
    for (uint32_t id = 0; id < 300; id++) {
        ask(id + 1, id, 8);
        unsigned calls = handler.calls;
        enum sipc_served served = serve();
        bool handled = id == 0 || id >= 128;
        assert_int_equal(handler.calls - calls, handled);
        assert_int_equal(served, id == 3 ? SIPC_SERVED_SHUTDOWN : SIPC_SERVED_REQUEST);
        if (!handled && id != 1 && id != 3)
            assert_answered_in_own_line(id + 1, id, SIPC_ANSWER_UNKNOWN_MESSAGE, 0);
    }
}

static void
a_heartbeat_is_answered_without_the_handler_whatever_it_carries_if_it_fits(void **state) {
    (void)state;
    attend();
    ask(1, SIPC_MESSAGE_HEARTBEAT_REQUEST, 0);
    assert_refused(1, SIPC_ANSWER_OK, SIPC_MESSAGE_HEARTBEAT_RESPONSE);
    ask(2, SIPC_MESSAGE_HEARTBEAT_REQUEST, CAPACITY);
    assert_int_equal(serve(), SIPC_SERVED_REQUEST);
    assert_answered_in_own_line(2, SIPC_MESSAGE_HEARTBEAT_RESPONSE, SIPC_ANSWER_OK, 0);
    ask(3, SIPC_MESSAGE_HEARTBEAT_REQUEST, UINT32_MAX);
    assert_int_equal(serve(), SIPC_SERVED_REQUEST);
    assert_answered_in_own_line(3, SIPC_MESSAGE_HEARTBEAT_REQUEST, SIPC_ANSWER_BAD_REQUEST, 0);
    assert_int_equal(handler.calls, 0);
}

static void a_shutdown_is_answered_and_told(void **state) {
    (void)state;
    attend();
    ask(1, SIPC_MESSAGE_SHUTDOWN, 0);
    assert_int_equal(serve(), SIPC_SERVED_SHUTDOWN);
    assert_answered_in_turn_line(1, 0);
    assert_int_equal(handler.calls, 0);
    ask(2, SIPC_MESSAGE_SHUTDOWN, CAPACITY);
    assert_int_equal(serve(), SIPC_SERVED_SHUTDOWN);
    assert_answered_in_own_line(2, SIPC_MESSAGE_SHUTDOWN, SIPC_ANSWER_OK, 0);
    assert_int_equal(handler.calls, 0);
}

// ---- What a handler may do ---------------------------------------------------------------------

static void a_response_larger_than_its_buffer_is_refused(void **state) {
    (void)state;
    attend();
    handler.answer_size = CAPACITY + 1;
    ask(1, 0, 8);
    serve();
    assert_answered_in_own_line(1, 0, SIPC_ANSWER_RESPONSE_TOO_LARGE, 0);
    handler.answer_size = UINT32_MAX;
    ask(2, 0, 100);
    serve();
    assert_answered_in_own_line(2, 0, SIPC_ANSWER_RESPONSE_TOO_LARGE, 0);
}

static void a_handlers_word_on_its_buffer_is_not_believed(void **state) {
    (void)state;
    attend();
    handler.lies = true;
    handler.answer_size = CAPACITY + 1;
    ask(1, 0, 8);
    serve();
    assert_answered_in_own_line(1, 0, SIPC_ANSWER_RESPONSE_TOO_LARGE, 0);
    handler.answer_size = 20;
    ask(2, 0, 8);
    serve();
    assert_answered_in_turn_line(2, 20);
}

static void a_handlers_failure_is_told_with_its_text(void **state) {
    (void)state;
    attend();
    const sipc_status failures[] = {SIPC_SYSTEM, SIPC_TIMEOUT, SIPC_HANDLER_FAILED, 77};
    for (uint32_t i = 0; i < 4; i++) {
        handler.status = failures[i];
        handler.answer_size = 11;
        ask(i + 1, 0, 8);
        serve();
        assert_answered_in_own_line(i + 1, 0, SIPC_ANSWER_HANDLER_FAILED, 11);
    }
}

static void a_message_that_the_handler_does_not_know_is_told_without_payload(void **state) {
    (void)state;
    attend();
    handler.status = SIPC_UNKNOWN_MESSAGE;
    handler.answer_size = 11;
    ask(1, 500, 8);
    serve();
    assert_answered_in_own_line(1, 500, SIPC_ANSWER_UNKNOWN_MESSAGE, 0);
}

// ---- Waking ------------------------------------------------------------------------------------

static void a_caller_that_waits_is_woken_through_the_word_that_it_sleeps_on(void **state) {
    (void)state;
    attend();
    ask(1, 0, 8);
    serve();
    assert_int_equal(fake.wakes, 0);
    // A tiny answer to one that sleeps: it sleeps on the responder's own word, which must change.
    sipc_store_relaxed(&made.slot.annex->caller_waiting, 1);
    ask(2, 0, 8);
    serve();
    assert_answered_in_turn_line(2, 0);
    assert_int_equal(own_state(), sipc_state(2, SIPC_CODE_RESPONSE | SIPC_FLAG_ATTENDED));
    assert_int_equal(fake.wakes, 1);
    assert_ptr_equal(fake.woken, &made.slot.responder->state);
    ask(3, 0, 100);
    serve();
    assert_int_equal(fake.wakes, 2);
    assert_ptr_equal(fake.woken, &made.slot.responder->state);
}

static void a_request_arrives(unsigned turn) {
    (void)turn;
    ask(1, 0, 8);
}

static void waiting_ends_with_the_callers_next_word(void **state) {
    (void)state;
    attend();
    fake.on_sleep = a_request_arrives;
    assert_int_equal(sipc_responder_wait(&responder), SIPC_WAIT_READY);
    assert_ptr_equal(fake.slept_on, &made.slot.turn->caller_state);
    assert_int_equal(serve(), SIPC_SERVED_REQUEST);
    // It is not ready for the same request again.
    fake.on_sleep = NULL;
    sipc_exchange_barrier(&made.slot.turn->caller_state, sipc_state(2, SIPC_CODE_CLOSED));
    assert_int_equal(sipc_responder_wait(&responder), SIPC_WAIT_READY);
    assert_int_equal(serve(), SIPC_SERVED_CLOSED);
}

// ---- Taking over and leaving -------------------------------------------------------------------

static void who_takes_a_slot_says_so(void **state) {
    (void)state;
    attend();
    assert_int_equal(own_state(), SIPC_FLAG_ATTENDED);
    assert_int_equal(made.slot.owner->owner_pid, getpid());
    assert_true(made.slot.owner->owner_incarnation == INCARNATION);
    assert_int_equal(made.slot.responder->waiting, 0);
}

static void a_request_that_nobody_has_begun_is_served_by_the_successor(void **state) {
    (void)state;
    ask(5, 0, 100);
    attend();
    assert_int_equal(serve(), SIPC_SERVED_REQUEST);
    assert_int_equal(handler.calls, 1);
    assert_answered_in_own_line(5, 0, SIPC_ANSWER_OK, 0);
}

static void the_dead_one_had_begun(uint32_t generation, uint32_t message_id, uint32_t size) {
    ask(generation, message_id, size);
    sipc_exchange_barrier(&made.slot.owner->started, sipc_state(generation, 0));
}

static void a_request_that_the_dead_one_had_begun_is_not_begun_again(void **state) {
    (void)state;
    for (uint32_t size = 8; size <= 100; size += 92) {
        the_dead_one_had_begun(5, 300, size);
        attend();
        assert_answered_in_own_line(5, 0, SIPC_ANSWER_RESPONDER_DIED, 0);
        assert_int_equal(serve(), SIPC_SERVED_NOTHING);
        assert_int_equal(handler.calls, 0);
        ask(6, 0, 100);
        assert_int_equal(serve(), SIPC_SERVED_REQUEST);
        assert_int_equal(handler.calls, 1);
        make_another_slot();
    }
}

static void a_caller_that_sleeps_on_the_dead_one_is_woken(void **state) {
    (void)state;
    the_dead_one_had_begun(5, 300, 100);
    sipc_store_relaxed(&made.slot.annex->caller_waiting, 1);
    attend();
    assert_int_equal(fake.wakes, 1);
}

static void a_request_given_up_in_the_dead_ones_handler_is_answered_too(void **state) {
    (void)state;
    the_dead_one_had_begun(5, 300, 100);
    sipc_exchange_barrier(&made.slot.turn->caller_state, sipc_state(5, SIPC_CODE_CANCELLED));
    attend();
    assert_answered_in_own_line(5, 0, SIPC_ANSWER_RESPONDER_DIED, 0);
    assert_int_equal(serve(), SIPC_SERVED_NOTHING);
}

// It had written all of its tiny response but the word that says so.
static void a_half_written_tiny_response_does_not_hide_whose_request_it_was(void **state) {
    (void)state;
    for (uint32_t size = 0; size <= 48; size++) {
        the_dead_one_had_begun(5, 300, 8);
        memset(made.slot.turn->tiny_payload, 0xEE, size);
        made.slot.turn->transport_id = ~(id_by_hand(&made.slot, 5) | size);
        attend();
        // The low bits are those of the response.
        asked_id = id_by_hand(&made.slot, 5) | size;
        assert_answered_in_own_line(5, 0, SIPC_ANSWER_RESPONDER_DIED, 0);
        make_another_slot();
    }
}

static void an_unread_response_outlives_its_responder(void **state) {
    (void)state;
    for (uint32_t size = 8; size <= 100; size += 92) {
        attend();
        handler.answer_size = size;
        ask(1, 0, size);
        serve();
        uint32_t stands_tiny = tiny_state();
        uint32_t stands = own_state();
        sipc_responder_leave(&responder);
        assert_int_equal(own_state(), sipc_state_unattended(stands));
        assert_int_equal(tiny_state(), stands_tiny);
        // The next one takes over, and does not answer again.
        attend();
        // Its word says so for a caller that is about to sleep, also where the response is a tiny
        // one.
        assert_int_equal(own_state(), sipc_state(1, SIPC_CODE_RESPONSE | SIPC_FLAG_ATTENDED));
        assert_int_equal(tiny_state(), stands_tiny);
        assert_int_equal(serve(), SIPC_SERVED_NOTHING);
        assert_int_equal(handler.calls, 1);
        make_another_slot();
    }
}

static void who_leaves_wakes_a_caller_that_waits(void **state) {
    (void)state;
    attend();
    sipc_store_relaxed(&made.slot.annex->caller_waiting, 1);
    unsigned wakes = fake.wakes;
    sipc_responder_leave(&responder);
    assert_int_equal(fake.wakes, wakes + 1);
    assert_int_equal(own_state(), 0);
}

#define STEP_BY_STEP(test) cmocka_unit_test_setup_teardown(test, begin, end)

// ---- Later answers -----------------------------------------------------------------------------

// What the handler took, and what the library said to it.
static sipc_pending taken;
static sipc_status took;

static sipc_status take(void *context, const sipc_request *request, sipc_response *response) {
    (void)context;
    (void)response;
    sipc_pending pending;
    took = sipc_request_take(request, &pending);
    if (took == SIPC_OK) taken = pending;
    return took == SIPC_OK ? SIPC_PENDING : SIPC_INVALID_ARGUMENT;
}

static enum sipc_served serve_later(void) {
    return sipc_responder_serve(&responder, take, NULL);
}

static void fill_response(uint32_t size) {
    uint8_t *data = sipc_pending_response(taken, NULL);
    for (uint32_t i = 0; i < size; i++) data[i] = (uint8_t)(i * 5 + 2);
}

static void a_request_pends_until_its_answer(void **state) {
    (void)state;
    attend();
    const uint32_t before = own_state();
    for (uint32_t generation = 1; generation <= 4; generation++) {
        const uint32_t size = generation % 2 ? 8 : 100;
        ask(generation, 128, size);
        assert_int_equal(serve_later(), SIPC_SERVED_REQUEST);
        assert_int_equal(took, SIPC_OK);
        // Nothing is published, and it is not taken for a new one.
        if (generation == 1) assert_int_equal(own_state(), before);
        assert_int_equal(serve_later(), SIPC_SERVED_NOTHING);
        assert_memory_equal(sipc_pending_request(taken)->data, bytes, size);
        assert_int_equal(sipc_load_relaxed(&made.slot.owner->started), sipc_state(generation, 0));
        fill_response(size);
        assert_int_equal(sipc_pending_respond(taken, SIPC_OK, NULL, size), SIPC_OK);
        if (size == 8)
            assert_answered_in_turn_line(generation, size);
        else
            assert_answered_in_own_line(generation, 128, SIPC_ANSWER_OK, size);
        assert_null(sipc_pending_request(taken));
    }
    sipc_responder_await_answer(&responder);
}

static void a_sleeping_caller_is_woken_by_a_later_answer(void **state) {
    (void)state;
    attend();
    for (uint32_t generation = 1; generation <= 2; generation++) {
        ask(generation, 128, generation == 1 ? 8 : 100);
        assert_int_equal(serve_later(), SIPC_SERVED_REQUEST);
        sipc_store_relaxed(&made.slot.annex->caller_waiting, 1);
        const unsigned wakes = fake.wakes;
        assert_int_equal(sipc_pending_respond(taken, SIPC_OK, "yes", 3), SIPC_OK);
        assert_int_equal(fake.wakes, wakes + 1);
        assert_ptr_equal(fake.woken, &made.slot.responder->state);
    }
    sipc_responder_await_answer(&responder);
}

// A caller that gave up, and one that left for good: the answer is due all the same.
static void a_cancelled_request_is_answered_too(void **state) {
    (void)state;
    const uint32_t codes[] = {SIPC_CODE_CANCELLED, SIPC_CODE_CLOSED};
    for (unsigned i = 0; i < 2; i++) {
        make_another_slot();
        attend();
        ask(1, 128, 100);
        assert_int_equal(serve_later(), SIPC_SERVED_REQUEST);
        assert_false(sipc_pending_is_cancelled(taken));
        sipc_store_relaxed(&made.slot.turn->caller_state, sipc_state(1, codes[i]));
        assert_true(sipc_pending_is_cancelled(taken));
        assert_int_equal(serve_later(), i ? SIPC_SERVED_CLOSED : SIPC_SERVED_NOTHING);
        assert_true(sipc_responder_owes_answer(&responder));
        fill_response(50);
        assert_int_equal(sipc_pending_respond(taken, SIPC_OK, NULL, 50), SIPC_OK);
        assert_answered_in_own_line(1, 128, SIPC_ANSWER_OK, 50);
        assert_false(sipc_responder_owes_answer(&responder));
        sipc_responder_await_answer(&responder);
    }
}

// It may not: the answer of the first request is due. What pends stays what it is.
static void a_caller_that_asks_on_meanwhile_harms_nobody(void **state) {
    (void)state;
    attend();
    ask(1, 128, 8);
    assert_int_equal(serve_later(), SIPC_SERVED_REQUEST);
    const sipc_pending first = taken;
    ask(2, 129, CAPACITY);
    assert_int_equal(serve_later(), SIPC_SERVED_REQUEST);
    assert_int_equal(took, SIPC_BUSY);
    assert_int_equal(sipc_pending_request(first)->size, 8);
    assert_int_equal(sipc_pending_request(first)->message_id, 128);
    assert_memory_equal(sipc_pending_request(first)->data, bytes, 8);
    assert_true(sipc_pending_is_cancelled(first));
    assert_int_equal(sipc_pending_respond(first, SIPC_OK, "late", 4), SIPC_OK);
    // And the next one may be taken again.
    ask(3, 128, 100);
    assert_int_equal(serve_later(), SIPC_SERVED_REQUEST);
    assert_int_equal(took, SIPC_OK);
    assert_int_equal(sipc_pending_respond(first, SIPC_OK, "late", 4), SIPC_INVALID_ARGUMENT);
    sipc_pending_abandon(taken);
    sipc_responder_await_answer(&responder);
}

static void a_response_at_the_end_of_its_room_stays_there(void **state) {
    (void)state;
    slot_by_hand_free(&made);
    fake_reset();
    slot_by_hand_make(&made, SLOT, CAPACITY, 192); // its room is its capacity
    attend();
    ask(1, 128, 100);
    assert_int_equal(serve_later(), SIPC_SERVED_REQUEST);
    uint32_t capacity;
    uint8_t *room = sipc_pending_response(taken, &capacity);
    assert_int_equal(sipc_pending_respond(taken, SIPC_OK, room + sipc_room(capacity) - 60, 60),
                     SIPC_OK);
    assert_int_equal(made.slot.responder->size, 60);
    assert_int_equal(made.slot.responder->flags, SIPC_FLAG_AT_END);
    sipc_responder_await_answer(&responder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        STEP_BY_STEP(every_size_goes_to_the_handler_and_its_response_where_the_spec_says),
        STEP_BY_STEP(a_named_request_may_be_a_normal_one),
        STEP_BY_STEP(the_low_bits_of_a_transport_id_come_back_in_the_responder_line),
        STEP_BY_STEP(a_request_is_handled_once),
        STEP_BY_STEP(a_slot_without_a_request_gives_nothing_to_serve),
        STEP_BY_STEP(a_request_is_marked_as_started_before_the_handler_runs),
        STEP_BY_STEP(a_cancelled_request_is_left_alone),
        STEP_BY_STEP(a_closed_slot_says_so),
        STEP_BY_STEP(generations_wrap_and_requests_go_on),
        STEP_BY_STEP(a_size_beyond_the_place_is_a_bad_request),
        STEP_BY_STEP(flags_that_version_1_0_does_not_know_are_a_bad_request),
        STEP_BY_STEP(reserved_message_ids_are_unknown_and_the_others_go_to_the_handler),
        STEP_BY_STEP(a_heartbeat_is_answered_without_the_handler_whatever_it_carries_if_it_fits),
        STEP_BY_STEP(a_shutdown_is_answered_and_told),
        STEP_BY_STEP(a_response_larger_than_its_buffer_is_refused),
        STEP_BY_STEP(a_handlers_word_on_its_buffer_is_not_believed),
        STEP_BY_STEP(a_handlers_failure_is_told_with_its_text),
        STEP_BY_STEP(a_message_that_the_handler_does_not_know_is_told_without_payload),
        STEP_BY_STEP(a_caller_that_waits_is_woken_through_the_word_that_it_sleeps_on),
        STEP_BY_STEP(waiting_ends_with_the_callers_next_word),
        STEP_BY_STEP(who_takes_a_slot_says_so),
        STEP_BY_STEP(a_request_that_nobody_has_begun_is_served_by_the_successor),
        STEP_BY_STEP(a_request_that_the_dead_one_had_begun_is_not_begun_again),
        STEP_BY_STEP(a_caller_that_sleeps_on_the_dead_one_is_woken),
        STEP_BY_STEP(a_request_given_up_in_the_dead_ones_handler_is_answered_too),
        STEP_BY_STEP(a_half_written_tiny_response_does_not_hide_whose_request_it_was),
        STEP_BY_STEP(an_unread_response_outlives_its_responder),
        STEP_BY_STEP(who_leaves_wakes_a_caller_that_waits),
        STEP_BY_STEP(a_request_pends_until_its_answer),
        STEP_BY_STEP(a_sleeping_caller_is_woken_by_a_later_answer),
        STEP_BY_STEP(a_cancelled_request_is_answered_too),
        STEP_BY_STEP(a_caller_that_asks_on_meanwhile_harms_nobody),
        STEP_BY_STEP(a_response_at_the_end_of_its_room_stays_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
