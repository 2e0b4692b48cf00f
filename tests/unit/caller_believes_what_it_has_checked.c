// SPDX-License-Identifier: Apache-2.0
// Promise: the caller writes requests as the spec says, takes a response only after its checks, and
// tells the exact fate of a request that got none (spec 2.3, 4, 6, 8). The responder is played by
// hand, at each step of the caller's wait.
#include <string.h>

#include "fake_system.h"
#include "internal/errors.h"
#include "left_behind.h"
#include "slot_by_hand.h"

#define CAPACITY 200u
#define SLOT 6u

static struct slot_by_hand made;
static struct sipc_caller caller;
static sipc_word interrupt;
static struct sipc_answer answer;
static uint8_t bytes[CAPACITY];

static void make_slot(void) {
    fake_reset();
    slot_by_hand_make(&made, SLOT, CAPACITY, CAPACITY);
    slot_by_hand_claim(&made, true);
    interrupt = 0;
    caller_by_steps(&caller, &made, 1, &interrupt);
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

static sipc_status call_message(uint32_t message_id, uint32_t size, uint64_t timeout) {
    struct sipc_deadline deadline = sipc_deadline_after(timeout);
    answer = (struct sipc_answer){.data = NULL};
    return sipc_caller_exchange(&caller, message_id, bytes, size, &deadline, &answer);
}

static sipc_status call(uint32_t size, uint64_t timeout) {
    return call_message(128, size, timeout);
}

static uint32_t caller_state(void) {
    return sipc_load_acquire(&made.slot.turn->caller_state);
}

static void mark_started(void) {
    uint32_t generation = sipc_state_generation(caller_state());
    sipc_exchange_barrier(&made.slot.owner->started, sipc_state(generation, 0));
}

// ---- The request in the slot -------------------------------------------------------------------

static struct sipc_turn_line seen_line;

static void look_and_answer(unsigned turn) {
    (void)turn;
    seen_line = *made.slot.turn;
    struct answer_by_hand right = right_answer(&made.slot, "ok", 2);
    answer_in_responder_line(&made.slot, &right);
}

static void assert_request(uint32_t message_id, uint32_t size, uint32_t count) {
    fake.on_yield = look_and_answer;
    assert_int_equal(call_message(message_id, size, SIPC_FOREVER), SIPC_OK);
    bool tiny = size <= (message_id ? 44 : 48);
    assert_int_equal(seen_line.caller_state, count << 3 | (tiny ? 4 : 0) | SIPC_CODE_REQUEST);
    const uint64_t id = (uint64_t)(SLOT + 1) << 48 | count << 7;
    if (tiny) {
        assert_true(seen_line.transport_id == (id | size | (message_id ? 64 : 0)));
        if (message_id) assert_int_equal(seen_line.tiny_message_id, message_id);
    } else {
        assert_true(seen_line.transport_id == id);
        assert_int_equal(seen_line.size, size);
        assert_int_equal(seen_line.message_id, message_id);
        assert_int_equal(seen_line.flags, 0);
    }
    assert_memory_equal(tiny ? seen_line.tiny_payload : made.slot.request, bytes, size);
}

static const uint32_t sizes[] = {0,  1,  31, 32, 33, 43, 44,  45,
                                 46, 47, 48, 49, 63, 64, 127, CAPACITY};
#define SIZES (sizeof sizes / sizeof sizes[0])

static void a_request_stands_in_the_slot_as_the_spec_says(void **state) {
    (void)state;
    const uint32_t message_ids[] = {0, 1, 128, UINT32_MAX};
    uint32_t count = 0;
    for (uint32_t i = 0; i < SIZES; i++)
        for (uint32_t m = 0; m < 4; m++) assert_request(message_ids[m], sizes[i], ++count);
}

static void a_request_written_in_place_is_not_copied(void **state) {
    (void)state;
    memcpy(made.slot.request, "in place, and more than the 48 bytes of a tiny one", 50);
    struct sipc_deadline deadline = sipc_deadline_after(SIPC_FOREVER);
    fake.on_yield = look_and_answer;
    assert_int_equal(sipc_caller_exchange(&caller, 0, made.slot.request, 50, &deadline, &answer),
                     SIPC_OK);
    assert_memory_equal(made.slot.request, "in place, and more", 18);
    // A tiny one goes into the turn line from there.
    assert_int_equal(sipc_caller_exchange(&caller, 0, made.slot.request, 8, &deadline, &answer),
                     SIPC_OK);
    assert_memory_equal(seen_line.tiny_payload, "in place", 8);
}

static void the_responder_is_woken_only_if_it_waits(void **state) {
    (void)state;
    fake.on_yield = look_and_answer;
    assert_int_equal(call(8, SIPC_FOREVER), SIPC_OK);
    assert_int_equal(fake.wakes, 0);
    sipc_store_relaxed(&made.slot.responder->waiting, 1);
    assert_int_equal(call(8, SIPC_FOREVER), SIPC_OK);
    assert_int_equal(fake.wakes, 1);
    assert_ptr_equal(fake.woken, &made.slot.turn->caller_state);
}

static void a_reserved_message_id_is_refused(void **state) {
    (void)state;
    for (uint32_t id = 0; id < 300; id++) {
        bool free_to_use = id == 0 || id == 1 || id == 3 || id >= 128;
        assert_int_equal(sipc_caller_check(&caller, id, 0),
                         free_to_use ? SIPC_OK : SIPC_BAD_MESSAGE_ID);
    }
    assert_int_equal(sipc_caller_check(&caller, UINT32_MAX, 0), SIPC_OK);
}

static void a_request_larger_than_its_buffer_is_refused(void **state) {
    (void)state;
    assert_int_equal(sipc_caller_check(&caller, 0, CAPACITY), SIPC_OK);
    assert_int_equal(sipc_caller_check(&caller, 0, CAPACITY + 1), SIPC_REQUEST_TOO_LARGE);
    assert_int_equal(sipc_caller_check(&caller, 0, UINT32_MAX), SIPC_REQUEST_TOO_LARGE);
    assert_int_equal(caller_state(), 0);
}

// ---- The response ------------------------------------------------------------------------------

enum line { TURN_LINE, RESPONDER_LINE };

static struct {
    enum line line;
    uint32_t size;
    uint32_t status;
    uint64_t id_error; // added to the right id
    uint32_t generation_error;
    uint32_t message_id;
    uint32_t times; // answers from this turn on; 0: at once
} peer;

static void answer_as_told(unsigned turn) {
    if (turn < peer.times) return;
    mark_started();
    struct answer_by_hand given = right_answer(&made.slot, NULL, peer.size);
    uint8_t *to = peer.line == TURN_LINE ? made.slot.turn->tiny_payload : made.slot.response;
    uint32_t room = peer.line == TURN_LINE ? 48 : CAPACITY;
    for (uint32_t i = 0; i < peer.size && i < room; i++) to[i] = (uint8_t)(i * 3 + peer.size);
    given.status = peer.status;
    given.transport_id += peer.id_error;
    given.generation += peer.generation_error;
    if (peer.message_id) given.message_id = peer.message_id;
    if (peer.line == TURN_LINE)
        answer_in_turn_line(&made.slot, &given);
    else
        answer_in_responder_line(&made.slot, &given);
}

static sipc_status call_answered(uint32_t request_size, enum line line, uint32_t size,
                                 uint32_t status) {
    memset(&peer, 0, sizeof peer);
    peer.line = line;
    peer.size = size;
    peer.status = status;
    fake.on_yield = answer_as_told;
    return call(request_size, 1000);
}

static void assert_response(uint32_t size) {
    assert_int_equal(answer.size, size);
    for (uint32_t i = 0; i < size; i++) assert_int_equal(answer.data[i], (uint8_t)(i * 3 + size));
}

static void a_response_is_taken_from_the_line_where_it_stands(void **state) {
    (void)state;
    for (uint32_t i = 0; i < SIZES; i++) {
        if (sizes[i] <= 48) {
            assert_int_equal(call_answered(8, TURN_LINE, sizes[i], SIPC_ANSWER_OK), SIPC_OK);
            assert_response(sizes[i]);
        }
        assert_int_equal(call_answered(8, RESPONDER_LINE, sizes[i], SIPC_ANSWER_OK), SIPC_OK);
        assert_response(sizes[i]);
        assert_int_equal(call_answered(100, RESPONDER_LINE, sizes[i], SIPC_ANSWER_OK), SIPC_OK);
        assert_response(sizes[i]);
    }
}

static void the_responses_message_id_is_told(void **state) {
    (void)state;
    // In the turn line it is the request's, whatever stands there.
    assert_int_equal(call_answered(8, TURN_LINE, 48, SIPC_ANSWER_OK), SIPC_OK);
    assert_int_equal(answer.message_id, 128);
    fake.on_yield = answer_as_told;
    assert_int_equal(call_message(0, 48, 1000), SIPC_OK);
    assert_int_equal(answer.message_id, 0);
    // In the responder line it is read.
    memset(&peer, 0, sizeof peer);
    peer.line = RESPONDER_LINE;
    peer.message_id = 2;
    assert_int_equal(call_message(1, 0, 1000), SIPC_OK);
    assert_int_equal(answer.message_id, 2);
}

static void a_response_that_stands_already_costs_no_yield(void **state) {
    (void)state;
    const sipc_wait_policy policy = {.preset = SIPC_WAIT_CUSTOM, .spin_min = 10, .spin_max = 10};
    sipc_caller_init(&caller, &made.slot, &policy, &interrupt);
    caller.waiter.system = &fake_wait_system;
    // The responder's wake-up is where it acts.
    sipc_store_relaxed(&made.slot.responder->waiting, 1);
    fake.on_wake = answer_as_told;
    memset(&peer, 0, sizeof peer);
    assert_int_equal(call(8, 1000), SIPC_OK);
    assert_string_equal(fake.steps, "w");
}

static void a_response_of_a_responder_that_has_left_is_readable(void **state) {
    (void)state;
    peer.times = 0;
    fake.on_yield = look_and_answer;
    sipc_store_relaxed(&made.slot.responder->waiting, 0);
    assert_int_equal(call(100, SIPC_FOREVER), SIPC_OK);
    // The same response without ATTENDED, and the caller looks for it again.
    sipc_clear_bits(&made.slot.responder->state, SIPC_FLAG_ATTENDED);
    caller.abandoned = true;
    assert_true(sipc_caller_usable(&caller));
}

static void each_status_of_a_response_becomes_its_own(void **state) {
    (void)state;
    const struct {
        uint32_t answered;
        sipc_status status;
    } cases[] = {
        {SIPC_ANSWER_OK, SIPC_OK},
        {SIPC_ANSWER_HANDLER_FAILED, SIPC_HANDLER_FAILED},
        {SIPC_ANSWER_RESPONSE_TOO_LARGE, SIPC_RESPONSE_TOO_LARGE},
        {SIPC_ANSWER_UNKNOWN_MESSAGE, SIPC_UNKNOWN_MESSAGE},
        {SIPC_ANSWER_BAD_REQUEST, SIPC_PROTOCOL_VIOLATED},
        {SIPC_ANSWER_RESPONDER_DIED, SIPC_PEER_DIED_MAYBE_EXECUTED},
        // Nothing was cancelled.
        {SIPC_ANSWER_NOT_EXECUTED, SIPC_PROTOCOL_VIOLATED},
        {SIPC_ANSWER_NOT_ADDRESSED, SIPC_PEER_DIED},
        {8, SIPC_PROTOCOL_VIOLATED},
        {UINT32_MAX, SIPC_PROTOCOL_VIOLATED},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(call_answered(8, RESPONDER_LINE, 0, cases[i].answered), cases[i].status);
        assert_int_equal(call_answered(100, RESPONDER_LINE, 0, cases[i].answered), cases[i].status);
    }
}

static void a_failing_handlers_text_comes_with_the_failure(void **state) {
    (void)state;
    for (uint32_t size = 8; size <= 100; size += 92) {
        assert_int_equal(call_answered(size, RESPONDER_LINE, 20, SIPC_ANSWER_HANDLER_FAILED),
                         SIPC_HANDLER_FAILED);
        assert_response(20);
    }
}

static void assert_nothing_believed(sipc_status status) {
    assert_int_equal(status, SIPC_PROTOCOL_VIOLATED);
    assert_null(answer.data);
    assert_int_equal(answer.size, 0);
}

static void a_size_beyond_the_place_is_not_believed(void **state) {
    (void)state;
    // All that the turn line can say; from 64 on with the bit of a named request.
    for (uint32_t size = 49; size <= 127; size++) {
        assert_nothing_believed(call_answered(8, TURN_LINE, size, SIPC_ANSWER_OK));
        assert_non_null(strstr(sipc_error_text(), "of a buffer of 48 bytes"));
    }
    const uint32_t beyond[] = {CAPACITY + 1, 0x80000000, UINT32_MAX};
    for (size_t i = 0; i < sizeof beyond / sizeof beyond[0]; i++) {
        assert_nothing_believed(call_answered(8, RESPONDER_LINE, beyond[i], SIPC_ANSWER_OK));
        assert_nothing_believed(call_answered(100, RESPONDER_LINE, beyond[i], SIPC_ANSWER_OK));
    }
}

static sipc_status call_with_wrong_id(enum line line, uint64_t error) {
    memset(&peer, 0, sizeof peer);
    peer.line = line;
    peer.id_error = error;
    fake.on_yield = answer_as_told;
    return call(8, 1000);
}

static void a_foreign_transport_id_is_not_believed(void **state) {
    (void)state;
    for (uint32_t bit = 7; bit < 64; bit++) {
        assert_nothing_believed(call_with_wrong_id(TURN_LINE, UINT64_C(1) << bit));
        assert_nothing_believed(call_with_wrong_id(RESPONDER_LINE, UINT64_C(1) << bit));
        assert_non_null(strstr(sipc_error_text(), "not for 0x"));
    }
    assert_nothing_believed(call_with_wrong_id(TURN_LINE, 0 - UINT64_C(128)));
    assert_nothing_believed(call_with_wrong_id(RESPONDER_LINE, 0 - UINT64_C(128)));
}

// A successor may not know them.
static void the_low_bits_of_an_id_in_the_responder_line_do_not_matter(void **state) {
    (void)state;
    for (uint32_t low = 0; low < 128; low++) {
        // The request's own are 64 | 8.
        assert_int_equal(call_with_wrong_id(RESPONDER_LINE, (uint64_t)low - 72), SIPC_OK);
        assert_response(0);
    }
}

static void publish_without_writing(unsigned turn) {
    (void)turn;
    uint32_t generation = sipc_state_generation(caller_state());
    sipc_exchange_barrier(&made.slot.turn->tiny_state, sipc_state(generation, SIPC_CODE_RESPONSE));
}

// The request's own id, size and payload still stand in the turn line.
static void a_request_is_not_taken_for_its_own_response(void **state) {
    (void)state;
    fake.on_yield = publish_without_writing;
    for (uint32_t size = 0; size <= 48; size++) {
        assert_nothing_believed(call_message(0, size, 1000));
        if (size <= 44) assert_nothing_believed(call(size, 1000));
    }
}

static void a_response_of_another_generation_is_none(void **state) {
    (void)state;
    const uint32_t errors[] = {1, UINT32_MAX, 1u << 28};
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        for (int line = TURN_LINE; line <= RESPONDER_LINE; line++) {
            make_another_slot();
            peer.line = (enum line)line;
            peer.generation_error = errors[i];
            fake.on_yield = answer_as_told;
            fake.tick = 2000;
            assert_int_equal(call(8, 1000), SIPC_TIMEOUT_MAYBE_EXECUTED);
        }
    }
}

// Only a tiny request may be answered in the turn line.
static void a_response_in_the_turn_line_does_not_answer_a_large_request(void **state) {
    (void)state;
    fake.tick = 2000;
    assert_int_equal(call_answered(100, TURN_LINE, 0, SIPC_ANSWER_OK), SIPC_TIMEOUT_MAYBE_EXECUTED);
}

static void an_exchange_after_a_violated_one_goes_well(void **state) {
    (void)state;
    assert_nothing_believed(call_with_wrong_id(RESPONDER_LINE, 128));
    assert_true(sipc_caller_usable(&caller));
    assert_int_equal(call_answered(8, TURN_LINE, 5, SIPC_ANSWER_OK), SIPC_OK);
    assert_response(5);
}

// ---- Fates -------------------------------------------------------------------------------------

static void pass_the_deadline(unsigned turn) {
    (void)turn;
    fake.now += 5000;
}

static void start_and_pass_the_deadline(unsigned turn) {
    mark_started();
    pass_the_deadline(turn);
}

static void a_request_that_was_not_started_at_the_deadline_never_will_be(void **state) {
    (void)state;
    fake.on_yield = pass_the_deadline;
    assert_int_equal(call(8, 1000), SIPC_TIMEOUT);
    assert_int_equal(caller_state(), sipc_state(1, SIPC_CODE_CANCELLED));
    // The slot is free at once.
    assert_true(sipc_caller_usable(&caller));
    assert_int_equal(call_answered(8, TURN_LINE, 3, SIPC_ANSWER_OK), SIPC_OK);
    assert_response(3);
}

static void a_request_that_was_started_is_maybe_executed(void **state) {
    (void)state;
    fake.on_yield = start_and_pass_the_deadline;
    assert_int_equal(call(8, 1000), SIPC_TIMEOUT_MAYBE_EXECUTED);
    assert_int_equal(caller_state(), sipc_state(1, SIPC_CODE_CANCELLED));
}

// A handler may sleep until then (spec 4.4).
static void whoever_handles_it_is_woken_when_the_caller_gives_up(void **state) {
    (void)state;
    fake.on_yield = start_and_pass_the_deadline;
    assert_int_equal(call(8, 1000), SIPC_TIMEOUT_MAYBE_EXECUTED);
    assert_int_equal(fake.wakes, 0);
    make_another_slot();
    sipc_store_relaxed(&made.slot.responder->waiting, 1);
    fake.on_yield = start_and_pass_the_deadline;
    assert_int_equal(call(8, 1000), SIPC_TIMEOUT_MAYBE_EXECUTED);
    assert_int_equal(fake.wakes, 2); // for the request, and for its end
    assert_ptr_equal(fake.woken, &made.slot.turn->caller_state);
}

// ---- What a request says of its deadline -------------------------------------------------------

// Of a call whose deadline is that moment; SIPC_NEVER: it has none.
static uint64_t deadline_said(uint64_t at) {
    struct sipc_deadline deadline = {.timeout = at == SIPC_NEVER ? SIPC_FOREVER : 500, .at = at};
    struct sipc_answer got;
    made.slot.annex->deadline = 77;
    fake.on_yield = look_and_answer;
    assert_int_equal(sipc_caller_exchange(&caller, 0, "payload", 8, &deadline, &got), SIPC_OK);
    return made.slot.annex->deadline;
}

static void a_deadline_is_said_only_when_asked(void **state) {
    (void)state;
    const uint64_t untouched = 77;
    assert_true(deadline_said(1500) == untouched);
    caller.telling = SIPC_TELLS_THIS_DEADLINE;
    assert_true(deadline_said(1600) == 1600);
    // The next one takes it back, and those after it leave it alone.
    assert_true(deadline_said(1700) == 0);
    assert_true(deadline_said(1800) == untouched);
    caller.telling = SIPC_TELLS_DEADLINES;
    assert_true(deadline_said(1900) == 1900);
    assert_true(deadline_said(2000) == 2000);
    assert_true(deadline_said(SIPC_NEVER) == 0);
    assert_true(deadline_said(2100) == 2100);
}

static void a_slot_with_a_request_in_a_handler_is_out_of_use_until_the_late_response(void **state) {
    (void)state;
    fake.on_yield = start_and_pass_the_deadline;
    assert_int_equal(call(100, 1000), SIPC_TIMEOUT_MAYBE_EXECUTED);
    struct answer_by_hand late = right_answer(&made.slot, "late", 4);
    assert_false(sipc_caller_usable(&caller));
    assert_false(sipc_caller_usable(&caller));
    answer_in_responder_line(&made.slot, &late);
    assert_true(sipc_caller_usable(&caller));
    // And the next call gets its own response.
    assert_int_equal(call_answered(100, RESPONDER_LINE, 4, SIPC_ANSWER_OK), SIPC_OK);
    assert_response(4);
}

static void a_late_tiny_response_frees_the_slot_too(void **state) {
    (void)state;
    fake.on_yield = start_and_pass_the_deadline;
    assert_int_equal(call(8, 1000), SIPC_TIMEOUT_MAYBE_EXECUTED);
    struct answer_by_hand late = right_answer(&made.slot, "late", 4);
    assert_false(sipc_caller_usable(&caller));
    answer_in_turn_line(&made.slot, &late);
    assert_true(sipc_caller_usable(&caller));
}

static struct answer_by_hand late_answer;

static void answer_late(unsigned turn) {
    (void)turn;
    answer_in_responder_line(&made.slot, &late_answer);
}

static void settling_waits_for_the_late_response(void **state) {
    (void)state;
    fake.on_yield = start_and_pass_the_deadline;
    assert_int_equal(call(100, 1000), SIPC_TIMEOUT_MAYBE_EXECUTED);
    late_answer = right_answer(&made.slot, "late", 4);
    struct sipc_deadline deadline = sipc_deadline_after(1000);
    fake.on_yield = pass_the_deadline;
    assert_int_equal(sipc_caller_settle(&caller, false, &deadline), SIPC_WAIT_DEADLINE);
    assert_false(sipc_caller_usable(&caller));
    fake.on_yield = answer_late;
    deadline = sipc_deadline_after(1000);
    assert_int_equal(sipc_caller_settle(&caller, false, &deadline), SIPC_WAIT_READY);
    assert_true(sipc_caller_usable(&caller));
}

static void settling_a_usable_slot_does_not_wait(void **state) {
    (void)state;
    struct sipc_deadline deadline = sipc_deadline_after(1000);
    assert_int_equal(sipc_caller_settle(&caller, false, &deadline), SIPC_WAIT_READY);
    assert_string_equal(fake.steps, "");
}

static void close_before_it_starts(unsigned turn) {
    (void)turn;
    sipc_set_bits(&interrupt, 1);
}

static void close_after_it_started(unsigned turn) {
    mark_started();
    close_before_it_starts(turn);
}

static void a_shutdown_tells_the_same_fates(void **state) {
    (void)state;
    fake.on_sleep = close_before_it_starts;
    assert_int_equal(call(8, SIPC_FOREVER), SIPC_CLOSED);
    sipc_clear_bits(&interrupt, 1);
    fake.on_sleep = close_after_it_started;
    assert_int_equal(call(8, SIPC_FOREVER), SIPC_CLOSED_MAYBE_EXECUTED);
    assert_false(sipc_caller_usable(&caller));
}

static void the_responder_dies(unsigned turn) {
    (void)turn;
    slot_by_hand_claim(&made, false);
    sipc_add_barrier(&interrupt, SIPC_INTERRUPT_EVENT);
}

static void the_responder_dies_in_its_handler(unsigned turn) {
    mark_started();
    the_responder_dies(turn);
}

static void the_responders_death_tells_the_same_fates_and_frees_the_slot(void **state) {
    (void)state;
    fake.on_sleep = the_responder_dies;
    assert_int_equal(call(8, SIPC_FOREVER), SIPC_PEER_DIED);
    assert_true(sipc_caller_usable(&caller));
    slot_by_hand_claim(&made, true);
    fake.on_sleep = the_responder_dies_in_its_handler;
    assert_int_equal(call(8, SIPC_FOREVER), SIPC_PEER_DIED_MAYBE_EXECUTED);
    // Nobody runs the handler any more.
    assert_true(sipc_caller_usable(&caller));
}

static void a_response_that_was_there_before_the_deadline_is_taken_at_the_deadline(void **state) {
    (void)state;
    memset(&peer, 0, sizeof peer);
    peer.size = 3;
    fake.on_yield = answer_as_told;
    fake.tick = 1000000;
    assert_int_equal(call(8, 1000), SIPC_OK);
    assert_response(3);
}

// ---- Generations -------------------------------------------------------------------------------

#define LAST_GENERATION ((UINT32_C(1) << 29) - 1)

static void generations_wrap_and_exchanges_go_on(void **state) {
    (void)state;
    caller.generation = LAST_GENERATION - 2;
    for (uint32_t i = 0; i < 6; i++) {
        assert_int_equal(call_answered(8, TURN_LINE, i, SIPC_ANSWER_OK), SIPC_OK);
        assert_response(i);
        assert_int_equal(sipc_state_generation(caller_state()),
                         (LAST_GENERATION - 1 + i) & LAST_GENERATION);
    }
}

static void fates_are_told_after_the_wrap_too(void **state) {
    (void)state;
    // A slot with a past: some request before this one was started.
    sipc_exchange_barrier(&made.slot.owner->started, sipc_state(LAST_GENERATION, 0));
    caller.generation = LAST_GENERATION;
    fake.on_yield = pass_the_deadline;
    assert_int_equal(call(8, 1000), SIPC_TIMEOUT);
    fake.on_yield = start_and_pass_the_deadline;
    assert_int_equal(call(8, 1000), SIPC_TIMEOUT_MAYBE_EXECUTED);
}

// One of the two response words may stand still while generations come round.
static void a_response_word_from_one_round_ago_answers_nothing(void **state) {
    (void)state;
    const struct {
        uint32_t first_size, later_size;
        enum line first, later;
    } cases[] = {
        {100, 8, RESPONDER_LINE, TURN_LINE},
        {8, 8, RESPONDER_LINE, TURN_LINE},
        {8, 100, TURN_LINE, RESPONDER_LINE},
        {8, 8, TURN_LINE, RESPONDER_LINE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        make_another_slot();
        assert_int_equal(call_answered(cases[i].first_size, cases[i].first, 2, SIPC_ANSWER_OK),
                         SIPC_OK);
        // 2^29 - 2 exchanges of the other kind later.
        caller.generation = LAST_GENERATION;
        caller.requests += LAST_GENERATION - 1;
        for (uint32_t n = 1; n <= 3; n++) {
            assert_int_equal(call_answered(cases[i].later_size, cases[i].later, n, SIPC_ANSWER_OK),
                             SIPC_OK);
            assert_response(n);
        }
    }
}

static void transport_ids_are_not_repeated_when_generations_are(void **state) {
    (void)state;
    fake.on_yield = look_and_answer;
    assert_int_equal(call(8, SIPC_FOREVER), SIPC_OK);
    uint64_t first = seen_line.transport_id;
    caller.generation += LAST_GENERATION;
    caller.requests += LAST_GENERATION;
    assert_int_equal(call(8, SIPC_FOREVER), SIPC_OK);
    assert_true(seen_line.transport_id > first);
    assert_int_equal(seen_line.transport_id >> 48, SLOT + 1);
    // After 2^41 requests the count comes round; the slot and what the message says stay.
    caller.requests = (UINT64_C(1) << 41) - 1;
    assert_int_equal(call(8, SIPC_FOREVER), SIPC_OK);
    assert_true(seen_line.transport_id == ((uint64_t)(SLOT + 1) << 48 | 64 | 8));
    assert_int_equal(call_answered(8, TURN_LINE, 3, SIPC_ANSWER_OK), SIPC_OK);
    assert_response(3);
}

// ---- The end -----------------------------------------------------------------------------------

static void closing_keeps_the_generation_and_wakes_the_responder(void **state) {
    (void)state;
    assert_int_equal(call_answered(8, TURN_LINE, 0, SIPC_ANSWER_OK), SIPC_OK);
    sipc_store_relaxed(&made.slot.responder->waiting, 1);
    sipc_caller_close(&caller);
    assert_int_equal(caller_state(), sipc_state(1, SIPC_CODE_CLOSED));
    assert_int_equal(fake.wakes, 1);
}

#define STEP_BY_STEP(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void) {
    const struct CMUnitTest tests[] = {
        STEP_BY_STEP(a_request_stands_in_the_slot_as_the_spec_says),
        STEP_BY_STEP(a_request_written_in_place_is_not_copied),
        STEP_BY_STEP(the_responder_is_woken_only_if_it_waits),
        STEP_BY_STEP(a_reserved_message_id_is_refused),
        STEP_BY_STEP(a_request_larger_than_its_buffer_is_refused),
        STEP_BY_STEP(a_response_is_taken_from_the_line_where_it_stands),
        STEP_BY_STEP(the_responses_message_id_is_told),
        STEP_BY_STEP(a_response_that_stands_already_costs_no_yield),
        STEP_BY_STEP(a_response_of_a_responder_that_has_left_is_readable),
        STEP_BY_STEP(each_status_of_a_response_becomes_its_own),
        STEP_BY_STEP(a_failing_handlers_text_comes_with_the_failure),
        STEP_BY_STEP(a_size_beyond_the_place_is_not_believed),
        STEP_BY_STEP(a_foreign_transport_id_is_not_believed),
        STEP_BY_STEP(the_low_bits_of_an_id_in_the_responder_line_do_not_matter),
        STEP_BY_STEP(a_request_is_not_taken_for_its_own_response),
        STEP_BY_STEP(a_response_of_another_generation_is_none),
        STEP_BY_STEP(a_response_in_the_turn_line_does_not_answer_a_large_request),
        STEP_BY_STEP(an_exchange_after_a_violated_one_goes_well),
        STEP_BY_STEP(a_request_that_was_not_started_at_the_deadline_never_will_be),
        STEP_BY_STEP(a_request_that_was_started_is_maybe_executed),
        STEP_BY_STEP(whoever_handles_it_is_woken_when_the_caller_gives_up),
        STEP_BY_STEP(a_deadline_is_said_only_when_asked),
        STEP_BY_STEP(a_slot_with_a_request_in_a_handler_is_out_of_use_until_the_late_response),
        STEP_BY_STEP(a_late_tiny_response_frees_the_slot_too),
        STEP_BY_STEP(settling_waits_for_the_late_response),
        STEP_BY_STEP(settling_a_usable_slot_does_not_wait),
        STEP_BY_STEP(a_shutdown_tells_the_same_fates),
        STEP_BY_STEP(the_responders_death_tells_the_same_fates_and_frees_the_slot),
        STEP_BY_STEP(a_response_that_was_there_before_the_deadline_is_taken_at_the_deadline),
        STEP_BY_STEP(generations_wrap_and_exchanges_go_on),
        STEP_BY_STEP(fates_are_told_after_the_wrap_too),
        STEP_BY_STEP(a_response_word_from_one_round_ago_answers_nothing),
        STEP_BY_STEP(transport_ids_are_not_repeated_when_generations_are),
        STEP_BY_STEP(closing_keeps_the_generation_and_wakes_the_responder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
