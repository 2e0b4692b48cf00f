// SPDX-License-Identifier: Apache-2.0
// The system call that lets one thread execute a full barrier on behalf of others. By number, since
// the C library has no function for it and may be older than the call.
#ifndef SIMPLEIPC_EXPERIMENTS_MEMBARRIER_H
#define SIMPLEIPC_EXPERIMENTS_MEMBARRIER_H

#include <stdbool.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    GLOBAL_EXPEDITED = 1 << 1,
    REGISTER_GLOBAL_EXPEDITED = 1 << 2,
    PRIVATE_EXPEDITED = 1 << 3,
    REGISTER_PRIVATE_EXPEDITED = 1 << 4,
};

// On all threads of all processes that have registered.
static inline void membarrier_global(void) {
    (void)syscall(SYS_membarrier, GLOBAL_EXPEDITED, 0, 0);
}

// On all threads of this process.
static inline void membarrier_private(void) {
    (void)syscall(SYS_membarrier, PRIVATE_EXPEDITED, 0, 0);
}

static inline bool membarrier_register(void) {
    if (syscall(SYS_membarrier, REGISTER_GLOBAL_EXPEDITED, 0, 0) == 0 &&
        syscall(SYS_membarrier, REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0) {
        return true;
    }
    perror("study: this system has no membarrier");
    return false;
}

#endif
