// SPDX-License-Identifier: Apache-2.0
// The message in shared memory, and a futex ping-pong: each side wakes the other each time, and
// sleeps at once. The least that two sleeping processes can do for each other.
#include "mailbox.h"

struct end {
    struct mailboxes boxes;
    uint32_t turn; // of the last message that came
};

static void prepare(const struct peer_place *place) {
    *(int *)place->shared = mailboxes_prepare(place);
}

static void *open_end(const struct peer_place *place, enum peer_role role) {
    static struct end end;
    end.boxes = mailboxes_open(place, *(int *)place->shared, role);
    end.turn = 0;
    return &end;
}

static void close_end(void *given) {
    mailboxes_close(&((struct end *)given)->boxes);
}

static void send_message(void *given, const void *bytes, uint32_t size) {
    struct mailbox *box = ((struct end *)given)->boxes.out;
    mailbox_put(box, bytes, size);
    // Release: the message is complete before the word.
    __atomic_store_n(&box->word, box->word + 1, __ATOMIC_RELEASE);
    system_word_wake(&box->word);
}

static uint32_t receive_message(void *given, void *bytes, uint32_t capacity) {
    struct end *end = given;
    struct mailbox *box = end->boxes.in;
    while (__atomic_load_n(&box->word, __ATOMIC_ACQUIRE) == end->turn)
        system_word_wait(&box->word, end->turn);
    end->turn++;
    return mailbox_take(box, bytes, capacity);
}

const struct peer_transport peer_transport = {.name = "futex",
                                              .waiting = "sleeps",
                                              .prepare = prepare,
                                              .open = open_end,
                                              .close = close_end,
                                              .send = send_message,
                                              .receive = receive_message};
