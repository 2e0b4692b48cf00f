// SPDX-License-Identifier: Apache-2.0
// A log-linear histogram of nanoseconds: 64 buckets for each power of two, so that a value is kept
// within 1.6 %. Every value has a bucket; none is dropped.
#ifndef BENCH_HISTOGRAM_H
#define BENCH_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_LINEAR_BITS 6u
#define HISTOGRAM_LINEAR (1u << HISTOGRAM_LINEAR_BITS)
#define HISTOGRAM_BUCKETS ((64u - HISTOGRAM_LINEAR_BITS + 1u) * HISTOGRAM_LINEAR)

struct histogram {
    uint64_t total;
    uint64_t max;
    uint64_t counts[HISTOGRAM_BUCKETS];
};

static inline uint32_t histogram_bucket(uint64_t value) {
    if (value < HISTOGRAM_LINEAR) return (uint32_t)value;
    uint32_t shift = 63u - (uint32_t)__builtin_clzll(value) - HISTOGRAM_LINEAR_BITS;
    return shift * HISTOGRAM_LINEAR + (uint32_t)(value >> shift);
}

static inline void histogram_record(struct histogram *histogram, uint64_t value) {
    histogram->counts[histogram_bucket(value)]++;
    histogram->total++;
    if (value > histogram->max) histogram->max = value;
}

void histogram_add(struct histogram *to, const struct histogram *from);
// The largest value that a bucket takes.
uint64_t histogram_bucket_end(uint32_t bucket);
// The value that this share of all values (0 to 1) does not exceed; 0 if there are none.
uint64_t histogram_percentile(const struct histogram *histogram, double share);

#endif
