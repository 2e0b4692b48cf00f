// SPDX-License-Identifier: Apache-2.0
// Times of single round trips: by the processor's time stamp counter where there is one, since
// reading the system's clock costs a third of a short round trip.
#ifndef BENCH_STOPWATCH_H
#define BENCH_STOPWATCH_H

#include <math.h>
#include <stdint.h>

#if defined(__x86_64__)
#include <x86intrin.h>
#else
#include "../common/system.h"
#endif

#ifdef __cplusplus
extern "C" {
#endif

extern double stopwatch_ns_per_tick;

// Must be called once, before the first stopwatch_ns().
void stopwatch_calibrate(void);
// What one pair of readings adds to a sample, in ns: the median of many.
double stopwatch_cost_ns(void);

// The fences keep the work between two readings between them.
static inline uint64_t stopwatch_ticks(void) {
#if defined(__x86_64__)
    _mm_lfence();
    uint64_t ticks = __rdtsc();
    _mm_lfence();
    return ticks;
#else
    return system_clock_ns();
#endif
}

static inline uint64_t stopwatch_ns(uint64_t ticks) {
    return (uint64_t)llround((double)ticks * stopwatch_ns_per_tick);
}

#ifdef __cplusplus
}
#endif

#endif
