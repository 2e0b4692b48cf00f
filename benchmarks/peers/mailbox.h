// SPDX-License-Identifier: Apache-2.0
// Shared memory for one message in each direction, for peers that are a way to wake somebody and
// no more: whoever was woken finds the message here. Each direction has lines of its own.
#ifndef BENCH_PEER_MAILBOX_H
#define BENCH_PEER_MAILBOX_H

#include <string.h>
#include <unistd.h>

#include "../common/system.h"
#include "peer.h"

struct mailbox {
    uint32_t word; // for the waker's own use
    uint32_t size;
    _Alignas(64) unsigned char bytes[];
};

struct mailboxes {
    struct mailbox *in, *out;
    void *memory;
    size_t bytes;
};

static inline size_t mailbox_bytes(const struct peer_place *place) {
    return sizeof(struct mailbox) + ((size_t)place->capacity + 8191) / 4096 * 4096;
}

// In the caller's process; the responder inherits the descriptor.
static inline int mailboxes_prepare(const struct peer_place *place) {
    int descriptor;
    void *memory = system_shared_memory(2 * mailbox_bytes(place), &descriptor);
    if (!memory) peer_failed("shared memory", NULL);
    system_unmap(memory, 2 * mailbox_bytes(place));
    return descriptor;
}

static inline struct mailboxes mailboxes_open(const struct peer_place *place, int descriptor,
                                              enum peer_role role) {
    struct mailboxes boxes = {.bytes = 2 * mailbox_bytes(place)};
    unsigned char *memory = system_map(descriptor, boxes.bytes);
    if (memory == NULL) peer_failed("shared memory", NULL);
    close(descriptor);
    void *request = memory, *response = &memory[mailbox_bytes(place)];
    boxes.memory = memory;
    boxes.in = role == PEER_CALLER ? response : request;
    boxes.out = role == PEER_CALLER ? request : response;
    return boxes;
}

static inline void mailboxes_close(struct mailboxes *boxes) {
    system_unmap(boxes->memory, boxes->bytes);
}

static inline void mailbox_put(struct mailbox *box, const void *bytes, uint32_t size) {
    memcpy(box->bytes, bytes, size);
    box->size = size;
}

static inline uint32_t mailbox_take(const struct mailbox *box, void *bytes, uint32_t capacity) {
    uint32_t size = box->size;
    if (size > capacity) peer_failed("receiving", "a message too large");
    memcpy(bytes, box->bytes, size);
    return size;
}

#endif
