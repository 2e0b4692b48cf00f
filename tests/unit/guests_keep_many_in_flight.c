// SPDX-License-Identifier: Apache-2.0
// Promise: a guest's pipeline keeps many requests to its host in flight: each completes exactly
// once, with its own response or with its fate, also when the host closes (spec 7.1, 9.1).
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

#include "left_behind.h"
#include "pair.h"
#include "threads.h"

#define CAPACITY 128u
#define SOON UINT64_C(3000000)
#define HOST_SLOTS 3u

static struct {
    unsigned count;
    unsigned wrong; // responses that are not their request's
    uint64_t tag;   // of the last one
    sipc_status status;
    unsigned with[2];         // how many were answered; how many were not
    sipc_status statuses[32]; // of the last ones, by tag
} told;

static uint32_t write_request(uint8_t *request, uint64_t tag) {
    uint32_t size = 8 + (uint32_t)(tag * 7 % 90);
    memcpy(request, &tag, sizeof tag);
    for (uint32_t i = 8; i < size; i++) request[i] = (uint8_t)(tag + i);
    return size;
}

static bool answers(const sipc_completion *completion) {
    uint8_t expected[CAPACITY];
    uint32_t size = write_request(expected, completion->tag);
    return completion->response_size == size && memcmp(completion->response, expected, size) == 0;
}

static void take_note(void *context, const sipc_completion *completion) {
    (void)context;
    if (completion->status == SIPC_OK && !answers(completion)) told.wrong++;
    told.count++;
    told.tag = completion->tag;
    told.status = completion->status;
    told.statuses[completion->tag % 32] = completion->status;
    told.with[completion->status != SIPC_OK]++;
}

// ---- A host, and guests that call it -----------------------------------------------------------

static struct {
    const char *name;
    sipc_host *host;
    sipc_guest *guest;
} family;

static void open_family(uint32_t guest_slots, const sipc_wait_policy *wait) {
    family.name = fresh_name();
    sipc_host_options options = {.backend = chosen_backend, .guest_slots = guest_slots};
    if (wait) options.wait = *wait;
    assert_int_equal(
        sipc_host_create(family.name, HOST_SLOTS, 2 * CAPACITY, &options, &family.host), SIPC_OK);
    memset(&told, 0, sizeof told);
}

static void serve(uint32_t workers, const sipc_wait_policy *wait, sipc_handler handler) {
    sipc_serve_options options = {.workers = workers};
    if (wait) options.wait = *wait;
    assert_int_equal(sipc_host_serve(family.host, &options, handler, NULL), SIPC_OK);
}

static void attach(uint32_t call_slots, const sipc_wait_policy *wait) {
    sipc_guest_options options = {.calls_only = 1, .call_slots = call_slots};
    if (wait) options.wait = *wait;
    assert_int_equal(sipc_guest_attach(family.name, &options, &family.guest), SIPC_OK);
}

static sipc_pipeline *open_pipeline(uint32_t depth) {
    sipc_pipeline *pipeline;
    assert_int_equal(
        sipc_guest_pipeline_open(family.guest, depth, SIPC_FOREVER, take_note, NULL, &pipeline),
        SIPC_OK);
    return pipeline;
}

static void close_family(sipc_pipeline *pipeline) {
    assert_int_equal(sipc_pipeline_close(pipeline), SIPC_OK);
    assert_int_equal(sipc_guest_detach(family.guest), SIPC_OK);
    sipc_host_close(family.host);
}

static sipc_status submit(sipc_pipeline *pipeline, uint64_t tag, uint64_t timeout_ns) {
    uint8_t request[CAPACITY];
    uint32_t size = write_request(request, tag);
    return sipc_pipeline_submit(pipeline, SIPC_MESSAGE_NORMAL, request, size, timeout_ns, tag);
}

static void reap_until(sipc_pipeline *pipeline, unsigned count) {
    while (told.count < count)
        assert_int_equal(sipc_pipeline_reap(pipeline, 0, SIPC_FOREVER, NULL), SIPC_OK);
    assert_int_equal(told.wrong, 0);
}

static void exchange_many(sipc_pipeline *pipeline, unsigned total) {
    unsigned sent = 0;
    memset(&told, 0, sizeof told);
    while (told.count < total) {
        while (sent < total && submit(pipeline, sent, SIPC_DEFAULT_TIMEOUT) == SIPC_OK) sent++;
        assert_int_equal(sipc_pipeline_reap(pipeline, sent % 3, SIPC_FOREVER, NULL), SIPC_OK);
    }
    assert_int_equal(told.with[0], total);
    assert_int_equal(told.wrong, 0);
    assert_int_equal(sipc_pipeline_in_flight(pipeline), 0);
}

// ---- Promises ----------------------------------------------------------------------------------

static void pass_many(uint32_t depth, uint32_t workers, const sipc_wait_policy *wait) {
    open_family(depth, wait);
    serve(workers, wait, echo);
    attach(depth, wait);
    sipc_pipeline *pipeline = open_pipeline(depth);
    exchange_many(pipeline, 2000);
    close_family(pipeline);
}

static void each_request_completes_once_with_its_own_response(void **state) {
    (void)state;
    pass_many(1, 1, NULL);
    pass_many(5, 0, NULL);
    pass_many(16, 1, NULL);
}

static void who_reaps_asleep_is_woken_by_any_response(void **state) {
    (void)state;
    pass_many(1, 1, &sleeper);
    pass_many(5, 0, &sleeper);
    pass_many(16, 3, &sleeper);
}

static _Atomic bool polled_enough;

static void poll_until_told(void *context) {
    (void)context;
    while (!atomic_load(&polled_enough)) sipc_host_poll(family.host, echo, NULL, NULL);
}

static void a_host_may_poll_in_its_own_loop(void **state) {
    (void)state;
    open_family(8, NULL);
    attach(8, NULL);
    atomic_store(&polled_enough, false);
    struct thread poller;
    thread_start(&poller, poll_until_told, NULL);
    sipc_pipeline *pipeline = open_pipeline(8);
    exchange_many(pipeline, 2000);
    atomic_store(&polled_enough, true);
    thread_join(&poller);
    close_family(pipeline);
}

// Two pipelines and calls side by side; and each slot is any caller's again after its pipeline.
static void pipelines_and_calls_share_the_slots(void **state) {
    (void)state;
    open_family(7, &sleeper);
    serve(0, NULL, echo);
    attach(7, &sleeper);
    sipc_pipeline *first = open_pipeline(3), *second = open_pipeline(3), *third;
    assert_int_equal(sipc_guest_pipeline_open(family.guest, 2, SOON, take_note, NULL, &third),
                     SIPC_ALL_SLOTS_BUSY);
    uint8_t response[8];
    sipc_call call = {.request = "12345678",
                      .request_size = 8,
                      .response = response,
                      .response_capacity = sizeof response};
    for (unsigned round = 0; round < 20; round++) {
        exchange_many(second, 30);
        exchange_many(first, 30);
        assert_int_equal(sipc_guest_call(family.guest, &call), SIPC_OK);
    }
    assert_int_equal(sipc_pipeline_close(first), SIPC_OK);
    assert_int_equal(sipc_pipeline_close(second), SIPC_OK);
    third = open_pipeline(7);
    exchange_many(third, 100);
    close_family(third);
}

static struct gate entered, let_go;

static sipc_status dawdle(void *context, const sipc_request *request, sipc_response *response) {
    gate_open(&entered);
    gate_pass(&let_go);
    return echo(context, request, response);
}

static int begin(void **state) {
    gate_make(&entered);
    gate_make(&let_go);
    note_what_exists(state);
    return 0;
}

static int end(void **state) {
    int left = nothing_is_left_behind(state);
    gate_free(&entered);
    gate_free(&let_go);
    return left;
}

static sipc_status submit_and_reap(void *pipeline, uint64_t timeout_ns) {
    const sipc_status status = submit(pipeline, 2, timeout_ns);
    if (status) return status;
    reap_until(pipeline, told.count + 1);
    return told.status;
}

static void a_deadline_tells_the_fate(void **state) {
    (void)state;
    open_family(1, &sleeper);
    attach(1, &sleeper);
    sipc_pipeline *pipeline = open_pipeline(1);
    assert_int_equal(submit(pipeline, 1, SOON), SIPC_OK);
    reap_until(pipeline, 1);
    assert_int_equal(told.status, SIPC_TIMEOUT); // nobody serves
    serve(1, &sleeper, dawdle);
    give_up_in_handler(submit_and_reap, pipeline, SOON, &entered);
    assert_int_equal(submit(pipeline, 3, SIPC_FOREVER), SIPC_ALL_SLOTS_BUSY);
    gate_open(&let_go);
    gate_open(&let_go);
    while (submit(pipeline, 3, SIPC_FOREVER) != SIPC_OK) give_others_time();
    reap_until(pipeline, told.count + 1);
    assert_int_equal(told.status, SIPC_OK);
    assert_int_equal(told.tag, 3);
    close_family(pipeline);
}

static void shut_down_soon(void *context) {
    (void)context;
    give_others_time();
    sipc_host_shutdown(family.host);
    gate_open(&let_go);
}

// One is in its handler, which answers; those behind it are not started any more.
static void a_host_that_closes_answers_what_it_has_begun(void **state) {
    (void)state;
    open_family(3, &sleeper);
    serve(1, &sleeper, dawdle);
    attach(3, &sleeper);
    sipc_pipeline *pipeline = open_pipeline(3);
    assert_int_equal(submit(pipeline, 0, SIPC_FOREVER), SIPC_OK);
    gate_pass(&entered);
    assert_int_equal(submit(pipeline, 1, SIPC_FOREVER), SIPC_OK);
    assert_int_equal(submit(pipeline, 2, SIPC_FOREVER), SIPC_OK);
    struct thread other;
    thread_start(&other, shut_down_soon, NULL);
    reap_until(pipeline, 3);
    thread_join(&other);
    // In any order: the answer may come between two looks at slots.
    assert_int_equal(told.with[0], 1);
    assert_int_equal(told.statuses[0], SIPC_OK);
    assert_int_equal(told.statuses[1], SIPC_CLOSED);
    assert_int_equal(told.statuses[2], SIPC_CLOSED);
    assert_int_equal(submit(pipeline, 9, SIPC_FOREVER), SIPC_OK);
    reap_until(pipeline, 4);
    assert_int_equal(told.status, SIPC_CLOSED);
    close_family(pipeline);
}

static void a_host_that_never_served_leaves_nobody_waiting(void **state) {
    (void)state;
    open_family(4, &sleeper);
    attach(4, &sleeper);
    sipc_pipeline *pipeline = open_pipeline(4);
    for (uint64_t tag = 0; tag < 4; tag++)
        assert_int_equal(submit(pipeline, tag, SIPC_FOREVER), SIPC_OK);
    struct thread other;
    thread_start(&other, shut_down_soon, NULL);
    reap_until(pipeline, 4);
    thread_join(&other);
    assert_int_equal(told.with[1], 4);
    assert_int_equal(told.status, SIPC_CLOSED);
    close_family(pipeline);
}

static void who_only_polls_hears_of_the_end(void **state) {
    (void)state;
    open_family(2, NULL);
    attach(2, NULL);
    sipc_pipeline *pipeline = open_pipeline(2);
    assert_int_equal(submit(pipeline, 0, SIPC_FOREVER), SIPC_OK);
    assert_int_equal(submit(pipeline, 1, SIPC_FOREVER), SIPC_OK);
    assert_int_equal(sipc_pipeline_reap(pipeline, 0, 0, NULL), SIPC_OK);
    assert_int_equal(told.count, 0);
    sipc_host_shutdown(family.host);
    while (told.count < 2) assert_int_equal(sipc_pipeline_reap(pipeline, 0, 0, NULL), SIPC_OK);
    assert_int_equal(told.status, SIPC_CLOSED);
    close_family(pipeline);
}

// Its process lives on, so that nobody is told that it has gone: the slots say it.
static void after_the_host_nothing_is_answered(void **state) {
    (void)state;
    open_family(2, &sleeper);
    serve(0, NULL, echo);
    attach(2, &sleeper);
    sipc_pipeline *pipeline = open_pipeline(2);
    exchange_many(pipeline, 10);
    sipc_host_close(family.host);
    family.host = NULL;
    for (unsigned round = 1; round <= 5; round++) {
        if (submit(pipeline, round, SIPC_FOREVER) == SIPC_CLOSED) break;
        reap_until(pipeline, 10 + round);
        assert_int_equal(told.status, SIPC_CLOSED);
    }
    close_family(pipeline);
}

// What a pipeline gives up when it closes does not disturb who calls there next, this guest or
// another.
static void closing_gives_the_slots_back(void **state) {
    (void)state;
    open_family(2, NULL);
    serve(0, NULL, echo);
    for (unsigned round = 0; round < 50; round++) {
        attach(2, NULL);
        sipc_pipeline *pipeline = open_pipeline(2);
        told.count = 0;
        assert_int_equal(submit(pipeline, 0, SIPC_FOREVER), SIPC_OK);
        assert_int_equal(submit(pipeline, 1, SIPC_FOREVER), SIPC_OK);
        assert_int_equal(sipc_pipeline_close(pipeline), SIPC_OK);
        assert_int_equal(told.count, 2);
        pipeline = open_pipeline(2);
        exchange_many(pipeline, 5);
        assert_int_equal(submit(pipeline, 2, SIPC_FOREVER), SIPC_OK);
        assert_int_equal(sipc_pipeline_close(pipeline), SIPC_OK);
        assert_int_equal(sipc_guest_detach(family.guest), SIPC_OK);
    }
    sipc_host_close(family.host);
}

static void bad_input_is_refused(void **state) {
    (void)state;
    open_family(2, NULL);
    attach(2, NULL);
    sipc_pipeline *pipeline = (sipc_pipeline *)&pipeline;
    sipc_guest *guest = family.guest;
    assert_int_equal(sipc_guest_pipeline_open(guest, 0, SOON, take_note, NULL, &pipeline),
                     SIPC_INVALID_ARGUMENT);
    assert_null(pipeline);
    assert_int_equal(sipc_guest_pipeline_open(guest, 3, SOON, take_note, NULL, &pipeline),
                     SIPC_INVALID_ARGUMENT);
    assert_int_equal(sipc_guest_pipeline_open(guest, 2, SOON, NULL, NULL, &pipeline),
                     SIPC_INVALID_ARGUMENT);
    assert_int_equal(sipc_guest_pipeline_open(NULL, 2, SOON, take_note, NULL, &pipeline),
                     SIPC_INVALID_ARGUMENT);
    assert_int_equal(sipc_guest_pipeline_open(guest, 2, SOON, take_note, NULL, NULL),
                     SIPC_INVALID_ARGUMENT);
    sipc_guest *other;
    sipc_guest_options options = {.reconnect = 1};
    assert_int_equal(sipc_guest_attach(family.name, &options, &other), SIPC_OK);
    assert_int_equal(sipc_guest_pipeline_open(other, 1, SOON, take_note, NULL, &pipeline),
                     SIPC_INVALID_ARGUMENT);
    assert_int_equal(sipc_guest_detach(other), SIPC_OK);
    pipeline = open_pipeline(2);
    assert_int_equal(sipc_pipeline_submit(pipeline, SIPC_MESSAGE_SHUTDOWN, NULL, 0, SOON, 0),
                     SIPC_BAD_MESSAGE_ID);
    close_family(pipeline);
}

static void without_guest_slots_there_is_no_pipeline(void **state) {
    (void)state;
    open_family(0, NULL);
    assert_int_equal(sipc_guest_attach(family.name, NULL, &family.guest), SIPC_OK);
    sipc_pipeline *pipeline;
    assert_int_equal(sipc_guest_pipeline_open(family.guest, 1, SOON, take_note, NULL, &pipeline),
                     SIPC_NO_SLOT);
    close_family(NULL);
}

int main(int count, char **arguments) {
    chosen_backend = backend_of_arguments(count, arguments);
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(each_request_completes_once_with_its_own_response),
        TEST(who_reaps_asleep_is_woken_by_any_response),
        TEST(a_host_may_poll_in_its_own_loop),
        TEST(pipelines_and_calls_share_the_slots),
        TEST(a_deadline_tells_the_fate),
        TEST(a_host_that_closes_answers_what_it_has_begun),
        TEST(a_host_that_never_served_leaves_nobody_waiting),
        TEST(who_only_polls_hears_of_the_end),
        TEST(after_the_host_nothing_is_answered),
        TEST(closing_gives_the_slots_back),
        TEST(bad_input_is_refused),
        TEST(without_guest_slots_there_is_no_pipeline),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
