// SPDX-License-Identifier: Apache-2.0
// Guests call their host through slots of their own, as hosts call guests: what is sent arrives,
// each call that ends without a response tells its fate, and a death is known at once.
#include "load.h"
#include "promises.h"

#include <string.h>

// Stamped; who serves prints "handling" before it sleeps.
enum { ANNOUNCE = 134 };
enum { SLOTS = 4, DATA_SIZE = 8192, CAPACITY = DATA_SIZE / 2, KNOWN_MAX_US = 100000 };

// In a run the process that calls stands at the host's place, and the one that serves at the
// guest's.
static void start_server(struct run *run, const char *option) {
    bool cpp = strcmp(run->pairing->host, HOST_CPP) == 0;
    peer_start(&run->guest, cpp ? SERVER_CPP : SERVER_C, run->region, "4", "8192", option, NULL);
    peer_expect(&run->guest, "ready");
}

// In the language of the pairing's guest.
static void start_caller(struct run *run, struct peer *caller, unsigned slots) {
    peer_start(caller, run->pairing->go ? CALLER_GO : CALLER_C, NULL);
    peer_expect(caller, "ready");
    peer_ask(caller, "SIPC_OK", "open %s %u 0 0 0", run->region, slots);
}

static void end_caller(struct peer *caller) {
    peer_ask(caller, "SIPC_OK", "close");
    peer_finish(caller);
}

static void end_server(struct run *run) {
    peer_say(&run->guest, "end");
    assert_string_equal(peer_hear(&run->guest), "ended");
    peer_finish(&run->guest);
}

static void expect_traffic(struct peer *caller, unsigned callers, const char *way) {
    const char *numbers = peer_ask(
        caller, "ok", "traffic callers=%u calls=200 way=%s request=0..%d", callers, way, CAPACITY);
    assert_int_equal(number_in(numbers, "answered="), 200 * callers);
}

static void calls_pass(struct run *run, const char *option) {
    start_server(run, option);
    start_caller(run, &run->host, SLOTS);
    const char *swept = peer_ask(&run->host, "ok", "sizes 0 300 1");
    assert_int_equal(number_in(swept, "capacity="), CAPACITY);
    peer_ask(&run->host, "ok", "sizes %d %d 1", CAPACITY - 1, CAPACITY);
    expect_traffic(&run->host, 1, "any");
    expect_traffic(&run->host, 8, "any");
    expect_traffic(&run->host, 4, "session");
    expect_traffic(&run->host, 4, "in-place");
    end_caller(&run->host);
    end_server(run);
}

static void workers_serve(struct run *run) {
    calls_pass(run, NULL);
}

static void polls_serve(struct run *run) {
    calls_pass(run, "--poll");
}

static void deadlines(struct run *run) {
    start_server(run, NULL);
    start_caller(run, &run->host, 1);
    // The handler sleeps for longer than the caller waits. Where it was not begun in time, it is
    // asked for again with twice the time.
    uint64_t fate = NOT_STARTED;
    for (unsigned timeout_us = 20000; fate == NOT_STARTED; timeout_us *= 2) {
        const char *late = peer_ask(&run->host, "SIPC_TIMEOUT", "stamped %u %u 40 %u %u", ANY_SLOT,
                                    STAMPED(16), timeout_us, 500000 + timeout_us);
        fate = number_in(late, "fate=");
        assert_in_range(number_in(late, "took_us="), timeout_us, 10000000);
    }
    assert_int_equal(fate, MAYBE_EXECUTED);
    const char *behind = peer_ask(&run->host, "SIPC_ALL_SLOTS_BUSY", "stamped %u %u 40 1000 0",
                                  ANY_SLOT, STAMPED(16));
    assert_int_equal(number_in(behind, "fate="), NOT_STARTED);
    // The late response is dropped, and the slot is back.
    peer_ask(&run->host, "SIPC_OK", "stamped %u %u 40 0 0", ANY_SLOT, STAMPED(16));
    end_caller(&run->host);
    end_server(run);
}

static void a_killed_host_is_known(struct run *run) {
    start_server(run, NULL);
    start_caller(run, &run->host, 1);
    peer_say(&run->host, "stamped %u %u 40 0 9000000", ANY_SLOT, ANNOUNCE);
    peer_expect(&run->guest, "handling");
    struct moment killed = moment_now();
    peer_kill(&run->guest);
    const char *told = peer_expect(&run->host, "SIPC_PEER_DIED_MAYBE_EXECUTED");
    assert_in_range(us_since(killed), 0, KNOWN_MAX_US);
    assert_int_equal(number_in(told, "fate="), MAYBE_EXECUTED);
    struct moment asked = moment_now();
    told = peer_ask(&run->host, "SIPC_PEER_DIED", "stamped %u %u 40 0 0", ANY_SLOT, STAMPED(16));
    assert_int_equal(number_in(told, "fate="), NOT_STARTED);
    assert_in_range(us_since(asked), 0, KNOWN_MAX_US);
    end_caller(&run->host);
    // The name is free at once, and guests find the next host.
    start_server(run, NULL);
    start_caller(run, &run->host, 1);
    expect_traffic(&run->host, 1, "any");
    end_caller(&run->host);
    end_server(run);
}

static void a_host_that_closes_is_known(struct run *run) {
    start_server(run, NULL);
    start_caller(run, &run->host, 2);
    peer_say(&run->host, "stamped %u %u 40 0 50000", ANY_SLOT, ANNOUNCE);
    peer_expect(&run->guest, "handling");
    end_server(run); // what it has begun is answered
    peer_expect(&run->host, "SIPC_OK");
    peer_ask(&run->host, "SIPC_CLOSED", "stamped %u %u 40 0 0", ANY_SLOT, STAMPED(16));
    end_caller(&run->host);
}

// Its slots serve the next guest, also the one whose request the host still handles.
static void a_killed_guest_leaves_its_slots(struct run *run) {
    start_server(run, NULL);
    for (unsigned round = 0; round < 20; round++) {
        start_caller(run, &run->host, SLOTS);
        peer_say(&run->host, "stamped %u %u 40 0 30000", ANY_SLOT, ANNOUNCE);
        peer_expect(&run->guest, "handling");
        peer_kill(&run->host);
        start_caller(run, &run->other, SLOTS);
        expect_traffic(&run->other, SLOTS, "session");
        expect_traffic(&run->other, 8, "any");
        end_caller(&run->other);
    }
    end_server(run);
}

int main(void) {
    static const struct promise promises[] = {
        {"every size passes to a host and back", workers_serve, 20, EVERY_PAIRING},
        {"a host can serve from a loop of its own", polls_serve, 20, EVERY_PAIRING},
        {"a deadline tells the fate", deadlines, 20, EVERY_PAIRING},
        {"a killed host is known at once, and the next one is found", a_killed_host_is_known, 20,
         EVERY_PAIRING},
        {"a host that closes answers what it has begun", a_host_that_closes_is_known, 20,
         EVERY_PAIRING},
        {"a killed guest leaves its slots to the next", a_killed_guest_leaves_its_slots, 30,
         EVERY_PAIRING},
    };
    load_watch();
    int failed = run_promises("guest calls", GROUP_SECONDS, promises, COUNT_OF(promises));
    load_watch_end();
    return failed;
}
