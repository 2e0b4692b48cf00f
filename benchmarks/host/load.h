// SPDX-License-Identifier: Apache-2.0
// A number of threads that call at the same time, each through a slot of its own, for a time.
#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#include "histogram.h"
#include "numbers.h"
#include "pair.h"

struct load_result {
    uint64_t trips;
    double seconds;
    double host_cpu_seconds;
    double guest_cpu_seconds;
    struct numbers intervals; // round trips per second in each tenth of a second
    struct histogram *histogram;
};

// Runs the contender in so many threads. With a histogram, one for all of them, each round trip is
// timed and recorded in it. The caller frees result->intervals.
void load_run(struct pair *pair, const struct contender *contender, uint32_t size, uint32_t threads,
              double seconds, struct histogram *histogram, struct load_result *result);

#endif
