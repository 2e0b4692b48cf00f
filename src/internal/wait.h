// SPDX-License-Identifier: Apache-2.0
// Waiting until the peer's word changes: spin, then yield, then sleep (spec 7).
//
// The spin budget follows what waiting cost, and only waits that outlast it teach something. One
// that ends a little later would have been spun through: the budget grows. But a yield that gave
// the core away to others tells that there are more threads than cores, and spinning keeps the peer
// off: then the budget is the least. A side for which nothing happens does nothing.
#ifndef SIPC_INTERNAL_WAIT_H
#define SIPC_INTERNAL_WAIT_H

#include "counting.h"
#include "line_wait.h"
#include "os.h"

// A timeout becomes a point in time only when somebody asks: the fast path reads no clock.
struct sipc_deadline {
    uint64_t timeout;
    uint64_t at;
};

static inline struct sipc_deadline sipc_deadline_after(uint64_t timeout) {
    return (struct sipc_deadline){.timeout = timeout, .at = 0};
}

uint64_t sipc_deadline_at(struct sipc_deadline *deadline);
bool sipc_deadline_passed(struct sipc_deadline *deadline);

// What the waiting is made of; tests put fakes here.
struct sipc_wait_system {
    uint64_t (*now)(void);
    void (*yield)(void);
    void (*move)(void); // to another core
};
extern const struct sipc_wait_system sipc_wait_system;

// An interrupt word, in private memory: the bits below end a wait while they are set, its high bits
// count events each of which ends the wait that it falls into. The bit between is its owner's.
#define SIPC_INTERRUPT_BITS 3u
#define SIPC_INTERRUPT_EVENT 256u

struct sipc_waiter {
    _Atomic(sipc_word *) watched; // the peer's state word, on which the futex backend sleeps
    sipc_word *waiting;           // our word that tells the peer to wake us
    uint32_t asleep_as;           // what it says while we sleep: where (spec 7.1)
    _Atomic(const sipc_word *) interrupt; // not read while spinning
    sipc_word events;                     // of the interrupt word, when the wait began
    void (*before_sleep)(void *context);  // may be NULL: a last duty, as to have the peer watched
    void *context;
    struct sipc_event event;
    const struct sipc_wait_system *system;
    struct sipc_wait_line *times; // where the waiting is counted; NULL: nowhere
    uint64_t spin_from;           // when the spinning began that is timed; 0: none is
    uint32_t spins;               // of one who waits for several slots
    sipc_word asleep;             // private: 1 from before the last look until it is awake
    uint32_t spin;                // the budget now, in polls, without what is rested
    uint32_t spin_first;          // for as long as a wake costs, within the limits
    uint32_t spin_min;
    uint32_t spin_max;
    uint32_t yields;
    uint8_t given_away; // a bit for each of the last eight yields: it gave the core to others
    bool crowded;       // so did the last one, and not by chance
    uint32_t dear;      // yields in a row that took long
    uint32_t shunned;   // waits to come that sleep without yielding
    uint32_t penalty;   // how many the last dear yield cost
    bool may_move;      // its thread is the library's own
    uint32_t steps;     // waits in a row that found the peer in step
    uint32_t patience;  // how many of them are too many
    uint64_t turns_ns;  // what the last of them took
    uint64_t ended;     // when
    const struct sipc_line_wait *line_wait; // NULL: the whole budget is spun
    const void *line;                       // that the peer mostly writes next
    uint32_t rest;                          // of the budget, what is rested at the line
};

enum sipc_wait_result {
    SIPC_WAIT_READY,
    SIPC_WAIT_DEADLINE,
    SIPC_WAIT_INTERRUPTED,
    SIPC_WAIT_LEFT,       // no wait ends so: the peer serves no more, and had not begun
    SIPC_WAIT_CALLED_OFF, // no wait ends so: the application does not want it any more
};

// SIPC_INVALID_ARGUMENT for numbers out of range.
sipc_status sipc_wait_policy_check(const sipc_wait_policy *policy);
void sipc_waiter_init(struct sipc_waiter *waiter, const sipc_wait_policy *policy,
                      sipc_word *watched, sipc_word *waiting, const sipc_word *interrupt,
                      struct sipc_event event);

// Has it rest at the line, after it has spun for the least of its budget. NULL: it spins.
void sipc_waiter_rest_by(struct sipc_waiter *waiter, const struct sipc_line_wait *line_wait);

// What else its thread sleeps on from now on, for several slots or for one again.
struct sipc_sleep {
    sipc_word *watched;
    const sipc_word *interrupt;
    uint32_t as;
    void (*before)(void *context);
    void *context;
};
void sipc_waiter_turn_to(struct sipc_waiter *waiter, const struct sipc_sleep *sleep);

// Relaxed, both: they change while nobody sleeps here. Who rouses has seen the sleeper, and with it
// what it sleeps on; if that has changed since, there is nobody to rouse, and all that either
// pointer ever led to stays.
static inline sipc_word *sipc_waiter_watched(const struct sipc_waiter *waiter) {
    return atomic_load_explicit(&waiter->watched, memory_order_relaxed);
}
static inline const sipc_word *sipc_waiter_interrupt(const struct sipc_waiter *waiter) {
    return atomic_load_explicit(&waiter->interrupt, memory_order_relaxed);
}

// From here on an event of the interrupt word ends the wait.
static inline void sipc_waiter_begin(struct sipc_waiter *waiter) {
    uint32_t events =
        sipc_load_acquire(sipc_waiter_interrupt(waiter)) & ~(SIPC_INTERRUPT_EVENT - 1);
    sipc_store_relaxed(&waiter->events, events);
}

// Whether what a role waits for is there (acquire).
typedef bool sipc_ready(const void *role);

// Of the spins one in SIPC_SAMPLE_INTERVAL is timed, and stands for all. Around it; if it was in
// vain, the slow steps that follow take note of its end.
SIPC_SELDOM void sipc_waiter_time_spin(struct sipc_waiter *waiter);
SIPC_SELDOM void sipc_waiter_count_spin(struct sipc_waiter *waiter, uint64_t now);
// Whether this spin of one who waits for several slots is to be timed.
static inline bool sipc_waiter_samples_spin(struct sipc_waiter *waiter) {
    return SIPC_UNLIKELY(++waiter->spins % SIPC_SAMPLE_INTERVAL == 0);
}

// The steps after spinning, which each role does itself: one look and one pause for each of
// waiter->spin polls.
enum sipc_wait_result sipc_wait_slow(struct sipc_waiter *waiter, sipc_ready *ready,
                                     const void *role, struct sipc_deadline *deadline);

// Only sleeps, in place of the thread that has announced the sleep in the slots, had a last look,
// and does not wait itself meanwhile. At most until the end.
enum sipc_wait_result sipc_wait_in_place(struct sipc_waiter *waiter, sipc_ready *ready,
                                         const void *role, uint64_t end);

// The waiter's thread is gone, perhaps out of its sleep.
static inline void sipc_waiter_left(struct sipc_waiter *waiter) {
    sipc_store_relaxed(waiter->waiting, 0);
    sipc_store_release(&waiter->asleep, 0);
}

// Rouses a waiter of this process whose interrupt was set before (sequentially consistent). Repeats
// the wake as long as the waiter is asleep and its interrupt meant for it, since it may be about to
// sleep on a word that we must not write.
void sipc_wait_rouse(const struct sipc_waiter *waiter);
// Wakes it once, if it is asleep already, and yields.
void sipc_waiter_wake(const struct sipc_waiter *waiter);

#endif
