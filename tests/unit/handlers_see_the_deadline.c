// SPDX-License-Identifier: Apache-2.0
// Promise: a handler sees its caller's deadline when the caller's side is asked to pass it, and
// never that of another call; it sees when its caller has given up.
#include <simpleipc/pending.h>
#include <stdatomic.h>
#include <string.h>

#include "internal/os.h"
#include "left_behind.h"
#include "pair.h"
#include "threads.h"

// More than any of these calls takes, on any machine.
#define MINUTE UINT64_C(60000000000)
#define SOON UINT64_C(3000000)

// What the last handler saw.
static _Atomic uint64_t seen;

static sipc_status look(void *context, const sipc_request *request, sipc_response *response) {
    (void)context;
    (void)response;
    atomic_store(&seen, sipc_request_deadline(request));
    return sipc_request_is_cancelled(request) ? SIPC_SYSTEM : SIPC_OK;
}

static sipc_host *host_with(const char *name, const sipc_host_options *options) {
    sipc_host_options all = *options;
    all.backend = chosen_backend;
    sipc_host *host;
    assert_int_equal(sipc_host_create(name, 2, 512, &all, &host), SIPC_OK);
    return host;
}

static sipc_guest *serve(const char *name) {
    sipc_guest *guest = attach_guest(name, 0);
    assert_int_equal(sipc_guest_start(guest, look, NULL), SIPC_OK);
    return guest;
}

// The deadline of a call that began after this moment and has ended by now.
static void assert_seen(uint64_t before, uint64_t timeout_ns) {
    uint64_t deadline = atomic_load(&seen);
    assert_true(deadline >= before + timeout_ns);
    assert_true(deadline <= sipc_os_now() + timeout_ns);
}

static void call_passing(sipc_host *host, uint64_t timeout_ns, uint32_t size, uint32_t pass) {
    const uint8_t bytes[100] = {0};
    sipc_call call = {
        .request = bytes, .request_size = size, .timeout_ns = timeout_ns, .pass_deadline = pass};
    assert_int_equal(sipc_host_call(host, &call), SIPC_OK);
}

static void a_call_may_ask_for_it(void **state) {
    (void)state;
    const char *name = fresh_name();
    sipc_host *host = host_with(name, &(sipc_host_options){.timeout_ns = 5 * MINUTE});
    sipc_guest *guest = serve(name);
    for (uint32_t size = 8; size <= 100; size += 92) {
        call_passing(host, MINUTE, size, 0);
        assert_int_equal(atomic_load(&seen), 0);
        uint64_t before = sipc_os_now();
        call_passing(host, MINUTE, size, 1);
        assert_seen(before, MINUTE);
        call_passing(host, MINUTE, size, 0);
        assert_int_equal(atomic_load(&seen), 0);
        before = sipc_os_now();
        call_passing(host, SIPC_DEFAULT_TIMEOUT, size, 1);
        assert_seen(before, 5 * MINUTE);
        call_passing(host, SIPC_FOREVER, size, 1);
        assert_int_equal(atomic_load(&seen), 0);
    }
    sipc_host_close(host);
    assert_int_equal(sipc_guest_detach(guest), SIPC_OK);
}

static uint64_t call_in_session(sipc_session *session) {
    const uint64_t before = sipc_os_now();
    assert_int_equal(sipc_session_call(session, 0, 8, MINUTE, NULL, NULL), SIPC_OK);
    return before;
}

static void a_session_may_until_its_release(void **state) {
    (void)state;
    const char *name = fresh_name();
    sipc_host *host = host_with(name, &(sipc_host_options){.mode = 0});
    sipc_guest *guest = serve(name);
    sipc_session *session;
    assert_int_equal(sipc_host_acquire(host, 0, MINUTE, &session), SIPC_OK);
    call_in_session(session);
    assert_int_equal(atomic_load(&seen), 0);
    sipc_session_pass_deadlines(session, 1);
    assert_seen(call_in_session(session), MINUTE);
    assert_seen(call_in_session(session), MINUTE);
    sipc_session_release(session);
    assert_int_equal(sipc_host_acquire(host, 0, MINUTE, &session), SIPC_OK);
    call_in_session(session);
    assert_int_equal(atomic_load(&seen), 0);
    sipc_session_release(session);
    sipc_host_close(host);
    assert_int_equal(sipc_guest_detach(guest), SIPC_OK);
}

static void note(void *context, const sipc_completion *completion) {
    *(sipc_status *)context = completion->status;
}

static uint64_t call_in_pipeline(sipc_pipeline *pipeline, const sipc_status *status) {
    const uint64_t before = sipc_os_now();
    assert_int_equal(sipc_pipeline_submit(pipeline, 0, NULL, 0, MINUTE, 0), SIPC_OK);
    assert_int_equal(sipc_pipeline_reap(pipeline, 0, SIPC_FOREVER, NULL), SIPC_OK);
    assert_int_equal(*status, SIPC_OK);
    return before;
}

static void a_host_or_a_pipeline_may_for_all(void **state) {
    (void)state;
    const char *name = fresh_name();
    sipc_host *host = host_with(name, &(sipc_host_options){.pass_deadlines = 1});
    sipc_guest *guest = serve(name);
    uint64_t before = sipc_os_now();
    call_passing(host, MINUTE, 8, 0);
    assert_seen(before, MINUTE);
    sipc_status status;
    sipc_pipeline *pipeline;
    assert_int_equal(sipc_pipeline_open(host, SIPC_ANY_SLOT, 2, MINUTE, note, &status, &pipeline),
                     SIPC_OK);
    for (int i = 0; i < 3; i++) assert_seen(call_in_pipeline(pipeline, &status), MINUTE);
    sipc_pipeline_pass_deadlines(pipeline, 0);
    for (int i = 0; i < 3; i++) {
        call_in_pipeline(pipeline, &status);
        assert_int_equal(atomic_load(&seen), 0);
    }
    assert_int_equal(sipc_pipeline_close(pipeline), SIPC_OK);
    before = sipc_os_now();
    call_passing(host, MINUTE, 8, 0);
    assert_seen(before, MINUTE);
    sipc_host_close(host);
    assert_int_equal(sipc_guest_detach(guest), SIPC_OK);
}

static void a_guest_may_for_its_calls(void **state) {
    (void)state;
    const char *name = fresh_name();
    sipc_host *host = host_with(name, &(sipc_host_options){.guest_slots = 1});
    assert_int_equal(sipc_host_serve(host, NULL, look, NULL), SIPC_OK);
    for (uint32_t pass = 0; pass <= 1; pass++) {
        const sipc_guest_options options = {.calls_only = 1, .pass_deadlines = pass};
        sipc_guest *guest;
        assert_int_equal(sipc_guest_attach(name, &options, &guest), SIPC_OK);
        const uint64_t before = sipc_os_now();
        sipc_call call = {.timeout_ns = MINUTE};
        assert_int_equal(sipc_guest_call(guest, &call), SIPC_OK);
        if (pass)
            assert_seen(before, MINUTE);
        else
            assert_int_equal(atomic_load(&seen), 0);
        assert_int_equal(sipc_guest_detach(guest), SIPC_OK);
    }
    // The next guest in the slot takes back what the last one said.
    const sipc_guest_options options = {.calls_only = 1};
    sipc_guest *guest;
    assert_int_equal(sipc_guest_attach(name, &options, &guest), SIPC_OK);
    sipc_call call = {.timeout_ns = MINUTE};
    assert_int_equal(sipc_guest_call(guest, &call), SIPC_OK);
    assert_int_equal(atomic_load(&seen), 0);
    assert_int_equal(sipc_guest_detach(guest), SIPC_OK);
    sipc_host_close(host);
}

// ---- Cancellation ------------------------------------------------------------------------------

static struct gate begun, told, ended;

static sipc_status work_until_cancelled(void *context, const sipc_request *request,
                                        sipc_response *response) {
    (void)context;
    (void)response;
    gate_open(&begun);
    while (!sipc_request_is_cancelled(request)) sipc_os_yield();
    // A caller that gives up may still take an answer that comes at that moment.
    gate_pass(&told);
    gate_open(&ended);
    return SIPC_SYSTEM;
}

struct sized {
    sipc_host *host;
    uint32_t size;
};

static sipc_status call_sized(void *context, uint64_t timeout_ns) {
    static const uint8_t bytes[100];
    const struct sized *sized = context;
    return call_with(sized->host, bytes, sized->size, timeout_ns);
}

static void a_handler_sees_that_its_caller_gave_up(void **state) {
    (void)state;
    gate_make(&begun);
    gate_make(&told);
    gate_make(&ended);
    struct pair pair;
    pair_open(&pair, 1, 512, NULL, work_until_cancelled, NULL);
    for (uint32_t i = 0; i < 4; i++) {
        struct sized sized = {pair.host, i % 2 ? 100 : 8};
        give_up_in_handler(call_sized, &sized, SOON, &begun);
        gate_open(&told);
        gate_pass(&ended);
    }
    pair_close(&pair);
    gate_free(&begun);
    gate_free(&told);
    gate_free(&ended);
}

static void call_for_ever(void *context) {
    const struct pair *pair = context;
    (void)call_with(pair->host, NULL, 0, SIPC_FOREVER);
}

static void a_handler_sees_that_its_host_closed(void **state) {
    (void)state;
    gate_make(&begun);
    gate_make(&told);
    gate_make(&ended);
    struct pair pair;
    pair_open(&pair, 1, 512, NULL, work_until_cancelled, NULL);
    struct thread thread;
    thread_start(&thread, call_for_ever, &pair);
    give_others_time();
    sipc_host_shutdown(pair.host);
    thread_join(&thread);
    gate_open(&told);
    pair_close(&pair); // waits for the handler
    gate_free(&begun);
    gate_free(&told);
    gate_free(&ended);
}

int main(int count, char **arguments) {
    chosen_backend = backend_of_arguments(count, arguments);
    const struct CMUnitTest tests[] = {
        PROMISE(a_call_may_ask_for_it),
        PROMISE(a_session_may_until_its_release),
        PROMISE(a_host_or_a_pipeline_may_for_all),
        PROMISE(a_guest_may_for_its_calls),
        PROMISE(a_handler_sees_that_its_caller_gave_up),
        PROMISE(a_handler_sees_that_its_host_closed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
