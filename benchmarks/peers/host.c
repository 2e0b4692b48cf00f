// SPDX-License-Identifier: Apache-2.0
// The calling process of a peer: the benchmark's host with one more contender.
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../common/control.h"
#include "../common/system.h"
#include "../host/failure.h"
#include "../host/pair.h"
#include "../host/program.h"
#include "place.h"

static struct {
    struct bench_control *control;
    struct peer_place place;
    void *end; // the caller's, for as long as the pair runs
    uint32_t window;
    uint8_t *response; // of the capacity: some want room for the largest message
} peer;

void peer_failed(const char *what, const char *why) {
    failure_exit(1, "%s: %s: %s", peer_transport.name, what, why ? why : strerror(errno));
}

// ---- The pair ----------------------------------------------------------------------------------

static void prepare(struct bench_control *control, const char *name, uint32_t capacity) {
    peer.control = control;
    peer.window = 0;
    peer.place = peer_place_of(control, name, capacity);
    peer_folder_make();
    if (peer_transport.prepare) peer_transport.prepare(&peer.place);
}

static void begin(void) {
    peer.response = peer_buffer(peer.place.capacity);
    peer.end = peer_transport.open(&peer.place, PEER_CALLER);
}

static void announce(uint32_t window) {
    // Release: what the guest needs for the window is there. It asks again before it sleeps.
    atomic_store_explicit(&peer.control->peer_window, window, memory_order_release);
    system_word_wake(&peer.control->peer_window);
}

static void remove_what_would_stay(void) {
    if (!peer.control) return;
    if (peer_transport.remove) peer_transport.remove(&peer.place);
    peer_folder_remove();
}

static void end(void) {
    announce(PEER_QUIT);
    peer_transport.close(peer.end);
    remove_what_would_stay();
    free(peer.response);
    peer.control = NULL;
}

static const struct pair_company company = {
    .prepare = prepare, .begin = begin, .end = end, .abandon = remove_what_would_stay};

// ---- The contender -----------------------------------------------------------------------------

static void *open_window(struct pair *pair, uint32_t slot, const struct payload *payload) {
    (void)pair;
    (void)slot;
    (void)payload;
    announce(++peer.window);
    return peer.end;
}

BENCH_ALWAYS_INLINE int trip(void *state, const struct payload *payload, const uint8_t *request,
                             const uint8_t **response) {
    peer_transport.send(state, request, payload->size);
    *response = peer.response;
    return (int)peer_transport.receive(state, peer.response, peer.place.capacity);
}
BENCH_LOOPS(peer, trip)

static void close_window(void *state) {
    uint8_t byte = 0;
    peer_transport.send(state, &byte, PEER_CLOSING_SIZE);
    if (peer_transport.receive(state, peer.response, peer.place.capacity) != PEER_CLOSING_SIZE)
        peer_failed("the end of a window", "it was answered wrongly");
}

int main(int count, char **values) {
    struct contender contender = {.name = peer_transport.name,
                                  .kind = CONTENDER_PEER,
                                  .open = open_window,
                                  .close = close_window,
                                  .run = peer_run,
                                  .time = peer_time};
    pair_set_company(&company);
    struct program_peer described = {
        .contender = &contender, .waiting = peer_transport.waiting, .largest = UINT32_MAX};
    if (peer_transport.version) described.version = peer_transport.version();
    if (peer_transport.largest) described.largest = peer_transport.largest(&described.largest_why);
    return program_main(count, values, &described);
}
