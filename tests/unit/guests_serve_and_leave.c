// SPDX-License-Identifier: Apache-2.0
// Promise: a guest serves the slots that it claimed, one worker each or by polling, leaves the
// others to other guests, and ends from wherever it is told to.
#include <string.h>

#include "internal/region.h"
#include "left_behind.h"
#include "pair.h"
#include "threads.h"

static sipc_status try_guest(const char *name, uint32_t workers, sipc_guest **guest) {
    const sipc_guest_options options = {.workers = workers, .attach_timeout_ns = 1};
    return sipc_guest_attach(name, &options, guest);
}

// ---- Who serves which slot ---------------------------------------------------------------------

static void guests_share_the_slots_and_one_too_many_gets_none(void **state) {
    (void)state;
    const char *name = fresh_name();
    sipc_host *host = open_host(name, 5, 64, NULL);
    sipc_guest *first = attach_guest(name, 2);
    assert_int_equal(sipc_guest_slots(first), 2);
    // One that asks for more than is left gets what is left.
    sipc_guest *second = attach_guest(name, 0);
    assert_int_equal(sipc_guest_slots(second), 3);
    sipc_guest *third;
    assert_int_equal(try_guest(name, 0, &third), SIPC_NO_SLOT);
    assert_null(third);
    assert_int_equal(sipc_guest_start(first, nod, NULL), SIPC_OK);
    assert_int_equal(sipc_guest_start(second, nod, NULL), SIPC_OK);
    for (uint32_t slot = 0; slot < 5; slot++) {
        sipc_call call = {.timeout_ns = SIPC_FOREVER};
        assert_int_equal(sipc_host_call_slot(host, slot, &call), SIPC_OK);
    }
    sipc_guest_detach(second);
    // What one leaves, another may take.
    third = attach_guest(name, 0);
    assert_int_equal(sipc_guest_slots(third), 3);
    assert_int_equal(sipc_guest_start(third, nod, NULL), SIPC_OK);
    for (uint32_t slot = 0; slot < 5; slot++) {
        sipc_call call = {.timeout_ns = SIPC_FOREVER};
        assert_int_equal(sipc_host_call_slot(host, slot, &call), SIPC_OK);
    }
    sipc_guest_detach(first);
    sipc_guest_detach(third);
    sipc_host_close(host);
}

static void calls_go_to_the_slots_that_are_served(void **state) {
    (void)state;
    const char *name = fresh_name();
    sipc_host *host = open_host(name, 8, 64, NULL);
    sipc_guest *guest = attach_guest(name, 1);
    assert_int_equal(sipc_guest_start(guest, nod, NULL), SIPC_OK);
    for (int i = 0; i < 20; i++) assert_int_equal(call_with(host, "x", 1, SIPC_FOREVER), SIPC_OK);
    sipc_guest_detach(guest);
    sipc_host_close(host);
}

#define MANY 8u

static struct {
    sipc_host *host;
    sipc_status statuses[MANY];
} crowd;

static void call_ten_times(void *context, unsigned index) {
    (void)context;
    for (int i = 0; i < 10 && crowd.statuses[index] == SIPC_OK; i++)
        crowd.statuses[index] = call_with(crowd.host, "x", 1, SIPC_FOREVER);
}

static void fewer_workers_than_slots_serve_every_caller(void **state) {
    (void)state;
    const char *name = fresh_name();
    memset(&crowd, 0, sizeof crowd);
    crowd.host = open_host(name, MANY, 64, NULL);
    sipc_guest *guest = attach_guest(name, 2);
    assert_int_equal(sipc_guest_start(guest, nod, NULL), SIPC_OK);
    run_together(MANY, call_ten_times, NULL);
    for (unsigned i = 0; i < MANY; i++) assert_int_equal(crowd.statuses[i], SIPC_OK);
    sipc_guest_detach(guest);
    sipc_host_close(crowd.host);
}

// ---- Starting and polling ----------------------------------------------------------------------

static void workers_are_started_once(void **state) {
    (void)state;
    struct pair pair;
    pair_open(&pair, 1, 64, NULL, nod, NULL);
    assert_int_equal(sipc_guest_start(pair.guest, nod, NULL), SIPC_BUSY);
    uint32_t served = 7;
    assert_int_equal(sipc_guest_poll(pair.guest, nod, NULL, &served), SIPC_BUSY);
    assert_int_equal(served, 0);
    assert_int_equal(call_with(pair.host, "x", 1, 0), SIPC_OK);
    pair_close(&pair);
}

static void a_stopped_guest_is_not_started_again(void **state) {
    (void)state;
    const char *name = fresh_name();
    sipc_host *host = open_host(name, 1, 64, NULL);
    sipc_guest *guest = attach_guest(name, 0);
    sipc_guest_stop(guest);
    sipc_guest_stop(guest);
    assert_int_equal(sipc_guest_start(guest, nod, NULL), SIPC_CLOSED);
    assert_int_equal(sipc_guest_poll(guest, nod, NULL, NULL), SIPC_CLOSED);
    assert_int_equal(sipc_guest_detach(guest), SIPC_OK);
    sipc_host_close(host);
}

struct one_call {
    sipc_host *host;
    sipc_word done;
    sipc_status status;
    uint32_t message_id;
};

static void call_once(void *context) {
    struct one_call *one = context;
    char response[8];
    sipc_call call = {.message_id = one->message_id,
                      .request = "poll me",
                      .request_size = 7,
                      .response = response,
                      .response_capacity = 8,
                      .timeout_ns = SIPC_FOREVER};
    one->status = sipc_host_call(one->host, &call);
    if (one->status == SIPC_OK && one->message_id == 0 && memcmp(response, "poll me", 7) != 0)
        one->status = SIPC_SYSTEM;
    sipc_store_release(&one->done, 1);
}

static void polling_answers_what_stands_ready_and_does_not_wait(void **state) {
    (void)state;
    const char *name = fresh_name();
    struct one_call one = {.host = open_host(name, 2, 64, NULL)};
    sipc_guest *guest = attach_guest(name, 0);
    uint32_t served = 7;
    assert_int_equal(sipc_guest_poll(guest, echo, NULL, &served), SIPC_OK);
    assert_int_equal(served, 0);
    struct thread thread;
    thread_start(&thread, call_once, &one);
    uint32_t all = 0;
    while (sipc_load_acquire(&one.done) == 0) {
        assert_int_equal(sipc_guest_poll(guest, echo, NULL, &served), SIPC_OK);
        all += served;
    }
    thread_join(&thread);
    assert_int_equal(one.status, SIPC_OK);
    assert_int_equal(all, 1);
    assert_int_equal(sipc_guest_wait(guest), SIPC_INVALID_ARGUMENT);
    sipc_guest_detach(guest);
    sipc_host_close(one.host);
}

static void a_shutdown_message_ends_a_polling_guest(void **state) {
    (void)state;
    const char *name = fresh_name();
    struct one_call one = {.host = open_host(name, 1, 64, NULL),
                           .message_id = SIPC_MESSAGE_SHUTDOWN};
    sipc_guest *guest = attach_guest(name, 0);
    struct thread thread;
    thread_start(&thread, call_once, &one);
    sipc_status status = SIPC_OK;
    uint32_t served = 0;
    while (status == SIPC_OK) status = sipc_guest_poll(guest, echo, NULL, &served);
    thread_join(&thread);
    assert_int_equal(status, SIPC_CLOSED);
    assert_int_equal(served, 1);
    assert_int_equal(one.status, SIPC_OK);
    sipc_guest_detach(guest);
    sipc_host_close(one.host);
}

static void a_shutdown_message_ends_all_workers_of_its_guest_and_of_no_other(void **state) {
    (void)state;
    const char *name = fresh_name();
    sipc_host *host = open_host(name, 4, 64, &sleeper);
    sipc_guest *first = attach_guest(name, 3);
    sipc_guest *second = attach_guest(name, 1);
    assert_int_equal(sipc_guest_start(first, nod, NULL), SIPC_OK);
    assert_int_equal(sipc_guest_start(second, nod, NULL), SIPC_OK);
    sipc_call call = {.message_id = SIPC_MESSAGE_SHUTDOWN, .timeout_ns = SIPC_FOREVER};
    assert_int_equal(sipc_host_call_slot(host, 1, &call), SIPC_OK);
    assert_int_equal(call.response_message_id, SIPC_MESSAGE_SHUTDOWN);
    assert_int_equal(call.response_size, 0);
    assert_int_equal(sipc_guest_wait(first), SIPC_OK);
    assert_int_equal(call_with(host, "x", 1, SIPC_FOREVER), SIPC_OK);
    // Its slots are free for another.
    sipc_guest *third = attach_guest(name, 0);
    assert_int_equal(sipc_guest_slots(third), 3);
    sipc_guest_detach(first);
    sipc_guest_detach(second);
    sipc_guest_detach(third);
    sipc_host_close(host);
}

// ---- From inside a handler ---------------------------------------------------------------------

static struct {
    sipc_guest *guest;
    sipc_status waited;
    sipc_status detached;
} inside;

static sipc_status wait_and_detach_inside(void *context, const sipc_request *request,
                                          sipc_response *response) {
    inside.waited = sipc_guest_wait(inside.guest);
    inside.detached = sipc_guest_detach(inside.guest);
    return nod(context, request, response);
}

static void a_handler_can_neither_wait_for_itself_nor_detach_itself(void **state) {
    (void)state;
    const char *name = fresh_name();
    sipc_host *host = open_host(name, 1, 64, NULL);
    inside.guest = attach_guest(name, 0);
    assert_int_equal(sipc_guest_start(inside.guest, wait_and_detach_inside, NULL), SIPC_OK);
    assert_int_equal(call_with(host, "x", 1, SIPC_FOREVER), SIPC_OK);
    // Nothing was done: it serves on.
    assert_int_equal(call_with(host, "x", 1, SIPC_FOREVER), SIPC_OK);
    assert_int_equal(sipc_guest_detach(inside.guest), SIPC_OK);
    assert_int_equal(inside.waited, SIPC_BUSY);
    assert_int_equal(inside.detached, SIPC_BUSY);
    sipc_host_close(host);
}

static struct {
    sipc_guest *inner;
    sipc_host *inner_host;
    uint32_t served;
} nested;

static void call_inner(void *context) {
    (void)context;
    call_with(nested.inner_host, "x", 1, SIPC_FOREVER);
}

static sipc_status poll_another_guest_inside(void *context, const sipc_request *request,
                                             sipc_response *response) {
    struct thread caller;
    thread_start(&caller, call_inner, NULL);
    nested.served = 0;
    while (nested.served == 0)
        if (sipc_guest_poll(nested.inner, nod, NULL, &nested.served) != SIPC_OK) break;
    thread_join(&caller);
    return wait_and_detach_inside(context, request, response);
}

// The other guest's handler ran on this thread, and is over.
static void a_handler_that_polls_another_guest_is_still_in_its_own(void **state) {
    (void)state;
    const char *outer_name = fresh_name();
    const char *inner_name = fresh_name();
    sipc_host *outer_host = open_host(outer_name, 1, 64, NULL);
    nested.inner_host = open_host(inner_name, 1, 64, NULL);
    nested.inner = attach_guest(inner_name, 0);
    inside.guest = attach_guest(outer_name, 0);
    assert_int_equal(sipc_guest_start(inside.guest, poll_another_guest_inside, NULL), SIPC_OK);
    assert_int_equal(call_with(outer_host, "x", 1, SIPC_FOREVER), SIPC_OK);
    assert_int_equal(sipc_guest_detach(inside.guest), SIPC_OK);
    assert_int_equal(nested.served, 1);
    assert_int_equal(inside.waited, SIPC_BUSY);
    assert_int_equal(inside.detached, SIPC_BUSY);
    assert_int_equal(sipc_guest_detach(nested.inner), SIPC_OK);
    sipc_host_close(outer_host);
    sipc_host_close(nested.inner_host);
}

static sipc_status stop_inside(void *context, const sipc_request *request,
                               sipc_response *response) {
    sipc_guest_stop(inside.guest);
    return nod(context, request, response);
}

static void a_handler_may_stop_its_guest_and_its_answer_still_arrives(void **state) {
    (void)state;
    const char *name = fresh_name();
    sipc_host *host = open_host(name, 3, 64, &sleeper);
    inside.guest = attach_guest(name, 0);
    assert_int_equal(sipc_guest_start(inside.guest, stop_inside, NULL), SIPC_OK);
    assert_int_equal(call_with(host, "x", 1, SIPC_FOREVER), SIPC_OK);
    assert_int_equal(sipc_guest_wait(inside.guest), SIPC_OK);
    sipc_guest_detach(inside.guest);
    sipc_host_close(host);
}

// ---- The end -----------------------------------------------------------------------------------

static void a_guest_that_never_served_leaves_without_a_trace(void **state) {
    (void)state;
    const char *name = fresh_name();
    sipc_host *host = open_host(name, 2, 64, NULL);
    for (int i = 0; i < 10; i++) {
        sipc_guest *guest = attach_guest(name, 0);
        assert_int_equal(sipc_guest_slots(guest), 2);
        assert_int_equal(sipc_guest_detach(guest), SIPC_OK);
    }
    sipc_host_close(host);
}

static void workers_that_sleep_are_stopped_at_once(void **state) {
    (void)state;
    for (int i = 0; i < 20; i++) {
        struct pair pair;
        pair_open(&pair, 4, 64, &sleeper, nod, NULL);
        if (i % 4 == 0) give_others_time();
        sipc_guest_stop(pair.guest);
        assert_int_equal(sipc_guest_wait(pair.guest), SIPC_OK);
        pair_close(&pair);
    }
}

static void wait_for_guest(void *context, unsigned index) {
    (void)index;
    struct pair *pair = context;
    if (index == 0)
        sipc_guest_stop(pair->guest);
    else if (sipc_guest_wait(pair->guest) != SIPC_OK)
        crowd.statuses[index] = SIPC_SYSTEM;
}

static void several_threads_may_wait_for_a_guest(void **state) {
    (void)state;
    memset(&crowd, 0, sizeof crowd);
    struct pair pair;
    pair_open(&pair, 4, 64, &sleeper, nod, NULL);
    run_together(4, wait_for_guest, &pair);
    for (unsigned i = 0; i < 4; i++) assert_int_equal(crowd.statuses[i], SIPC_OK);
    pair_close(&pair);
}

static struct gate entered;
static struct gate leave;

static sipc_status stay(void *context, const sipc_request *request, sipc_response *response) {
    gate_open(&entered);
    gate_pass(&leave);
    return nod(context, request, response);
}

static void detach_it(void *context) {
    sipc_guest_detach(context);
}

static void detaching_waits_for_the_handler_whose_answer_arrives(void **state) {
    (void)state;
    gate_make(&entered);
    gate_make(&leave);
    const char *name = fresh_name();
    struct one_call one = {.host = open_host(name, 1, 64, NULL), .message_id = 128};
    sipc_guest *guest = attach_guest(name, 0);
    assert_int_equal(sipc_guest_start(guest, stay, NULL), SIPC_OK);
    struct thread caller;
    struct thread detacher;
    thread_start(&caller, call_once, &one);
    gate_pass(&entered);
    thread_start(&detacher, detach_it, guest);
    give_others_time();
    gate_open(&leave);
    thread_join(&detacher);
    thread_join(&caller);
    assert_int_equal(one.status, SIPC_OK);
    sipc_host_close(one.host);
    gate_free(&entered);
    gate_free(&leave);
}

static void a_guest_may_outlive_its_host(void **state) {
    (void)state;
    const char *name = fresh_name();
    sipc_host *host = open_host(name, 1, 64, NULL);
    sipc_guest *guest = attach_guest(name, 0);
    sipc_host_close(host);
    assert_int_equal(sipc_guest_poll(guest, nod, NULL, NULL), SIPC_CLOSED);
    assert_int_equal(sipc_guest_detach(guest), SIPC_OK);
}

// ---- Taking over -------------------------------------------------------------------------------

// The dead one, played by hand, had begun the request that a caller waits for.
static void the_successor_tells_the_caller_that_its_responder_died(void **state) {
    (void)state;
    const char *name = fresh_name();
    struct one_call one = {.host = open_host(name, 1, 64, NULL)};
    char object_name[SIPC_OBJECT_NAME_SIZE];
    sipc_name_object(name, object_name);
    struct sipc_os_object object;
    assert_int_equal(sipc_os_object_open(object_name, &object), SIPC_OK);
    struct sipc_exchange_header header;
    assert_int_equal(sipc_os_object_read(&object, &header, sizeof header), SIPC_OK);
    void *base;
    const sipc_word *lost;
    assert_int_equal(sipc_os_object_map(&object, header.region_size, &base, &lost), SIPC_OK);
    struct sipc_turn_line *turn = (void *)((uint8_t *)base + SIPC_SLOTS_OFFSET);
    struct sipc_owner_line *owner = (void *)((uint8_t *)base + header.tail_offset);
    struct thread caller;
    thread_start(&caller, call_once, &one);
    while (sipc_state_code(sipc_load_acquire(&turn->caller_state)) != SIPC_CODE_REQUEST)
        sipc_os_yield();
    sipc_exchange_barrier(&owner->started, sipc_state(1, 0));
    sipc_guest *guest = attach_guest(name, 0);
    thread_join(&caller);
    assert_int_equal(one.status, SIPC_PEER_DIED_MAYBE_EXECUTED);
    uint32_t served;
    assert_int_equal(sipc_guest_poll(guest, echo, NULL, &served), SIPC_OK);
    assert_int_equal(served, 0);
    sipc_guest_detach(guest);
    sipc_os_unmap(base, header.region_size);
    sipc_os_object_close(&object);
    sipc_host_close(one.host);
}

int main(int count, char **arguments) {
    chosen_backend = backend_of_arguments(count, arguments);
    const struct CMUnitTest tests[] = {
        PROMISE(guests_share_the_slots_and_one_too_many_gets_none),
        PROMISE(calls_go_to_the_slots_that_are_served),
        PROMISE(fewer_workers_than_slots_serve_every_caller),
        PROMISE(workers_are_started_once),
        PROMISE(a_stopped_guest_is_not_started_again),
        PROMISE(polling_answers_what_stands_ready_and_does_not_wait),
        PROMISE(a_shutdown_message_ends_a_polling_guest),
        PROMISE(a_shutdown_message_ends_all_workers_of_its_guest_and_of_no_other),
        PROMISE(a_handler_can_neither_wait_for_itself_nor_detach_itself),
        PROMISE(a_handler_that_polls_another_guest_is_still_in_its_own),
        PROMISE(a_handler_may_stop_its_guest_and_its_answer_still_arrives),
        PROMISE(a_guest_that_never_served_leaves_without_a_trace),
        PROMISE(workers_that_sleep_are_stopped_at_once),
        PROMISE(several_threads_may_wait_for_a_guest),
        PROMISE(detaching_waits_for_the_handler_whose_answer_arrives),
        PROMISE(a_guest_may_outlive_its_host),
        PROMISE(the_successor_tells_the_caller_that_its_responder_died),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
