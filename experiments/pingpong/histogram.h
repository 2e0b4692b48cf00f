// SPDX-License-Identifier: Apache-2.0
// A log-linear histogram of unsigned 64-bit values: every sample is counted, whatever its size.
// A bucket is at most 1/64 of its value wide; the smallest and the largest sample are exact.
#ifndef SIMPLEIPC_EXPERIMENTS_HISTOGRAM_H
#define SIMPLEIPC_EXPERIMENTS_HISTOGRAM_H

#include <stdint.h>

// Values below 128 have a bucket each; every further power of two has 64.
enum { HISTOGRAM_BUCKETS = 128 + 57 * 64 };

struct histogram {
    uint64_t count;
    uint64_t smallest;
    uint64_t largest;
    uint64_t buckets[HISTOGRAM_BUCKETS];
};

// An all-zero histogram is empty and ready.
void histogram_add(struct histogram *histogram, uint64_t value);

// The value that `share` (0 to 1) of the samples do not exceed, at most 1/64 above it.
// 0 if there are no samples.
uint64_t histogram_percentile(const struct histogram *histogram, double share);

#endif
