// SPDX-License-Identifier: Apache-2.0
#include "numbers.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "failure.h"

void numbers_append(struct numbers *numbers, double value) {
    if (numbers->count == numbers->capacity) {
        numbers->capacity = numbers->capacity ? 2 * numbers->capacity : 256;
        numbers->values = realloc(numbers->values, numbers->capacity * sizeof(double));
        if (!numbers->values) failure_exit(1, "no memory for %zu samples", numbers->capacity);
    }
    numbers->values[numbers->count++] = value;
}

void numbers_free(struct numbers *numbers) {
    free(numbers->values);
    *numbers = (struct numbers){.values = NULL};
}

static int ascending(const void *left, const void *right) {
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

double numbers_percentile(const struct numbers *numbers, double share) {
    if (numbers->count == 0) return 0;
    double *sorted = must_allocate(numbers->count, sizeof *sorted);
    memcpy(sorted, numbers->values, numbers->count * sizeof *sorted);
    qsort(sorted, numbers->count, sizeof *sorted, ascending);
    size_t rank = (size_t)ceil(share * (double)numbers->count);
    double value = sorted[rank > 0 ? rank - 1 : 0];
    free(sorted);
    return value;
}

struct numbers numbers_ratios(const struct numbers *above, const struct numbers *below) {
    struct numbers ratios = {.values = NULL};
    for (size_t i = 0; i < above->count; i++)
        numbers_append(&ratios, above->values[i] / below->values[i]);
    return ratios;
}
