// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "sealed_folder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "internal/layout.h"
#include "left_behind.h"

char sealed_folder[64];

int make_sealed_folder(void **state) {
    snprintf(sealed_folder, sizeof sealed_folder, "/tmp/simpleipc-test-XXXXXX");
    if (!mkdtemp(sealed_folder)) return -1;
    return note_what_exists(state);
}

int remove_sealed_folder(void **state) {
    int left = nothing_is_left_behind(state);
    if (rmdir(sealed_folder) == 0) return left;
    print_error("left behind: %s cannot be removed: %s\n", sealed_folder, strerror(errno));
    return -1;
}

const char *sealed_path(const char *name) {
    static char paths[8][256];
    static unsigned count;
    char *path = paths[count++ % 8];
    snprintf(path, sizeof paths[0], "%s/simpleipc.%s", sealed_folder, name);
    return path;
}

static struct sockaddr_un address_of(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    assert_true(strlen(path) < sizeof address.sun_path);
    memcpy(address.sun_path, path, strlen(path) + 1);
    return address;
}

int socket_at(const char *path, int type, int listens) {
    struct sockaddr_un address = address_of(path);
    int made = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
    assert_true(made >= 0);
    assert_int_equal(bind(made, (struct sockaddr *)&address, sizeof address), 0);
    if (listens) assert_int_equal(listen(made, 8), 0);
    return made;
}

int connection_to(const char *path) {
    struct sockaddr_un address = address_of(path);
    int made = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    assert_true(made >= 0);
    assert_int_equal(connect(made, (struct sockaddr *)&address, sizeof address), 0);
    return made;
}

enum { MOST_DESCRIPTORS = 32 };

void send_with(int connection, const void *bytes, size_t size, const int *descriptors,
               unsigned count) {
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(MOST_DESCRIPTORS * sizeof(int))] = {0};
    struct iovec part = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = size};
    struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1};
    if (count > MOST_DESCRIPTORS) abort();
    if (count) {
        header.msg_control = control;
        header.msg_controllen = CMSG_SPACE(count * sizeof(int));
        struct cmsghdr *rights = CMSG_FIRSTHDR(&header);
        rights->cmsg_level = SOL_SOCKET;
        rights->cmsg_type = SCM_RIGHTS;
        rights->cmsg_len = CMSG_LEN(count * sizeof(int));
        memcpy(CMSG_DATA(rights), descriptors, count * sizeof(int));
    }
    sendmsg(connection, &header, MSG_NOSIGNAL);
}

int take_by_hand(int connection, uint32_t *answer) {
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {0};
    struct sipc_handover message = {.magic = 0};
    struct iovec part = {.iov_base = &message, .iov_len = sizeof message};
    struct msghdr header = {.msg_iov = &part,
                            .msg_iovlen = 1,
                            .msg_control = control,
                            .msg_controllen = sizeof control};
    ssize_t got;
    do got = recvmsg(connection, &header, MSG_CMSG_CLOEXEC);
    while (got < 0 && errno == EINTR);
    assert_int_equal(got, sizeof message);
    assert_true(message.magic == SIPC_MAGIC);
    *answer = message.answer;
    const struct cmsghdr *rights = CMSG_FIRSTHDR(&header);
    if (!rights) return -1;
    int descriptor;
    assert_int_equal(rights->cmsg_len, CMSG_LEN(sizeof descriptor));
    memcpy(&descriptor, CMSG_DATA(rights), sizeof descriptor);
    return descriptor;
}

int memfd_by_hand(const void *bytes, size_t length, uint64_t size, int seals) {
    int made = memfd_create("by hand", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    assert_true(made >= 0);
    assert_int_equal(ftruncate(made, (off_t)size), 0);
    if (length) assert_int_equal(pwrite(made, bytes, length, 0), length);
    if (seals) assert_int_equal(fcntl(made, F_ADD_SEALS, seals), 0);
    return made;
}
