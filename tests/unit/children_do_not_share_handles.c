// SPDX-License-Identifier: Apache-2.0
// Promise: in a child made by fork() the handles of its parent are refused, the parent's go on, and
// the child keeps no claim of the parent's alive.
#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <simpleipc/event_loop.h>

#include "left_behind.h"
#include "pair.h"

static void must(bool promise, const char *which) {
    if (promise) return;
    fprintf(stderr, "in the child: %s: %s\n", which, sipc_error_text());
    _exit(1);
}

static void wait_for(pid_t child) {
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void use_everything_of_the_parents(const struct pair *pair, sipc_session *session) {
    sipc_call call = {.timeout_ns = SIPC_FOREVER};
    intptr_t descriptor;
    must(sipc_guest_descriptor(pair->guest, &descriptor) == SIPC_INVALID_ARGUMENT, "descriptor");
    must(sipc_guest_arm(pair->guest) == SIPC_INVALID_ARGUMENT, "arm");
    must(sipc_host_call(pair->host, &call) == SIPC_INVALID_ARGUMENT, "call");
    must(sipc_host_call_slot(pair->host, 0, &call) == SIPC_INVALID_ARGUMENT, "call_slot");
    sipc_session *other = session;
    must(sipc_host_acquire(pair->host, 0, SIPC_FOREVER, &other) == SIPC_INVALID_ARGUMENT,
         "acquire");
    must(other == NULL, "no session");
    must(sipc_session_call(session, 0, 0, SIPC_FOREVER, NULL, NULL) == SIPC_INVALID_ARGUMENT,
         "session_call");
    must(sipc_session_settle(session, SIPC_FOREVER) == SIPC_INVALID_ARGUMENT, "session_settle");
    must(sipc_guest_start(pair->guest, nod, NULL) == SIPC_INVALID_ARGUMENT, "start");
    must(sipc_guest_poll(pair->guest, nod, NULL, NULL) == SIPC_INVALID_ARGUMENT, "poll");
    must(sipc_guest_wait(pair->guest) == SIPC_INVALID_ARGUMENT, "wait");
    sipc_guest_stop(pair->guest);
    must(sipc_guest_detach(pair->guest) == SIPC_INVALID_ARGUMENT, "detach");
    sipc_session_release(session);
    sipc_host_shutdown(pair->host);
    sipc_host_close(pair->host);
}

static void a_child_may_use_nothing_of_its_parents_and_harms_nothing(void **state) {
    (void)state;
    struct pair pair;
    pair_open(&pair, 2, 64, NULL, nod, NULL);
    sipc_session *session;
    assert_int_equal(sipc_host_acquire(pair.host, 1, 0, &session), SIPC_OK);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        use_everything_of_the_parents(&pair, session);
        _exit(0);
    }
    wait_for(child);
    assert_int_equal(sipc_session_call(session, 0, 0, SIPC_FOREVER, NULL, NULL), SIPC_OK);
    sipc_session_release(session);
    for (uint32_t slot = 0; slot < 2; slot++) {
        sipc_call call = {.timeout_ns = SIPC_FOREVER};
        assert_int_equal(sipc_host_call_slot(pair.host, slot, &call), SIPC_OK);
    }
    pair_close(&pair);
}

static void a_child_keeps_none_of_its_parents_claims(void **state) {
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    const char *name = fresh_name();
    sipc_host *host = open_host(name, 1, 64, NULL);
    sipc_guest *guest = attach_guest(name, 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        char byte;
        close(ends[1]);
        _exit(read(ends[0], &byte, 1) == 0 ? 0 : 1);
    }
    // While the child lives.
    sipc_guest_detach(guest);
    guest = attach_guest(name, 0);
    assert_int_equal(sipc_guest_slots(guest), 1);
    sipc_host_close(host);
    assert_int_equal(sipc_guest_detach(guest), SIPC_OK);
    host = open_host(name, 1, 64, NULL);
    sipc_host_close(host);
    close(ends[1]);
    wait_for(child);
    close(ends[0]);
}

static void forget(void *context, const sipc_completion *completion) {
    (void)context;
    (void)completion;
}

// Nor the descriptor: it is closed there.
static void a_child_has_no_part_in_its_parents_event_loop(void **state) {
    (void)state;
    struct pair pair = {.name = fresh_name()};
    pair.host = open_host(pair.name, 1, 64, NULL);
    pair.guest = attach_guest(pair.name, 0);
    sipc_pipeline *pipeline;
    intptr_t descriptor;
    assert_int_equal(sipc_pipeline_open(pair.host, 0, 1, SIPC_FOREVER, forget, NULL, &pipeline),
                     SIPC_OK);
    assert_int_equal(sipc_pipeline_descriptor(pipeline, &descriptor), SIPC_OK);
    assert_int_equal(sipc_pipeline_submit(pipeline, 0, NULL, 0, SIPC_FOREVER, 0), SIPC_OK);
    assert_int_equal(sipc_pipeline_arm(pipeline), SIPC_OK);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        must(sipc_pipeline_arm(pipeline) == SIPC_INVALID_ARGUMENT, "arm");
        must(sipc_pipeline_close(pipeline) == SIPC_INVALID_ARGUMENT, "close");
        must(fcntl((int)descriptor, F_GETFD) == -1 && errno == EBADF, "the descriptor");
        _exit(0);
    }
    wait_for(child);
    assert_int_equal(sipc_guest_poll(pair.guest, nod, NULL, NULL), SIPC_OK);
    struct pollfd polled = {.fd = (int)descriptor, .events = POLLIN};
    assert_int_equal(poll(&polled, 1, -1), 1);
    uint32_t reaped;
    assert_int_equal(sipc_pipeline_reap(pipeline, 0, 0, &reaped), SIPC_OK);
    assert_int_equal(reaped, 1);
    assert_int_equal(sipc_pipeline_close(pipeline), SIPC_OK);
    pair_close(&pair);
}

int main(int count, char **arguments) {
    chosen_backend = backend_of_arguments(count, arguments);
    const struct CMUnitTest tests[] = {
        PROMISE(a_child_may_use_nothing_of_its_parents_and_harms_nothing),
        PROMISE(a_child_keeps_none_of_its_parents_claims),
        PROMISE(a_child_has_no_part_in_its_parents_event_loop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
