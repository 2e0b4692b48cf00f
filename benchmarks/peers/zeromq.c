// SPDX-License-Identifier: Apache-2.0
// ZeroMQ: REQ and REP over ipc, as Debian builds it. Each process has an input/output thread of
// ZeroMQ's own, on the processor of its side.
#include <stdio.h>
#include <zmq.h>

#include "peer.h"

struct end {
    void *context;
    void *socket;
};

static void must(int result, const char *what) {
    if (result < 0) peer_failed(what, zmq_strerror(zmq_errno()));
}

static void *open_end(const struct peer_place *place, enum peer_role role) {
    static struct end end;
    char address[128];
    snprintf(address, sizeof address, "ipc://%s/socket", place->folder);
    end.context = zmq_ctx_new();
    end.socket = zmq_socket(end.context, role == PEER_CALLER ? ZMQ_REQ : ZMQ_REP);
    if (!end.socket) peer_failed("zmq_socket", zmq_strerror(zmq_errno()));
    if (role == PEER_CALLER)
        must(zmq_connect(end.socket, address), "zmq_connect");
    else
        must(zmq_bind(end.socket, address), "zmq_bind");
    return &end;
}

static void close_end(void *given) {
    struct end *end = given;
    zmq_close(end->socket);
    zmq_ctx_term(end->context);
}

static void send_message(void *given, const void *bytes, uint32_t size) {
    must(zmq_send(((struct end *)given)->socket, bytes, size, 0), "zmq_send");
}

static uint32_t receive_message(void *given, void *bytes, uint32_t capacity) {
    int got = zmq_recv(((struct end *)given)->socket, bytes, capacity, 0);
    must(got, "zmq_recv");
    return (uint32_t)got;
}

static const char *version(void) {
    static char text[32];
    int major, minor, patch;
    zmq_version(&major, &minor, &patch);
    snprintf(text, sizeof text, "%d.%d.%d", major, minor, patch);
    return text;
}

const struct peer_transport peer_transport = {.name = "ZeroMQ",
                                              .waiting = "sleeps",
                                              .version = version,
                                              .open = open_end,
                                              .close = close_end,
                                              .send = send_message,
                                              .receive = receive_message};
