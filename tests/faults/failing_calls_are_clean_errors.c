// SPDX-License-Identifier: Apache-2.0
// Row 21: the N-th system call or allocation of a life fails, for all N, and each N-th of them. A
// life creates a host, attaches a guest, calls in many ways, asleep and awake, and ends. What fails
// tells why, what was promised holds nevertheless, and nothing is left behind.
#define _GNU_SOURCE
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <simpleipc/simpleipc.h>

#include "../process/resources.h"
#include "points/control.h"
#include "row.h"

enum { SLOTS = 2, DATA_SIZE = 1024, LARGE = 400, CALLERS = 3, TURNS = 4, MOST_CALLS = 5000 };
enum { TIMEOUT_US = 1000000, SHORT_TIMEOUT_US = 500, LATE_US = 1000000 };
enum { DEATH_TIMEOUT_US = 200000 };
enum { ECHO = 200, DAWDLE = 201 };

#define NO_PIDFD "watch.c:watch_process:syscall SYS_pidfd_open before#0=fail:38"

struct kind {
    const char *name;
    sipc_backend backend;
    const char *rules;
    bool host_first; // it closes before its guest leaves
    bool sealed;
    bool guest_dies; // it is another process, which is killed during the calls
};

static const struct kind *kind;
static char region[128];
static char folder[] = "/tmp/simpleipc-failing-XXXXXX"; // of sealed regions
static sipc_host *host;

// ---- The calls ---------------------------------------------------------------------------------

static sipc_status answer(void *context, const sipc_request *request, sipc_response *response) {
    (void)context;
    if (request->message_id == DAWDLE) row_sleep_us(2 * (uint64_t)SHORT_TIMEOUT_US);
    memcpy(response->data, request->data, request->size);
    response->size = request->size;
    return SIPC_OK;
}

static sipc_status timed(sipc_call *call, uint64_t timeout_us) {
    call->timeout_ns = timeout_us * 1000;
    uint64_t began = row_now_us();
    sipc_status status = sipc_host_call(host, call);
    uint64_t took = row_now_us() - began;
    row_expect(took <= timeout_us + LATE_US, "a call of %" PRIu64 " us took %" PRIu64 " us",
               timeout_us, took);
    return status;
}

// The system's refusals are no reason for a call to fail: what it needs is there.
static void echo(uint32_t size) {
    uint8_t request[LARGE], response[LARGE];
    for (uint32_t i = 0; i < size; i++) request[i] = (uint8_t)(row_random(256));
    sipc_call call = {.message_id = ECHO,
                      .request = request,
                      .request_size = size,
                      .response = response,
                      .response_capacity = size};
    sipc_status status = timed(&call, TIMEOUT_US);
    row_expect(status == SIPC_OK, "%s: a call ended with %s: %s; \"%s\" had failed", kind->name,
               sipc_status_name(status), sipc_error_text(), fault_acted_at());
    row_expect(call.response_size == size && memcmp(request, response, size) == 0,
               "a wrong response");
}

static void time_out(void) {
    sipc_call call = {.message_id = DAWDLE};
    sipc_status status = timed(&call, SHORT_TIMEOUT_US);
    bool right = status == SIPC_OK || status == SIPC_ALL_SLOTS_BUSY || status == SIPC_TIMEOUT ||
                 status == SIPC_TIMEOUT_MAYBE_EXECUTED;
    row_expect(right, "a call ended with %s", sipc_status_name(status));
}

static void *call_often(void *unused) {
    for (unsigned i = 0; i < TURNS; i++) {
        echo(20);
        echo(LARGE);
        if (i % 2 == 0) time_out();
        row_sleep_us(row_random(200));
    }
    return unused;
}

static void call_from_threads(void) {
    pthread_t threads[CALLERS];
    for (unsigned i = 0; i < CALLERS; i++)
        row_expect(pthread_create(&threads[i], NULL, call_often, NULL) == 0, "no thread");
    for (unsigned i = 0; i < CALLERS; i++) pthread_join(threads[i], NULL);
}

// ---- A life ------------------------------------------------------------------------------------

static sipc_status told(sipc_status status) {
    row_expect(status == SIPC_OK || strlen(sipc_error_text()) > 0, "%s without a text",
               sipc_status_name(status));
    return status;
}

static const sipc_wait_policy sleeper = {.preset = SIPC_WAIT_CUSTOM};

static sipc_status serve(sipc_guest *guest) {
    sipc_status status = told(sipc_guest_start(guest, answer, NULL));
    if (!status) call_from_threads();
    if (status || !kind->host_first) return status;
    sipc_host_close(host);
    host = NULL;
    return told(sipc_guest_wait(guest));
}

static sipc_status live_as_guest(void) {
    const sipc_guest_options options = {.attach_timeout_ns = 20000000,
                                        .wait = sleeper,
                                        .sealed_folder = kind->sealed ? folder : NULL};
    sipc_guest *guest;
    sipc_status status = told(sipc_guest_attach(region, &options, &guest));
    if (status) return status;
    status = serve(guest);
    sipc_status detached = sipc_guest_detach(guest);
    row_expect(detached == SIPC_OK, "detaching ended with %s", sipc_status_name(detached));
    return status;
}

// Until its guest dies under it. If the system refused to tell, the deadline ends the call.
static void *call_to_the_end(void *ended) {
    sipc_status status = SIPC_OK;
    while (status == SIPC_OK) {
        sipc_call call = {.message_id = SIPC_MESSAGE_NORMAL};
        status = timed(&call, DEATH_TIMEOUT_US);
    }
    bool right = status == SIPC_PEER_DIED || status == SIPC_PEER_DIED_MAYBE_EXECUTED ||
                 status == SIPC_TIMEOUT || status == SIPC_TIMEOUT_MAYBE_EXECUTED ||
                 status == SIPC_ALL_SLOTS_BUSY;
    row_expect(right, "a call to a dead guest ended with %s", sipc_status_name(status));
    *(sipc_status *)ended = status;
    return NULL;
}

static sipc_status outlive_a_guest(void) {
    struct peer guest;
    pthread_t caller;
    sipc_status ended;
    peer_start(&guest, GUEST_C, region, NULL);
    peer_expect(&guest, "attached");
    peer_expect(&guest, "ready");
    row_expect(pthread_create(&caller, NULL, call_to_the_end, &ended) == 0, "no thread");
    row_sleep_us(2000);
    peer_kill(&guest);
    pthread_join(caller, NULL);
    return SIPC_OK;
}

static sipc_status live(void) {
    const sipc_host_options options = {
        .backend = kind->backend, .wait = sleeper, .sealed_folder = kind->sealed ? folder : NULL};
    sipc_status status = told(sipc_host_create(region, SLOTS, DATA_SIZE, &options, &host));
    if (status) return status;
    status = kind->guest_dies ? outlive_a_guest() : live_as_guest();
    sipc_host_close(host);
    host = NULL;
    return status;
}

// The ways in which a life may end after a call of it has failed.
static void expect_clean(sipc_status status) {
    bool right = status == SIPC_OK || status == SIPC_SYSTEM || status == SIPC_OUT_OF_MEMORY ||
                 status == SIPC_NO_SPACE || status == SIPC_NO_HOST;
    // What does not tell its seals or its user may have none, or be of another.
    right |= kind->sealed && (status == SIPC_NOT_A_REGION || status == SIPC_FORBIDDEN);
    row_expect(right, "%s: %s, \"%s\", after \"%s\" had failed", kind->name,
               sipc_status_name(status), sipc_error_text(), fault_acted_at());
}

struct count {
    unsigned lives, failures, refusals; // refusals: lives that ended with an error
    uint64_t longest_us;
};

static void live_under(const char *rules, bool all_cleared, struct count *count) {
    struct resources before = resources_now();
    fault_rules(rules);
    uint64_t began = row_now_us();
    sipc_status status = live();
    uint64_t took = row_now_us() - began;
    expect_clean(status);
    count->lives++;
    count->failures += fault_acts();
    count->refusals += status != SIPC_OK;
    if (took > count->longest_us) count->longest_us = took;
    // Where a second failure kept the name from being removed, the next life does that.
    if (!all_cleared && status) {
        fault_rules("");
        row_expect(live() == SIPC_OK, "the next life ended with %s", sipc_error_text());
    }
    resources_expect(&before);
    unsigned left = remove_leftovers(region);
    row_expect(left == 0, "%s: %u names left behind after \"%s\" had failed", kind->name, left,
               fault_acted_at());
}

// Until some lives in a row had fewer calls than N: it is not the same number each time.
static void fail_each(const char *format, bool once, struct count *count) {
    unsigned fewer = 0;
    for (unsigned n = 1; fewer < 3; n++) {
        char rules[256];
        int size = snprintf(rules, sizeof rules, format, n);
        if (kind->rules) snprintf(rules + size, sizeof rules - (size_t)size, ";%s", kind->rules);
        live_under(rules, once, count);
        fewer = fault_calls() < n ? fewer + 1 : 0;
        row_expect(n < MOST_CALLS, "more than %u calls in a life", n);
        if (!once && n >= row_times(20, MOST_CALLS)) break;
    }
}

static void report(const struct count *count) {
    row_result(
        "%s: %u lives, %u calls failed, %u lives refused with an error, the others unharmed, "
        "nothing left behind; longest life %.0f ms",
        kind->name, count->lives, count->failures, count->refusals,
        (double)count->longest_us / 1e3);
}

static void failing_calls_are_clean_errors(void) {
    static const struct kind kinds[] = {
        {.name = "futexes", .backend = SIPC_BACKEND_FUTEX},
        {.name = "semaphores", .backend = SIPC_BACKEND_SEMAPHORE, .host_first = true},
        {.name = "no pidfd", .rules = NO_PIDFD, .host_first = true},
        {.name = "a sealed region", .sealed = true},
        {.name = "a guest that dies", .guest_dies = true},
        {.name = "a guest that dies, no pidfd", .guest_dies = true, .rules = NO_PIDFD},
    };
    row_begin("21", "every N-th system call and allocation fails", 60, 1800);
    row_expect(mkdtemp(folder) != NULL, "mkdtemp of %s", folder);
    for (unsigned i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        struct count count = {0};
        kind = &kinds[i];
        snprintf(region, sizeof region, "%s%u", row_region(), i);
        fail_each("*#%u=fail", true, &count);
        fail_each("*#%u+=fail", false, &count);
        report(&count);
    }
    row_expect(rmdir(folder) == 0, "something is left in %s", folder);
    row_end();
}

int main(void) {
    return row_main(failing_calls_are_clean_errors);
}
