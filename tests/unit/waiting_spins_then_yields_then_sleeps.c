// SPDX-License-Identifier: Apache-2.0
// Promise: a side waits by polling, then yielding, then sleeping; it sleeps only after it has said
// so and looked again; it leaves at the deadline or when interrupted, whatever the peer writes
// (spec 7).
#include <string.h>

#include "fake_system.h"
#include "left_behind.h"
#include "system.h"
#include "threads.h"

// The waiting side: ready when the peer's word is what it wants.
struct side {
    sipc_word watched;
    sipc_word waiting;
    sipc_word interrupt;
    uint32_t wanted;
    struct sipc_waiter waiter;
};

static struct side side;
// What the looks found: l before the waiting word is 1, L after that.
static char looks[512];
static void (*on_look)(unsigned turn);

static bool ready(const void *role) {
    const struct side *waits = role;
    bool is_ready = sipc_load_acquire(&waits->watched) == waits->wanted;
    size_t turn = strlen(looks);
    if (turn + 1 < sizeof looks) looks[turn] = sipc_load_relaxed(&waits->waiting) ? 'L' : 'l';
    if (on_look) on_look((unsigned)turn + 1);
    return is_ready;
}

static void begin(uint32_t spin_min, uint32_t spin_max, uint32_t yields) {
    fake_reset();
    memset(looks, 0, sizeof looks);
    on_look = NULL;
    const sipc_wait_policy policy = {
        .preset = SIPC_WAIT_CUSTOM, .spin_min = spin_min, .spin_max = spin_max, .yields = yields};
    side = (struct side){.wanted = 1};
    sipc_waiter_init(&side.waiter, &policy, &side.watched, &side.waiting, &side.interrupt,
                     (struct sipc_event){.backend = &fake_backend});
    side.waiter.system = &fake_wait_system;
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

static void it_yields_as_often_as_the_policy_says_and_then_sleeps(void **state) {
    (void)state;
    begin(0, 0, 4);
    fake.on_sleep = become_ready;
    assert_int_equal(wait_for(SIPC_FOREVER), SIPC_WAIT_READY);
    assert_string_equal(fake.steps, "yyyys");
}

static void it_does_not_sleep_if_yielding_was_enough(void **state) {
    (void)state;
    begin(0, 0, 4);
    fake.on_yield = become_ready_at_third;
    assert_int_equal(wait_for(SIPC_FOREVER), SIPC_WAIT_READY);
    assert_string_equal(fake.steps, "yyy");
    assert_string_equal(looks, "lll");
}

// The look after WAITING stands between two sides that miss each other.
static void it_says_that_it_waits_and_looks_again_before_it_sleeps(void **state) {
    (void)state;
    begin(0, 0, 2);
    fake.on_sleep = become_ready;
    assert_int_equal(wait_for(SIPC_FOREVER), SIPC_WAIT_READY);
    assert_string_equal(looks, "llLL");
}

static void become_ready_before_the_last_look(unsigned turn) {
    if (turn == 2) become_ready(turn);
}

static void it_does_not_sleep_if_the_peer_moved_before_the_last_look(void **state) {
    (void)state;
    begin(0, 0, 2);
    on_look = become_ready_before_the_last_look;
    assert_int_equal(wait_for(SIPC_FOREVER), SIPC_WAIT_READY);
    assert_string_equal(fake.steps, "yy");
    assert_string_equal(looks, "llL");
    assert_int_equal(side.waiting, 0);
}

static void move_after_the_last_look(unsigned turn) {
    if (turn == 1) sipc_store_release(&side.watched, 7);
}

static void it_sleeps_on_the_value_from_before_the_look(void **state) {
    (void)state;
    begin(0, 0, 0);
    on_look = move_after_the_last_look;
    fake.on_sleep = become_ready;
    assert_int_equal(wait_for(SIPC_FOREVER), SIPC_WAIT_READY);
    // The word is 7 now; a futex asked to sleep while it is 0 returns at once.
    assert_int_equal(fake.expected, 0);
    assert_ptr_equal(fake.slept_on, &side.watched);
}

static void move_during_the_first_duty(void *context) {
    (void)context;
    if (sipc_load_relaxed(&side.watched) == 0) sipc_store_release(&side.watched, 7);
}

// What the duty arms may go by the word: a change that comes after it was armed must end the sleep.
static void it_sleeps_on_the_value_from_before_its_last_duty(void **state) {
    (void)state;
    begin(0, 0, 0);
    side.waiter.before_sleep = move_during_the_first_duty;
    fake.on_sleep = become_ready;
    assert_int_equal(wait_for(SIPC_FOREVER), SIPC_WAIT_READY);
    assert_int_equal(fake.expected, 0);
}

static unsigned waiting_while_asleep;
static unsigned asleep_while_asleep;

static void note_waiting(unsigned turn) {
    waiting_while_asleep = sipc_load_relaxed(&side.waiting);
    asleep_while_asleep = sipc_load_relaxed(&side.waiter.asleep);
    become_ready(turn);
}

static void the_waiting_word_is_1_while_it_sleeps_and_0_afterwards(void **state) {
    (void)state;
    begin(0, 0, 0);
    fake.on_sleep = note_waiting;
    assert_int_equal(wait_for(SIPC_FOREVER), SIPC_WAIT_READY);
    assert_int_equal(waiting_while_asleep, 1);
    assert_int_equal(asleep_while_asleep, 1);
    assert_int_equal(side.waiting, 0);
    assert_int_equal(side.waiter.asleep, 0);
}

static void it_sleeps_again_after_a_wake_that_brought_nothing(void **state) {
    (void)state;
    begin(0, 0, 0);
    fake.on_sleep = become_ready_at_third;
    assert_int_equal(wait_for(SIPC_FOREVER), SIPC_WAIT_READY);
    assert_string_equal(fake.steps, "sss");
}

static void without_a_deadline_the_event_gets_none(void **state) {
    (void)state;
    begin(0, 0, 0);
    fake.on_sleep = become_ready;
    wait_for(SIPC_FOREVER);
    assert_true(fake.sleeps_until == SIPC_NEVER);
}

static void it_sleeps_until_the_deadline_in_one_piece(void **state) {
    (void)state;
    begin(0, 0, 0);
    fake.on_sleep = become_ready;
    wait_for(UINT64_C(10000000000));
    assert_int_equal(fake.sleeps_until, 1000 + UINT64_C(10000000000));
    assert_string_equal(fake.steps, "s");
}

static void a_timeout_beyond_the_end_of_time_is_none(void **state) {
    (void)state;
    begin(0, 0, 0);
    fake.on_sleep = become_ready;
    wait_for(SIPC_FOREVER - 1);
    assert_true(fake.sleeps_until == SIPC_NEVER);
}

static void pass_the_deadline(unsigned turn) {
    (void)turn;
    fake.now = fake.sleeps_until ? fake.sleeps_until : 1000000;
}

static void it_leaves_at_the_deadline(void **state) {
    (void)state;
    begin(0, 0, 1);
    fake.on_sleep = pass_the_deadline;
    assert_int_equal(wait_for(500), SIPC_WAIT_DEADLINE);
    assert_string_equal(fake.steps, "ys");
    assert_int_equal(side.waiting, 0);
    assert_int_equal(side.waiter.asleep, 0);
}

static void it_leaves_at_a_deadline_that_passes_while_it_yields(void **state) {
    (void)state;
    begin(0, 0, 9);
    fake.on_yield = pass_the_deadline;
    assert_int_equal(wait_for(500), SIPC_WAIT_DEADLINE);
    assert_string_equal(fake.steps, "y");
}

static void pass_the_deadline_and_become_ready(unsigned turn) {
    pass_the_deadline(turn);
    become_ready(turn);
}

static void what_comes_with_the_deadline_is_still_taken(void **state) {
    (void)state;
    begin(0, 0, 0);
    fake.on_sleep = pass_the_deadline_and_become_ready;
    assert_int_equal(wait_for(500), SIPC_WAIT_READY);
    begin(0, 0, 1);
    fake.on_yield = pass_the_deadline_and_become_ready;
    assert_int_equal(wait_for(500), SIPC_WAIT_READY);
}

static void a_deadline_is_fixed_by_the_first_wait_and_kept_by_the_next(void **state) {
    (void)state;
    begin(0, 0, 0);
    struct sipc_deadline deadline = sipc_deadline_after(500);
    fake.on_sleep = become_ready;
    assert_int_equal(sipc_wait_slow(&side.waiter, ready, &side, &deadline), SIPC_WAIT_READY);
    assert_int_equal(fake.sleeps_until, 1500);
    fake.now = 1400;
    side.watched = 0;
    fake.on_sleep = pass_the_deadline;
    assert_int_equal(sipc_wait_slow(&side.waiter, ready, &side, &deadline), SIPC_WAIT_DEADLINE);
    assert_int_equal(fake.sleeps_until, 1500);
}

static void interrupt(unsigned turn) {
    (void)turn;
    sipc_store_release(&side.interrupt, 1);
}

static void an_interrupt_from_before_keeps_it_from_sleeping(void **state) {
    (void)state;
    begin(0, 0, 5);
    interrupt(0);
    assert_int_equal(wait_for(SIPC_FOREVER), SIPC_WAIT_INTERRUPTED);
    assert_string_equal(fake.steps, "");
    begin(0, 0, 0);
    interrupt(0);
    assert_int_equal(wait_for(SIPC_FOREVER), SIPC_WAIT_INTERRUPTED);
    assert_string_equal(fake.steps, "");
}

static void an_interrupt_ends_each_step(void **state) {
    (void)state;
    begin(0, 0, 5);
    fake.on_yield = interrupt;
    assert_int_equal(wait_for(SIPC_FOREVER), SIPC_WAIT_INTERRUPTED);
    assert_string_equal(fake.steps, "y");
    begin(0, 0, 1);
    fake.on_sleep = interrupt;
    assert_int_equal(wait_for(SIPC_FOREVER), SIPC_WAIT_INTERRUPTED);
    assert_string_equal(fake.steps, "ys");
    assert_int_equal(side.waiting, 0);
}

static void interrupt_after_the_look(unsigned turn) {
    if (turn == 1) interrupt(turn);
}

// Between the look and the interrupt's own look.
static void an_interrupt_in_the_last_moment_keeps_it_from_sleeping(void **state) {
    (void)state;
    begin(0, 0, 0);
    on_look = interrupt_after_the_look;
    assert_int_equal(wait_for(SIPC_FOREVER), SIPC_WAIT_INTERRUPTED);
    assert_string_equal(fake.steps, "");
}

static void add_event(unsigned turn) {
    (void)turn;
    sipc_add_barrier(&side.interrupt, SIPC_INTERRUPT_EVENT);
}

static void an_event_ends_the_wait_that_it_falls_into_and_no_other(void **state) {
    (void)state;
    begin(0, 0, 0);
    add_event(0);
    sipc_waiter_begin(&side.waiter);
    fake.on_sleep = become_ready;
    assert_int_equal(wait_for(SIPC_FOREVER), SIPC_WAIT_READY);
    side.watched = 0;
    sipc_waiter_begin(&side.waiter);
    fake.on_sleep = add_event;
    assert_int_equal(wait_for(SIPC_FOREVER), SIPC_WAIT_INTERRUPTED);
}

static void flip(unsigned turn) {
    sipc_store_release(&side.watched, 2 + turn % 2);
    sipc_store_release(&side.waiting, turn % 3);
}

static void a_peer_that_flips_our_words_does_not_hold_us_beyond_the_deadline(void **state) {
    (void)state;
    begin(0, 0, 3);
    fake.tick = 1;
    fake.on_yield = flip;
    fake.on_sleep = flip;
    on_look = flip;
    assert_int_equal(wait_for(200), SIPC_WAIT_DEADLINE);
    assert_true(fake.sleeps > 0 && fake.sleeps <= 200);
}

static void a_peer_that_flips_our_words_does_not_keep_an_interrupt_from_us(void **state) {
    (void)state;
    begin(0, 0, 0);
    on_look = flip;
    fake.on_sleep = interrupt;
    assert_int_equal(wait_for(SIPC_FOREVER), SIPC_WAIT_INTERRUPTED);
}

// ---- Rousing -----------------------------------------------------------------------------------

static void fall_awake_at_third(unsigned turn) {
    if (turn == 3) sipc_store_release(&side.waiter.asleep, 0);
}

static void a_rouse_repeats_the_wake_until_the_sleeper_is_awake(void **state) {
    (void)state;
    begin(0, 0, 0);
    sipc_store_release(&side.waiter.asleep, 1);
    interrupt(0);
    fake.on_wake = fall_awake_at_third;
    sipc_wait_rouse(&side.waiter);
    assert_string_equal(fake.steps, "wywywy");
    assert_ptr_equal(fake.woken, &side.watched);
}

// As after a notice of death that the sleeper has acted upon: it sleeps again, rightly.
static void a_rouse_leaves_a_sleeper_whom_nothing_interrupts(void **state) {
    (void)state;
    begin(0, 0, 0);
    sipc_store_release(&side.waiter.asleep, 1);
    sipc_wait_rouse(&side.waiter);
    assert_string_equal(fake.steps, "");
}

static void a_rouse_of_one_who_is_awake_does_nothing(void **state) {
    (void)state;
    begin(0, 0, 0);
    sipc_wait_rouse(&side.waiter);
    assert_string_equal(fake.steps, "");
}

struct real_sleeper {
    struct side *side;
    enum sipc_wait_result result;
};

static void sleep_for_real(void *context) {
    struct real_sleeper *sleeper = context;
    struct sipc_deadline never = sipc_deadline_after(SIPC_FOREVER);
    sleeper->result = sipc_wait_slow(&sleeper->side->waiter, ready, sleeper->side, &never);
}

static void a_real_sleeper_leaves_when_it_is_interrupted_and_roused(void **state) {
    (void)state;
    struct sipc_os_object object, again;
    open_nameless_twice(&object, &again);
    for (int i = 0; i < 50; i++) {
        begin(0, 0, (uint32_t)i % 3);
        side.waiter.system = &sipc_wait_system;
        make_real_event(&object, SIPC_SIDE_CALLER, &side.waiter.event);
        struct real_sleeper sleeper = {.side = &side};
        struct thread thread;
        thread_start(&thread, sleep_for_real, &sleeper);
        if (i % 5 == 0) give_others_time();
        sipc_set_bits(&side.interrupt, 1);
        sipc_wait_rouse(&side.waiter);
        thread_join(&thread);
        assert_int_equal(sleeper.result, SIPC_WAIT_INTERRUPTED);
        free_real_event(&side.waiter.event);
    }
    close_nameless(&object);
    close_nameless(&again);
}

// ---- Budgets -----------------------------------------------------------------------------------

static void a_policy_starts_between_its_limits(void **state) {
    (void)state;
    begin(100, 300, 0);
    assert_true(side.waiter.spin >= 100 && side.waiter.spin <= 300);
}

// A long sleep.
static void become_ready_late(unsigned turn) {
    fake.now += UINT64_C(1000000000);
    become_ready(turn);
}

static void wait_once(void) {
    sipc_store_release(&side.watched, 0);
    memset(looks, 0, sizeof looks);
    memset(fake.steps, 0, sizeof fake.steps);
    fake.yields = fake.sleeps = 0;
    assert_int_equal(wait_for(SIPC_FOREVER), SIPC_WAIT_READY);
}

static void a_long_sleep_takes_from_the_budget_down_to_the_least(void **state) {
    (void)state;
    begin(100, 1000, 0);
    fake.on_sleep = become_ready_late;
    for (int i = 0; i < 20; i++) {
        uint32_t before = side.waiter.spin;
        wait_once();
        assert_true(side.waiter.spin < before || before == 100);
    }
    assert_int_equal(side.waiter.spin, 100);
}

// Two that sleep wait for each other's wakes, and would for good.
static void a_sleep_that_spinning_would_have_spared_asks_for_more_up_to_the_most(void **state) {
    (void)state;
    begin(0, 1000, 0);
    fake.on_sleep = become_ready;
    side.waiter.spin = 1;
    for (int i = 0; i < 20; i++) {
        uint32_t before = side.waiter.spin;
        wait_once();
        assert_true(side.waiter.spin > before || before == 1000);
    }
    assert_int_equal(side.waiter.spin, 1000);
}

static uint32_t budget_after_a_yield_that_took(uint64_t nanoseconds, unsigned turn) {
    begin(50, 1000, 10);
    side.waiter.spin = 400;
    fake.tick = nanoseconds;
    fake.on_yield = turn == 1 ? become_ready : become_ready_at_third;
    assert_int_equal(wait_for(SIPC_FOREVER), SIPC_WAIT_READY);
    return side.waiter.spin;
}

static void a_response_a_little_after_the_spinning_asks_for_more_of_it(void **state) {
    (void)state;
    assert_true(budget_after_a_yield_that_took(10, 1) > 400);
    assert_true(budget_after_a_yield_that_took(10, 3) > 400);
}

// Others need the core, perhaps the peer itself: spinning keeps it off.
static void a_core_that_was_given_away_time_and_again_asks_for_the_least(void **state) {
    (void)state;
    assert_int_equal(budget_after_a_yield_that_took(5000, 3), 50);
    begin(50, 1000, 10);
    side.waiter.spin = 400;
    fake.tick = 5000;
    fake.on_yield = become_ready;
    for (int i = 0; i < 3; i++) wait_once();
    assert_int_equal(side.waiter.spin, 50);
}

// A tick of the system's clock, or another guest of the machine.
static void a_yield_that_took_long_by_chance_takes_nothing_from_the_budget(void **state) {
    (void)state;
    begin(50, 1000, 10);
    side.waiter.spin = 400;
    fake.on_yield = become_ready;
    for (int i = 0; i < 100; i++) {
        uint32_t before = side.waiter.spin;
        fake.tick = i % 8 < 2 ? 5000 : 100;
        wait_once();
        assert_true(side.waiter.spin > before || before == 1000);
    }
}

enum { TIME_SLICE_NS = 4000000 };

static void begin_beside_somebody_who_computes(void) {
    begin(0, 100000, 10);
    fake.tick = TIME_SLICE_NS;
    fake.on_sleep = become_ready;
}

static void a_yield_that_took_a_time_slice_is_the_last_of_its_wait(void **state) {
    (void)state;
    begin_beside_somebody_who_computes();
    wait_once();
    assert_string_equal(fake.steps, "ys");
}

// Each yield would give it a whole time slice, and a wake costs less.
static void beside_somebody_who_computes_it_soon_sleeps_without_yielding(void **state) {
    (void)state;
    unsigned yields = 0;
    begin_beside_somebody_who_computes();
    side.waiter.spin = 0;
    for (int i = 0; i < 400; i++) {
        wait_once();
        yields += fake.yields;
    }
    assert_in_range(yields, 3, 12);
    assert_true(side.waiter.spin > 0);
}

static void when_the_core_is_free_again_it_yields_again(void **state) {
    (void)state;
    begin_beside_somebody_who_computes();
    for (int i = 0; i < 400; i++) wait_once();
    fake.tick = 100;
    for (int i = 0; i < 10000; i++) wait_once();
    assert_int_equal(fake.yields, 10);
}

// Others in turn with us, who now and then have much to exchange.
static void a_time_slice_now_and_then_does_not_keep_it_from_yielding(void **state) {
    (void)state;
    begin(0, 1000, 10);
    fake.on_yield = become_ready;
    for (int i = 0; i < 100; i++) {
        fake.tick = i % 4 == 0 ? TIME_SLICE_NS : 10000;
        wait_once();
        assert_string_equal(fake.steps, "y");
    }
}

// ---- In step -----------------------------------------------------------------------------------

// The peer comes whenever we have just yielded.
static void come_after_a_turn(unsigned turn) {
    fake.now += 5000;
    become_ready(turn);
}

static void be_in_step(bool may_move) {
    begin(0, 1000, 10);
    side.waiter.may_move = may_move;
    fake.tick = 100;
    fake.on_yield = come_after_a_turn;
    // Two until the core counts as crowded, and 16 in step.
    for (int i = 0; i < 18; i++) {
        wait_once();
        assert_string_equal(fake.steps, "y");
    }
}

static void one_that_is_in_step_with_its_peer_spins_until_it_comes_by(void **state) {
    (void)state;
    be_in_step(true);
    on_look = become_ready_at_third;
    wait_once();
    assert_string_equal(fake.steps, "");
}

static void a_peer_that_does_not_come_by_shares_the_core_and_the_worker_moves(void **state) {
    (void)state;
    be_in_step(true);
    wait_once();
    assert_string_equal(fake.steps, "my");
    wait_once();
    assert_string_equal(fake.steps, "y");
}

static void a_thread_of_the_application_is_not_moved(void **state) {
    (void)state;
    be_in_step(false);
    wait_once();
    assert_string_equal(fake.steps, "y");
}

static void one_that_works_longer_than_it_waits_is_not_in_step(void **state) {
    (void)state;
    begin(0, 1000, 10);
    side.waiter.may_move = true;
    fake.on_yield = come_after_a_turn;
    for (int i = 0; i < 100; i++) {
        fake.now += 50000;
        wait_once();
        assert_string_equal(fake.steps, "y");
    }
}

// ---- Policies ----------------------------------------------------------------------------------

static sipc_status check(uint32_t preset, uint32_t spin_min, uint32_t spin_max, uint32_t yields) {
    const sipc_wait_policy policy = {.preset = (sipc_wait_preset)preset,
                                     .spin_min = spin_min,
                                     .spin_max = spin_max,
                                     .yields = yields};
    return sipc_wait_policy_check(&policy);
}

static void a_policy_out_of_range_is_refused(void **state) {
    (void)state;
    assert_int_equal(check(SIPC_WAIT_CUSTOM, 0, 0, 0), SIPC_OK);
    assert_int_equal(check(SIPC_WAIT_CUSTOM, 1000000, 1000000, 1000000), SIPC_OK);
    assert_int_equal(check(SIPC_WAIT_CUSTOM, 0, 1000001, 0), SIPC_INVALID_ARGUMENT);
    assert_int_equal(check(SIPC_WAIT_CUSTOM, 11, 10, 0), SIPC_INVALID_ARGUMENT);
    assert_int_equal(check(SIPC_WAIT_CUSTOM, 0, 0, 1000001), SIPC_INVALID_ARGUMENT);
    assert_non_null(strstr(sipc_error_text(), "1000001"));
    assert_int_equal(check(SIPC_WAIT_CUSTOM + 1, 0, 0, 0), SIPC_INVALID_ARGUMENT);
    assert_int_equal(check(UINT32_MAX, 0, 0, 0), SIPC_INVALID_ARGUMENT);
    // The numbers count with SIPC_WAIT_CUSTOM only.
    assert_int_equal(check(SIPC_WAIT_POWER, 11, 10, UINT32_MAX), SIPC_OK);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        PROMISE(it_yields_as_often_as_the_policy_says_and_then_sleeps),
        PROMISE(it_does_not_sleep_if_yielding_was_enough),
        PROMISE(it_says_that_it_waits_and_looks_again_before_it_sleeps),
        PROMISE(it_does_not_sleep_if_the_peer_moved_before_the_last_look),
        PROMISE(it_sleeps_on_the_value_from_before_the_look),
        PROMISE(it_sleeps_on_the_value_from_before_its_last_duty),
        PROMISE(the_waiting_word_is_1_while_it_sleeps_and_0_afterwards),
        PROMISE(it_sleeps_again_after_a_wake_that_brought_nothing),
        PROMISE(without_a_deadline_the_event_gets_none),
        PROMISE(it_sleeps_until_the_deadline_in_one_piece),
        PROMISE(a_timeout_beyond_the_end_of_time_is_none),
        PROMISE(it_leaves_at_the_deadline),
        PROMISE(it_leaves_at_a_deadline_that_passes_while_it_yields),
        PROMISE(what_comes_with_the_deadline_is_still_taken),
        PROMISE(a_deadline_is_fixed_by_the_first_wait_and_kept_by_the_next),
        PROMISE(an_interrupt_from_before_keeps_it_from_sleeping),
        PROMISE(an_interrupt_ends_each_step),
        PROMISE(an_interrupt_in_the_last_moment_keeps_it_from_sleeping),
        PROMISE(an_event_ends_the_wait_that_it_falls_into_and_no_other),
        PROMISE(a_peer_that_flips_our_words_does_not_hold_us_beyond_the_deadline),
        PROMISE(a_peer_that_flips_our_words_does_not_keep_an_interrupt_from_us),
        PROMISE(a_rouse_repeats_the_wake_until_the_sleeper_is_awake),
        PROMISE(a_rouse_of_one_who_is_awake_does_nothing),
        PROMISE(a_rouse_leaves_a_sleeper_whom_nothing_interrupts),
        PROMISE(a_real_sleeper_leaves_when_it_is_interrupted_and_roused),
        PROMISE(a_policy_starts_between_its_limits),
        PROMISE(a_long_sleep_takes_from_the_budget_down_to_the_least),
        PROMISE(a_sleep_that_spinning_would_have_spared_asks_for_more_up_to_the_most),
        PROMISE(a_response_a_little_after_the_spinning_asks_for_more_of_it),
        PROMISE(a_core_that_was_given_away_time_and_again_asks_for_the_least),
        PROMISE(a_yield_that_took_long_by_chance_takes_nothing_from_the_budget),
        PROMISE(a_yield_that_took_a_time_slice_is_the_last_of_its_wait),
        PROMISE(beside_somebody_who_computes_it_soon_sleeps_without_yielding),
        PROMISE(when_the_core_is_free_again_it_yields_again),
        PROMISE(a_time_slice_now_and_then_does_not_keep_it_from_yielding),
        PROMISE(one_that_is_in_step_with_its_peer_spins_until_it_comes_by),
        PROMISE(a_peer_that_does_not_come_by_shares_the_core_and_the_worker_moves),
        PROMISE(a_thread_of_the_application_is_not_moved),
        PROMISE(one_that_works_longer_than_it_waits_is_not_in_step),
        PROMISE(a_policy_out_of_range_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
