// SPDX-License-Identifier: Apache-2.0
// A lock for what happens seldom, between threads of this process: 0 is free.
#ifndef SIPC_INTERNAL_LOCK_H
#define SIPC_INTERNAL_LOCK_H

#include "os.h"

static inline void sipc_lock(sipc_word *word) {
    while (sipc_exchange_acquire(word, 1) != 0) sipc_os_park(word, 1, SIPC_NEVER);
}

// Wakes without knowing whether somebody waits; only the word's address counts for that, not its
// memory.
static inline void sipc_unlock(sipc_word *word) {
    sipc_store_release(word, 0);
    sipc_os_unpark(word, 1);
}

#endif
