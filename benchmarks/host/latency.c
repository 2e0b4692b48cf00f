// SPDX-License-Identifier: Apache-2.0
#include "latency.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../common/system.h"
#include "failure.h"
#include "load.h"
#include "places.h"
#include "progress.h"
#include "run.h"
#include "stopwatch.h"
#include "window.h"

// Windows of each bare layout by which the one that is the limit is found.
#define TRIAL_ROUNDS 21

static void print_heading(void) {
    printf("ns of a round trip, each one timed (%.0f ns of them are the timer's)\n",
           stopwatch_cost_ns());
    printf("%8s %8s  %-22s %8s %8s %8s %8s %8s %10s %12s\n", "bytes", "threads", "caller", "p50",
           "p90", "p99", "p99.9", "p99.99", "max", "samples");
}

static void report(struct json *json, const struct contender *contender, uint32_t size,
                   uint32_t threads, const struct histogram *histogram) {
    static const double shares[] = {0.5, 0.9, 0.99, 0.999, 0.9999};
    char name[64];
    bool bare = contender->kind == CONTENDER_BARE;
    snprintf(name, sizeof name, "%s%s", bare ? "bare: " : "", contender->name);
    progress_clear();
    printf("%8u %8u  %-22s", size, threads, name);
    for (size_t i = 0; i < sizeof shares / sizeof shares[0]; i++)
        printf(" %8llu", (unsigned long long)histogram_percentile(histogram, shares[i]));
    printf(" %10llu %12llu\n", (unsigned long long)histogram->max,
           (unsigned long long)histogram->total);
    fflush(stdout);
    json_begin(json, NULL, '{');
    json_text(json, "name", name);
    json_text(json, "kind", contender_kind_name(contender));
    json_number(json, "bytes", size);
    json_number(json, "threads", threads);
    json_histogram(json, "ns", histogram);
    json_end(json, '}');
}

// ---- One caller: in turn with the bare limit ---------------------------------------------------

static const struct contender *find_limit(struct track *track, bool in_place) {
    const struct contender *best = NULL;
    double best_ns = 0;
    for (uint32_t i = in_place ? 1 : 0; i < BENCH_BARE_CONTENDERS; i++) {
        struct lane lane = {.contender = &bare_contenders[i]};
        struct numbers windows = {.values = NULL};
        for (int turn = 0; turn < TRIAL_ROUNDS; turn++)
            numbers_append(&windows, track_window(track, &lane, NULL));
        double ns = numbers_percentile(&windows, 0.5);
        if (!best || ns < best_ns) {
            best = lane.contender;
            best_ns = ns;
        }
        numbers_free(&windows);
    }
    return best;
}

static void measure_in_turn(const struct settings *settings, struct track *track, uint32_t size,
                            struct json *json) {
    uint32_t count = settings->caller_count + 1;
    struct lane lanes[SETTINGS_LIST + 1];
    struct histogram *histograms = must_allocate(count, sizeof *histograms);
    lanes[0] = (struct lane){.contender = find_limit(track, settings_in_place(settings, size))};
    for (uint32_t i = 1; i < count; i++)
        lanes[i] = (struct lane){.contender = settings->callers[i - 1]};
    for (uint32_t i = 0; i < count; i++) track_window(track, &lanes[i], NULL); // finds the pace
    uint64_t began = system_clock_ns(), limit = (uint64_t)(settings->seconds * 1e9 * count);
    while (system_clock_ns() - began < limit) {
        for (uint32_t i = 0; i < count; i++) track_window(track, &lanes[i], &histograms[i]);
        progress_show("latency, %u bytes: %.1f of %.1f s", size,
                      (double)(system_clock_ns() - began) / 1e9, (double)limit / 1e9);
    }
    for (uint32_t i = 0; i < count; i++) report(json, lanes[i].contender, size, 1, &histograms[i]);
    free(histograms);
}

static void measure_one_caller(const struct settings *settings, uint32_t size, struct json *json) {
    struct pair pair;
    struct track track;
    run_start_pair(settings, &pair, 1, size);
    track_init(&track, &pair, size, settings_in_place(settings, size),
               (uint64_t)(settings->window_ms * 1e6));
    measure_in_turn(settings, &track, size, json);
    track_free(&track);
    pair_stop(&pair);
}

// ---- Several callers ---------------------------------------------------------------------------

static void measure_load(const struct settings *settings, uint32_t size, uint32_t threads,
                         struct json *json) {
    struct pair pair;
    run_start_pair(settings, &pair, threads, size);
    for (uint32_t i = 0; i < settings->caller_count; i++) {
        struct histogram *histogram = must_allocate(1, sizeof *histogram);
        struct load_result result;
        struct load_setup setup = {.contender = settings->callers[i],
                                   .size = size,
                                   .in_place = settings_in_place(settings, size),
                                   .threads = threads,
                                   .seconds = settings->seconds,
                                   .histogram = histogram};
        load_run(&pair, &setup, &result);
        report(json, settings->callers[i], size, threads, histogram);
        numbers_free(&result.intervals);
        free(histogram);
    }
    pair_stop(&pair);
}

void latency_measure(const struct settings *settings, struct json *json) {
    print_heading();
    json_begin(json, "results", '[');
    for (uint32_t s = 0; s < settings->size_count; s++)
        for (uint32_t t = 0; t < settings->thread_count; t++)
            if (settings->threads[t] == 1 && places_found()->count > 1)
                measure_one_caller(settings, settings->sizes[s], json);
            else
                measure_load(settings, settings->sizes[s], settings->threads[t], json);
    json_end(json, ']');
}
