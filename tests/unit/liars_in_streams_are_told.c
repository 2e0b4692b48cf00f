// SPDX-License-Identifier: Apache-2.0
// Promise: a peer that lies in a stream gets an error, the application of the other side hears of
// it, and nothing of the stream is kept (spec 13.3). The caller's lies are told to the responder's
// side by hand; the responder's are put over its answers.
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "internal/streams.h"
#include "left_behind.h"
#include "pair.h"
#include "streaming.h"
#include "threads.h"

#define CAPACITY 4096u
#define MILLISECOND UINT64_C(1000000)

static struct streaming counts;
static sipc_streams *streams;

// ---- A caller that lies ------------------------------------------------------------------------

// The linker calls the one below where the library calls sipc_streams_answer().
void __real_sipc_streams_answer(sipc_streams *served, const struct sipc_slot *slot,
                                struct sipc_os_watch *watch, const sipc_request *request,
                                sipc_response *response);

static uint8_t answer_bytes[CAPACITY];
static uint32_t answer_size;
static struct sipc_stream_answer answer;

static void say(uint32_t message_id, const void *payload, uint32_t size) {
    static struct sipc_os_object object;
    const struct sipc_slot slot = {.object = &object, .request_capacity = CAPACITY};
    const sipc_request request = {.data = payload, .size = size, .message_id = message_id};
    sipc_response response = {.data = answer_bytes, .capacity = CAPACITY};
    memset(answer_bytes, 0, sizeof answer_bytes);
    __real_sipc_streams_answer(streams, &slot, NULL, &request, &response);
    answer_size = response.size;
    assert_in_range(answer_size, SIPC_STREAM_ANSWER_TEXT, CAPACITY);
    memcpy(&answer, answer_bytes, sizeof answer);
}

static uint64_t say_open(uint32_t message_id, uint64_t size, uint32_t window) {
    const struct sipc_stream_open opening = {
        .request_size = size, .response_limit = 1000, .message_id = message_id, .window = window};
    say(SIPC_MESSAGE_STREAM_OPEN, &opening, sizeof opening);
    return answer.value;
}

static void say_data(uint64_t stream, uint64_t offset, uint32_t size, bool last) {
    uint8_t payload[CAPACITY];
    const struct sipc_stream_data head = {
        .stream = stream, .offset = offset, .flags = last ? SIPC_STREAM_LAST : 0};
    memcpy(payload, &head, sizeof head);
    stream_fill(payload + sizeof head, offset, size);
    say(SIPC_MESSAGE_STREAM_DATA, payload, (uint32_t)sizeof head + size);
}

static void say_next(uint64_t stream) {
    say(SIPC_MESSAGE_STREAM_NEXT, &stream, sizeof stream);
}

static void say_end(uint64_t stream, uint32_t reason) {
    const struct sipc_stream_end end = {.stream = stream, .reason = reason};
    say(SIPC_MESSAGE_STREAM_END, &end, sizeof end);
}

static int make_streams(void **state) {
    note_what_exists(state);
    memset(&counts, 0, sizeof counts);
    const sipc_streams_options options = {.most = 3};
    streams = streaming_handlers(&counts, &options);
    return 0;
}

static int free_streams(void **state) {
    sipc_streams_free(streams);
    return nothing_is_left_behind(state);
}

static uint64_t opened(uint64_t size, uint32_t window) {
    uint64_t stream = say_open(STREAM_CHECK, size, window);
    assert_int_equal(answer.outcome, SIPC_OUTCOME_OK);
    assert_true(stream != 0);
    return stream;
}

// The stream is over: the handler was told, and every request of it gets the same answer.
static void assert_broken(uint64_t stream) {
    assert_int_equal(answer.outcome, SIPC_OUTCOME_BROKEN);
    assert_true(answer_size > SIPC_STREAM_ANSWER_TEXT);
    assert_int_equal(atomic_load(&counts.ended), atomic_load(&counts.begun));
    assert_int_equal(atomic_load(&counts.last_status), SIPC_PROTOCOL_VIOLATED);
    say_data(stream, 0, 1, false);
    assert_int_equal(answer.outcome, SIPC_OUTCOME_BROKEN);
    say_next(stream);
    assert_int_equal(answer.outcome, SIPC_OUTCOME_BROKEN);
    say_end(stream, SIPC_STREAM_FINISHED);
    assert_int_equal(answer.outcome, SIPC_OUTCOME_OK);
    assert_int_equal(sipc_streams_open(streams), 0);
    say_end(stream, SIPC_STREAM_FINISHED);
    assert_int_equal(answer.outcome, SIPC_OUTCOME_UNKNOWN_STREAM);
}

static void the_conversation_by_hand_works(void **state) {
    (void)state;
    uint64_t stream = opened(300, 3), right;
    say_data(stream, 200, 100, true);
    assert_true(answer.outcome == SIPC_OUTCOME_OK && answer.value == 0);
    say_data(stream, 100, 100, false);
    assert_true(answer.outcome == SIPC_OUTCOME_OK && answer.value == 0);
    say_next(stream);
    assert_true(answer.outcome == SIPC_OUTCOME_OK && answer_size == SIPC_STREAM_PIECE);
    assert_int_equal(answer.flags, 0);
    say_data(stream, 0, 100, false);
    assert_true(answer.outcome == SIPC_OUTCOME_OK && answer.value == 300);
    say_next(stream);
    assert_int_equal(answer_size, SIPC_STREAM_PIECE + sizeof right);
    assert_int_equal(answer.flags, SIPC_STREAM_LAST);
    memcpy(&right, answer_bytes + SIPC_STREAM_PIECE, sizeof right);
    assert_int_equal(right, 300);
    say_next(stream);
    assert_true(answer_size == SIPC_STREAM_PIECE && answer.value == sizeof right);
    assert_int_equal(answer.flags, SIPC_STREAM_LAST);
    say_end(stream, SIPC_STREAM_FINISHED);
    assert_int_equal(atomic_load(&counts.last_status), SIPC_OK);
    assert_int_equal(sipc_streams_open(streams), 0);
}

static void pieces_that_cannot_be_are_refused(void **state) {
    (void)state;
    static const struct {
        uint64_t size; // announced
        uint64_t offsets[4];
        uint32_t sizes[4]; // the last of them breaks the rules
        int last[4];
        unsigned count;
    } lies[] = {
        {300, {0, 0}, {100, 100}, {0}, 2},                         // repeated
        {300, {0, 99}, {100, 100}, {0}, 2},                        // overlapping
        {300, {100, 150}, {100, 100}, {0}, 2},                     // overlapping one that waits
        {300, {250}, {51}, {1}, 1},                                // beyond what was announced
        {300, {0}, {300}, {0}, 1},                                 // the end without its mark
        {300, {0}, {100}, {1}, 1},                                 // the mark before the end
        {300, {0}, {0}, {0}, 1},                                   // empty
        {300, {UINT64_MAX - 5}, {100}, {0}, 1},                    // overflowing
        {300, {1, 3, 5}, {1, 1, 1}, {0}, 3},                       // too many that wait
        {300, {0, 300}, {300, 1}, {1, 0}, 2},                      // after the end
        {300, {0, 0}, {300, 300}, {1, 1}, 2},                      // all of it again
        {0, {0, 0}, {0, 0}, {1, 1}, 2},                            // the end twice
        {SIPC_STREAM_UNKNOWN_SIZE, {50, 10}, {10, 10}, {0, 1}, 2}, // the end before another
        {SIPC_STREAM_UNKNOWN_SIZE, {50, 55}, {10, 1}, {1, 0}, 2},  // in the last piece
        {SIPC_STREAM_UNKNOWN_SIZE, {50, 60}, {10, 1}, {1, 0}, 2},  // after the last piece
        {SIPC_STREAM_UNKNOWN_SIZE, {0, 10}, {10, 0}, {1, 1}, 2},   // another end
        {SIPC_STREAM_UNKNOWN_SIZE, {20, 10}, {0, 10}, {1, 1}, 2},  // two ends
    };
    for (unsigned i = 0; i < sizeof lies / sizeof lies[0]; i++) {
        uint64_t stream = opened(lies[i].size, 3);
        for (unsigned j = 0; j < lies[i].count; j++) {
            if (j > 0 && answer.outcome != SIPC_OUTCOME_OK) fail_msg("lie %u, piece %u", i, j);
            say_data(stream, lies[i].offsets[j], lies[i].sizes[j], lies[i].last[j] != 0);
        }
        if (answer.outcome == SIPC_OUTCOME_OK) fail_msg("lie %u was believed", i);
        assert_broken(stream);
    }
}

static void requests_that_cannot_be_are_refused(void **state) {
    (void)state;
    const struct sipc_stream_open good = {
        .request_size = 1, .message_id = STREAM_CHECK, .window = 1};
    struct sipc_stream_open bad[5] = {good, good, good, good, good};
    bad[0].window = 0;
    bad[1].window = 65;
    bad[2].request_size = SIPC_STREAM_MAX_SIZE + 1;
    bad[3].request_size = UINT64_MAX - 1;
    bad[4].window = UINT32_MAX;
    for (unsigned i = 0; i < 5; i++) {
        say(SIPC_MESSAGE_STREAM_OPEN, &bad[i], sizeof bad[i]);
        assert_int_equal(answer.outcome, SIPC_OUTCOME_BROKEN);
    }
    for (uint32_t size = 0; size < SIPC_STREAM_PIECE; size++)
        for (uint32_t id = SIPC_MESSAGE_STREAM_OPEN; id <= SIPC_MESSAGE_STREAM_END; id++) {
            say(id, answer_bytes, size);
            assert_true(answer.outcome == SIPC_OUTCOME_BROKEN ||
                        answer.outcome == SIPC_OUTCOME_UNKNOWN_STREAM);
        }
    uint8_t long_end[sizeof(struct sipc_stream_end) + SIPC_STREAM_MAX_TEXT + 1] = {0};
    say(SIPC_MESSAGE_STREAM_END, long_end, sizeof long_end);
    assert_int_equal(answer.outcome, SIPC_OUTCOME_BROKEN);
    say_open(129, 1, 1);
    assert_int_equal(answer.outcome, SIPC_OUTCOME_NO_HANDLER);
    say_open(STREAM_ECHO, SIPC_STREAM_MAX_SIZE, 1);
    assert_int_equal(answer.outcome, SIPC_OUTCOME_TOO_LARGE);
    assert_int_equal(atomic_load(&counts.begun), 0);
    assert_int_equal(sipc_streams_open(streams), 0);
}

static void nobody_guesses_a_stream(void **state) {
    (void)state;
    uint64_t stream = opened(300, 3);
    for (unsigned bit = 0; bit < 64; bit++) {
        say_next(stream ^ UINT64_C(1) << bit);
        assert_int_equal(answer.outcome, SIPC_OUTCOME_UNKNOWN_STREAM);
        say_data(stream ^ UINT64_C(1) << bit, 0, 1, false);
        assert_int_equal(answer.outcome, SIPC_OUTCOME_UNKNOWN_STREAM);
    }
    say_end(stream, SIPC_STREAM_ABORTED_BY_CALLER);
    assert_int_equal(atomic_load(&counts.last_status), SIPC_STREAM_ABORTED);
}

static void streams_are_so_many_at_most(void **state) {
    (void)state;
    uint64_t open[3];
    for (unsigned i = 0; i < 3; i++) open[i] = opened(300, 3);
    say_open(STREAM_CHECK, 300, 3);
    assert_int_equal(answer.outcome, SIPC_OUTCOME_TOO_MANY);
    say_end(open[1], SIPC_STREAM_ABORTED_BY_CALLER);
    (void)opened(300, 3);
    say_open(STREAM_CHECK, 300, 3);
    assert_int_equal(answer.outcome, SIPC_OUTCOME_TOO_MANY);
    assert_int_equal(sipc_streams_open(streams), 3);
    // The others end with the handle, and their handlers hear of it.
    sipc_streams_free(streams);
    assert_int_equal(atomic_load(&counts.begun), 4);
    assert_int_equal(atomic_load(&counts.ended), 4);
    assert_int_equal(atomic_load(&counts.last_status), SIPC_CLOSED_MAYBE_EXECUTED);
    streams = NULL;
}

// "Finished" without the whole response is an abort.
static void an_end_too_early_is_no_success(void **state) {
    (void)state;
    uint64_t stream = opened(300, 3);
    say_data(stream, 0, 300, true);
    say_end(stream, SIPC_STREAM_FINISHED);
    assert_int_equal(atomic_load(&counts.last_status), SIPC_STREAM_ABORTED);
}

static void a_silent_caller_keeps_nothing(void **state) {
    (void)state;
    sipc_streams_free(streams);
    const sipc_streams_options options = {.idle_ns = 20 * MILLISECOND};
    streams = streaming_handlers(&counts, &options);
    uint64_t stream = opened(300, 3);
    say_data(stream, 100, 100, false);
    while (sipc_streams_open(streams) > 0) give_others_time();
    assert_int_equal(atomic_load(&counts.ended), 1);
    assert_int_equal(atomic_load(&counts.last_status), SIPC_TIMEOUT_MAYBE_EXECUTED);
    say_data(stream, 0, 100, false);
    assert_int_equal(answer.outcome, SIPC_OUTCOME_UNKNOWN_STREAM);
}

// ---- A responder that lies ---------------------------------------------------------------------

typedef void (*lie)(uint32_t message_id, struct sipc_stream_answer *head, uint32_t *size);

// Written by the test's thread, read by workers: a release meets an acquire. The region between
// them, which orders them, has two mappings here.
static _Atomic(lie) told;
static atomic_uint wishes;

static bool is_wish(uint32_t message_id) {
    return message_id == SIPC_MESSAGE_STREAM_NEXT;
}

void __wrap_sipc_streams_answer(sipc_streams *served, const struct sipc_slot *slot,
                                struct sipc_os_watch *watch, const sipc_request *request,
                                sipc_response *response);

void __wrap_sipc_streams_answer(sipc_streams *served, const struct sipc_slot *slot,
                                struct sipc_os_watch *watch, const sipc_request *request,
                                sipc_response *response) {
    struct sipc_stream_answer head = {.outcome = 0};
    __real_sipc_streams_answer(served, slot, watch, request, response);
    const lie present = atomic_load_explicit(&told, memory_order_acquire);
    if (!present || request->message_id == SIPC_MESSAGE_STREAM_END) return;
    const size_t size = response->size < sizeof head ? response->size : sizeof head;
    if (is_wish(request->message_id)) atomic_fetch_add_explicit(&wishes, 1, memory_order_relaxed);
    memcpy(&head, response->data, size);
    present(request->message_id, &head, &response->size);
    memcpy(response->data, &head, size);
}

// NOLINTBEGIN(readability-non-const-parameter): each may change both
static void number_nothing(uint32_t id, struct sipc_stream_answer *head, uint32_t *size) {
    (void)size;
    if (id == SIPC_MESSAGE_STREAM_OPEN) head->value = 0;
}

static void unknown_outcome(uint32_t id, struct sipc_stream_answer *head, uint32_t *size) {
    (void)size;
    if (is_wish(id)) head->outcome = 99;
}

static void answer_shortly(uint32_t id, struct sipc_stream_answer *head, uint32_t *size) {
    (void)head;
    if (is_wish(id)) *size = 15;
}

static void cut_the_piece(uint32_t id, struct sipc_stream_answer *head, uint32_t *size) {
    (void)head;
    if (is_wish(id)) *size = 63;
}

static void leave_a_gap(uint32_t id, struct sipc_stream_answer *head, uint32_t *size) {
    (void)size;
    if (is_wish(id) && head->value > 0) head->value++;
}

static void repeat(uint32_t id, struct sipc_stream_answer *head, uint32_t *size) {
    (void)size;
    if (is_wish(id)) head->value = 0;
}

static void overflow(uint32_t id, struct sipc_stream_answer *head, uint32_t *size) {
    (void)size;
    if (is_wish(id)) head->value = UINT64_MAX - 100;
}

static void end_early(uint32_t id, struct sipc_stream_answer *head, uint32_t *size) {
    (void)size;
    if (is_wish(id)) head->flags |= SIPC_STREAM_LAST;
}

static void never_end(uint32_t id, struct sipc_stream_answer *head, uint32_t *size) {
    (void)size;
    if (is_wish(id)) head->flags = 0;
}

static void promise_more(uint32_t id, struct sipc_stream_answer *head, uint32_t *size) {
    (void)size;
    if (is_wish(id)) head->response_size += atomic_load_explicit(&wishes, memory_order_relaxed);
}

static void promise_too_much(uint32_t id, struct sipc_stream_answer *head, uint32_t *size) {
    (void)size;
    if (is_wish(id)) head->response_size = UINT64_C(1) << 41;
}

static void withhold(uint32_t id, struct sipc_stream_answer *head, uint32_t *size) {
    if (!is_wish(id)) return;
    head->flags = 0;
    *size = SIPC_STREAM_PIECE;
}

static atomic_bool one_is_late;

// Not a lie: until then the others are answered, as many as the caller asks for.
static void answer_the_second_last(uint32_t id, struct sipc_stream_answer *head, uint32_t *size) {
    (void)size;
    // The first one is asked for alone.
    if (!is_wish(id) || head->value == 0 || atomic_exchange(&one_is_late, true)) return;
    unsigned before;
    do {
        before = atomic_load_explicit(&wishes, memory_order_relaxed);
        give_others_time();
    } while (atomic_load_explicit(&wishes, memory_order_relaxed) != before);
}
// NOLINTEND(readability-non-const-parameter)

static void assert_lie_is_told(const struct pair *pair, unsigned index, lie this_one,
                               sipc_status expected) {
    const uint64_t size = 400000; // more pieces than any window
    atomic_store_explicit(&wishes, 0, memory_order_relaxed);
    atomic_store_explicit(&told, this_one, memory_order_release);
    // A lie is told at once; only what is withheld takes until the deadline, and is asked for again
    // if it was not even begun by then.
    const bool withheld = expected == SIPC_TIMEOUT_MAYBE_EXECUTED;
    uint64_t timeout = withheld ? 200 * MILLISECOND : 20000 * MILLISECOND;
    sipc_stream_call call;
    sipc_status status;
    do {
        call = (sipc_stream_call){.message_id = STREAM_PRODUCE,
                                  .request = &size,
                                  .request_size = sizeof size,
                                  .response_limit = 2 * size,
                                  .timeout_ns = timeout};
        status = sipc_host_stream(pair->host, &call);
        timeout *= 2;
    } while (withheld && sipc_status_fate(status) == SIPC_FATE_NOT_STARTED);
    if (status != expected)
        fail_msg("lie %u: %s, %s", index, sipc_status_name(status), sipc_error_text());
    assert_true(expected == SIPC_OK ? call.response_size == size : call.response_size <= size);
    assert_int_equal(stream_count_right(call.response, 0, (uint32_t)call.response_size),
                     call.response_size);
    sipc_stream_free(&call);
    atomic_store_explicit(&told, NULL, memory_order_release);
}

static struct pair open_pair_with_streams(void) {
    const char *name = fresh_name();
    struct pair pair = {.name = name};
    pair.host = open_host(name, 4, 2 * CAPACITY, NULL);
    pair.guest = attach_guest(name, 0);
    assert_int_equal(sipc_guest_serve_streams(pair.guest, streams), SIPC_OK);
    assert_int_equal(sipc_guest_start(pair.guest, nod, NULL), SIPC_OK);
    return pair;
}

static void an_answer_that_is_late_is_no_lie(void **state) {
    (void)state;
    struct pair pair = open_pair_with_streams();
    assert_lie_is_told(&pair, 0, answer_the_second_last, SIPC_OK);
    pair_close(&pair);
}

static void responders_that_lie_are_not_believed(void **state) {
    (void)state;
    static const lie lies[] = {number_nothing, unknown_outcome, answer_shortly, cut_the_piece,
                               leave_a_gap,    repeat,          overflow,       end_early,
                               promise_more,   promise_too_much};
    struct pair pair = open_pair_with_streams();
    for (unsigned i = 0; i < sizeof lies / sizeof lies[0]; i++)
        assert_lie_is_told(&pair, i, lies[i], SIPC_PROTOCOL_VIOLATED);
    assert_lie_is_told(&pair, 98, never_end, SIPC_TIMEOUT_MAYBE_EXECUTED);
    assert_lie_is_told(&pair, 99, withhold, SIPC_TIMEOUT_MAYBE_EXECUTED);
    pair_close(&pair);
    // No handler runs any more.
    assert_int_equal(atomic_load(&counts.begun),
                     atomic_load(&counts.ended) + sipc_streams_open(streams));
}

#define BY_HAND(test) cmocka_unit_test_setup_teardown(test, make_streams, free_streams)

int main(void) {
    const struct CMUnitTest tests[] = {
        BY_HAND(the_conversation_by_hand_works),      BY_HAND(pieces_that_cannot_be_are_refused),
        BY_HAND(requests_that_cannot_be_are_refused), BY_HAND(nobody_guesses_a_stream),
        BY_HAND(streams_are_so_many_at_most),         BY_HAND(an_end_too_early_is_no_success),
        BY_HAND(a_silent_caller_keeps_nothing),       BY_HAND(responders_that_lie_are_not_believed),
        BY_HAND(an_answer_that_is_late_is_no_lie),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
