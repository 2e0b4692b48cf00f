// SPDX-License-Identifier: Apache-2.0
// Promise: a shutdown ends every call, tells each its fate, ends the guests, and leaves a handle
// that refuses what comes later.
#include <string.h>

#include "internal/atomics.h"
#include "left_behind.h"
#include "pair.h"
#include "threads.h"

static void a_call_after_a_shutdown_is_refused(void **state) {
    (void)state;
    struct pair pair;
    pair_open(&pair, 2, 64, NULL, nod, NULL);
    assert_int_equal(call_with(pair.host, "x", 1, 0), SIPC_OK);
    sipc_host_shutdown(pair.host);
    assert_int_equal(call_with(pair.host, "x", 1, SIPC_FOREVER), SIPC_CLOSED);
    sipc_call call = {.timeout_ns = SIPC_FOREVER};
    assert_int_equal(sipc_host_call_slot(pair.host, 1, &call), SIPC_CLOSED);
    sipc_session *session = (sipc_session *)&session;
    assert_int_equal(sipc_host_acquire(pair.host, 0, SIPC_FOREVER, &session), SIPC_CLOSED);
    assert_null(session);
    assert_int_equal(sipc_host_slots(pair.host), 2);
    pair_close(&pair);
}

static void bad_input_is_told_as_such_after_a_shutdown_too(void **state) {
    (void)state;
    sipc_host *host = open_host(fresh_name(), 1, 64, NULL);
    sipc_host_shutdown(host);
    assert_int_equal(call_with(host, NULL, 1, 0), SIPC_INVALID_ARGUMENT);
    sipc_host_close(host);
}

static void a_session_outlives_the_shutdown_and_ends_its_calls(void **state) {
    (void)state;
    struct pair pair;
    pair_open(&pair, 1, 64, NULL, nod, NULL);
    sipc_session *session;
    assert_int_equal(sipc_host_acquire(pair.host, 0, 0, &session), SIPC_OK);
    assert_int_equal(sipc_session_call(session, 0, 0, 0, NULL, NULL), SIPC_OK);
    sipc_host_shutdown(pair.host);
    assert_int_equal(sipc_session_call(session, 0, 0, SIPC_FOREVER, NULL, NULL), SIPC_CLOSED);
    assert_int_equal(sipc_session_settle(session, SIPC_FOREVER), SIPC_CLOSED);
    assert_non_null(sipc_session_request(session, NULL));
    sipc_session_release(session);
    pair_close(&pair);
}

static void shutting_down_twice_does_no_harm(void **state) {
    (void)state;
    struct pair pair;
    pair_open(&pair, 2, 64, NULL, nod, NULL);
    sipc_host_shutdown(pair.host);
    sipc_host_shutdown(pair.host);
    assert_int_equal(call_with(pair.host, "x", 1, 0), SIPC_CLOSED);
    pair_close(&pair);
}

static sipc_host *shared_host;

static void shut_down_shared(void *context, unsigned index) {
    (void)context;
    (void)index;
    sipc_host_shutdown(shared_host);
}

static void several_threads_may_shut_down_at_once(void **state) {
    (void)state;
    for (int i = 0; i < 20; i++) {
        struct pair pair;
        pair_open(&pair, 2, 64, &sleeper, nod, NULL);
        shared_host = pair.host;
        run_together(4, shut_down_shared, NULL);
        assert_int_equal(call_with(pair.host, "x", 1, 0), SIPC_CLOSED);
        pair_close(&pair);
    }
}

// ---- Calls in flight ---------------------------------------------------------------------------

struct waiting_call {
    sipc_host *host;
    uint32_t slot;
    sipc_status status;
};

static void call_until_closed(void *context) {
    struct waiting_call *waiting = context;
    sipc_call call = {.timeout_ns = SIPC_FOREVER};
    waiting->status = waiting->slot == SIPC_ANY_SLOT
                          ? sipc_host_call(waiting->host, &call)
                          : sipc_host_call_slot(waiting->host, waiting->slot, &call);
}

static void acquire_until_closed(void *context) {
    struct waiting_call *waiting = context;
    sipc_session *session;
    waiting->status = sipc_host_acquire(waiting->host, waiting->slot, SIPC_FOREVER, &session);
}

static void a_call_that_nobody_has_begun_ends_as_not_started(void **state) {
    (void)state;
    for (int i = 0; i < 10; i++) {
        struct waiting_call waiting = {
            .host = open_host(fresh_name(), 1, 64, i % 2 ? NULL : &sleeper), .slot = SIPC_ANY_SLOT};
        struct thread thread;
        thread_start(&thread, call_until_closed, &waiting);
        if (i >= 5) give_others_time();
        sipc_host_shutdown(waiting.host);
        thread_join(&thread);
        assert_int_equal(waiting.status, SIPC_CLOSED);
        sipc_host_close(waiting.host);
    }
}

static struct gate entered;
static struct gate leave;

static sipc_status stay(void *context, const sipc_request *request, sipc_response *response) {
    gate_open(&entered);
    gate_pass(&leave);
    return nod(context, request, response);
}

// The shutdown does not wait for the handler.
static void a_call_in_its_handler_ends_as_maybe_executed(void **state) {
    (void)state;
    gate_make(&entered);
    gate_make(&leave);
    struct pair pair;
    pair_open(&pair, 1, 64, &sleeper, stay, NULL);
    struct waiting_call waiting = {.host = pair.host, .slot = SIPC_ANY_SLOT};
    struct thread thread;
    thread_start(&thread, call_until_closed, &waiting);
    gate_pass(&entered);
    sipc_host_shutdown(pair.host);
    thread_join(&thread);
    assert_int_equal(waiting.status, SIPC_CLOSED_MAYBE_EXECUTED);
    gate_open(&leave);
    pair_close(&pair);
    gate_free(&entered);
    gate_free(&leave);
}

static void who_waits_for_a_slot_is_sent_away(void **state) {
    (void)state;
    struct waiting_call waiting[4];
    struct thread threads[4];
    sipc_host *host = open_host(fresh_name(), 2, 64, NULL);
    sipc_session *held[2];
    for (uint32_t i = 0; i < 2; i++)
        assert_int_equal(sipc_host_acquire(host, i, 0, &held[i]), SIPC_OK);
    for (uint32_t i = 0; i < 4; i++) {
        waiting[i] = (struct waiting_call){.host = host, .slot = i < 2 ? i : SIPC_ANY_SLOT};
        thread_start(&threads[i], i % 2 ? call_until_closed : acquire_until_closed, &waiting[i]);
    }
    give_others_time();
    sipc_host_shutdown(host);
    for (int i = 0; i < 4; i++) {
        thread_join(&threads[i]);
        assert_int_equal(waiting[i].status, SIPC_CLOSED);
    }
    sipc_session_release(held[0]);
    sipc_session_release(held[1]);
    sipc_host_close(host);
}

static sipc_status call_host(void *host, uint64_t timeout_ns) {
    return call_with(host, "x", 1, timeout_ns);
}

// Its slot is out of use, since an earlier request is still in its handler.
static void who_waits_for_a_late_response_is_sent_away(void **state) {
    (void)state;
    gate_make(&entered);
    gate_make(&leave);
    struct pair pair;
    pair_open(&pair, 1, 64, &sleeper, stay, NULL);
    give_up_in_handler(call_host, pair.host, 3000000, &entered);
    struct waiting_call waiting[2] = {{.host = pair.host, .slot = SIPC_ANY_SLOT},
                                      {.host = pair.host, .slot = 0}};
    struct thread threads[2];
    for (int i = 0; i < 2; i++) thread_start(&threads[i], call_until_closed, &waiting[i]);
    give_others_time();
    sipc_host_shutdown(pair.host);
    for (int i = 0; i < 2; i++) {
        thread_join(&threads[i]);
        assert_int_equal(waiting[i].status, SIPC_CLOSED);
    }
    gate_open(&leave);
    pair_close(&pair);
    gate_free(&entered);
    gate_free(&leave);
}

#define CALLERS 6u

static struct {
    sipc_host *host;
    sipc_word calls;
    sipc_status last[CALLERS];
} crowd;

static void call_until_refused(void *context, unsigned index) {
    (void)context;
    if (index == CALLERS) {
        while (sipc_load_acquire(&crowd.calls) < 200) give_others_time();
        sipc_host_shutdown(crowd.host);
        return;
    }
    sipc_status status;
    do {
        status = call_with(crowd.host, "x", 1, SIPC_FOREVER);
        sipc_add_barrier(&crowd.calls, 1);
    } while (status == SIPC_OK);
    crowd.last[index] = status;
}

static void assert_crowd_is_sent_away(uint32_t slots, const sipc_wait_policy *wait) {
    struct pair pair;
    pair_open(&pair, slots, 64, wait, nod, NULL);
    memset(&crowd, 0, sizeof crowd);
    crowd.host = pair.host;
    run_together(CALLERS + 1, call_until_refused, NULL);
    for (unsigned i = 0; i < CALLERS; i++)
        if (crowd.last[i] != SIPC_CLOSED && crowd.last[i] != SIPC_CLOSED_MAYBE_EXECUTED)
            fail_msg("caller %u ended with %s", i, sipc_status_name(crowd.last[i]));
    pair_close(&pair);
}

static void a_crowd_of_callers_is_sent_away(void **state) {
    (void)state;
    for (int i = 0; i < 10; i++) {
        assert_crowd_is_sent_away(CALLERS, NULL);
        assert_crowd_is_sent_away(2, &sleeper);
        assert_crowd_is_sent_away(1, NULL);
    }
}

// ---- The guest's side --------------------------------------------------------------------------

static void a_guests_workers_end_with_the_host(void **state) {
    (void)state;
    struct pair pair;
    pair_open(&pair, 3, 64, &sleeper, nod, NULL);
    assert_int_equal(call_with(pair.host, "x", 1, 0), SIPC_OK);
    sipc_host_shutdown(pair.host);
    assert_int_equal(sipc_guest_wait(pair.guest), SIPC_OK);
    pair_close(&pair);
}

static void a_polling_guest_is_told_that_the_host_has_gone(void **state) {
    (void)state;
    const char *name = fresh_name();
    sipc_host *host = open_host(name, 2, 64, NULL);
    sipc_guest *guest = attach_guest(name, 0);
    assert_int_equal(sipc_guest_poll(guest, nod, NULL, NULL), SIPC_OK);
    sipc_host_shutdown(host);
    assert_int_equal(sipc_guest_poll(guest, nod, NULL, NULL), SIPC_CLOSED);
    assert_int_equal(sipc_guest_poll(guest, nod, NULL, NULL), SIPC_CLOSED);
    sipc_guest_detach(guest);
    sipc_host_close(host);
}

static sipc_status shut_the_host_down(void *context, const sipc_request *request,
                                      sipc_response *response) {
    (void)context;
    sipc_host_shutdown(shared_host);
    return nod(NULL, request, response);
}

// Host and guest in one process: a handler may end what it serves.
static void a_handler_may_shut_its_host_down(void **state) {
    (void)state;
    const char *name = fresh_name();
    shared_host = open_host(name, 2, 64, NULL);
    sipc_guest *guest = attach_guest(name, 0);
    assert_int_equal(sipc_guest_start(guest, shut_the_host_down, NULL), SIPC_OK);
    assert_int_equal(call_with(shared_host, "x", 1, SIPC_FOREVER), SIPC_CLOSED_MAYBE_EXECUTED);
    assert_int_equal(sipc_guest_wait(guest), SIPC_OK);
    sipc_host_close(shared_host);
    sipc_guest_detach(guest);
}

int main(int count, char **arguments) {
    chosen_backend = backend_of_arguments(count, arguments);
    const struct CMUnitTest tests[] = {
        PROMISE(a_call_after_a_shutdown_is_refused),
        PROMISE(bad_input_is_told_as_such_after_a_shutdown_too),
        PROMISE(a_session_outlives_the_shutdown_and_ends_its_calls),
        PROMISE(shutting_down_twice_does_no_harm),
        PROMISE(several_threads_may_shut_down_at_once),
        PROMISE(a_call_that_nobody_has_begun_ends_as_not_started),
        PROMISE(a_call_in_its_handler_ends_as_maybe_executed),
        PROMISE(who_waits_for_a_slot_is_sent_away),
        PROMISE(who_waits_for_a_late_response_is_sent_away),
        PROMISE(a_crowd_of_callers_is_sent_away),
        PROMISE(a_guests_workers_end_with_the_host),
        PROMISE(a_polling_guest_is_told_that_the_host_has_gone),
        PROMISE(a_handler_may_shut_its_host_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
