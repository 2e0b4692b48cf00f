// SPDX-License-Identifier: Apache-2.0
// Samples that are kept one by one, and what is said of them.
#ifndef BENCH_NUMBERS_H
#define BENCH_NUMBERS_H

#include <stddef.h>

struct numbers {
    double *values;
    size_t count;
    size_t capacity;
};

void numbers_append(struct numbers *numbers, double value);
void numbers_free(struct numbers *numbers);
// The value that this share of them (0 to 1) does not exceed; 0 if there are none.
double numbers_percentile(const struct numbers *numbers, double share);
// One by one: above[i] / below[i]. Both have the same count.
struct numbers numbers_ratios(const struct numbers *above, const struct numbers *below);

#endif
