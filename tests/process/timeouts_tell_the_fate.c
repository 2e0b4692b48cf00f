// SPDX-License-Identifier: Apache-2.0
// A call ends at its deadline and says truly what became of its request. The slot comes back.
#include "promises.h"

enum { SLOTS = 4, DATA_SIZE = 8192 };
// What an overloaded machine may add to a deadline. Far below every handler's sleep that a call
// must not wait for.
enum { SLACK_US = 500000 };

static void expect_executions(struct run *run, uint64_t sequence, uint64_t count) {
    const char *told = peer_ask(&run->host, "ok", "executions %u", (unsigned)sequence);
    assert_int_equal(number_in(told, "executions="), count);
}

static void expect_deadline(const char *told, unsigned timeout_us) {
    assert_in_range(number_in(told, "took_us="), timeout_us, timeout_us + SLACK_US);
}

// Of many calls, few are late at all.
static void expect_deadlines(const char *numbers) {
    uint64_t calls = number_in(numbers, "answered=") + number_in(numbers, "not_started=") +
                     number_in(numbers, "maybe_executed=");
    if (number_in(numbers, "overrun_us=") > SLACK_US || number_in(numbers, "late=") * 5 > calls)
        fail_msg("deadlines were missed: %s", numbers);
}

// 1 ms against a handler that takes much longer. Where the guest was too slow to begin in time, the
// call says so, truly, and is made again.
static void slow_handler(struct run *run) {
    enum { TIMEOUT_US = 1000, HANDLER_US = 1000000, MOST_TRIES = 200 };
    start_pair(run, SLOTS, DATA_SIZE);
    uint64_t fate = NOT_STARTED, sequence = 0;
    for (unsigned i = 0; i < MOST_TRIES && fate == NOT_STARTED; i++) {
        const char *told = peer_ask(&run->host, "SIPC_TIMEOUT", "stamped 1 %u 40 %u %u",
                                    STAMPED(40), TIMEOUT_US, HANDLER_US);
        expect_deadline(told, TIMEOUT_US);
        fate = number_in(told, "fate=");
        sequence = number_in(told, "sequence=");
        if (fate == NOT_STARTED) expect_executions(run, sequence, 0);
    }
    assert_int_equal(fate, MAYBE_EXECUTED);
    // The slot is out of use while the handler runs; then it serves again, and the late response
    // is nobody's.
    peer_ask(&run->host, "SIPC_ALL_SLOTS_BUSY", "stamped 1 %u 40 1000 0", STAMPED(40));
    peer_ask(&run->host, "SIPC_OK", "stamped 1 %u 40 0 0", STAMPED(300));
    expect_executions(run, sequence, 1);
    full_service(&run->host, SLOTS);
    end_pair(run);
}

// Handlers that take about as long as the timeout, on every way to a slot: whatever the calls say
// of themselves is what the guest counted.
static void straddled_deadlines(struct run *run) {
    start_pair(run, SLOTS, DATA_SIZE);
    for (unsigned way = 0; way < WAYS; way++) {
        const char *numbers =
            peer_ask(&run->host, "ok",
                     "traffic callers=4 calls=100 way=%s timeout=1000 sleep=0..2500", ways[way]);
        assert_int_equal(number_in(numbers, "answered=") + number_in(numbers, "not_started=") +
                             number_in(numbers, "maybe_executed="),
                         400);
        assert_int_not_equal(number_in(numbers, "maybe_executed="), 0);
        expect_deadlines(numbers);
        peer_ask(&run->host, "ok", "audit");
        full_service(&run->host, SLOTS);
    }
    const char *numbers =
        peer_ask(&run->host, "ok", "traffic callers=8 calls=50 timeout=1000 sleep=0..2500");
    expect_deadlines(numbers);
    peer_ask(&run->host, "ok", "audit");
    end_pair(run);
}

// Deadlines of microseconds, for a guest that has just fallen asleep: many of them pass while it
// begins.
static void cancelled_at_the_start(struct run *run) {
    start_pair(run, SLOTS, DATA_SIZE);
    peer_ask(&run->host, "ok", "traffic callers=4 calls=5000 pause=0..300 timeout=2..60");
    peer_ask(&run->host, "ok", "audit");
    full_service(&run->host, SLOTS);
    end_pair(run);
}

// A stopped guest cannot have begun what was sent after it stopped.
static void stopped_idle(struct run *run) {
    enum { TIMEOUT_US = 30000 };
    uint64_t sequences[SLOTS];
    start_pair(run, SLOTS, DATA_SIZE);
    full_service(&run->host, SLOTS);
    peer_stop(&run->guest);
    for (unsigned slot = 0; slot < SLOTS; slot++) {
        const char *told = peer_ask(&run->host, "SIPC_TIMEOUT ", "stamped %u %u 40 %u 0", slot,
                                    STAMPED(40), TIMEOUT_US);
        assert_int_equal(number_in(told, "fate="), NOT_STARTED);
        expect_deadline(told, TIMEOUT_US);
        sequences[slot] = number_in(told, "sequence=");
    }
    peer_continue(&run->guest);
    full_service(&run->host, SLOTS);
    for (unsigned slot = 0; slot < SLOTS; slot++) expect_executions(run, sequences[slot], 0);
    end_pair(run);
}

// Stopped inside the handler of slot 2: that request may have been executed, others were not.
static void stopped_in_handler(struct run *run) {
    enum { TIMEOUT_US = 400000, HANDLER_US = 1500000, ANNOUNCE = 134 };
    start_pair(run, SLOTS, DATA_SIZE);
    peer_say(&run->host, "stamped 2 %u 40 %u %u", ANNOUNCE, TIMEOUT_US, HANDLER_US);
    peer_expect(&run->guest, "handling");
    peer_stop(&run->guest);
    const char *told = peer_expect(&run->host, "SIPC_TIMEOUT_MAYBE_EXECUTED");
    expect_deadline(told, TIMEOUT_US);
    uint64_t sequence = number_in(told, "sequence=");
    told = peer_ask(&run->host, "SIPC_TIMEOUT ", "stamped 1 %u 40 20000 0", STAMPED(40));
    uint64_t other_sequence = number_in(told, "sequence=");
    peer_continue(&run->guest);
    peer_ask(&run->host, "SIPC_OK", "stamped 2 %u 40 0 0", STAMPED(40));
    full_service(&run->host, SLOTS);
    expect_executions(run, sequence, 1);
    expect_executions(run, other_sequence, 0);
    end_pair(run);
}

static void stopped_under_load(struct run *run) {
    enum { TIMEOUT_US = 20000 };
    start_pair(run, SLOTS, DATA_SIZE);
    peer_ask(&run->host, "ok", "begin callers=4 timeout=%d sleep=0..1000", TIMEOUT_US);
    for (unsigned i = 0; i < 3; i++) {
        sleep_ms(20);
        peer_stop(&run->guest);
        sleep_ms(50);
        peer_continue(&run->guest);
    }
    sleep_ms(20);
    const char *numbers = peer_ask(&run->host, "ok", "end");
    assert_int_not_equal(number_in(numbers, "answered="), 0);
    assert_int_not_equal(number_in(numbers, "not_started=") + number_in(numbers, "maybe_executed="),
                         0);
    expect_deadlines(numbers);
    peer_ask(&run->host, "ok", "audit");
    full_service(&run->host, SLOTS);
    end_pair(run);
}

static void no_guest(struct run *run) {
    enum { TIMEOUT_US = 20000, SENT = SLOTS + 1 };
    uint64_t sequences[SENT];
    start_host(run, &run->host);
    open_region(run, &run->host, SLOTS, DATA_SIZE, DEFAULT_BACKEND);
    for (unsigned i = 0; i < SENT; i++) {
        const char *told = peer_ask(&run->host, "SIPC_TIMEOUT ", "stamped %u %u 40 %u 0",
                                    i < SLOTS ? i : ANY_SLOT, STAMPED(40), TIMEOUT_US);
        assert_int_equal(number_in(told, "fate="), NOT_STARTED);
        expect_deadline(told, TIMEOUT_US);
        sequences[i] = number_in(told, "sequence=");
    }
    start_guest(run, &run->guest, "");
    assert_int_equal(guest_serves(&run->guest), SLOTS);
    full_service(&run->host, SLOTS);
    for (unsigned i = 0; i < SENT; i++) expect_executions(run, sequences[i], 0);
    end_pair(run);
}

int main(void) {
    static const struct promise promises[] = {
        {"1 ms against a slow handler: maybe executed, the slot returns", slow_handler, 30,
         EVERY_PAIRING},
        {"the fate told is the truth", straddled_deadlines, 30, EVERY_PAIRING},
        {"the fate is true also of calls cancelled while they begin", cancelled_at_the_start, 30,
         EVERY_PAIRING},
        {"a guest stopped while idle: not started, full service afterwards", stopped_idle, 20,
         EVERY_PAIRING},
        {"a guest stopped in a handler: maybe executed, full service afterwards",
         stopped_in_handler, 20, EVERY_PAIRING},
        {"a guest stopped under load: deadlines are met, fates are true", stopped_under_load, 30,
         EVERY_PAIRING},
        {"no guest: not started, at the deadline", no_guest, 20, EVERY_PAIRING},
    };
    return run_promises("timeouts", GROUP_SECONDS, promises, COUNT_OF(promises));
}
