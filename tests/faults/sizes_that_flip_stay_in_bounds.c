// SPDX-License-Identifier: Apache-2.0
// Row 10: the sizes of requests and responses flip between valid and hostile while they are read.
// Nobody reads or writes beyond a buffer, in the host or in the guest.
#include <inttypes.h>

#include "beset.h"

static const uint32_t sizes[] = {0, 8, 48, 49, 200, 2000, 2001, 65536, 0x7FFFFFFF, 0xFFFFFFFF};
// In the id of a tiny request, with a message id of its own from 64 on; in that of a response its
// complement.
static const uint8_t tiny_sizes[] = {0, 8, 44, 64, 64 + 8, 64 + 44, 45, 48, 49, 63, 64 + 45, 127};

static void flip(uint32_t *size, uint32_t to) {
    sipc_store_relaxed((sipc_word *)(void *)size, to);
}

// The low bits of the id stand in its first byte, with one that tells requests apart.
static void flip_tiny_sizes(struct sipc_slot_header *slot) {
    _Atomic uint8_t *low = (_Atomic uint8_t *)(void *)&slot->turn.transport_id;
    uint8_t valid = tiny_sizes[row_random(6)];
    uint8_t bad = tiny_sizes[row_random(sizeof tiny_sizes)];
    uint8_t complement = row_random(2) ? 127 : 0;
    for (int i = 0; i < 500; i++) {
        uint8_t kept = atomic_load_explicit(low, memory_order_relaxed) & 128;
        uint8_t size = (uint8_t)((i % 2 ? valid : bad) ^ complement);
        atomic_store_explicit(low, kept | size, memory_order_relaxed);
    }
}

// In bursts: where the other side reads a size more than once, it shall read different ones.
static void flip_sizes(const struct beset *beset) {
    struct sipc_slot_header *slot = beset_slot(beset, row_random(BESET_SLOTS));
    if (row_random(3) == 0) {
        flip_tiny_sizes(slot);
        return;
    }
    uint32_t *size = row_random(2) ? &slot->turn.size : &slot->responder.size;
    uint32_t valid = sizes[row_random(6)], bad = sizes[row_random(10)];
    for (int i = 0; i < 500; i++) flip(size, i % 2 ? valid : bad);
}

static void with_guest(bool go) {
    struct beset beset;
    unsigned duration_ms = row_times(1000, 60000);
    beset_start(&beset, go);
    beset_open(&beset);
    uint64_t end = row_now_us() + duration_ms * UINT64_C(1000), flips = 0;
    while (row_now_us() < end) {
        flip_sizes(&beset);
        flips += 500;
        if (row_random(8) == 0) row_sleep_us(20); // some calls shall be answered
    }
    struct beset_tally tally = beset_close(&beset);
    beset_end(&beset);
    row_result("C host, %s guest: %" PRIu64 " flips, %" PRIu64 " calls, %" PRIu64
               " answered, %" PRIu64 " with the protocol found violated; no access out of bounds",
               beset.language, flips, tally.calls, tally.answered, tally.violated);
    row_expect(tally.answered > 0 && tally.violated > 0, "the sizes did not flip under the calls");
}

static void sizes_that_flip_stay_in_bounds(void) {
    row_begin("10", "a size flips between valid and hostile while it is read", 60, 600);
    with_guest(false);
    with_guest(true);
    row_end();
}

int main(void) {
    return row_main(sizes_that_flip_stay_in_bounds);
}
