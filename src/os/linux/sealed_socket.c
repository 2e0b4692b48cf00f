// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "sealed_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include "../../internal/layout.h"
#include "../../internal/name.h"
#include "../../internal/os.h"
#include "../posix/failure.h"

static_assert(sizeof(((struct sockaddr_un *)0)->sun_path) == SIPC_SOCKET_PATH_SIZE,
              "a socket's path and its NUL byte");

sipc_status sipc_os_sealed_address(const char *folder, const char *name,
                                   struct sockaddr_un *address) {
    memset(address, 0, sizeof *address);
    address->sun_family = AF_UNIX;
    return sipc_name_socket(folder, name, address->sun_path);
}

// ---- Connecting --------------------------------------------------------------------------------

static sipc_status forbidden(const char *path) {
    return sipc_fail(SIPC_FORBIDDEN, "this user may not reach the socket \"%s\"", path);
}

// What stands at the path, and not what a symbolic link there leads to. -1: nothing, and SIPC_OK.
static sipc_status find_socket(const char *path, int *found) {
    *found = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (*found < 0 && errno == ENOENT) return SIPC_OK;
    if (*found < 0 && errno == EACCES) return forbidden(path);
    if (*found < 0) return sipc_os_fail(SIPC_SYSTEM, errno, "looking for the socket \"%s\"", path);
    struct stat status;
    bool looked = fstat(*found, &status) == 0;
    if (looked && S_ISSOCK(status.st_mode)) return SIPC_OK;
    int error = errno;
    close(*found);
    if (!looked) return sipc_os_fail(SIPC_SYSTEM, error, "fstat of \"%s\"", path);
    return sipc_fail(SIPC_NOT_A_REGION,
                     "what stands at \"%s\" is not a socket; remove it or use another folder",
                     path);
}

static void limit_the_wait(int fd, uint64_t until) {
    uint64_t now = sipc_os_now();
    uint64_t left_us = until > now ? (until - now) / 1000 + 1 : 1; // 0 would be for ever
    struct timeval limit = {.tv_sec = (time_t)(left_us / 1000000),
                            .tv_usec = (suseconds_t)(left_us % 1000000)};
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
}

// By its descriptor: the path may lead elsewhere by now. Waiting in the kernel rather than asking
// again and again, since a crowd that does not wait would always be ahead.
static int connect_to(int fd, int found, uint64_t until) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d", found);
    for (;;) {
        if (until) limit_the_wait(fd, until);
        if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0) return 0;
        if (errno != EINTR) return errno;
    }
}

static sipc_status tell(int error, const char *path, enum sipc_os_reached *reached) {
    switch (error) {
    case 0:
        *reached = SIPC_REACHED;
        return SIPC_OK;
    case ECONNREFUSED:
        *reached = SIPC_NOBODY_LISTENS;
        return SIPC_OK;
    case EAGAIN:
        *reached = SIPC_QUEUE_FULL;
        return SIPC_OK;
    case EACCES:
    case EPERM:
        return forbidden(path);
    case EPROTOTYPE:
        return sipc_fail(SIPC_NOT_A_REGION,
                         "the socket \"%s\" is another program's; use another name or folder",
                         path);
    default:
        return sipc_os_fail(SIPC_SYSTEM, error, "connecting to \"%s\", which needs /proc,", path);
    }
}

sipc_status sipc_os_sealed_connect(const struct sockaddr_un *address, uint64_t until, int *fd,
                                   enum sipc_os_reached *reached) {
    const char *path = address->sun_path;
    int found;
    *reached = SIPC_NOTHING_THERE;
    sipc_status status = find_socket(path, &found);
    if (status || found < 0) return status;
    *fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | (until ? 0 : SOCK_NONBLOCK), 0);
    if (*fd < 0) {
        status = sipc_os_fail(SIPC_SYSTEM, errno, "making a socket");
    } else {
        status = tell(connect_to(*fd, found, until), path, reached);
        if (status || *reached != SIPC_REACHED) close(*fd);
    }
    close(found);
    return status;
}

// ---- Users -------------------------------------------------------------------------------------

sipc_status sipc_os_sealed_peer(int fd, uint32_t *user) {
    struct ucred credentials;
    socklen_t size = sizeof credentials;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0)
        return sipc_os_fail(SIPC_SYSTEM, errno, "asking who is at the other end of a socket");
    *user = credentials.uid;
    return SIPC_OK;
}

// In the first user namespace, or one that maps all of it.
static bool every_user_is_known(void) {
    char map[64] = "";
    int file = open("/proc/self/uid_map", O_RDONLY | O_CLOEXEC);
    if (file < 0) return false;
    ssize_t got = read(file, map, sizeof map - 1);
    close(file);
    // From which id, to which id, how many.
    char *at = map;
    unsigned long count = 0;
    for (int field = 0; field < 3; field++) count = strtoul(at, &at, 10);
    return got > 0 && count == UINT32_MAX;
}

bool sipc_os_is_user(uint32_t one, uint32_t other) {
    return one == other && (one != SIPC_OVERFLOW_USER || every_user_is_known());
}
