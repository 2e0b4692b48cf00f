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
};

struct load_setup {
    const struct contender *contender;
    uint32_t size;
    bool in_place;
    uint32_t threads;
    double seconds;
    struct histogram *histogram; // of all threads; NULL: the round trips are not timed
};

// Runs the contender in so many threads. The caller frees result->intervals.
void load_run(struct pair *pair, const struct load_setup *setup, struct load_result *result);

#endif
