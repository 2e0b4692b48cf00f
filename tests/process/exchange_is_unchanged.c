// SPDX-License-Identifier: Apache-2.0
// What is sent arrives, and what is answered comes back to who asked.
#include "promises.h"

enum { SLOTS = 4, DATA_SIZE = 128 * 1024, CAPACITY = DATA_SIZE / 2, CALLS = 100 };

static void every_size(struct run *run) {
    start_pair(run, SLOTS, DATA_SIZE);
    const char *swept = peer_ask(&run->host, "ok", "sizes 0 300 1");
    assert_int_equal(number_in(swept, "capacity="), CAPACITY);
    peer_ask(&run->host, "ok", "sizes 508 516 1");
    peer_ask(&run->host, "ok", "sizes 1020 1028 1");
    peer_ask(&run->host, "ok", "sizes 4094 4098 1");
    peer_ask(&run->host, "ok", "sizes 32767 32769 1");
    peer_ask(&run->host, "ok", "sizes %d %d 1", CAPACITY - 1, CAPACITY);
    end_pair(run);
}

// Capacities that are no multiple of a line: 0 to 77 bytes, and the byte beyond is refused.
static void odd_capacity(struct run *run) {
    start_pair(run, 2, 155);
    const char *swept = peer_ask(&run->host, "ok", "sizes 0 77 1");
    assert_int_equal(number_in(swept, "capacity="), 77);
    peer_ask(&run->host, "SIPC_REQUEST_TOO_LARGE", "plain %u 0 78 0", ANY_SLOT);
    peer_ask(&run->host, "SIPC_RESPONSE_TOO_LARGE", "plain %u %u 16 0", ANY_SLOT, STAMPED(78));
    peer_ask(&run->host, "ok", "sizes 60 77 1");
    end_pair(run);
}

static void mixtures(struct run *run, const char *way) {
    static const unsigned callers[] = {1, 4, 8};
    static const char *sizes[] = {
        "request=0..4096 response=0..4096", "request=0..60 response=1000..9000",
        "request=1000..9000 response=0..60", "request=8..44 response=8..48"};
    start_pair(run, SLOTS, DATA_SIZE);
    for (unsigned i = 0; i < COUNT_OF(callers); i++) {
        for (unsigned k = 0; k < COUNT_OF(sizes); k++) {
            const char *numbers =
                peer_ask(&run->host, "ok", "traffic callers=%u calls=%d way=%s %s", callers[i],
                         CALLS, way, sizes[k]);
            assert_int_equal(number_in(numbers, "answered="), CALLS * callers[i]);
        }
    }
    end_pair(run);
}

static void any_slot(struct run *run) {
    mixtures(run, "any");
}

static void own_slot(struct run *run) {
    mixtures(run, "own");
}

static void session(struct run *run) {
    mixtures(run, "session");
}

static void in_place(struct run *run) {
    mixtures(run, "in-place");
}

// Slot s is served as slot s, always by the same worker, which serves no other slot.
static void affinity(struct run *run) {
    uint64_t workers[SLOTS];
    start_pair(run, SLOTS, DATA_SIZE);
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned slot = 0; slot < SLOTS; slot++) {
            const char *who = peer_ask(&run->host, "ok", "reveal %u 128", slot);
            assert_int_equal(number_in(who, " slot="), slot);
            assert_int_equal(number_in(who, "process="), run->guest.pid);
            assert_int_equal(number_in(who, "transport=") >> 48, slot + 1);
            uint64_t worker = number_in(who, "worker=");
            if (round == 0) workers[slot] = worker;
            assert_int_equal(worker, workers[slot]);
            for (unsigned other = 0; other < slot && !run->pairing->go; other++)
                assert_int_not_equal(worker, workers[other]);
        }
    }
    peer_ask(&run->host, "SIPC_INVALID_ARGUMENT", "reveal %u 128", SLOTS);
    end_pair(run);
}

// A held slot is nobody else's until it is released; the others serve on.
static void held_slots(struct run *run) {
    start_pair(run, SLOTS, DATA_SIZE);
    const char *held = peer_ask(&run->host, "SIPC_OK", "hold 0 2 0");
    assert_int_equal(number_in(held, "slot="), 2);
    const char *busy =
        peer_ask(&run->host, "SIPC_ALL_SLOTS_BUSY", "stamped 2 %u 16 30000 0", STAMPED(16));
    assert_int_equal(number_in(busy, "fate="), NOT_STARTED);
    assert_in_range(number_in(busy, "took_us="), 30000, 10000000);
    const char *numbers = peer_ask(&run->host, "ok", "traffic callers=4 calls=50 request=0..300");
    assert_int_equal(number_in(numbers, "answered="), 200);
    for (unsigned place = 1; place < SLOTS; place++)
        peer_ask(&run->host, "SIPC_OK", "hold %u %u 0", place, ANY_SLOT);
    peer_ask(&run->host, "SIPC_ALL_SLOTS_BUSY", "hold 9 %u 20000", ANY_SLOT);
    peer_ask(&run->host, "SIPC_ALL_SLOTS_BUSY", "plain %u 0 4 20000", ANY_SLOT);
    for (unsigned place = 0; place < SLOTS; place++)
        peer_ask(&run->host, "ok", "release %u", place);
    peer_ask(&run->host, "SIPC_OK", "stamped 2 %u 16 0 0", STAMPED(16));
    end_pair(run);
}

// A guest that serves from a loop of its own.
static void polling_guest(struct run *run) {
    start_host(run, &run->host);
    open_region(run, &run->host, SLOTS, DATA_SIZE, DEFAULT_BACKEND);
    start_guest(run, &run->guest, "--poll");
    guest_serves(&run->guest);
    peer_ask(&run->host, "ok", "sizes 0 70 1");
    full_service(&run->host, SLOTS);
    end_pair(run);
}

int main(void) {
    static const struct promise promises[] = {
        {"every size passes unchanged both ways", every_size, 30, EVERY_PAIRING},
        {"a capacity need not be a multiple of anything", odd_capacity, 20, EVERY_PAIRING},
        {"1, 4 and 8 callers share 4 slots", any_slot, 30, EVERY_PAIRING},
        {"callers that keep to a slot each get their answers", own_slot, 30, EVERY_PAIRING},
        {"sessions exchange in place", session, 30, EVERY_PAIRING},
        {"slots acquired for one call exchange in place", in_place, 30, EVERY_PAIRING},
        {"each slot has its worker", affinity, 20, EVERY_PAIRING},
        {"a held slot is nobody else's", held_slots, 20, EVERY_PAIRING},
        {"a guest can serve from a loop of its own", polling_guest, 20, WITH_C_GUESTS},
    };
    return run_promises("exchange", GROUP_SECONDS, promises, COUNT_OF(promises));
}
