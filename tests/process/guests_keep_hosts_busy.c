// SPDX-License-Identifier: Apache-2.0
// Guests in C, C++ and Go keep many requests to their host in flight: each has its own response, or
// its fate when the host dies or closes, and the slots of a guest that died serve the next one.
#include "load.h"
#include "promises.h"

#include <string.h>

enum { DEPTH = 8, DATA_SIZE = 8192, MANY = 1000, KNOWN_MAX_US = 100000, LONG_US = 9000000 };

// Hosts are those that serve; a pairing with a C guest is run with a C++ guest as well.
static void start_server(struct run *run, const char *option) {
    bool cpp = strcmp(run->pairing->host, HOST_CPP) == 0;
    peer_start(&run->guest, cpp ? SERVER_CPP : SERVER_C, run->region, "8", "8192", option, NULL);
    peer_expect(&run->guest, "ready");
}

// It may have said that it was handling something.
static void await_server_end(struct run *run) {
    while (strcmp(peer_hear(&run->guest), "ended") != 0) {
    }
    peer_finish(&run->guest);
}

static void end_server(struct run *run) {
    peer_say(&run->guest, "end");
    await_server_end(run);
}

static void start_pipeliner(struct run *run, struct peer *peer, const char *program,
                            unsigned depth) {
    peer_start(peer, program, NULL);
    peer_expect(peer, "ready");
    peer_ask(peer, "SIPC_OK", "open %s %u", run->region, depth);
}

static void end_pipeliner(struct peer *peer) {
    peer_ask(peer, "SIPC_OK", "close");
    peer_finish(peer);
}

static void expect_answers(struct peer *peer, unsigned count) {
    const char *told = peer_ask(peer, "SIPC_OK", "exchange %u", count);
    assert_int_equal(number_in(told, "answered="), count);
}

// ---- Promises ----------------------------------------------------------------------------------

static void overlap(struct run *run, const char *program) {
    start_server(run, NULL);
    start_pipeliner(run, &run->host, program, DEPTH);
    expect_answers(&run->host, MANY);
    end_pipeliner(&run->host);
    // Two guests at a time.
    start_pipeliner(run, &run->host, program, DEPTH / 2);
    start_pipeliner(run, &run->other, program, DEPTH / 2);
    peer_say(&run->host, "exchange %u", MANY);
    expect_answers(&run->other, MANY);
    assert_int_equal(number_in(peer_expect(&run->host, "SIPC_OK"), "answered="), MANY);
    end_pipeliner(&run->other);
    end_pipeliner(&run->host);
    end_server(run);
    start_server(run, "--poll");
    start_pipeliner(run, &run->host, program, DEPTH);
    expect_answers(&run->host, MANY);
    end_pipeliner(&run->host);
    end_server(run);
}

// It handles one request after the other, so the others are not started.
static void host_dies(struct run *run, const char *program) {
    start_server(run, "--poll");
    start_pipeliner(run, &run->host, program, 4);
    peer_ask(&run->host, "SIPC_OK", "hold 4 %d", LONG_US);
    peer_expect(&run->guest, "handling");
    peer_say(&run->host, "fates");
    sleep_ms(5); // as a rule it sleeps by then
    struct moment killed = moment_now();
    peer_kill(&run->guest);
    const char *told = peer_expect(&run->host, "SIPC_OK");
    assert_in_range(us_since(killed), 0, KNOWN_MAX_US);
    assert_int_equal(number_in(told, "maybe_executed="), 1);
    assert_int_equal(number_in(told, "not_started="), 3);
    assert_int_equal(number_in(told, "died="), 4);
    end_pipeliner(&run->host);
    start_server(run, NULL);
    start_pipeliner(run, &run->host, program, 4);
    expect_answers(&run->host, 100);
    end_pipeliner(&run->host);
    end_server(run);
}

static void host_closes(struct run *run, const char *program) {
    start_server(run, NULL);
    start_pipeliner(run, &run->host, program, 4);
    peer_ask(&run->host, "SIPC_OK", "hold 4 30000");
    for (unsigned i = 0; i < 4; i++) peer_expect(&run->guest, "handling");
    peer_say(&run->host, "fates");
    end_server(run); // what it has begun is answered
    assert_int_equal(number_in(peer_expect(&run->host, "SIPC_OK"), "answered="), 4);
    end_pipeliner(&run->host);
    // And of one whose handler has begun one of four.
    start_server(run, "--poll");
    start_pipeliner(run, &run->host, program, 4);
    peer_ask(&run->host, "SIPC_OK", "hold 4 10000");
    peer_expect(&run->guest, "handling");
    peer_say(&run->guest, "end");
    const char *told = peer_ask(&run->host, "SIPC_OK", "fates");
    assert_in_range(number_in(told, "answered="), 1, 4);
    assert_int_equal(number_in(told, "answered=") + number_in(told, "closed="), 4);
    assert_int_equal(number_in(told, "maybe_executed="), 0);
    await_server_end(run);
    end_pipeliner(&run->host);
}

static void guest_dies(struct run *run, const char *program) {
    start_server(run, NULL);
    for (unsigned round = 0; round < 8; round++) {
        start_pipeliner(run, &run->host, program, DEPTH);
        if (round % 2) {
            peer_say(&run->host, "exchange 1000000");
            sleep_ms(round);
        } else {
            peer_ask(&run->host, "SIPC_OK", "hold %d 5000", DEPTH);
        }
        peer_kill(&run->host);
        start_pipeliner(run, &run->other, program, DEPTH);
        expect_answers(&run->other, 100);
        end_pipeliner(&run->other);
    }
    end_server(run);
}

// ---- In each language --------------------------------------------------------------------------

static void in_each_language(struct run *run, void (*keep)(struct run *, const char *)) {
    if (run->pairing->go) {
        keep(run, PIPELINER_GO);
        return;
    }
    keep(run, PIPELINER_C);
    keep(run, PIPELINER_CPP);
}

static void requests_overlap(struct run *run) {
    in_each_language(run, overlap);
}

static void a_killed_host_is_known(struct run *run) {
    in_each_language(run, host_dies);
}

static void a_host_that_closes_is_known(struct run *run) {
    in_each_language(run, host_closes);
}

static void a_killed_guest_leaves_its_slots(struct run *run) {
    in_each_language(run, guest_dies);
}

int main(void) {
    static const struct promise promises[] = {
        {"requests of guests overlap, and each has its own response", requests_overlap, 30,
         EVERY_PAIRING},
        {"a killed host is known at once, with the fate of each request", a_killed_host_is_known,
         20, EVERY_PAIRING},
        {"a host that closes answers what it has begun", a_host_that_closes_is_known, 20,
         EVERY_PAIRING},
        {"a killed guest leaves its slots to the next", a_killed_guest_leaves_its_slots, 30,
         EVERY_PAIRING},
    };
    load_watch();
    int failed =
        run_promises("guests keep hosts busy", GROUP_SECONDS, promises, COUNT_OF(promises));
    load_watch_end();
    return failed;
}
