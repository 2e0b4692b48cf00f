// SPDX-License-Identifier: Apache-2.0
#include "promises.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *const ways[WAYS] = {"any", "own", "session", "in-place"};

const struct pairing pairings[PAIRINGS] = {
    {"C host, C guest", HOST_C, GUEST_C, GUEST_C, false},
    {"C++ host, C guest", HOST_CPP, GUEST_C, GUEST_C, false},
    {"C host, Go guest", HOST_C, GUEST_GO, GUEST_GO_CGO, true},
    {"C++ host, Go guest", HOST_CPP, GUEST_GO, GUEST_GO_CGO, true},
};

// ---- Peers -------------------------------------------------------------------------------------

void start_host(struct run *run, struct peer *host) {
    peer_start(host, run->pairing->host, NULL);
    peer_expect(host, "ready");
}

void open_region(struct run *run, struct peer *host, unsigned slots, unsigned data_size,
                 unsigned backend) {
    peer_ask(host, "SIPC_OK", "open %s %u %u %u 0", run->region, slots, data_size, backend);
}

void start_guest(struct run *run, struct peer *guest, const char *arguments) {
    char words[5][32] = {""};
    sscanf(arguments, "%31s %31s %31s %31s %31s", words[0], words[1], words[2], words[3], words[4]);
    char *given[5] = {NULL};
    for (int i = 0; i < 5 && words[i][0]; i++) given[i] = words[i];
    peer_start(guest, run->guest_program, run->region, given[0], given[1], given[2], given[3],
               given[4], NULL);
}

unsigned guest_serves(struct peer *guest) {
    unsigned slots = (unsigned)number_in(peer_expect(guest, "attached "), "attached ");
    peer_expect(guest, "ready");
    return slots;
}

void start_pair(struct run *run, unsigned slots, unsigned data_size) {
    start_host(run, &run->host);
    open_region(run, &run->host, slots, data_size, DEFAULT_BACKEND);
    start_guest(run, &run->guest, "");
    assert_int_equal(guest_serves(&run->guest), slots);
}

void guest_ends(struct peer *guest) {
    assert_string_equal(peer_hear(guest), "ended");
    peer_finish(guest);
}

void end_pair(struct run *run) {
    peer_ask(&run->host, "SIPC_OK", "close");
    guest_ends(&run->guest);
    peer_finish(&run->host);
}

void full_service(struct peer *host, unsigned slots) {
    for (unsigned slot = 0; slot < slots; slot++)
        peer_ask(host, "SIPC_OK", "stamped %u %u 40 0 0", slot, STAMPED(16));
    for (unsigned callers = 1; callers <= 4; callers += 3) {
        const char *numbers = peer_ask(host, "ok", "traffic callers=%u calls=50", callers);
        assert_int_equal(number_in(numbers, "answered="), 50 * callers);
    }
}

// ---- Running -----------------------------------------------------------------------------------

static uint64_t group_end_ms;

// Its own limit, and not beyond the group's.
static unsigned seconds_for(const struct promise *promise) {
    uint64_t now = now_ms();
    uint64_t left = now < group_end_ms ? (group_end_ms - now) / 1000 + 1 : 1;
    return left < promise->seconds ? (unsigned)left : promise->seconds;
}

// The names of the regions differ between all runs of all programs at a time.
static int set_up(void **state) {
    static unsigned number;
    struct run *run = *state;
    snprintf(run->region, sizeof run->region, "process-test-%d-%u-", (int)getpid(), number++);
    run->guest_program = run->pairing->guest;
    run->descriptors = usage_of(getpid()).descriptors;
    time_limit(seconds_for(run->promise), run->promise->name, run->region);
    return 0;
}

static int tear_down(void **state) {
    struct run *run = *state;
    time_limit_met();
    unsigned peers = kill_leftovers();
    unsigned objects = remove_leftovers(run->region);
    unsigned descriptors = usage_of(getpid()).descriptors;
    if (!run->kept) return 0; // a failed test cannot end its peers
    if (peers == 0 && objects == 0 && descriptors == run->descriptors) return 0;
    print_error("left behind: %u processes, %u objects in shared memory, %d descriptors\n", peers,
                objects, (int)(descriptors - run->descriptors));
    return -1;
}

static void keep_promise(void **state) {
    struct run *run = *state;
    uint64_t began = now_ms();
    run->promise->keep(run);
    run->kept = true;
    print_message("             took %llu ms\n", (unsigned long long)(now_ms() - began));
}

static bool concerns(const struct promise *promise, unsigned pairing) {
    switch (promise->audience) {
    case WITH_C_GUESTS:
        return !pairings[pairing].go;
    case WITH_GO_GUESTS:
        return pairings[pairing].go;
    case ONCE:
        return pairing == 0;
    case EVERY_PAIRING:
    default:
        return true;
    }
}

static void name_run(const struct run *run, char *name, size_t size) {
    bool once = run->promise->audience == ONCE;
    snprintf(name, size, "%s%s%s", run->promise->name, once ? "" : ": ",
             once ? "" : run->pairing->name);
}

// One run of a promise as cmocka wants it.
struct entry {
    struct run run;
    char name[160];
};

int run_promises(const char *group, unsigned seconds, const struct promise *promises,
                 unsigned count) {
    struct entry *entries = calloc(count * PAIRINGS, sizeof *entries);
    struct CMUnitTest *tests = calloc(count * PAIRINGS, sizeof *tests);
    unsigned total = 0;
    if (!entries || !tests) abort();
    group_end_ms = now_ms() + seconds * UINT64_C(1000);
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (unsigned i = 0; i < count * PAIRINGS; i++) {
        const struct promise *promise = &promises[i / PAIRINGS];
        if (!concerns(promise, i % PAIRINGS)) continue;
        struct entry *entry = &entries[total];
        entry->run = (struct run){.promise = promise, .pairing = &pairings[i % PAIRINGS]};
        name_run(&entry->run, entry->name, sizeof entry->name);
        tests[total++] =
            (struct CMUnitTest){entry->name, keep_promise, set_up, tear_down, &entry->run};
    }
    // The macro for this wants an array of known size.
    int failed = _cmocka_run_group_tests(group, tests, total, NULL, NULL);
    free(entries);
    free(tests);
    return failed ? 1 : 0;
}
