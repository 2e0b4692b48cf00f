// SPDX-License-Identifier: Apache-2.0
// The backend of POSIX named semaphores: two per slot (spec 7).
#define _GNU_SOURCE
#include "semaphore_backend.h"

#include <errno.h>
#include <fcntl.h>
#include <semaphore.h>
#include <stdio.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

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

#ifdef __GLIBC__

// Makes an empty object a semaphore. Returns an errno value.
static int make_in(int fd) {
    int error;
    do error = posix_fallocate(fd, 0, sizeof(sem_t));
    while (error == EINTR);
    if (error) return error == EFBIG || error == ENOMEM ? ENOSPC : error;
    void *at = mmap(NULL, sizeof(sem_t), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (at == MAP_FAILED) return errno;
    sem_init(at, 1, 0);
    munmap(at, sizeof(sem_t));
    return 0;
}

// sem_open() would make it under a name of its own first, which stays for ever if we are killed
// there. An object of shared memory of this name is the same thing to this library; nobody opens it
// before the region is complete.
static sem_t *make(const char *name, uint32_t mode) {
    char object_name[SIPC_OBJECT_NAME_SIZE + 4];
    snprintf(object_name, sizeof object_name, "/sem.%s", name + 1);
    int fd = shm_open(object_name, O_CREAT | O_EXCL | O_RDWR, (mode_t)mode);
    if (fd < 0) return SEM_FAILED;
    int error = make_in(fd);
    close(fd);
    sem_t *semaphore = error ? SEM_FAILED : sem_open(name, 0);
    if (semaphore != SEM_FAILED) return semaphore;
    if (!error) error = errno;
    shm_unlink(object_name);
    errno = error;
    return SEM_FAILED;
}

#else

static sem_t *make(const char *name, uint32_t mode) {
    return sem_open(name, O_CREAT | O_EXCL, (mode_t)mode, 0);
}

#endif

static sipc_status create(const struct sipc_os_object *object, const char *region, uint32_t slot,
                          enum sipc_side side, uint32_t mode, void **handle) {
    (void)object;
    char name[SIPC_OBJECT_NAME_SIZE];
    name_of(region, slot, side, name);
    // The region's name is ours: a semaphore of this name is left over from a dead host.
    sem_unlink(name);
    sem_t *semaphore = make(name, mode);
    if (semaphore == SEM_FAILED) return failed(name);
    *handle = semaphore;
    return SIPC_OK;
}

static sipc_status open_existing(const struct sipc_os_object *object, const char *region,
                                 uint32_t slot, enum sipc_side side, void **handle) {
    (void)object;
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
