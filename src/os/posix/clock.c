// SPDX-License-Identifier: Apache-2.0
#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <sched.h>
#include <time.h>

#include "../../internal/os.h"

#define NS_PER_SECOND UINT64_C(1000000000)

uint64_t sipc_os_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_PER_SECOND + (uint64_t)now.tv_nsec;
}

void sipc_os_sleep(uint64_t nanoseconds) {
    struct timespec left = {.tv_sec = (time_t)(nanoseconds / NS_PER_SECOND),
                            .tv_nsec = (long)(nanoseconds % NS_PER_SECOND)};
    while (nanosleep(&left, &left) != 0 && errno == EINTR) {
    }
}

void sipc_os_yield(void) {
    sched_yield();
}
