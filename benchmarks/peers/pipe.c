// SPDX-License-Identifier: Apache-2.0
// Two pipes, one for each direction. A pipe keeps no borders: each message goes behind its size.
#include <errno.h>
#include <sys/uio.h>
#include <unistd.h>

#include "peer.h"

// What the shared bytes hold: descriptors that the responder inherits.
struct ends {
    int request[2]; // to read from, to write to
    int response[2];
};

struct end {
    int in, out;
};

static void prepare(const struct peer_place *place) {
    struct ends *ends = place->shared;
    if (pipe(ends->request) != 0 || pipe(ends->response) != 0) peer_failed("two pipes", NULL);
}

static void *open_end(const struct peer_place *place, enum peer_role role) {
    static struct end end;
    const struct ends *ends = place->shared;
    bool calls = role == PEER_CALLER;
    end.in = calls ? ends->response[0] : ends->request[0];
    end.out = calls ? ends->request[1] : ends->response[1];
    // The other's: a pipe whose writer is gone must end.
    close(calls ? ends->request[0] : ends->response[0]);
    close(calls ? ends->response[1] : ends->request[1]);
    return &end;
}

static void close_end(void *given) {
    const struct end *end = given;
    close(end->in);
    close(end->out);
}

// What is left of two parts after so many bytes.
static void skip(struct iovec *parts, size_t bytes) {
    for (int i = 0; i < 2; i++) {
        size_t part = bytes < parts[i].iov_len ? bytes : parts[i].iov_len;
        parts[i].iov_base = (unsigned char *)parts[i].iov_base + part;
        parts[i].iov_len -= part;
        bytes -= part;
    }
}

static void send_message(void *given, const void *bytes, uint32_t size) {
    const struct end *end = given;
    struct iovec parts[2] = {{&size, sizeof size}, {(void *)(uintptr_t)bytes, size}};
    while (parts[0].iov_len + parts[1].iov_len > 0) {
        ssize_t put = writev(end->out, parts, 2);
        if (put < 0 && errno == EINTR) continue;
        if (put < 0) peer_failed("writing", NULL);
        skip(parts, (size_t)put);
    }
}

// In one call as a rule: the other side sends its next message only when it has an answer.
static uint32_t receive_message(void *given, void *bytes, uint32_t capacity) {
    const struct end *end = given;
    uint32_t size = 0;
    struct iovec parts[2] = {{&size, sizeof size}, {bytes, capacity}};
    size_t sum = 0;
    while (sum < sizeof size || sum < sizeof size + size) {
        ssize_t got = readv(end->in, parts, 2);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) peer_failed("reading", got == 0 ? "the other end is closed" : NULL);
        sum += (size_t)got;
        skip(parts, (size_t)got);
        if (sum >= sizeof size && size > capacity) peer_failed("reading", "a message too large");
    }
    return size;
}

const struct peer_transport peer_transport = {.name = "pipe",
                                              .waiting = "sleeps",
                                              .prepare = prepare,
                                              .open = open_end,
                                              .close = close_end,
                                              .send = send_message,
                                              .receive = receive_message};
