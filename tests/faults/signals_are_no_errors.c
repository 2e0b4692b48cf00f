// SPDX-License-Identifier: Apache-2.0
// Row 16: 10,000 signals a second, whose handlers do not restart what they interrupt, in the host
// and in the guest. No call, creation, attachment or wait fails because of one, and no deadline
// moves.
//
// The program is its own guest in C; the guest in Go is sent its signals from here.
#define _GNU_SOURCE
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <simpleipc/simpleipc.h>

#include "../process/promises.h"
#include "row.h"

enum { CALLERS = 3, SLOTS = 2, PERIOD_NS = 100000, SLOW_US = 3000, SHORT_US = 2000 };
enum { SLOW = SIPC_MESSAGE_FIRST_USER, PROBE };
enum { LATE_US = 100000 }; // what a busy machine adds to a deadline

static const sipc_wait_policy sleeper = {.preset = SIPC_WAIT_CUSTOM};
static _Atomic uint64_t signals;

// ---- Signals -----------------------------------------------------------------------------------

static void count_signal(int number) {
    (void)number;
    atomic_fetch_add_explicit(&signals, 1, memory_order_relaxed);
}

// To the process: to one thread after the other, of those that do not block it.
static timer_t start_signals(void) {
    struct sigaction action = {.sa_handler = count_signal}; // no SA_RESTART
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
    const struct itimerspec period = {.it_interval.tv_nsec = PERIOD_NS,
                                      .it_value.tv_nsec = PERIOD_NS};
    timer_t timer;
    row_expect(sigaction(SIGUSR1, &action, NULL) == 0 &&
                   timer_create(CLOCK_MONOTONIC, &event, &timer) == 0 &&
                   timer_settime(timer, 0, &period, NULL) == 0,
               "no timer");
    return timer;
}

static void block_signals(bool block) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    pthread_sigmask(block ? SIG_BLOCK : SIG_UNBLOCK, &set, NULL);
}

// ---- The guest in C ----------------------------------------------------------------------------

static sipc_status answer(void *context, const sipc_request *request, sipc_response *response) {
    (void)context;
    if (request->message_id == SLOW) row_sleep_us(SLOW_US);
    response->size = request->size;
    memcpy(response->data, request->data, request->size);
    return SIPC_OK;
}

static void *wait_for_guest(void *guest) {
    sipc_status status = sipc_guest_wait(guest);
    if (status) printf("failed %s\n", sipc_error_text());
    return NULL;
}

// The first thread would get them all, so it leaves them to the workers and to one that waits.
static bool serve(sipc_guest *guest) {
    pthread_t waiting;
    if (sipc_guest_start(guest, answer, NULL) != SIPC_OK ||
        pthread_create(&waiting, NULL, wait_for_guest, guest) != 0)
        return false;
    block_signals(true);
    printf("attached %u\nready\n", sipc_guest_slots(guest));
    fflush(stdout);
    pthread_join(waiting, NULL);
    block_signals(false);
    return true;
}

static int be_guest(const char *region) {
    const sipc_guest_options options = {.wait = sleeper};
    sipc_guest *guest;
    timer_t timer = start_signals();
    block_signals(false); // as its parent had them
    if (sipc_guest_attach(region, &options, &guest) != SIPC_OK || !serve(guest)) {
        printf("failed %s\n", sipc_error_text());
        return 1;
    }
    sipc_status status = sipc_guest_detach(guest);
    timer_delete(timer);
    printf("ended %s signals=%" PRIu64 "\n", sipc_status_name(status),
           atomic_load_explicit(&signals, memory_order_relaxed));
    return status ? 1 : 0;
}

// ---- The callers -------------------------------------------------------------------------------

struct caller {
    pthread_t thread;
    sipc_host *host;
    uint32_t calls;
    uint64_t answered, timed_out, overrun_us;
};

// With a timeout that the handler meets, or one that it cannot meet; or none, while slots are few.
static void call_once(struct caller *caller, uint32_t number) {
    bool slow = number % 8 == 0, hurry = slow && number % 16 == 0;
    uint8_t request[100], response[sizeof request];
    memset(request, (int)number, sizeof request);
    sipc_call call = {.message_id = slow ? SLOW : PROBE,
                      .request = request,
                      .request_size = number % 2 ? sizeof request : 20,
                      .response = response,
                      .response_capacity = sizeof response,
                      .timeout_ns = hurry ? SHORT_US * UINT64_C(1000) : SIPC_FOREVER};
    uint64_t began = row_now_us();
    sipc_status status = sipc_host_call(caller->host, &call);
    uint64_t took = row_now_us() - began;
    if (status == SIPC_OK) {
        row_expect(call.response_size == call.request_size &&
                       memcmp(request, response, call.request_size) == 0,
                   "a wrong response");
        caller->answered++;
        return;
    }
    row_expect(hurry && (status == SIPC_TIMEOUT || status == SIPC_TIMEOUT_MAYBE_EXECUTED ||
                         status == SIPC_ALL_SLOTS_BUSY),
               "a call failed: %s", sipc_error_text());
    row_expect(took >= SHORT_US, "a call gave up after %" PRIu64 " us", took);
    if (took - SHORT_US > caller->overrun_us) caller->overrun_us = took - SHORT_US;
    caller->timed_out++;
}

static void *run_caller(void *context) {
    struct caller *caller = context;
    for (uint32_t i = 0; i < caller->calls; i++) call_once(caller, i);
    return NULL;
}

// ---- Signals for the guest in Go ---------------------------------------------------------------

struct sender {
    pthread_t thread;
    pid_t to;
    _Atomic bool stopping;
    uint64_t sent;
};

static void *send_signals(void *context) {
    struct sender *sender = context;
    block_signals(true);
    while (!atomic_load_explicit(&sender->stopping, memory_order_acquire)) {
        kill(sender->to, sender->sent++ % 2 ? SIGURG : SIGALRM);
        row_sleep_us(PERIOD_NS / 1000);
    }
    return NULL;
}

// ---- The row -----------------------------------------------------------------------------------

static struct caller call_from_all(sipc_host *host, uint32_t calls) {
    struct caller callers[CALLERS], sum = {.host = host};
    for (int i = 0; i < CALLERS; i++) {
        callers[i] = (struct caller){.host = host, .calls = calls / CALLERS};
        row_expect(pthread_create(&callers[i].thread, NULL, run_caller, &callers[i]) == 0,
                   "no thread");
    }
    block_signals(true); // from here on they are the callers'
    for (int i = 0; i < CALLERS; i++) {
        pthread_join(callers[i].thread, NULL);
        sum.answered += callers[i].answered;
        sum.timed_out += callers[i].timed_out;
        if (callers[i].overrun_us > sum.overrun_us) sum.overrun_us = callers[i].overrun_us;
    }
    block_signals(false);
    return sum;
}

static sipc_host *create(sipc_backend backend) {
    const sipc_host_options options = {.backend = backend, .wait = sleeper};
    sipc_host *host;
    row_expect(sipc_host_create(row_region(), SLOTS, 1024, &options, &host) == SIPC_OK,
               "creation failed: %s", sipc_error_text());
    return host;
}

static void start_guest_c(struct peer *guest) {
    block_signals(true); // the harness does not expect any
    peer_start(guest, "/proc/self/exe", "guest", row_region(), NULL);
    peer_expect(guest, "attached 2");
    peer_expect(guest, "ready");
    block_signals(false);
}

// What the guest says of its signals in the end.
static uint64_t end_guest_c(struct peer *guest) {
    block_signals(true);
    uint64_t count = number_in(peer_expect(guest, "ended SIPC_OK"), "signals=");
    peer_finish(guest);
    block_signals(false);
    return count;
}

static void interrupt_c(sipc_backend backend, uint32_t calls) {
    struct peer guest;
    uint64_t before = atomic_load_explicit(&signals, memory_order_relaxed);
    timer_t timer = start_signals();
    sipc_host *host = create(backend);
    start_guest_c(&guest);
    struct caller sum = call_from_all(host, calls);
    sipc_host_close(host);
    uint64_t of_guest = end_guest_c(&guest);
    timer_delete(timer);
    uint64_t of_host = atomic_load_explicit(&signals, memory_order_relaxed) - before;
    row_result("C host, C guest, %s: %" PRIu64 " and %" PRIu64 " signals, %" PRIu64
               " calls answered, %" PRIu64 " timed out as they should, at most %.1f ms late; 0 "
               "spurious errors",
               backend == SIPC_BACKEND_FUTEX ? "futex" : "semaphores", of_host, of_guest,
               sum.answered, sum.timed_out, (double)sum.overrun_us / 1e3);
    row_expect(of_host > 100 && of_guest > 100, "there were few signals");
    row_expect(sum.overrun_us <= LATE_US, "a call was %" PRIu64 " us late", sum.overrun_us);
}

static void interrupt_go(uint32_t calls) {
    struct peer guest;
    sipc_host *host = create(SIPC_BACKEND_FUTEX);
    peer_start(&guest, FAULTS_GUEST_GO, "signals", row_region(), NULL);
    peer_expect(&guest, "catching"); // before that a signal would end it
    struct sender sender = {.to = guest.pid};
    row_expect(pthread_create(&sender.thread, NULL, send_signals, &sender) == 0, "no thread");
    peer_expect(&guest, "ready");
    struct caller sum = call_from_all(host, calls);
    sipc_host_close(host);
    const char *told = peer_expect(&guest, "ended ");
    uint64_t caught = number_in(told, "signals=");
    atomic_store_explicit(&sender.stopping, true, memory_order_release);
    pthread_join(sender.thread, NULL);
    peer_finish(&guest);
    row_result("C host, Go guest: %" PRIu64 " signals sent, %" PRIu64
               " caught by the program, %" PRIu64 " calls answered, %" PRIu64
               " timed out as they should; 0 spurious errors",
               sender.sent, caught, sum.answered, sum.timed_out);
    row_expect(sender.sent > 100, "there were few signals");
}

static void signals_are_no_errors(void) {
    row_begin("16", "10 kHz signals without SA_RESTART", 60, 900);
    uint32_t calls = row_times(1500, 60000);
    interrupt_c(SIPC_BACKEND_FUTEX, calls);
    interrupt_c(SIPC_BACKEND_SEMAPHORE, calls);
    interrupt_go(calls);
    row_end();
}

int main(int count, char **words) {
    if (count == 3 && strcmp(words[1], "guest") == 0) return be_guest(words[2]);
    return row_main(signals_are_no_errors);
}
