// SPDX-License-Identifier: Apache-2.0
// A sealed region's host: its memfd, its socket, and the handover to guests (spec 12).
#define _GNU_SOURCE
#include "sealed_offer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "../../internal/layout.h"
#include "../posix/failure.h"
#include "../posix/fork.h"
#include "sealed_socket.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8u
#endif

// Who locks a folder does so for less than a millisecond; who keeps it longer is not a host.
#define LOCK_PATIENCE_NS UINT64_C(1000000000)
#define LOCK_REST_NS UINT64_C(100000)
// Who stands in the queue is served within a guest's patience, however many want to get in.
#define QUEUE 128

struct sipc_os_offer {
    struct sockaddr_un address;
    dev_t device; // of the socket at that path: by the end another may stand there
    ino_t inode;
    int socket;
    int object;
    sipc_word withdrawn; // 1: whoever connects gets nothing
    uint32_t own_user;
    uint32_t user_count;
    uint32_t users[]; // others who may attach
};

// ---- The object --------------------------------------------------------------------------------

// Another description of the same object, with claims of its own.
static int open_again(int object) {
    char path[32];
    snprintf(path, sizeof path, "/proc/self/fd/%d", object);
    return open(path, O_RDWR | O_CLOEXEC);
}

static int make_memfd(void) {
    int fd = memfd_create("simpleipc", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);
    // Kernels before 6.3 do not know the last of them.
    return fd < 0 && errno == EINVAL ? memfd_create("simpleipc", MFD_CLOEXEC | MFD_ALLOW_SEALING)
                                     : fd;
}

static sipc_status make_object(struct sipc_os_object *object) {
    int fd = make_memfd();
    if (fd < 0) return sipc_os_fail(SIPC_SYSTEM, errno, "memfd_create");
    // What each guest will need is an error now rather than then.
    int again = open_again(fd);
    sipc_status status = SIPC_OK;
    if (again < 0)
        status = sipc_os_fail(SIPC_SYSTEM, errno, "opening a memfd again, which needs /proc,");
    else
        close(again);
    if (!status) status = sipc_os_close_in_child(fd);
    if (status) close(fd);
    object->handle = fd;
    return status;
}

// A memfd has no limit but the machine's, and who exceeds that is killed rather than told.
static bool exceeds_the_machine(uint64_t size) {
    struct sysinfo machine;
    if (sysinfo(&machine) != 0) return false;
    return size / machine.mem_unit > machine.totalram + machine.totalswap;
}

sipc_status sipc_os_object_allocate_sealed(struct sipc_os_object *object, uint64_t size) {
    if (exceeds_the_machine(size))
        return sipc_fail(SIPC_NO_SPACE,
                         "a region of %llu bytes is more than the memory of this machine; use "
                         "fewer or smaller slots",
                         (unsigned long long)size);
    sipc_status status = sipc_os_object_allocate(object, size);
    if (!status && fcntl((int)object->handle, F_ADD_SEALS, SIPC_REGION_SEALS) != 0)
        status = sipc_os_fail(SIPC_SYSTEM, errno, "sealing a region");
    return status;
}

// ---- The folder --------------------------------------------------------------------------------

static sipc_status check_folder(int fd, const char *folder) {
    struct stat status;
    if (fstat(fd, &status) != 0)
        return sipc_os_fail(SIPC_SYSTEM, errno, "fstat of the folder \"%s\"", folder);
    if (status.st_uid != 0 && !sipc_os_is_user(status.st_uid, geteuid()))
        return sipc_fail(SIPC_FORBIDDEN,
                         "the folder \"%s\" belongs to user %u, who could put another socket into "
                         "it; use one of your own",
                         folder, status.st_uid);
    if ((status.st_mode & (S_IWGRP | S_IWOTH)) && !(status.st_mode & S_ISVTX))
        return sipc_fail(SIPC_FORBIDDEN,
                         "others may write in the folder \"%s\", whose mode is 0%o, and could put "
                         "another socket into it; use one of mode 0755 or less",
                         folder, status.st_mode & 07777);
    return SIPC_OK;
}

static sipc_status lock_folder(int fd, const char *folder) {
    const uint64_t patience = sipc_os_now() + LOCK_PATIENCE_NS;
    while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            return sipc_os_fail(SIPC_SYSTEM, errno, "locking the folder \"%s\"", folder);
        if (sipc_os_now() > patience)
            return sipc_fail(SIPC_BUSY,
                             "another process keeps the folder \"%s\" locked; end it or use "
                             "another folder",
                             folder);
        sipc_os_sleep(LOCK_REST_NS);
    }
    return SIPC_OK;
}

// Closing it unlocks it.
static sipc_status open_folder(const char *folder, int *fd) {
    *fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (*fd < 0) return sipc_os_fail(SIPC_SYSTEM, errno, "opening the folder \"%s\"", folder);
    sipc_status status = check_folder(*fd, folder);
    if (!status) status = lock_folder(*fd, folder);
    if (status) close(*fd);
    return status;
}

// ---- The socket --------------------------------------------------------------------------------

// The folder is locked. A living host keeps its socket, one that is gone loses it.
static sipc_status remove_stale(const struct sockaddr_un *address) {
    int fd;
    enum sipc_os_reached reached;
    sipc_status status = sipc_os_sealed_connect(address, 0, &fd, &reached);
    if (status || reached == SIPC_NOTHING_THERE) return status;
    if (reached == SIPC_REACHED) close(fd);
    if (reached != SIPC_NOBODY_LISTENS)
        return sipc_fail(SIPC_EXISTS, "a host listens at \"%s\"; choose another name or folder",
                         address->sun_path);
    if (unlink(address->sun_path) == 0 || errno == ENOENT) return SIPC_OK;
    return sipc_os_fail(SIPC_FORBIDDEN, errno, "removing the stale socket \"%s\"",
                        address->sun_path);
}

// The socket is bound: nobody can connect before it listens, so nobody meets a wrong mode.
static sipc_status listen_at(struct sipc_os_offer *offer) {
    const char *path = offer->address.sun_path;
    struct stat status;
    if (chmod(path, offer->user_count ? 0666 : 0600) != 0)
        return sipc_os_fail(SIPC_SYSTEM, errno, "chmod of \"%s\"", path);
    if (lstat(path, &status) != 0) return sipc_os_fail(SIPC_SYSTEM, errno, "lstat of \"%s\"", path);
    offer->device = status.st_dev;
    offer->inode = status.st_ino;
    if (listen(offer->socket, QUEUE) != 0)
        return sipc_os_fail(SIPC_SYSTEM, errno, "listening at \"%s\"", path);
    return SIPC_OK;
}

static sipc_status bind_and_listen(struct sipc_os_offer *offer) {
    const char *path = offer->address.sun_path;
    if (bind(offer->socket, (struct sockaddr *)&offer->address, sizeof offer->address) != 0)
        return sipc_os_fail(SIPC_SYSTEM, errno, "binding a socket to \"%s\"", path);
    sipc_status status = listen_at(offer);
    if (status) unlink(path);
    return status;
}

// A forked child that keeps the socket would make the host seem alive after its death.
static sipc_status make_socket(int *fd) {
    sipc_os_fork_lock();
    *fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    sipc_status status = *fd < 0 ? sipc_os_fail(SIPC_SYSTEM, errno, "making a socket")
                                 : sipc_os_close_in_child_locked(*fd);
    if (status && *fd >= 0) close(*fd);
    sipc_os_fork_unlock();
    return status;
}

static void close_socket(int fd) {
    sipc_os_forget_in_child(fd);
    close(fd);
}

static sipc_status take_name(struct sipc_os_offer *offer, const char *folder) {
    sipc_status status = make_socket(&offer->socket);
    if (status) return status;
    int locked;
    status = open_folder(folder, &locked);
    if (!status) {
        status = remove_stale(&offer->address);
        if (!status) status = bind_and_listen(offer);
        close(locked);
    }
    if (status) close_socket(offer->socket);
    return status;
}

// ---- Life --------------------------------------------------------------------------------------

static struct sipc_os_offer *allocate_offer(const struct sipc_os_sealing *sealing) {
    size_t users_size = sealing->user_count * sizeof *sealing->users;
    struct sipc_os_offer *offer = calloc(1, sizeof *offer + users_size);
    if (!offer) return NULL;
    offer->own_user = geteuid();
    offer->user_count = sealing->user_count;
    if (users_size) memcpy(offer->users, sealing->users, users_size);
    return offer;
}

sipc_status sipc_os_offer_make(const char *name, const struct sipc_os_sealing *sealing,
                               struct sipc_os_object *object, struct sipc_os_offer **offer) {
    struct sipc_os_offer *made = allocate_offer(sealing);
    if (!made) return sipc_fail(SIPC_OUT_OF_MEMORY, "no memory to offer a region");
    sipc_status status = sipc_os_sealed_address(sealing->folder, name, &made->address);
    if (!status) {
        status = make_object(object);
        if (!status) {
            status = take_name(made, sealing->folder);
            if (status) sipc_os_object_close(object);
        }
    }
    if (status) {
        free(made);
        return status;
    }
    made->object = (int)object->handle;
    *offer = made;
    return SIPC_OK;
}

void sipc_os_offer_withdraw(struct sipc_os_offer *offer) {
    struct stat status;
    // Release: who is answered after this gets nothing.
    if (sipc_exchange_barrier(&offer->withdrawn, 1) != 0) return;
    // Without the lock: as long as we listen, no host takes our socket for a stale one. If the
    // system does not say whose it is, it is ours.
    if (lstat(offer->address.sun_path, &status) != 0 ||
        (status.st_dev == offer->device && status.st_ino == offer->inode))
        unlink(offer->address.sun_path);
    shutdown(offer->socket, SHUT_RDWR);
}

void sipc_os_offer_close(struct sipc_os_offer *offer) {
    close_socket(offer->socket);
    free(offer);
}

// ---- The handover ------------------------------------------------------------------------------

static bool may_attach(const struct sipc_os_offer *offer, uint32_t user) {
    if (sipc_os_is_user(user, offer->own_user)) return true;
    for (uint32_t i = 0; i < offer->user_count; i++)
        if (sipc_os_is_user(user, offer->users[i])) return true;
    return false;
}

// Whatever becomes of it: a guest that got nothing tries again.
static void send_answer(int guest, enum sipc_handover_answer answer, int object) {
    struct sipc_handover message = {.magic = SIPC_MAGIC, .answer = answer};
    struct iovec part = {.iov_base = &message, .iov_len = sizeof message};
    union {
        struct cmsghdr header; // aligned
        char room[CMSG_SPACE(sizeof object)];
    } control;
    struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1};
    if (answer == SIPC_HANDOVER_GIVEN) {
        memset(&control, 0, sizeof control);
        header.msg_control = control.room;
        header.msg_controllen = sizeof control.room;
        struct cmsghdr *rights = CMSG_FIRSTHDR(&header);
        rights->cmsg_level = SOL_SOCKET;
        rights->cmsg_type = SCM_RIGHTS;
        rights->cmsg_len = CMSG_LEN(sizeof object);
        memcpy(CMSG_DATA(rights), &object, sizeof object);
    }
    sendmsg(guest, &header, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static bool is_shortage(int error) {
    return error == EMFILE || error == ENFILE || error == ENOMEM || error == ENOBUFS;
}

static enum sipc_os_offered hand_over(const struct sipc_os_offer *offer, int guest) {
    uint32_t user;
    if (sipc_os_sealed_peer(guest, &user)) return SIPC_OFFER_STANDS;
    if (!may_attach(offer, user)) {
        send_answer(guest, SIPC_HANDOVER_REFUSED, -1);
        return SIPC_OFFER_STANDS;
    }
    int object = open_again(offer->object);
    if (object < 0) return is_shortage(errno) ? SIPC_OFFER_RESTS : SIPC_OFFER_STANDS;
    send_answer(guest, SIPC_HANDOVER_GIVEN, object);
    close(object);
    return SIPC_OFFER_STANDS;
}

int sipc_os_offer_descriptor(const struct sipc_os_offer *offer) {
    return offer->socket;
}

static enum sipc_os_offered answer_one(const struct sipc_os_offer *offer) {
    int guest = accept4(offer->socket, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (guest < 0) // it may have gone again; anything else would come back at once
        return errno == EAGAIN || errno == ECONNABORTED ? SIPC_OFFER_STANDS : SIPC_OFFER_RESTS;
    enum sipc_os_offered offered = hand_over(offer, guest);
    close(guest);
    return offered;
}

enum sipc_os_offered sipc_os_offer_answer(struct sipc_os_offer *offer) {
    if (sipc_load_acquire(&offer->withdrawn) != 0) return SIPC_OFFER_ENDED;
    // A child made meanwhile would share the guest's description, and keep its claims alive.
    sipc_os_fork_lock();
    enum sipc_os_offered offered = answer_one(offer);
    sipc_os_fork_unlock();
    return offered;
}
