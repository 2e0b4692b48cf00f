// SPDX-License-Identifier: Apache-2.0
// Row 14: two hosts race for a name, as threads and as processes in C and C++, also for what a
// killed host has left. Exactly one wins, and those who lose do not harm its traffic with a Go
// guest.
#define _POSIX_C_SOURCE 200809L
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include <simpleipc/simpleipc.h>

#include "../process/message.h"
#include "row.h"

enum { SLOTS = 2, DATA_SIZE = 4096, RACERS = 2, CALLS = 10, LONGEST_US = 1000000 };

// Whatever it says, until the host that it serves has closed.
static void hear_until_it_ended(struct peer *guest) {
    for (;;) {
        const char *told = peer_hear(guest);
        if (strcmp(told, "ended") == 0) return;
        row_expect(strcmp(told, "attached 2") == 0 || strcmp(told, "ready") == 0 ||
                       strcmp(told, "ended SIPC_PEER_DIED") == 0,
                   "a guest said \"%s\"", told);
    }
}

// ---- Threads -----------------------------------------------------------------------------------

static struct racer {
    pthread_t thread;
    sipc_host *host;
    sipc_status status;
} racers[RACERS];

static pthread_barrier_t line_up;
static _Atomic bool winner_done;
static _Atomic uint64_t refused;

static void expect_right_calls(sipc_host *host) {
    uint8_t request[300], response[300], expected[300];
    for (uint32_t i = 0; i < CALLS; i++) {
        uint32_t size = STAMP_WITH_SLEEP_SIZE + row_random(200);
        message_fill_request(request, size, 0, i, 0);
        message_fill_response(expected, size, request, size);
        sipc_call call = {.message_id = MESSAGE_STAMPED + size,
                          .request = request,
                          .request_size = size,
                          .response = response,
                          .response_capacity = sizeof response};
        sipc_status status = sipc_host_call(host, &call);
        row_expect(status == SIPC_OK, "%s: %s", sipc_status_name(status), sipc_error_text());
        row_expect(call.response_size == size && memcmp(response, expected, size) == 0,
                   "a wrong response");
    }
}

static void try_again(const char *name) {
    sipc_host *host;
    sipc_status status = sipc_host_create(name, SLOTS, DATA_SIZE, NULL, &host);
    row_expect(status == SIPC_EXISTS, "a second host: %s", sipc_status_name(status));
    atomic_fetch_add_explicit(&refused, 1, memory_order_relaxed);
}

static void *run_racer(void *context) {
    struct racer *racer = context;
    pthread_barrier_wait(&line_up);
    racer->status = sipc_host_create(row_region(), SLOTS, DATA_SIZE, NULL, &racer->host);
    pthread_barrier_wait(&line_up);
    if (racer->status == SIPC_OK) {
        expect_right_calls(racer->host);
        atomic_store_explicit(&winner_done, true, memory_order_release);
    }
    while (!atomic_load_explicit(&winner_done, memory_order_acquire)) {
        try_again(row_region());
        row_sleep_us(row_random(200));
    }
    return NULL;
}

static void race_of_threads(struct peer *guest) {
    atomic_store_explicit(&winner_done, false, memory_order_release);
    for (int i = 0; i < RACERS; i++) {
        racers[i] = (struct racer){.host = NULL};
        row_expect(pthread_create(&racers[i].thread, NULL, run_racer, &racers[i]) == 0,
                   "no thread");
    }
    for (int i = 0; i < RACERS; i++) pthread_join(racers[i].thread, NULL);
    struct racer *winner = &racers[racers[0].status == SIPC_OK ? 0 : 1];
    struct racer *loser = &racers[winner == &racers[0] ? 1 : 0];
    row_expect(winner->status == SIPC_OK && loser->status == SIPC_EXISTS && !loser->host,
               "two threads got %s and %s", sipc_status_name(racers[0].status),
               sipc_status_name(racers[1].status));
    sipc_host_close(winner->host);
    hear_until_it_ended(guest);
}

static void race_threads(struct peer *guest) {
    unsigned rounds = row_times(50, 1000);
    pthread_barrier_init(&line_up, NULL, RACERS);
    for (unsigned i = 0; i < rounds; i++) race_of_threads(guest);
    pthread_barrier_destroy(&line_up);
    row_result("%u races of threads: one winner each; %" PRIu64
               " further attempts during its traffic with a Go guest refused, no call lost",
               rounds, atomic_exchange(&refused, 0));
}

// ---- Processes ---------------------------------------------------------------------------------

static void start_host(struct peer *host, const char *program) {
    peer_start(host, program, NULL);
    peer_expect(host, "ready");
}

static void say_open(struct peer *host, uint64_t moment_ns) {
    peer_say(host, "open %s %d %d 0 %" PRIu64, row_region(), SLOTS, DATA_SIZE, moment_ns);
}

static bool has_won(struct peer *host) {
    const char *told = peer_hear(host);
    if (strncmp(told, "SIPC_OK ", 8) == 0) return true;
    row_expect(strncmp(told, "SIPC_EXISTS ", 12) == 0, "a host said \"%s\"", told);
    return false;
}

static void disturb(struct peer *winner, struct peer *loser) {
    peer_say(winner, "traffic callers=2 calls=%d", CALLS);
    for (int i = 0; i < 3; i++) {
        peer_ask(loser, "SIPC_EXISTS ", "open %s %d %d 0 0", row_region(), SLOTS, DATA_SIZE);
        atomic_fetch_add_explicit(&refused, 1, memory_order_relaxed);
    }
    const char *numbers = peer_expect(winner, "ok");
    row_expect(number_in(numbers, "answered=") == 2 * CALLS, "\"%s\"", numbers);
}

// One in four winners is killed, so that the next race is for a stale region.
static void race_of_processes(struct peer *hosts, struct peer *guest) {
    enum { HEAD_START_US = 300 };
    static const char *const programs[RACERS] = {HOST_C, HOST_CPP};
    uint64_t moment = (row_now_us() + HEAD_START_US) * 1000;
    for (int i = 0; i < RACERS; i++) say_open(&hosts[i], moment);
    bool won[RACERS];
    for (int i = 0; i < RACERS; i++) won[i] = has_won(&hosts[i]);
    row_expect(won[0] != won[1], "%s", won[0] ? "both have won" : "nobody has won");
    int winner = won[0] ? 0 : 1;
    disturb(&hosts[winner], &hosts[1 - winner]);
    if (row_random(4) == 0) {
        peer_kill(&hosts[winner]);
        start_host(&hosts[winner], programs[winner]);
        return;
    }
    peer_ask(&hosts[winner], "SIPC_OK", "close");
    hear_until_it_ended(guest);
}

static void race_processes(struct peer *guest) {
    unsigned rounds = row_times(50, 1000);
    struct peer hosts[RACERS];
    start_host(&hosts[0], HOST_C);
    start_host(&hosts[1], HOST_CPP);
    for (unsigned i = 0; i < rounds; i++) race_of_processes(hosts, guest);
    for (int i = 0; i < RACERS; i++) peer_finish(&hosts[i]);
    row_result("%u races of a C and a C++ process: one winner each; %" PRIu64
               " further attempts during its traffic with a Go guest refused, no call lost",
               rounds, atomic_exchange(&refused, 0));
}

// ---- A host that is there ----------------------------------------------------------------------

static void *run_intruder(void *unused) {
    while (!atomic_load_explicit(&winner_done, memory_order_acquire)) try_again(row_region());
    return unused;
}

// Attempts without a pause from two threads during one long traffic.
static void besiege(struct peer *guest) {
    struct peer host;
    pthread_t threads[RACERS];
    start_host(&host, HOST_CPP);
    peer_ask(&host, "SIPC_OK ", "open %s %d %d 0 0", row_region(), SLOTS, DATA_SIZE);
    peer_ask(&host, "ok", "begin callers=2");
    atomic_store_explicit(&winner_done, false, memory_order_release);
    for (int i = 0; i < RACERS; i++)
        row_expect(pthread_create(&threads[i], NULL, run_intruder, NULL) == 0, "no thread");
    sleep_ms(row_times(300, 20000));
    atomic_store_explicit(&winner_done, true, memory_order_release);
    for (int i = 0; i < RACERS; i++) pthread_join(threads[i], NULL);
    const char *numbers = peer_ask(&host, "ok", "end");
    uint64_t longest = number_in(numbers, "longest_us=");
    row_expect(number_in(numbers, "not_started=") + number_in(numbers, "maybe_executed=") == 0,
               "\"%s\"", numbers);
    row_expect(longest <= row_limit_us(LONGEST_US), "a call took %" PRIu64 " us", longest);
    row_result("%" PRIu64 " attempts against a living host refused; %" PRIu64
               " of its calls answered, longest %.0f ms",
               atomic_exchange(&refused, 0), number_in(numbers, "answered="),
               (double)longest / 1e3);
    peer_ask(&host, "SIPC_OK", "close");
    peer_finish(&host);
    hear_until_it_ended(guest);
}

static void one_of_two_hosts_wins(void) {
    row_begin("14", "two hosts race for a name", 60, 600);
    struct peer guest;
    peer_start(&guest, GUEST_GO, row_region(), "--again", NULL);
    race_threads(&guest);
    race_processes(&guest);
    besiege(&guest);
    peer_kill(&guest);
    row_end();
}

int main(void) {
    return row_main(one_of_two_hosts_wins);
}
