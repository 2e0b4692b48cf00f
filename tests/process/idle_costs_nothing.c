// SPDX-License-Identifier: Apache-2.0
// Nothing spins when nothing happens: in 10 seconds no thread of a pair runs even once.
#include <stdio.h>

#include "promises.h"

enum { SLOTS = 4, DATA_SIZE = 8192, SETTLE_MS = 1000, WATCHED_MS = 10000, MOST_PAIRS = 8 };
enum { MOST_SETTLING = 8 };

// A pair of processes and what they had used when the watch began.
struct watched {
    struct run run;
    const char *what;
    struct usage host, guest;
};

static struct watched pairs[MOST_PAIRS];
static unsigned pair_count;

static struct run *add_pair(const struct run *run, const struct pairing *pairing,
                            const char *what) {
    struct watched *added = &pairs[pair_count];
    assert_in_range(++pair_count, 1, MOST_PAIRS);
    *added = (struct watched){.run = *run, .what = what};
    added->run.pairing = pairing;
    added->run.guest_program = pairing->guest;
    snprintf(added->run.region, sizeof added->run.region, "%.40s%u", run->region, pair_count);
    return &added->run;
}

static void add_idle_pair(const struct run *run, const struct pairing *pairing) {
    struct run *pair = add_pair(run, pairing, pairing->name);
    start_pair(pair, SLOTS, DATA_SIZE);
    full_service(&pair->host, SLOTS);
}

static void add_idle_pair_on_semaphores(const struct run *run, const struct pairing *pairing) {
    struct run *pair = add_pair(run, pairing, pairing->go ? "Go on semaphores" : "C on semaphores");
    pair->guest_program = pairing->semaphore_guest;
    start_host(pair, &pair->host);
    open_region(pair, &pair->host, SLOTS, DATA_SIZE, SEMAPHORE_BACKEND);
    start_guest(pair, &pair->guest, "");
    guest_serves(&pair->guest);
    full_service(&pair->host, SLOTS);
}

// Four callers wait for slow handlers, and two more for a slot.
static void add_waiting_pair(const struct run *run, const struct pairing *pairing) {
    enum {
        HANDLER_US = (MOST_SETTLING * SETTLE_MS + WATCHED_MS) * 1000 + 10000000,
        TIMEOUT_US = 2 * HANDLER_US
    };
    struct run *pair = add_pair(run, pairing, "waiting for slow handlers");
    start_pair(pair, SLOTS, DATA_SIZE);
    peer_ask(&pair->host, "ok", "begin callers=6 request=40 timeout=%d sleep=%d", TIMEOUT_US,
             HANDLER_US);
}

static void expect_unused(const struct watched *pair, const char *side, const struct usage *before,
                          pid_t pid) {
    struct usage now = usage_of(pid);
    uint64_t switches = now.switches - before->switches, ticks = now.ticks - before->ticks;
    if (switches != 0 || ticks != 0 || now.threads != before->threads)
        fail_msg("%s, the %s: %llu context switches and %llu ticks in %d ms", pair->what, side,
                 (unsigned long long)switches, (unsigned long long)ticks, WATCHED_MS);
}

static uint64_t note_usage(void) {
    uint64_t switches = 0;
    for (unsigned i = 0; i < pair_count; i++) {
        pairs[i].host = usage_of(pairs[i].run.host.pid);
        pairs[i].guest = usage_of(pairs[i].run.guest.pid);
        switches += pairs[i].host.switches + pairs[i].guest.switches;
    }
    return switches;
}

// Until all have fallen asleep, which a busy machine lets them do late. Who never does is seen in
// the watch.
static void settle(void) {
    uint64_t before, now = note_usage();
    unsigned seconds = 0;
    do {
        before = now;
        sleep_ms(SETTLE_MS);
        now = note_usage();
    } while (now != before && ++seconds < MOST_SETTLING);
}

static void idle(struct run *run) {
    for (unsigned i = 0; i < PAIRINGS; i++) add_idle_pair(run, &pairings[i]);
    add_idle_pair_on_semaphores(run, &pairings[0]);
    add_idle_pair_on_semaphores(run, &pairings[3]);
    add_waiting_pair(run, &pairings[0]);
    settle();
    sleep_ms(WATCHED_MS);
    for (unsigned i = 0; i < pair_count; i++) {
        expect_unused(&pairs[i], "host", &pairs[i].host, pairs[i].run.host.pid);
        expect_unused(&pairs[i], "guest", &pairs[i].guest, pairs[i].run.guest.pid);
    }
    // They sleep and are not dead.
    for (unsigned i = 0; i + 1 < pair_count; i++) {
        full_service(&pairs[i].run.host, SLOTS);
        end_pair(&pairs[i].run);
    }
    kill_leftovers(); // those whose handlers still sleep
    remove_leftovers(pairs[pair_count - 1].run.region);
}

int main(void) {
    static const struct promise promises[] = {
        {"an idle pair makes no context switch in 10 seconds", idle, 40, ONCE},
    };
    return run_promises("idle", GROUP_SECONDS, promises, COUNT_OF(promises));
}
