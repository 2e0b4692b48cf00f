// SPDX-License-Identifier: Apache-2.0
#ifndef SIMPLEIPC_EXPERIMENTS_MEDIAN_H
#define SIMPLEIPC_EXPERIMENTS_MEDIAN_H

#include <stddef.h>

// The median of values[i] / reference[i], or of the values alone if reference is NULL. 0: no
// memory.
double median_ratio(const double *values, const double *reference, unsigned count);

#endif
