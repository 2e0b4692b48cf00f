// SPDX-License-Identifier: Apache-2.0
// Promise: in a quiet region the counters say exactly what each slot has carried and how its calls
// have ended, to whoever reads them; a successor goes on from there (spec 2.6).
#include <simpleipc/counters.h>
#include <simpleipc/pending.h>
#include <string.h>

#include "internal/counting.h"
#include "internal/os.h"
#include "left_behind.h"
#include "pair.h"
#include "threads.h"

#define CAPACITY 256u
#define SHORT UINT64_C(50000000)
#define TOO_LARGE 200u
#define FAILING 201u
#define SLOW 202u
#define UNKNOWN 203u

static struct gate entered, let_go; // of slow requests, and of those that are kept

static int make_gates(void **state) {
    gate_make(&entered);
    gate_make(&let_go);
    return note_what_exists(state);
}

static int free_gates(void **state) {
    gate_free(&entered);
    gate_free(&let_go);
    return nothing_is_left_behind(state);
}

// What the message id says: so every kind of answer can be asked for.
static sipc_status oblige(void *context, const sipc_request *request, sipc_response *response) {
    if (request->message_id == UNKNOWN) return SIPC_UNKNOWN_MESSAGE;
    if (request->message_id == TOO_LARGE) {
        response->size = response->capacity + 1;
        return SIPC_OK;
    }
    echo(context, request, response);
    if (request->message_id == FAILING) return SIPC_HANDLER_FAILED;
    if (request->message_id == SLOW) {
        gate_open(&entered);
        gate_pass(&let_go);
    }
    return SIPC_OK;
}

static sipc_status call_message(sipc_host *host, uint32_t message_id, uint32_t size,
                                uint64_t timeout_ns) {
    uint8_t request[CAPACITY] = {0}, response[CAPACITY];
    sipc_call call = {.message_id = message_id,
                      .request = request,
                      .request_size = size,
                      .response = response,
                      .response_capacity = sizeof response,
                      .timeout_ns = timeout_ns};
    return sipc_host_call(host, &call);
}

static sipc_counters sum_of(const sipc_host *host, uint32_t slots) {
    sipc_counters sum, one;
    memset(&sum, 0, sizeof sum);
    for (uint32_t i = 0; i < slots; i++) {
        assert_int_equal(sipc_host_counters(host, i, &one), SIPC_OK);
        sipc_counters_add(&sum, &one);
    }
    return sum;
}

// A responder counts after its answer, the bytes of that last.
static sipc_counters at_rest(const sipc_host *host, uint32_t slots, uint64_t requests,
                             uint64_t response_bytes) {
    sipc_counters sum;
    do {
        sum = sum_of(host, slots);
    } while (sum.responder.requests < requests || sum.responder.response_bytes < response_bytes);
    return sum_of(host, slots);
}

// ---- What was carried --------------------------------------------------------------------------

static void calls_and_bytes_are_counted_on_both_sides(void **state) {
    (void)state;
    struct pair pair;
    pair_open(&pair, 2, 2 * CAPACITY, NULL, oblige, NULL);
    uint64_t bytes = 0;
    const uint32_t calls = 5 * CAPACITY;
    for (uint32_t i = 0; i < calls; i++) {
        assert_int_equal(call_message(pair.host, i % 2 ? 0 : 300, i % CAPACITY, SIPC_FOREVER),
                         SIPC_OK);
        bytes += i % CAPACITY;
    }
    sipc_counters sum = at_rest(pair.host, 2, calls, bytes);
    assert_int_equal(sum.caller.calls, calls);
    assert_int_equal(sum.caller.request_bytes, bytes);
    assert_int_equal(sum.caller.response_bytes, bytes);
    assert_int_equal(sum.responder.requests, calls);
    assert_int_equal(sum.responder.request_bytes, bytes);
    assert_int_equal(sum.responder.response_bytes, bytes);
    const uint64_t samples = sipc_histogram_samples(&sum.caller.round_trip);
    assert_int_equal(samples, calls / SIPC_SAMPLE_INTERVAL);
    assert_int_equal(sipc_histogram_samples(&sum.caller.wake), samples);
    assert_int_equal(sipc_histogram_samples(&sum.responder.queue), samples);
    assert_int_equal(sipc_histogram_samples(&sum.responder.service), samples);
    pair_close(&pair);
}

static void tell(void *context, const sipc_completion *completion) {
    assert_int_equal(completion->status, SIPC_OK);
    ++*(uint32_t *)context;
}

static void a_pipeline_counts_in_each_of_its_slots(void **state) {
    (void)state;
    enum { DEPTH = 4, CALLS = 3000, SIZE = 100 };
    struct pair pair;
    pair_open(&pair, DEPTH, 2 * CAPACITY, NULL, oblige, NULL);
    uint8_t request[SIZE] = {0};
    uint32_t told = 0, sent = 0;
    sipc_pipeline *pipeline;
    assert_int_equal(sipc_pipeline_open(pair.host, SIPC_ANY_SLOT, DEPTH, SIPC_DEFAULT_TIMEOUT, tell,
                                        &told, &pipeline),
                     SIPC_OK);
    while (told < CALLS) {
        while (sent < CALLS &&
               sipc_pipeline_submit(pipeline, 0, request, SIZE, SIPC_FOREVER, 0) == SIPC_OK)
            sent++;
        assert_int_equal(sipc_pipeline_reap(pipeline, 0, SIPC_FOREVER, NULL), SIPC_OK);
    }
    sipc_counters sum = at_rest(pair.host, DEPTH, CALLS, CALLS * SIZE), one;
    assert_int_equal(sum.caller.calls, CALLS);
    assert_int_equal(sum.caller.request_bytes, CALLS * SIZE);
    assert_int_equal(sum.caller.response_bytes, CALLS * SIZE);
    assert_int_equal(sum.responder.requests, CALLS);
    for (uint32_t i = 0; i < DEPTH; i++) {
        assert_int_equal(sipc_host_counters(pair.host, i, &one), SIPC_OK);
        assert_int_equal(one.caller.calls, one.responder.requests);
        assert_true(one.caller.calls > 0);
        assert_true(i == 0 || one.caller.waits.sleeps == 0);
    }
    assert_int_equal(sipc_pipeline_close(pipeline), SIPC_OK);
    pair_close(&pair);
}

// ---- How calls end -----------------------------------------------------------------------------

// Calls that are given up, of one size, and how many were published.
struct given_up {
    sipc_host *host;
    uint32_t message_id;
    uint32_t size;
    uint32_t calls;
};

static sipc_status call_and_count(void *context, uint64_t timeout_ns) {
    struct given_up *made = context;
    sipc_status status = call_message(made->host, made->message_id, made->size, timeout_ns);
    if (status != SIPC_ALL_SLOTS_BUSY) made->calls++;
    return status;
}

static void every_kind_of_error_has_its_count(void **state) {
    (void)state;
    struct pair pair;
    pair_open(&pair, 1, 2 * CAPACITY, NULL, oblige, NULL);
    sipc_host *host = pair.host;
    for (unsigned i = 0; i < 1; i++)
        assert_int_equal(call_message(host, FAILING, 5, SIPC_FOREVER), SIPC_HANDLER_FAILED);
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(call_message(host, TOO_LARGE, 60, SIPC_FOREVER), SIPC_RESPONSE_TOO_LARGE);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(call_message(host, UNKNOWN, 7, SIPC_FOREVER), SIPC_UNKNOWN_MESSAGE);
    struct given_up slow = {host, SLOW, 9, 0};
    give_up_in_handler(call_and_count, &slow, SHORT, &entered);
    gate_open(&let_go);
    assert_int_equal(call_message(host, SIPC_MESSAGE_HEARTBEAT_REQUEST, 0, SIPC_FOREVER), SIPC_OK);
    // Refused before anything is written: no call of the slot's.
    assert_int_equal(call_message(host, 0, CAPACITY + 1, SIPC_FOREVER), SIPC_REQUEST_TOO_LARGE);
    const sipc_counters sum = at_rest(host, 1, 8, 5 + 9);
    assert_int_equal(sum.caller.calls, 7 + slow.calls);
    assert_int_equal(sum.caller.request_bytes, 5 + 2 * 60 + 3 * 7 + 9 * slow.calls);
    assert_int_equal(sum.caller.response_bytes, 5);
    assert_int_equal(sum.caller.handler_failed, 1);
    assert_int_equal(sum.caller.response_too_large, 2);
    assert_int_equal(sum.caller.unknown_message, 3);
    assert_int_equal(sum.caller.timed_out, slow.calls);
    assert_int_equal(sum.caller.maybe_executed, 1);
    assert_int_equal(sum.caller.peer_died + sum.caller.closed + sum.caller.protocol_violated, 0);
    assert_int_equal(sum.responder.requests, 8);
    assert_int_equal(sum.responder.request_bytes, 5 + 2 * 60 + 3 * 7 + 9);
    assert_int_equal(sum.responder.response_bytes, 5 + 9); // the late one, too
    assert_int_equal(sum.responder.handler_failed, 1);
    assert_int_equal(sum.responder.response_too_large, 2);
    assert_int_equal(sum.responder.unknown_message, 3);
    pair_close(&pair);
}

static void a_call_that_nobody_serves_is_counted_as_not_started(void **state) {
    (void)state;
    sipc_host *host = open_host(fresh_name(), 1, 2 * CAPACITY, &sleeper);
    // One of them sleeps for most of its time, as the policy wants: it neither spins nor yields. A
    // busy machine may let a call come to that late.
    sipc_counters sum = sum_of(host, 1);
    uint64_t calls = 0, slept = 0;
    for (; calls < 20 && slept < SHORT / 2; calls++) {
        const uint64_t before = sum.caller.waits.sleep_ns;
        assert_int_equal(call_message(host, 0, 3, SHORT), SIPC_TIMEOUT);
        sum = sum_of(host, 1);
        slept = sum.caller.waits.sleep_ns - before;
    }
    assert_true(slept >= SHORT / 2);
    assert_int_equal(sum.caller.calls, calls);
    assert_int_equal(sum.caller.timed_out, calls);
    assert_int_equal(sum.caller.maybe_executed, 0);
    assert_true(sum.caller.waits.sleeps >= 1);
    sipc_host_close(host);
}

static sipc_pending kept;

static sipc_status keep(void *context, const sipc_request *request, sipc_response *response) {
    (void)context;
    (void)response;
    if (sipc_request_take(request, &kept)) return SIPC_HANDLER_FAILED;
    gate_open(&entered);
    return SIPC_PENDING;
}

static void an_answer_that_comes_later_counts_when_it_comes(void **state) {
    (void)state;
    struct pair pair;
    pair_open(&pair, 1, 2 * CAPACITY, NULL, keep, NULL);
    struct given_up late = {pair.host, 0, 11, 0};
    give_up_in_handler(call_and_count, &late, SHORT, &entered);
    assert_int_equal(sum_of(pair.host, 1).responder.requests, 0);
    assert_int_equal(sipc_pending_respond(kept, SIPC_OK, "later", 5), SIPC_OK);
    const sipc_counters sum = sum_of(pair.host, 1);
    assert_int_equal(sum.responder.requests, 1);
    assert_int_equal(sum.responder.request_bytes, 11);
    assert_int_equal(sum.responder.response_bytes, 5);
    pair_close(&pair);
}

// ---- Who comes after ---------------------------------------------------------------------------

static void a_successor_goes_on_from_what_stands_there(void **state) {
    (void)state;
    const char *name = fresh_name();
    sipc_host *host = open_host(name, 1, 2 * CAPACITY, NULL);
    for (uint64_t round = 1; round <= 3; round++) {
        sipc_guest *guest = attach_guest(name, 1);
        assert_int_equal(sipc_guest_start(guest, oblige, NULL), SIPC_OK);
        for (unsigned i = 0; i < 10; i++)
            assert_int_equal(call_message(host, 0, 100, SIPC_FOREVER), SIPC_OK);
        const sipc_counters sum = at_rest(host, 1, 10 * round, 1000 * round);
        assert_int_equal(sum.responder.requests, 10 * round);
        assert_int_equal(sum.responder.request_bytes, 1000 * round);
        assert_int_equal(sipc_guest_detach(guest), SIPC_OK);
    }
    sipc_host_close(host);
}

// ---- Who reads ---------------------------------------------------------------------------------

static void host_guest_and_third_process_read_the_same(void **state) {
    (void)state;
    struct pair pair;
    pair_open(&pair, 2, 2 * CAPACITY, NULL, oblige, NULL);
    for (unsigned i = 0; i < 20; i++)
        assert_int_equal(call_message(pair.host, 0, 10, SIPC_FOREVER), SIPC_OK);
    at_rest(pair.host, 2, 20, 200);
    sipc_counters_reader *reader;
    assert_int_equal(sipc_counters_open(pair.name, NULL, &reader), SIPC_OK);
    uint32_t host_slots, guest_slots;
    sipc_counters_slots(reader, &host_slots, &guest_slots);
    assert_int_equal(host_slots, 2);
    assert_int_equal(guest_slots, 0);
    for (uint32_t slot = 0; slot < 2; slot++) {
        sipc_counters by_host, by_guest, by_reader;
        assert_int_equal(sipc_host_counters(pair.host, slot, &by_host), SIPC_OK);
        assert_int_equal(sipc_guest_counters(pair.guest, slot, &by_guest), SIPC_OK);
        assert_int_equal(sipc_counters_read(reader, slot, &by_reader), SIPC_OK);
        assert_int_equal(by_host.caller.calls, by_guest.caller.calls);
        assert_int_equal(by_host.caller.calls, by_reader.caller.calls);
        assert_int_equal(by_host.responder.request_bytes, by_reader.responder.request_bytes);
        assert_int_equal(by_guest.responder.response_bytes, by_reader.responder.response_bytes);
    }
    sipc_counters untouched = {.caller = {.calls = 77}};
    assert_int_equal(sipc_host_counters(pair.host, 2, &untouched), SIPC_INVALID_ARGUMENT);
    assert_int_equal(sipc_guest_counters(pair.guest, 2, &untouched), SIPC_INVALID_ARGUMENT);
    assert_int_equal(sipc_counters_read(reader, 2, &untouched), SIPC_INVALID_ARGUMENT);
    assert_int_equal(untouched.caller.calls, 77);
    assert_int_equal(sipc_host_counters(pair.host, 0, NULL), SIPC_INVALID_ARGUMENT);
    sipc_counters_close(reader);
    sipc_counters_close(NULL);
    pair_close(&pair);
}

static void what_is_no_region_is_refused(void **state) {
    (void)state;
    sipc_counters_reader *reader;
    assert_int_equal(sipc_counters_open(fresh_name(), NULL, &reader), SIPC_NO_HOST);
    assert_null(reader);
    assert_int_equal(sipc_counters_open("no/name", NULL, &reader), SIPC_BAD_NAME);
    assert_int_equal(sipc_counters_open("name", NULL, NULL), SIPC_INVALID_ARGUMENT);
    sipc_counters counters;
    assert_int_equal(sipc_counters_read(NULL, 0, &counters), SIPC_INVALID_ARGUMENT);
    assert_int_equal(sipc_host_counters(NULL, 0, &counters), SIPC_INVALID_ARGUMENT);
    assert_int_equal(sipc_guest_counters(NULL, 0, &counters), SIPC_INVALID_ARGUMENT);
}

static sipc_word reading;

static void read_on(void *context) {
    while (sipc_load_acquire(&reading) != 0) {
        const sipc_counters sum = sum_of(context, 2);
        assert_true(sum.caller.calls < 1000000);
    }
}

static void reading_beside_traffic_disturbs_nobody(void **state) {
    (void)state;
    struct pair pair;
    pair_open(&pair, 2, 2 * CAPACITY, NULL, oblige, NULL);
    sipc_store_release(&reading, 1);
    struct thread reader;
    thread_start(&reader, read_on, pair.host);
    for (unsigned i = 0; i < 3000; i++)
        assert_int_equal(call_message(pair.host, 0, i % 64, SIPC_FOREVER), SIPC_OK);
    sipc_store_release(&reading, 0);
    thread_join(&reader);
    assert_int_equal(at_rest(pair.host, 2, 3000, 0).caller.calls, 3000);
    pair_close(&pair);
}

// ---- Histograms --------------------------------------------------------------------------------

static void percentiles_are_the_ends_of_buckets(void **state) {
    (void)state;
    sipc_histogram histogram = {{0}};
    assert_int_equal(sipc_histogram_percentile(&histogram, 0.5), 0);
    histogram.buckets[0] = 50;
    histogram.buckets[3] = 49;
    histogram.buckets[SIPC_HISTOGRAM_BUCKETS - 1] = 1;
    assert_int_equal(sipc_histogram_samples(&histogram), 100);
    assert_int_equal(sipc_histogram_percentile(&histogram, 0.5), 64);
    assert_int_equal(sipc_histogram_percentile(&histogram, 0.51), 512);
    assert_int_equal(sipc_histogram_percentile(&histogram, 0.99), 512);
    assert_true(sipc_histogram_percentile(&histogram, 1) == UINT64_MAX);
}

static void every_time_has_its_bucket(void **state) {
    (void)state;
    const struct {
        uint64_t ns;
        uint32_t bucket;
    } cases[] = {{0, 0},
                 {63, 0},
                 {64, 1},
                 {127, 1},
                 {128, 2},
                 {1 << 27, 22},
                 {(1 << 28) - 1, 22},
                 {1 << 28, 23},
                 {UINT64_MAX, 23}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(sipc_histogram_bucket(cases[i].ns), cases[i].bucket);
    assert_int_equal(sipc_time_between(5, 3), 0);
}

#define WITH_GATES(test) cmocka_unit_test_setup_teardown(test, make_gates, free_gates)

int main(int count, char **arguments) {
    chosen_backend = backend_of_arguments(count, arguments);
    const struct CMUnitTest tests[] = {
        PROMISE(calls_and_bytes_are_counted_on_both_sides),
        PROMISE(a_pipeline_counts_in_each_of_its_slots),
        WITH_GATES(every_kind_of_error_has_its_count),
        PROMISE(a_call_that_nobody_serves_is_counted_as_not_started),
        WITH_GATES(an_answer_that_comes_later_counts_when_it_comes),
        PROMISE(a_successor_goes_on_from_what_stands_there),
        PROMISE(host_guest_and_third_process_read_the_same),
        PROMISE(what_is_no_region_is_refused),
        PROMISE(reading_beside_traffic_disturbs_nobody),
        PROMISE(percentiles_are_the_ends_of_buckets),
        PROMISE(every_time_has_its_bucket),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
