// SPDX-License-Identifier: Apache-2.0
// Row 3: hosts are killed at random points of their traffic. A guest in C and one in Go, who share
// the slots, know it at once; a host of the same name starts at once, and both serve it.
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "../process/load.h"
#include "row.h"

enum { SLOTS = 4, WORKERS = SLOTS / 2, DATA_SIZE = 4096, PROMPT_US = 100000 };
#define STAMPED(size) (0x10000000u + (size))

static struct samples known, started;

static void start_host(struct peer *host, unsigned round) {
    peer_start(host, round % 2 ? HOST_CPP : HOST_C, NULL);
    peer_expect(host, "ready");
}

static void say_open(struct peer *host) {
    peer_say(host, "open %s %d %d 0 0", row_region(), SLOTS, DATA_SIZE);
}

static void start_guest(struct peer *guest, const char *program) {
    char workers[8];
    snprintf(workers, sizeof workers, "%d", WORKERS);
    peer_start(guest, program, row_region(), "--again", "--workers", workers, NULL);
}

static void hear_that_it_serves(struct peer *guest) {
    row_expect(number_in(peer_expect(guest, "attached "), "attached ") == WORKERS, "\"%s\"",
               guest->line);
    peer_expect(guest, "ready");
}

// Every slot, then all of them at once.
static void full_service(struct peer *host) {
    for (unsigned slot = 0; slot < SLOTS; slot++)
        peer_ask(host, "SIPC_OK", "stamped %u %u 40 0 0", slot, STAMPED(16));
    const char *numbers = peer_ask(host, "ok", "traffic callers=4 calls=10");
    row_expect(number_in(numbers, "answered=") == 40, "\"%s\"", numbers);
}

static void expect_to_know(struct peer *guest, struct moment killed) {
    const char *told = peer_hear(guest);
    uint64_t took = us_since(killed);
    row_expect(strcmp(told, "ended SIPC_PEER_DIED") == 0, "a guest said \"%s\"", told);
    samples_add(&known, took);
}

static void expect_silence(struct peer *guest) {
    struct pollfd readable = {.fd = guest->from, .events = POLLIN};
    row_expect(poll(&readable, 1, 0) == 0 && guest->filled == 0,
               "a guest of a living host said \"%s\"", peer_hear(guest));
}

// The next host's process has started already: what is measured is the library. Once the killed one
// is reaped the first attempt must do.
static void kill_and_replace(struct peer *host, struct peer *next, struct peer *guests) {
    struct moment killed = moment_now();
    peer_kill(host);
    say_open(next);
    peer_expect(next, "SIPC_OK ");
    samples_add(&started, us_since(killed));
    for (int i = 0; i < 2; i++) expect_to_know(&guests[i], killed);
}

static void kill_hosts(unsigned kills) {
    struct peer guests[2], hosts[2];
    start_guest(&guests[0], GUEST_C);
    start_guest(&guests[1], GUEST_GO);
    start_host(&hosts[0], 0);
    say_open(&hosts[0]);
    peer_expect(&hosts[0], "SIPC_OK ");
    for (unsigned i = 0; i < kills; i++) {
        struct peer *host = &hosts[i % 2], *next = &hosts[(i + 1) % 2];
        hear_that_it_serves(&guests[0]);
        hear_that_it_serves(&guests[1]);
        full_service(host);
        peer_ask(host, "ok", "begin callers=4 sleep=0..200");
        start_host(next, i + 1);
        row_sleep_us(row_random(3000));
        for (int guest = 0; guest < 2; guest++) expect_silence(&guests[guest]);
        kill_and_replace(host, next, guests);
    }
    struct peer *last = &hosts[kills % 2];
    for (int i = 0; i < 2; i++) hear_that_it_serves(&guests[i]);
    full_service(last);
    peer_ask(last, "SIPC_OK", "close");
    peer_finish(last);
    for (int i = 0; i < 2; i++) {
        row_expect(strcmp(peer_hear(&guests[i]), "ended") == 0,
                   "the host closed, and the %s guest said \"%s\"", i ? "Go" : "C", guests[i].line);
        peer_kill(&guests[i]);
    }
}

static void killed_hosts_are_missed_and_replaced(void) {
    row_begin("3", "SIGKILL of the host, a C and a Go guest", 60, 900);
    unsigned kills = row_times(60, 2000);
    load_watch();
    kill_hosts(kills);
    load_watch_end();
    row_result("%u kills; guests knew after p99 %.1f ms, max %.1f ms; the next host had started "
               "after p99 %.1f ms, max %.1f ms",
               kills, (double)samples_percentile(&known, 99) / 1e3,
               (double)samples_max(&known) / 1e3, (double)samples_percentile(&started, 99) / 1e3,
               (double)samples_max(&started) / 1e3);
    row_expect(samples_max(&known) <= row_limit_us(PROMPT_US), "a guest knew after %" PRIu64 " us",
               samples_max(&known));
    row_expect(samples_max(&started) <= row_limit_us(PROMPT_US),
               "a host started after %" PRIu64 " us", samples_max(&started));
    samples_free(&known);
    samples_free(&started);
    row_end();
}

int main(void) {
    return row_main(killed_hosts_are_missed_and_replaced);
}
