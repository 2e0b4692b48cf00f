// SPDX-License-Identifier: Apache-2.0
// Claims as open-file-description locks: kept by the kernel, gone with the last process that has
// the description open, and exclusive between two descriptions of one process too (spec 9).
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sys/random.h>

#include "../../internal/os.h"
#include "../posix/failure.h"

// A watcher that keeps its read lock for longer is not one: the claim counts as taken.
#define WATCHER_PATIENCE_NS UINT64_C(100000000)

static int lock(const struct sipc_os_object *object, uint32_t claim, int command,
                struct flock *flock) {
    flock->l_whence = SEEK_SET;
    flock->l_start = claim;
    flock->l_len = 1;
    int result;
    do result = fcntl((int)object->handle, command, flock);
    while (result != 0 && errno == EINTR);
    return result;
}

static sipc_status failed(uint32_t claim) {
    return sipc_os_fail(SIPC_SYSTEM, errno, "locking byte %u of a region", claim);
}

// A read lock is somebody who waited for the holder's death and gives way at once.
static bool only_watched(const struct sipc_os_object *object, uint32_t claim) {
    struct flock flock = {.l_type = F_WRLCK};
    return lock(object, claim, F_OFD_GETLK, &flock) == 0 && flock.l_type != F_WRLCK;
}

sipc_status sipc_os_claim(const struct sipc_os_object *object, uint32_t claim, bool *won) {
    const uint64_t patience = sipc_os_now() + WATCHER_PATIENCE_NS;
    for (;;) {
        struct flock flock = {.l_type = F_WRLCK};
        *won = lock(object, claim, F_OFD_SETLK, &flock) == 0;
        if (*won) return SIPC_OK;
        if (errno != EAGAIN && errno != EACCES) return failed(claim);
        if (!only_watched(object, claim) || sipc_os_now() > patience) return SIPC_OK;
        sipc_os_yield();
    }
}

void sipc_os_unclaim(const struct sipc_os_object *object, uint32_t claim) {
    struct flock flock = {.l_type = F_UNLCK};
    lock(object, claim, F_OFD_SETLK, &flock);
}

sipc_status sipc_os_claimed_by_another(const struct sipc_os_object *object, uint32_t claim,
                                       bool *claimed) {
    struct flock flock = {.l_type = F_WRLCK};
    if (lock(object, claim, F_OFD_GETLK, &flock) != 0) return failed(claim);
    *claimed = flock.l_type == F_WRLCK;
    return SIPC_OK;
}

sipc_status sipc_os_random(uint64_t *value) {
    do {
        ssize_t got;
        do got = getrandom(value, sizeof *value, 0);
        while (got < 0 && errno == EINTR);
        if (got != (ssize_t)sizeof *value) return sipc_os_fail(SIPC_SYSTEM, errno, "getrandom");
    } while (*value == 0);
    return SIPC_OK;
}
