// SPDX-License-Identifier: Apache-2.0
#include "internal/group.h"

// Of the polls in a wait one in so many looks at another slot than the expected one: each look in
// vain takes a line from the caller that is about to write it.
#define LOOK_ASIDE 4u

static uint32_t after(const struct sipc_group *group, uint32_t index) {
    return index + 1 < group->count ? index + 1 : 0;
}

static bool any_changed(const void *role) {
    const struct sipc_group *group = role;
    for (uint32_t i = 0; i < group->count; i++)
        if (sipc_responder_has_news(&group->responders[i])) return true;
    return false;
}

// Says in each slot where we sleep.
static void announce(void *context) {
    const struct sipc_group *group = context;
    for (uint32_t i = 0; i < group->count; i++)
        sipc_exchange_barrier(&group->responders[i].slot->responder->waiting,
                              sipc_group_waiter(group)->asleep_as);
}

static void take_back_announcement(const struct sipc_group *group) {
    for (uint32_t i = 0; i < group->count; i++)
        sipc_store_relaxed(&group->responders[i].slot->responder->waiting, 0);
}

void sipc_group_init(struct sipc_group *group, struct sipc_responder *responders, uint32_t count) {
    *group = (struct sipc_group){.responders = responders, .count = count};
    if (count == 1) return;
    struct sipc_waiter *waiter = sipc_group_waiter(group);
    const struct sipc_slot *lead = responders[0].slot;
    const struct sipc_sleep sleep = {.watched = &lead->annex->responder_bell,
                                     .interrupt = sipc_waiter_interrupt(waiter),
                                     .as = SIPC_WAITING_FIRST_LEAD + lead->index,
                                     .before = announce,
                                     .context = group};
    sipc_waiter_turn_to(waiter, &sleep);
}

static bool spin(struct sipc_group *group) {
    struct sipc_waiter *waiter = sipc_group_waiter(group);
    for (uint32_t polls = waiter->spin; polls > 0; polls--) {
        uint32_t at = group->next;
        if (polls % LOOK_ASIDE == 0) at = group->aside = after(group, group->aside);
        if (sipc_responder_has_news(&group->responders[at])) {
            group->next = at;
            return true;
        }
        sipc_pause();
    }
    return false;
}

static SIPC_SELDOM bool spin_timed(struct sipc_group *group) {
    sipc_waiter_time_spin(sipc_group_waiter(group));
    if (!spin(group)) return false;
    sipc_waiter_count_spin(sipc_group_waiter(group), sipc_os_now());
    return true;
}

static bool spin_or_time_it(struct sipc_group *group) {
    return sipc_waiter_samples_spin(sipc_group_waiter(group)) ? spin_timed(group) : spin(group);
}

// Several have news at a time; in the order of the slots, so that none is passed over for long.
static struct sipc_responder *next_with_news(struct sipc_group *group) {
    for (uint32_t i = 0; i < group->count; i++, group->next = after(group, group->next))
        if (sipc_responder_has_news(&group->responders[group->next]))
            return &group->responders[group->next];
    return NULL;
}

static enum sipc_wait_result wait_long(struct sipc_group *group, struct sipc_responder **ready) {
    struct sipc_deadline never = sipc_deadline_after(SIPC_FOREVER);
    do {
        enum sipc_wait_result result =
            sipc_wait_slow(sipc_group_waiter(group), any_changed, group, &never);
        take_back_announcement(group);
        if (result != SIPC_WAIT_READY) return result;
        // A hostile caller may have taken its word back meanwhile.
        *ready = next_with_news(group);
    } while (!*ready);
    return SIPC_WAIT_READY;
}

enum sipc_wait_result sipc_group_wait(struct sipc_group *group, struct sipc_responder **ready) {
    *ready = group->responders;
    if (group->count == 1) return sipc_responder_wait(group->responders);
    if (!sipc_responder_has_news(&group->responders[group->next])) {
        sipc_responder_look_back(&group->last);
        enum sipc_wait_result result =
            spin_or_time_it(group) ? SIPC_WAIT_READY : wait_long(group, ready);
        if (result != SIPC_WAIT_READY) return result;
    }
    *ready = &group->responders[group->next];
    group->next = after(group, group->next);
    SIPC_PREFETCH(group->responders[group->next].slot->turn);
    return SIPC_WAIT_READY;
}
