// SPDX-License-Identifier: Apache-2.0
#include "stopwatch.h"

#include "../common/system.h"
#include "histogram.h"

#define CALIBRATION_NS 20000000u
#define COST_SAMPLES 10000

double stopwatch_ns_per_tick = 1;

void stopwatch_calibrate(void) {
    uint64_t began = system_clock_ns(), first = stopwatch_ticks(), now;
    do now = system_clock_ns();
    while (now - began < CALIBRATION_NS);
    stopwatch_ns_per_tick = (double)(now - began) / (double)(stopwatch_ticks() - first);
}

double stopwatch_cost_ns(void) {
    static struct histogram ticks;
    for (int i = 0; i < COST_SAMPLES; i++) {
        uint64_t first = stopwatch_ticks();
        histogram_record(&ticks, stopwatch_ticks() - first);
    }
    return (double)histogram_percentile(&ticks, 0.5) * stopwatch_ns_per_tick;
}
