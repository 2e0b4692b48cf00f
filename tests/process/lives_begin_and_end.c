// SPDX-License-Identifier: Apache-2.0
// Hosts and guests come and go, in order or by SIGKILL; who comes next finds everything usable.
#include <string.h>

#include "load.h"
#include "promises.h"

enum { SLOTS = 4, DATA_SIZE = 8192 };
// Death is known, and a name or a slot taken over, within this.
enum { PROMPT_US = 100000, PROMPT_MS = 100 };
// For what is only bounded by a busy machine.
enum { PATIENT_US = 1000000 };

static void guest_first(struct run *run) {
    start_guest(run, &run->guest, "");
    start_host(run, &run->host);
    sleep_ms(30); // the guest looks and waits
    open_region(run, &run->host, SLOTS, DATA_SIZE, DEFAULT_BACKEND);
    assert_int_equal(guest_serves(&run->guest), SLOTS);
    full_service(&run->host, SLOTS);
    end_pair(run);
}

static void no_host(struct run *run) {
    uint64_t began = now_ms();
    start_guest(run, &run->guest, "--attach-ms 100");
    const char *told = peer_expect(&run->guest, "failed ");
    assert_true(now_ms() - began >= 100);
    if (!strstr(told, run->region)) fail_msg("no name of the region in \"%s\"", told);
    if (!strstr(told, "no host")) fail_msg("no \"no host\" in \"%s\"", told);
    assert_int_equal(peer_exit_status(&run->guest), 1);
}

// One process opens and closes again and again, the guest attaches anew each time; both check after
// each time that they hold no more than before.
static void many_lives(struct run *run) {
    enum { ROUNDS = 20 };
    start_host(run, &run->host);
    start_guest(run, &run->guest, "--again");
    for (unsigned i = 0; i < ROUNDS; i++) {
        open_region(run, &run->host, SLOTS, DATA_SIZE, DEFAULT_BACKEND);
        guest_serves(&run->guest);
        full_service(&run->host, SLOTS);
        peer_ask(&run->host, "SIPC_OK", "close");
        assert_string_equal(peer_hear(&run->guest), "ended");
    }
    peer_kill(&run->guest);
    peer_finish(&run->host);
}

// ---- The host's end ----------------------------------------------------------------------------

static void shutdown_during_calls(struct run *run) {
    start_pair(run, SLOTS, DATA_SIZE);
    peer_ask(&run->host, "ok", "begin callers=6 sleep=0..100000");
    sleep_ms(30);
    uint64_t load = load_us();
    const char *done = peer_ask(&run->host, "SIPC_OK", "shutdown");
    uint64_t took = load_taken_from(number_in(done, "took_us="), load_us() - load);
    assert_in_range(took, 0, PROMPT_US);
    const char *numbers = peer_ask(&run->host, "ok", "end");
    assert_int_not_equal(number_in(numbers, "maybe_executed="), 0);
    const char *late = peer_ask(&run->host, "SIPC_CLOSED ", "plain %u 0 4 0", ANY_SLOT);
    assert_int_equal(number_in(late, "fate="), NOT_STARTED);
    peer_ask(&run->host, "SIPC_CLOSED ", "hold 0 %u 0", ANY_SLOT);
    end_pair(run);
}

// The next host starts at once, though nobody has cleaned up.
static void killed_host(struct run *run) {
    start_pair(run, SLOTS, DATA_SIZE);
    peer_ask(&run->host, "ok", "begin callers=4");
    sleep_ms(20);
    peer_kill(&run->host);
    start_host(run, &run->host);
    uint64_t load = load_us();
    const char *opened =
        peer_ask(&run->host, "SIPC_OK", "open %s %u %u 0 0", run->region, SLOTS, DATA_SIZE);
    uint64_t took = load_taken_from(number_in(opened, "took_us="), load_us() - load);
    assert_in_range(took, 0, PROMPT_US);
    start_guest(run, &run->other, "");
    assert_int_equal(guest_serves(&run->other), SLOTS);
    full_service(&run->host, SLOTS);
    peer_kill(&run->guest);
    peer_ask(&run->host, "SIPC_OK", "close");
    guest_ends(&run->other);
    peer_finish(&run->host);
}

static void guest_learns_of_the_hosts_death(struct run *run) {
    start_pair(run, SLOTS, DATA_SIZE);
    full_service(&run->host, SLOTS);
    peer_kill(&run->host);
    struct moment began = moment_now();
    assert_string_equal(peer_hear(&run->guest), "ended SIPC_PEER_DIED");
    assert_in_range(us_since(began), 0, PROMPT_US);
    peer_finish(&run->guest);
    start_host(run, &run->host);
    open_region(run, &run->host, SLOTS, DATA_SIZE, DEFAULT_BACKEND);
    start_guest(run, &run->guest, "");
    guest_serves(&run->guest);
    end_pair(run);
}

// Host after host, killed or closed, has the same process for a guest.
static void reconnecting_guest(struct run *run) {
    enum { ROUNDS = 4 };
    start_guest(run, &run->guest, "--reconnect");
    for (unsigned i = 0; i < ROUNDS; i++) {
        start_host(run, &run->host);
        open_region(run, &run->host, SLOTS, DATA_SIZE, DEFAULT_BACKEND);
        const char *who = peer_ask(&run->host, "ok", "reveal %u 128", ANY_SLOT);
        assert_int_equal(number_in(who, "process="), run->guest.pid);
        full_service(&run->host, SLOTS);
        if (i % 2 == 0) {
            peer_kill(&run->host);
        } else {
            peer_ask(&run->host, "SIPC_OK", "close");
            peer_finish(&run->host);
        }
    }
    guest_serves(&run->guest); // it said so once
    // Told to stop while it waits for the next one, it does so at once.
    sleep_ms(50);
    struct moment began = moment_now();
    peer_say(&run->guest, "stop");
    guest_ends(&run->guest);
    assert_in_range(us_since(began), 0, PROMPT_US);
}

// ---- The race for a name -----------------------------------------------------------------------

static struct peer *race(struct run *run, struct peer **loser) {
    enum { HEAD_START_MS = 1 };
    unsigned long long moment = (now_ms() + HEAD_START_MS + 1) * 1000000;
    peer_say(&run->host, "open %s 2 4096 0 %llu", run->region, moment);
    peer_say(&run->other, "open %s 2 4096 0 %llu", run->region, moment);
    bool first_won = strncmp(peer_hear(&run->host), "SIPC_OK ", 8) == 0;
    *loser = first_won ? &run->other : &run->host;
    peer_hear(&run->other);
    struct peer *winner = first_won ? &run->host : &run->other;
    if (strncmp(winner->line, "SIPC_OK ", 8) != 0 ||
        strncmp((*loser)->line, "SIPC_EXISTS ", 12) != 0)
        fail_msg("the race ended with \"%s\" and \"%s\"", run->host.line, run->other.line);
    return winner;
}

// The loser tries on during the winner's calls, which it must not harm.
static void disturb(struct run *run, struct peer *winner, struct peer *loser) {
    peer_say(winner, "traffic callers=2 calls=20");
    for (unsigned i = 0; i < 3; i++)
        peer_ask(loser, "SIPC_EXISTS ", "open %s 2 4096 0 0", run->region);
    const char *numbers = peer_expect(winner, "ok");
    assert_int_equal(number_in(numbers, "answered="), 40);
}

static void await_end(struct peer *guest) {
    while (strcmp(peer_hear(guest), "ended") != 0) {
    }
}

static void two_hosts(struct run *run) {
    enum { ROUNDS = 200 };
    start_host(run, &run->host);
    peer_start(&run->other, HOST_C, NULL);
    peer_expect(&run->other, "ready");
    start_guest(run, &run->guest, "--again");
    for (unsigned i = 0; i < ROUNDS; i++) {
        struct peer *loser;
        struct peer *winner = race(run, &loser);
        disturb(run, winner, loser);
        peer_ask(winner, "SIPC_OK", "close");
        await_end(&run->guest);
    }
    peer_kill(&run->guest);
    peer_finish(&run->other);
    peer_finish(&run->host);
}

// The same for what a killed host has left.
static void two_hosts_for_a_stale_name(struct run *run) {
    enum { ROUNDS = 20 };
    start_host(run, &run->host);
    peer_start(&run->other, HOST_C, NULL);
    peer_expect(&run->other, "ready");
    for (unsigned i = 0; i < ROUNDS; i++) {
        struct peer *loser;
        struct peer *winner = race(run, &loser);
        peer_ask(loser, "SIPC_EXISTS ", "open %s 2 4096 0 0", run->region);
        peer_kill(winner);
        peer_start(winner, winner == &run->other ? HOST_C : run->pairing->host, NULL);
        peer_expect(winner, "ready");
    }
    peer_ask(&run->host, "SIPC_OK", "open %s 2 4096 0 0", run->region);
    start_guest(run, &run->guest, "");
    guest_serves(&run->guest);
    full_service(&run->host, 2);
    peer_finish(&run->other);
    end_pair(run);
}

// ---- The guest's end ---------------------------------------------------------------------------

static void replace_killed_guest(struct run *run) {
    peer_kill(&run->guest);
    start_guest(run, &run->guest, "");
    assert_int_equal(guest_serves(&run->guest), SLOTS);
}

// How long the host's first call after the successor has attached takes.
static uint64_t first_call_ms(struct run *run) {
    uint64_t began = now_ms();
    const char *who = peer_ask(&run->host, "ok", "reveal %u 128", ANY_SLOT);
    assert_int_equal(number_in(who, "process="), run->guest.pid);
    return now_ms() - began;
}

// The calls of the dead guest end with their fate; those after the successor has come are its. One
// slow round may be the busy machine's.
static void killed_guest(struct run *run) {
    enum { ROUNDS = 5, TIMEOUT_US = 5000000 };
    uint64_t fastest = UINT64_MAX;
    start_pair(run, SLOTS, DATA_SIZE);
    for (unsigned i = 0; i < ROUNDS; i++) {
        peer_ask(&run->host, "ok", "begin callers=3 timeout=%d sleep=0..500", TIMEOUT_US);
        sleep_ms(10);
        replace_killed_guest(run);
        uint64_t took = first_call_ms(run);
        if (took < fastest) fastest = took;
        const char *numbers = peer_ask(&run->host, "ok", "end");
        assert_int_not_equal(number_in(numbers, "answered="), 0);
        assert_in_range(number_in(numbers, "longest_us="), 0, PATIENT_US);
        full_service(&run->host, SLOTS);
    }
    assert_in_range(fastest, 0, PROMPT_MS);
    end_pair(run);
}

// In the handler when its guest is killed: maybe executed, told at once and not at the deadline.
static void killed_in_the_handler(struct run *run) {
    enum { ANNOUNCE = 134, HANDLER_US = 10000000, TIMEOUT_US = 10000000 };
    start_pair(run, SLOTS, DATA_SIZE);
    peer_say(&run->host, "stamped 1 %d 40 %d %d", ANNOUNCE, TIMEOUT_US, HANDLER_US);
    peer_expect(&run->guest, "handling");
    struct moment began = moment_now();
    peer_kill(&run->guest);
    const char *told = peer_expect(&run->host, "SIPC_PEER_DIED_MAYBE_EXECUTED ");
    assert_in_range(us_since(began), 0, PROMPT_US);
    assert_int_equal(number_in(told, "fate="), MAYBE_EXECUTED);
    start_guest(run, &run->guest, "");
    assert_int_equal(guest_serves(&run->guest), SLOTS);
    full_service(&run->host, SLOTS);
    end_pair(run);
}

static void expect_executions(struct run *run, const char *of, uint64_t count) {
    unsigned sequence = (unsigned)number_in(of, "sequence=");
    const char *told = peer_ask(&run->host, "ok", "executions %u", sequence);
    assert_int_equal(number_in(told, "executions="), count);
}

// The host is stopped meanwhile, so that the successor finds the slot as the dead guest left it.
static void replace_guest_behind_the_hosts_back(struct run *run) {
    peer_stop(&run->host);
    replace_killed_guest(run);
    peer_continue(&run->host);
}

static void succeeded_after_the_start(struct run *run) {
    enum { ANNOUNCE = 134, HANDLER_US = 10000000 };
    start_pair(run, SLOTS, DATA_SIZE);
    peer_say(&run->host, "stamped 1 %d 40 0 %d", ANNOUNCE, HANDLER_US);
    peer_expect(&run->guest, "handling");
    replace_guest_behind_the_hosts_back(run);
    expect_executions(run, peer_expect(&run->host, "SIPC_PEER_DIED_MAYBE_EXECUTED "), 0);
    full_service(&run->host, SLOTS);
    end_pair(run);
}

static void succeeded_before_the_start(struct run *run) {
    start_pair(run, SLOTS, DATA_SIZE);
    full_service(&run->host, SLOTS);
    peer_stop(&run->guest);
    peer_say(&run->host, "stamped 1 %u 40 0 0", STAMPED(40));
    sleep_ms(30); // the request stands in the slot
    replace_guest_behind_the_hosts_back(run);
    expect_executions(run, peer_expect(&run->host, "SIPC_OK "), 1);
    full_service(&run->host, SLOTS);
    end_pair(run);
}

// Told to stop, a guest answers what it has begun and leaves the rest to the next one: no call
// fails.
static void handed_over(struct run *run) {
    enum { ROUNDS = 5 };
    start_pair(run, SLOTS, DATA_SIZE);
    peer_ask(&run->host, "ok", "begin callers=4 sleep=0..500");
    for (unsigned i = 0; i < ROUNDS; i++) {
        sleep_ms(10);
        peer_say(&run->guest, "stop");
        guest_ends(&run->guest);
        start_guest(run, &run->guest, "");
        assert_int_equal(guest_serves(&run->guest), SLOTS);
    }
    sleep_ms(10);
    const char *numbers = peer_ask(&run->host, "ok", "end");
    assert_int_not_equal(number_in(numbers, "answered="), 0);
    assert_int_equal(number_in(numbers, "not_started=") + number_in(numbers, "maybe_executed="), 0);
    end_pair(run);
}

static void shared_slots(struct run *run) {
    struct peer third;
    start_host(run, &run->host);
    open_region(run, &run->host, SLOTS, DATA_SIZE, DEFAULT_BACKEND);
    start_guest(run, &run->guest, "--workers 3");
    assert_int_equal(guest_serves(&run->guest), 3);
    start_guest(run, &run->other, "");
    assert_int_equal(guest_serves(&run->other), 1);
    start_guest(run, &third, "");
    const char *told = peer_expect(&third, "failed ");
    if (!strstr(told, "slot")) fail_msg("no word of slots in \"%s\"", told);
    assert_int_equal(peer_exit_status(&third), 1);
    unsigned of_the_first = 0;
    for (unsigned slot = 0; slot < SLOTS; slot++) {
        uint64_t process = number_in(peer_ask(&run->host, "ok", "reveal %u 128", slot), "process=");
        assert_true(process == (uint64_t)run->guest.pid || process == (uint64_t)run->other.pid);
        if (process == (uint64_t)run->guest.pid) of_the_first++;
    }
    assert_int_equal(of_the_first, 3);
    full_service(&run->host, SLOTS);
    // One leaves: calls that leave the slot open go to the other.
    peer_say(&run->guest, "stop");
    guest_ends(&run->guest);
    for (unsigned i = 0; i < 20; i++) {
        const char *who = peer_ask(&run->host, "ok", "reveal %u 128", ANY_SLOT);
        assert_int_equal(number_in(who, "process="), run->other.pid);
    }
    start_guest(run, &run->guest, "");
    assert_int_equal(guest_serves(&run->guest), 3);
    full_service(&run->host, SLOTS);
    peer_say(&run->other, "stop");
    guest_ends(&run->other);
    end_pair(run);
}

int main(void) {
    static const struct promise promises[] = {
        {"a guest may start before its host", guest_first, 20, EVERY_PAIRING},
        {"a guest without host says so at its deadline", no_host, 20, EVERY_PAIRING},
        {"opening and closing again and again leaks nothing", many_lives, 30, EVERY_PAIRING},
        {"a shutdown ends the calls in flight and the guest", shutdown_during_calls, 20,
         EVERY_PAIRING},
        {"after SIGKILL of the host the next one starts at once", killed_host, 20, EVERY_PAIRING},
        {"a guest learns that its host was killed", guest_learns_of_the_hosts_death, 20,
         EVERY_PAIRING},
        {"a guest that reconnects serves host after host", reconnecting_guest, 20, EVERY_PAIRING},
        {"of two hosts exactly one gets the name, unharmed by the other", two_hosts, 60,
         EVERY_PAIRING},
        {"of two hosts exactly one replaces a stale region", two_hosts_for_a_stale_name, 30,
         EVERY_PAIRING},
        {"after SIGKILL of the guest the next one serves its slots", killed_guest, 30,
         EVERY_PAIRING},
        {"a call in the handler of a killed guest ends at once", killed_in_the_handler, 20,
         EVERY_PAIRING},
        {"a successor does not begin what its predecessor had begun", succeeded_after_the_start, 20,
         EVERY_PAIRING},
        {"a successor begins what its predecessor had not", succeeded_before_the_start, 20,
         EVERY_PAIRING},
        {"a guest that stops hands over without a failed call", handed_over, 20, EVERY_PAIRING},
        {"guests share the slots", shared_slots, 20, EVERY_PAIRING},
    };
    load_watch();
    int failed = run_promises("lives", GROUP_SECONDS, promises, COUNT_OF(promises));
    load_watch_end();
    return failed;
}
