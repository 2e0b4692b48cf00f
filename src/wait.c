// SPDX-License-Identifier: Apache-2.0
#include "internal/wait.h"

#include "internal/errors.h"
#include "internal/layout.h"

#define MAX_POLLS 1000000u

// A yield that took longer gave the core to another thread; bare, it is a system call. But some in
// a hundred take as long for other reasons, of which a crowd is none: it shows in most of them.
#define GIVEN_AWAY_NS 1500u
#define GIVEN_TO_CROWD 3u // of the last eight
// One that took longer gave a time slice to somebody who computes.
#define DEAR_YIELD_NS 1000000u
#define MANY_DEAR 3u
#define SHUNNED_STEP 4u
#define MOST_SHUNNED 1024u
#define WAKE_NS 50000u

// Waits in step with the peer before it is sought; and when all seeking was in vain.
#define FIRST_PATIENCE 16u
#define LAST_PATIENCE 4096u
#define LONGEST_SEARCH_NS 200000u

const struct sipc_wait_system sipc_wait_system = {
    .now = sipc_os_now, .yield = sipc_os_yield, .move = sipc_os_move};

static uint64_t fix(struct sipc_deadline *deadline, uint64_t now) {
    if (deadline->at == 0)
        deadline->at = deadline->timeout > SIPC_NEVER - now ? SIPC_NEVER : now + deadline->timeout;
    return deadline->at;
}

uint64_t sipc_deadline_at(struct sipc_deadline *deadline) {
    if (deadline->timeout == SIPC_FOREVER) return SIPC_NEVER;
    return deadline->at ? deadline->at : fix(deadline, sipc_os_now());
}

bool sipc_deadline_passed(struct sipc_deadline *deadline) {
    return sipc_os_now() >= sipc_deadline_at(deadline);
}

// ---- Budgets in time
// -----------------------------------------------------------------------------

#define MEASURED_POLLS 32u
#define MEASUREMENTS 4u

static uint64_t time_polls(void) {
    static sipc_word word;
    uint64_t began = sipc_os_now();
    for (uint32_t polls = MEASURED_POLLS; polls > 0; polls--) {
        if (sipc_load_acquire(&word) != 0) break;
        sipc_pause();
    }
    return sipc_os_now() - began;
}

// What MEASURED_POLLS polls cost: from 1 to 40 ns each, as the processor is. Measured by the first
// waiters of a process, at once or by several, which does no harm. The least is nearest to the
// truth.
static uint64_t cost_of_polls(void) {
    static sipc_word known;
    uint32_t cost = sipc_load_relaxed(&known);
    if (cost != 0) return cost;
    cost = UINT32_MAX;
    for (uint32_t i = 0; i < MEASUREMENTS; i++) {
        uint64_t took = time_polls();
        if (took < cost) cost = (uint32_t)took;
    }
    if (cost == 0) cost = 1;
    sipc_store_relaxed(&known, cost);
    return cost;
}

static uint64_t time_of(uint32_t polls) {
    return polls * cost_of_polls() / MEASURED_POLLS;
}

static uint32_t polls_of(uint64_t nanoseconds) {
    uint64_t polls = nanoseconds * MEASURED_POLLS / cost_of_polls();
    return polls < MAX_POLLS ? (uint32_t)polls : MAX_POLLS;
}

// The presets (docs/waiting.md). A sleep and its wake cost 30 to 50 us.
static sipc_wait_policy preset(uint64_t spin_min_ns, uint64_t spin_max_ns, uint32_t yields) {
    return (sipc_wait_policy){
        .spin_min = polls_of(spin_min_ns), .spin_max = polls_of(spin_max_ns), .yields = yields};
}

static sipc_wait_policy resolve(const sipc_wait_policy *policy) {
    switch (policy->preset) {
    case SIPC_WAIT_LATENCY:
        return preset(50000, 1000000, 50);
    case SIPC_WAIT_POWER:
        return preset(0, 2500, 2);
    case SIPC_WAIT_CUSTOM:
        return *policy;
    case SIPC_WAIT_BALANCED:
    default:
        return preset(1200, 200000, 20);
    }
}

sipc_status sipc_wait_policy_check(const sipc_wait_policy *policy) {
    if ((uint32_t)policy->preset > SIPC_WAIT_CUSTOM)
        return sipc_fail(SIPC_INVALID_ARGUMENT, "there is no wait preset %d", (int)policy->preset);
    if (policy->preset != SIPC_WAIT_CUSTOM) return SIPC_OK;
    if (policy->spin_max > MAX_POLLS || policy->spin_min > policy->spin_max ||
        policy->yields > MAX_POLLS)
        return sipc_fail(
            SIPC_INVALID_ARGUMENT,
            "the wait policy spins %u to %u polls and yields %u times; the first must not "
            "exceed the second and none %u",
            policy->spin_min, policy->spin_max, policy->yields, MAX_POLLS);
    return SIPC_OK;
}

static uint32_t budget_of(const struct sipc_waiter *waiter) {
    return waiter->spin + waiter->rest;
}

// Who waits for one slot may rest at its line for what goes beyond the least.
static void set_budget(struct sipc_waiter *waiter, uint32_t polls) {
    const bool rests = waiter->line_wait && waiter->asleep_as == SIPC_WAITING_ALONE;
    waiter->spin = rests && polls > waiter->spin_min ? waiter->spin_min : polls;
    waiter->rest = polls - waiter->spin;
}

void sipc_waiter_rest_by(struct sipc_waiter *waiter, const struct sipc_line_wait *line_wait) {
    waiter->line_wait = line_wait;
    set_budget(waiter, budget_of(waiter));
}

void sipc_waiter_init(struct sipc_waiter *waiter, const sipc_wait_policy *policy,
                      sipc_word *watched, sipc_word *waiting, const sipc_word *interrupt,
                      struct sipc_event event) {
    sipc_wait_policy budget = resolve(policy);
    *waiter = (struct sipc_waiter){
        .watched = watched,
        .waiting = waiting,
        .asleep_as = SIPC_WAITING_ALONE,
        .interrupt = interrupt,
        .event = event,
        .system = &sipc_wait_system,
        .spin = polls_of(WAKE_NS),
        .spin_min = budget.spin_min,
        .spin_max = budget.spin_max,
        .yields = budget.yields,
        .patience = FIRST_PATIENCE,
        .line = watched,
    };
    if (waiter->spin > waiter->spin_max) waiter->spin = waiter->spin_max;
    if (waiter->spin < waiter->spin_min) waiter->spin = waiter->spin_min;
    waiter->spin_first = waiter->spin;
    // Who gives numbers of polls means polls.
    if (policy->preset != SIPC_WAIT_CUSTOM) sipc_waiter_rest_by(waiter, sipc_line_wait());
}

void sipc_waiter_turn_to(struct sipc_waiter *waiter, const struct sipc_sleep *sleep) {
    atomic_store_explicit(&waiter->watched, sleep->watched, memory_order_relaxed);
    atomic_store_explicit(&waiter->interrupt, sleep->interrupt, memory_order_relaxed);
    waiter->asleep_as = sleep->as;
    waiter->before_sleep = sleep->before;
    waiter->context = sleep->context;
    set_budget(waiter, budget_of(waiter));
}

// ---- What a wait has taught
// ----------------------------------------------------------------------

static void spin_more(struct sipc_waiter *waiter) {
    uint32_t more = budget_of(waiter) * 2 + 1;
    set_budget(waiter, more < waiter->spin_max ? more : waiter->spin_max);
}

static void spin_less(struct sipc_waiter *waiter) {
    uint32_t less = budget_of(waiter) / 2;
    set_budget(waiter, less > waiter->spin_min ? less : waiter->spin_min);
}

// Who computes on our core keeps it for a time slice whenever we let go: the next waits do not
// yield, and spin for as long as a wake costs before they sleep. More of them the oftener it
// happens.
static void shun_yields(struct sipc_waiter *waiter) {
    if (budget_of(waiter) < waiter->spin_first) set_budget(waiter, waiter->spin_first);
    uint32_t more = waiter->penalty > 0 ? SHUNNED_STEP * waiter->penalty : 1;
    waiter->penalty = more < MOST_SHUNNED ? more : MOST_SHUNNED;
    waiter->shunned = waiter->penalty;
}

static uint32_t given_away(const struct sipc_waiter *waiter) {
    uint32_t count = 0;
    for (uint32_t left = waiter->given_away; left > 0; left &= left - 1) count++;
    return count;
}

static void learn_from_yield(struct sipc_waiter *waiter, uint64_t took) {
    bool dear = took > DEAR_YIELD_NS;
    const bool given = took > GIVEN_AWAY_NS && !dear;
    waiter->given_away = (uint8_t)(waiter->given_away << 1 | given);
    waiter->crowded = given && given_away(waiter) >= GIVEN_TO_CROWD;
    if (dear) {
        // Once or twice it may have been others like us, who had much to exchange.
        if (waiter->penalty > 0 || ++waiter->dear >= MANY_DEAR) shun_yields(waiter);
        return;
    }
    if (!waiter->crowded) {
        // Also where somebody computes a yield may return at once, after a sleep.
        waiter->penalty -= (waiter->penalty + 7) / 8;
        return;
    }
    waiter->penalty /= SHUNNED_STEP;
    waiter->dear = 0;
    // Others wanted this core, perhaps the peer: all that we spin keeps them off.
    set_budget(waiter, waiter->spin_min);
}

static uint32_t yields_now(struct sipc_waiter *waiter) {
    if (waiter->shunned == 0) return waiter->yields;
    waiter->shunned--;
    return 0;
}

// A core of our own, and the wait ended when we could still have been spinning: next time we are.
static void learn_from_end(struct sipc_waiter *waiter, uint64_t took) {
    if (waiter->penalty > 0) return;
    if (!waiter->crowded && took * MEASURED_POLLS / cost_of_polls() <= waiter->spin_max)
        spin_more(waiter);
    else
        spin_less(waiter);
}

// ---- What it has cost
// -----------------------------------------------------------------------------

void sipc_waiter_time_spin(struct sipc_waiter *waiter) {
    waiter->spin_from = sipc_os_now();
}

void sipc_waiter_count_spin(struct sipc_waiter *waiter, uint64_t now) {
    uint64_t took = sipc_time_between(waiter->spin_from, now);
    waiter->spin_from = 0;
    if (waiter->times) sipc_counter_add(&waiter->times->spin_ns, took * SIPC_SAMPLE_INTERVAL);
}

static void count_yield(const struct sipc_waiter *waiter, uint64_t took) {
    if (waiter->times) sipc_counter_add(&waiter->times->yield_ns, took);
}

static void count_sleep(const struct sipc_waiter *waiter, uint64_t took) {
    if (!waiter->times) return;
    sipc_counter_add(&waiter->times->sleeps, 1);
    sipc_counter_add(&waiter->times->sleep_ns, took);
}

static bool interrupted(const struct sipc_waiter *waiter) {
    uint32_t word = sipc_load_acquire(sipc_waiter_interrupt(waiter));
    return (word & SIPC_INTERRUPT_BITS) != 0 ||
           (word & ~(SIPC_INTERRUPT_EVENT - 1)) != sipc_load_relaxed(&waiter->events);
}

void sipc_waiter_wake(const struct sipc_waiter *waiter) {
    // A region that was cut short gets its memory back by this access; the kernel wakes nobody
    // where there is none.
    sipc_word *watched = sipc_waiter_watched(waiter);
    (void)sipc_load_relaxed(watched);
    waiter->event.backend->wake(waiter->event.handle, watched);
    waiter->system->yield();
}

void sipc_wait_rouse(const struct sipc_waiter *waiter) {
    while (sipc_load_acquire(&waiter->asleep) != 0 && interrupted(waiter)) sipc_waiter_wake(waiter);
}

// Its thread has said that it is asleep, and where.
static enum sipc_wait_result sleep_announced(struct sipc_waiter *waiter,
                                             void (*before)(void *context), sipc_ready *ready,
                                             const void *role, uint64_t end) {
    sipc_word *const watched = sipc_waiter_watched(waiter);
    for (bool in_time = true;; in_time = end == SIPC_NEVER || waiter->system->now() < end) {
        // Before the duty and the look, which go by the word: what changes after them does not let
        // us sleep.
        uint32_t seen = sipc_load_acquire(watched);
        if (before) before(waiter->context);
        if (ready(role)) return SIPC_WAIT_READY;
        if (interrupted(waiter)) return SIPC_WAIT_INTERRUPTED;
        if (!in_time) return SIPC_WAIT_DEADLINE;
        waiter->event.backend->sleep(waiter->event.handle, watched, seen, end);
    }
}

static enum sipc_wait_result sleep_until_ready(struct sipc_waiter *waiter, sipc_ready *ready,
                                               const void *role, uint64_t end) {
    // Barriers: either we see the interrupt and the new state, or who sets them sees that we sleep
    // (spec 4.2).
    sipc_exchange_barrier(&waiter->asleep, 1);
    sipc_exchange_barrier(waiter->waiting, waiter->asleep_as);
    enum sipc_wait_result result = sleep_announced(waiter, waiter->before_sleep, ready, role, end);
    sipc_store_relaxed(waiter->waiting, 0);
    sipc_store_release(&waiter->asleep, 0);
    return result;
}

enum sipc_wait_result sipc_wait_in_place(struct sipc_waiter *waiter, sipc_ready *ready,
                                         const void *role, uint64_t end) {
    sipc_exchange_barrier(&waiter->asleep, 1); // as above
    enum sipc_wait_result result = sleep_announced(waiter, NULL, ready, role, end);
    sipc_store_release(&waiter->asleep, 0);
    return result;
}

// ---- Peers that miss each other
// ------------------------------------------------------------------
//
// With more threads than cores a pair does best when both run at once: then they exchange thousands
// of messages, each while the other spins. But when all take turns they may stay in step for good:
// each comes when the other has just gone, and a round trip lasts as long as everybody's turns. So
// after some such waits one of them spins for two rounds of turns. A peer on another core comes by
// in that time, and they have met. One that does not shares our core, and never will: then one of
// them moves to another.

// The first yield brought what we wait for, and most of our time is spent in such yields.
static void note_step(struct sipc_waiter *waiter, uint64_t began, uint64_t now, uint64_t took) {
    bool in_step = waiter->crowded && began - waiter->ended < took;
    waiter->steps = in_step ? waiter->steps + 1 : 0;
    waiter->turns_ns = took;
    waiter->ended = now;
}

static bool seek_peer(struct sipc_waiter *waiter, sipc_ready *ready, const void *role) {
    uint64_t time = 2 * waiter->turns_ns;
    if (time > LONGEST_SEARCH_NS) time = LONGEST_SEARCH_NS;
    for (uint32_t polls = polls_of(time); polls > 0; polls--) {
        if (ready(role)) return true;
        sipc_pause();
    }
    return false;
}

// True: the wait is over.
static bool meet_peer(struct sipc_waiter *waiter, sipc_ready *ready, const void *role) {
    if (waiter->steps < waiter->patience) return false;
    waiter->steps = 0;
    if (seek_peer(waiter, ready, role)) {
        waiter->patience = FIRST_PATIENCE;
        return true;
    }
    if (waiter->may_move) waiter->system->move();
    if (waiter->patience < LAST_PATIENCE) waiter->patience *= 2;
    return false;
}

// ---- Resting at the line
// ------------------------------------------------------------------------

// For as long as it would have spun. True: the wait is over, and the budget was enough.
static bool rest_at_line(struct sipc_waiter *waiter, sipc_ready *ready, const void *role,
                         uint64_t end) {
    const uint64_t began = waiter->system->now();
    uint64_t until = began + time_of(waiter->rest);
    if (until > end) until = end;
    bool is_ready = false;
    uint64_t now = began;
    while (!is_ready && now < until && !interrupted(waiter)) {
        waiter->line_wait->watch(waiter->line);
        // Between the two: what was written before the watch is seen, what comes later ends the
        // rest.
        is_ready = ready(role);
        if (!is_ready) {
            waiter->line_wait->rest();
            is_ready = ready(role);
        }
        now = waiter->system->now();
    }
    if (waiter->times) sipc_counter_add(&waiter->times->spin_ns, now - began);
    return is_ready;
}

// ---- After spinning
// ------------------------------------------------------------------------------

enum sipc_wait_result sipc_wait_slow(struct sipc_waiter *waiter, sipc_ready *ready,
                                     const void *role, struct sipc_deadline *deadline) {
    uint64_t began = waiter->system->now();
    uint64_t end = deadline->timeout == SIPC_FOREVER ? SIPC_NEVER : fix(deadline, began);
    if (waiter->spin_from != 0) sipc_waiter_count_spin(waiter, began);
    if (meet_peer(waiter, ready, role)) return SIPC_WAIT_READY;
    if (waiter->rest > 0) {
        if (rest_at_line(waiter, ready, role, end)) return SIPC_WAIT_READY;
        began = waiter->system->now();
    }
    uint64_t before = began;
    for (uint32_t i = 0, yields = yields_now(waiter); i < yields; i++) {
        if (interrupted(waiter)) return SIPC_WAIT_INTERRUPTED;
        waiter->system->yield();
        uint64_t now = waiter->system->now();
        uint64_t took = now - before;
        learn_from_yield(waiter, took);
        count_yield(waiter, took);
        if (ready(role)) {
            if (i == 0) note_step(waiter, began, now, took);
            learn_from_end(waiter, now - began);
            return SIPC_WAIT_READY;
        }
        if (now >= end) return SIPC_WAIT_DEADLINE;
        before = now;
        if (took > DEAR_YIELD_NS) break;
    }
    enum sipc_wait_result result = sleep_until_ready(waiter, ready, role, end);
    const uint64_t awake = waiter->system->now();
    count_sleep(waiter, awake - before);
    learn_from_end(waiter, awake - began);
    return result;
}
