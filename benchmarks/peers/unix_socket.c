// SPDX-License-Identifier: Apache-2.0
// A pair of Unix sockets of the type SEQPACKET, which keeps the borders of messages.
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "peer.h"

static void prepare(const struct peer_place *place) {
    int *ends = place->shared;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends) != 0) peer_failed("two sockets", NULL);
}

static void *open_end(const struct peer_place *place, enum peer_role role) {
    static int end;
    const int *ends = place->shared;
    end = ends[role == PEER_CALLER ? 0 : 1];
    close(ends[role == PEER_CALLER ? 1 : 0]);
    return &end;
}

static void close_end(void *end) {
    close(*(int *)end);
}

static void send_message(void *end, const void *bytes, uint32_t size) {
    ssize_t put;
    do put = send(*(int *)end, bytes, size, MSG_NOSIGNAL);
    while (put < 0 && errno == EINTR);
    if (put != (ssize_t)size) peer_failed("sending", put < 0 ? NULL : "a part was left behind");
}

static uint32_t receive_message(void *end, void *bytes, uint32_t capacity) {
    ssize_t got;
    do got = recv(*(int *)end, bytes, capacity, 0);
    while (got < 0 && errno == EINTR);
    if (got <= 0) peer_failed("receiving", got == 0 ? "the other end is closed" : NULL);
    return (uint32_t)got;
}

const struct peer_transport peer_transport = {.name = "Unix socket",
                                              .waiting = "sleeps",
                                              .prepare = prepare,
                                              .open = open_end,
                                              .close = close_end,
                                              .send = send_message,
                                              .receive = receive_message};
