// SPDX-License-Identifier: Apache-2.0
// Which thread of this process may use which slot. All of it is private memory: the peer never
// sees a claim, so it costs no cache line that the peer spins on.
//
// A thread that finds no usable slot parks until one is released. Where a slot is out of use
// because a call was given up and its handler still runs, or because nobody serves it yet, the
// thread claims that slot and sleeps on its responder's word instead; a release elsewhere rouses it
// to look again.
#ifndef SIPC_INTERNAL_POOL_H
#define SIPC_INTERNAL_POOL_H

#include "caller.h"
#include "guests.h"

struct sipc_calls;
struct sipc_pool;

// A slot in which this process calls, and the handle of whoever holds it.
struct sipc_session {
    struct sipc_caller caller;
    struct sipc_calls *calls;
    struct sipc_pool *pool;
    uint32_t index;      // in the pool
    sipc_word claim;     // SIPC_FREE or SIPC_HELD
    sipc_word wanted;    // threads that wait for a release of this very slot
    sipc_word releases;  // changes with each release that those wait for
    sipc_word overtaken; // those among them that have waited for long
    sipc_word in_call;   // 1 while the holder may use the region
    sipc_word interrupt; // bits of enum sipc_interrupt, and a count of the deaths of its responders
    sipc_word special;   // bits of enum sipc_special: not for sipc_pool_take()
    _Atomic uint64_t told;   // as orphan: whose death the holder was told of
    _Atomic uint64_t orphan; // incarnation of the last responder that was found dead; 0: none was
    uint32_t response_message_id; // of the last response; the holder's own
    uint64_t watched; // incarnation of the responder whose process is watched; the holder's own
    sipc_word lead;   // index of the session that waits for this one too: its own unless it is in
                      // a pipeline
    sipc_word group_interrupt; // as interrupt, for who waits for the group that this session leads
    bool pinned;               // its requests stay in this slot; the holder's own, as what follows
    uint32_t addressee;        // what stands in the annex line as such
    struct sipc_slot_owner owner; // as last read
    _Atomic uint64_t owner_hint;  // the last attendance that any thread has seen, and the hash of
                                  // its name
};

enum sipc_special { SIPC_SPECIAL_ORPHAN = 1, SIPC_SPECIAL_ADDRESSED = 2 };

enum { SIPC_FREE = 0, SIPC_HELD = 1 };
enum sipc_interrupt {
    SIPC_INTERRUPT_CLOSE = 1, // no call goes on: leave the wait
    SIPC_INTERRUPT_RELEASED =
        2,             // another slot is free: leave the wait. Only set together with the next
    SIPC_WATCHING = 4, // the holder waits until its slot can be used, but would take any
    SIPC_ROAMING = 8,  // the holder's request stands where nobody serves, and would go elsewhere
};

struct sipc_pool {
    uint8_t *sessions; // each on cache lines of its own
    uint32_t count;
    struct sipc_os_watch *watch; // of the responders' processes
    sipc_word finding;           // lock: from finding a death until all its callers are told
    sipc_word closing;           // 1: no slot is given out any more
    sipc_word releases;          // changes with each release that those wait for
    sipc_word parked;            // threads that wait for a release of any slot
    sipc_word overtaken;         // those among them that have waited for long
    sipc_word watchers;          // sessions that are watching
    sipc_word choosy;            // threads that wait for a slot of a certain guest
    sipc_word gathering;         // lock: held by who gathers several slots, any that there are
    sipc_word crowd; // threads that wait in any of these ways, and 1 for good once it is closing
};

// The slot that served this thread last: with as many threads as slots each keeps its own.
extern _Thread_local uint32_t sipc_pool_last_slot;

#define SIPC_SESSION_STRIDE ((sizeof(struct sipc_session) + 127u) / 128u * 128u)

static inline struct sipc_session *sipc_pool_session(const struct sipc_pool *pool, uint32_t index) {
    return (struct sipc_session *)(pool->sessions + index * SIPC_SESSION_STRIDE);
}

// The session in whose waiter, and as whose holder, this one's holder waits.
static inline struct sipc_session *sipc_session_lead(const struct sipc_session *session) {
    return sipc_pool_session(session->pool, sipc_load_acquire(&session->lead));
}

static inline uint32_t sipc_session_events(const struct sipc_session *session) {
    return sipc_load_acquire(&session->interrupt) & ~(SIPC_INTERRUPT_EVENT - 1);
}

// What a thread asks for: one slot of the pool, or with SIPC_ANY_SLOT any, and then maybe one that
// a guest of this name serves.
struct sipc_want {
    uint32_t slot;
    const struct sipc_guest_name *guest; // NULL: whoever serves
};

// Whether somebody serves the slot: its responder said so and was not found dead.
bool sipc_session_attended(const struct sipc_session *session);
// Has the process of the session's responder watched, before its holder sleeps.
void sipc_session_watch(void *session);
// Looks which responders have died, and sends their callers out of their waits. For notices of the
// watch.
void sipc_pool_look(void *pool);

// Whether anybody serves any slot.
bool sipc_pool_is_served(const struct sipc_pool *pool);

// Requests move on when their guest has left (moves.c).
extern const struct sipc_caller_moves sipc_session_moves;
// Before the holder sleeps: if nobody serves its slot, it wants to hear of news elsewhere.
void sipc_session_roam(struct sipc_session *session);
// Sends a holder that has said one of these out of its wait. False: it has not, or is told already.
bool sipc_session_interrupt(struct sipc_session *session, uint32_t said);
// From here on the watch tells of guests that begin to serve.
void sipc_pool_want_news(struct sipc_pool *pool);
// A guest may have begun to serve, or ended: who waits for that looks again.
void sipc_pool_tell_news(struct sipc_pool *pool);

// Waits for a usable slot.
sipc_status sipc_pool_acquire(struct sipc_pool *pool, const struct sipc_want *want,
                              struct sipc_deadline *deadline, struct sipc_session **session);
// Of those who gather several slots one at a time does: two would wait for what the other one
// holds. False: it was not our turn before the deadline.
bool sipc_pool_take_turn(struct sipc_pool *pool, struct sipc_deadline *deadline);
void sipc_pool_end_turn(struct sipc_pool *pool);
// After a release: tells those who wait.
SIPC_SELDOM void sipc_pool_announce(struct sipc_pool *pool, struct sipc_session *session,
                                    bool usable);

// Whether somebody serves the slot, who was not found dead, and for whom anything is.
static inline bool sipc_session_plainly_attended(const struct sipc_session *session) {
    return sipc_caller_attended(&session->caller) && sipc_load_relaxed(&session->special) == 0;
}

// Acquire: the last holder's view of the slot is ours.
static inline bool sipc_session_claim(struct sipc_session *session) {
    return sipc_load_relaxed(&session->claim) == SIPC_FREE &&
           sipc_exchange_acquire(&session->claim, SIPC_HELD) == SIPC_FREE;
}

// Either we see below who waits, or they see the free slot when they look once more: between the
// store and the look stands the barrier that who joins the crowd makes for all threads, or our own.
// Acquire: whether they make it is asked before the look at the crowd.
static inline void sipc_session_give_back(struct sipc_session *session, bool usable) {
    sipc_store_release(&session->claim, SIPC_FREE);
    if (SIPC_UNLIKELY(sipc_load_acquire(&sipc_os_barrier_is_remote) == 0)) sipc_barrier();
    if (SIPC_UNLIKELY(sipc_load_relaxed(&session->pool->crowd) != 0))
        sipc_pool_announce(session->pool, session, usable);
}

static inline void sipc_pool_release(struct sipc_session *session) {
    sipc_session_give_back(session, !session->caller.abandoned);
}

// The common case of sipc_pool_acquire() of any slot: nobody waits, and the last one is free and
// served. NULL: ask that function.
static inline struct sipc_session *sipc_pool_take(struct sipc_pool *pool) {
    uint32_t last = sipc_pool_last_slot < pool->count ? sipc_pool_last_slot : 0;
    struct sipc_session *session = sipc_pool_session(pool, last);
    if (SIPC_UNLIKELY(sipc_load_relaxed(&pool->crowd) != 0) ||
        !sipc_session_plainly_attended(session) || !sipc_session_claim(session))
        return NULL;
    if (SIPC_LIKELY(!session->caller.abandoned)) return session;
    sipc_pool_release(session);
    return NULL;
}
// No thread gets a slot from here on; those that wait for one leave.
void sipc_pool_close(struct sipc_pool *pool);

// The holder says that it uses the region; false if calls are closed. With its barrier either we
// see that here, or who closes them sees us and waits.
bool sipc_session_enter(struct sipc_session *session);
// The same for a call, without a barrier: publishing the request is one, and the caller looks at
// the interrupt after it.
static inline bool sipc_session_enter_call(struct sipc_session *session) {
    sipc_store_relaxed(&session->in_call, 1);
    return !(sipc_load_acquire(&session->interrupt) & SIPC_INTERRUPT_CLOSE);
}
static inline void sipc_session_leave(struct sipc_session *session) {
    sipc_store_release(&session->in_call, 0);
}

#endif
