// SPDX-License-Identifier: Apache-2.0
#include "median.h"

#include <stdlib.h>

static int ascending(const void *left, const void *right) {
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

double median_ratio(const double *values, const double *reference, unsigned count) {
    double *sorted = malloc(count * sizeof *sorted);
    if (sorted == NULL) {
        return 0;
    }
    for (unsigned i = 0; i < count; i++) {
        sorted[i] = values[i] / (reference == NULL ? 1 : reference[i]);
    }
    qsort(sorted, count, sizeof *sorted, ascending);
    double median = sorted[count / 2];
    free(sorted);
    return median;
}
