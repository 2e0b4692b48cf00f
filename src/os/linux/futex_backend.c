// SPDX-License-Identifier: Apache-2.0
// Sleeping on a word: the region's own, shared, as an event backend (spec 7); private ones to park.
#define _GNU_SOURCE
#include <errno.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "../../internal/os.h"
#include "../posix/semaphore_backend.h"

#define NS_PER_SECOND UINT64_C(1000000000)

// An absolute deadline on the monotonic clock: an interrupted wait needs no arithmetic to go on.
static bool wait_on(sipc_word *word, uint32_t expected, uint64_t deadline, int flags) {
    struct timespec until = {.tv_sec = (time_t)(deadline / NS_PER_SECOND),
                             .tv_nsec = (long)(deadline % NS_PER_SECOND)};
    long result = syscall(SYS_futex, word, FUTEX_WAIT_BITSET | flags, expected,
                          deadline == SIPC_NEVER ? NULL : &until, NULL, FUTEX_BITSET_MATCH_ANY);
    return result == 0 || errno != ETIMEDOUT;
}

static void wake_on(sipc_word *word, uint32_t how_many, int flags) {
    syscall(SYS_futex, word, FUTEX_WAKE | flags, how_many > INT32_MAX ? INT32_MAX : how_many, NULL,
            NULL, 0);
}

bool sipc_os_park(sipc_word *word, uint32_t value, uint64_t deadline) {
    return wait_on(word, value, deadline, FUTEX_PRIVATE_FLAG);
}

void sipc_os_unpark(sipc_word *word, uint32_t how_many) {
    wake_on(word, how_many, FUTEX_PRIVATE_FLAG);
}

static sipc_status nothing_to_create(const struct sipc_os_object *object, const char *region,
                                     uint32_t slot, enum sipc_side side, uint32_t mode,
                                     void **handle) {
    (void)object;
    (void)region;
    (void)slot;
    (void)side;
    (void)mode;
    *handle = NULL;
    return SIPC_OK;
}

static sipc_status nothing_to_open(const struct sipc_os_object *object, const char *region,
                                   uint32_t slot, enum sipc_side side, void **handle) {
    return nothing_to_create(object, region, slot, side, 0, handle);
}

static void nothing_to_close(void *handle) {
    (void)handle;
}

static void nothing_to_remove(const char *region, uint32_t slot, enum sipc_side side) {
    (void)region;
    (void)slot;
    (void)side;
}

static bool sleep_on(void *handle, sipc_word *word, uint32_t expected, uint64_t deadline) {
    (void)handle;
    return wait_on(word, expected, deadline, 0);
}

static void wake(void *handle, sipc_word *word) {
    (void)handle;
    wake_on(word, 1, 0);
}

static const struct sipc_os_backend futex_backend = {
    .id = SIPC_BACKEND_FUTEX,
    .create = nothing_to_create,
    .open = nothing_to_open,
    .close = nothing_to_close,
    .remove = nothing_to_remove,
    .sleep = sleep_on,
    .wake = wake,
};

const struct sipc_os_backend *sipc_os_backend(uint32_t id) {
    switch (id) {
    case SIPC_BACKEND_DEFAULT:
    case SIPC_BACKEND_FUTEX:
        return &futex_backend;
    case SIPC_BACKEND_SEMAPHORE:
        return &sipc_os_semaphore_backend;
    default:
        return NULL;
    }
}
