// SPDX-License-Identifier: Apache-2.0
// A guest's one worker leaves all its answers to other threads, in any order: each caller gets its
// own, nobody waits for another's job, and deaths, deadlines and ends are what they are.
#define _POSIX_C_SOURCE 200809L
#include "promises.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { SLOTS = 4, DATA_SIZE = 8192, KNOWN_MAX_US = 100000 };
enum { ANNOUNCE = 134, DEADLINE = 137, UNTIL_CANCELLED = 138 };

static const char *const guests[] = {GUEST_C, GUEST_CPP};

static void start_later(struct run *run, const char *guest) {
    char arguments[32];
    snprintf(arguments, sizeof arguments, "--later %d", SLOTS);
    run->guest_program = guest;
    start_guest(run, &run->guest, arguments);
    assert_int_equal(guest_serves(&run->guest), SLOTS);
}

static void start_both(struct run *run, const char *guest) {
    start_host(run, &run->host);
    open_region(run, &run->host, SLOTS, DATA_SIZE, DEFAULT_BACKEND);
    start_later(run, guest);
}

// ---- Traffic -----------------------------------------------------------------------------------

static void jobs_pass_each_other(struct run *run, const char *guest) {
    enum { JOB_US = 200000 };
    start_both(run, guest);
    // One after the other, the last of them would take as long as all.
    const char *numbers =
        peer_ask(&run->host, "ok", "traffic callers=%d calls=1 way=own sleep=%d", SLOTS, JOB_US);
    assert_int_equal(number_in(numbers, "answered="), SLOTS);
    assert_in_range(number_in(numbers, "longest_us="), JOB_US, (SLOTS - 1) * JOB_US);
    for (unsigned way = 0; way < WAYS; way++) {
        numbers = peer_ask(&run->host, "ok",
                           "traffic callers=%d calls=50 way=%s request=12..4096 response=0..4096 "
                           "sleep=0..1000",
                           SLOTS, ways[way]);
        assert_int_equal(number_in(numbers, "answered="), 50 * SLOTS);
    }
    peer_ask(&run->host, "ok", "audit");
    end_pair(run);
}

static void late_answers_reach_nobody(struct run *run, const char *guest) {
    start_both(run, guest);
    const char *numbers = peer_ask(
        &run->host, "ok", "traffic callers=8 calls=100 way=any timeout=1000 sleep=0..2500");
    assert_int_not_equal(number_in(numbers, "maybe_executed="), 0);
    peer_ask(&run->host, "ok", "audit");
    full_service(&run->host, SLOTS);
    end_pair(run);
}

// ---- Ends --------------------------------------------------------------------------------------

static void a_killed_guest_is_missed(struct run *run, const char *guest) {
    start_both(run, guest);
    peer_say(&run->host, "stamped 1 %d 40 0 10000000", ANNOUNCE);
    peer_expect(&run->guest, "handling");
    uint64_t killed = now_ms();
    peer_kill(&run->guest);
    const char *told = peer_expect(&run->host, "SIPC_PEER_DIED_MAYBE_EXECUTED");
    assert_int_equal(number_in(told, "fate="), MAYBE_EXECUTED);
    assert_in_range((now_ms() - killed) * 1000, 0, 5 * KNOWN_MAX_US);
    start_later(run, guest);
    full_service(&run->host, SLOTS);
    end_pair(run);
}

static void a_guest_that_stops_answers_first(struct run *run, const char *guest) {
    start_both(run, guest);
    peer_say(&run->host, "stamped 1 %d 40 0 100000", ANNOUNCE);
    peer_expect(&run->guest, "handling");
    peer_say(&run->guest, "stop");
    peer_expect(&run->host, "SIPC_OK");
    guest_ends(&run->guest);
    peer_ask(&run->host, "SIPC_OK", "close");
    peer_finish(&run->host);
}

// ---- What a handler sees of its caller ---------------------------------------------------------

static void cancellation_is_seen(struct run *run, const char *guest) {
    start_both(run, guest);
    for (unsigned size = 8; size <= 200; size += 192) {
        // Where the guest was too slow to begin in time, it is asked again with twice the time.
        uint64_t fate = NOT_STARTED;
        for (unsigned timeout_us = 100000; fate == NOT_STARTED; timeout_us *= 2)
            fate = number_in(peer_ask(&run->host, "SIPC_TIMEOUT", "plain 1 %d %u %u",
                                      UNTIL_CANCELLED, size, timeout_us),
                             "fate=");
        assert_int_equal(fate, MAYBE_EXECUTED);
        peer_expect(&run->guest, "waiting");
        peer_expect(&run->guest, "cancelled");
    }
    full_service(&run->host, SLOTS);
    end_pair(run);
}

static uint64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static uint64_t deadline_seen(struct run *run, unsigned size) {
    return number_in(peer_ask(&run->host, "SIPC_OK", "plain 1 %d %u 20000000", DEADLINE, size),
                     "answer=");
}

// Go has it as a time of its own, which the guest turns back.
enum { SLACK_NS = 5000000 };

static void the_deadline_is_seen(struct run *run, const char *guest) {
    const uint64_t timeout = UINT64_C(20000000000);
    for (int passed = 0; passed <= 1; passed++) {
        if (passed) setenv("PASS_DEADLINES", "", 1);
        start_both(run, guest);
        unsetenv("PASS_DEADLINES");
        for (unsigned size = 8; size <= 200; size += 192) {
            const uint64_t before = now_ns();
            const uint64_t seen = deadline_seen(run, size);
            if (passed)
                assert_in_range(seen, before + timeout - SLACK_NS, now_ns() + timeout + SLACK_NS);
            else
                assert_int_equal(seen, 0);
        }
        end_pair(run);
    }
}

// ---- Each of them with each guest --------------------------------------------------------------

#define WITH_EACH_GUEST(promise)                                                                   \
    static void each_##promise(struct run *run) {                                                  \
        if (run->pairing->go) promise(run, GUEST_GO);                                              \
        for (unsigned i = 0; i < COUNT_OF(guests) && !run->pairing->go; i++)                       \
            promise(run, guests[i]);                                                               \
    }

WITH_EACH_GUEST(jobs_pass_each_other)
WITH_EACH_GUEST(late_answers_reach_nobody)
WITH_EACH_GUEST(a_killed_guest_is_missed)
WITH_EACH_GUEST(a_guest_that_stops_answers_first)
WITH_EACH_GUEST(cancellation_is_seen)
WITH_EACH_GUEST(the_deadline_is_seen)

int main(void) {
    static const struct promise promises[] = {
        {"jobs pass each other in one worker", each_jobs_pass_each_other, 40, EVERY_PAIRING},
        {"late answers reach nobody", each_late_answers_reach_nobody, 40, EVERY_PAIRING},
        {"a killed guest is missed", each_a_killed_guest_is_missed, 30, EVERY_PAIRING},
        {"a guest that stops answers first", each_a_guest_that_stops_answers_first, 30,
         EVERY_PAIRING},
        {"cancellation is seen", each_cancellation_is_seen, 30, EVERY_PAIRING},
        {"the deadline is seen", each_the_deadline_is_seen, 30, EVERY_PAIRING},
    };
    return run_promises("jobs are answered later", GROUP_SECONDS, promises, COUNT_OF(promises));
}
