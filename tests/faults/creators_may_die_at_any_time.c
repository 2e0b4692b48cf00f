// SPDX-License-Identifier: Apache-2.0
// Row 4, random times: the creator is killed while it creates. The next start succeeds at the first
// attempt, and a guest that tries to attach all the while never gets half a region.
#include <inttypes.h>
#include <poll.h>
#include <string.h>

#include "../process/load.h"
#include "row.h"

enum { SLOTS = 3, PROMPT_US = 100000 };
#define STAMPED(size) (0x10000000u + (size))

static struct samples started;
static unsigned interrupted;

static void start_host(struct peer *host, unsigned number) {
    peer_start(host, number % 2 ? HOST_CPP : HOST_C, NULL);
    peer_expect(host, "ready");
}

static void start_guest(struct peer *guest, const char *program) {
    peer_start(guest, program, row_region(), "--again", NULL);
}

// One with much to allocate, or little.
static void say_open(struct peer *host, unsigned backend, bool large) {
    peer_say(host, "open %s %d %d %u 0", row_region(), SLOTS, large ? 1 << 20 : 4096, backend);
}

// How long a creation takes that nobody disturbs: the median.
static uint32_t usual_creation_us(unsigned backend, bool large) {
    enum { TIMES = 21 };
    struct samples took = {0};
    struct peer host;
    start_host(&host, 0);
    for (int i = 0; i < TIMES; i++) {
        say_open(&host, backend, large);
        samples_add(&took, number_in(peer_expect(&host, "SIPC_OK "), "took_us="));
        peer_ask(&host, "SIPC_OK", "close");
    }
    peer_finish(&host);
    uint32_t median = (uint32_t)samples_percentile(&took, 50);
    samples_free(&took);
    return median;
}

static bool has_answered(const struct peer *peer) {
    struct pollfd readable = {.fd = peer->from, .events = POLLIN};
    return poll(&readable, 1, 0) > 0;
}

// The guest may have attached to what the killed one had finished, and missed it.
static void hear_until_it_ended(struct peer *guest) {
    for (;;) {
        const char *told = peer_hear(guest);
        if (strcmp(told, "ended") == 0) return;
        row_expect(strcmp(told, "attached 3") == 0 || strcmp(told, "ready") == 0 ||
                       strcmp(told, "ended SIPC_PEER_DIED") == 0,
                   "a guest said \"%s\"", told);
    }
}

static void kill_a_creator(unsigned number, unsigned backend, bool large, uint32_t usual_us,
                           struct peer *guest) {
    struct peer host, next;
    start_host(&next, number + 1);
    start_host(&host, number);
    say_open(&host, backend, large);
    row_sleep_us(row_random(usual_us + 100));
    if (!has_answered(&host)) interrupted++;
    peer_kill(&host);
    struct moment began = moment_now();
    say_open(&next, backend, large);
    peer_expect(&next, "SIPC_OK ");
    samples_add(&started, us_since(began));
    for (unsigned slot = 0; slot < SLOTS; slot++)
        peer_ask(&next, "SIPC_OK", "stamped %u %u 40 1000000 0", slot, STAMPED(16));
    peer_ask(&next, "SIPC_OK", "close");
    hear_until_it_ended(guest);
    row_expect(remove_leftovers(row_region()) == 0, "objects were left in shared memory");
    peer_finish(&next);
}

static void kill_creators(const char *pairing, const char *program, unsigned backend) {
    unsigned kills = row_times(40, 2000);
    uint32_t usual_us[] = {usual_creation_us(backend, false), usual_creation_us(backend, true)};
    struct peer guest;
    start_guest(&guest, program);
    interrupted = 0;
    for (unsigned i = 0; i < kills; i++) {
        bool large = row_random(2) != 0;
        kill_a_creator(i, backend, large, usual_us[large], &guest);
    }
    peer_kill(&guest);
    row_result("%s: %u kills, %u of them before the creation had ended; the next start took at "
               "most %.1f ms",
               pairing, kills, interrupted, (double)samples_max(&started) / 1e3);
    row_expect(interrupted >= kills / 4, "only %u creations were interrupted", interrupted);
    row_expect(samples_max(&started) <= row_limit_us(PROMPT_US), "a start took %" PRIu64 " us",
               samples_max(&started));
    samples_free(&started);
}

static void creators_may_die_at_any_time(void) {
    row_begin("4", "the creator killed at random times", 60, 600);
    load_watch();
    kill_creators("futexes, C guest", GUEST_C, 1);
    kill_creators("futexes, Go guest", GUEST_GO, 1);
    kill_creators("semaphores, C guest", GUEST_C, 2);
    load_watch_end();
    row_end();
}

int main(void) {
    return row_main(creators_may_die_at_any_time);
}
