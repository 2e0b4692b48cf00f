// SPDX-License-Identifier: Apache-2.0
// Row 7: both sides sleep in every wait, and are delayed at random where a wake-up could get lost:
// between the looks that find nothing to do, the word that says so, and the sleep itself. Nobody
// sleeps through a wake-up.
//
// The program is its own guest in C. In it and in the host the library has delays at each atomic
// access (delays.h), the guest in Go at the points that matter.
#define _GNU_SOURCE
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <simpleipc/simpleipc.h>

#include "row.h"

enum { PAIRS = 4, LONGEST_WAIT_US = 1000000 };
static const uint64_t timeout_ns = UINT64_C(20000000000);
static const sipc_wait_policy sleeper = {.preset = SIPC_WAIT_CUSTOM};

// ---- Delays before the sleep -------------------------------------------------------------------

static _Thread_local uint64_t drawn;

static uint32_t random_below(uint32_t limit) {
    if (!drawn) drawn = (row_now_us() * UINT64_C(0x9E3779B97F4A7C15) ^ (uintptr_t)&drawn) | 1;
    drawn ^= drawn << 13;
    drawn ^= drawn >> 7;
    drawn ^= drawn << 17;
    return (uint32_t)(drawn >> 32) % limit;
}

// Mostly none or some microseconds, as long as a peer needs to publish and to look; at times so
// long that it falls asleep itself.
static void delay(void) {
    uint32_t kind = random_below(256);
    if (kind == 0) {
        row_sleep_us(200);
    } else if (kind < 32) {
        sched_yield();
    } else if (kind < 160) {
        for (volatile uint32_t turns = random_below(1000); turns > 0; turns--) {
        }
    }
}

// At each atomic access of the library (delays.h).
void delay_at_random(void);
void delay_at_random(void) {
    if (random_below(8) == 0) delay();
}

// ---- The guest in C ----------------------------------------------------------------------------

static sipc_status echo(void *context, const sipc_request *request, sipc_response *response) {
    (void)context;
    delay();
    response->size = request->size;
    memcpy(response->data, request->data, request->size);
    return SIPC_OK;
}

static int be_guest(const char *region) {
    const sipc_guest_options options = {.wait = sleeper};
    sipc_guest *guest;
    if (sipc_guest_attach(region, &options, &guest) || sipc_guest_start(guest, echo, NULL)) {
        printf("failed %s\n", sipc_error_text());
        return 1;
    }
    printf("attached %u\nready\n", sipc_guest_slots(guest));
    fflush(stdout);
    sipc_guest_wait(guest);
    sipc_guest_detach(guest);
    puts("ended");
    return 0;
}

// ---- The callers -------------------------------------------------------------------------------

struct caller {
    pthread_t thread;
    sipc_host *host;
    uint32_t index, calls;
    uint64_t longest_us;
};

// Tiny and others in turn, which sleep on words of different lines.
static void call_once(struct caller *caller, sipc_session *session, uint32_t sequence) {
    uint32_t capacity, size = sequence % 2 ? 16 : 200, received;
    uint32_t *request = sipc_session_request(session, &capacity);
    const void *response;
    row_expect(request != NULL, "slot %u has no request buffer", caller->index);
    memset(request, (int)sequence, size);
    request[0] = sequence;
    uint64_t began = row_now_us();
    sipc_status status =
        sipc_session_call(session, SIPC_MESSAGE_NORMAL, size, timeout_ns, &response, &received);
    uint64_t took = row_now_us() - began;
    row_expect(status == SIPC_OK, "slot %u, call %u: %s", caller->index, sequence,
               sipc_error_text());
    row_expect(received == size && memcmp(response, request, size) == 0,
               "slot %u, call %u: a wrong response", caller->index, sequence);
    if (took > caller->longest_us) caller->longest_us = took;
    row_expect(took <= LONGEST_WAIT_US, "slot %u, call %u took %" PRIu64 " us", caller->index,
               sequence, took);
}

static void *run_caller(void *context) {
    struct caller *caller = context;
    sipc_session *session;
    row_expect(sipc_host_acquire(caller->host, caller->index, timeout_ns, &session) == SIPC_OK,
               "slot %u: %s", caller->index, sipc_error_text());
    for (uint32_t i = 0; i < caller->calls; i++) {
        delay();
        call_once(caller, session, i);
    }
    sipc_session_release(session);
    return NULL;
}

// ---- The row -----------------------------------------------------------------------------------

static uint64_t run_callers(sipc_host *host, uint32_t calls) {
    struct caller callers[PAIRS];
    uint64_t longest = 0;
    for (uint32_t i = 0; i < PAIRS; i++) {
        callers[i] = (struct caller){.host = host, .index = i, .calls = calls / PAIRS};
        row_expect(pthread_create(&callers[i].thread, NULL, run_caller, &callers[i]) == 0,
                   "no thread");
    }
    for (uint32_t i = 0; i < PAIRS; i++) {
        pthread_join(callers[i].thread, NULL);
        if (callers[i].longest_us > longest) longest = callers[i].longest_us;
    }
    return longest;
}

// Around the word that says that it sleeps, before the sleep, and between an answer and the look
// whether its caller sleeps; each so often that they meet in all ways.
static const char go_delays[] =
    "wait.go:waiter.sleepUntilReady:atomic.SwapUint32 w.waiting before#3+=delay:1;"
    "wait.go:waiter.sleepUntilReady:atomic.SwapUint32 w.waiting after#5+=delay:1;"
    "os_linux.go:futex.wait:syscall.Syscall6 unix.SYS_FUTEX before#7+=delay:1;"
    "slot.go:publish:atomic.SwapUint32 state after#4+=delay:1";

static void start_guest(struct peer *guest, sipc_backend backend, bool go) {
    const char *of_backend =
        backend == SIPC_BACKEND_FUTEX ? DELAYED_GUEST_GO : DELAYED_GUEST_GO_CGO;
    setenv("SIMPLEIPC_POINT", go_delays, 1);
    peer_start(guest, go ? of_backend : "/proc/self/exe", go ? "echo" : "guest", row_region(),
               NULL);
    unsetenv("SIMPLEIPC_POINT");
    peer_expect(guest, "attached 4");
    peer_expect(guest, "ready");
}

static void hand_over(sipc_backend backend, bool go, uint32_t calls) {
    static const char *const names[] = {"", "futex", "semaphores"};
    const sipc_host_options options = {.backend = backend, .wait = sleeper};
    sipc_host *host;
    struct peer guest;
    row_expect(sipc_host_create(row_region(), PAIRS, 1024, &options, &host) == SIPC_OK, "%s",
               sipc_error_text());
    start_guest(&guest, backend, go);
    uint64_t longest = run_callers(host, calls);
    sipc_host_close(host);
    peer_finish(&guest);
    row_result("%s guest, %s: %u hand-overs in %d pairs, longest wait %.1f ms", go ? "Go" : "C",
               names[backend], calls * 2, PAIRS, (double)longest / 1e3);
}

static void no_wakeup_is_lost(void) {
    row_begin("7", "hand-overs with random delays before the sleep", 60, 3600);
    for (sipc_backend backend = SIPC_BACKEND_FUTEX; backend <= SIPC_BACKEND_SEMAPHORE; backend++) {
        hand_over(backend, false, row_times(20000, 2000000));
        hand_over(backend, true, row_times(5000, 500000));
    }
    row_end();
}

int main(int count, char **words) {
    if (count == 3 && strcmp(words[1], "guest") == 0) return be_guest(words[2]);
    return row_main(no_wakeup_is_lost);
}
