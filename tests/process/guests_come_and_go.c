// SPDX-License-Identifier: Apache-2.0
// Three guests, in C, C++ and Go, share the slots of one host: they come and go while calls flow,
// and each call reaches one that lives, or the one that it names.
#include <stdio.h>

#include "promises.h"

enum { GUESTS = 3, EACH = 2, SLOTS = GUESTS * EACH, CALLERS = 4, DATA_SIZE = 4096 };
enum { PATIENT_US = 5000000, SHORT_US = 20000 };

struct fleet {
    struct peer guests[GUESTS];
};

static const char *const programs[GUESTS] = {GUEST_C, NAMED_GUEST_CPP, GUEST_GO};
static const char *const names[GUESTS] = {"red", "green", "blue"};

static void start(struct run *run, struct fleet *fleet, unsigned i, const char *more) {
    char arguments[64] = "";
    snprintf(arguments, sizeof arguments, "--workers %d --name %s %s", EACH, names[i], more);
    run->guest_program = programs[i];
    start_guest(run, &fleet->guests[i], arguments);
}

static void start_fleet(struct run *run, struct fleet *fleet) {
    start_host(run, &run->host);
    open_region(run, &run->host, SLOTS, DATA_SIZE, DEFAULT_BACKEND);
    for (unsigned i = 0; i < GUESTS; i++) {
        start(run, fleet, i, "");
        assert_int_equal(guest_serves(&fleet->guests[i]), EACH);
    }
}

static void end_fleet(struct run *run, struct fleet *fleet) {
    full_service(&run->host, SLOTS);
    peer_ask(&run->host, "SIPC_OK", "close");
    for (unsigned i = 0; i < GUESTS; i++) guest_ends(&fleet->guests[i]);
    peer_finish(&run->host);
}

static void expect_named(struct run *run, struct fleet *fleet, unsigned i) {
    const char *who = peer_ask(&run->host, "ok", "named %s %u", names[i], PATIENT_US);
    assert_int_equal(number_in(who, "process="), fleet->guests[i].pid);
}

// The next guest waits for the slots of the one that is told to stop.
static void replace(struct run *run, struct fleet *fleet, unsigned i) {
    struct peer old = fleet->guests[i];
    start(run, fleet, i, "--spare");
    sleep_ms(20);
    peer_say(&old, "stop");
    guest_ends(&old);
    assert_int_equal(guest_serves(&fleet->guests[i]), EACH);
}

static void rolling_restart(struct run *run) {
    enum { ROUNDS = 2 };
    struct fleet fleet;
    start_fleet(run, &fleet);
    peer_ask(&run->host, "ok", "begin callers=%d", CALLERS);
    for (unsigned i = 0; i < ROUNDS * GUESTS; i++) {
        replace(run, &fleet, i % GUESTS);
        sleep_ms(10);
    }
    const char *tally = peer_ask(&run->host, "ok", "end");
    assert_int_equal(number_in(tally, "not_started="), 0);
    assert_int_equal(number_in(tally, "maybe_executed="), 0);
    assert_in_range(number_in(tally, "answered="), 100, UINT64_MAX);
    end_fleet(run, &fleet);
}

// Without a spare: fewer and fewer serve, and for a moment nobody does.
static void the_load_moves(struct run *run) {
    struct fleet fleet;
    start_fleet(run, &fleet);
    peer_ask(&run->host, "ok", "begin callers=%d", CALLERS);
    for (unsigned i = 0; i < GUESTS; i++) {
        peer_say(&fleet.guests[i], "stop");
        guest_ends(&fleet.guests[i]);
        sleep_ms(10);
    }
    for (unsigned i = 0; i < GUESTS; i++) {
        start(run, &fleet, i, "");
        assert_int_equal(guest_serves(&fleet.guests[i]), EACH);
    }
    const char *tally = peer_ask(&run->host, "ok", "end");
    assert_int_equal(number_in(tally, "not_started="), 0);
    assert_int_equal(number_in(tally, "maybe_executed="), 0);
    end_fleet(run, &fleet);
}

// Each death ends no more calls than its guest had workers for, and the next ones go to others.
static void killed_guests(struct run *run) {
    enum { KILLS = 2 * GUESTS };
    struct fleet fleet;
    start_fleet(run, &fleet);
    peer_ask(&run->host, "ok", "begin callers=%d", CALLERS);
    for (unsigned i = 0; i < KILLS; i++) {
        sleep_ms(10);
        peer_kill(&fleet.guests[i % GUESTS]);
        start(run, &fleet, i % GUESTS, "--spare");
        assert_int_equal(guest_serves(&fleet.guests[i % GUESTS]), EACH);
    }
    const char *tally = peer_ask(&run->host, "ok", "end");
    uint64_t ended = number_in(tally, "not_started=") + number_in(tally, "maybe_executed=");
    assert_in_range(ended, 0, KILLS * EACH);
    end_fleet(run, &fleet);
}

static void named_guests(struct run *run) {
    enum { CALLS = 20 };
    struct fleet fleet;
    start_fleet(run, &fleet);
    peer_ask(&run->host, "ok", "begin callers=%d", CALLERS);
    for (unsigned i = 0; i < CALLS; i++) expect_named(run, &fleet, i % GUESTS);
    peer_ask(&run->host, "SIPC_NO_GUEST ", "named yellow %u", SHORT_US);
    for (unsigned i = 0; i < GUESTS; i++) {
        peer_say(&fleet.guests[i], "stop");
        guest_ends(&fleet.guests[i]);
        peer_ask(&run->host, "SIPC_NO_GUEST ", "named %s %u", names[i], SHORT_US);
        // It is waited for, while others serve and before it is there.
        peer_say(&run->host, "named %s %u", names[i], PATIENT_US);
        start(run, &fleet, i, "");
        guest_serves(&fleet.guests[i]);
        const char *who = peer_expect(&run->host, "ok");
        assert_int_equal(number_in(who, "process="), fleet.guests[i].pid);
    }
    const char *tally = peer_ask(&run->host, "ok", "end");
    assert_int_equal(number_in(tally, "not_started="), 0);
    end_fleet(run, &fleet);
}

// The named guest does not begin the request, and is killed; who takes over its slot leaves it
// alone.
static void a_successor_of_another_name(struct run *run) {
    for (unsigned i = 0; i < GUESTS; i++) {
        struct fleet fleet;
        unsigned next = (i + 1) % GUESTS;
        start_host(run, &run->host);
        open_region(run, &run->host, EACH, DATA_SIZE, DEFAULT_BACKEND);
        start(run, &fleet, i, "");
        guest_serves(&fleet.guests[i]);
        start(run, &fleet, next, "--spare");
        expect_named(run, &fleet, i);
        peer_stop(&fleet.guests[i]);
        peer_say(&run->host, "named %s %u", names[i], PATIENT_US);
        sleep_ms(250); // the request stands in the slot by then, on a busy machine too
        peer_kill(&fleet.guests[i]);
        peer_expect(&run->host, "SIPC_PEER_DIED ");
        guest_serves(&fleet.guests[next]);
        expect_named(run, &fleet, next);
        peer_ask(&run->host, "SIPC_NO_GUEST ", "named %s %u", names[i], SHORT_US);
        peer_ask(&run->host, "SIPC_OK", "close");
        guest_ends(&fleet.guests[next]);
        peer_finish(&run->host);
    }
}

int main(void) {
    static const struct promise promises[] = {
        {"guests are restarted in turn, and no call fails", rolling_restart, 30, WITH_C_GUESTS},
        {"the load moves to those that serve", the_load_moves, 30, WITH_C_GUESTS},
        {"guests are killed in turn, and others serve", killed_guests, 30, WITH_C_GUESTS},
        {"a call reaches the guest that it names", named_guests, 30, WITH_C_GUESTS},
        {"a successor leaves alone what is not its own", a_successor_of_another_name, 30,
         WITH_C_GUESTS},
    };
    return run_promises("many guests", GROUP_SECONDS, promises, COUNT_OF(promises));
}
