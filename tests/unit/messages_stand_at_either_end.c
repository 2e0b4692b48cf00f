// SPDX-License-Identifier: Apache-2.0
// Promise: a message is the first or the last bytes of its buffer's room, as its sender says; the
// receiver gets it where it stands, and believes no other place (spec 2.3, 2.4, 8).
#include <string.h>

#include <simpleipc/in_place.h>

#include "fake_system.h"
#include "left_behind.h"
#include "pair.h"
#include "slot_by_hand.h"

// Not a multiple of 64, so that the room is larger.
#define CAPACITY 200u
#define ROOM 256u

static uint8_t value_at(uint32_t size, uint32_t i) {
    return (uint8_t)(size * 3 + i * 7 + 1);
}

static void fill(uint8_t *to, uint32_t size) {
    for (uint32_t i = 0; i < size; i++) to[i] = value_at(size, i);
}

static bool is_filled(const uint8_t *from, uint32_t size) {
    for (uint32_t i = 0; i < size; i++)
        if (from[i] != value_at(size, i)) return false;
    return true;
}

// ---- Between a host and a guest
// ------------------------------------------------------------------

static struct {
    _Atomic sipc_status status;
    _Atomic uint32_t at_end;
    _Atomic uint32_t excess;        // bytes beyond what there is room for
    _Atomic ptrdiff_t request_from; // where the request was, seen from the response
} handler;

static sipc_status answer_as_told(void *context, const sipc_request *request,
                                  sipc_response *response) {
    (void)context;
    uint8_t *end = sipc_room_end(response->data, response->capacity);
    response->at_end = handler.at_end;
    response->size = request->size;
    if (!is_filled(request->data, request->size)) return SIPC_UNKNOWN_MESSAGE;
    uint8_t *to = handler.at_end ? end - request->size : (uint8_t *)response->data;
    fill(to, request->size);
    response->size += handler.excess;
    handler.request_from = (const uint8_t *)request->data - to;
    return handler.status;
}

static struct pair pair;
static sipc_session *session;
static uint8_t *buffer;

static int open_pair(void **state) {
    note_what_exists(state);
    handler.status = SIPC_OK;
    handler.at_end = 0;
    handler.excess = 0;
    uint32_t capacity = 0;
    pair_open(&pair, 1, 2 * CAPACITY, NULL, answer_as_told, NULL);
    assert_int_equal(sipc_host_acquire(pair.host, 0, SIPC_FOREVER, &session), SIPC_OK);
    buffer = sipc_session_request(session, &capacity);
    assert_int_equal(capacity, CAPACITY);
    assert_int_equal(sipc_room(capacity), ROOM);
    assert_int_equal((uintptr_t)buffer % 64, 0);
    return 0;
}

static int close_pair(void **state) {
    sipc_session_release(session);
    pair_close(&pair);
    return nothing_is_left_behind(state);
}

static sipc_status call(bool at_end, uint32_t message_id, uint32_t size, const void **response,
                        uint32_t *response_size) {
    fill(at_end ? buffer + ROOM - size : buffer, size);
    return (at_end ? sipc_session_call_at_end : sipc_session_call)(
        session, message_id, size, SIPC_FOREVER, response, response_size);
}

static void every_size_stands_at_either_end(void **state) {
    (void)state;
    const uint32_t message_ids[] = {SIPC_MESSAGE_NORMAL, 128};
    for (uint32_t plan = 0; plan < 8 * (CAPACITY + 1); plan++) {
        const uint32_t size = plan / 8;
        const void *response = NULL;
        uint32_t response_size = 0;
        handler.at_end = plan & 1;
        assert_int_equal(
            call(plan & 2, message_ids[plan >> 2 & 1], size, &response, &response_size), SIPC_OK);
        assert_int_equal(response_size, size);
        assert_true(is_filled(response, size));
        // It is one region: the host's response buffer stands before its request buffer.
        if (handler.at_end) assert_ptr_equal(response, buffer - size);
    }
}

static void a_message_at_the_end_is_not_moved_however_small(void **state) {
    (void)state;
    const void *response = NULL;
    handler.at_end = 1;
    for (uint32_t size = 0; size <= CAPACITY; size++) {
        assert_int_equal(call(true, 128, size, &response, NULL), SIPC_OK);
        // Two mappings of one region: the distance is the same.
        assert_int_equal(handler.request_from, ROOM);
        assert_ptr_equal(response, buffer - size);
    }
}

static void a_copied_call_gets_a_response_from_the_end(void **state) {
    (void)state;
    sipc_session_release(session);
    session = NULL;
    uint8_t request[CAPACITY], response[CAPACITY];
    handler.at_end = 1;
    for (uint32_t size = 0; size <= CAPACITY; size++) {
        fill(request, size);
        sipc_call copied = {.request = request,
                            .request_size = size,
                            .response = response,
                            .response_capacity = size};
        assert_int_equal(sipc_host_call(pair.host, &copied), SIPC_OK);
        assert_int_equal(copied.response_size, size);
        assert_true(is_filled(response, size));
    }
}

static void a_failures_text_may_stand_at_the_end(void **state) {
    (void)state;
    const void *text = NULL;
    uint32_t size = 0;
    handler.at_end = 1;
    handler.status = SIPC_SYSTEM;
    assert_int_equal(call(false, 0, 20, &text, &size), SIPC_HANDLER_FAILED);
    assert_int_equal(size, 20);
    assert_true(is_filled(text, size));
}

static void what_has_no_room_is_refused(void **state) {
    (void)state;
    const void *response = &response;
    assert_int_equal(
        sipc_session_call_at_end(session, 0, CAPACITY + 1, SIPC_FOREVER, &response, NULL),
        SIPC_REQUEST_TOO_LARGE);
    assert_int_equal(sipc_session_call_at_end(session, 5, 8, SIPC_FOREVER, &response, NULL),
                     SIPC_BAD_MESSAGE_ID);
    assert_int_equal(sipc_session_call_at_end(NULL, 0, 8, SIPC_FOREVER, &response, NULL),
                     SIPC_INVALID_ARGUMENT);
    handler.at_end = 1;
    handler.excess = CAPACITY;
    assert_int_equal(call(true, 0, 8, &response, NULL), SIPC_RESPONSE_TOO_LARGE);
    assert_null(sipc_room_end(NULL, CAPACITY));
}

// ---- Structs
// -------------------------------------------------------------------------------------

struct number {
    uint64_t value;
    uint32_t digits;
};

static void a_struct_stands_where_it_has_its_size_and_alignment(void **state) {
    (void)state;
    _Alignas(64) uint8_t bytes[2 * sizeof(struct number)] = {0};
    sipc_request request = {.data = bytes, .size = sizeof(struct number)};
    assert_ptr_equal(SIPC_REQUEST_AS(struct number, &request), bytes);
    request.data = bytes + 8;
    assert_ptr_equal(SIPC_REQUEST_AS(struct number, &request), bytes + 8);
    request.data = bytes + 4;
    assert_null(SIPC_REQUEST_AS(struct number, &request));
    request.data = bytes;
    request.size--;
    assert_null(SIPC_REQUEST_AS(struct number, &request));
    request.size += 2;
    assert_null(SIPC_REQUEST_AS(struct number, &request));
    request = (sipc_request){.data = NULL, .size = 0};
    assert_null(SIPC_REQUEST_AS(struct number, &request));

    memset(bytes, 0xFF, sizeof bytes);
    sipc_response response = {.data = bytes, .capacity = sizeof(struct number), .at_end = 1};
    struct number *number = SIPC_RESPONSE_AS(struct number, &response);
    assert_ptr_equal(number, bytes);
    assert_int_equal(response.size, sizeof *number);
    assert_int_equal(response.at_end, 0);
    assert_int_equal(number->value, 0);
    assert_int_equal(number->digits, 0);
    response = (sipc_response){.data = bytes, .capacity = sizeof(struct number) - 1};
    assert_null(SIPC_RESPONSE_AS(struct number, &response));
    assert_int_equal(response.size, sizeof *number); // so that the caller is told
}

// ---- Flags that say something else
// ---------------------------------------------------------------

static struct slot_by_hand made;
static uint32_t flags_of_answer;
static uint32_t size_of_answer;

static void answer_with_flags(unsigned turn) {
    (void)turn;
    made.slot.responder->flags = flags_of_answer;
    struct answer_by_hand right = right_answer(&made.slot, NULL, size_of_answer);
    answer_in_responder_line(&made.slot, &right);
}

static int make_slot(void **state) {
    note_what_exists(state);
    fake_reset();
    slot_by_hand_make(&made, 1, CAPACITY, CAPACITY);
    slot_by_hand_claim(&made, true);
    return 0;
}

static int free_slot(void **state) {
    slot_by_hand_free(&made);
    return nothing_is_left_behind(state);
}

static void a_caller_believes_no_other_flag(void **state) {
    (void)state;
    struct sipc_caller caller;
    caller_by_steps(&caller, &made, 1, &never_interrupted);
    fake.on_yield = answer_with_flags;
    const uint8_t request[CAPACITY] = {0};
    const uint32_t sizes[] = {0, 1, 48, CAPACITY, CAPACITY + 1, UINT32_MAX};
    for (uint32_t i = 0; i < 6 * 33; i++) {
        flags_of_answer = i % 33 == 32 ? UINT32_MAX : 1u << i % 33;
        size_of_answer = sizes[i / 33];
        struct sipc_deadline deadline = sipc_deadline_after(SIPC_FOREVER);
        struct sipc_answer answer = {.data = NULL};
        sipc_status status =
            sipc_caller_exchange(&caller, 0, request, i % 2 ? 8 : CAPACITY, &deadline, &answer);
        if (flags_of_answer == 1 && size_of_answer <= CAPACITY) {
            assert_int_equal(status, SIPC_OK);
            assert_ptr_equal(answer.data, made.slot.response + ROOM - size_of_answer);
            assert_int_equal(answer.size, size_of_answer);
        } else {
            assert_int_equal(status, SIPC_PROTOCOL_VIOLATED);
            assert_null(answer.data);
            assert_int_equal(answer.size, 0);
        }
    }
}

static sipc_status note_request(void *context, const sipc_request *request,
                                sipc_response *response) {
    (void)response;
    *(sipc_request *)context = *request;
    return SIPC_OK;
}

static void a_responder_hands_out_nothing_beyond_the_room(void **state) {
    (void)state;
    const sipc_wait_policy policy = {.preset = SIPC_WAIT_CUSTOM};
    struct sipc_responder responder;
    sipc_responder_init(&responder, &made.slot, &(struct sipc_owner){.incarnation = 1}, &policy,
                        &never_interrupted);
    responder.waiter.system = &fake_wait_system;
    const uint32_t sizes[] = {0, 1, 48, CAPACITY, CAPACITY + 1, ROOM, UINT32_MAX};
    for (uint32_t i = 0; i < 7; i++) {
        sipc_request seen = {.data = NULL};
        request_by_hand(&made.slot, i + 1, 128, NULL, CAPACITY);
        made.slot.turn->size = sizes[i];
        made.slot.turn->flags = SIPC_FLAG_AT_END;
        assert_int_equal(sipc_responder_serve(&responder, note_request, &seen),
                         SIPC_SERVED_REQUEST);
        bool sound = sizes[i] <= CAPACITY;
        assert_ptr_equal(seen.data, sound ? made.slot.request + ROOM - sizes[i] : NULL);
        assert_int_equal(made.slot.responder->status,
                         sound ? SIPC_ANSWER_OK : SIPC_ANSWER_BAD_REQUEST);
        assert_int_equal(made.slot.responder->flags, 0);
    }
}

#define OF_PAIR(test) cmocka_unit_test_setup_teardown(test, open_pair, close_pair)
#define OF_SLOT(test) cmocka_unit_test_setup_teardown(test, make_slot, free_slot)

int main(void) {
    const struct CMUnitTest tests[] = {
        OF_PAIR(every_size_stands_at_either_end),
        OF_PAIR(a_message_at_the_end_is_not_moved_however_small),
        OF_PAIR(a_copied_call_gets_a_response_from_the_end),
        OF_PAIR(a_failures_text_may_stand_at_the_end),
        OF_PAIR(what_has_no_room_is_refused),
        PROMISE(a_struct_stands_where_it_has_its_size_and_alignment),
        OF_SLOT(a_caller_believes_no_other_flag),
        OF_SLOT(a_responder_hands_out_nothing_beyond_the_room),
    };
    return cmocka_run_group_tests_name("messages stand at either end", tests, NULL, NULL);
}
