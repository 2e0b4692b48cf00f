// SPDX-License-Identifier: Apache-2.0
// Row 17: the wall clock is set back and forth, by hours and by years, at each look of the host and
// of the guest. Deadlines, waits and service stay as they are, and nobody waits by that clock.
#define _POSIX_C_SOURCE 200809L
#include <inttypes.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../process/promises.h"
#include "row.h"
#include "wall_clock.h"

enum { SLOTS = 2, TIMEOUT_US = 20000, ATTACH_MS = 150, HANDLER_US = 200000 };
// What a busy machine adds to a deadline and to the start of a program; the clock would add hours.
enum { LATE_US = 100000, START_US = 2000000 };

static uint64_t latest_us, deadlines;

static void open_host(struct wall_clock *clock, struct peer *host, const char *program,
                      unsigned backend) {
    wall_clock_start(clock, host, program, NULL, NULL, NULL);
    peer_expect(host, "ready");
    peer_ask(host, "SIPC_OK", "open %s %d 4096 %u 0", row_region(), SLOTS, backend);
}

static void expect_time(const char *what, uint64_t took_us, uint64_t wanted_us) {
    row_expect(took_us >= wanted_us, "%s ended after %" PRIu64 " us, not %" PRIu64, what, took_us,
               wanted_us);
    row_expect(took_us <= wanted_us + LATE_US, "%s ended after %" PRIu64 " us, not %" PRIu64, what,
               took_us, wanted_us);
    deadlines++;
    if (took_us - wanted_us > latest_us) latest_us = took_us - wanted_us;
}

static void expect_wait_for_slot(struct peer *host) {
    peer_ask(host, "SIPC_ALL_SLOTS_BUSY", "stamped 0 %u 40 %d 0", STAMPED(40), TIMEOUT_US / 2);
    expect_time("a wait for a slot", number_in(host->line, "took_us="), TIMEOUT_US / 2);
}

// Calls with and without response in time, in all ways to a slot; then the waits for a slot.
static void expect_deadlines(struct peer *host, unsigned rounds) {
    for (unsigned i = 0; i < rounds; i++) {
        peer_ask(host, "SIPC_TIMEOUT", "stamped 0 %u 40 %d %d", STAMPED(40), TIMEOUT_US,
                 HANDLER_US);
        expect_time("a call", number_in(host->line, "took_us="), TIMEOUT_US);
        bool in_handler =
            number_in(host->line, "fate=") == MAYBE_EXECUTED; // if the guest came in time
        if (in_handler) expect_wait_for_slot(host);
        peer_ask(host, "SIPC_OK", "stamped 0 %u 40 0 0", STAMPED(40));
        peer_ask(host, "ok", "traffic callers=3 calls=50 way=%s timeout=1000000 sleep=0..300",
                 ways[i % WAYS]);
        row_expect(number_in(host->line, "answered=") == 150, "calls failed: %s", host->line);
    }
}

static void expect_attach_timeout(const char *program) {
    struct wall_clock clock;
    struct peer guest;
    char timeout[16];
    snprintf(timeout, sizeof timeout, "%d", ATTACH_MS);
    wall_clock_start(&clock, &guest, program, "nobody-serves-this", "--attach-ms", timeout);
    uint64_t began = row_now_us();
    peer_expect(&guest, "failed ");
    uint64_t took = row_now_us() - began;
    row_expect(took <= ATTACH_MS * 1000 + START_US, "the search for a host took %" PRIu64 " us",
               took);
    peer_exit_status(&guest);
    wall_clock_end(&clock);
}

static void with_pairing(const struct pairing *pairing, unsigned backend) {
    struct wall_clock of_host, of_guest;
    struct peer host, guest;
    const char *program = backend == SEMAPHORE_BACKEND ? pairing->semaphore_guest : pairing->guest;
    latest_us = deadlines = 0;
    open_host(&of_host, &host, pairing->host, backend);
    wall_clock_start(&of_guest, &guest, program, row_region(), NULL, NULL);
    peer_expect(&guest, "attached 2");
    peer_expect(&guest, "ready");
    expect_deadlines(&host, row_times(2, 60));
    peer_ask(&host, "SIPC_OK", "close");
    peer_finish(&guest);
    peer_finish(&host);
    wall_clock_end(&of_host);
    wall_clock_end(&of_guest);
    uint64_t looks = of_host.looks + of_guest.looks, waits = of_host.waits + of_guest.waits;
    row_result("%s, %s: %" PRIu64
               " deadlines met, at most %.1f ms late; the clock was set at each of "
               "%" PRIu64 " looks, %" PRIu64 " waits by it",
               pairing->name, backend == SEMAPHORE_BACKEND ? "semaphores" : "futex", deadlines,
               (double)latest_us / 1e3, looks, waits);
    row_expect(waits == 0, "%" PRIu64 " waits were to end at a moment of the wall clock", waits);
}

// ---- Whether the clock is set and watched
// -----------------------------------------------------------

// Looks twice, and waits by the wall clock twice, until moments long past.
static int use_wall_clock(void) {
    const struct timespec past = {.tv_sec = 1};
    sem_t semaphore;
    for (int i = 0; i < 2; i++) printf("time=%lld\n", (long long)time(NULL));
    clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &past, NULL);
    sem_init(&semaphore, 0, 0);
    return sem_timedwait(&semaphore, &past) == 0 ? 1 : 0;
}

static void expect_other_clock(void) {
    struct wall_clock clock;
    struct peer user;
    wall_clock_start(&clock, &user, "/proc/self/exe", "use-wall-clock", NULL, NULL);
    uint64_t first = number_in(peer_expect(&user, "time="), "time=");
    uint64_t second = number_in(peer_expect(&user, "time="), "time=");
    peer_finish(&user);
    wall_clock_end(&clock);
    row_expect(clock.waits == 2, "of 2 waits %" PRIu64 " were seen", clock.waits);
    row_expect(clock.looks >= 2 && first > second + 3600,
               "the clock stands at %" PRIu64 ", %" PRIu64, first, second);
}

static void the_wall_clock_does_not_matter(void) {
    row_begin("17", "the wall clock is set back and forth", 60, 900);
    expect_other_clock();
    expect_attach_timeout(GUEST_C);
    expect_attach_timeout(GUEST_GO);
    for (unsigned i = 0; i < PAIRINGS; i++) with_pairing(&pairings[i], FUTEX_BACKEND);
    with_pairing(&pairings[0], SEMAPHORE_BACKEND);
    with_pairing(&pairings[2], SEMAPHORE_BACKEND);
    row_end();
}

int main(int count, char **words) {
    if (count > 3 && strcmp(words[1], "with-clock") == 0) return wall_clock_exec(words + 2);
    if (count == 2 && strcmp(words[1], "use-wall-clock") == 0) return use_wall_clock();
    return row_main(the_wall_clock_does_not_matter);
}
