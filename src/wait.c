// SPDX-License-Identifier: Apache-2.0
#include "internal/wait.h"

#include "internal/errors.h"
#include "internal/layout.h"

// A wait that ends within this time after spinning would have been served better by spinning on.
#define WORTH_SPINNING_NS 20000u
#define DEAR_YIELD_NS 100000u
#define MOST_SHUNNED 1023u
#define MAX_POLLS 1000000u

const struct sipc_wait_system sipc_wait_system = {.now = sipc_os_now, .yield = sipc_os_yield};

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

static sipc_wait_policy resolve(const sipc_wait_policy *policy) {
    switch (policy->preset) {
    case SIPC_WAIT_LATENCY:
        return (sipc_wait_policy){.spin_min = 2000, .spin_max = 20000, .yields = 50};
    case SIPC_WAIT_POWER:
        return (sipc_wait_policy){.spin_min = 0, .spin_max = 100, .yields = 2};
    case SIPC_WAIT_CUSTOM:
        return *policy;
    case SIPC_WAIT_BALANCED:
    default:
        return (sipc_wait_policy){.spin_min = 50, .spin_max = 2000, .yields = 20};
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
        .spin = budget.spin_min + (budget.spin_max - budget.spin_min) / 2,
        .spin_min = budget.spin_min,
        .spin_max = budget.spin_max,
        .yields = budget.yields,
    };
}

static void spin_more(struct sipc_waiter *waiter) {
    uint32_t more = waiter->spin * 2 + 1;
    waiter->spin = more < waiter->spin_max ? more : waiter->spin_max;
}

// Takes a share of the budget: one of 2 after a sleep, one of 4 after a yield that took long.
static void spin_less(struct sipc_waiter *waiter, uint32_t share) {
    uint32_t less = waiter->spin - waiter->spin / share;
    waiter->spin = less > waiter->spin_min ? less : waiter->spin_min;
}

// Ready after the first yield: the peer needed our core, and all the spinning kept it off. Ready a
// little later: the peer runs elsewhere, and spinning on would have caught it. Ready late: others
// ran.
static void learn_from_yield(struct sipc_waiter *waiter, uint32_t yields_before, uint64_t took) {
    if (yields_before == 0)
        spin_less(waiter, 2);
    else if (took < WORTH_SPINNING_NS)
        spin_more(waiter);
    else
        spin_less(waiter, 4);
}

static bool interrupted(const struct sipc_waiter *waiter) {
    uint32_t word = sipc_load_acquire(waiter->interrupt);
    return (word & SIPC_INTERRUPT_BITS) != 0 ||
           (word & ~(SIPC_INTERRUPT_EVENT - 1)) != sipc_load_relaxed(&waiter->events);
}

void sipc_wait_rouse(const struct sipc_waiter *waiter) {
    while (sipc_load_acquire(&waiter->asleep) != 0 && interrupted(waiter)) {
        // A region that was cut short gets its memory back by this access; the kernel wakes nobody
        // where there is none.
        (void)sipc_load_relaxed(waiter->watched);
        waiter->event.backend->wake(waiter->event.handle, waiter->watched);
        waiter->system->yield();
    }
}

static enum sipc_wait_result sleep_until_ready(struct sipc_waiter *waiter, sipc_ready *ready,
                                               const void *role, uint64_t end) {
    enum sipc_wait_result result = SIPC_WAIT_READY;
    bool in_time = true;
    // Barriers: either we see the interrupt and the new state below, or who sets them sees that we
    // sleep (spec 4.2).
    sipc_exchange_barrier(&waiter->asleep, 1);
    sipc_exchange_barrier(waiter->waiting, waiter->asleep_as);
    for (;;) {
        if (waiter->before_sleep) waiter->before_sleep(waiter->context);
        // Before the look: what changes after it does not let us sleep.
        uint32_t seen = sipc_load_acquire(waiter->watched);
        if (ready(role)) break;
        if (interrupted(waiter)) {
            result = SIPC_WAIT_INTERRUPTED;
            break;
        }
        if (!in_time) {
            result = SIPC_WAIT_DEADLINE;
            break;
        }
        waiter->event.backend->sleep(waiter->event.handle, waiter->watched, seen, end);
        in_time = end == SIPC_NEVER || waiter->system->now() < end;
    }
    sipc_store_relaxed(waiter->waiting, 0);
    sipc_store_release(&waiter->asleep, 0);
    return result;
}

// A yield that took longer than a wake gave a time slice to somebody who computes. It is the last
// of this wait, and the next ones sleep at once: more of them the oftener it happens.
static void shun_yields(struct sipc_waiter *waiter) {
    waiter->penalty = waiter->penalty < MOST_SHUNNED / 2 ? 2 * waiter->penalty + 1 : MOST_SHUNNED;
    waiter->shunned = waiter->penalty;
}

static uint32_t yields_now(struct sipc_waiter *waiter) {
    if (waiter->shunned == 0) return waiter->yields;
    waiter->shunned--;
    return 0;
}

enum sipc_wait_result sipc_wait_slow(struct sipc_waiter *waiter, sipc_ready *ready,
                                     const void *role, struct sipc_deadline *deadline) {
    uint64_t began = waiter->system->now();
    uint64_t end = deadline->timeout == SIPC_FOREVER ? SIPC_NEVER : fix(deadline, began);
    uint64_t before = began;
    bool dear = false;
    for (uint32_t i = 0, yields = yields_now(waiter); i < yields && !dear; i++) {
        if (interrupted(waiter)) return SIPC_WAIT_INTERRUPTED;
        waiter->system->yield();
        uint64_t now = waiter->system->now();
        dear = now - before > DEAR_YIELD_NS;
        if (dear) shun_yields(waiter);
        if (ready(role)) {
            learn_from_yield(waiter, i, now - began);
            if (!dear) waiter->penalty /= 2;
            return SIPC_WAIT_READY;
        }
        if (now >= end) return SIPC_WAIT_DEADLINE;
        before = now;
    }
    spin_less(waiter, 2);
    return sleep_until_ready(waiter, ready, role, end);
}
