// SPDX-License-Identifier: Apache-2.0
// Where guests come and go: requests that stand where nobody serves any more, or not yet, and
// threads that wait for somebody to serve (spec 9.2).
#include "internal/guests.h"
#include "internal/pool.h"

// ---- A request whose guest has left ------------------------------------------------------------

static const struct sipc_session *session_of(const struct sipc_caller *caller) {
    return (const struct sipc_session *)caller; // its first member
}

static bool is_begun(const struct sipc_caller *caller) {
    return sipc_load_acquire(&caller->slot->owner->started) == sipc_state(caller->generation, 0);
}

// Who found its guest dead is told of that, and does not move of itself.
static bool has_news_of_death(const struct sipc_session *session) {
    return sipc_session_events(session) != sipc_load_relaxed(&session->caller.waiter.events);
}

// Whether the request had better be sent elsewhere. Not one that was begun: its guest answers.
static bool has_left(const struct sipc_caller *caller) {
    const struct sipc_session *session = session_of(caller);
    if (session->addressee != 0) {
        if (!sipc_session_addressee_left(session)) return false;
    } else if (session->pinned || sipc_session_attended(session) ||
               !sipc_pool_is_served(session->pool)) {
        return false;
    }
    return !is_begun(caller) && !has_news_of_death(session);
}

void sipc_session_roam(struct sipc_session *session) {
    if (!session->caller.roams || sipc_session_attended(session)) return;
    // Whoever begins to serve the only slot there is, wakes us there.
    if (session->pool->count == 1 && session->addressee == 0) return;
    sipc_set_bits(&session->interrupt, SIPC_ROAMING);
    sipc_pool_want_news(session->pool);
}

// Whether news ended the wait; the holder roams no more.
static bool was_roused(struct sipc_caller *caller) {
    struct sipc_session *session = (struct sipc_session *)caller;
    if (!(sipc_load_relaxed(&session->interrupt) & SIPC_ROAMING)) return false;
    bool roused = sipc_load_acquire(&session->interrupt) & SIPC_INTERRUPT_RELEASED;
    sipc_clear_bits(&session->interrupt, SIPC_ROAMING | SIPC_INTERRUPT_RELEASED);
    return roused;
}

const struct sipc_caller_moves sipc_session_moves = {.left = has_left, .roused = was_roused};

// ---- News --------------------------------------------------------------------------------------

void sipc_pool_want_news(struct sipc_pool *pool) {
    // Without it the next release or death is the news, or the deadline.
    if (pool->watch)
        sipc_os_watch_changes(pool->watch, sipc_pool_session(pool, 0)->caller.slot->object);
}

void sipc_pool_tell_news(struct sipc_pool *pool) {
    sipc_add_barrier(&pool->releases, 1);
    sipc_os_unpark(&pool->releases, UINT32_MAX);
    for (uint32_t i = 0; i < pool->count; i++) {
        struct sipc_session *session = sipc_pool_session(pool, i);
        if (sipc_session_interrupt(session, SIPC_WATCHING | SIPC_ROAMING))
            sipc_wait_rouse(&session->caller.waiter);
    }
}
