// SPDX-License-Identifier: Apache-2.0
// How often each request was begun, in a file that guests share.
#ifndef SIPC_FAULT_COUNTS_H
#define SIPC_FAULT_COUNTS_H

#include <stdatomic.h>
#include <stdint.h>

enum { COUNTED = 4, COUNTED_CALLS = 1 << 20 };

struct execution_counts {
    _Atomic uint8_t of[COUNTED][COUNTED_CALLS]; // by caller and sequence
};

#endif
