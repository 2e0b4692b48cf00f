// SPDX-License-Identifier: Apache-2.0
// What a third process reads in a region at rest is what was exchanged there, to the call and the
// byte, whoever calls and whoever serves, also after timeouts and deaths.
#include "promises.h"

#include <stdio.h>
#include <string.h>

// Stamped; who serves prints "handling" before it sleeps.
enum { ANNOUNCE = 134 };
enum { SLOTS = 2, DATA_SIZE = 8192, CALLS = 5000, MOST_LOOKS = 200 };

struct figures {
    uint64_t calls, out, in, failed, timed_out, peer_died, closed, maybe, violated;
    uint64_t requests, taken, given, not_executed, inherited;
    uint64_t sampled, trips, wakes, queued, served;
};

static struct figures look(struct run *run) {
    struct peer reader = {.pid = 0};
    peer_start(&reader, READER_C, run->region, NULL);
    const char *line = peer_expect(&reader, "ok");
    struct figures now = {
        .calls = number_in(line, " calls="),
        .out = number_in(line, " out="),
        .in = number_in(line, " in="),
        .failed = number_in(line, " failed="),
        .timed_out = number_in(line, " timed_out="),
        .peer_died = number_in(line, " peer_died="),
        .closed = number_in(line, " closed="),
        .maybe = number_in(line, " maybe="),
        .violated = number_in(line, " violated="),
        .requests = number_in(line, " requests="),
        .taken = number_in(line, " taken="),
        .given = number_in(line, " given="),
        .not_executed = number_in(line, " not_executed="),
        .inherited = number_in(line, " inherited="),
        .sampled = number_in(line, " sampled="),
        .trips = number_in(line, " trips="),
        .wakes = number_in(line, " wakes="),
        .queued = number_in(line, " queued="),
        .served = number_in(line, " served="),
    };
    peer_finish(&reader);
    return now;
}

// A responder counts just after its answer: the caller may know it before.
static struct figures at_rest(struct run *run, uint64_t requests) {
    struct figures now = look(run);
    for (unsigned i = 0; now.requests < requests && i < MOST_LOOKS; i++) now = look(run);
    assert_int_equal(now.requests, requests);
    // The bytes of an answer are counted behind its number.
    return look(run);
}

static void expect_agreement(const struct figures *now, uint64_t calls) {
    assert_int_equal(now->calls, calls);
    assert_int_equal(now->requests, calls);
    assert_true(now->out > 0);
    assert_int_equal(now->out, now->taken);
    assert_true(now->in > 0);
    assert_int_equal(now->in, now->given);
    assert_int_equal(now->failed + now->timed_out + now->peer_died + now->closed + now->violated,
                     0);
    assert_int_equal(now->not_executed + now->inherited + now->maybe, 0);
    assert_true(now->sampled > 0);
    assert_int_equal(now->trips, now->sampled);
    assert_int_equal(now->wakes, now->sampled);
    assert_int_equal(now->queued, now->sampled);
    assert_int_equal(now->served, now->sampled);
}

static void both_sides_agree(struct run *run) {
    start_pair(run, SLOTS, DATA_SIZE);
    const char *tally =
        peer_ask(&run->host, "ok", "traffic callers=%d calls=%d way=own", SLOTS, CALLS);
    assert_int_equal(number_in(tally, "answered="), SLOTS * CALLS);
    const struct figures now = at_rest(run, (uint64_t)SLOTS * CALLS);
    expect_agreement(&now, (uint64_t)SLOTS * CALLS);
    end_pair(run);
}

// How many calls it takes until one has been begun at its deadline, by a guest on a busy machine.
static uint64_t calls_given_up(struct run *run) {
    uint64_t calls = 0, fate = NOT_STARTED;
    for (unsigned timeout_us = 20000; fate == NOT_STARTED; timeout_us *= 2, calls++) {
        const char *told = peer_ask(&run->host, "SIPC_TIMEOUT", "stamped %u %u 40 %u %u", ANY_SLOT,
                                    STAMPED(16), timeout_us, 10 * timeout_us);
        fate = number_in(told, "fate=");
    }
    assert_int_equal(fate, MAYBE_EXECUTED);
    return calls;
}

// Deadlines of both fates, and a guest that is killed: each call that published a request ends up
// in one count, and the next guest goes on from there.
static void failures_are_counted(struct run *run) {
    start_pair(run, 1, DATA_SIZE);
    char quick[100];
    snprintf(quick, sizeof quick, "stamped %u %u 40 0 0", ANY_SLOT, STAMPED(16));
    const uint64_t late = calls_given_up(run);
    peer_ask(&run->host, "SIPC_OK", "%s", quick); // waits until the late response has come
    struct figures now = at_rest(run, 2);
    assert_int_equal(now.calls, late + 1);
    assert_int_equal(now.timed_out, late);
    assert_int_equal(now.maybe, 1);
    peer_say(&run->host, "stamped %u %u 40 0 9000000", ANY_SLOT, ANNOUNCE);
    peer_expect(&run->guest, "handling");
    peer_kill(&run->guest);
    peer_expect(&run->host, "SIPC_PEER_DIED_MAYBE_EXECUTED");
    now = look(run);
    assert_int_equal(now.calls, late + 2);
    assert_int_equal(now.peer_died, 1);
    assert_int_equal(now.maybe, 2);
    assert_int_equal(now.requests, 2);
    start_guest(run, &run->guest, "");
    assert_int_equal(guest_serves(&run->guest), 1);
    peer_ask(&run->host, "SIPC_OK", "%s", quick);
    now = at_rest(run, 3 + look(run).inherited);
    assert_int_equal(now.calls, late + 3);
    assert_in_range(now.inherited, 0, 1);
    assert_int_equal(now.closed + now.violated + now.failed, 0);
    end_pair(run);
}

// ---- Guests call -------------------------------------------------------------------------------

// In a run the process that calls stands at the host's place, and the one that serves at the
// guest's.
static void guests_and_their_host_agree(struct run *run) {
    bool cpp = strcmp(run->pairing->host, HOST_CPP) == 0;
    peer_start(&run->guest, cpp ? SERVER_CPP : SERVER_C, run->region, "2", "8192", NULL, NULL);
    peer_expect(&run->guest, "ready");
    uint64_t calls = 0;
    // Each guest goes on from what the last one has left.
    for (unsigned round = 0; round < 2; round++) {
        peer_start(&run->host, run->pairing->go ? CALLER_GO : CALLER_C, NULL);
        peer_expect(&run->host, "ready");
        peer_ask(&run->host, "SIPC_OK", "open %s %d 0 0 0", run->region, SLOTS);
        peer_ask(&run->host, "ok", "traffic callers=%d calls=%d way=session request=20..300", SLOTS,
                 CALLS);
        calls += (uint64_t)SLOTS * CALLS;
        const struct figures now = at_rest(run, calls);
        expect_agreement(&now, calls);
        peer_ask(&run->host, "SIPC_OK", "close");
        peer_finish(&run->host);
    }
    peer_say(&run->guest, "end");
    peer_expect(&run->guest, "ended");
    peer_finish(&run->guest);
}

// ---- The example -------------------------------------------------------------------------------

static void the_example_prints_a_table(struct run *run) {
    start_pair(run, 2, DATA_SIZE);
    peer_ask(&run->host, "ok", "begin callers=2 way=own");
    for (unsigned i = 0; i < 3; i++) {
        peer_start(&run->other, EXAMPLE_COUNTERS, run->region, NULL);
        assert_non_null(strstr(peer_hear(&run->other), "calls"));
        peer_expect(&run->other, "    0 ");
        peer_expect(&run->other, "    1 ");
        peer_expect(&run->other, "  all ");
        peer_finish(&run->other);
    }
    peer_ask(&run->host, "ok", "end");
    end_pair(run);
    peer_start(&run->other, EXAMPLE_COUNTERS, run->region, NULL);
    assert_int_equal(peer_exit_status(&run->other), 1); // there is no such region any more
}

int main(void) {
    static const struct promise promises[] = {
        {"both sides agree at rest", both_sides_agree, 30, EVERY_PAIRING},
        {"failures are counted", failures_are_counted, 30, EVERY_PAIRING},
        {"guests and their host agree", guests_and_their_host_agree, 30, EVERY_PAIRING},
        {"the example prints a table", the_example_prints_a_table, 20, ONCE},
    };
    return run_promises("counters", GROUP_SECONDS, promises, COUNT_OF(promises));
}
