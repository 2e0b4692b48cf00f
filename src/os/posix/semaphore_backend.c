// SPDX-License-Identifier: Apache-2.0
// The backend of POSIX named semaphores: two per slot (spec 7).
#define _GNU_SOURCE
#include "semaphore_backend.h"

#include <errno.h>
#include <fcntl.h>
#include <semaphore.h>
#include <stdio.h>
#include <time.h>

#include "../../internal/name.h"
#include "failure.h"

#define NS_PER_SECOND UINT64_C(1000000000)

static void name_of(const char *region, uint32_t slot, enum sipc_side side,
                    char name[SIPC_OBJECT_NAME_SIZE]) {
    snprintf(name, SIPC_OBJECT_NAME_SIZE, "/simpleipc.%s.%u.%c", region, slot,
             side == SIPC_SIDE_CALLER ? 'c' : 'r');
}

static sipc_status failed(const char *name) {
    sipc_status status = SIPC_SYSTEM;
    if (errno == ENOENT)
        status = SIPC_NO_HOST; // for a guest: the host is closing and has removed it
    if (errno == ENOSPC) status = SIPC_NO_SPACE;
    if (errno == ENOMEM) status = SIPC_OUT_OF_MEMORY;
    return sipc_os_fail(status, errno, "sem_open of \"%s\"", name);
}

static sipc_status create(const char *region, uint32_t slot, enum sipc_side side, uint32_t mode,
                          void **handle) {
    char name[SIPC_OBJECT_NAME_SIZE];
    name_of(region, slot, side, name);
    // The region's name is ours: a semaphore of this name is left over from a dead host.
    sem_unlink(name);
    sem_t *semaphore = sem_open(name, O_CREAT | O_EXCL, (mode_t)mode, 0);
    if (semaphore == SEM_FAILED) return failed(name);
    *handle = semaphore;
    return SIPC_OK;
}

static sipc_status open_existing(const char *region, uint32_t slot, enum sipc_side side,
                                 void **handle) {
    char name[SIPC_OBJECT_NAME_SIZE];
    name_of(region, slot, side, name);
    sem_t *semaphore = sem_open(name, 0);
    if (semaphore == SEM_FAILED) return failed(name);
    *handle = semaphore;
    return SIPC_OK;
}

static void close_handle(void *handle) {
    sem_close(handle);
}

static void remove_name(const char *region, uint32_t slot, enum sipc_side side) {
    char name[SIPC_OBJECT_NAME_SIZE];
    name_of(region, slot, side, name);
    sem_unlink(name);
}

static bool sleep_on(void *handle, sipc_word *word, uint32_t expected, uint64_t deadline) {
    (void)word;
    (void)expected;
    if (deadline == SIPC_NEVER) return sem_wait(handle) == 0 || errno == EINTR;
    struct timespec until = {.tv_sec = (time_t)(deadline / NS_PER_SECOND),
                             .tv_nsec = (long)(deadline % NS_PER_SECOND)};
    return sem_clockwait(handle, CLOCK_MONOTONIC, &until) == 0 || errno != ETIMEDOUT;
}

static void wake(void *handle, sipc_word *word) {
    (void)word;
    sem_post(handle);
}

const struct sipc_os_backend sipc_os_semaphore_backend = {
    .id = SIPC_BACKEND_SEMAPHORE,
    .create = create,
    .open = open_existing,
    .close = close_handle,
    .remove = remove_name,
    .sleep = sleep_on,
    .wake = wake,
};
