// SPDX-License-Identifier: Apache-2.0
// The message in shared memory, an eventfd in each direction to say so: what one builds by hand.
#include <errno.h>
#include <sys/eventfd.h>

#include "mailbox.h"

struct shared {
    int memory;
    int request, response; // eventfds
};

struct end {
    struct mailboxes boxes;
    int in, out;
};

static void prepare(const struct peer_place *place) {
    struct shared *shared = place->shared;
    shared->memory = mailboxes_prepare(place);
    shared->request = eventfd(0, 0);
    shared->response = eventfd(0, 0);
    if (shared->request < 0 || shared->response < 0) peer_failed("two eventfds", NULL);
}

static void *open_end(const struct peer_place *place, enum peer_role role) {
    static struct end end;
    const struct shared *shared = place->shared;
    end.boxes = mailboxes_open(place, shared->memory, role);
    end.in = role == PEER_CALLER ? shared->response : shared->request;
    end.out = role == PEER_CALLER ? shared->request : shared->response;
    return &end;
}

static void close_end(void *given) {
    struct end *end = given;
    mailboxes_close(&end->boxes);
    close(end->in);
    close(end->out);
}

static void send_message(void *given, const void *bytes, uint32_t size) {
    const struct end *end = given;
    mailbox_put(end->boxes.out, bytes, size);
    if (eventfd_write(end->out, 1) != 0) peer_failed("eventfd_write", NULL);
}

static uint32_t receive_message(void *given, void *bytes, uint32_t capacity) {
    const struct end *end = given;
    eventfd_t count;
    while (eventfd_read(end->in, &count) != 0)
        if (errno != EINTR) peer_failed("eventfd_read", NULL);
    return mailbox_take(end->boxes.in, bytes, capacity);
}

const struct peer_transport peer_transport = {.name = "eventfd",
                                              .waiting = "sleeps",
                                              .prepare = prepare,
                                              .open = open_end,
                                              .close = close_end,
                                              .send = send_message,
                                              .receive = receive_message};
