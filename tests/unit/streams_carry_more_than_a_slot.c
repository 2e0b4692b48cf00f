// SPDX-License-Identifier: Apache-2.0
// Promise: a stream carries a request and a response of any size through slots of any size, in
// either direction, known beforehand or not, in pieces or as one buffer; what fails, fails with its
// reason on both sides, and nothing of it is kept.
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "left_behind.h"
#include "pair.h"
#include "streaming.h"
#include "threads.h"

#define CAPACITY 4096u
#define PIECE (CAPACITY - 64u)

static struct streaming counts;
static sipc_streams *streams;

struct ends {
    sipc_host *host;
    sipc_guest *guest;
};

// Both serve, both call; slots_per_worker slots for each of the guest's workers.
static void open_ends(struct ends *ends, uint32_t slots, uint32_t slots_per_worker,
                      const sipc_streams_options *options) {
    const char *name = fresh_name();
    memset(&counts, 0, sizeof counts);
    streams = streaming_handlers(&counts, options);
    const sipc_host_options host = {.backend = chosen_backend, .guest_slots = slots};
    assert_int_equal(sipc_host_create(name, slots, 2 * CAPACITY, &host, &ends->host), SIPC_OK);
    assert_int_equal(sipc_host_serve_streams(ends->host, streams), SIPC_OK);
    const sipc_serve_options serve = {.workers = slots_per_worker > 1 ? 1 : 0};
    assert_int_equal(sipc_host_serve(ends->host, &serve, nod, NULL), SIPC_OK);
    const sipc_guest_options guest = {.slots_per_worker = slots_per_worker};
    assert_int_equal(sipc_guest_attach(name, &guest, &ends->guest), SIPC_OK);
    assert_int_equal(sipc_guest_serve_streams(ends->guest, streams), SIPC_OK);
    assert_int_equal(sipc_guest_start(ends->guest, nod, NULL), SIPC_OK);
}

static void close_ends(struct ends *ends) {
    assert_int_equal(sipc_streams_open(streams), 0);
    assert_int_equal(atomic_load(&counts.begun), atomic_load(&counts.ended));
    sipc_host_close(ends->host);
    assert_int_equal(sipc_guest_detach(ends->guest), SIPC_OK);
    sipc_streams_free(streams);
}

static sipc_status call_from(const struct ends *ends, bool guest, sipc_stream_call *call) {
    return guest ? sipc_guest_stream(ends->guest, call) : sipc_host_stream(ends->host, call);
}

// ---- A source and a sink -----------------------------------------------------------------------

struct flow {
    uint64_t sent, to_send;
    uint64_t received, right;
    bool flipped;
    uint32_t most;        // bytes that the source produces at a time; 0: as many as there is room
    uint64_t abort_after; // bytes that come; 0: not
};

static sipc_status source(void *context, void *buffer, uint32_t capacity, uint32_t *size,
                          uint32_t *last) {
    struct flow *flow = context;
    const uint64_t left = flow->to_send - flow->sent;
    uint32_t some = flow->most && flow->most < capacity ? flow->most : capacity;
    if (some > left) some = (uint32_t)left;
    stream_fill(buffer, flow->sent, some);
    flow->sent += some;
    *size = some;
    *last = flow->sent == flow->to_send;
    return SIPC_OK;
}

static sipc_status sink(void *context, const void *piece, uint32_t size) {
    struct flow *flow = context;
    const uint8_t *bytes = piece;
    for (uint32_t i = 0; i < size; i++) {
        uint8_t byte = flow->flipped ? (uint8_t)~bytes[i] : bytes[i];
        flow->right += byte == stream_byte(flow->received + i);
    }
    flow->received += size;
    return flow->abort_after && flow->received >= flow->abort_after ? SIPC_SYSTEM : SIPC_OK;
}

static uint64_t number_of(const sipc_stream_call *call) {
    uint64_t number;
    assert_int_equal(call->response_size, sizeof number);
    memcpy(&number, call->response, sizeof number);
    return number;
}

// ---- Sizes -------------------------------------------------------------------------------------

static void send_and_check(const struct ends *ends, bool guest, uint64_t size, uint32_t depth,
                           bool known, uint32_t most) {
    struct flow flow = {.to_send = size, .most = most};
    sipc_stream_call call = {.message_id = STREAM_CHECK,
                             .depth = depth,
                             .source = source,
                             .request_size = known ? size : SIPC_STREAM_UNKNOWN_SIZE,
                             .context = &flow};
    assert_int_equal(call_from(ends, guest, &call), SIPC_OK);
    assert_true(number_of(&call) == size);
    sipc_stream_free(&call);
}

static void ask_for(const struct ends *ends, bool guest, uint64_t size, uint32_t depth) {
    struct flow flow = {.to_send = 0};
    sipc_stream_call call = {.message_id = STREAM_PRODUCE,
                             .depth = depth,
                             .request = &size,
                             .request_size = sizeof size,
                             .sink = sink,
                             .context = &flow};
    assert_int_equal(call_from(ends, guest, &call), SIPC_OK);
    assert_true(flow.received == size && flow.right == size && call.response_size == size);
}

static void echo_in_memory(const struct ends *ends, bool guest, uint32_t size, uint32_t depth) {
    uint8_t *request = malloc(size + 1), *room = malloc(size + 1);
    stream_fill(request, 0, size);
    sipc_stream_call call = {
        .message_id = STREAM_ECHO, .depth = depth, .request = request, .request_size = size};
    assert_int_equal(call_from(ends, guest, &call), SIPC_OK);
    assert_true(call.response_size == size);
    if (size) assert_memory_equal(call.response, request, size);
    sipc_stream_free(&call);
    assert_null(call.response);
    call.response = room;
    call.response_limit = size;
    assert_int_equal(call_from(ends, guest, &call), SIPC_OK);
    assert_true(call.response_size == size && !call.allocated);
    if (size) assert_memory_equal(room, request, size);
    free(request);
    free(room);
}

static void transform(const struct ends *ends, bool guest, uint64_t size, uint32_t depth) {
    struct flow flow = {.to_send = size, .flipped = true};
    sipc_stream_call call = {.message_id = STREAM_TRANSFORM,
                             .depth = depth,
                             .source = source,
                             .request_size = SIPC_STREAM_UNKNOWN_SIZE,
                             .sink = sink,
                             .context = &flow};
    assert_int_equal(call_from(ends, guest, &call), SIPC_OK);
    assert_true(flow.received == size && flow.right == size);
}

static void carry_all_sizes(uint32_t slots, uint32_t slots_per_worker) {
    static const uint32_t sizes[] = {
        0, 1, 64, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE, 3 * PIECE + 7, 50 * PIECE, 1000003};
    struct ends ends;
    open_ends(&ends, slots, slots_per_worker, NULL);
    for (unsigned i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        const uint32_t size = sizes[i];
        const uint32_t depth = i % 5;
        for (int guest = 0; guest < 2; guest++) {
            send_and_check(&ends, guest, size, depth, true, 0);
            send_and_check(&ends, guest, size, depth, false, 0);
            send_and_check(&ends, guest, size, depth, false, 1000);
            ask_for(&ends, guest, size, depth);
            echo_in_memory(&ends, guest, size, depth);
            transform(&ends, guest, size, depth);
        }
    }
    assert_int_equal(atomic_load(&counts.last_status), SIPC_OK);
    close_ends(&ends);
}

static void any_size_passes_with_a_worker_for_each_slot(void **state) {
    (void)state;
    carry_all_sizes(4, 1);
}

static void any_size_passes_with_one_worker(void **state) {
    (void)state;
    carry_all_sizes(4, 4);
}

static void any_size_passes_through_one_slot(void **state) {
    (void)state;
    carry_all_sizes(1, 1);
}

static void any_size_passes_through_many_slots(void **state) {
    (void)state;
    struct ends ends;
    open_ends(&ends, 16, 4, NULL);
    for (int guest = 0; guest < 2; guest++) {
        send_and_check(&ends, guest, 5000000, 16, false, 333);
        ask_for(&ends, guest, 5000001, 16);
        transform(&ends, guest, 5000000, 16);
    }
    close_ends(&ends);
}

// ---- Many at a time ----------------------------------------------------------------------------

static void run_some(void *context, unsigned index) {
    const struct ends *ends = context;
    for (unsigned round = 0; round < 5; round++) {
        send_and_check(ends, index % 2, 100000 + index, 2, round % 2, 0);
        ask_for(ends, index % 2, 100000 + index, 4);
        transform(ends, index % 2, 50000 + index, 0);
    }
}

static void streams_run_side_by_side(void **state) {
    (void)state;
    struct ends ends;
    open_ends(&ends, 4, 1, NULL);
    run_together(6, run_some, &ends);
    close_ends(&ends);
}

// ---- Failures ----------------------------------------------------------------------------------

static void fail_with(const struct ends *ends, uint32_t message_id, uint64_t size,
                      sipc_status expected, const char *text) {
    for (int guest = 0; guest < 2; guest++) {
        struct flow flow = {.to_send = size};
        sipc_stream_call call = {
            .message_id = message_id, .source = source, .request_size = size, .context = &flow};
        assert_int_equal(call_from(ends, guest, &call), expected);
        if (!strstr(sipc_error_text(), text))
            fail_msg("\"%s\" does not say \"%s\"", sipc_error_text(), text);
        sipc_stream_free(&call);
    }
}

static void a_handler_that_fails_says_why(void **state) {
    (void)state;
    struct ends ends;
    open_ends(&ends, 4, 1, NULL);
    fail_with(&ends, STREAM_FAIL, 1000000, SIPC_HANDLER_FAILED, "too much");
    assert_int_equal(atomic_load(&counts.last_status), SIPC_SYSTEM);
    fail_with(&ends, STREAM_FAIL, 10000, SIPC_HANDLER_FAILED, "too little");
    fail_with(&ends, STREAM_REFUSE, 10000, SIPC_HANDLER_FAILED, "not today");
    fail_with(&ends, 999, 10, SIPC_UNKNOWN_MESSAGE, "no handler");
    fail_with(&ends, STREAM_ECHO, UINT64_C(65) << 20, SIPC_REQUEST_TOO_LARGE, "larger");
    close_ends(&ends);
}

static void a_handler_may_have_enough(void **state) {
    (void)state;
    struct ends ends;
    open_ends(&ends, 4, 1, NULL);
    struct flow flow = {.to_send = UINT64_C(1) << 33};
    sipc_stream_call call = {.message_id = STREAM_ENOUGH,
                             .source = source,
                             .request_size = UINT64_C(1) << 33,
                             .context = &flow};
    assert_int_equal(sipc_host_stream(ends.host, &call), SIPC_OK);
    assert_in_range(number_of(&call), 100000, 100000 + PIECE);
    assert_true(flow.sent < 1000000);
    sipc_stream_free(&call);
    close_ends(&ends);
}

static void a_sink_may_abort(void **state) {
    (void)state;
    struct ends ends;
    open_ends(&ends, 4, 1, NULL);
    const uint64_t size = UINT64_C(1) << 33;
    struct flow flow = {.abort_after = 100000};
    sipc_stream_call call = {.message_id = STREAM_PRODUCE,
                             .request = &size,
                             .request_size = sizeof size,
                             .sink = sink,
                             .context = &flow};
    assert_int_equal(sipc_host_stream(ends.host, &call), SIPC_STREAM_ABORTED);
    assert_int_equal(atomic_load(&counts.last_status), SIPC_STREAM_ABORTED);
    assert_non_null(strstr(counts.text, "sink"));
    close_ends(&ends);
}

static sipc_status abort_at_half(void *context, uint64_t sent, uint64_t received, uint64_t size) {
    (void)received;
    (void)size;
    if (sent > 500000) sipc_stream_abort(context);
    return SIPC_OK;
}

static void a_stream_may_be_aborted(void **state) {
    (void)state;
    struct ends ends;
    open_ends(&ends, 4, 1, NULL);
    uint8_t *request = calloc(1, 1000000);
    sipc_stream_call call = {.message_id = STREAM_CHECK,
                             .request = request,
                             .request_size = 1000000,
                             .progress = abort_at_half};
    call.context = &call;
    assert_int_equal(sipc_guest_stream(ends.guest, &call), SIPC_STREAM_ABORTED);
    assert_int_equal(atomic_load(&counts.last_status), SIPC_STREAM_ABORTED);
    free(request);
    close_ends(&ends);
}

static struct gate held, let_go;

static void hold(void) {
    gate_open(&held);
    gate_pass(&let_go);
}

static void abort_once_held(void *call) {
    gate_pass(&held);
    sipc_stream_abort(call);
}

// The handler is inside its function all the while, and hears of it when that has returned.
static void an_abort_waits_for_no_piece(void **state) {
    (void)state;
    struct ends ends;
    struct thread thread;
    open_ends(&ends, 4, 1, NULL);
    atomic_store(&counts.hold, hold);
    gate_make(&held);
    gate_make(&let_go);
    sipc_stream_call call = {.message_id = STREAM_HOLD,
                             .request = "one piece",
                             .request_size = 9,
                             .timeout_ns = SIPC_FOREVER};
    thread_start(&thread, abort_once_held, &call);
    assert_int_equal(sipc_host_stream(ends.host, &call), SIPC_STREAM_ABORTED);
    assert_int_equal(atomic_load(&counts.ended), 0);
    thread_join(&thread);
    gate_open(&let_go);
    while (atomic_load(&counts.ended) == 0 || sipc_streams_open(streams) > 0) give_others_time();
    assert_int_equal(atomic_load(&counts.last_status), SIPC_STREAM_ABORTED);
    assert_non_null(strstr(counts.text, "sipc_stream_abort()"));
    gate_free(&held);
    gate_free(&let_go);
    close_ends(&ends);
}

static void a_response_has_its_limit(void **state) {
    (void)state;
    struct ends ends;
    open_ends(&ends, 4, 1, NULL);
    for (uint64_t size = 100000; size <= 100001; size++) {
        sipc_stream_call call = {.message_id = STREAM_PRODUCE,
                                 .request = &size,
                                 .request_size = sizeof size,
                                 .response_limit = 99999};
        assert_int_equal(sipc_host_stream(ends.host, &call), SIPC_RESPONSE_TOO_LARGE);
        sipc_stream_free(&call);
    }
    close_ends(&ends);
}

// ---- The end of a guest ------------------------------------------------------------------------

static struct gate in_source, out_of_source;

static sipc_status stay_in_source(void *context, void *buffer, uint32_t capacity, uint32_t *size,
                                  uint32_t *last) {
    (void)context;
    memset(buffer, 0, capacity);
    gate_open(&in_source);
    gate_pass(&out_of_source);
    *size = 1;
    *last = 1;
    return SIPC_OK;
}

struct streaming_guest {
    sipc_guest *guest;
    sipc_status status;
    struct thread streams, detaches;
};

static void stream_from_source(void *context) {
    struct streaming_guest *one = context;
    sipc_stream_call call = {.message_id = STREAM_CHECK,
                             .depth = 2,
                             .source = stay_in_source,
                             .request_size = SIPC_STREAM_UNKNOWN_SIZE};
    one->status = sipc_guest_stream(one->guest, &call);
}

static void detach_it(void *context) {
    struct streaming_guest *one = context;
    sipc_guest_detach(one->guest);
}

// Between two pieces nobody is in a call, but the slots are the stream's.
static void the_next_guest_gets_the_slots_of_a_stream_after_its_end(void **state) {
    (void)state;
    gate_make(&in_source);
    gate_make(&out_of_source);
    memset(&counts, 0, sizeof counts);
    streams = streaming_handlers(&counts, NULL);
    const char *name = fresh_name();
    const sipc_host_options options = {.backend = chosen_backend, .guest_slots = 2};
    sipc_host *host;
    assert_int_equal(sipc_host_create(name, 1, 2 * CAPACITY, &options, &host), SIPC_OK);
    assert_int_equal(sipc_host_serve_streams(host, streams), SIPC_OK);
    assert_int_equal(sipc_host_serve(host, NULL, nod, NULL), SIPC_OK);
    const sipc_guest_options calls = {
        .calls_only = 1, .call_slots = 2, .attach_timeout_ns = UINT64_C(1000000)};
    struct streaming_guest first = {.guest = NULL};
    assert_int_equal(sipc_guest_attach(name, &calls, &first.guest), SIPC_OK);
    thread_start(&first.streams, stream_from_source, &first);
    gate_pass(&in_source);
    thread_start(&first.detaches, detach_it, &first);
    give_others_time();
    sipc_guest *second;
    assert_int_equal(sipc_guest_attach(name, &calls, &second), SIPC_NO_SLOT);
    gate_open(&out_of_source);
    thread_join(&first.streams);
    thread_join(&first.detaches);
    assert_int_equal(first.status, SIPC_CLOSED_MAYBE_EXECUTED);
    assert_int_equal(sipc_guest_attach(name, &calls, &second), SIPC_OK);
    assert_int_equal(sipc_guest_detach(second), SIPC_OK);
    sipc_host_close(host);
    sipc_streams_free(streams);
    assert_int_equal(counts.begun, counts.ended);
    gate_free(&in_source);
    gate_free(&out_of_source);
}

// ---- Bad input ---------------------------------------------------------------------------------

static void bad_calls_are_refused(void **state) {
    (void)state;
    struct ends ends;
    open_ends(&ends, 2, 1, NULL);
    const struct {
        sipc_stream_call call;
        sipc_status status;
    } bad[] = {
        {{.message_id = 4}, SIPC_BAD_MESSAGE_ID},
        {{.message_id = 127}, SIPC_BAD_MESSAGE_ID},
        {{.message_id = STREAM_ECHO, .depth = 65}, SIPC_INVALID_ARGUMENT},
        {{.message_id = STREAM_ECHO, .request_size = 1}, SIPC_INVALID_ARGUMENT},
        {{.message_id = STREAM_ECHO, .request_size = SIPC_STREAM_MAX_SIZE + 1, .request = &ends},
         SIPC_REQUEST_TOO_LARGE},
        {{.message_id = STREAM_ECHO, .response_limit = SIPC_STREAM_MAX_SIZE + 1},
         SIPC_INVALID_ARGUMENT},
    };
    for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        sipc_stream_call call = bad[i].call;
        assert_int_equal(sipc_host_stream(ends.host, &call), bad[i].status);
    }
    assert_int_equal(sipc_host_stream(NULL, NULL), SIPC_INVALID_ARGUMENT);
    assert_int_equal(sipc_host_stream(ends.host, NULL), SIPC_INVALID_ARGUMENT);
    assert_int_equal(sipc_guest_serve_streams(ends.guest, streams), SIPC_BUSY);
    assert_int_equal(sipc_host_serve_streams(ends.host, streams), SIPC_BUSY);
    close_ends(&ends);
}

static void bad_handlers_are_refused(void **state) {
    (void)state;
    sipc_streams *made;
    const sipc_stream_handler twice[] = {{.message_id = 200}, {.message_id = 200}};
    const sipc_stream_handler reserved = {.message_id = 5};
    const sipc_stream_handler endless = {.request_limit = SIPC_STREAM_MAX_SIZE + 1};
    const sipc_streams_options many = {.most = 70000};
    assert_int_equal(sipc_streams_create(twice, 2, NULL, &made), SIPC_INVALID_ARGUMENT);
    assert_int_equal(sipc_streams_create(&reserved, 1, NULL, &made), SIPC_BAD_MESSAGE_ID);
    assert_int_equal(sipc_streams_create(&endless, 1, NULL, &made), SIPC_INVALID_ARGUMENT);
    assert_int_equal(sipc_streams_create(twice, 1, &many, &made), SIPC_INVALID_ARGUMENT);
    assert_int_equal(sipc_streams_create(NULL, 1, NULL, &made), SIPC_INVALID_ARGUMENT);
    assert_null(made);
    sipc_streams_free(NULL);
}

static void a_side_without_streams_does_not_know_them(void **state) {
    (void)state;
    struct pair pair;
    pair_open(&pair, 2, 2 * CAPACITY, NULL, echo, NULL);
    sipc_stream_call call = {.message_id = STREAM_ECHO, .request = "x", .request_size = 1};
    assert_int_equal(sipc_host_stream(pair.host, &call), SIPC_UNKNOWN_MESSAGE);
    pair_close(&pair);
    pair_open(&pair, 2, 128, NULL, echo, NULL);
    assert_int_equal(sipc_host_stream(pair.host, &call), SIPC_REQUEST_TOO_LARGE);
    pair_close(&pair);
}

int main(int count, char **arguments) {
    chosen_backend = backend_of_arguments(count, arguments);
    const struct CMUnitTest tests[] = {
        PROMISE(any_size_passes_with_a_worker_for_each_slot),
        PROMISE(any_size_passes_with_one_worker),
        PROMISE(any_size_passes_through_one_slot),
        PROMISE(any_size_passes_through_many_slots),
        PROMISE(streams_run_side_by_side),
        PROMISE(a_handler_that_fails_says_why),
        PROMISE(a_handler_may_have_enough),
        PROMISE(a_sink_may_abort),
        PROMISE(a_stream_may_be_aborted),
        PROMISE(an_abort_waits_for_no_piece),
        PROMISE(a_response_has_its_limit),
        PROMISE(the_next_guest_gets_the_slots_of_a_stream_after_its_end),
        PROMISE(bad_calls_are_refused),
        PROMISE(bad_handlers_are_refused),
        PROMISE(a_side_without_streams_does_not_know_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
