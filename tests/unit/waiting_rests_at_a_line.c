// SPDX-License-Identifier: Apache-2.0
// Promise: where the processor can rest until a line is written, a side that waits for one slot
// spins for the least of its budget and rests for what is beyond; it looks after it has begun to
// watch, learns and leaves as one that spins, and processors that cannot are not asked to.
#include <stdlib.h>
#include <string.h>

#include "fake_system.h"
#include "left_behind.h"
#include "system.h"
#include "threads.h"

// ---- Which processors can ----------------------------------------------------------------------

enum { WAITPKG = 1 << 5, MONITORX = 1 << 29 };

static struct {
    uint32_t last, last_extended;
    uint32_t features, extended_features;
} processor;

static void answer(uint32_t leaf, struct sipc_processor_says *says) {
    *says = (struct sipc_processor_says){0};
    switch (leaf) {
    case 0:
        says->eax = processor.last;
        break;
    case 7:
        says->ecx = processor.features;
        break;
    case 0x80000000u:
        says->eax = processor.last_extended;
        break;
    case 0x80000001u:
        says->ecx = processor.extended_features;
        break;
    default:
        break;
    }
}

static const struct sipc_line_wait *found(uint32_t features, uint32_t extended_features) {
    processor.last = 0x20;
    processor.last_extended = 0x80000021u;
    processor.features = features;
    processor.extended_features = extended_features;
    return sipc_line_wait_of(answer, true);
}

#if defined(SIPC_HAS_LINE_WAITS)

static void a_processor_is_taken_by_its_word(void **state) {
    (void)state;
    assert_null(found(0, 0));
    assert_null(found(~(uint32_t)WAITPKG, ~(uint32_t)MONITORX));
    assert_ptr_equal(found(WAITPKG, 0), &sipc_line_wait_umwait);
    assert_ptr_equal(found(0, MONITORX), &sipc_line_wait_mwaitx);
    assert_ptr_equal(found(WAITPKG, MONITORX), &sipc_line_wait_umwait);
}

// A leaf beyond the last one says anything.
static void what_stands_beyond_the_last_leaf_is_not_believed(void **state) {
    (void)state;
    found(UINT32_MAX, UINT32_MAX);
    processor.last = 6;
    assert_ptr_equal(sipc_line_wait_of(answer, true), &sipc_line_wait_mwaitx);
    processor.last_extended = 0x80000000u;
    assert_null(sipc_line_wait_of(answer, true));
    processor.last = 7;
    assert_ptr_equal(sipc_line_wait_of(answer, true), &sipc_line_wait_umwait);
    // As of a processor without extended leaves.
    processor.last = 6;
    processor.last_extended = 0;
    assert_null(sipc_line_wait_of(answer, true));
}

// UMWAIT would be a fault then; MWAITX has a timer of its own.
static void without_the_counter_there_is_no_umwait(void **state) {
    (void)state;
    found(WAITPKG, 0);
    assert_null(sipc_line_wait_of(answer, false));
    found(WAITPKG, MONITORX);
    assert_ptr_equal(sipc_line_wait_of(answer, false), &sipc_line_wait_mwaitx);
}

#else

static void a_processor_is_taken_by_its_word(void **state) {
    (void)state;
    assert_null(found(UINT32_MAX, UINT32_MAX));
}

#endif

// Whatever this one has works, and has nobody wait for long.
static void what_this_processor_has_returns(void **state) {
    (void)state;
    static _Alignas(64) sipc_word line;
    const struct sipc_line_wait *wait = sipc_line_wait();
    assert_ptr_equal(wait, sipc_line_wait());
    for (int i = 0; wait && i < 100; i++) {
        wait->watch(&line);
        wait->rest();
    }
}

// ---- Waiting with it ---------------------------------------------------------------------------

// Ready when the peer's word is 1.
struct side {
    sipc_word watched;
    sipc_word waiting;
    sipc_word interrupt;
    struct sipc_waiter waiter;
};

static struct side side;
static struct sipc_wait_line times;

static bool ready(const void *role) {
    const struct side *waits = role;
    return sipc_load_acquire(&waits->watched) == 1;
}

// A budget of 100 polls to spin and as many to rest.
static void begin(uint32_t yields) {
    fake_reset();
    fake.tick = 10;
    const sipc_wait_policy policy = {
        .preset = SIPC_WAIT_CUSTOM, .spin_min = 100, .spin_max = 100000, .yields = yields};
    side = (struct side){.watched = 0};
    sipc_waiter_init(&side.waiter, &policy, &side.watched, &side.waiting, &side.interrupt,
                     (struct sipc_event){.backend = &fake_backend});
    side.waiter.system = &fake_wait_system;
    times = (struct sipc_wait_line){0};
    side.waiter.times = &times;
    side.waiter.spin = 200;
    sipc_waiter_rest_by(&side.waiter, &fake_line_wait);
}

static enum sipc_wait_result wait_for(uint64_t timeout) {
    struct sipc_deadline deadline = sipc_deadline_after(timeout);
    return sipc_wait_slow(&side.waiter, ready, &side, &deadline);
}

static void become_ready(unsigned turn) {
    (void)turn;
    sipc_store_release(&side.watched, 1);
}

static void become_ready_at_third(unsigned turn) {
    if (turn == 3) become_ready(turn);
}

static void rest_long(unsigned turn) {
    (void)turn;
    fake.now += UINT64_C(10000000);
}

static void the_least_is_spun_and_the_rest_rested(void **state) {
    (void)state;
    begin(0);
    assert_int_equal(side.waiter.spin, 100);
    assert_int_equal(side.waiter.rest, 100);
    sipc_waiter_rest_by(&side.waiter, NULL);
    assert_int_equal(side.waiter.spin, 200);
    assert_int_equal(side.waiter.rest, 0);
}

static void it_rests_until_the_line_is_written(void **state) {
    (void)state;
    begin(5);
    fake.on_rest = become_ready_at_third;
    assert_int_equal(wait_for(SIPC_FOREVER), SIPC_WAIT_READY);
    assert_string_equal(fake.steps, "lrlrlr");
    assert_ptr_equal(fake.watched_line, &side.watched);
    // It counts as spinning, which it stands for.
    assert_true(sipc_counter_load(&times.spin_ns) >= 30);
    assert_int_equal(sipc_counter_load(&times.yield_ns), 0);
    assert_int_equal(side.waiting, 0);
}

// What was written before the watch ends no rest.
static void it_looks_after_it_has_begun_to_watch(void **state) {
    (void)state;
    begin(5);
    become_ready(1);
    assert_int_equal(wait_for(SIPC_FOREVER), SIPC_WAIT_READY);
    assert_string_equal(fake.steps, "l");
}

static void a_rest_that_was_enough_teaches_nothing(void **state) {
    (void)state;
    begin(5);
    fake.on_rest = become_ready;
    assert_int_equal(wait_for(SIPC_FOREVER), SIPC_WAIT_READY);
    assert_int_equal(side.waiter.spin, 100);
    assert_int_equal(side.waiter.rest, 100);
}

static void after_the_rest_it_yields_and_sleeps_as_ever(void **state) {
    (void)state;
    begin(2);
    fake.on_rest = rest_long;
    fake.on_sleep = become_ready;
    assert_int_equal(wait_for(SIPC_FOREVER), SIPC_WAIT_READY);
    assert_string_equal(fake.steps, "lryys");
    // It ended soon after the rest: the next one is longer.
    assert_int_equal(side.waiter.spin, 100);
    assert_int_equal(side.waiter.rest, 301);
}

// Others need the core, and one that rests keeps it.
static void a_core_that_was_given_away_ends_all_rest(void **state) {
    (void)state;
    begin(2);
    fake.tick = 5000;
    fake.on_rest = rest_long;
    fake.on_yield = become_ready;
    for (int i = 0; i < 3; i++) {
        sipc_store_release(&side.watched, 0);
        assert_int_equal(wait_for(SIPC_FOREVER), SIPC_WAIT_READY);
    }
    assert_int_equal(side.waiter.spin, 100);
    assert_int_equal(side.waiter.rest, 0);
}

static void interrupt(unsigned turn) {
    (void)turn;
    sipc_store_release(&side.interrupt, 1);
}

static void an_interrupt_ends_the_rest(void **state) {
    (void)state;
    begin(2);
    fake.on_rest = interrupt;
    assert_int_equal(wait_for(SIPC_FOREVER), SIPC_WAIT_INTERRUPTED);
    assert_string_equal(fake.steps, "lr");
}

static void the_deadline_ends_the_rest(void **state) {
    (void)state;
    begin(2);
    fake.on_rest = rest_long;
    assert_int_equal(wait_for(1000), SIPC_WAIT_DEADLINE);
    assert_string_equal(fake.steps, "lry");
}

// Their answers stand in as many lines, and a processor watches one.
static void who_waits_for_several_slots_spins(void **state) {
    (void)state;
    begin(0);
    const struct sipc_sleep several = {
        .watched = &side.watched, .interrupt = &side.interrupt, .as = SIPC_WAITING_FIRST_LEAD};
    sipc_waiter_turn_to(&side.waiter, &several);
    assert_int_equal(side.waiter.spin, 200);
    assert_int_equal(side.waiter.rest, 0);
    struct sipc_sleep alone = several;
    alone.as = SIPC_WAITING_ALONE;
    sipc_waiter_turn_to(&side.waiter, &alone);
    assert_int_equal(side.waiter.spin, 100);
    assert_int_equal(side.waiter.rest, 100);
}

static void a_policy_of_polls_is_taken_as_it_is(void **state) {
    (void)state;
    begin(0);
    sipc_waiter_rest_by(&side.waiter, NULL);
    const sipc_wait_policy polls = {.preset = SIPC_WAIT_CUSTOM, .spin_max = 1000};
    sipc_waiter_init(&side.waiter, &polls, &side.watched, &side.waiting, &side.interrupt,
                     (struct sipc_event){.backend = &fake_backend});
    assert_null(side.waiter.line_wait);
    const sipc_wait_policy balanced = {.preset = SIPC_WAIT_BALANCED};
    sipc_waiter_init(&side.waiter, &balanced, &side.watched, &side.waiting, &side.interrupt,
                     (struct sipc_event){.backend = &fake_backend});
    assert_ptr_equal(side.waiter.line_wait, sipc_line_wait());
}

// ---- For real ----------------------------------------------------------------------------------

enum { TURNS = 20000 };

// Ends its rest at once, as a processor may.
static void watch_nothing(const void *line) {
    (void)line;
}
static const struct sipc_line_wait restless = {.watch = watch_nothing, .rest = sipc_pause};

struct turns {
    struct sipc_event wakes_us, wakes_peer;
    sipc_word *ours, *theirs; // the words that are waited for
    sipc_word *we_wait, *they_wait;
    sipc_word never;
    uint32_t wanted;
    uint32_t ahead; // what the peer waits for is so much more
};

static bool turn_has_come(const void *role) {
    const struct turns *turns = role;
    return sipc_load_acquire(turns->ours) == turns->wanted;
}

static void take_turns(void *context) {
    struct turns *turns = context;
    const sipc_wait_policy policy = {
        .preset = SIPC_WAIT_CUSTOM, .spin_min = 0, .spin_max = 50, .yields = 1};
    struct sipc_waiter waiter;
    sipc_waiter_init(&waiter, &policy, turns->ours, turns->we_wait, &turns->never, turns->wakes_us);
    sipc_waiter_rest_by(&waiter, sipc_line_wait() ? sipc_line_wait() : &restless);
    for (turns->wanted = 1; turns->wanted <= TURNS; turns->wanted++) {
        struct sipc_deadline never = sipc_deadline_after(SIPC_FOREVER);
        if (sipc_wait_slow(&waiter, turn_has_come, turns, &never) != SIPC_WAIT_READY) abort();
        sipc_publish(turns->theirs, turns->wanted + turns->ahead);
        if (sipc_load_relaxed(turns->they_wait) != 0)
            turns->wakes_peer.backend->wake(turns->wakes_peer.handle, turns->theirs);
    }
}

static void two_that_rest_in_turn_lose_no_wakeup(void **state) {
    (void)state;
    static struct {
        _Alignas(128) sipc_word word;
        _Alignas(128) sipc_word waiting;
    } sides[2];
    struct sipc_os_object object, again;
    open_nameless_twice(&object, &again);
    struct sipc_event events[2];
    make_real_event(&object, SIPC_SIDE_CALLER, &events[0]);
    make_real_event(&object, SIPC_SIDE_RESPONDER, &events[1]);
    struct turns turns[2];
    for (int i = 0; i < 2; i++)
        turns[i] = (struct turns){.wakes_us = events[i],
                                  .wakes_peer = events[1 - i],
                                  .ours = &sides[i].word,
                                  .theirs = &sides[1 - i].word,
                                  .we_wait = &sides[i].waiting,
                                  .they_wait = &sides[1 - i].waiting,
                                  .ahead = (uint32_t)i};
    struct thread other;
    sipc_store_release(&sides[0].word, 1);
    thread_start(&other, take_turns, &turns[1]);
    take_turns(&turns[0]);
    thread_join(&other);
    free_real_event(&events[0]);
    free_real_event(&events[1]);
    close_nameless(&object);
    close_nameless(&again);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        PROMISE(a_processor_is_taken_by_its_word),
#if defined(SIPC_HAS_LINE_WAITS)
        PROMISE(what_stands_beyond_the_last_leaf_is_not_believed),
        PROMISE(without_the_counter_there_is_no_umwait),
#endif
        PROMISE(what_this_processor_has_returns),
        PROMISE(the_least_is_spun_and_the_rest_rested),
        PROMISE(it_rests_until_the_line_is_written),
        PROMISE(it_looks_after_it_has_begun_to_watch),
        PROMISE(a_rest_that_was_enough_teaches_nothing),
        PROMISE(after_the_rest_it_yields_and_sleeps_as_ever),
        PROMISE(a_core_that_was_given_away_ends_all_rest),
        PROMISE(an_interrupt_ends_the_rest),
        PROMISE(the_deadline_ends_the_rest),
        PROMISE(who_waits_for_several_slots_spins),
        PROMISE(a_policy_of_polls_is_taken_as_it_is),
        PROMISE(two_that_rest_in_turn_lose_no_wakeup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
