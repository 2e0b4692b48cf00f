// SPDX-License-Identifier: Apache-2.0
#include "internal/pool.h"

#include "internal/errors.h"
#include "internal/lock.h"

#define EVERYBODY UINT32_MAX

// Who waits for longer is not overtaken any more. Until then whoever comes first takes a slot: it
// is in use for less time than it takes to wake another thread.
#define PATIENCE_NS UINT64_C(20000000)
// A store has long left its core by then.
#define STORES_ARE_SEEN_NS UINT64_C(1000000)

_Thread_local uint32_t sipc_pool_last_slot;

// ---- Claims ------------------------------------------------------------------------------------

// Threads of this process look again: all who wait for this very slot, and one of those who take
// any. True: there was one of the latter.
static bool unpark(struct sipc_pool *pool, struct sipc_session *session) {
    if (sipc_load_relaxed(&session->wanted) != 0) {
        sipc_add_barrier(&session->releases, 1);
        sipc_os_unpark(&session->releases, EVERYBODY);
    }
    if (sipc_load_relaxed(&pool->parked) == 0) return false;
    sipc_add_barrier(&pool->releases, 1);
    // One may want another guest's slot: then all look, and those who watch as well.
    const bool choosy = sipc_load_relaxed(&pool->choosy) != 0;
    sipc_os_unpark(&pool->releases, choosy ? EVERYBODY : 1);
    return !choosy;
}

// Says that another slot is free, in one step with the look whether the session's holder wants to
// know.
bool sipc_session_interrupt(struct sipc_session *session, uint32_t said) {
    uint32_t bits = sipc_load_relaxed(&session->interrupt);
    while ((bits & said) != 0 && !(bits & SIPC_INTERRUPT_RELEASED))
        if (sipc_compare_exchange(&session->interrupt, &bits, bits | SIPC_INTERRUPT_RELEASED))
            return true;
    return false;
}

static void rouse_watcher(struct sipc_pool *pool) {
    for (uint32_t i = 0; i < pool->count; i++) {
        struct sipc_session *session = sipc_pool_session(pool, i);
        if (!sipc_session_interrupt(session, SIPC_WATCHING)) continue;
        sipc_wait_rouse(&session->caller.waiter);
        // It may want another guest's slot: then one of the others is meant.
        if (sipc_load_relaxed(&pool->choosy) == 0) return;
    }
}

// A slot is free that was not. One that cannot be used now is of use to a parked thread, which will
// watch it, but not to those that watch already.
void sipc_pool_announce(struct sipc_pool *pool, struct sipc_session *session, bool usable) {
    // Barrier: those who wait have said where before they looked at the slot for the last time.
    sipc_barrier();
    if (!unpark(pool, session) && usable && sipc_load_relaxed(&pool->watchers) != 0)
        rouse_watcher(pool);
}

static bool is_addressed(struct sipc_session *session, const struct sipc_guest_name *guest) {
    if (guest) return sipc_session_address(session, guest);
    sipc_session_address_all(session);
    return true;
}

static bool try_slot(struct sipc_session *session, const struct sipc_guest_name *guest) {
    if (!sipc_session_claim(session)) return false;
    if (sipc_caller_usable(&session->caller) && is_addressed(session, guest)) return true;
    // Who found it claimed just now may have parked: somebody must watch it.
    sipc_pool_release(session);
    return false;
}

// For who would take any other as well: not before those who have waited long for this one.
static bool try_unwanted(struct sipc_session *session, const struct sipc_guest_name *guest) {
    return sipc_load_relaxed(&session->overtaken) == 0 && try_slot(session, guest);
}

// Whether this guest, or any, serves the slot.
static bool serves(struct sipc_session *session, const struct sipc_guest_name *guest) {
    return sipc_session_attended(session) &&
           (!guest || sipc_session_seems_served_by(session, guest));
}

// ---- Looking for a slot ------------------------------------------------------------------------

static bool is_served_by(const struct sipc_pool *pool, const struct sipc_guest_name *guest) {
    for (uint32_t i = 0; i < pool->count; i++)
        if (serves(sipc_pool_session(pool, i), guest)) return true;
    return false;
}

bool sipc_pool_is_served(const struct sipc_pool *pool) {
    return is_served_by(pool, NULL);
}

static bool is_served_everywhere(const struct sipc_pool *pool) {
    for (uint32_t i = 0; i < pool->count; i++)
        if (!sipc_session_attended(sipc_pool_session(pool, i))) return false;
    return true;
}

// A free slot that a responder serves. If none is served at all, any free one: its request waits
// for a guest to come.
static struct sipc_session *try_any(struct sipc_pool *pool, const struct sipc_guest_name *guest) {
    uint32_t first = sipc_pool_last_slot < pool->count ? sipc_pool_last_slot : 0;
    struct sipc_session *last = sipc_pool_session(pool, first);
    if (serves(last, guest) && try_unwanted(last, guest)) return last;
    for (uint32_t i = 0; i < pool->count; i++) {
        struct sipc_session *session = sipc_pool_session(pool, i);
        if (serves(session, guest) && try_unwanted(session, guest)) return session;
    }
    for (uint32_t i = 0; i < pool->count && !guest && !sipc_pool_is_served(pool); i++)
        if (try_unwanted(sipc_pool_session(pool, i), NULL)) return sipc_pool_session(pool, i);
    return NULL;
}

static struct sipc_session *try_acquire(struct sipc_pool *pool, const struct sipc_want *want) {
    if (want->slot == SIPC_ANY_SLOT) return try_any(pool, want->guest);
    struct sipc_session *session = sipc_pool_session(pool, want->slot);
    return try_slot(session, want->guest) ? session : NULL;
}

// Claims a slot to watch: one that is out of use until a late response comes, or, for who takes
// any, one that nobody serves yet.
static struct sipc_session *claim_unusable(struct sipc_pool *pool, const struct sipc_want *want) {
    const bool any = want->slot == SIPC_ANY_SLOT;
    for (uint32_t i = any ? 0 : want->slot; i < (any ? pool->count : want->slot + 1); i++) {
        struct sipc_session *session = sipc_pool_session(pool, i);
        if (want->guest && !serves(session, want->guest)) continue;
        if (!sipc_session_claim(session)) continue;
        if (session->caller.abandoned || (any && !sipc_caller_attended(&session->caller)))
            return session;
        sipc_pool_release(session);
    }
    return NULL;
}

// ---- Waiting for a slot ------------------------------------------------------------------------

// Where who waits may be served by a guest that is to come. Before the look: who begins to serve
// after it is heard of.
static void want_news(struct sipc_pool *pool, const struct sipc_want *want) {
    if (want->guest || (pool->count > 1 && !is_served_everywhere(pool))) sipc_pool_want_news(pool);
}

// Sleeps until a slot that this thread has claimed can be used. True: it can.
static bool watch(struct sipc_pool *pool, struct sipc_session *session,
                  const struct sipc_want *want, struct sipc_deadline *deadline,
                  enum sipc_wait_result *result) {
    const bool any = want->slot == SIPC_ANY_SLOT;
    *result = SIPC_WAIT_INTERRUPTED;
    if (any) {
        sipc_add_barrier(&pool->watchers, 1);
        sipc_set_bits(&session->interrupt, SIPC_WATCHING);
        // Its guest may have left since this thread began to wait.
        want_news(pool, want);
    }
    // After the barrier: a release that did not see us is seen by this look.
    struct sipc_session *other = any ? try_any(pool, want->guest) : NULL;
    if (!other && sipc_session_enter(session))
        *result = sipc_caller_settle(&session->caller, any && sipc_pool_is_served(pool), deadline);
    sipc_session_leave(session);
    if (any) {
        sipc_clear_bits(&session->interrupt, SIPC_WATCHING | SIPC_INTERRUPT_RELEASED);
        sipc_subtract_barrier(&pool->watchers, 1);
    }
    if (other) sipc_pool_release(other);
    return *result == SIPC_WAIT_READY && is_addressed(session, want->guest);
}

// Who wants a certain guest's slot overtakes nobody and is overtaken by those who want any: it may
// have to wait for that guest to come.
static sipc_word *overtaken_count(struct sipc_pool *pool, uint32_t slot) {
    return slot == SIPC_ANY_SLOT ? &pool->overtaken : &sipc_pool_session(pool, slot)->overtaken;
}

// Who comes takes no slot before those who were overtaken: they are told of it, or have one already
// and pass on what else is free.
static bool may_take(struct sipc_pool *pool, uint32_t slot) {
    return sipc_load_relaxed(overtaken_count(pool, slot)) == 0;
}

// Parks until a slot is released. Returns one that was found meanwhile; NULL: look again or give
// up.
static struct sipc_session *park(struct sipc_pool *pool, const struct sipc_want *want,
                                 uint64_t deadline, bool overtaken, bool *passed) {
    struct sipc_session *one =
        want->slot == SIPC_ANY_SLOT ? NULL : sipc_pool_session(pool, want->slot);
    sipc_word *waiting = one ? &one->wanted : &pool->parked;
    sipc_word *told = one ? &one->releases : &pool->releases;
    sipc_add_barrier(waiting, 1);
    uint32_t releases = sipc_load_acquire(told);
    // After the barrier: a release that did not see us is seen by this look.
    struct sipc_session *session =
        overtaken || may_take(pool, want->slot) ? try_acquire(pool, want) : NULL;
    if (!session && sipc_load_acquire(&pool->closing) == 0)
        *passed = !sipc_os_park(told, releases, deadline);
    sipc_subtract_barrier(waiting, 1);
    return session ? session : try_acquire(pool, want);
}

static sipc_status all_busy(const struct sipc_pool *pool, const struct sipc_want *want) {
    if (want->guest && !is_served_by(pool, want->guest))
        return sipc_fail(SIPC_NO_GUEST,
                         "no guest of the name \"%s\" served until the deadline; start it, or wait "
                         "longer",
                         want->guest->text);
    if (want->guest)
        return sipc_fail(
            SIPC_ALL_SLOTS_BUSY,
            "all slots of the guest \"%s\" were busy until the deadline; give it more, "
            "or wait longer",
            want->guest->text);
    if (want->slot == SIPC_ANY_SLOT)
        return sipc_fail(
            SIPC_ALL_SLOTS_BUSY,
            "all %u slots were busy until the deadline; create more slots or wait longer",
            pool->count);
    return sipc_fail(SIPC_ALL_SLOTS_BUSY, "slot %u was busy until the deadline; wait longer",
                     want->slot);
}

static struct sipc_session *wait_for_slot(struct sipc_pool *pool, const struct sipc_want *want,
                                          struct sipc_deadline *deadline, bool overtaken,
                                          bool *passed) {
    struct sipc_session *watched = claim_unusable(pool, want);
    if (!watched) return park(pool, want, sipc_deadline_at(deadline), overtaken, passed);
    enum sipc_wait_result result;
    if (watch(pool, watched, want, deadline, &result)) return watched;
    *passed = result == SIPC_WAIT_DEADLINE;
    sipc_session_give_back(watched, false);
    return try_acquire(pool, want);
}

// Who waited may have been told of another slot, or may have been counted on to take it. If one is
// free still, somebody else is told.
static void pass_on(struct sipc_pool *pool, const struct sipc_want *want) {
    struct sipc_session *other = try_acquire(pool, want);
    if (other) sipc_pool_release(other);
}

// Whoever releases a slot sees us from here on, or we see the free slot when we look.
static void join_crowd(struct sipc_pool *pool) {
    sipc_add_barrier(&pool->crowd, 1);
    // After the barrier: who counts on us to make theirs looks at the crowd later than that.
    if (sipc_load_acquire(&sipc_os_barrier_is_remote) == 0 || sipc_os_barrier_for_all()) return;
    // Refused all of a sudden, perhaps since the process has locked itself in. Each makes its own
    // barrier from here on, and who has released a slot without is waited for.
    sipc_exchange_barrier(&sipc_os_barrier_is_remote, 0);
    sipc_os_sleep(STORES_ARE_SEEN_NS);
}

// NULL: the deadline has passed, or the pool is closing.
static struct sipc_session *wait_in_turn(struct sipc_pool *pool, const struct sipc_want *want,
                                         struct sipc_deadline *deadline) {
    const uint64_t patient_until = sipc_os_now() + PATIENCE_NS;
    struct sipc_session *session = NULL;
    bool overtaken = false;
    want_news(pool, want);
    if (want->guest) sipc_add_barrier(&pool->choosy, 1);
    join_crowd(pool);
    for (bool passed = false; !session && !passed;) {
        if (sipc_load_acquire(&pool->closing) != 0) break;
        session = wait_for_slot(pool, want, deadline, overtaken, &passed);
        if (session || overtaken || want->guest || sipc_os_now() < patient_until) continue;
        sipc_add_barrier(overtaken_count(pool, want->slot), 1);
        overtaken = true;
    }
    if (overtaken) sipc_subtract_barrier(overtaken_count(pool, want->slot), 1);
    if (want->guest) sipc_subtract_barrier(&pool->choosy, 1);
    if (session || overtaken) pass_on(pool, want);
    sipc_subtract_barrier(&pool->crowd, 1);
    return session;
}

sipc_status sipc_pool_acquire(struct sipc_pool *pool, const struct sipc_want *want,
                              struct sipc_deadline *deadline, struct sipc_session **session) {
    *session = may_take(pool, want->slot) ? try_acquire(pool, want) : NULL;
    if (!*session) *session = wait_in_turn(pool, want, deadline);
    if (*session && sipc_load_acquire(&pool->closing) != 0) {
        sipc_pool_release(*session);
        *session = NULL;
    }
    if (!*session && sipc_load_acquire(&pool->closing) != 0)
        return sipc_fail(SIPC_CLOSED, "the host was shut down");
    if (!*session) return all_busy(pool, want);
    sipc_pool_last_slot = (*session)->index;
    return SIPC_OK;
}

bool sipc_pool_take_turn(struct sipc_pool *pool, struct sipc_deadline *deadline) {
    while (sipc_exchange_acquire(&pool->gathering, 1) != 0) {
        if (!sipc_deadline_passed(deadline)) {
            sipc_os_park(&pool->gathering, 1, sipc_deadline_at(deadline));
            continue;
        }
        // It may have been told of the end of a turn that it does not take any more.
        sipc_os_unpark(&pool->gathering, 1);
        return false;
    }
    return true;
}

void sipc_pool_end_turn(struct sipc_pool *pool) {
    sipc_unlock(&pool->gathering);
}

void sipc_pool_close(struct sipc_pool *pool) {
    sipc_exchange_barrier(&pool->closing, 1);
    sipc_add_barrier(&pool->crowd, 1);
    sipc_add_barrier(&pool->releases, 1);
    sipc_os_unpark(&pool->releases, EVERYBODY);
    for (uint32_t i = 0; i < pool->count; i++) {
        struct sipc_session *session = sipc_pool_session(pool, i);
        sipc_add_barrier(&session->releases, 1);
        sipc_os_unpark(&session->releases, EVERYBODY);
    }
}

// ---- The holder's presence in the region -------------------------------------------------------

bool sipc_session_enter(struct sipc_session *session) {
    sipc_exchange_barrier(&session->in_call, 1);
    return !(sipc_load_acquire(&session->interrupt) & SIPC_INTERRUPT_CLOSE);
}
