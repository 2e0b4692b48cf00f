// SPDX-License-Identifier: Apache-2.0
// Row 19: hosts and guests start and stop again and again, during calls, from several threads at
// once and more than once; handles are used after their end as far as that is allowed. Each step is
// quick, nothing leaks. Built with AddressSanitizer and UndefinedBehaviorSanitizer.
#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <simpleipc/simpleipc.h>

#include "../process/load.h"
#include "../process/promises.h"
#include "row.h"

enum { SLOTS = 3, CALLERS = 4, CLOSERS = 3, MOST_HANDLER_US = 2000 };
#ifdef SLOW_BUILD
enum { STEP_US = 300000 };
#else
enum { STEP_US = 100000 };
#endif

static struct samples steps;

// A step of this thread; waiting for processors is the machine's load and does not count.
struct step {
    const char *what;
    uint64_t began_us, load_us;
};

static struct step begin_step(const char *what) {
    uint64_t load = load_of_thread_us();
    return (struct step){.what = what, .began_us = row_now_us(), .load_us = load};
}

static void end_step(const struct step *step) {
    uint64_t took = row_now_us() - step->began_us;
    uint64_t load = load_of_thread_us() - step->load_us;
    row_expect(took <= STEP_US + load,
               "%s took %" PRIu64 " us; waiting for processors took %" PRIu64, step->what, took,
               load);
    samples_add(&steps, took);
}

// ---- A host and a guest in this process --------------------------------------------------------

struct life {
    sipc_host *host;
    sipc_guest *guest;
    uint32_t most_handler_us;
};

static sipc_status answer(void *context, const sipc_request *request, sipc_response *response) {
    const struct life *life = context;
    if (life->most_handler_us) row_sleep_us(row_random(life->most_handler_us));
    response->size = request->size;
    memcpy(response->data, request->data, request->size);
    return SIPC_OK;
}

static sipc_status call_once(sipc_host *host) {
    char request[60] = "start", response[60];
    sipc_call call = {.request = request,
                      .request_size = row_random(2) ? 5 : sizeof request,
                      .response = response,
                      .response_capacity = sizeof response};
    return sipc_host_call(host, &call);
}

static void start(struct life *life) {
    const sipc_host_options options = {.backend = row_random(4) ? SIPC_BACKEND_FUTEX
                                                                : SIPC_BACKEND_SEMAPHORE};
    struct step step = begin_step("creating");
    row_expect(sipc_host_create(row_region(), SLOTS, 1024, &options, &life->host) == SIPC_OK, "%s",
               sipc_error_text());
    end_step(&step);
    step = begin_step("attaching");
    row_expect(sipc_guest_attach(row_region(), NULL, &life->guest) == SIPC_OK, "%s",
               sipc_error_text());
    row_expect(sipc_guest_start(life->guest, answer, life) == SIPC_OK, "%s", sipc_error_text());
    end_step(&step);
}

static void close_host(struct life *life) {
    struct step step = begin_step("closing");
    sipc_host_close(life->host);
    end_step(&step);
}

static void detach_guest(struct life *life) {
    struct step step = begin_step("detaching");
    row_expect(sipc_guest_detach(life->guest) == SIPC_OK, "%s", sipc_error_text());
    end_step(&step);
}

static void plain_life(void) {
    struct life life = {.most_handler_us = 0};
    start(&life);
    row_expect(call_once(life.host) == SIPC_OK, "%s", sipc_error_text());
    if (row_random(2)) {
        close_host(&life);
        detach_guest(&life);
    } else {
        detach_guest(&life);
        close_host(&life);
    }
}

// ---- The end during calls ----------------------------------------------------------------------

static void *call_until_closed(void *context) {
    const struct life *life = context;
    for (;;) {
        sipc_status status = call_once(life->host);
        if (status == SIPC_CLOSED || status == SIPC_CLOSED_MAYBE_EXECUTED) return NULL;
        row_expect(status == SIPC_OK, "a call: %s", sipc_error_text());
    }
}

static void *shut_down_twice(void *context) {
    const struct life *life = context;
    for (int i = 0; i < 2; i++) {
        struct step step = begin_step("shutting down");
        sipc_host_shutdown(life->host);
        end_step(&step);
    }
    return NULL;
}

static void *stop_twice(void *context) {
    const struct life *life = context;
    for (int i = 0; i < 2; i++) {
        struct step step = begin_step("stopping");
        sipc_guest_stop(life->guest);
        end_step(&step);
    }
    return NULL;
}

static void start_threads(pthread_t *threads, int count, void *(*work)(void *), void *context) {
    for (int i = 0; i < count; i++)
        row_expect(pthread_create(&threads[i], NULL, work, context) == 0, "no thread");
}

static void join_threads(const pthread_t *threads, int count) {
    for (int i = 0; i < count; i++) pthread_join(threads[i], NULL);
}

// In a child the handles are its parent's.
static void use_in_child(const struct life *life) {
    pid_t pid = fork();
    row_expect(pid >= 0, "fork: %s", strerror(errno));
    if (pid == 0) {
        bool refused = call_once(life->host) == SIPC_INVALID_ARGUMENT &&
                       sipc_guest_start(life->guest, answer, NULL) == SIPC_INVALID_ARGUMENT;
        sipc_guest_stop(life->guest);
        sipc_host_shutdown(life->host);
        _exit(refused ? 0 : 1);
    }
    int status;
    row_expect(waitpid(pid, &status, 0) == pid && status == 0, "stale in a child: 0x%x",
               (unsigned)status);
}

static void use_stale(const struct life *life, sipc_session *session) {
    const void *response;
    sipc_session *another;
    row_expect(call_once(life->host) == SIPC_CLOSED, "a call after the end");
    row_expect(sipc_session_call(session, 0, 0, SIPC_FOREVER, &response, NULL) == SIPC_CLOSED,
               "a session's call after the end");
    sipc_session_release(session);
    row_expect(sipc_host_acquire(life->host, 0, SIPC_FOREVER, &another) == SIPC_CLOSED,
               "a session after the end");
    row_expect(sipc_guest_start(life->guest, answer, NULL) != SIPC_OK, "started after the end");
    row_expect(sipc_guest_poll(life->guest, answer, NULL, NULL) != SIPC_OK, "polled after the end");
    row_expect(call_once(NULL) == SIPC_INVALID_ARGUMENT, "a call without a host");
    sipc_host_shutdown(NULL);
    sipc_host_close(NULL);
    sipc_guest_stop(NULL);
    row_expect(sipc_guest_detach(NULL) == SIPC_OK, "detaching nothing");
}

static void life_that_ends_during_calls(bool with_child) {
    struct life life = {.most_handler_us = MOST_HANDLER_US};
    pthread_t callers[CALLERS], closers[CLOSERS], stoppers[CLOSERS];
    sipc_session *session;
    start(&life);
    row_expect(sipc_host_acquire(life.host, 0, SIPC_FOREVER, &session) == SIPC_OK, "%s",
               sipc_error_text());
    start_threads(callers, CALLERS, call_until_closed, &life);
    row_sleep_us(row_random(3000));
    if (with_child) use_in_child(&life);
    bool guest_too = row_random(2) != 0;
    start_threads(closers, CLOSERS, shut_down_twice, &life);
    if (guest_too) start_threads(stoppers, CLOSERS, stop_twice, &life);
    join_threads(closers, CLOSERS);
    struct step step = begin_step("the calls in flight");
    join_threads(callers, CALLERS);
    end_step(&step);
    if (guest_too) join_threads(stoppers, CLOSERS);
    use_stale(&life, session);
    detach_guest(&life);
    close_host(&life);
}

// ---- Other languages ---------------------------------------------------------------------------

static uint32_t go_lives(unsigned times) {
    struct life life = {.most_handler_us = 0};
    struct peer guest;
    pthread_t callers[CALLERS];
    row_expect(sipc_host_create(row_region(), SLOTS, 1024, NULL, &life.host) == SIPC_OK, "%s",
               sipc_error_text());
    peer_start(&guest, FAULTS_GUEST_GO, "churn", row_region(), NULL);
    peer_expect(&guest, "ready");
    start_threads(callers, CALLERS, call_until_closed, &life);
    for (unsigned i = 0; i < times; i++) {
        uint64_t load = load_us();
        const char *told =
            peer_ask(&guest, "ended", "%.*s", (int)row_random(20), "waits for as long as this");
        uint64_t longest = load_taken_from(number_in(told, "longest_us="), load_us() - load);
        row_expect(longest <= STEP_US, "a step in Go took %" PRIu64 " us", longest);
        samples_add(&steps, longest);
    }
    sipc_host_shutdown(life.host);
    join_threads(callers, CALLERS);
    close_host(&life);
    peer_finish(&guest);
    return times;
}

static uint32_t cpp_lives(unsigned times) {
    struct peer host;
    peer_start(&host, HOST_CPP, NULL);
    peer_expect(&host, "ready");
    for (unsigned i = 0; i < times; i++) {
        uint64_t load = load_us();
        peer_ask(&host, "SIPC_OK", "open %s 2 4096 0 0", row_region());
        uint64_t took = load_taken_from(number_in(host.line, "took_us="), load_us() - load);
        row_expect(took <= STEP_US, "creating in C++ took %" PRIu64 " us", took);
        if (i % 2) peer_ask(&host, "SIPC_OK", "shutdown");
        load = load_us();
        peer_ask(&host, "SIPC_OK", "close");
        took = load_taken_from(number_in(host.line, "took_us="), load_us() - load);
        row_expect(took <= STEP_US, "closing in C++ took %" PRIu64 " us", took);
        samples_add(&steps, took);
    }
    peer_finish(&host);
    return times;
}

static void starts_and_stops_are_quick(void) {
    row_begin("19", "starts and stops, during calls, twice, from several threads", 60, 1200);
    unsigned plain = row_times(100, 4000), during_calls = row_times(100, 3000);
    load_watch();
    for (unsigned i = 0; i < plain; i++) plain_life();
    for (unsigned i = 0; i < during_calls; i++) life_that_ends_during_calls(i % 10 == 0);
    unsigned go = go_lives(row_times(30, 2000)), cpp = cpp_lives(row_times(50, 1000));
    load_watch_end();
    row_result("%u starts and stops in C, %u of them during calls, %u in Go, %u in C++: each step "
               "p99 %.1f ms, max %.1f ms; sanitizers silent",
               plain + during_calls, during_calls, go, cpp,
               (double)samples_percentile(&steps, 99) / 1e3, (double)samples_max(&steps) / 1e3);
    samples_free(&steps);
    row_end();
}

int main(void) {
    return row_main(starts_and_stops_are_quick);
}
