// SPDX-License-Identifier: Apache-2.0
// Promise: each request of a pipeline completes exactly once, with its own response or with its
// fate, in whatever order the answers come; the thread that reaps sleeps and is woken by any of
// them (spec 7.1).
#include <string.h>

#include "internal/atomics.h"
#include "left_behind.h"
#include "pair.h"
#include "threads.h"

#define SOON UINT64_C(3000000)
#define MOST 64u

// What was told of completions.
static struct {
    unsigned count;
    uint64_t tags[MOST * 64];
    sipc_status statuses[MOST * 64];
    unsigned wrong; // responses that are not their request's
    sipc_pipeline *nested;
    sipc_status reaped_inside, taken_inside, closed_inside, submitted_inside;
} told;

// A request says its tag and fills the rest with what follows from it.
static uint32_t write_request(uint8_t *request, uint64_t tag) {
    uint32_t size = 8 + (uint32_t)(tag * 7 % 90);
    memcpy(request, &tag, sizeof tag);
    for (uint32_t i = 8; i < size; i++) request[i] = (uint8_t)(tag + i);
    return size;
}

// Some requests have a message id of their own.
static uint32_t message_id_of(uint64_t tag) {
    return tag % 3 ? SIPC_MESSAGE_NORMAL : SIPC_MESSAGE_FIRST_USER + (uint32_t)tag;
}

static bool answers(const sipc_completion *completion, uint64_t tag) {
    uint8_t expected[128];
    uint32_t size = write_request(expected, tag);
    return completion->message_id == message_id_of(tag) && completion->response_size == size &&
           memcmp(completion->response, expected, size) == 0;
}

static void take_note(void *context, const sipc_completion *completion) {
    (void)context;
    if (completion->status == SIPC_OK && !answers(completion, completion->tag)) told.wrong++;
    if (told.count < MOST * 64) {
        told.tags[told.count] = completion->tag;
        told.statuses[told.count] = completion->status;
    }
    told.count++;
    if (!told.nested) return;
    told.reaped_inside = sipc_pipeline_reap(told.nested, 0, 0, NULL);
    sipc_completion taken;
    uint32_t reaped;
    told.taken_inside = sipc_pipeline_reap_into(told.nested, &taken, 1, 0, &reaped);
    told.closed_inside = sipc_pipeline_close(told.nested);
}

static sipc_pipeline *open_pipeline(sipc_host *host, uint32_t depth) {
    sipc_pipeline *pipeline;
    memset(&told, 0, sizeof told);
    assert_int_equal(
        sipc_pipeline_open(host, SIPC_ANY_SLOT, depth, SIPC_FOREVER, take_note, NULL, &pipeline),
        SIPC_OK);
    return pipeline;
}

static sipc_status submit(sipc_pipeline *pipeline, uint64_t tag, uint64_t timeout_ns) {
    uint8_t request[128];
    uint32_t size = write_request(request, tag);
    return sipc_pipeline_submit(pipeline, message_id_of(tag), request, size, timeout_ns, tag);
}

static void reap_until(sipc_pipeline *pipeline, unsigned count) {
    while (told.count < count) {
        uint32_t reaped;
        assert_int_equal(sipc_pipeline_reap(pipeline, 0, SIPC_FOREVER, &reaped), SIPC_OK);
        assert_int_not_equal(reaped, 0);
    }
}

// ---- Handlers ----------------------------------------------------------------------------------

// Each tag below 8 waits at a gate of its own.
static struct gate gates[8];

static sipc_status wait_at_gate(void *context, const sipc_request *request,
                                sipc_response *response) {
    uint64_t tag;
    memcpy(&tag, request->data, sizeof tag);
    if (tag < 8) gate_pass(&gates[tag]);
    return echo(context, request, response);
}

static int begin(void **state) {
    note_what_exists(state);
    for (unsigned i = 0; i < 8; i++) gate_make(&gates[i]);
    return 0;
}

static int end(void **state) {
    for (unsigned i = 0; i < 8; i++) gate_free(&gates[i]);
    return nothing_is_left_behind(state);
}

static struct pair pair;

// A guest whose workers serve that many slots each.
static void open_pair(uint32_t slots, uint32_t each, const sipc_wait_policy *wait,
                      sipc_handler handler) {
    sipc_guest_options options = {.slots_per_worker = each};
    if (wait) options.wait = *wait;
    pair.name = fresh_name();
    pair.host = open_host(pair.name, slots, 256, wait);
    assert_int_equal(sipc_guest_attach(pair.name, &options, &pair.guest), SIPC_OK);
    assert_int_equal(sipc_guest_slots(pair.guest), slots);
    assert_int_equal(sipc_guest_start(pair.guest, handler, NULL), SIPC_OK);
}

// ---- Promises ----------------------------------------------------------------------------------

static void exchange_many(uint32_t depth, uint32_t each, const sipc_wait_policy *wait,
                          unsigned total) {
    open_pair(depth, each, wait, echo);
    sipc_pipeline *pipeline = open_pipeline(pair.host, depth);
    unsigned sent = 0;
    while (told.count < total) {
        while (sent < total && submit(pipeline, sent, SIPC_FOREVER) == SIPC_OK) sent++;
        uint32_t reaped;
        assert_int_equal(sipc_pipeline_reap(pipeline, sent % 3, SIPC_FOREVER, &reaped), SIPC_OK);
    }
    assert_int_equal(told.count, total);
    assert_int_equal(told.wrong, 0);
    static bool seen[MOST * 64];
    memset(seen, 0, sizeof seen);
    for (unsigned i = 0; i < total; i++) {
        assert_int_equal(told.statuses[i], SIPC_OK);
        assert_false(seen[told.tags[i]]);
        seen[told.tags[i]] = true;
    }
    assert_int_equal(sipc_pipeline_in_flight(pipeline), 0);
    assert_int_equal(sipc_pipeline_close(pipeline), SIPC_OK);
    pair_close(&pair);
}

static void each_request_completes_once_with_its_own_response(void **state) {
    (void)state;
    exchange_many(1, 1, NULL, 500);
    exchange_many(5, 1, NULL, 4000);
    exchange_many(16, 1, NULL, 4000);
}

static void who_reaps_asleep_is_woken_by_any_response(void **state) {
    (void)state;
    exchange_many(1, 1, &sleeper, 300);
    exchange_many(4, 1, &sleeper, 1500);
    exchange_many(16, 1, &sleeper, 2000);
}

static void one_worker_serves_a_group_of_slots(void **state) {
    (void)state;
    exchange_many(16, 16, NULL, 4000);
    exchange_many(16, 5, NULL, 4000);
    exchange_many(3, 2, NULL, 2000);
}

static void a_worker_of_a_group_sleeps_once_and_is_woken_by_any_request(void **state) {
    (void)state;
    exchange_many(16, 16, &sleeper, 3000);
    exchange_many(7, 3, &sleeper, 2000);
    // One caller at a time, each time through another slot.
    open_pair(5, 5, &sleeper, nod);
    for (uint32_t i = 0; i < 500; i++) {
        sipc_call call = {.request = "abc", .request_size = 3, .timeout_ns = SIPC_FOREVER};
        assert_int_equal(sipc_host_call_slot(pair.host, i * 3 % 5, &call), SIPC_OK);
    }
    pair_close(&pair);
}

static void more_slots_than_there_are_cannot_be_asked_for(void **state) {
    (void)state;
    const char *name = fresh_name();
    sipc_host *host = open_host(name, 4, 256, NULL);
    sipc_guest *guest;
    const uint32_t asked[][2] = {{0, 5}, {2, 3}, {5, 0}, {1, UINT32_MAX}, {UINT32_MAX, UINT32_MAX}};
    for (unsigned i = 0; i < 5; i++) {
        sipc_guest_options options = {.workers = asked[i][0], .slots_per_worker = asked[i][1]};
        assert_int_equal(sipc_guest_attach(name, &options, &guest), SIPC_INVALID_ARGUMENT);
    }
    sipc_guest_options options = {.workers = 1, .slots_per_worker = 3};
    assert_int_equal(sipc_guest_attach(name, &options, &guest), SIPC_OK);
    assert_int_equal(sipc_guest_slots(guest), 3);
    assert_int_equal(sipc_guest_detach(guest), SIPC_OK);
    sipc_host_close(host);
}

static void answers_are_taken_in_the_order_in_which_they_come(void **state) {
    (void)state;
    pair_open(&pair, 4, 256, &sleeper, wait_at_gate, NULL);
    sipc_pipeline *pipeline = open_pipeline(pair.host, 4);
    for (uint64_t tag = 0; tag < 4; tag++)
        assert_int_equal(submit(pipeline, tag, SIPC_FOREVER), SIPC_OK);
    static const unsigned order[] = {2, 0, 3, 1};
    for (unsigned i = 0; i < 4; i++) {
        gate_open(&gates[order[i]]);
        reap_until(pipeline, i + 1);
        assert_int_equal(told.tags[i], order[i]);
    }
    assert_int_equal(sipc_pipeline_close(pipeline), SIPC_OK);
    pair_close(&pair);
}

static void a_full_pipeline_refuses_and_takes_again_after_a_reap(void **state) {
    (void)state;
    pair_open(&pair, 3, 256, NULL, wait_at_gate, NULL);
    sipc_pipeline *pipeline = open_pipeline(pair.host, 2);
    assert_int_equal(submit(pipeline, 0, SIPC_FOREVER), SIPC_OK);
    assert_int_equal(submit(pipeline, 1, SIPC_FOREVER), SIPC_OK);
    assert_int_equal(sipc_pipeline_in_flight(pipeline), 2);
    assert_int_equal(submit(pipeline, 100, SIPC_FOREVER), SIPC_ALL_SLOTS_BUSY);
    assert_null(sipc_pipeline_request(pipeline, NULL));
    gate_open(&gates[1]);
    reap_until(pipeline, 1);
    assert_int_equal(submit(pipeline, 100, SIPC_FOREVER), SIPC_OK);
    gate_open(&gates[0]);
    reap_until(pipeline, 3);
    assert_int_equal(told.wrong, 0);
    assert_int_equal(sipc_pipeline_close(pipeline), SIPC_OK);
    pair_close(&pair);
}

// As many as fit of each round are taken, the first ones.
static void several_are_submitted_at_once(const sipc_wait_policy *wait, uint32_t each) {
    open_pair(16, each, wait, echo);
    sipc_pipeline *pipeline = open_pipeline(pair.host, 16);
    static uint8_t requests[16][128];
    unsigned sent = 0;
    while (told.count < 2000) {
        sipc_submission asked[16];
        uint32_t submitted, room = 16 - sipc_pipeline_in_flight(pipeline);
        for (uint32_t i = 0; i < 16; i++)
            asked[i] = (sipc_submission){.request = requests[i],
                                         .request_size = write_request(requests[i], sent + i),
                                         .message_id = message_id_of(sent + i),
                                         .tag = sent + i};
        sipc_status status =
            sipc_pipeline_submit_many(pipeline, asked, 16, SIPC_FOREVER, &submitted);
        assert_int_equal(status, room < 16 ? SIPC_ALL_SLOTS_BUSY : SIPC_OK);
        assert_int_equal(submitted, room);
        sent += submitted;
        assert_int_equal(sipc_pipeline_reap(pipeline, sent % 5, SIPC_FOREVER, NULL), SIPC_OK);
    }
    assert_int_equal(sipc_pipeline_in_flight(pipeline), sent - told.count);
    assert_int_equal(told.wrong, 0);
    assert_int_equal(sipc_pipeline_close(pipeline), SIPC_OK);
    assert_int_equal(told.count, sent);
    pair_close(&pair);
}

static void all_of_a_batch_are_answered(void **state) {
    (void)state;
    several_are_submitted_at_once(NULL, 16);
    several_are_submitted_at_once(NULL, 1);
    several_are_submitted_at_once(&sleeper, 16);
    several_are_submitted_at_once(&sleeper, 5);
}

static void a_batch_ends_at_the_first_that_cannot_be_sent(void **state) {
    (void)state;
    pair_open(&pair, 4, 256, NULL, echo, NULL);
    sipc_pipeline *pipeline = open_pipeline(pair.host, 4);
    uint8_t request[128];
    uint32_t size = write_request(request, 100), submitted = 9;
    const sipc_submission right = {request, size, message_id_of(100), 100};
    const sipc_submission asked[] = {right, right, {request, 129, 0, 1}, right};
    assert_int_equal(sipc_pipeline_submit_many(pipeline, asked, 4, SIPC_FOREVER, &submitted),
                     SIPC_REQUEST_TOO_LARGE);
    assert_int_equal(submitted, 2);
    reap_until(pipeline, 2);
    const sipc_submission heartbeat = {NULL, 0, SIPC_MESSAGE_HEARTBEAT_REQUEST, 7};
    assert_int_equal(sipc_pipeline_submit_many(pipeline, &heartbeat, 1, SIPC_FOREVER, NULL),
                     SIPC_OK);
    told.count = 0;
    while (told.count < 1)
        assert_int_equal(sipc_pipeline_reap(pipeline, 0, SIPC_FOREVER, NULL), SIPC_OK);
    assert_int_equal(told.tags[0], 7);
    assert_int_equal(sipc_pipeline_submit_many(pipeline, NULL, 0, SIPC_FOREVER, &submitted),
                     SIPC_OK);
    assert_int_equal(submitted, 0);
    assert_int_equal(sipc_pipeline_submit_many(pipeline, NULL, 1, SIPC_FOREVER, &submitted),
                     SIPC_INVALID_ARGUMENT);
    assert_int_equal(sipc_pipeline_submit_many(NULL, &right, 1, SIPC_FOREVER, &submitted),
                     SIPC_INVALID_ARGUMENT);
    assert_int_equal(sipc_pipeline_close(pipeline), SIPC_OK);
    pair_close(&pair);
}

// Its short deadline passes behind one that is answered at leisure.
static void who_is_late_is_told_while_others_are_answered(void **state) {
    (void)state;
    pair_open(&pair, 4, 256, NULL, wait_at_gate, NULL);
    sipc_pipeline *pipeline = open_pipeline(pair.host, 4);
    assert_int_equal(submit(pipeline, 0, SOON), SIPC_OK);
    bool late = false;
    for (uint64_t tag = 100; !late; tag++) {
        assert_int_equal(submit(pipeline, tag, SIPC_FOREVER), SIPC_OK);
        unsigned before = told.count;
        reap_until(pipeline, before + 1);
        for (unsigned i = before; i < told.count; i++) late = late || told.tags[i] == 0;
        told.count = 0;
    }
    gate_open(&gates[0]);
    assert_int_equal(sipc_pipeline_close(pipeline), SIPC_OK);
    pair_close(&pair);
}

// All that a batch brought back can be looked at side by side; nobody else hears of it.
static void completions_are_taken_into_an_array(void **state) {
    (void)state;
    open_pair(8, 8, NULL, echo);
    sipc_pipeline *pipeline = open_pipeline(pair.host, 8);
    for (uint64_t tag = 0; tag < 4000; tag += 8) {
        sipc_completion taken[9];
        uint32_t count = 0, reaped;
        for (uint64_t i = 0; i < 8; i++)
            assert_int_equal(submit(pipeline, tag + i, SIPC_DEFAULT_TIMEOUT), SIPC_OK);
        while (count < 8) {
            const uint32_t room = count < 5 ? 5 - count : 9 - count;
            assert_int_equal(
                sipc_pipeline_reap_into(pipeline, taken + count, room, SIPC_FOREVER, &reaped),
                SIPC_OK);
            assert_in_range(reaped, 1, room);
            count += reaped;
        }
        assert_int_equal(count, 8);
        bool seen[8] = {false};
        for (uint32_t i = 0; i < count; i++) {
            assert_int_equal(taken[i].status, SIPC_OK);
            assert_in_range(taken[i].tag, tag, tag + 7);
            assert_false(seen[taken[i].tag - tag]);
            seen[taken[i].tag - tag] = true;
            assert_true(answers(&taken[i], taken[i].tag));
        }
        assert_int_equal(sipc_pipeline_reap_into(pipeline, taken, 9, SIPC_FOREVER, &reaped),
                         SIPC_OK);
        assert_int_equal(reaped, 0);
    }
    assert_int_equal(told.count, 0);
    assert_int_equal(sipc_pipeline_close(pipeline), SIPC_OK);
    pair_close(&pair);
}

// Also of requests that end without a response there are never more than the array takes, and none
// is lost.
static void an_array_takes_no_more_than_it_has_room_for(void **state) {
    (void)state;
    sipc_host *host = open_host(fresh_name(), 4, 256, NULL);
    sipc_pipeline *pipeline = open_pipeline(host, 4);
    for (uint64_t tag = 0; tag < 4; tag++)
        assert_int_equal(submit(pipeline, tag, tag == 3 ? SIPC_FOREVER : SOON), SIPC_OK);
    unsigned sum = 0;
    for (unsigned i = 0; i < 3; i++) {
        sipc_completion taken[2] = {{.tag = 99}, {.tag = 99}};
        uint32_t reaped;
        assert_int_equal(sipc_pipeline_reap_into(pipeline, taken, 1, SIPC_FOREVER, &reaped),
                         SIPC_OK);
        assert_int_equal(reaped, 1);
        assert_int_equal(taken[0].status, SIPC_TIMEOUT);
        assert_null(taken[0].response);
        assert_int_equal(taken[1].tag, 99);
        sum += 1 + (unsigned)taken[0].tag;
    }
    assert_int_equal(sum, 1 + 2 + 3);
    assert_int_equal(sipc_pipeline_in_flight(pipeline), 1);
    // What a close gives up is told as ever.
    assert_int_equal(told.count, 0);
    assert_int_equal(sipc_pipeline_close(pipeline), SIPC_OK);
    assert_int_equal(told.count, 1);
    assert_int_equal(told.tags[0], 3);
    sipc_host_close(host);
}

static void requests_can_be_written_in_place(void **state) {
    (void)state;
    pair_open(&pair, 2, 256, NULL, echo, NULL);
    sipc_pipeline *pipeline = open_pipeline(pair.host, 2);
    for (uint64_t tag = 0; tag < 40; tag++) {
        uint32_t capacity;
        uint8_t *place = sipc_pipeline_request(pipeline, &capacity);
        assert_non_null(place);
        assert_int_equal(capacity, 128);
        uint32_t size = write_request(place, tag);
        assert_int_equal(
            sipc_pipeline_submit(pipeline, message_id_of(tag), place, size, SIPC_FOREVER, tag),
            SIPC_OK);
        reap_until(pipeline, (unsigned)tag + 1);
    }
    assert_int_equal(told.wrong, 0);
    assert_int_equal(sipc_pipeline_close(pipeline), SIPC_OK);
    pair_close(&pair);
}

static void a_deadline_tells_the_fate_and_frees_the_slot_when_it_is_free(void **state) {
    (void)state;
    pair_open(&pair, 1, 256, NULL, wait_at_gate, NULL);
    sipc_pipeline *pipeline = open_pipeline(pair.host, 1);
    assert_int_equal(submit(pipeline, 0, SOON), SIPC_OK);
    give_others_time();
    reap_until(pipeline, 1);
    // The worker has had time to begin it, as a rule.
    bool begun = told.statuses[0] == SIPC_TIMEOUT_MAYBE_EXECUTED;
    if (!begun) assert_int_equal(told.statuses[0], SIPC_TIMEOUT);
    if (begun) {
        assert_int_equal(submit(pipeline, 100, SIPC_FOREVER), SIPC_ALL_SLOTS_BUSY);
        gate_open(&gates[0]);
        while (submit(pipeline, 100, SIPC_FOREVER) != SIPC_OK) give_others_time();
    } else {
        assert_int_equal(submit(pipeline, 100, SIPC_FOREVER), SIPC_OK);
    }
    reap_until(pipeline, 2);
    assert_int_equal(told.tags[1], 100);
    assert_int_equal(told.statuses[1], SIPC_OK);
    assert_int_equal(told.wrong, 0);
    assert_int_equal(sipc_pipeline_close(pipeline), SIPC_OK);
    pair_close(&pair);
}

static void without_a_guest_a_request_is_not_started(void **state) {
    (void)state;
    sipc_host *host = open_host(fresh_name(), 2, 256, &sleeper);
    sipc_pipeline *pipeline = open_pipeline(host, 2);
    assert_int_equal(submit(pipeline, 7, SOON), SIPC_OK);
    reap_until(pipeline, 1);
    assert_int_equal(told.statuses[0], SIPC_TIMEOUT);
    // And a reap that waits for less than the deadline returns with nothing.
    assert_int_equal(submit(pipeline, 8, SIPC_FOREVER), SIPC_OK);
    uint32_t reaped = 1;
    assert_int_equal(sipc_pipeline_reap(pipeline, 0, SOON, &reaped), SIPC_OK);
    assert_int_equal(reaped, 0);
    assert_int_equal(sipc_pipeline_close(pipeline), SIPC_OK);
    assert_int_equal(told.count, 2);
    assert_int_equal(told.statuses[1], SIPC_CLOSED);
    sipc_host_close(host);
}

static void closing_tells_the_fate_of_what_is_in_flight(void **state) {
    (void)state;
    pair_open(&pair, 2, 256, NULL, wait_at_gate, NULL);
    sipc_pipeline *pipeline = open_pipeline(pair.host, 2);
    assert_int_equal(submit(pipeline, 0, SIPC_FOREVER), SIPC_OK);
    assert_int_equal(submit(pipeline, 1, SIPC_FOREVER), SIPC_OK);
    gate_open(&gates[0]);
    reap_until(pipeline, 1);
    assert_int_equal(sipc_pipeline_close(pipeline), SIPC_OK);
    assert_int_equal(told.count, 2);
    assert_true(told.statuses[1] == SIPC_CLOSED || told.statuses[1] == SIPC_CLOSED_MAYBE_EXECUTED);
    gate_open(&gates[1]);
    // The slots are the host's again.
    assert_int_equal(call_with(pair.host, "12345678", 8, SIPC_FOREVER), SIPC_BUFFER_TOO_SMALL);
    pair_close(&pair);
}

static void shut_down_soon(void *context) {
    give_others_time();
    sipc_host_shutdown(context);
}

static void a_shutdown_ends_the_reap_and_every_request(void **state) {
    (void)state;
    pair_open(&pair, 4, 256, &sleeper, wait_at_gate, NULL);
    sipc_pipeline *pipeline = open_pipeline(pair.host, 3);
    for (uint64_t tag = 0; tag < 3; tag++)
        assert_int_equal(submit(pipeline, tag, SIPC_FOREVER), SIPC_OK);
    struct thread other;
    thread_start(&other, shut_down_soon, pair.host);
    reap_until(pipeline, 3);
    for (unsigned i = 0; i < 3; i++)
        assert_true(told.statuses[i] == SIPC_CLOSED ||
                    told.statuses[i] == SIPC_CLOSED_MAYBE_EXECUTED);
    thread_join(&other);
    assert_int_equal(submit(pipeline, 9, SIPC_FOREVER), SIPC_CLOSED);
    assert_int_equal(sipc_pipeline_reap(pipeline, 0, SIPC_FOREVER, NULL), SIPC_CLOSED);
    for (unsigned i = 0; i < 3; i++) gate_open(&gates[i]);
    assert_int_equal(sipc_pipeline_close(pipeline), SIPC_OK);
    pair_close(&pair);
}

static void a_completion_may_not_reap_or_close(void **state) {
    (void)state;
    pair_open(&pair, 1, 256, NULL, echo, NULL);
    sipc_pipeline *pipeline = open_pipeline(pair.host, 1);
    told.nested = pipeline;
    assert_int_equal(submit(pipeline, 9, SIPC_FOREVER), SIPC_OK);
    reap_until(pipeline, 1);
    assert_int_equal(told.reaped_inside, SIPC_BUSY);
    assert_int_equal(told.taken_inside, SIPC_BUSY);
    assert_int_equal(told.closed_inside, SIPC_BUSY);
    assert_int_equal(sipc_pipeline_close(pipeline), SIPC_OK);
    pair_close(&pair);
}

struct opening {
    sipc_host *host;
    sipc_status opened, closed;
    struct thread thread;
};

static void open_and_close(void *context) {
    struct opening *opening = context;
    sipc_pipeline *pipeline;
    opening->opened = sipc_pipeline_open(opening->host, SIPC_ANY_SLOT, 3, SIPC_FOREVER, take_note,
                                         NULL, &pipeline);
    opening->closed = opening->opened ? opening->opened : sipc_pipeline_close(pipeline);
}

// With one of four slots each, and two more that become free, both would have what the other lacks.
static void those_that_gather_slots_at_once_all_get_them(void **state) {
    (void)state;
    sipc_host *host = open_host(fresh_name(), 4, 256, NULL);
    for (unsigned round = 0; round < 10; round++) {
        sipc_session *held[2];
        for (uint32_t i = 0; i < 2; i++)
            assert_int_equal(sipc_host_acquire(host, 2 + i, SIPC_FOREVER, &held[i]), SIPC_OK);
        struct opening openings[2] = {{.host = host}, {.host = host}};
        for (unsigned i = 0; i < 2; i++)
            thread_start(&openings[i].thread, open_and_close, &openings[i]);
        give_others_time();
        for (unsigned i = 0; i < 2; i++) sipc_session_release(held[i]);
        for (unsigned i = 0; i < 2; i++) {
            thread_join(&openings[i].thread);
            assert_int_equal(openings[i].opened, SIPC_OK);
            assert_int_equal(openings[i].closed, SIPC_OK);
        }
    }
    sipc_host_close(host);
}

static void a_pipeline_waits_for_its_turn_until_its_deadline(void **state) {
    (void)state;
    sipc_host *host = open_host(fresh_name(), 2, 256, NULL);
    sipc_session *session;
    sipc_pipeline *pipeline;
    assert_int_equal(sipc_host_acquire(host, 1, SIPC_FOREVER, &session), SIPC_OK);
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(
            sipc_pipeline_open(host, SIPC_ANY_SLOT, 2, SOON, take_note, NULL, &pipeline),
            SIPC_ALL_SLOTS_BUSY);
    sipc_session_release(session);
    assert_int_equal(
        sipc_pipeline_open(host, SIPC_ANY_SLOT, 2, SIPC_FOREVER, take_note, NULL, &pipeline),
        SIPC_OK);
    assert_int_equal(sipc_pipeline_close(pipeline), SIPC_OK);
    sipc_host_close(host);
}

static void bad_input_is_refused(void **state) {
    (void)state;
    sipc_host *host = open_host(fresh_name(), 2, 256, NULL);
    sipc_pipeline *pipeline;
#define OPEN(first, depth, completed)                                                              \
    sipc_pipeline_open(host, first, depth, SOON, completed, NULL, &pipeline)
    assert_int_equal(OPEN(SIPC_ANY_SLOT, 0, take_note), SIPC_INVALID_ARGUMENT);
    assert_int_equal(OPEN(SIPC_ANY_SLOT, 3, take_note), SIPC_INVALID_ARGUMENT);
    assert_int_equal(OPEN(1, 2, take_note), SIPC_INVALID_ARGUMENT);
    assert_int_equal(OPEN(0, 2, NULL), SIPC_INVALID_ARGUMENT);
    assert_null(pipeline);
    sipc_session *session;
    assert_int_equal(sipc_host_acquire(host, 1, SOON, &session), SIPC_OK);
    assert_int_equal(OPEN(0, 2, take_note), SIPC_ALL_SLOTS_BUSY);
    sipc_session_release(session);
    assert_int_equal(OPEN(0, 2, take_note), SIPC_OK);
#undef OPEN
    assert_int_equal(sipc_pipeline_submit(pipeline, 0, NULL, 1, SOON, 0), SIPC_INVALID_ARGUMENT);
    assert_int_equal(sipc_pipeline_submit(pipeline, 5, "", 1, SOON, 0), SIPC_BAD_MESSAGE_ID);
    uint8_t large[129] = {0};
    assert_int_equal(sipc_pipeline_submit(pipeline, 0, large, sizeof large, SOON, 0),
                     SIPC_REQUEST_TOO_LARGE);
    assert_int_equal(sipc_pipeline_submit(NULL, 0, "", 1, SOON, 0), SIPC_INVALID_ARGUMENT);
    sipc_completion taken;
    uint32_t reaped;
    assert_int_equal(sipc_pipeline_reap_into(pipeline, NULL, 1, 0, &reaped), SIPC_INVALID_ARGUMENT);
    assert_int_equal(sipc_pipeline_reap_into(pipeline, &taken, 0, 0, &reaped),
                     SIPC_INVALID_ARGUMENT);
    assert_int_equal(sipc_pipeline_reap_into(pipeline, &taken, 1, 0, NULL), SIPC_INVALID_ARGUMENT);
    assert_int_equal(sipc_pipeline_reap_into(NULL, &taken, 1, 0, &reaped), SIPC_INVALID_ARGUMENT);
    assert_int_equal(sipc_pipeline_in_flight(pipeline), 0);
    assert_int_equal(sipc_pipeline_close(pipeline), SIPC_OK);
    assert_int_equal(sipc_pipeline_close(NULL), SIPC_OK);
    sipc_host_close(host);
}

int main(int count, char **arguments) {
    chosen_backend = backend_of_arguments(count, arguments);
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(each_request_completes_once_with_its_own_response),
        TEST(who_reaps_asleep_is_woken_by_any_response),
        TEST(one_worker_serves_a_group_of_slots),
        TEST(a_worker_of_a_group_sleeps_once_and_is_woken_by_any_request),
        TEST(more_slots_than_there_are_cannot_be_asked_for),
        TEST(answers_are_taken_in_the_order_in_which_they_come),
        TEST(a_full_pipeline_refuses_and_takes_again_after_a_reap),
        TEST(all_of_a_batch_are_answered),
        TEST(a_batch_ends_at_the_first_that_cannot_be_sent),
        TEST(who_is_late_is_told_while_others_are_answered),
        TEST(completions_are_taken_into_an_array),
        TEST(an_array_takes_no_more_than_it_has_room_for),
        TEST(requests_can_be_written_in_place),
        TEST(a_deadline_tells_the_fate_and_frees_the_slot_when_it_is_free),
        TEST(without_a_guest_a_request_is_not_started),
        TEST(closing_tells_the_fate_of_what_is_in_flight),
        TEST(a_shutdown_ends_the_reap_and_every_request),
        TEST(a_completion_may_not_reap_or_close),
        TEST(those_that_gather_slots_at_once_all_get_them),
        TEST(a_pipeline_waits_for_its_turn_until_its_deadline),
        TEST(bad_input_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
