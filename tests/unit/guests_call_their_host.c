// SPDX-License-Identifier: Apache-2.0
// Promise: guests call their host through slots of their own, with the sizes, fates and deadlines
// of any call; nested calls go as deep as there are slots; whoever leaves, leaves nobody waiting.
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "internal/caller.h"
#include "left_behind.h"
#include "pair.h"
#include "threads.h"

#define CAPACITY 300u
#define MILLISECOND UINT64_C(1000000)

struct family {
    const char *name;
    sipc_host *host;
    sipc_guest *guest;
};

static void family_open(struct family *family, uint32_t host_slots, uint32_t guest_slots,
                        const sipc_wait_policy *wait) {
    family->name = fresh_name();
    sipc_host_options options = {.backend = chosen_backend, .guest_slots = guest_slots};
    if (wait) options.wait = *wait;
    assert_int_equal(
        sipc_host_create(family->name, host_slots, 2 * CAPACITY, &options, &family->host), SIPC_OK);
    family->guest = NULL;
}

static void family_attach(struct family *family, sipc_guest_options options,
                          const sipc_wait_policy *wait) {
    if (wait) options.wait = *wait;
    assert_int_equal(sipc_guest_attach(family->name, &options, &family->guest), SIPC_OK);
}

static void family_close(struct family *family) {
    sipc_host_close(family->host);
    assert_int_equal(sipc_guest_detach(family->guest), SIPC_OK);
}

static sipc_status guest_call(sipc_guest *guest, const void *request, uint32_t size,
                              uint64_t timeout_ns) {
    uint8_t response[CAPACITY];
    sipc_call call = {.request = request,
                      .request_size = size,
                      .response = response,
                      .response_capacity = sizeof response,
                      .timeout_ns = timeout_ns};
    return sipc_guest_call(guest, &call);
}

// ---- Every size, either way of serving ---------------------------------------------------------

static void call_with_every_size(sipc_guest *guest) {
    uint8_t request[CAPACITY], response[CAPACITY];
    for (uint32_t size = 0; size <= CAPACITY; size++) {
        memset(request, (int)size + 1, sizeof request);
        sipc_call call = {.message_id = size % 3 ? SIPC_MESSAGE_FIRST_USER + size : 0,
                          .request = request,
                          .request_size = size,
                          .response = response,
                          .response_capacity = sizeof response};
        assert_int_equal(sipc_guest_call(guest, &call), SIPC_OK);
        assert_int_equal(call.response_size, size);
        assert_int_equal(call.response_message_id, call.message_id);
        assert_memory_equal(response, request, size);
    }
}

static void serve_every_size(const sipc_wait_policy *wait) {
    struct family family;
    family_open(&family, 1, 2, wait);
    const sipc_serve_options serve = {.workers = 1, .wait = wait ? *wait : (sipc_wait_policy){0}};
    assert_int_equal(sipc_host_serve(family.host, &serve, echo, NULL), SIPC_OK);
    family_attach(&family, (sipc_guest_options){.call_slots = 2}, wait);
    assert_int_equal(sipc_guest_call_slots(family.guest), 2);
    call_with_every_size(family.guest);
    family_close(&family);
}

static void every_size_goes_to_the_host_and_back(void **state) {
    (void)state;
    serve_every_size(NULL);
    serve_every_size(&sleeper);
}

struct polling {
    sipc_host *host;
    _Atomic bool done;
    sipc_status last;
};

static void poll_until_done(void *context) {
    struct polling *polling = context;
    while (!atomic_load(&polling->done) && polling->last == SIPC_OK)
        polling->last = sipc_host_poll(polling->host, echo, NULL, NULL);
}

static void a_host_may_poll_in_its_own_loop(void **state) {
    (void)state;
    struct family family;
    family_open(&family, 1, 1, NULL);
    family_attach(&family, (sipc_guest_options){.calls_only = 1}, NULL);
    struct polling polling = {.host = family.host};
    struct thread thread;
    thread_start(&thread, poll_until_done, &polling);
    call_with_every_size(family.guest);
    atomic_store(&polling.done, true);
    thread_join(&thread);
    assert_int_equal(polling.last, SIPC_OK);
    assert_int_equal(sipc_host_serve(family.host, NULL, echo, NULL), SIPC_BUSY);
    sipc_host_shutdown(family.host);
    assert_int_equal(sipc_host_poll(family.host, echo, NULL, NULL), SIPC_CLOSED);
    family_close(&family);
}

static void a_session_calls_in_place(void **state) {
    (void)state;
    struct family family;
    family_open(&family, 1, 1, NULL);
    assert_int_equal(sipc_host_serve(family.host, NULL, echo, NULL), SIPC_OK);
    family_attach(&family, (sipc_guest_options){.calls_only = 1}, NULL);
    sipc_session *session, *other;
    assert_int_equal(sipc_guest_acquire(family.guest, SIPC_FOREVER, &session), SIPC_OK);
    assert_int_equal(sipc_session_slot(session), 1);
    assert_int_equal(sipc_guest_acquire(family.guest, MILLISECOND, &other), SIPC_ALL_SLOTS_BUSY);
    memset(sipc_session_request(session, NULL), 'x', 200);
    const void *response;
    uint32_t size;
    assert_int_equal(sipc_session_call(session, 0, 200, SIPC_FOREVER, &response, &size), SIPC_OK);
    assert_int_equal(size, 200);
    assert_int_equal(((const char *)response)[199], 'x');
    sipc_session_release(session);
    family_close(&family);
}

enum { THREADS = 4, CALLS = 2000 };

static void call_often(void *context, unsigned index) {
    struct family *family = context;
    uint64_t request[8], response[8];
    for (uint64_t i = 0; i < CALLS; i++) {
        for (unsigned j = 0; j < 8; j++) request[j] = i * THREADS + index + j;
        sipc_call call = {.request = request,
                          .request_size = sizeof request,
                          .response = response,
                          .response_capacity = sizeof response,
                          .timeout_ns = SIPC_FOREVER};
        if (sipc_guest_call(family->guest, &call) || memcmp(request, response, sizeof request) != 0)
            abort();
    }
}

static void threads_share_the_slots(void **state) {
    (void)state;
    struct family family;
    family_open(&family, 1, 2, NULL);
    assert_int_equal(sipc_host_serve(family.host, NULL, echo, NULL), SIPC_OK);
    family_attach(&family, (sipc_guest_options){.calls_only = 1, .call_slots = 2}, NULL);
    run_together(THREADS, call_often, &family);
    family_close(&family);
}

// ---- Nested calls ------------------------------------------------------------------------------

// A request of one byte asks for so many more calls, to and fro. The answer is how many were made.
static struct family nest;
// Of the calls within: for ever, but where one of them finds no slot.
static _Atomic uint64_t nest_timeout;

static sipc_status go_on(const sipc_request *request, sipc_response *response, bool by_host) {
    uint8_t left = *(const uint8_t *)request->data, made = 0;
    if (left > 0) {
        left--;
        sipc_call call = {.request = &left,
                          .request_size = 1,
                          .response = &made,
                          .response_capacity = 1,
                          .timeout_ns = atomic_load(&nest_timeout)};
        sipc_status status =
            by_host ? sipc_host_call(nest.host, &call) : sipc_guest_call(nest.guest, &call);
        if (status == SIPC_ALL_SLOTS_BUSY) return SIPC_UNKNOWN_MESSAGE;
        if (status) return status;
    }
    *(uint8_t *)response->data = (uint8_t)(made + 1);
    response->size = 1;
    return SIPC_OK;
}

static sipc_status on_host(void *context, const sipc_request *request, sipc_response *response) {
    (void)context;
    return go_on(request, response, true);
}

static sipc_status on_guest(void *context, const sipc_request *request, sipc_response *response) {
    (void)context;
    return go_on(request, response, false);
}

static sipc_status call_nested(uint8_t further, uint8_t *made) {
    uint8_t answer = 0;
    sipc_call call = {.request = &further,
                      .request_size = 1,
                      .response = &answer,
                      .response_capacity = 1,
                      .timeout_ns = SIPC_FOREVER};
    sipc_status status = sipc_host_call(nest.host, &call);
    *made = answer;
    return status;
}

static void nested_calls_go_as_deep_as_there_are_slots(void **state) {
    (void)state;
    family_open(&nest, 3, 3, NULL);
    assert_int_equal(sipc_host_serve(nest.host, NULL, on_host, NULL), SIPC_OK);
    family_attach(&nest, (sipc_guest_options){0}, NULL);
    assert_int_equal(sipc_guest_call_slots(nest.guest), 3);
    assert_int_equal(sipc_guest_start(nest.guest, on_guest, NULL), SIPC_OK);
    uint8_t made = 0;
    atomic_store(&nest_timeout, SIPC_FOREVER);
    for (uint8_t further = 0; further < 6; further++) {
        assert_int_equal(call_nested(further, &made), SIPC_OK);
        assert_int_equal(made, further + 1);
    }
    // One deeper finds no slot until its deadline, which its callers hear as the handler's answer.
    atomic_store(&nest_timeout, 300 * MILLISECOND);
    assert_int_equal(call_nested(6, &made), SIPC_HANDLER_FAILED);
    atomic_store(&nest_timeout, SIPC_FOREVER);
    assert_int_equal(call_nested(5, &made), SIPC_OK);
    family_close(&nest);
}

// ---- Fates -------------------------------------------------------------------------------------

static struct gate entered, let_go;

static sipc_status dawdle(void *context, const sipc_request *request, sipc_response *response) {
    gate_open(&entered);
    gate_pass(&let_go);
    return echo(context, request, response);
}

static void open_gates(void) {
    gate_make(&entered);
    gate_make(&let_go);
}

static void free_gates(void) {
    gate_free(&entered);
    gate_free(&let_go);
}

static sipc_status call_with_x(void *guest, uint64_t timeout_ns) {
    return guest_call(guest, "x", 1, timeout_ns);
}

static void a_deadline_tells_the_fate(void **state) {
    (void)state;
    struct family family;
    open_gates();
    family_open(&family, 1, 1, NULL);
    family_attach(&family, (sipc_guest_options){.calls_only = 1}, NULL);
    assert_int_equal(guest_call(family.guest, "x", 1, MILLISECOND), SIPC_TIMEOUT);
    assert_int_equal(sipc_host_serve(family.host, NULL, dawdle, NULL), SIPC_OK);
    give_up_in_handler(call_with_x, family.guest, 3 * MILLISECOND, &entered);
    // Out of use as long as the handler runs.
    assert_int_equal(guest_call(family.guest, "y", 1, MILLISECOND), SIPC_ALL_SLOTS_BUSY);
    gate_open(&let_go);
    gate_open(&let_go);
    uint8_t response = 0;
    sipc_call call = {
        .request = "z", .request_size = 1, .response = &response, .response_capacity = 1};
    assert_int_equal(sipc_guest_call(family.guest, &call), SIPC_OK);
    assert_int_equal(response, 'z');
    family_close(&family);
    free_gates();
}

struct waiting {
    struct thread thread;
    sipc_guest *guest;
    uint64_t timeout_ns;
    sipc_status status;
};

static void wait_for_response(void *context) {
    struct waiting *waiting = context;
    waiting->status = guest_call(waiting->guest, "x", 1, waiting->timeout_ns);
}

static void a_host_that_closes_answers_what_it_has_begun(void **state) {
    (void)state;
    struct family family;
    open_gates();
    family_open(&family, 1, 2, NULL);
    const sipc_serve_options one_worker = {.workers = 1};
    assert_int_equal(sipc_host_serve(family.host, &one_worker, dawdle, NULL), SIPC_OK);
    family_attach(&family, (sipc_guest_options){.calls_only = 1, .call_slots = 2}, NULL);
    struct waiting begun = {.guest = family.guest, .timeout_ns = SIPC_FOREVER}, behind = begun;
    thread_start(&begun.thread, wait_for_response, &begun);
    gate_pass(&entered);
    thread_start(&behind.thread, wait_for_response, &behind);
    give_others_time();
    sipc_host_shutdown(family.host);
    gate_open(&let_go);
    thread_join(&begun.thread);
    thread_join(&behind.thread);
    assert_int_equal(begun.status, SIPC_OK);
    assert_int_equal(behind.status, SIPC_CLOSED);
    assert_int_equal(guest_call(family.guest, "x", 1, SIPC_FOREVER), SIPC_CLOSED);
    family_close(&family);
    free_gates();
}

// The slot is out of use until its handler ends, and afterwards nobody serves it any more.
static void a_host_that_closes_leaves_nobody_waiting_for_a_slot(void **state) {
    (void)state;
    for (unsigned round = 0; round < 5; round++) {
        struct family family;
        open_gates();
        family_open(&family, 1, 1, NULL);
        family_attach(&family, (sipc_guest_options){.calls_only = 1}, NULL);
        assert_int_equal(sipc_host_serve(family.host, NULL, dawdle, NULL), SIPC_OK);
        struct waiting begun = {.guest = family.guest, .timeout_ns = 100 * MILLISECOND};
        struct waiting waiting = {.guest = family.guest, .timeout_ns = SIPC_FOREVER};
        thread_start(&begun.thread, wait_for_response, &begun);
        gate_pass(&entered);
        thread_join(&begun.thread);
        assert_int_equal(begun.status, SIPC_TIMEOUT_MAYBE_EXECUTED);
        thread_start(&waiting.thread, wait_for_response, &waiting);
        give_others_time();
        sipc_host_shutdown(family.host);
        gate_open(&let_go);
        thread_join(&waiting.thread);
        assert_int_equal(waiting.status, SIPC_CLOSED);
        family_close(&family);
        free_gates();
    }
}

static void a_host_that_never_served_leaves_nobody_waiting(void **state) {
    (void)state;
    struct family family;
    family_open(&family, 1, 1, &sleeper);
    family_attach(&family, (sipc_guest_options){.calls_only = 1}, &sleeper);
    struct waiting waiting = {.guest = family.guest, .timeout_ns = SIPC_FOREVER};
    thread_start(&waiting.thread, wait_for_response, &waiting);
    give_others_time();
    sipc_host_shutdown(family.host);
    thread_join(&waiting.thread);
    assert_int_equal(waiting.status, SIPC_CLOSED);
    family_close(&family);
}

static sipc_status call_host_from_handler(void *context, const sipc_request *request,
                                          sipc_response *response) {
    (void)request;
    gate_open(&entered);
    sipc_status status = guest_call(*(sipc_guest **)context, "x", 1, SIPC_FOREVER);
    memcpy(response->data, &status, sizeof status);
    response->size = sizeof status;
    return SIPC_OK;
}

static void call_guest(void *context) {
    struct family *family = context;
    sipc_status inner = SIPC_OK;
    sipc_call call = {.response = &inner, .response_capacity = sizeof inner};
    if (sipc_host_call(family->host, &call) || inner != SIPC_CLOSED) abort();
}

static void a_guest_that_leaves_ends_its_calls(void **state) {
    (void)state;
    struct family family;
    open_gates();
    family_open(&family, 1, 1, NULL);
    family_attach(&family, (sipc_guest_options){0}, NULL);
    assert_int_equal(sipc_guest_start(family.guest, call_host_from_handler, &family.guest),
                     SIPC_OK);
    struct thread caller;
    thread_start(&caller, call_guest, &family);
    gate_pass(&entered);
    give_others_time();
    assert_int_equal(sipc_guest_detach(family.guest), SIPC_OK);
    thread_join(&caller);
    sipc_host_close(family.host);
    free_gates();
}

// ---- One guest after the other -----------------------------------------------------------------

static void guest_slots_pass_from_guest_to_guest(void **state) {
    (void)state;
    struct family family;
    family_open(&family, 1, 2, NULL);
    assert_int_equal(sipc_host_serve(family.host, NULL, echo, NULL), SIPC_OK);
    sipc_guest *guests[2];
    for (unsigned round = 0; round < 20; round++) {
        for (unsigned i = 0; i < 2; i++) {
            family_attach(&family, (sipc_guest_options){.calls_only = 1}, NULL);
            guests[i] = family.guest;
        }
        sipc_guest *third;
        const sipc_guest_options options = {.calls_only = 1};
        assert_int_equal(sipc_guest_attach(family.name, &options, &third), SIPC_NO_SLOT);
        for (unsigned i = 0; i < 2; i++) {
            assert_int_equal(guest_call(guests[i], "x", 1, SIPC_FOREVER), SIPC_OK);
            if (round % 2) call_with_every_size(guests[i]);
        }
        assert_int_equal(sipc_guest_detach(guests[1]), SIPC_OK);
        if (round < 19) assert_int_equal(sipc_guest_detach(guests[0]), SIPC_OK);
    }
    family.guest = guests[0];
    family_close(&family);
}

// ---- Bad input ---------------------------------------------------------------------------------

static void assert_attach_refused(const char *name, sipc_guest_options options,
                                  sipc_status status) {
    sipc_guest *guest = (sipc_guest *)&guest;
    assert_int_equal(sipc_guest_attach(name, &options, &guest), status);
    assert_null(guest);
}

static sipc_status close_own_host(void *context, const sipc_request *request,
                                  sipc_response *response) {
    sipc_host_close(*(sipc_host **)context); // refused: it would wait for itself
    return echo(NULL, request, response);
}

static void bad_input_is_refused(void **state) {
    (void)state;
    struct family family;
    family_open(&family, 2, 1, NULL);
    assert_attach_refused(family.name, (sipc_guest_options){.call_slots = 2}, SIPC_NO_SLOT);
    assert_attach_refused(family.name, (sipc_guest_options){.calls_only = 1, .workers = 1},
                          SIPC_INVALID_ARGUMENT);
    assert_attach_refused(family.name, (sipc_guest_options){.calls_only = 1, .reconnect = 1},
                          SIPC_INVALID_ARGUMENT);
    const sipc_serve_options two = {.workers = 2};
    assert_int_equal(sipc_host_serve(family.host, &two, echo, NULL), SIPC_INVALID_ARGUMENT);
    assert_int_equal(sipc_host_serve(family.host, NULL, NULL, NULL), SIPC_INVALID_ARGUMENT);
    assert_int_equal(sipc_host_serve(NULL, NULL, echo, NULL), SIPC_INVALID_ARGUMENT);
    assert_int_equal(sipc_host_serve(family.host, NULL, close_own_host, &family.host), SIPC_OK);
    assert_int_equal(sipc_host_serve(family.host, NULL, echo, NULL), SIPC_BUSY);
    assert_int_equal(sipc_host_poll(family.host, echo, NULL, NULL), SIPC_BUSY);
    family_attach(&family, (sipc_guest_options){.calls_only = 1}, NULL);
    assert_int_equal(sipc_guest_start(family.guest, echo, NULL), SIPC_INVALID_ARGUMENT);
    uint8_t large[CAPACITY + 1] = {0};
    assert_int_equal(guest_call(family.guest, large, sizeof large, 0), SIPC_REQUEST_TOO_LARGE);
    sipc_call call = {.message_id = SIPC_MESSAGE_SHUTDOWN};
    assert_int_equal(sipc_guest_call(family.guest, &call), SIPC_BAD_MESSAGE_ID);
    call.message_id = SIPC_MESSAGE_HEARTBEAT_REQUEST;
    assert_int_equal(sipc_guest_call(family.guest, &call), SIPC_OK);
    assert_int_equal(guest_call(family.guest, "x", 1, 0), SIPC_OK);
    family_close(&family);
}

static void a_region_without_guest_slots_says_so(void **state) {
    (void)state;
    struct family family;
    family_open(&family, 1, 0, NULL);
    assert_int_equal(sipc_host_serve(family.host, NULL, echo, NULL), SIPC_INVALID_ARGUMENT);
    assert_attach_refused(family.name, (sipc_guest_options){.calls_only = 1}, SIPC_NO_SLOT);
    family_attach(&family, (sipc_guest_options){0}, NULL);
    assert_int_equal(sipc_guest_call_slots(family.guest), 0);
    assert_int_equal(guest_call(family.guest, "x", 1, 0), SIPC_NO_SLOT);
    family_close(&family);
}

int main(int count, char **arguments) {
    chosen_backend = backend_of_arguments(count, arguments);
    const struct CMUnitTest tests[] = {
        PROMISE(every_size_goes_to_the_host_and_back),
        PROMISE(a_host_may_poll_in_its_own_loop),
        PROMISE(a_session_calls_in_place),
        PROMISE(threads_share_the_slots),
        PROMISE(nested_calls_go_as_deep_as_there_are_slots),
        PROMISE(a_deadline_tells_the_fate),
        PROMISE(a_host_that_closes_answers_what_it_has_begun),
        PROMISE(a_host_that_closes_leaves_nobody_waiting_for_a_slot),
        PROMISE(a_host_that_never_served_leaves_nobody_waiting),
        PROMISE(a_guest_that_leaves_ends_its_calls),
        PROMISE(guest_slots_pass_from_guest_to_guest),
        PROMISE(bad_input_is_refused),
        PROMISE(a_region_without_guest_slots_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
