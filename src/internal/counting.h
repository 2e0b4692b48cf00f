// SPDX-License-Identifier: Apache-2.0
// Counting, by a counter's one writer (spec 2.6). On the fast path nothing but additions to a line
// that nobody else uses; clocks are read for sampled exchanges only.
#ifndef SIPC_INTERNAL_COUNTING_H
#define SIPC_INTERNAL_COUNTING_H

#include "layout.h"

// Both sides know it by the generation alone.
static inline bool sipc_is_sampled(uint32_t generation) {
    return generation % SIPC_SAMPLE_INTERVAL == 0;
}

// Between two points in time. The first may be the peer's word, and any number.
static inline uint64_t sipc_time_between(uint64_t from, uint64_t to) {
    return from < to ? to - from : 0;
}

static inline uint32_t sipc_histogram_bucket(uint64_t nanoseconds) {
    uint32_t bucket = 0;
    for (uint64_t left = nanoseconds >> SIPC_HISTOGRAM_FIRST_BITS; left > 0; left >>= 1) bucket++;
    return bucket < SIPC_HISTOGRAM_BUCKETS ? bucket : SIPC_HISTOGRAM_BUCKETS - 1;
}

static inline void sipc_histogram_note(sipc_counter *histogram, uint64_t nanoseconds) {
    sipc_counter_add(&histogram[sipc_histogram_bucket(nanoseconds)], 1);
}

#endif
