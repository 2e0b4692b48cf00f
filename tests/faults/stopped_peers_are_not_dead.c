// SPDX-License-Identifier: Apache-2.0
// Row 5: peers are stopped for seconds. Calls into a stopped guest end at their deadline and never
// by its death; a guest of a stopped host stays; nobody takes their place; then all goes on.
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>

#include "../process/host_api.h"
#include "../process/load.h"
#include "../process/message.h"
#include "../process/traffic.h"
#include "row.h"

enum { CALLERS = 4, SLOTS = 4, DATA_SIZE = 4096, LATE_BY_US = 10000 };

static _Atomic bool stopping;
// By which a call with an error missed its deadline, beside what the load added.
static struct samples overruns;
static _Atomic uint64_t answered, timed_out;

static void start_guest(struct peer *guest, const char *program, const char *region) {
    peer_start(guest, program, region, NULL);
    peer_expect(guest, "attached 4");
    peer_expect(guest, "ready");
}

static void expect_silence(struct peer *peer, unsigned milliseconds) {
    struct pollfd readable = {.fd = peer->from, .events = POLLIN};
    row_expect(poll(&readable, 1, (int)milliseconds) == 0, "a peer said \"%s\"", peer_hear(peer));
}

// It finds no slot, or no name: the stopped one is alive.
static void expect_refused_guest(const char *program, const char *region) {
    struct peer guest;
    peer_start(&guest, program, region, NULL);
    peer_expect(&guest, "failed ");
    row_expect(peer_exit_status(&guest) == 1, "a guest took a stopped one's slots");
}

// ---- A stopped guest ---------------------------------------------------------------------------

static bool may_come_from_a_stopped_guest(sipc_status status) {
    return status == SIPC_OK || status == SIPC_TIMEOUT || status == SIPC_TIMEOUT_MAYBE_EXECUTED ||
           status == SIPC_ALL_SLOTS_BUSY;
}

static void *run_caller(void *context) {
    const uint32_t *caller = context;
    while (!atomic_load_explicit(&stopping, memory_order_acquire)) {
        const struct stamped call = {.message_id = MESSAGE_STAMPED + row_random(300),
                                     .slot = row_random(2) ? SIPC_ANY_SLOT : *caller,
                                     .request_size = STAMP_WITH_SLEEP_SIZE + row_random(300),
                                     .caller = *caller,
                                     .sequence = next_sequence(*caller),
                                     .timeout_us = 1000 + row_random(40000),
                                     .sleep_us = row_random(300)};
        sipc_status status;
        uint64_t load = load_of_thread_us(), began = row_now_us();
        row_expect(stamped_call(&call, &status), "caller %u: a wrong response", *caller);
        uint64_t took = row_now_us() - began;
        load = load_of_thread_us() - load;
        row_expect(may_come_from_a_stopped_guest(status), "a call ended with %s: %s",
                   sipc_status_name(status), api_error_text());
        if (took >= call.timeout_us)
            samples_add(&overruns, load_taken_from(took - call.timeout_us, load));
        atomic_fetch_add_explicit(status ? &timed_out : &answered, 1, memory_order_relaxed);
        row_sleep_us(row_random(1000));
    }
    return NULL;
}

static void stop_under_load(struct peer *guest, const char *program, unsigned stops,
                            unsigned milliseconds) {
    pthread_t threads[CALLERS];
    static uint32_t numbers[CALLERS] = {0, 1, 2, 3};
    atomic_store_explicit(&stopping, false, memory_order_release);
    for (int i = 0; i < CALLERS; i++)
        row_expect(pthread_create(&threads[i], NULL, run_caller, &numbers[i]) == 0, "no thread");
    for (unsigned i = 0; i < stops; i++) {
        row_sleep_us(row_random(20000));
        peer_stop(guest);
        expect_refused_guest(program, row_region());
        sleep_ms(milliseconds);
        peer_continue(guest);
        sleep_ms(20);
        expect_silence(guest, 0);
    }
    atomic_store_explicit(&stopping, true, memory_order_release);
    for (int i = 0; i < CALLERS; i++) pthread_join(threads[i], NULL);
}

static void expect_each_slot_to_serve(void) {
    for (uint32_t slot = 0; slot < SLOTS; slot++) {
        sipc_status status;
        const struct stamped call = {.message_id = MESSAGE_STAMPED + 100,
                                     .slot = slot,
                                     .request_size = 40,
                                     .sequence = next_sequence(0)};
        row_expect(stamped_call(&call, &status) && status == SIPC_OK, "slot %u: %s", slot,
                   sipc_status_name(status));
    }
}

static void stop_the_guest(const char *language, const char *program) {
    unsigned stops = row_times(2, 10), milliseconds = row_times(400, 3000);
    struct peer guest;
    row_expect(api_open(row_region(), SLOTS, DATA_SIZE, SIPC_BACKEND_DEFAULT) == SIPC_OK, "%s",
               api_error_text());
    start_guest(&guest, program, row_region());
    load_watch();
    stop_under_load(&guest, program, stops, milliseconds);
    load_watch_end();
    expect_each_slot_to_serve();
    api_close();
    peer_expect(&guest, "ended");
    peer_finish(&guest);
    row_result("%s guest stopped %u times for %u ms: %" PRIu64 " calls answered, %" PRIu64
               " ended at their deadline, at most %.1f ms after it (p99 %.1f ms)",
               language, stops, milliseconds, atomic_exchange(&answered, 0),
               atomic_exchange(&timed_out, 0), (double)samples_max(&overruns) / 1e3,
               (double)samples_percentile(&overruns, 99) / 1e3);
    row_expect(samples_max(&overruns) <= row_limit_us(LATE_BY_US),
               "a call missed its deadline by %" PRIu64 " us", samples_max(&overruns));
    samples_free(&overruns);
}

// ---- A stopped host ----------------------------------------------------------------------------

static void full_service(struct peer *host) {
    for (unsigned slot = 0; slot < SLOTS; slot++)
        peer_ask(host, "SIPC_OK", "stamped %u %u 40 0 0", slot, MESSAGE_STAMPED + 16u);
    const char *numbers = peer_ask(host, "ok", "traffic callers=4 calls=50");
    row_expect(number_in(numbers, "answered=") == 200, "\"%s\"", numbers);
}

static void expect_refused_host(void) {
    struct peer other;
    peer_start(&other, HOST_C, NULL);
    peer_expect(&other, "ready");
    peer_ask(&other, "SIPC_EXISTS", "open %s 1 64 0 0", row_region());
    peer_finish(&other);
}

static void stop_the_host(const char *language, const char *program) {
    unsigned stops = row_times(2, 10), milliseconds = row_times(400, 3000);
    struct peer host, guest;
    peer_start(&host, HOST_C, NULL);
    peer_expect(&host, "ready");
    peer_ask(&host, "SIPC_OK", "open %s %d %d 0 0", row_region(), SLOTS, DATA_SIZE);
    start_guest(&guest, program, row_region());
    for (unsigned i = 0; i < stops; i++) {
        peer_ask(&host, "ok", "begin callers=4 sleep=0..300");
        row_sleep_us(row_random(20000));
        peer_stop(&host);
        expect_refused_host();
        expect_silence(&guest, milliseconds);
        peer_continue(&host);
        const char *numbers = peer_ask(&host, "ok", "end");
        row_expect(number_in(numbers, "not_started=") + number_in(numbers, "maybe_executed=") == 0,
                   "\"%s\"", numbers);
        full_service(&host);
    }
    peer_ask(&host, "SIPC_OK", "close");
    peer_expect(&guest, "ended");
    peer_finish(&guest);
    peer_finish(&host);
    row_result("the host of a %s guest stopped %u times for %u ms: the guest stayed, no call lost",
               language, stops, milliseconds);
}

static void stopped_peers_are_not_dead(void) {
    row_begin("5", "SIGSTOP for seconds, then SIGCONT", 60, 400);
    stop_the_guest("C", GUEST_C);
    stop_the_guest("Go", GUEST_GO);
    stop_the_host("C", GUEST_C);
    stop_the_host("Go", GUEST_GO);
    row_end();
}

int main(void) {
    return row_main(stopped_peers_are_not_dead);
}
