// SPDX-License-Identifier: Apache-2.0
#include "histogram.h"

static unsigned bucket_of(uint64_t value) {
    if (value < 128) {
        return (unsigned)value;
    }
    // The six bits below the highest one choose among the 64 buckets of its power of two.
    unsigned power = 63 - (unsigned)__builtin_clzll(value);
    return 128 + (power - 7) * 64 + (unsigned)(value >> (power - 6) & 63);
}

static uint64_t last_value_of(unsigned bucket) {
    if (bucket < 128) {
        return bucket;
    }
    unsigned shift = (bucket - 128) / 64 + 1;
    uint64_t first = (uint64_t)(64 + (bucket - 128) % 64) << shift;
    return first + ((uint64_t)1 << shift) - 1;
}

void histogram_add(struct histogram *histogram, uint64_t value) {
    if (histogram->count == 0 || value < histogram->smallest) {
        histogram->smallest = value;
    }
    if (value > histogram->largest) {
        histogram->largest = value;
    }
    histogram->count++;
    histogram->buckets[bucket_of(value)]++;
}

uint64_t histogram_percentile(const struct histogram *histogram, double share) {
    if (histogram->count == 0) {
        return 0;
    }
    // The rank, counted from 1, of the first sample at or above the share.
    double exact = share * (double)histogram->count;
    uint64_t rank = (uint64_t)exact;
    rank += (double)rank < exact;
    uint64_t seen = 0;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += histogram->buckets[i];
        if (seen >= rank && seen > 0) {
            uint64_t value = last_value_of(i);
            return value < histogram->largest ? value : histogram->largest;
        }
    }
    return histogram->largest;
}
