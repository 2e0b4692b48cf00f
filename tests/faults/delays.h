// SPDX-License-Identifier: Apache-2.0
// Included by force before each source of a build of the library for no_wakeup_is_lost.c: a random
// delay before and after each atomic access, which is where wake-ups could get lost. The sources
// know nothing of it: they name these accesses, and here the names become macros around them.
#ifndef FAULTS_DELAYS_H
#define FAULTS_DELAYS_H

// Before the first header, for all sources: each asks for what it needs only after this file.
#define _GNU_SOURCE
#include <string.h>

#include "internal/atomics.h"

// The sources mean the one of POSIX.
int __xpg_strerror_r(int error, char *text, size_t size);
#define strerror_r __xpg_strerror_r

// The program's.
void delay_at_random(void);

#define DELAYED(access)                                                                            \
    __extension__({                                                                                \
        delay_at_random();                                                                         \
        __typeof__(access) delayed_result = (access);                                              \
        delay_at_random();                                                                         \
        delayed_result;                                                                            \
    })
#define DELAYED_STORE(store)                                                                       \
    do {                                                                                           \
        delay_at_random();                                                                         \
        store;                                                                                     \
        delay_at_random();                                                                         \
    } while (0)

#define sipc_load_acquire(word) DELAYED(sipc_load_acquire(word))
#define sipc_store_relaxed(word, value) DELAYED_STORE(sipc_store_relaxed(word, value))
#define sipc_store_release(word, value) DELAYED_STORE(sipc_store_release(word, value))
#define sipc_publish(word, value) DELAYED_STORE(sipc_publish(word, value))
#define sipc_exchange_barrier(word, value) DELAYED(sipc_exchange_barrier(word, value))
#define sipc_exchange_acquire(word, value) DELAYED(sipc_exchange_acquire(word, value))
#define sipc_add_barrier(word, value) DELAYED(sipc_add_barrier(word, value))
#define sipc_subtract_barrier(word, value) DELAYED(sipc_subtract_barrier(word, value))

#endif
