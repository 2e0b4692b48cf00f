// SPDX-License-Identifier: Apache-2.0
// Windows of every layout in turn at one size, and the table of what they gave.
#ifndef SIMPLEIPC_EXPERIMENTS_MEASURE_H
#define SIMPLEIPC_EXPERIMENTS_MEASURE_H

#include "bare.h"
#include "histogram.h"

struct measurement {
    uint32_t size;
    unsigned rounds;
    bool in_place;
    double *nanoseconds[BARE_LAYOUTS];    // a round trip of each round's window, timed as a whole
    struct histogram trips[BARE_LAYOUTS]; // single round trips, in ticks, of windows of their own
};

// Window lengths are chosen so that one stays well under a millisecond up to 64 KiB.
// False: no memory, the guest is gone, or a response was wrong; standard error says which.
bool measure(struct bare_host *host, struct measurement *measurement);

void print_header(void);
void print_measurement(const struct measurement *measurement, double ticks_per_ns);
void free_measurement(struct measurement *measurement);

#endif
