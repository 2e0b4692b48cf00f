// SPDX-License-Identifier: Apache-2.0
// What main() of a host does: settings, measurement, report.
#ifndef BENCH_PROGRAM_H
#define BENCH_PROGRAM_H

#include "contender.h"

// A peer that this program can measure beside the library.
struct program_peer {
    const struct contender *contender;
    const char *version; // NULL: the system's own
    const char *waiting; // "sleeps" or "polls"
    uint32_t largest;    // bytes of a message
    const char *largest_why;
};

// peer: NULL if there is none.
int program_main(int count, char **values, const struct program_peer *peer);

#endif
