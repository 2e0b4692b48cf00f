// SPDX-License-Identifier: Apache-2.0
// Programs that wait in loops of epoll, on either side: all that comes is heard of, each request
// has its own response or its fate, and a death is known at once.
#include "promises.h"

#include <string.h>

enum { DEPTH = 8, DATA_SIZE = 8192, MANY = 1000, KNOWN_MAX_MS = 100, LONG_US = 9000000 };

static const char *looper_of(const struct run *run) {
    return strcmp(run->pairing->host, HOST_CPP) == 0 ? LOOPER_HOST_CPP : LOOPER_HOST_C;
}

static void start_looper(struct run *run, struct peer *looper, const char *program,
                         unsigned depth) {
    peer_start(looper, program, NULL);
    peer_expect(looper, "ready");
    peer_ask(looper, "SIPC_OK", "open %s %u", run->region, depth);
}

static void expect_answers(struct peer *looper, unsigned count) {
    const char *told = peer_ask(looper, "SIPC_OK", "exchange %u", count);
    assert_int_equal(number_in(told, "answered="), count);
}

static void end_looper(struct peer *looper) {
    peer_ask(looper, "SIPC_OK", "close");
    peer_finish(looper);
}

// ---- Hosts whose calls are in flight -----------------------------------------------------------

static void a_host_hears_its_guest(struct run *run) {
    start_looper(run, &run->host, looper_of(run), DEPTH);
    start_guest(run, &run->guest, "");
    assert_int_equal(guest_serves(&run->guest), DEPTH);
    for (unsigned i = 0; i < 3; i++) expect_answers(&run->host, MANY);
    expect_answers(&run->host, 1);
    end_looper(&run->host);
    guest_ends(&run->guest);
}

static void a_host_hears_of_its_guests_death(struct run *run) {
    start_looper(run, &run->host, looper_of(run), 4);
    start_guest(run, &run->guest, "");
    assert_int_equal(guest_serves(&run->guest), 4);
    peer_ask(&run->host, "SIPC_OK", "hold 4 %d", LONG_US);
    for (unsigned i = 0; i < 4; i++) peer_expect(&run->guest, "handling");
    peer_say(&run->host, "fates");
    sleep_ms(5); // as a rule it sleeps by then
    uint64_t killed = now_ms();
    peer_kill(&run->guest);
    const char *told = peer_expect(&run->host, "SIPC_OK");
    assert_in_range(now_ms() - killed, 0, KNOWN_MAX_MS);
    assert_int_equal(number_in(told, "maybe_executed="), 4);
    assert_int_equal(number_in(told, "died="), 4);
    start_guest(run, &run->other, "");
    assert_int_equal(guest_serves(&run->other), 4);
    expect_answers(&run->host, 100);
    end_looper(&run->host);
    guest_ends(&run->other);
}

// ---- Guests whose calls are in flight ----------------------------------------------------------

static void start_server(struct run *run, const char *option) {
    bool cpp = strcmp(run->pairing->host, HOST_CPP) == 0;
    peer_start(&run->guest, cpp ? SERVER_CPP : SERVER_C, run->region, "8", "8192", option, NULL);
    peer_expect(&run->guest, "ready");
}

// It may have said that it was handling something.
static void end_server(struct run *run) {
    peer_say(&run->guest, "end");
    while (strcmp(peer_hear(&run->guest), "ended") != 0) {
    }
    peer_finish(&run->guest);
}

static void a_guest_hears_its_host(struct run *run) {
    // Who serves may be in a loop, too.
    static const char *const options[] = {NULL, "--poll", "--loop"};
    for (unsigned i = 0; i < COUNT_OF(options); i++) {
        start_server(run, options[i]);
        start_looper(run, &run->host, LOOPER_GUEST_C, DEPTH);
        expect_answers(&run->host, MANY);
        end_looper(&run->host);
        end_server(run);
    }
}

static void a_guest_hears_of_its_hosts_death(struct run *run) {
    start_server(run, "--loop");
    start_looper(run, &run->host, LOOPER_GUEST_C, 4);
    peer_ask(&run->host, "SIPC_OK", "hold 4 %d", LONG_US);
    peer_expect(&run->guest, "handling");
    peer_say(&run->host, "fates");
    sleep_ms(5);
    uint64_t killed = now_ms();
    peer_kill(&run->guest);
    const char *told = peer_expect(&run->host, "SIPC_OK");
    assert_in_range(now_ms() - killed, 0, KNOWN_MAX_MS);
    assert_int_equal(number_in(told, "maybe_executed="), 1);
    assert_int_equal(number_in(told, "not_started="), 3);
    end_looper(&run->host);
    assert_int_equal(remove_leftovers(run->region), 1); // the killed host's
}

// ---- Who serves --------------------------------------------------------------------------------

static void a_guest_serves_from_a_loop(struct run *run) {
    start_host(run, &run->host);
    open_region(run, &run->host, 4, DATA_SIZE, DEFAULT_BACKEND);
    start_guest(run, &run->guest, "--loop");
    assert_int_equal(guest_serves(&run->guest), 4);
    full_service(&run->host, 4);
    const char *numbers =
        peer_ask(&run->host, "ok", "traffic callers=4 calls=100 way=any pause=0..2000");
    assert_int_equal(number_in(numbers, "answered="), 400);
    end_pair(run);
}

static void its_hosts_death_ends_a_guest_in_a_loop(struct run *run) {
    start_host(run, &run->host);
    open_region(run, &run->host, 2, DATA_SIZE, DEFAULT_BACKEND);
    start_guest(run, &run->guest, "--loop");
    assert_int_equal(guest_serves(&run->guest), 2);
    sleep_ms(5);
    uint64_t killed = now_ms();
    peer_kill(&run->host);
    assert_string_equal(peer_hear(&run->guest), "ended SIPC_PEER_DIED");
    assert_in_range(now_ms() - killed, 0, KNOWN_MAX_MS);
    peer_finish(&run->guest);
    assert_int_equal(remove_leftovers(run->region), 1);
}

static void a_host_serves_from_a_loop(struct run *run) {
    start_server(run, "--loop");
    peer_start(&run->host, run->pairing->go ? CALLER_GO : CALLER_C, NULL);
    peer_expect(&run->host, "ready");
    peer_ask(&run->host, "SIPC_OK", "open %s 4 0 0 0", run->region);
    peer_ask(&run->host, "ok", "sizes 0 300 1");
    const char *numbers =
        peer_ask(&run->host, "ok", "traffic callers=4 calls=200 way=any pause=0..500");
    assert_int_equal(number_in(numbers, "answered="), 800);
    peer_ask(&run->host, "SIPC_OK", "close");
    peer_finish(&run->host);
    end_server(run);
}

int main(void) {
    static const struct promise promises[] = {
        {"a host in a loop hears its guest", a_host_hears_its_guest, 20, EVERY_PAIRING},
        {"a host in a loop hears of its guest's death", a_host_hears_of_its_guests_death, 20,
         EVERY_PAIRING},
        {"a guest in a loop hears its host", a_guest_hears_its_host, 20, WITH_C_GUESTS},
        {"a guest in a loop hears of its host's death", a_guest_hears_of_its_hosts_death, 20,
         WITH_C_GUESTS},
        {"a guest serves from a loop", a_guest_serves_from_a_loop, 20, WITH_C_GUESTS},
        {"its host's death ends a guest in a loop", its_hosts_death_ends_a_guest_in_a_loop, 20,
         WITH_C_GUESTS},
        {"a host serves from a loop", a_host_serves_from_a_loop, 20, EVERY_PAIRING},
    };
    return run_promises("event loops wait", GROUP_SECONDS, promises, COUNT_OF(promises));
}
