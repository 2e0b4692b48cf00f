// SPDX-License-Identifier: Apache-2.0
#include "histogram.h"

#include <math.h>

void histogram_add(struct histogram *to, const struct histogram *from) {
    for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++) to->counts[i] += from->counts[i];
    to->total += from->total;
    if (from->max > to->max) to->max = from->max;
}

uint64_t histogram_bucket_end(uint32_t bucket) {
    if (bucket < 2 * HISTOGRAM_LINEAR) return bucket;
    uint32_t shift = bucket / HISTOGRAM_LINEAR - 1;
    uint64_t start = (uint64_t)(bucket - shift * HISTOGRAM_LINEAR) << shift;
    return start + ((UINT64_C(1) << shift) - 1);
}

uint64_t histogram_percentile(const struct histogram *histogram, double share) {
    if (histogram->total == 0) return 0;
    uint64_t rank = (uint64_t)ceil(share * (double)histogram->total);
    if (rank == 0) rank = 1;
    uint64_t passed = 0;
    for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        passed += histogram->counts[i];
        if (passed >= rank) {
            uint64_t end = histogram_bucket_end(i);
            return end < histogram->max ? end : histogram->max;
        }
    }
    return histogram->max;
}
