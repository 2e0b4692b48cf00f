// SPDX-License-Identifier: Apache-2.0
// What bare and protocol layouts have in common: one side's private view of a variant's area, the
// spin loop's pause, and the copy routine.
#ifndef LAYOUT_EXCHANGE_H
#define LAYOUT_EXCHANGE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define ALWAYS_INLINE inline __attribute__((always_inline))

enum { LINE = 64, MAX_PAYLOAD = 1024, AREA_BYTES = 32768 };

typedef void handler_function(const void *request, void *response, uint32_t size);

// Private to one process; the peer has its own for the same area.
struct side {
    unsigned char *area;
    handler_function *volatile handler; // volatile: an indirect call, as in a library
    uint32_t generation;
    uint32_t last_size;
    uint64_t id;
    _Alignas(64) unsigned char request[MAX_PAYLOAD];
    _Alignas(64) unsigned char response[MAX_PAYLOAD];
};

static ALWAYS_INLINE _Atomic uint32_t *word_at(const struct side *side, unsigned offset) {
    return (_Atomic uint32_t *)(void *)(side->area + offset);
}

static ALWAYS_INLINE void relax(unsigned pauses) {
    for (unsigned i = 0; i < pauses; i++) {
#if defined(__x86_64__)
        __builtin_ia32_pause();
#elif defined(__aarch64__)
        __asm__ volatile("isb");
#endif
    }
}

// A block by two overlapping moves of the largest power of two that fits.
#define OVERLAPPING_MOVES(bytes)                                                                   \
    do {                                                                                           \
        unsigned char head[bytes], tail[bytes];                                                    \
        memcpy(head, from, bytes);                                                                 \
        memcpy(tail, from + size - (bytes), bytes);                                                \
        memcpy(to, head, bytes);                                                                   \
        memcpy(to + size - (bytes), tail, bytes);                                                  \
    } while (0)

static ALWAYS_INLINE void copy_inline(unsigned char *to, const unsigned char *from, uint32_t size) {
    if (size > 32) {
        // Whole 32 byte pieces, then the block's last 32 bytes, part of them once more.
        uint32_t done = 0;
        do {
            memcpy(to + done, from + done, 32);
            done += 32;
        } while (done + 32 <= size);
        memcpy(to + size - 32, from + size - 32, 32);
    } else if (size >= 16) {
        OVERLAPPING_MOVES(16);
    } else if (size >= 8) {
        OVERLAPPING_MOVES(8);
    } else if (size >= 4) {
        OVERLAPPING_MOVES(4);
    } else {
        for (uint32_t i = 0; i < size; i++) {
            to[i] = from[i];
        }
    }
}

static ALWAYS_INLINE void copy_bytes(unsigned inline_limit, void *to, const void *from,
                                     uint32_t size) {
    if (size <= inline_limit) {
        copy_inline(to, from, size);
    } else {
        // A size whose bound the compiler knows would become `rep movs`, which starts slowly.
        __asm__("" : "+r"(size));
        memcpy(to, from, size);
    }
}

#endif
