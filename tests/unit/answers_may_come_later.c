// SPDX-License-Identifier: Apache-2.0
// Promise: a handler may leave its answer to any thread and any time: each caller gets its own,
// exactly once, and a worker is not held; who leaves waits for the answers that are due.
#include <simpleipc/pending.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "internal/atomics.h"
#include "left_behind.h"
#include "pair.h"
#include "threads.h"

#define CAPACITY 300u
#define SLOTS 4u
#define MILLISECOND UINT64_C(1000000)
#define DROPPED "the handler dropped its request"

// Where a handler leaves its requests, and how many there are.
struct desk {
    pthread_mutex_t lock; // guards pending: that two mappings are one memory, not everybody knows
    sipc_pending pending[SLOTS];
    _Atomic uint32_t count;
    struct gate left; // opened for each
};

static void desk_make(struct desk *desk) {
    atomic_store(&desk->count, 0);
    gate_make(&desk->left);
    assert_int_equal(pthread_mutex_init(&desk->lock, NULL), 0);
}

static sipc_pending left_at(struct desk *desk, uint32_t at) {
    pthread_mutex_lock(&desk->lock);
    const sipc_pending pending = desk->pending[at];
    pthread_mutex_unlock(&desk->lock);
    return pending;
}

static sipc_status leave_on_desk(void *context, const sipc_request *request,
                                 sipc_response *response) {
    (void)response;
    struct desk *desk = context;
    const uint32_t at = atomic_load(&desk->count);
    sipc_pending pending;
    sipc_status status = sipc_request_take(request, &pending);
    if (status) return status;
    pthread_mutex_lock(&desk->lock);
    desk->pending[at % SLOTS] = pending;
    pthread_mutex_unlock(&desk->lock);
    atomic_store(&desk->count, at + 1);
    gate_open(&desk->left);
    return SIPC_PENDING;
}

static void open_with(struct pair *pair, uint32_t slots, uint32_t each,
                      const sipc_wait_policy *wait, sipc_handler handler, void *context) {
    pair->name = fresh_name();
    pair->host = open_host(pair->name, slots, 2 * CAPACITY, wait);
    sipc_guest_options options = {.slots_per_worker = each};
    if (wait) options.wait = *wait;
    assert_int_equal(sipc_guest_attach(pair->name, &options, &pair->guest), SIPC_OK);
    if (handler) assert_int_equal(sipc_guest_start(pair->guest, handler, context), SIPC_OK);
}

// A call on a thread of its own.
struct asking {
    sipc_host *host;
    uint32_t slot;
    uint32_t message_id;
    uint32_t size;
    uint64_t timeout_ns;
    uint8_t request[CAPACITY];
    uint8_t response[CAPACITY];
    uint32_t response_size;
    sipc_status status;
    struct thread thread;
};

static void ask(void *context) {
    struct asking *asking = context;
    sipc_call call = {.message_id = asking->message_id,
                      .request = asking->request,
                      .request_size = asking->size,
                      .response = asking->response,
                      .response_capacity = CAPACITY,
                      .timeout_ns = asking->timeout_ns};
    asking->status = sipc_host_call_slot(asking->host, asking->slot, &call);
    asking->response_size = call.response_size;
}

static void start_asking(struct asking *asking, sipc_host *host, uint32_t slot, uint32_t size,
                         uint64_t timeout_ns) {
    asking->host = host;
    asking->slot = slot;
    asking->size = size;
    asking->timeout_ns = timeout_ns;
    memset(asking->request, (int)(slot + 1), size);
    thread_start(&asking->thread, ask, asking);
}

static void assert_got(struct asking *asking, sipc_status status, const void *response,
                       uint32_t size) {
    thread_join(&asking->thread);
    assert_int_equal(asking->status, status);
    assert_int_equal(asking->response_size, size);
    if (size) assert_memory_equal(asking->response, response, size);
}

// ---- Out of order ------------------------------------------------------------------------------

// In place, and by a copy.
static void answer_with_request(sipc_pending pending, bool in_place) {
    const sipc_request *request = sipc_pending_request(pending);
    assert_non_null(request);
    uint32_t capacity;
    void *response = sipc_pending_response(pending, &capacity);
    assert_int_equal(capacity, CAPACITY);
    const uint32_t size = request->size;
    if (in_place) memcpy(response, request->data, size);
    assert_int_equal(sipc_pending_respond(pending, SIPC_OK, in_place ? NULL : request->data, size),
                     SIPC_OK);
}

// All callers at once, answered from the last to the first or the other way.
static void answer_a_round(struct pair *pair, struct desk *desk, uint32_t round) {
    static const uint32_t sizes[] = {0, 8, 44, 48, 49, CAPACITY};
    static struct asking asking[SLOTS];
    for (uint32_t i = 0; i < SLOTS; i++) {
        asking[i].message_id = i % 2 ? SIPC_MESSAGE_FIRST_USER + i : SIPC_MESSAGE_NORMAL;
        start_asking(&asking[i], pair->host, i, sizes[(i + round) % 6], SIPC_FOREVER);
    }
    for (uint32_t i = 0; i < SLOTS; i++) gate_pass(&desk->left);
    for (uint32_t i = 0; i < SLOTS; i++)
        answer_with_request(left_at(desk, round % 2 ? i : SLOTS - 1 - i), round % 3 == 0);
    for (uint32_t i = 0; i < SLOTS; i++)
        assert_got(&asking[i], SIPC_OK, asking[i].request, asking[i].size);
}

static void answer_rounds(uint32_t each, const sipc_wait_policy *wait) {
    struct desk desk;
    desk_make(&desk);
    struct pair pair;
    open_with(&pair, SLOTS, each, wait, leave_on_desk, &desk);
    // One worker for all: nobody is held by the other's request.
    for (uint32_t round = 0; round < 60; round++) {
        atomic_store(&desk.count, 0);
        answer_a_round(&pair, &desk, round);
    }
    pair_close(&pair);
    gate_free(&desk.left);
}

static void one_worker_leaves_them_all_to_another_thread(void **state) {
    (void)state;
    answer_rounds(SLOTS, NULL);
    answer_rounds(SLOTS, &sleeper);
}

// Each of several threads answers its own slot: desks with one place.
enum { CALLS = 400 };

struct office {
    struct desk desks[SLOTS];
    sipc_host *host;
    _Atomic uint32_t wrong;
};

static sipc_status leave_in_office(void *context, const sipc_request *request,
                                   sipc_response *response) {
    struct office *office = context;
    struct desk *desk = &office->desks[request->slot];
    atomic_store(&desk->count, 0);
    return leave_on_desk(desk, request, response);
}

static void call_or_answer(void *context, unsigned index) {
    struct office *office = context;
    struct desk *desk = &office->desks[index / 2];
    for (uint32_t i = 0; i < CALLS; i++) {
        if (index % 2) {
            gate_pass(&desk->left);
            const sipc_pending pending = left_at(desk, 0);
            const sipc_request *request = sipc_pending_request(pending);
            uint32_t sent = 0;
            memcpy(&sent, request->data, sizeof sent);
            sent = ~sent;
            if (sipc_pending_respond(pending, SIPC_OK, &sent, sizeof sent)) office->wrong++;
            continue;
        }
        uint32_t sent[25] = {i}, received = 0;
        sipc_call call = {.request = sent,
                          .request_size = i % 2 ? sizeof sent : sizeof sent[0],
                          .response = &received,
                          .response_capacity = sizeof received,
                          .timeout_ns = SIPC_FOREVER};
        if (sipc_host_call_slot(office->host, index / 2, &call) || received != ~i) office->wrong++;
    }
}

static void run_office(uint32_t each, const sipc_wait_policy *wait) {
    struct office office = {.wrong = 0};
    for (uint32_t i = 0; i < SLOTS; i++) desk_make(&office.desks[i]);
    struct pair pair;
    open_with(&pair, SLOTS, each, wait, leave_in_office, &office);
    office.host = pair.host;
    run_together(2 * SLOTS, call_or_answer, &office);
    assert_int_equal(atomic_load(&office.wrong), 0);
    pair_close(&pair);
    for (uint32_t i = 0; i < SLOTS; i++) gate_free(&office.desks[i].left);
}

static void threads_answer_while_workers_go_on(void **state) {
    (void)state;
    run_office(1, NULL);
    run_office(SLOTS, NULL);
    run_office(1, &sleeper);
    run_office(2, &sleeper);
}

// ---- Exactly once ------------------------------------------------------------------------------

enum { AT_ONCE = 128, TWICE, NEVER_TAKEN, FAILING, UNKNOWN, TOO_LARGE, PENDING_STATUS, DROPPING };

static _Atomic uint32_t wrong;

static void expect(bool right) {
    if (!right) atomic_fetch_add(&wrong, 1);
}

static sipc_status answer_within(void *context, const sipc_request *request,
                                 sipc_response *response) {
    (void)context;
    sipc_pending pending, other;
    if (request->message_id == NEVER_TAKEN) {
        expect(!sipc_request_is_taken(request));
        return SIPC_PENDING;
    }
    expect(sipc_request_take(request, &pending) == SIPC_OK);
    expect(sipc_request_is_taken(request));
    expect(sipc_request_take(request, &other) == SIPC_BUSY && !other.origin);
    sipc_status status = SIPC_OK;
    uint32_t size = 4;
    if (request->message_id == FAILING) status = SIPC_SYSTEM;
    if (request->message_id == UNKNOWN) status = SIPC_UNKNOWN_MESSAGE;
    if (request->message_id == PENDING_STATUS) status = SIPC_PENDING;
    if (request->message_id == TOO_LARGE) size = response->capacity + 1;
    if (request->message_id == DROPPING)
        sipc_pending_abandon(pending);
    else
        expect(sipc_pending_respond(pending, status, "once", size) == SIPC_OK);
    expect(sipc_pending_respond(pending, status, "more", 4) == SIPC_INVALID_ARGUMENT);
    sipc_pending_abandon(pending);
    expect(!sipc_pending_request(pending) && !sipc_pending_response(pending, NULL));
    expect(sipc_pending_is_cancelled(pending) && sipc_pending_deadline(pending) == 0);
    return SIPC_OK; // has no effect
}

static void expect_answer(const struct pair *pair, uint32_t message_id, sipc_status status,
                          const char *response) {
    struct asking asking = {.message_id = message_id};
    start_asking(&asking, pair->host, 0, message_id % 2 ? 8 : 200, SIPC_FOREVER);
    assert_got(&asking, status, response, (uint32_t)strlen(response));
}

static void a_request_is_answered_once_also_within_its_handler(void **state) {
    (void)state;
    struct pair pair;
    open_with(&pair, 1, 1, NULL, answer_within, NULL);
    for (int i = 0; i < 20; i++) {
        expect_answer(&pair, AT_ONCE, SIPC_OK, "once");
        expect_answer(&pair, TWICE, SIPC_OK, "once");
        expect_answer(&pair, NEVER_TAKEN, SIPC_HANDLER_FAILED, "");
        expect_answer(&pair, FAILING, SIPC_HANDLER_FAILED, "once");
        expect_answer(&pair, UNKNOWN, SIPC_UNKNOWN_MESSAGE, "");
        expect_answer(&pair, TOO_LARGE, SIPC_RESPONSE_TOO_LARGE, "");
        expect_answer(&pair, PENDING_STATUS, SIPC_HANDLER_FAILED, "once");
        expect_answer(&pair, DROPPING, SIPC_HANDLER_FAILED, DROPPED);
    }
    assert_int_equal(atomic_load(&wrong), 0);
    pair_close(&pair);
}

static void what_was_never_a_request_is_refused(void **state) {
    (void)state;
    const sipc_request made = {.size = 0};
    sipc_pending pending = {.state = 9};
    assert_int_equal(sipc_request_take(&made, &pending), SIPC_INVALID_ARGUMENT);
    assert_null(pending.origin);
    assert_int_equal(sipc_request_take(NULL, &pending), SIPC_INVALID_ARGUMENT);
    assert_int_equal(sipc_request_take(&made, NULL), SIPC_INVALID_ARGUMENT);
    assert_int_equal(sipc_request_deadline(&made), 0);
    assert_int_equal(sipc_request_is_cancelled(&made), 0);
    assert_int_equal(sipc_request_is_taken(&made), 0);
    uint32_t capacity = 1;
    assert_null(sipc_pending_response(pending, &capacity));
    assert_int_equal(capacity, 0);
    assert_int_equal(sipc_pending_respond(pending, SIPC_OK, NULL, 0), SIPC_INVALID_ARGUMENT);
    sipc_pending_abandon(pending);
}

// ---- Callers that do not wait for it -----------------------------------------------------------

static sipc_status ask_briefly(void *context, uint64_t timeout_ns) {
    struct asking *asking = context;
    asking->timeout_ns = timeout_ns;
    ask(asking);
    assert_int_equal(asking->response_size, 0);
    return asking->status;
}

static void an_answer_after_the_caller_gave_up_reaches_nobody(void **state) {
    (void)state;
    for (uint32_t size = 8; size <= 200; size += 192) {
        struct desk desk;
        desk_make(&desk);
        struct pair pair;
        open_with(&pair, 1, 1, size == 8 ? &sleeper : NULL, leave_on_desk, &desk);
        struct asking late = {.host = pair.host, .size = size}, next = {.message_id = 0};
        give_up_in_handler(ask_briefly, &late, 3 * MILLISECOND, &desk.left);
        assert_int_equal(sipc_pending_is_cancelled(left_at(&desk, 0)), 1);
        assert_int_equal(sipc_request_is_cancelled(sipc_pending_request(left_at(&desk, 0))), 1);
        // The slot is out of use until then.
        start_asking(&next, pair.host, 0, size, SIPC_FOREVER);
        assert_int_equal(sipc_pending_respond(left_at(&desk, 0), SIPC_OK, "late", 4), SIPC_OK);
        gate_pass(&desk.left);
        assert_int_equal(sipc_pending_is_cancelled(left_at(&desk, 1)), 0);
        assert_int_equal(sipc_pending_respond(left_at(&desk, 1), SIPC_OK, "mine", 4), SIPC_OK);
        assert_got(&next, SIPC_OK, "mine", 4);
        pair_close(&pair);
        gate_free(&desk.left);
    }
}

static void a_host_that_closes_does_not_wait_for_it(void **state) {
    (void)state;
    struct desk desk;
    desk_make(&desk);
    struct pair pair;
    open_with(&pair, 1, 1, NULL, leave_on_desk, &desk);
    struct asking asking = {.message_id = 0};
    start_asking(&asking, pair.host, 0, 8, SIPC_FOREVER);
    gate_pass(&desk.left);
    sipc_host_shutdown(pair.host);
    assert_got(&asking, SIPC_CLOSED_MAYBE_EXECUTED, NULL, 0);
    assert_int_equal(sipc_pending_is_cancelled(left_at(&desk, 0)), 1);
    sipc_host_close(pair.host);
    assert_int_equal(sipc_pending_respond(left_at(&desk, 0), SIPC_OK, "late", 4), SIPC_OK);
    assert_int_equal(sipc_guest_detach(pair.guest), SIPC_OK);
    gate_free(&desk.left);
}

// ---- Who leaves --------------------------------------------------------------------------------

struct detaching {
    sipc_guest *guest;
    _Atomic bool answered;
    bool too_early;
    sipc_status status;
};

static void detach(void *context) {
    struct detaching *detaching = context;
    detaching->status = sipc_guest_detach(detaching->guest);
    detaching->too_early = !atomic_load(&detaching->answered);
}

static void a_guest_that_leaves_waits_for_its_answers(void **state) {
    (void)state;
    for (uint32_t each = 1; each <= 2; each++) {
        struct desk desk;
        desk_make(&desk);
        struct pair pair;
        open_with(&pair, 2, each, NULL, leave_on_desk, &desk);
        struct asking asking = {.message_id = 0};
        start_asking(&asking, pair.host, 1, 8, SIPC_FOREVER);
        gate_pass(&desk.left);
        struct detaching detaching = {.guest = pair.guest};
        struct thread thread;
        thread_start(&thread, detach, &detaching);
        give_others_time();
        atomic_store(&detaching.answered, true);
        assert_int_equal(sipc_pending_respond(left_at(&desk, 0), SIPC_OK, "last", 4), SIPC_OK);
        thread_join(&thread);
        assert_int_equal(detaching.status, SIPC_OK);
        assert_false(detaching.too_early);
        assert_got(&asking, SIPC_OK, "last", 4);
        sipc_host_close(pair.host);
        gate_free(&desk.left);
    }
}

static sipc_status take_and_exit(void *context, const sipc_request *request,
                                 sipc_response *response) {
    if (leave_on_desk(context, request, response) != SIPC_PENDING) return SIPC_SYSTEM;
    pthread_exit(NULL);
    return SIPC_SYSTEM; // not every system declares that this is not reached
}

static void a_handler_that_ends_its_thread_may_have_left_its_request(void **state) {
    (void)state;
    struct desk desk;
    desk_make(&desk);
    struct pair pair;
    open_with(&pair, 1, 1, NULL, take_and_exit, &desk);
    for (uint32_t i = 0; i < 50; i++) {
        struct asking asking = {.message_id = 0};
        start_asking(&asking, pair.host, 0, i % 2 ? 8 : 200, SIPC_FOREVER);
        gate_pass(&desk.left);
        answer_with_request(left_at(&desk, i % SLOTS), false);
        assert_got(&asking, SIPC_OK, asking.request, asking.size);
    }
    pair_close(&pair);
    gate_free(&desk.left);
}

// ---- Those who poll, and hosts that serve ------------------------------------------------------

static void a_guest_that_polls_answers_later_too(void **state) {
    (void)state;
    struct desk desk;
    desk_make(&desk);
    struct pair pair;
    open_with(&pair, 2, 1, NULL, NULL, NULL);
    struct asking asking = {.message_id = 0};
    start_asking(&asking, pair.host, 0, 200, SIPC_FOREVER);
    for (uint32_t served = 0; served == 0;)
        assert_int_equal(sipc_guest_poll(pair.guest, leave_on_desk, &desk, &served), SIPC_OK);
    uint32_t served;
    assert_int_equal(sipc_guest_poll(pair.guest, leave_on_desk, &desk, &served), SIPC_OK);
    assert_int_equal(served, 0);
    sipc_host_shutdown(pair.host);
    assert_got(&asking, SIPC_CLOSED_MAYBE_EXECUTED, NULL, 0);
    // The slot is not left before the answer.
    assert_int_equal(sipc_guest_poll(pair.guest, leave_on_desk, &desk, NULL), SIPC_OK);
    assert_int_equal(sipc_pending_respond(left_at(&desk, 0), SIPC_OK, NULL, 0), SIPC_OK);
    assert_int_equal(sipc_guest_poll(pair.guest, leave_on_desk, &desk, NULL), SIPC_CLOSED);
    pair_close(&pair);
    gate_free(&desk.left);
}

struct guest_asking {
    sipc_guest *guest;
    sipc_status status;
    char response[8];
};

static void ask_host(void *context) {
    struct guest_asking *asking = context;
    sipc_call call = {.request = "?",
                      .request_size = 1,
                      .response = asking->response,
                      .response_capacity = sizeof asking->response,
                      .timeout_ns = SIPC_FOREVER};
    asking->status = sipc_guest_call(asking->guest, &call);
}

static void a_host_answers_its_guests_later_and_closes_after_it(void **state) {
    (void)state;
    struct desk desk;
    desk_make(&desk);
    const char *name = fresh_name();
    const sipc_host_options options = {.backend = chosen_backend, .guest_slots = 1};
    sipc_host *host;
    assert_int_equal(sipc_host_create(name, 1, 2 * CAPACITY, &options, &host), SIPC_OK);
    assert_int_equal(sipc_host_serve(host, NULL, leave_on_desk, &desk), SIPC_OK);
    struct guest_asking asking = {.status = SIPC_BUSY};
    const sipc_guest_options calls = {.calls_only = 1};
    assert_int_equal(sipc_guest_attach(name, &calls, &asking.guest), SIPC_OK);
    struct thread thread;
    thread_start(&thread, ask_host, &asking);
    gate_pass(&desk.left);
    sipc_host_shutdown(host);
    assert_int_equal(sipc_pending_is_cancelled(left_at(&desk, 0)), 0);
    assert_int_equal(sipc_pending_respond(left_at(&desk, 0), SIPC_OK, "yes", 4), SIPC_OK);
    thread_join(&thread);
    assert_int_equal(asking.status, SIPC_OK);
    assert_string_equal(asking.response, "yes");
    sipc_host_close(host);
    assert_int_equal(sipc_guest_detach(asking.guest), SIPC_OK);
    gate_free(&desk.left);
}

int main(int count, char **arguments) {
    chosen_backend = backend_of_arguments(count, arguments);
    const struct CMUnitTest tests[] = {
        PROMISE(one_worker_leaves_them_all_to_another_thread),
        PROMISE(threads_answer_while_workers_go_on),
        PROMISE(a_request_is_answered_once_also_within_its_handler),
        PROMISE(what_was_never_a_request_is_refused),
        PROMISE(an_answer_after_the_caller_gave_up_reaches_nobody),
        PROMISE(a_host_that_closes_does_not_wait_for_it),
        PROMISE(a_guest_that_leaves_waits_for_its_answers),
        PROMISE(a_handler_that_ends_its_thread_may_have_left_its_request),
        PROMISE(a_guest_that_polls_answers_later_too),
        PROMISE(a_host_answers_its_guests_later_and_closes_after_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
