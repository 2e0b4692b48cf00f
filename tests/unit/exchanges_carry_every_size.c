// SPDX-License-Identifier: Apache-2.0
// Promise: a request reaches its handler and the response its caller, byte for byte, whatever their
// sizes, by each way of calling; and so does what the response says beside its payload.
#include <string.h>

#include "left_behind.h"
#include "pair.h"
#include "threads.h"

#define CAPACITY 300u

// What the handler is to do, and what it has seen. The exchange orders the accesses of both sides;
// who looks for races cannot see that, since host and guest have the region at two addresses.
static pthread_mutex_t both_sides = PTHREAD_MUTEX_INITIALIZER;
static struct {
    uint32_t answer_size;
    sipc_status answer;
    unsigned calls;
    uint32_t size;
    uint32_t message_id;
    uint32_t slot;
    uint64_t transport_id;
    uint8_t payload[CAPACITY];
} handled;

static uint8_t request_bytes[CAPACITY];
static uint8_t response_bytes[CAPACITY + 8];
static struct pair pair;

static sipc_status handle(void *context, const sipc_request *request, sipc_response *response) {
    (void)context;
    pthread_mutex_lock(&both_sides);
    handled.calls++;
    handled.size = request->size;
    handled.message_id = request->message_id;
    handled.slot = request->slot;
    handled.transport_id = request->transport_id;
    memcpy(handled.payload, request->data, request->size);
    uint8_t *data = response->data;
    for (uint32_t i = 0; i < handled.answer_size && i < response->capacity; i++)
        data[i] = (uint8_t)(i * 11 + handled.answer_size);
    response->size = handled.answer_size;
    sipc_status status = handled.answer;
    pthread_mutex_unlock(&both_sides);
    return status;
}

static void meet_the_handler(void) {
    pthread_mutex_lock(&both_sides);
    pthread_mutex_unlock(&both_sides);
}

static sipc_status call_host(sipc_call *call) {
    meet_the_handler();
    sipc_status status = sipc_host_call(pair.host, call);
    meet_the_handler();
    return status;
}

static sipc_status call_slot(uint32_t slot, sipc_call *call) {
    meet_the_handler();
    sipc_status status = sipc_host_call_slot(pair.host, slot, call);
    meet_the_handler();
    return status;
}

static sipc_status call_session(sipc_session *session, uint32_t size, const void **response,
                                uint32_t *response_size) {
    meet_the_handler();
    sipc_status status =
        sipc_session_call(session, SIPC_MESSAGE_NORMAL, size, 0, response, response_size);
    meet_the_handler();
    return status;
}

static int begin(void **state) {
    note_what_exists(state);
    memset(&handled, 0, sizeof handled);
    pair_open(&pair, 3, 2 * CAPACITY, NULL, handle, NULL);
    return 0;
}

static int end(void **state) {
    pair_close(&pair);
    return nothing_is_left_behind(state);
}

static const uint32_t sizes[] = {0,  1,  2,  3,  4,   7,   8,   15,  16,  17,
                                 31, 32, 33, 43, 44,  45,  47,  48,  49,  63,
                                 64, 65, 95, 96, 127, 128, 200, 256, 257, CAPACITY};
#define SIZES (sizeof sizes / sizeof sizes[0])

static void fill_request(uint32_t size, uint8_t *to) {
    for (uint32_t i = 0; i < size; i++) to[i] = (uint8_t)(i * 7 + size);
}

static void assert_handled(uint32_t size) {
    assert_int_equal(handled.size, size);
    for (uint32_t i = 0; i < size; i++)
        assert_int_equal(handled.payload[i], (uint8_t)(i * 7 + size));
}

static void assert_response(const uint8_t *bytes, uint32_t size) {
    for (uint32_t i = 0; i < size; i++) assert_int_equal(bytes[i], (uint8_t)(i * 11 + size));
}

static void call_message_and_check(uint32_t message_id, uint32_t request_size,
                                   uint32_t response_size) {
    handled.answer_size = response_size;
    fill_request(request_size, request_bytes);
    memset(response_bytes, 0xEE, sizeof response_bytes);
    sipc_call call = {.message_id = message_id,
                      .request = request_bytes,
                      .request_size = request_size,
                      .response = response_bytes,
                      .response_capacity = CAPACITY};
    assert_int_equal(call_host(&call), SIPC_OK);
    assert_int_equal(call.response_size, response_size);
    assert_int_equal(call.response_message_id, message_id);
    assert_int_equal(handled.message_id, message_id);
    assert_handled(request_size);
    assert_response(response_bytes, response_size);
    assert_int_equal(response_bytes[response_size], 0xEE);
}

static void call_and_check(uint32_t request_size, uint32_t response_size) {
    call_message_and_check(SIPC_MESSAGE_NORMAL, request_size, response_size);
}

static void every_size_arrives_as_a_copy(void **state) {
    (void)state;
    for (uint32_t i = 0; i < SIZES * SIZES; i++) {
        call_and_check(sizes[i / SIZES], sizes[i % SIZES]);
        call_message_and_check(UINT32_MAX - i, sizes[i / SIZES], sizes[i % SIZES]);
    }
}

static void every_size_arrives_in_place(void **state) {
    (void)state;
    sipc_session *session;
    assert_int_equal(sipc_host_acquire(pair.host, SIPC_ANY_SLOT, 0, &session), SIPC_OK);
    uint32_t capacity;
    uint8_t *request = sipc_session_request(session, &capacity);
    assert_int_equal(capacity, CAPACITY);
    assert_int_equal((uintptr_t)request % 64, 0);
    for (uint32_t i = 0; i < SIZES * SIZES; i++) {
        handled.answer_size = sizes[i % SIZES];
        fill_request(sizes[i / SIZES], request);
        const void *response;
        uint32_t size;
        assert_int_equal(call_session(session, sizes[i / SIZES], &response, &size), SIPC_OK);
        assert_int_equal(size, sizes[i % SIZES]);
        assert_handled(sizes[i / SIZES]);
        assert_response(response, size);
    }
    sipc_session_release(session);
}

static void a_call_through_a_slot_goes_through_that_slot(void **state) {
    (void)state;
    for (uint32_t slot = 0; slot < 3; slot++) {
        sipc_call call = {.request = "x", .request_size = 1};
        assert_int_equal(call_slot(slot, &call), SIPC_OK);
        assert_int_equal(handled.slot, slot);
        sipc_session *session;
        assert_int_equal(sipc_host_acquire(pair.host, slot, 0, &session), SIPC_OK);
        assert_int_equal(sipc_session_slot(session), slot);
        assert_int_equal(call_session(session, 0, NULL, NULL), SIPC_OK);
        assert_int_equal(handled.slot, slot);
        sipc_session_release(session);
    }
}

static void the_message_id_reaches_the_handler_and_comes_back(void **state) {
    (void)state;
    const uint32_t ids[] = {SIPC_MESSAGE_NORMAL, SIPC_MESSAGE_FIRST_USER, 129, UINT32_MAX};
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
        sipc_call call = {.message_id = ids[i], .response_message_id = 5};
        assert_int_equal(call_host(&call), SIPC_OK);
        assert_int_equal(handled.message_id, ids[i]);
        assert_int_equal(call.response_message_id, ids[i]);
    }
}

static void every_request_has_a_transport_id_of_its_own(void **state) {
    (void)state;
    uint64_t last[3] = {0};
    for (uint32_t i = 0; i < 30; i++) {
        sipc_call call = {.request_size = 0};
        assert_int_equal(call_slot(i % 3, &call), SIPC_OK);
        assert_int_equal(handled.transport_id >> 48, i % 3 + 1);
        assert_true(handled.transport_id > last[i % 3]);
        last[i % 3] = handled.transport_id;
    }
}

static void a_heartbeat_is_answered_by_the_library(void **state) {
    (void)state;
    sipc_call call = {
        .message_id = SIPC_MESSAGE_HEARTBEAT_REQUEST, .request = "beat", .request_size = 4};
    assert_int_equal(call_host(&call), SIPC_OK);
    assert_int_equal(call.response_message_id, SIPC_MESSAGE_HEARTBEAT_RESPONSE);
    assert_int_equal(call.response_size, 0);
    assert_int_equal(handled.calls, 0);
}

// ---- Where the response goes -------------------------------------------------------------------

static void a_response_larger_than_the_buffer_is_not_cut_off(void **state) {
    (void)state;
    for (uint32_t size = 20; size <= 100; size += 80) {
        handled.answer_size = size;
        memset(response_bytes, 0xEE, sizeof response_bytes);
        sipc_call call = {.response = response_bytes, .response_capacity = size - 1};
        assert_int_equal(call_host(&call), SIPC_BUFFER_TOO_SMALL);
        assert_int_equal(call.response_size, size);
        assert_int_equal(response_bytes[0], 0xEE);
        call.response_capacity = size;
        assert_int_equal(call_host(&call), SIPC_OK);
        assert_response(response_bytes, size);
    }
}

static void nobody_needs_a_buffer_for_an_empty_response(void **state) {
    (void)state;
    sipc_call call = {.response_capacity = 0};
    assert_int_equal(call_host(&call), SIPC_OK);
    handled.answer_size = 1;
    assert_int_equal(call_host(&call), SIPC_BUFFER_TOO_SMALL);
}

struct reserved {
    unsigned asked;
    uint32_t size;
    void *room;
};

static void *reserve(void *context, uint32_t size) {
    struct reserved *reserved = context;
    reserved->asked++;
    reserved->size = size;
    return reserved->room;
}

static void room_is_asked_for_once_the_size_is_known(void **state) {
    (void)state;
    struct reserved reserved = {.room = response_bytes};
    handled.answer_size = 77;
    sipc_call call = {.reserve = reserve, .reserve_context = &reserved};
    assert_int_equal(call_host(&call), SIPC_OK);
    assert_int_equal(reserved.asked, 1);
    assert_int_equal(reserved.size, 77);
    assert_response(response_bytes, 77);
    handled.answer_size = 0;
    assert_int_equal(call_host(&call), SIPC_OK);
    assert_int_equal(reserved.asked, 1);
}

static void a_response_without_room_is_lost_and_told(void **state) {
    (void)state;
    struct reserved reserved = {.room = NULL};
    handled.answer_size = 77;
    sipc_call call = {.reserve = reserve, .reserve_context = &reserved};
    assert_int_equal(call_host(&call), SIPC_RESPONSE_LOST);
    assert_int_equal(call.response_size, 77);
    assert_int_equal(sipc_status_fate(SIPC_RESPONSE_LOST), SIPC_FATE_ANSWERED);
    call_and_check(8, 8);
}

// ---- Handlers that do not succeed --------------------------------------------------------------

static void a_failing_handlers_text_arrives_with_the_failure(void **state) {
    (void)state;
    handled.answer = SIPC_SYSTEM;
    for (uint32_t size = 10; size <= 100; size += 90) {
        handled.answer_size = size;
        sipc_call call = {.response = response_bytes, .response_capacity = CAPACITY};
        assert_int_equal(call_host(&call), SIPC_HANDLER_FAILED);
        assert_int_equal(call.response_size, size);
        assert_response(response_bytes, size);
        sipc_session *session;
        assert_int_equal(sipc_host_acquire(pair.host, 0, 0, &session), SIPC_OK);
        const void *response;
        uint32_t got;
        assert_int_equal(call_session(session, 0, &response, &got), SIPC_HANDLER_FAILED);
        assert_int_equal(got, size);
        assert_response(response, size);
        sipc_session_release(session);
    }
    handled.answer = SIPC_OK;
    call_and_check(8, 8);
}

// The buffer that is too small for the text does not make a success of it.
static void a_failure_stays_one_if_its_text_finds_no_room(void **state) {
    (void)state;
    handled.answer = SIPC_SYSTEM;
    handled.answer_size = 50;
    sipc_call call = {.response = response_bytes, .response_capacity = 10};
    assert_int_equal(call_host(&call), SIPC_HANDLER_FAILED);
    assert_int_equal(call.response_size, 50);
    struct reserved reserved = {.room = NULL};
    call = (sipc_call){.reserve = reserve, .reserve_context = &reserved};
    assert_int_equal(call_host(&call), SIPC_HANDLER_FAILED);
}

static void a_handler_that_returns_more_than_its_room_is_told_to_the_caller(void **state) {
    (void)state;
    const uint32_t too_large[] = {CAPACITY + 1, UINT32_MAX};
    for (int i = 0; i < 2; i++) {
        handled.answer_size = too_large[i];
        sipc_call call = {.response = response_bytes, .response_capacity = CAPACITY};
        assert_int_equal(call_host(&call), SIPC_RESPONSE_TOO_LARGE);
        assert_int_equal(call.response_size, 0);
    }
    call_and_check(8, CAPACITY);
}

static void a_message_that_the_handler_does_not_know_is_told_to_the_caller(void **state) {
    (void)state;
    handled.answer = SIPC_UNKNOWN_MESSAGE;
    sipc_call call = {.message_id = 4711};
    assert_int_equal(call_host(&call), SIPC_UNKNOWN_MESSAGE);
    handled.answer = SIPC_OK;
    call_and_check(8, 8);
}

// ---- Many at a time ----------------------------------------------------------------------------

#define CALLERS 8u

static struct {
    sipc_host *host;
    unsigned calls;
    unsigned wrong[CALLERS];
} crowd;

// Each caller's requests differ in every byte from those of the others and in time.
static void call_many_times(void *context, unsigned index) {
    (void)context;
    uint8_t request[CAPACITY];
    uint8_t response[CAPACITY];
    for (unsigned i = 0; i < crowd.calls; i++) {
        uint32_t size = (i * 31 + index * 7) % CAPACITY;
        for (uint32_t k = 0; k < size; k++) request[k] = (uint8_t)(index * 29 + i * 3 + k);
        sipc_call call = {.request = request,
                          .request_size = size,
                          .response = response,
                          .response_capacity = CAPACITY,
                          .timeout_ns = SIPC_FOREVER};
        sipc_status status = sipc_host_call(crowd.host, &call);
        if (status != SIPC_OK || call.response_size != size || memcmp(request, response, size) != 0)
            crowd.wrong[index]++;
    }
}

static void assert_crowd_is_served(uint32_t slots, const sipc_wait_policy *wait, unsigned calls) {
    struct pair echoing;
    pair_open(&echoing, slots, 2 * CAPACITY, wait, echo, NULL);
    memset(&crowd, 0, sizeof crowd);
    crowd.host = echoing.host;
    crowd.calls = calls;
    run_together(CALLERS, call_many_times, NULL);
    for (unsigned i = 0; i < CALLERS; i++) assert_int_equal(crowd.wrong[i], 0);
    pair_close(&echoing);
}

static void every_caller_of_a_crowd_gets_its_own_response(void **state) {
    (void)state;
    assert_crowd_is_served(CALLERS, NULL, 2000);
    assert_crowd_is_served(3, NULL, 2000);
    assert_crowd_is_served(1, NULL, 1000);
}

// Without spinning and yielding each exchange needs both wakes: a lost one hangs here.
static void no_wake_is_lost_among_sleepers(void **state) {
    (void)state;
    assert_crowd_is_served(CALLERS, &sleeper, 300);
    assert_crowd_is_served(3, &sleeper, 300);
    assert_crowd_is_served(1, &sleeper, 150);
}

#define OVER_A_PAIR(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(int count, char **arguments) {
    chosen_backend = backend_of_arguments(count, arguments);
    const struct CMUnitTest tests[] = {
        OVER_A_PAIR(every_size_arrives_as_a_copy),
        OVER_A_PAIR(every_size_arrives_in_place),
        OVER_A_PAIR(a_call_through_a_slot_goes_through_that_slot),
        OVER_A_PAIR(the_message_id_reaches_the_handler_and_comes_back),
        OVER_A_PAIR(every_request_has_a_transport_id_of_its_own),
        OVER_A_PAIR(a_heartbeat_is_answered_by_the_library),
        OVER_A_PAIR(a_response_larger_than_the_buffer_is_not_cut_off),
        OVER_A_PAIR(nobody_needs_a_buffer_for_an_empty_response),
        OVER_A_PAIR(room_is_asked_for_once_the_size_is_known),
        OVER_A_PAIR(a_response_without_room_is_lost_and_told),
        OVER_A_PAIR(a_failing_handlers_text_arrives_with_the_failure),
        OVER_A_PAIR(a_failure_stays_one_if_its_text_finds_no_room),
        OVER_A_PAIR(a_handler_that_returns_more_than_its_room_is_told_to_the_caller),
        OVER_A_PAIR(a_message_that_the_handler_does_not_know_is_told_to_the_caller),
        PROMISE(every_caller_of_a_crowd_gets_its_own_response),
        PROMISE(no_wake_is_lost_among_sleepers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
