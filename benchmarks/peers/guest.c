// SPDX-License-Identifier: Apache-2.0
// The answering process of a peer: the benchmark's C guest with one more thread, which answers
// through the peer and sleeps between its windows.
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../common/control.h"
#include "../common/system.h"
#include "../guest/guest.h"
#include "place.h"

static struct {
    struct bench_control *control;
    struct peer_place place;
    void *end;
    pthread_t thread;
    unsigned char *request, *response;
} peer;

void peer_failed(const char *what, const char *why) {
    fprintf(stderr, "the responder of %s: %s: %s\n", peer_transport.name, what,
            why ? why : strerror(errno));
    _exit(1);
}

static void echo(const void *request, void *response, uint32_t size) {
    memcpy(response, request, size);
}

static void serve_window(void) {
    // An indirect call, as in the library and in the bare server.
    static void (*volatile handler)(const void *, void *, uint32_t) = echo;
    uint32_t size;
    do {
        size = peer_transport.receive(peer.end, peer.request, peer.place.capacity);
        handler(peer.request, peer.response, size);
        peer_transport.send(peer.end, peer.response, size);
    } while (size != PEER_CLOSING_SIZE);
}

static uint32_t await_window(uint32_t last) {
    uint32_t window;
    while ((window = atomic_load_explicit(&peer.control->peer_window, memory_order_acquire)) ==
           last)
        system_word_wait(&peer.control->peer_window, last);
    return window;
}

static void *serve(void *unused) {
    (void)unused;
    uint32_t window = 0;
    while ((window = await_window(window)) != PEER_QUIT) serve_window();
    peer_transport.close(peer.end);
    return NULL;
}

static void begin(struct bench_control *control, const char *name, uint32_t capacity) {
    peer.control = control;
    peer.place = peer_place_of(control, name, capacity);
    peer.request = peer_buffer(capacity);
    peer.response = peer_buffer(capacity);
    peer.end = peer_transport.open(&peer.place, PEER_RESPONDER);
    int error = pthread_create(&peer.thread, NULL, serve, NULL);
    if (error) peer_failed("a thread", strerror(error));
}

static void end(void) {
    pthread_join(peer.thread, NULL);
    free(peer.request);
    free(peer.response);
}

int main(int count, char **values) {
    static const struct guest_company company = {.begin = begin, .end = end};
    return guest_program(count, values, &guest_face_c, &company);
}
