// SPDX-License-Identifier: Apache-2.0
#include "measure.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "median.h"

static const char *const layout_names[BARE_LAYOUTS] = {"one line", "own lines", "neighbours",
                                                       "far"};

static unsigned char request[BARE_MAX_SIZE] __attribute__((aligned(64)));
static unsigned char response[BARE_MAX_SIZE] __attribute__((aligned(64)));

static uint32_t trips_of(uint32_t size) {
    uint32_t trips = size <= 1024 ? 400 : 400 * 1024 / size;
    return trips < 2 ? 2 : trips;
}

static bool run(struct bare_host *host, uint32_t trips) {
    for (uint32_t i = 0; i < trips; i++) {
        if (!bare_call(host, request, response)) {
            return false;
        }
    }
    return true;
}

static bool run_sampled(struct bare_host *host, uint32_t trips, struct histogram *histogram) {
    for (uint32_t i = 0; i < trips; i++) {
        uint64_t start = bare_ticks();
        if (!bare_call(host, request, response)) {
            return false;
        }
        histogram_add(histogram, bare_ticks() - start);
    }
    return true;
}

// Two windows in one opening: one timed as a whole, one trip by trip.
static bool measure_layout(struct bare_host *host, struct measurement *measurement,
                           enum bare_layout layout, unsigned round) {
    uint32_t trips = trips_of(measurement->size);
    memset(request, (int)(round + 1), measurement->size); // no old response passes for a new one
    if (!bare_window_open(host, layout, measurement->size, measurement->in_place) ||
        !run(host, trips / 6 + 2)) {
        return false;
    }
    uint64_t start = bare_now_ns();
    if (!run(host, trips)) {
        return false;
    }
    measurement->nanoseconds[layout][round] = (double)(bare_now_ns() - start) / trips;
    if (!run_sampled(host, trips, &measurement->trips[layout])) {
        return false;
    }
    bare_window_close(host);
    return memcmp(request, response, measurement->size) == 0;
}

bool measure(struct bare_host *host, struct measurement *measurement) {
    unsigned first = measurement->in_place ? BARE_OWN_LINES : BARE_ONE_LINE;
    for (unsigned layout = 0; layout < BARE_LAYOUTS; layout++) {
        measurement->nanoseconds[layout] = calloc(measurement->rounds, sizeof(double));
        if (measurement->nanoseconds[layout] == NULL) {
            fprintf(stderr, "bare: no memory for %u rounds\n", measurement->rounds);
            return false;
        }
    }
    for (unsigned round = 0; round < measurement->rounds; round++) {
        for (unsigned i = first; i < BARE_LAYOUTS; i++) {
            // Another order each round: no layout always follows the same one.
            unsigned layout = first + (i + round * 7 / 3) % (BARE_LAYOUTS - first);
            if (!measure_layout(host, measurement, (enum bare_layout)layout, round)) {
                fprintf(stderr, "bare: %u bytes, %s: the guest is gone or its response wrong\n",
                        measurement->size, layout_names[layout]);
                return false;
            }
        }
    }
    return true;
}

static unsigned best_layout(const struct measurement *measurement) {
    unsigned best = BARE_NEIGHBOURS;
    double least = 0;
    for (unsigned layout = 0; layout < BARE_LAYOUTS; layout++) {
        double median = median_ratio(measurement->nanoseconds[layout], NULL, measurement->rounds);
        if (measurement->trips[layout].count > 0 && (least == 0 || median < least)) {
            best = layout;
            least = median;
        }
    }
    return best;
}

void print_header(void) {
    printf("%8s  %-10s %6s %9s | %9s %9s %9s %9s %9s %9s %9s\n", "bytes", "layout", "to L",
           "median ns", "p50", "p90", "p99", "p99.9", "p99.99", "max", "samples");
}

static void print_layout(const struct measurement *measurement, unsigned layout, unsigned best,
                         double ticks_per_ns) {
    static const double shares[] = {0.5, 0.9, 0.99, 0.999, 0.9999};
    const struct histogram *trips = &measurement->trips[layout];
    const double *windows = measurement->nanoseconds[layout];
    printf("%8u  %-10s %5.2f%s %9.0f |", measurement->size, layout_names[layout],
           median_ratio(windows, measurement->nanoseconds[best], measurement->rounds),
           layout == best ? "L" : " ", median_ratio(windows, NULL, measurement->rounds));
    for (unsigned i = 0; i < sizeof shares / sizeof shares[0]; i++) {
        printf(" %9.0f", (double)histogram_percentile(trips, shares[i]) / ticks_per_ns);
    }
    printf(" %9.0f %9llu\n", (double)trips->largest / ticks_per_ns,
           (unsigned long long)trips->count);
}

void print_measurement(const struct measurement *measurement, double ticks_per_ns) {
    unsigned best = best_layout(measurement);
    for (unsigned layout = 0; layout < BARE_LAYOUTS; layout++) {
        if (measurement->trips[layout].count > 0) {
            print_layout(measurement, layout, best, ticks_per_ns);
        }
    }
    fflush(stdout);
}

void free_measurement(struct measurement *measurement) {
    for (unsigned layout = 0; layout < BARE_LAYOUTS; layout++) {
        free(measurement->nanoseconds[layout]);
    }
}
