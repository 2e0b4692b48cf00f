// SPDX-License-Identifier: Apache-2.0
// A sealed region's guest: how it gets the object from its host, and what it refuses (spec 12).
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "../../internal/layout.h"
#include "../../internal/os.h"
#include "../posix/failure.h"
#include "../posix/fork.h"
#include "sealed_socket.h"

#define NS_PER_SECOND UINT64_C(1000000000)
// How long one try waits for a host that is there. It answers within microseconds; one that does
// not is asked again, so that who wants to stop is not held up.
#define LEAST_PATIENCE_NS UINT64_C(10000000)
#define MOST_PATIENCE_NS UINT64_C(50000000)

// More than the one that is expected, so that others are seen and closed.
enum { DESCRIPTOR_ROOM = 8 };

// What came with one message.
struct received {
    struct sipc_handover message;
    ssize_t size;
    int flags;
    unsigned count; // of the descriptors
    int descriptors[DESCRIPTOR_ROOM];
};

static sipc_status not_yet(const char *path, const char *why) {
    return sipc_fail(SIPC_NO_HOST, "no host at \"%s\": %s; start the host or wait longer", path,
                     why);
}

// ---- The message -------------------------------------------------------------------------------

static sipc_status wait_for_message(int fd, const char *path, uint64_t deadline) {
    struct pollfd polled = {.fd = fd, .events = POLLIN};
    for (;;) {
        uint64_t now = sipc_os_now();
        uint64_t left = deadline > now ? deadline - now : 0;
        struct timespec until = {.tv_sec = (time_t)(left / NS_PER_SECOND),
                                 .tv_nsec = (long)(left % NS_PER_SECOND)};
        int ready = ppoll(&polled, 1, &until, NULL);
        if (ready > 0) return SIPC_OK;
        if (ready == 0)
            return not_yet(path, "a process listens there, but did not hand out a region in time");
        if (errno != EINTR) return sipc_os_fail(SIPC_SYSTEM, errno, "waiting at \"%s\"", path);
    }
}

static void take_descriptors(struct msghdr *header, struct received *received) {
    for (struct cmsghdr *part = CMSG_FIRSTHDR(header); part; part = CMSG_NXTHDR(header, part)) {
        if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
        size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count && received->count < DESCRIPTOR_ROOM; i++)
            memcpy(&received->descriptors[received->count++], CMSG_DATA(part) + i * sizeof(int),
                   sizeof(int));
    }
}

static void receive(int fd, struct received *received) {
    struct iovec part = {.iov_base = &received->message, .iov_len = sizeof received->message};
    union {
        struct cmsghdr header; // aligned
        char room[CMSG_SPACE(DESCRIPTOR_ROOM * sizeof(int))];
    } control;
    struct msghdr header = {.msg_iov = &part,
                            .msg_iovlen = 1,
                            .msg_control = control.room,
                            .msg_controllen = sizeof control.room};
    received->size = recvmsg(fd, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (received->size < 0) return;
    received->flags = header.msg_flags;
    take_descriptors(&header, received);
}

static sipc_status check_message(const struct received *received, const char *path) {
    if (received->size == 0 && received->count == 0)
        return not_yet(path, "it closed the connection");
    if (received->size != sizeof received->message || (received->flags & MSG_TRUNC) ||
        received->message.magic != SIPC_MAGIC || received->message.answer > SIPC_HANDOVER_REFUSED)
        return sipc_fail(SIPC_NOT_A_REGION,
                         "what answers at \"%s\" with %zd bytes is not a SimpleIPC host", path,
                         received->size);
    if (received->message.answer == SIPC_HANDOVER_REFUSED)
        return sipc_fail(SIPC_FORBIDDEN,
                         "the host at \"%s\" does not admit user %u; name it in the host's options",
                         path, (unsigned)geteuid());
    if (received->flags & MSG_CTRUNC)
        return sipc_fail(SIPC_SYSTEM,
                         "the region at \"%s\" did not arrive, for want of descriptors or with too "
                         "many of them; raise the limit of open files",
                         path);
    if (received->count != 1)
        return sipc_fail(SIPC_NOT_A_REGION, "%u descriptors came from \"%s\" instead of one",
                         received->count, path);
    return SIPC_OK;
}

// ---- The object --------------------------------------------------------------------------------

// On huge pages a peer that gives some back would end this process by SIGBUS, whatever the seals.
static sipc_status check_object(int fd, const char *path) {
    struct statfs system;
    int seals = fcntl(fd, F_GET_SEALS);
    if (seals < 0 || (seals & SIPC_REGION_SEALS) != SIPC_REGION_SEALS)
        return sipc_fail(SIPC_NOT_A_REGION,
                         "the object from \"%s\" bears the seals 0x%x and not all of 0x%x", path,
                         seals < 0 ? 0u : (unsigned)seals, (unsigned)SIPC_REGION_SEALS);
    if (fstatfs(fd, &system) != 0)
        return sipc_os_fail(SIPC_SYSTEM, errno, "fstatfs of the object from \"%s\"", path);
    if (system.f_type != TMPFS_MAGIC)
        return sipc_fail(SIPC_NOT_A_REGION, "the object from \"%s\" does not lie in ordinary pages",
                         path);
    return SIPC_OK;
}

static sipc_status take_object(int fd, const char *path, struct sipc_os_object *object) {
    struct received received = {.size = 0};
    // A child made between the receipt and the note to close it would keep our claims alive.
    sipc_os_fork_lock();
    receive(fd, &received);
    bool is_reset = received.size < 0 && errno == ECONNRESET;
    sipc_status status = SIPC_OK;
    if (received.size < 0)
        status = is_reset ? not_yet(path, "it ended")
                          : sipc_os_fail(SIPC_SYSTEM, errno, "receiving at \"%s\"", path);
    if (!status) status = check_message(&received, path);
    if (!status) status = check_object(received.descriptors[0], path);
    if (!status) status = sipc_os_close_in_child_locked(received.descriptors[0]);
    if (status)
        for (unsigned i = 0; i < received.count; i++) close(received.descriptors[i]);
    else
        object->handle = received.descriptors[0];
    sipc_os_fork_unlock();
    return status;
}

// ---- The host ----------------------------------------------------------------------------------

static sipc_status check_host(int fd, const char *path, bool any_owner) {
    uint32_t user;
    sipc_status status = sipc_os_sealed_peer(fd, &user);
    if (status || any_owner || sipc_os_is_user(user, geteuid())) return status;
    return sipc_fail(SIPC_FORBIDDEN,
                     "the host at \"%s\" is user %u and not %u; set any_owner to trust it", path,
                     user, (unsigned)geteuid());
}

static uint64_t patience(uint64_t deadline) {
    uint64_t now = sipc_os_now();
    uint64_t left = deadline > now ? deadline - now : 0;
    if (left < LEAST_PATIENCE_NS) left = LEAST_PATIENCE_NS;
    return now + (left < MOST_PATIENCE_NS ? left : MOST_PATIENCE_NS);
}

static sipc_status reach(const struct sockaddr_un *address, uint64_t until, int *fd) {
    enum sipc_os_reached reached;
    sipc_status status = sipc_os_sealed_connect(address, until, fd, &reached);
    if (status) return status;
    switch (reached) {
    case SIPC_REACHED:
        return SIPC_OK;
    case SIPC_NOBODY_LISTENS:
        return not_yet(address->sun_path, "nobody listens there");
    case SIPC_QUEUE_FULL:
        return not_yet(address->sun_path, "too many wait for it");
    case SIPC_NOTHING_THERE:
    default:
        return not_yet(address->sun_path, "there is no such socket");
    }
}

sipc_status sipc_os_offer_fetch(const char *name, const char *folder, bool any_owner,
                                uint64_t deadline, struct sipc_os_object *object) {
    struct sockaddr_un address;
    sipc_status status = sipc_os_sealed_address(folder, name, &address);
    if (status) return status;
    int fd;
    uint64_t until = patience(deadline);
    status = reach(&address, until, &fd);
    if (status) return status;
    status = check_host(fd, address.sun_path, any_owner);
    if (!status) status = wait_for_message(fd, address.sun_path, until);
    if (!status) status = take_object(fd, address.sun_path, object);
    close(fd);
    return status;
}
