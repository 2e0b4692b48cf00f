// SPDX-License-Identifier: Apache-2.0
// Slots whose responder has died: found when somebody is about to sleep there, and by notices of
// the system.
#include "internal/lock.h"
#include "internal/pool.h"

static uint64_t owner_of(const struct sipc_slot *slot) {
    return ((const volatile struct sipc_owner_line *)slot->owner)->owner_incarnation;
}

static bool says_attended(const struct sipc_slot *slot) {
    return (sipc_load_relaxed(&slot->responder->state) & SIPC_FLAG_ATTENDED) != 0;
}

bool sipc_session_attended(const struct sipc_session *session) {
    const struct sipc_slot *slot = session->caller.slot;
    if (!says_attended(slot)) return false;
    uint64_t orphan = atomic_load_explicit(&session->orphan, memory_order_relaxed);
    return orphan == 0 || orphan != owner_of(slot);
}

// Whether the responder was found dead just now. From here on nobody takes its slot for served.
static bool is_found_dead(struct sipc_session *session) {
    const struct sipc_slot *slot = session->caller.slot;
    // Before the look at the claim: a successor that takes it meanwhile is another incarnation.
    uint64_t owner = owner_of(slot);
    if (!sipc_session_attended(session) || sipc_slot_is_claimed(slot)) return false;
    // Who leaves in order says so before it gives its claim back, which the kernel orders: this
    // look sees it if the one before came too early.
    if (!says_attended(slot) || owner_of(slot) != owner) return false;
    sipc_set_bits(&session->special, SIPC_SPECIAL_ORPHAN);
    return atomic_exchange_explicit(&session->orphan, owner, memory_order_seq_cst) != owner;
}

// Ends the wait of the slot's holder, once for each death, whoever sees it first.
static void tell_death_of(uint64_t owner, struct sipc_session *session) {
    if (atomic_load_explicit(&session->orphan, memory_order_relaxed) != owner) return;
    if (atomic_exchange_explicit(&session->told, owner, memory_order_seq_cst) == owner) return;
    sipc_add_barrier(&session->interrupt, SIPC_INTERRUPT_EVENT);
    sipc_add_barrier(&sipc_session_lead(session)->group_interrupt, SIPC_INTERRUPT_EVENT);
}

// Looks whether the responder lives. If not, all the slots that it served are known to be orphaned
// before the first of their holders hears of it: whoever calls again finds another's.
// With the lock.
static void look_at(struct sipc_session *session) {
    const struct sipc_pool *pool = session->pool;
    const uint64_t owner = owner_of(session->caller.slot);
    if (!is_found_dead(session)) return;
    for (uint32_t i = 0; i < pool->count; i++) {
        struct sipc_session *other = sipc_pool_session(pool, i);
        if (owner_of(other->caller.slot) == owner) (void)is_found_dead(other);
    }
    for (uint32_t i = 0; i < pool->count; i++) tell_death_of(owner, sipc_pool_session(pool, i));
}

static void look(struct sipc_session *session) {
    sipc_lock(&session->pool->finding);
    look_at(session);
    sipc_unlock(&session->pool->finding);
}

static void watch_owner(const struct sipc_session *session) {
    const volatile struct sipc_owner_line *line = session->caller.slot->owner;
    struct sipc_os_process process = {.id = line->owner_pid,
                                      .id_namespace = line->owner_pid_namespace};
    // Without a watch the deadline still holds.
    sipc_os_watch_claim(session->pool->watch, session->caller.slot->object,
                        session->caller.slot->responder_claim, &process);
}

void sipc_session_watch(void *context) {
    struct sipc_session *session = context;
    if (!session->pool->watch) return; // a guest's: its host is watched all the time
    sipc_session_roam(session);
    uint64_t owner = owner_of(session->caller.slot);
    if (owner == session->watched || !sipc_session_attended(session)) return;
    watch_owner(session);
    session->watched = owner;
    // The process may have gone before it was watched, and its id to another.
    look(session);
}

void sipc_pool_look(void *context) {
    struct sipc_pool *pool = context;
    for (uint32_t i = 0; i < pool->count; i++) {
        struct sipc_session *session = sipc_pool_session(pool, i);
        if (sipc_session_attended(session)) look(session);
        // Alive: its process id may have been a dead one's, so watch who is there now.
        if (sipc_session_attended(session)) watch_owner(session);
    }
    // Also those whose death another thread has found: that one does not rouse, since it may be
    // about to sleep itself. After it has told them all, or who was not told yet would sleep on.
    sipc_lock(&pool->finding);
    sipc_unlock(&pool->finding);
    for (uint32_t i = 0; i < pool->count; i++) {
        const struct sipc_session *session = sipc_pool_session(pool, i);
        if (atomic_load_explicit(&session->orphan, memory_order_relaxed) != 0)
            sipc_wait_rouse(&sipc_session_lead(session)->caller.waiter);
    }
    sipc_pool_tell_news(pool);
}
