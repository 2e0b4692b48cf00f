// SPDX-License-Identifier: Apache-2.0
// nng: req0 and rep0 over ipc, as Debian builds it. Each process has threads of nng's own, on the
// processor of its side.
#include <nng/nng.h>
#include <nng/protocol/reqrep0/rep.h>
#include <nng/protocol/reqrep0/req.h>
#include <stdint.h>
#include <stdio.h>

#include "peer.h"

static void must(int result, const char *what) {
    if (result != 0) peer_failed(what, nng_strerror(result));
}

static void *open_end(const struct peer_place *place, enum peer_role role) {
    static nng_socket end;
    char address[128];
    snprintf(address, sizeof address, "ipc://%s/socket", place->folder);
    must(role == PEER_CALLER ? nng_req0_open(&end) : nng_rep0_open(&end), "a socket");
    must(nng_socket_set_size(end, NNG_OPT_RECVMAXSZ, 0), "no limit of size");
    if (role == PEER_CALLER)
        must(nng_dial(end, address, NULL, 0), "nng_dial");
    else
        must(nng_listen(end, address, NULL, 0), "nng_listen");
    return &end;
}

static void close_end(void *given) {
    nng_close(*(nng_socket *)given);
}

static void send_message(void *given, const void *bytes, uint32_t size) {
    // Without NNG_FLAG_ALLOC it copies, and leaves the bytes as they are.
    must(nng_send(*(nng_socket *)given, (void *)(uintptr_t)bytes, size, 0), "nng_send");
}

static uint32_t receive_message(void *given, void *bytes, uint32_t capacity) {
    size_t size = capacity;
    must(nng_recv(*(nng_socket *)given, bytes, &size, 0), "nng_recv");
    return (uint32_t)size;
}

const struct peer_transport peer_transport = {.name = "nng",
                                              .waiting = "sleeps",
                                              .version = nng_version,
                                              .open = open_end,
                                              .close = close_end,
                                              .send = send_message,
                                              .receive = receive_message};
