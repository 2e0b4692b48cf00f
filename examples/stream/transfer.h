/* SPDX-License-Identifier: Apache-2.0 */
/* What host and guest of this example say to each other. What is sent are letters: a to z, again
 * and again. */
#ifndef STREAM_TRANSFER_H
#define STREAM_TRANSFER_H

#include <stdint.h>

enum {
    SLOTS = 4,      /* pieces in flight */
    UPLOAD = 200,   /* letters; answered with a text that says how many came, and their sum */
    DOWNLOAD = 201, /* how many letters, a uint64_t; answered with them */
};

/* FNV-1a. */
#define SUM_OF_NOTHING UINT64_C(14695981039346656037)
static inline uint64_t sum_on(uint64_t sum, const uint8_t *bytes, uint64_t size) {
    for (uint64_t i = 0; i < size; i++) sum = (sum ^ bytes[i]) * UINT64_C(1099511628211);
    return sum;
}

/* Those that follow this many. */
static inline void letters_after(uint64_t done, uint8_t *buffer, uint64_t size) {
    for (uint64_t i = 0; i < size; i++) buffer[i] = (uint8_t)('a' + (done + i) % 26);
}

#endif
