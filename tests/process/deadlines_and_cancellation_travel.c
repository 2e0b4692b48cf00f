// SPDX-License-Identifier: Apache-2.0
// Who handles a request sees when its caller will give up, and that it has: guests, and hosts that
// are called.
#define _POSIX_C_SOURCE 200809L
#include "promises.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { DEADLINE = 137, UNTIL_CANCELLED = 138, SLOTS = 2, DATA_SIZE = 8192 };
// A caller waits so long, and what it waits for goes on until it gives up, and in C for 50 ms more:
// the next call must not end before that.
enum { GIVES_UP_US = 120000, KNOWN_MAX_US = 1000000 };

// ---- A guest that is called --------------------------------------------------------------------

static void start_pair_with(struct run *run, bool deadlines) {
    if (deadlines) setenv("PASS_DEADLINES", "1", 1);
    start_pair(run, SLOTS, DATA_SIZE);
    unsetenv("PASS_DEADLINES");
}

// Asks for what lasts until the caller gives up, and sees that the handler knows then. Where the
// responder was too slow to begin in time, it is asked again with twice the time.
static void give_up_with(struct peer *caller, struct peer *responder, const char *request,
                         const char *outcome) {
    uint64_t given_up;
    const char *told;
    unsigned timeout_us = GIVES_UP_US;
    for (;; timeout_us *= 2) {
        peer_say(caller, "%s %u", request, timeout_us);
        told = peer_hear(caller);
        given_up = now_ms();
        assert_in_range(number_in(told, "took_us="), timeout_us, timeout_us + KNOWN_MAX_US);
        if (number_in(told, "fate=") != NOT_STARTED) break;
    }
    if (strncmp(told, outcome, strlen(outcome)) != 0) fail_msg("heard \"%s\"", told);
    peer_expect(responder, "waiting");
    peer_expect(responder, "cancelled");
    assert_in_range(now_ms() - given_up, 0, KNOWN_MAX_US / 1000);
}

static void give_up(struct peer *caller, struct peer *responder, const char *request) {
    give_up_with(caller, responder, request, "SIPC_TIMEOUT_MAYBE_EXECUTED");
}

static void guests_see_that_callers_give_up(struct run *run) {
    start_pair_with(run, false);
    for (unsigned i = 0; i < 3; i++) give_up(&run->host, &run->guest, "plain 0 138 0");
    full_service(&run->host, SLOTS);
    end_pair(run);
}

// Both sides look at the clock: the answer may come just in time.
static void contexts_end_at_the_deadline(struct run *run) {
    start_pair_with(run, true);
    for (unsigned i = 0; i < 3; i++)
        give_up_with(&run->host, &run->guest, "plain 0 138 0", "SIPC_");
    full_service(&run->host, SLOTS);
    end_pair(run);
}

static void guests_see_that_hosts_die(struct run *run) {
    start_pair_with(run, false);
    peer_say(&run->host, "plain 0 %d 0 0", UNTIL_CANCELLED);
    peer_expect(&run->guest, "waiting");
    peer_kill(&run->host);
    peer_expect(&run->guest, "cancelled");
    peer_expect(&run->guest, "ended SIPC_PEER_DIED");
    peer_finish(&run->guest);
    assert_int_equal(remove_leftovers(run->region), 1);
}

// ---- A host that is called ---------------------------------------------------------------------

static void start_callable(struct run *run) {
    bool cpp = strcmp(run->pairing->host, HOST_CPP) == 0;
    peer_start(&run->guest, cpp ? SERVER_CPP : SERVER_C, run->region, "2", "8192", NULL);
    peer_expect(&run->guest, "ready");
    setenv("PASS_DEADLINES", "1", 1);
    peer_start(&run->host, run->pairing->go ? CALLER_GO : CALLER_C, NULL);
    unsetenv("PASS_DEADLINES");
    peer_expect(&run->host, "ready");
    peer_ask(&run->host, "SIPC_OK", "open %s %d 0 0 0", run->region, SLOTS);
}

static void end_callable(struct run *run) {
    peer_ask(&run->host, "SIPC_OK", "close");
    peer_finish(&run->host);
    peer_say(&run->guest, "end");
    assert_string_equal(peer_hear(&run->guest), "ended");
    peer_finish(&run->guest);
}

static uint64_t now_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static uint64_t deadline_seen_us(struct peer *caller, unsigned size, unsigned timeout_us) {
    const char *told =
        peer_ask(caller, "SIPC_OK", "plain %u %d %u %u", ANY_SLOT, DEADLINE, size, timeout_us);
    return number_in(told, "answer=") / 1000;
}

static void hosts_see_deadlines(struct run *run) {
    enum { TIMEOUT_US = 60000000 };
    start_callable(run);
    for (unsigned size = 8; size <= 200; size += 32) {
        uint64_t before = now_us();
        uint64_t seen = deadline_seen_us(&run->host, size, TIMEOUT_US);
        assert_in_range(seen, before + TIMEOUT_US - 1, now_us() + TIMEOUT_US + 1);
        // The last one's deadline does not stay behind.
        if (run->pairing->go) assert_int_equal(deadline_seen_us(&run->host, size, 0), 0);
    }
    end_callable(run);
}

static void hosts_see_that_callers_give_up(struct run *run) {
    start_callable(run);
    for (unsigned i = 0; i < 3; i++) give_up(&run->host, &run->guest, "plain 4294967295 138 0");
    if (run->pairing->go)
        for (unsigned i = 0; i < 3; i++) give_up(&run->host, &run->guest, "cancelled 138");
    end_callable(run);
}

int main(void) {
    static const struct promise promises[] = {
        {"a guest sees that its caller gave up", guests_see_that_callers_give_up, 20,
         EVERY_PAIRING},
        {"a context ends at the deadline", contexts_end_at_the_deadline, 20, WITH_GO_GUESTS},
        {"a guest sees that its host died", guests_see_that_hosts_die, 20, EVERY_PAIRING},
        {"a host that is called sees its caller's deadline", hosts_see_deadlines, 20,
         EVERY_PAIRING},
        {"a host that is called sees that its caller gave up", hosts_see_that_callers_give_up, 20,
         EVERY_PAIRING},
    };
    return run_promises("deadlines and cancellation", GROUP_SECONDS, promises, COUNT_OF(promises));
}
