// SPDX-License-Identifier: Apache-2.0
#include "internal/relay.h"

#include <stdlib.h>

#include "internal/errors.h"

// Whose turn it is: the owner's in RESTING and FIRED, the relay's in the others.
enum state {
    RESTING,
    ARMED,     // the relay sleeps or is about to
    WITHDRAWN, // the owner wants it to leave its sleep
    FIRING,    // the sleep is over and the signal about to be set
    FIRED,     // it was set
    ENDING,
};

struct sipc_relay {
    struct sipc_waiter *waiter;
    struct sipc_os_signal signal;
    sipc_word state; // parked on by the relay
    uint32_t seen;   // of the bell; handed over with the state, as the end
    uint64_t end;
    bool signalled; // the owner's own: the signal was set and not cleared since
    bool started;
    sipc_word gone; // 1: the thread has ended; parked on
    struct sipc_os_work work;
    struct sipc_os_thread thread; // written by itself
};

// ---- The thread --------------------------------------------------------------------------------

static bool is_called(const void *role) {
    const struct sipc_relay *relay = role;
    return sipc_load_acquire(sipc_waiter_watched(relay->waiter)) != relay->seen ||
           sipc_load_acquire(&relay->state) != ARMED;
}

static void sleep_in_place(struct sipc_relay *relay) {
    (void)sipc_wait_in_place(relay->waiter, is_called, relay, relay->end);
    uint32_t armed = ARMED;
    if (!sipc_compare_exchange(&relay->state, &armed, FIRING)) return;
    // In this order: an owner that has cleared this signal finds that it is being fired, and does
    // not take the relay for asleep.
    sipc_os_signal_set(&relay->signal);
    sipc_exchange_barrier(&relay->state, FIRED);
}

static void run(void *context) {
    struct sipc_relay *relay = context;
    relay->thread = sipc_os_this_thread();
    for (;;) {
        // Acquire: what was handed over.
        const uint32_t state = sipc_load_acquire(&relay->state);
        if (state == ENDING) return;
        if (state == ARMED)
            sleep_in_place(relay);
        else if (state == WITHDRAWN)
            sipc_exchange_barrier(&relay->state, RESTING);
        else
            sipc_os_park(&relay->state, state, SIPC_NEVER);
    }
}

static void ended(void *context) {
    struct sipc_relay *relay = context;
    // Release: the thread's handle was written before.
    sipc_store_release(&relay->gone, 1);
    sipc_os_unpark(&relay->gone, 1);
}

static sipc_status start(struct sipc_relay *relay) {
    if (relay->started) return SIPC_OK;
    relay->work = (struct sipc_os_work){run, ended, relay};
    const sipc_status status = sipc_os_thread_start(&relay->work);
    relay->started = status == SIPC_OK;
    return status;
}

// ---- The owner ---------------------------------------------------------------------------------

sipc_status sipc_relay_make(struct sipc_waiter *waiter, struct sipc_relay **relay) {
    *relay = calloc(1, sizeof **relay);
    if (!*relay) return sipc_fail(SIPC_OUT_OF_MEMORY, "no memory for a descriptor to wait on");
    (*relay)->waiter = waiter;
    const sipc_status status = sipc_os_signal_make(&(*relay)->signal);
    if (!status) return SIPC_OK;
    free(*relay);
    *relay = NULL;
    return status;
}

intptr_t sipc_relay_descriptor(const struct sipc_relay *relay) {
    return relay->signal.descriptor;
}

// Takes note of a signal that the relay has set. One that is being set is waited for: it comes at
// once.
static uint32_t settle(struct sipc_relay *relay) {
    uint32_t state;
    while ((state = sipc_load_acquire(&relay->state)) == FIRING) sipc_os_yield();
    if (state != FIRED) return state;
    relay->signalled = true;
    sipc_store_relaxed(&relay->state, RESTING);
    return RESTING;
}

void sipc_relay_begin(struct sipc_relay *relay) {
    if (settle(relay) != RESTING) return;
    sipc_waiter_begin(relay->waiter);
    relay->seen = sipc_load_acquire(sipc_waiter_watched(relay->waiter));
}

sipc_status sipc_relay_sleep(struct sipc_relay *relay, uint64_t end) {
    if (sipc_load_acquire(&relay->state) == ARMED) {
        if (relay->end <= end) return SIPC_OK;
        sipc_relay_withdraw(relay);
    }
    // It fires, or has since the begin: the owner's loop turns once more.
    const uint32_t state = sipc_load_acquire(&relay->state);
    if (state == FIRING || state == FIRED) return SIPC_OK;
    const sipc_status status = start(relay);
    if (status) return status;
    relay->end = end;
    // Releases what the relay reads.
    sipc_exchange_barrier(&relay->state, ARMED);
    sipc_os_unpark(&relay->state, 1);
    return SIPC_OK;
}

void sipc_relay_signal(struct sipc_relay *relay) {
    relay->signalled = true;
    sipc_os_signal_set(&relay->signal);
}

void sipc_relay_quieten(struct sipc_relay *relay) {
    settle(relay);
    if (!relay->signalled) return;
    relay->signalled = false;
    sipc_os_signal_clear(&relay->signal);
}

void sipc_relay_withdraw(struct sipc_relay *relay) {
    uint32_t armed = ARMED;
    if (!sipc_compare_exchange(&relay->state, &armed, WITHDRAWN)) {
        while (sipc_load_acquire(&relay->state) == FIRING) sipc_os_yield();
        return;
    }
    // Repeated: it may be about to sleep on a word that we must not write.
    while (sipc_load_acquire(&relay->state) == WITHDRAWN) sipc_waiter_wake(relay->waiter);
}

void sipc_relay_free(struct sipc_relay *relay) {
    if (!relay) return;
    sipc_relay_withdraw(relay);
    sipc_exchange_barrier(&relay->state, ENDING);
    sipc_os_unpark(&relay->state, 1);
    while (relay->started && sipc_load_acquire(&relay->gone) == 0)
        sipc_os_park(&relay->gone, 0, SIPC_NEVER);
    if (relay->started) sipc_os_thread_join(relay->thread);
    sipc_os_signal_free(&relay->signal);
    free(relay);
}
