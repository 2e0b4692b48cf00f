// SPDX-License-Identifier: Apache-2.0
// Promise: a call that got no response says whether its request was not started or maybe executed,
// and is right; a slot whose request may still be in its handler stays out of use until the late
// response, which nobody receives (spec 4).
#include <stdlib.h>
#include <string.h>

#include "internal/atomics.h"
#include "left_behind.h"
#include "pair.h"
#include "threads.h"

#define SOON UINT64_C(3000000)

// A handler that stays in until it is let go, and looks whether its request changed meanwhile.
static struct {
    struct gate entered;
    struct gate leave;
    sipc_word changed;
    sipc_word calls;
} busy;

static sipc_status stay(void *context, const sipc_request *request, sipc_response *response) {
    (void)context;
    uint8_t before[64];
    uint32_t size = request->size < 64 ? request->size : 64;
    memcpy(before, request->data, size);
    sipc_add_barrier(&busy.calls, 1);
    gate_open(&busy.entered);
    gate_pass(&busy.leave);
    if (memcmp(before, request->data, size) != 0) sipc_add_barrier(&busy.changed, 1);
    memcpy(response->data, before, size);
    response->size = size;
    return SIPC_OK;
}

static struct pair pair;

static int begin(void **state) {
    note_what_exists(state);
    gate_make(&busy.entered);
    gate_make(&busy.leave);
    sipc_store_relaxed(&busy.changed, 0);
    sipc_store_relaxed(&busy.calls, 0);
    return 0;
}

static int end(void **state) {
    gate_free(&busy.entered);
    gate_free(&busy.leave);
    return nothing_is_left_behind(state);
}

static void open_busy_pair(uint32_t slots) {
    pair_open(&pair, slots, 256, NULL, stay, NULL);
}

struct bytes {
    const char *data;
    uint32_t size;
};

static sipc_status call_with_bytes(void *context, uint64_t timeout_ns) {
    const struct bytes *bytes = context;
    return call_with(pair.host, bytes->data, bytes->size, timeout_ns);
}

static void leave_one_in_the_handler(const char *request, uint32_t size) {
    struct bytes bytes = {request, size};
    give_up_in_handler(call_with_bytes, &bytes, SOON, &busy.entered);
}

static sipc_status call_in_place(void *session, uint64_t timeout_ns) {
    return sipc_session_call(session, 0, 8, timeout_ns, NULL, NULL);
}

// ---- Not started -------------------------------------------------------------------------------

static void without_a_guest_a_request_is_not_started(void **state) {
    (void)state;
    const char *name = fresh_name();
    sipc_host *host = open_host(name, 1, 64, NULL);
    for (int i = 0; i < 3; i++) assert_int_equal(call_with(host, "x", 1, SOON), SIPC_TIMEOUT);
    // And never will be: a guest that comes finds nothing to do.
    sipc_guest *guest = attach_guest(name, 0);
    uint32_t served = 7;
    assert_int_equal(sipc_guest_poll(guest, echo, NULL, &served), SIPC_OK);
    assert_int_equal(served, 0);
    sipc_guest_detach(guest);
    sipc_host_close(host);
}

struct patient_call {
    sipc_host *host;
    sipc_status status;
    uint32_t size;
    char response[16];
};

static void call_patiently(void *context) {
    struct patient_call *patient = context;
    sipc_call call = {.request = "early",
                      .request_size = 5,
                      .response = patient->response,
                      .response_capacity = sizeof patient->response,
                      .timeout_ns = SIPC_FOREVER};
    patient->status = sipc_host_call(patient->host, &call);
    patient->size = call.response_size;
}

static void a_request_waits_for_the_guest_that_comes(void **state) {
    (void)state;
    const char *name = fresh_name();
    struct patient_call patient = {.host = open_host(name, 3, 64, NULL)};
    struct thread thread;
    thread_start(&thread, call_patiently, &patient);
    give_others_time();
    // One worker is enough: it takes the slot where the request waits.
    sipc_guest *guest = attach_guest(name, 1);
    assert_int_equal(sipc_guest_start(guest, echo, NULL), SIPC_OK);
    thread_join(&thread);
    assert_int_equal(patient.status, SIPC_OK);
    assert_int_equal(patient.size, 5);
    assert_memory_equal(patient.response, "early", 5);
    sipc_guest_detach(guest);
    sipc_host_close(patient.host);
}

// ---- Maybe executed ----------------------------------------------------------------------------

static void in_its_handler_a_request_is_maybe_executed(void **state) {
    (void)state;
    open_busy_pair(1);
    leave_one_in_the_handler("first", 5);
    gate_open(&busy.leave);
    pair_close(&pair);
    assert_int_equal(busy.calls, 1);
}

static void a_slot_is_out_of_use_while_its_request_is_in_the_handler(void **state) {
    (void)state;
    open_busy_pair(1);
    leave_one_in_the_handler("first", 5);
    assert_int_equal(call_with(pair.host, "second", 6, SOON), SIPC_ALL_SLOTS_BUSY);
    sipc_session *session;
    assert_int_equal(sipc_host_acquire(pair.host, 0, SOON, &session), SIPC_ALL_SLOTS_BUSY);
    gate_open(&busy.leave);
    gate_open(&busy.leave);
    assert_int_equal(sipc_host_acquire(pair.host, 0, SIPC_FOREVER, &session), SIPC_OK);
    sipc_session_release(session);
    pair_close(&pair);
    assert_int_equal(busy.changed, 0);
}

// The late response comes while the next caller sleeps for the slot; it gets its own.
static void a_late_response_is_nobodys(void **state) {
    (void)state;
    const uint32_t sizes[] = {5, 60};
    for (int i = 0; i < 2; i++) {
        open_busy_pair(1);
        char first[60];
        memset(first, 'f', sizeof first);
        leave_one_in_the_handler(first, sizes[i]);
        struct patient_call patient = {.host = pair.host};
        struct thread thread;
        thread_start(&thread, call_patiently, &patient);
        give_others_time();
        gate_open(&busy.leave);
        gate_open(&busy.leave);
        thread_join(&thread);
        assert_int_equal(patient.status, SIPC_OK);
        assert_int_equal(patient.size, 5);
        assert_memory_equal(patient.response, "early", 5);
        pair_close(&pair);
    }
    assert_int_equal(busy.changed, 0);
}

static void another_slot_serves_while_one_is_out_of_use(void **state) {
    (void)state;
    open_busy_pair(2);
    leave_one_in_the_handler("first", 5);
    gate_open(&busy.leave);
    gate_open(&busy.leave);
    sipc_call call = {.timeout_ns = SIPC_FOREVER};
    assert_int_equal(sipc_host_call(pair.host, &call), SIPC_OK);
    pair_close(&pair);
}

static void a_session_tells_that_its_earlier_request_is_still_in_the_handler(void **state) {
    (void)state;
    open_busy_pair(1);
    sipc_session *session;
    assert_int_equal(sipc_host_acquire(pair.host, 0, 0, &session), SIPC_OK);
    memcpy(sipc_session_request(session, NULL), "in place", 8);
    give_up_in_handler(call_in_place, session, SOON, &busy.entered);
    uint32_t capacity = 0;
    assert_null(sipc_session_request(session, &capacity));
    assert_int_equal(capacity, 128);
    assert_int_equal(sipc_session_call(session, 0, 8, SOON, NULL, NULL), SIPC_TIMEOUT);
    assert_int_equal(sipc_session_settle(session, SOON), SIPC_TIMEOUT);
    gate_open(&busy.leave);
    assert_int_equal(sipc_session_settle(session, SIPC_FOREVER), SIPC_OK);
    assert_non_null(sipc_session_request(session, NULL));
    gate_open(&busy.leave);
    const void *response;
    uint32_t size;
    memcpy(sipc_session_request(session, NULL), "another", 7);
    assert_int_equal(sipc_session_call(session, 0, 7, SIPC_FOREVER, &response, &size), SIPC_OK);
    assert_int_equal(size, 7);
    assert_memory_equal(response, "another", 7);
    sipc_session_release(session);
    pair_close(&pair);
    assert_int_equal(busy.changed, 0);
}

// ---- Exact -------------------------------------------------------------------------------------

#define RACES 20000u

static struct {
    sipc_word executed[RACES];
    sipc_word wrong;
} ledger;

// Each request is the number of a call; the response is that number's complement.
static sipc_status enter_in_ledger(void *context, const sipc_request *request,
                                   sipc_response *response) {
    (void)context;
    uint32_t number;
    memcpy(&number, request->data, sizeof number);
    if (request->size < sizeof number || number >= RACES) {
        sipc_add_barrier(&ledger.wrong, 1);
        return SIPC_SYSTEM;
    }
    sipc_add_barrier(&ledger.executed[number], 1);
    number = ~number;
    memcpy(response->data, &number, sizeof number);
    response->size = request->size;
    return SIPC_OK;
}

// Deadlines that pass before, while and after the responder begins.
static void race_the_deadline(uint32_t slots, uint32_t size, const sipc_wait_policy *wait) {
    static sipc_status statuses[RACES];
    memset(&ledger, 0, sizeof ledger);
    pair_open(&pair, slots, 256, wait, enter_in_ledger, NULL);
    for (uint32_t i = 0; i < RACES; i++) {
        uint8_t request[128] = {0};
        uint8_t response[128];
        memcpy(request, &i, sizeof i);
        sipc_call call = {.request = request,
                          .request_size = size,
                          .response = response,
                          .response_capacity = sizeof response,
                          .timeout_ns = 1 + i % 64 * 400};
        statuses[i] = sipc_host_call(pair.host, &call);
        uint32_t expected = ~i;
        if (statuses[i] == SIPC_OK &&
            (call.response_size != size || memcmp(response, &expected, 4) != 0))
            sipc_add_barrier(&ledger.wrong, 1);
    }
    pair_close(&pair);
    uint32_t answered = 0;
    for (uint32_t i = 0; i < RACES; i++) {
        uint32_t times = ledger.executed[i];
        switch (statuses[i]) {
        case SIPC_OK:
            assert_int_equal(times, 1);
            answered++;
            break;
        case SIPC_TIMEOUT:
        case SIPC_ALL_SLOTS_BUSY:
            assert_int_equal(times, 0);
            break;
        case SIPC_TIMEOUT_MAYBE_EXECUTED:
            assert_true(times <= 1);
            break;
        default:
            fail_msg("call %u of size %u: %s", i, size, sipc_status_name(statuses[i]));
        }
    }
    assert_int_equal(ledger.wrong, 0);
    // Not every deadline is too short, or nothing was tested.
    assert_true(answered > 0);
}

static void what_is_said_to_be_not_started_never_ran_and_what_was_answered_ran_once(void **state) {
    (void)state;
    const sipc_wait_policy yielder = {.preset = SIPC_WAIT_CUSTOM, .yields = 3};
    const sipc_wait_policy spinner = {.preset = SIPC_WAIT_CUSTOM, .spin_min = 20, .spin_max = 40};
    for (uint32_t size = 4; size <= 104; size += 100) {
        race_the_deadline(1, size, &yielder);
        race_the_deadline(1, size, &spinner);
        race_the_deadline(2, size, &sleeper);
    }
}

#define ABOUT_FATES(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(int count, char **arguments) {
    chosen_backend = backend_of_arguments(count, arguments);
    const struct CMUnitTest tests[] = {
        ABOUT_FATES(without_a_guest_a_request_is_not_started),
        ABOUT_FATES(a_request_waits_for_the_guest_that_comes),
        ABOUT_FATES(in_its_handler_a_request_is_maybe_executed),
        ABOUT_FATES(a_slot_is_out_of_use_while_its_request_is_in_the_handler),
        ABOUT_FATES(a_late_response_is_nobodys),
        ABOUT_FATES(another_slot_serves_while_one_is_out_of_use),
        ABOUT_FATES(a_session_tells_that_its_earlier_request_is_still_in_the_handler),
        ABOUT_FATES(what_is_said_to_be_not_started_never_ran_and_what_was_answered_ran_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
