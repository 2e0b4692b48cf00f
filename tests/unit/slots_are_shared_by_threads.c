// SPDX-License-Identifier: Apache-2.0
// Promise: a slot has one holder at a time; a thread gets any free slot, or the one that it asked
// for, as soon as there is one, and sleeps only as long as there is none. The waits here have no
// deadline: a thread that nobody wakes hangs the test.
#include <string.h>

#include "internal/os.h"
#include "left_behind.h"
#include "pair.h"
#include "system.h"
#include "threads.h"

#define SLOTS 3u

struct wanting {
    sipc_host *host;
    uint32_t slot;
    sipc_status status;
    sipc_session *session;
    sipc_word got; // the slot + 1
    struct thread thread;
};

static struct gate somebody_got_one;

static void acquire(void *context) {
    struct wanting *wanting = context;
    wanting->status =
        sipc_host_acquire(wanting->host, wanting->slot, SIPC_FOREVER, &wanting->session);
    if (wanting->status != SIPC_OK) return;
    sipc_store_release(&wanting->got, sipc_session_slot(wanting->session) + 1);
    gate_open(&somebody_got_one);
}

// Gives the slot on at once.
static void acquire_and_release(void *context) {
    struct wanting *wanting = context;
    acquire(wanting);
    if (wanting->status == SIPC_OK) sipc_session_release(wanting->session);
}

static void start_wanting(struct wanting *wanting, sipc_host *host, uint32_t slot) {
    *wanting = (struct wanting){.host = host, .slot = slot};
    thread_start(&wanting->thread, acquire, wanting);
}

static void assert_got(struct wanting *wanting, uint32_t slot) {
    thread_join(&wanting->thread);
    assert_int_equal(wanting->status, SIPC_OK);
    if (slot != SIPC_ANY_SLOT) assert_int_equal(sipc_session_slot(wanting->session), slot);
    sipc_session_release(wanting->session);
}

static sipc_session *take(sipc_host *host, uint32_t slot) {
    sipc_session *session;
    assert_int_equal(sipc_host_acquire(host, slot, 1, &session), SIPC_OK);
    return session;
}

// ---- Free slots --------------------------------------------------------------------------------

static void every_slot_can_be_had_once(void **state) {
    (void)state;
    sipc_host *host = open_host(fresh_name(), SLOTS, 64, NULL);
    sipc_session *held[SLOTS];
    bool seen[SLOTS] = {false};
    for (uint32_t i = 0; i < SLOTS; i++) {
        held[i] = take(host, SIPC_ANY_SLOT);
        uint32_t slot = sipc_session_slot(held[i]);
        assert_false(seen[slot]);
        seen[slot] = true;
    }
    sipc_session *none;
    assert_int_equal(sipc_host_acquire(host, SIPC_ANY_SLOT, 1, &none), SIPC_ALL_SLOTS_BUSY);
    for (uint32_t i = 0; i < SLOTS; i++) sipc_session_release(held[i]);
    sipc_host_close(host);
}

static void a_particular_slot_is_waited_for_though_others_are_free(void **state) {
    (void)state;
    sipc_host *host = open_host(fresh_name(), SLOTS, 64, NULL);
    sipc_session *held = take(host, 1);
    sipc_session *none;
    assert_int_equal(sipc_host_acquire(host, 1, 2000000, &none), SIPC_ALL_SLOTS_BUSY);
    struct wanting wanting;
    start_wanting(&wanting, host, 1);
    sipc_session_release(take(host, 0));
    give_others_time();
    sipc_session_release(held);
    assert_got(&wanting, 1);
    sipc_host_close(host);
}

static void a_release_wakes_who_waits_for_any(void **state) {
    (void)state;
    sipc_host *host = open_host(fresh_name(), 2, 64, NULL);
    for (uint32_t i = 0; i < 20; i++) {
        sipc_session *held[2] = {take(host, 0), take(host, 1)};
        struct wanting wanting;
        start_wanting(&wanting, host, SIPC_ANY_SLOT);
        if (i % 4 == 0) give_others_time();
        sipc_session_release(held[i % 2]);
        assert_got(&wanting, i % 2);
        sipc_session_release(held[1 - i % 2]);
    }
    sipc_host_close(host);
}

// A released slot may be of no use to the first that looks.
static void a_release_wakes_the_one_who_waits_for_this_slot_among_those_for_others(void **state) {
    (void)state;
    sipc_host *host = open_host(fresh_name(), SLOTS, 64, NULL);
    for (uint32_t round = 0; round < 20; round++) {
        sipc_session *held[SLOTS];
        struct wanting wanting[SLOTS];
        for (uint32_t i = 0; i < SLOTS; i++) held[i] = take(host, i);
        for (uint32_t i = 0; i < SLOTS; i++) start_wanting(&wanting[i], host, i);
        if (round % 4 == 0) give_others_time();
        for (uint32_t i = 0; i < SLOTS; i++) {
            uint32_t slot = (i + round) % SLOTS;
            sipc_session_release(held[slot]);
            assert_got(&wanting[slot], slot);
        }
    }
    sipc_host_close(host);
}

static void a_release_serves_who_waits_for_any_and_who_waits_for_this_one(void **state) {
    (void)state;
    sipc_host *host = open_host(fresh_name(), 1, 64, NULL);
    for (uint32_t round = 0; round < 20; round++) {
        sipc_session *held = take(host, 0);
        struct wanting wanting[4];
        for (uint32_t i = 0; i < 4; i++) {
            uint32_t slot = i % 2 ? SIPC_ANY_SLOT : 0;
            wanting[i] = (struct wanting){.host = host, .slot = slot};
            thread_start(&wanting[i].thread, acquire_and_release, &wanting[i]);
        }
        if (round % 4 == 0) give_others_time();
        sipc_session_release(held);
        for (uint32_t i = 0; i < 4; i++) {
            thread_join(&wanting[i].thread);
            assert_int_equal(wanting[i].status, SIPC_OK);
        }
    }
    sipc_host_close(host);
}

// ---- Many threads ------------------------------------------------------------------------------

#define THREADS 8u

static struct {
    sipc_host *host;
    sipc_word inside[SLOTS];
    sipc_word two_inside;
    sipc_word wrong_slot;
    sipc_word unexpected;
    sipc_word held;
    unsigned turns;
} crowd;

static void hold(sipc_session *session, unsigned turn) {
    uint32_t slot = sipc_session_slot(session);
    if (sipc_exchange_acquire(&crowd.inside[slot], 1) != 0) sipc_add_barrier(&crowd.two_inside, 1);
    sipc_add_barrier(&crowd.held, 1);
    if (turn % 16 == 0) sipc_session_call(session, 0, 0, SIPC_FOREVER, NULL, NULL);
    sipc_store_release(&crowd.inside[slot], 0);
    sipc_session_release(session);
}

static void take_turns(void *context, unsigned index) {
    (void)context;
    for (unsigned i = 0; i < crowd.turns; i++) {
        uint32_t slot = (i + index) % 3 == 0 ? (i / 3 + index) % SLOTS : SIPC_ANY_SLOT;
        uint64_t timeout = i % 5 == 0 ? 1 + i % 7 * 3000 : SIPC_FOREVER;
        sipc_session *session;
        sipc_status status = sipc_host_acquire(crowd.host, slot, timeout, &session);
        if (status == SIPC_OK) {
            if (slot != SIPC_ANY_SLOT && sipc_session_slot(session) != slot)
                sipc_add_barrier(&crowd.wrong_slot, 1);
            hold(session, i);
        } else if (status != SIPC_ALL_SLOTS_BUSY || timeout == SIPC_FOREVER) {
            sipc_add_barrier(&crowd.unexpected, 1);
        }
    }
}

static void no_two_threads_of_a_crowd_hold_one_slot(void **state) {
    (void)state;
    struct pair served;
    pair_open(&served, SLOTS, 64, NULL, nod, NULL);
    memset(&crowd, 0, sizeof crowd);
    crowd.host = served.host;
    crowd.turns = 3000;
    run_together(THREADS, take_turns, NULL);
    assert_int_equal(crowd.two_inside, 0);
    assert_int_equal(crowd.wrong_slot, 0);
    assert_int_equal(crowd.unexpected, 0);
    assert_true(crowd.held > crowd.turns);
    // And all slots are free again.
    for (uint32_t i = 0; i < SLOTS; i++) sipc_session_release(take(served.host, i));
    pair_close(&served);
}

static struct {
    sipc_host *host;
    sipc_word inside;
    sipc_word two_inside;
    sipc_word go;
    struct gate got_it;
} pair_of_threads;

static void snatch(void *context, unsigned index) {
    (void)context;
    (void)index;
    for (unsigned i = 0; i < 200000; i++) {
        sipc_session *session;
        if (sipc_host_acquire(pair_of_threads.host, 0, 1, &session) != SIPC_OK) continue;
        if (sipc_exchange_acquire(&pair_of_threads.inside, 1) != 0)
            sipc_add_barrier(&pair_of_threads.two_inside, 1);
        sipc_store_release(&pair_of_threads.inside, 0);
        sipc_session_release(session);
    }
}

static void two_threads_that_snatch_at_one_slot_never_both_get_it(void **state) {
    (void)state;
    memset(&pair_of_threads, 0, sizeof pair_of_threads);
    pair_of_threads.host = open_host(fresh_name(), 1, 64, NULL);
    run_together(2, snatch, NULL);
    assert_int_equal(pair_of_threads.two_inside, 0);
    sipc_host_close(pair_of_threads.host);
}

#define HANDOVERS 20000u

static void take_over(void *context) {
    (void)context;
    for (uint32_t turn = 1; turn <= HANDOVERS; turn++) {
        while (sipc_load_acquire(&pair_of_threads.go) != turn) sipc_os_yield();
        sipc_session *session;
        sipc_host_acquire(pair_of_threads.host, SIPC_ANY_SLOT, SIPC_FOREVER, &session);
        sipc_session_release(session);
        gate_open(&pair_of_threads.got_it);
    }
}

// The one release that there is comes at any moment of the other's falling asleep.
static void one_release_is_enough(void **state) {
    (void)state;
    memset(&pair_of_threads, 0, sizeof pair_of_threads);
    gate_make(&pair_of_threads.got_it);
    pair_of_threads.host = open_host(fresh_name(), 1, 64, NULL);
    struct thread other;
    thread_start(&other, take_over, NULL);
    for (uint32_t turn = 1; turn <= HANDOVERS; turn++) {
        sipc_session *session = take(pair_of_threads.host, 0);
        sipc_store_release(&pair_of_threads.go, turn);
        for (uint32_t i = 0; i < turn % 97; i++) sipc_pause();
        sipc_session_release(session);
        gate_pass(&pair_of_threads.got_it);
    }
    thread_join(&other);
    sipc_host_close(pair_of_threads.host);
    gate_free(&pair_of_threads.got_it);
}

// ---- Slots that are out of use -----------------------------------------------------------------

static struct {
    struct gate entered[SLOTS];
    struct gate leave[SLOTS];
} stuck;

static sipc_status stay(void *context, const sipc_request *request, sipc_response *response) {
    (void)context;
    gate_open(&stuck.entered[request->slot]);
    gate_pass(&stuck.leave[request->slot]);
    response->size = 0;
    return SIPC_OK;
}

static struct pair pair;

static int begin(void **state) {
    note_what_exists(state);
    gate_make(&somebody_got_one);
    for (uint32_t i = 0; i < SLOTS; i++) {
        gate_make(&stuck.entered[i]);
        gate_make(&stuck.leave[i]);
    }
    return 0;
}

static int end(void **state) {
    for (uint32_t i = 0; i < SLOTS; i++) {
        gate_free(&stuck.entered[i]);
        gate_free(&stuck.leave[i]);
    }
    gate_free(&somebody_got_one);
    return nothing_is_left_behind(state);
}

static sipc_status call_slot(void *slot, uint64_t timeout_ns) {
    sipc_call call = {.timeout_ns = timeout_ns};
    return sipc_host_call_slot(pair.host, *(const uint32_t *)slot, &call);
}

// Leaves a request in the handler of this slot, which is out of use until let_go().
static void get_stuck(uint32_t slot) {
    give_up_in_handler(call_slot, &slot, 200000, &stuck.entered[slot]);
}

static void let_go(uint32_t slot) {
    gate_open(&stuck.leave[slot]);
}

static void who_waits_for_a_late_response_takes_a_slot_that_is_released(void **state) {
    (void)state;
    pair_open(&pair, SLOTS, 64, NULL, stay, NULL);
    for (uint32_t round = 0; round < 20; round++) {
        get_stuck(0);
        get_stuck(1);
        sipc_session *held = take(pair.host, 2);
        struct wanting wanting;
        start_wanting(&wanting, pair.host, SIPC_ANY_SLOT);
        if (round % 4 == 0) give_others_time();
        sipc_session_release(held);
        assert_got(&wanting, 2);
        let_go(0);
        let_go(1);
        sipc_session_release(take(pair.host, 2));
        for (uint32_t i = 0; i < 2; i++) {
            struct wanting settled;
            start_wanting(&settled, pair.host, i);
            assert_got(&settled, i);
        }
    }
    pair_close(&pair);
}

// A release and a late response at the same moment, and two threads that wait. The one that is told
// of the release may get the late slot, and then the released one is for the other.
static void a_release_is_not_lost_with_one_who_needs_it_no_more(void **state) {
    (void)state;
    pair_open(&pair, SLOTS, 64, NULL, stay, NULL);
    for (uint32_t round = 0; round < 200; round++) {
        uint32_t late = round % 2;
        get_stuck(0);
        get_stuck(1);
        sipc_session *held = take(pair.host, 2);
        struct wanting wanting[2];
        for (int i = 0; i < 2; i++) start_wanting(&wanting[i], pair.host, SIPC_ANY_SLOT);
        if (round % 8 == 0) give_others_time();
        let_go(late);
        sipc_session_release(held);
        gate_pass(&somebody_got_one);
        // Who took the released slot no longer looks at the late one, which may then be nobody's.
        bool released_is_taken = sipc_load_acquire(&wanting[0].got) == 2 + 1 ||
                                 sipc_load_acquire(&wanting[1].got) == 2 + 1;
        if (released_is_taken) let_go(1 - late);
        gate_pass(&somebody_got_one);
        for (int i = 0; i < 2; i++) assert_got(&wanting[i], SIPC_ANY_SLOT);
        if (!released_is_taken) let_go(1 - late);
        for (uint32_t i = 0; i < 2; i++) {
            struct wanting settled;
            start_wanting(&settled, pair.host, i);
            assert_got(&settled, i);
            gate_pass(&somebody_got_one);
        }
    }
    pair_close(&pair);
}

static void want_briefly(void *context, unsigned index) {
    (void)context;
    for (unsigned i = 0; i < 20; i++) {
        sipc_session *session;
        uint32_t slot = (i + index) % 2 ? 0 : SIPC_ANY_SLOT;
        if (sipc_host_acquire(pair.host, slot, 1 + i * 500, &session) != SIPC_ALL_SLOTS_BUSY)
            sipc_add_barrier(&crowd.unexpected, 1);
    }
}

// Those who look at a slot for a moment, and leave, do not keep it from one who sleeps for it.
static void who_gives_up_does_not_take_the_wake_of_one_who_waits_on(void **state) {
    (void)state;
    pair_open(&pair, 1, 64, NULL, stay, NULL);
    memset(&crowd, 0, sizeof crowd);
    for (uint32_t round = 0; round < 100; round++) {
        get_stuck(0);
        struct wanting patient;
        start_wanting(&patient, pair.host, SIPC_ANY_SLOT);
        run_together(3, want_briefly, NULL);
        let_go(0);
        assert_got(&patient, 0);
    }
    assert_int_equal(crowd.unexpected, 0);
    pair_close(&pair);
}

// ---- Slots that nobody serves ------------------------------------------------------------------

// How restless the threads of this process were in a tenth of a second. Those who sleep are not; a
// busy machine may let them come to that late, and then only those who never do count on.
static uint64_t unrest_at_rest(void) {
    uint64_t during = UINT64_MAX;
    for (int tries = 0; tries < 50 && during >= 100; tries++) {
        const uint64_t before = unrest_so_far();
        for (int i = 0; i < 5; i++) give_others_time();
        during = unrest_so_far() - before;
    }
    return during;
}

// The free one is of no use to them, nor to each other's sleep.
static void who_waits_beside_a_slot_that_nobody_serves_sleeps(void **state) {
    (void)state;
    const char *name = fresh_name();
    pair = (struct pair){.host = open_host(name, 2, 64, NULL)};
    sipc_guest *guest = attach_guest(name, 1);
    assert_int_equal(sipc_guest_start(guest, nod, NULL), SIPC_OK);
    sipc_session *held = take(pair.host, 0);
    struct wanting wanting[3];
    for (int i = 0; i < 3; i++) {
        wanting[i] = (struct wanting){.host = pair.host, .slot = SIPC_ANY_SLOT};
        thread_start(&wanting[i].thread, acquire_and_release, &wanting[i]);
    }
    for (int i = 0; i < 3; i++) give_others_time();
    const uint64_t during = unrest_at_rest();
    sipc_session_release(held);
    for (int i = 0; i < 3; i++) {
        thread_join(&wanting[i].thread);
        assert_int_equal(wanting[i].status, SIPC_OK);
    }
    sipc_guest_detach(guest);
    sipc_host_close(pair.host);
    assert_true(during < 100);
}

// ---- Guests that come --------------------------------------------------------------------------

struct one_call {
    sipc_host *host;
    sipc_status status;
};

static void call_once(void *context) {
    struct one_call *one = context;
    one->status = call_with(one->host, "x", 1, SIPC_FOREVER);
}

// The only slot that is served is busy; then another is served too.
static void a_guest_that_comes_is_of_use_to_who_waits_already(void **state) {
    (void)state;
    const char *name = fresh_name();
    pair = (struct pair){.host = open_host(name, 2, 64, NULL)};
    sipc_guest *first = attach_guest(name, 1);
    assert_int_equal(sipc_guest_start(first, stay, NULL), SIPC_OK);
    sipc_session *held = take(pair.host, 0);
    struct one_call one = {.host = pair.host};
    struct thread caller;
    thread_start(&caller, call_once, &one);
    give_others_time();
    sipc_guest *second = attach_guest(name, 0);
    assert_int_equal(sipc_guest_start(second, nod, NULL), SIPC_OK);
    thread_join(&caller);
    assert_int_equal(one.status, SIPC_OK);
    sipc_session_release(held);
    sipc_guest_detach(first);
    sipc_guest_detach(second);
    sipc_host_close(pair.host);
}

// All were served when it began to wait. Then a guest leaves, and the next one takes another of its
// slots than the one that is watched: the one in which there was a request before.
static void a_guest_that_comes_after_another_has_left_is_heard_of(void **state) {
    (void)state;
    const char *name = fresh_name();
    pair = (struct pair){.host = open_host(name, 3, 64, NULL)};
    sipc_guest *first = attach_guest(name, 1), *second = attach_guest(name, 2);
    assert_int_equal(sipc_guest_start(first, nod, NULL), SIPC_OK);
    assert_int_equal(sipc_guest_start(second, nod, NULL), SIPC_OK);
    assert_int_equal(sipc_host_call_slot(pair.host, 2, &(sipc_call){.message_id = 0}), SIPC_OK);
    sipc_session *held[3];
    for (uint32_t i = 0; i < 3; i++) held[i] = take(pair.host, i);
    struct one_call one = {.host = pair.host};
    struct thread caller;
    thread_start(&caller, call_once, &one);
    give_others_time();
    sipc_guest_detach(second);
    sipc_session_release(held[1]);
    sipc_session_release(held[2]);
    give_others_time();
    sipc_guest *third = attach_guest(name, 1);
    assert_int_equal(sipc_guest_start(third, nod, NULL), SIPC_OK);
    thread_join(&caller);
    assert_int_equal(one.status, SIPC_OK);
    sipc_session_release(held[0]);
    sipc_guest_detach(first);
    sipc_guest_detach(third);
    sipc_host_close(pair.host);
}

#define WITH_GATES(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(int count, char **arguments) {
    chosen_backend = backend_of_arguments(count, arguments);
    const struct CMUnitTest tests[] = {
        WITH_GATES(every_slot_can_be_had_once),
        WITH_GATES(a_particular_slot_is_waited_for_though_others_are_free),
        WITH_GATES(a_release_wakes_who_waits_for_any),
        WITH_GATES(a_release_wakes_the_one_who_waits_for_this_slot_among_those_for_others),
        WITH_GATES(a_release_serves_who_waits_for_any_and_who_waits_for_this_one),
        WITH_GATES(no_two_threads_of_a_crowd_hold_one_slot),
        WITH_GATES(two_threads_that_snatch_at_one_slot_never_both_get_it),
        WITH_GATES(one_release_is_enough),
        WITH_GATES(who_waits_for_a_late_response_takes_a_slot_that_is_released),
        WITH_GATES(a_release_is_not_lost_with_one_who_needs_it_no_more),
        WITH_GATES(who_gives_up_does_not_take_the_wake_of_one_who_waits_on),
        WITH_GATES(who_waits_beside_a_slot_that_nobody_serves_sleeps),
        WITH_GATES(a_guest_that_comes_is_of_use_to_who_waits_already),
        WITH_GATES(a_guest_that_comes_after_another_has_left_is_heard_of),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
