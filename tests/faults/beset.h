// SPDX-License-Identifier: Apache-2.0
// A host with a guest, and a third party that has their region mapped: for rows about hostile
// peers. Host and C guest are built with AddressSanitizer and UndefinedBehaviorSanitizer, so that a
// bad access ends them; so would any wrong answer in their other region, which nobody touches.
#ifndef FAULTS_BESET_H
#define FAULTS_BESET_H

#include "../../src/internal/layout.h"
#include "row.h"

enum { BESET_SLOTS = 4, BESET_CAPACITY = 2000, BESET_TIMEOUT_US = 20000 };

struct beset {
    const char *language; // of the guest
    struct peer host, guest;
    char path[128]; // of the region
    int fd;
    uint8_t *base;
    uint64_t size;
};

// What became of the calls while a region was open.
struct beset_tally {
    uint64_t calls, right, answered, violated, lost, longest_us, overrun_us, close_us;
    uint64_t beside, beside_longest_us; // in the other region, which tells what the machine adds
};

void beset_start(struct beset *beset, bool go);
// Opens the region with its traffic and maps it here; ends both.
void beset_open(struct beset *beset);
struct beset_tally beset_close(struct beset *beset);
// Both processes end in order, with as much as they began with.
void beset_end(struct beset *beset);

void beset_add(struct beset_tally *sum, const struct beset_tally *one);

static inline uint64_t beset_slot_size(void) {
    return SIPC_SLOT_HEADER_SIZE + (BESET_CAPACITY + 63) / 64 * 64 * 2;
}
static inline struct sipc_slot_header *beset_slot(const struct beset *beset, uint32_t slot) {
    return (struct sipc_slot_header *)(beset->base + SIPC_SLOTS_OFFSET + slot * beset_slot_size());
}
static inline struct sipc_slot_tail *beset_tail(const struct beset *beset, uint32_t slot) {
    uint64_t tails = SIPC_SLOTS_OFFSET + BESET_SLOTS * beset_slot_size();
    return (struct sipc_slot_tail *)(beset->base + tails) + slot;
}

#endif
