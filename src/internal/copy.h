// SPDX-License-Identifier: Apache-2.0
// Copies between private and shared memory. Small ones are inlined: a call of memcpy, with its
// branches on the size, costs as much as a third of a small exchange.
#ifndef SIPC_INTERNAL_COPY_H
#define SIPC_INTERNAL_COPY_H

#include <stdint.h>
#include <string.h>

#include "atomics.h"

#define SIPC_INLINE_COPY 256u

#if defined(__GNUC__)
typedef uint64_t sipc_block __attribute__((vector_size(16), may_alias));
#else
typedef struct {
    uint64_t halves[2];
} sipc_block;
#endif

// Two moves that may overlap cover every size from the wider one to both together. Where they do
// not overlap, a load of the same width soon after need not wait for both.
#define SIPC_MOVE_ENDS(first, last)                                                                \
    do {                                                                                           \
        uint8_t head[first], tail[last];                                                           \
        memcpy(head, from, first);                                                                 \
        memcpy(tail, from + size - (last), last);                                                  \
        memcpy(to, head, first);                                                                   \
        memcpy(to + size - (last), tail, last);                                                    \
    } while (0)

// From 33 to 48 bytes, all of it in registers: compilers put an array of 32 bytes on the stack.
static inline void sipc_copy_blocks(uint8_t *to, const uint8_t *from, uint32_t size) {
    sipc_block first, second, last;
    memcpy(&first, from, sizeof first);
    memcpy(&second, from + sizeof first, sizeof second);
    memcpy(&last, from + size - sizeof last, sizeof last);
    memcpy(to, &first, sizeof first);
    memcpy(to + sizeof first, &second, sizeof second);
    memcpy(to + size - sizeof last, &last, sizeof last);
}

static inline void sipc_copy_small(uint8_t *to, const uint8_t *from, uint32_t size) {
    if (size > 48) {
        uint32_t done = 0;
        do {
            memcpy(to + done, from + done, 32);
            done += 32;
        } while (done + 32 <= size);
        if (done != size) memcpy(to + size - 32, from + size - 32, 32);
    } else if (size > 32) {
        sipc_copy_blocks(to, from, size);
    } else if (size >= 16) {
        SIPC_MOVE_ENDS(16, 16);
    } else if (size >= 8) {
        SIPC_MOVE_ENDS(8, 8);
    } else if (size >= 4) {
        SIPC_MOVE_ENDS(4, 4);
    } else {
        for (uint32_t i = 0; i < size; i++) to[i] = from[i];
    }
}

// The two do not overlap. Either may be NULL if size is 0.
static inline void sipc_copy(void *to, const void *from, uint32_t size) {
    // Inlined far up, it must not see what the application knows of its buffer: a size with a known
    // bound would become `rep movs`, which starts slowly.
    SIPC_KEEP_BRANCH(size);
    SIPC_KEEP_BRANCH(from);
    if (size <= SIPC_INLINE_COPY)
        sipc_copy_small((uint8_t *)to, (const uint8_t *)from, size);
    else
        memcpy(to, from, size);
}

// A size that the peer wrote, by way of a branch on a private guess: the processor goes on with the
// guess before the peer's line has come, so that the payload's way here overlaps it.
static inline uint32_t sipc_confirm_size(uint32_t *last, uint32_t actual) {
    uint32_t guess = *last;
    uint32_t known = guess;
    SIPC_KEEP_BRANCH(known);
    if (guess == actual) return known;
    *last = actual;
    return actual;
}

#endif
