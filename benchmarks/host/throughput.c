// SPDX-License-Identifier: Apache-2.0
#include "throughput.h"

#include <stdio.h>

#include "load.h"
#include "progress.h"
#include "run.h"

static void report(struct json *json, const char *name, uint32_t size, uint32_t threads,
                   const struct load_result *result) {
    double rate = (double)result->trips / result->seconds;
    double slowest = numbers_percentile(&result->intervals, 0);
    double fastest = numbers_percentile(&result->intervals, 1);
    progress_clear();
    printf("%8u %8u  %-11s %10.3f %10.3f %10.3f %10.2f %10.2f\n", size, threads, name, rate / 1e6,
           slowest / 1e6, fastest / 1e6, result->host_cpu_seconds / result->seconds,
           result->guest_cpu_seconds / result->seconds);
    fflush(stdout);
    json_begin(json, NULL, '{');
    json_text(json, "name", name);
    json_number(json, "bytes", size);
    json_number(json, "threads", threads);
    json_number(json, "seconds", result->seconds);
    json_number(json, "round_trips", (double)result->trips);
    json_number(json, "round_trips_per_second", rate);
    json_number(json, "host_cpu_seconds", result->host_cpu_seconds);
    json_number(json, "guest_cpu_seconds", result->guest_cpu_seconds);
    json_numbers(json, "round_trips_per_second_by_interval", &result->intervals);
    json_end(json, '}');
}

static void measure(const struct settings *settings, uint32_t size, uint32_t threads,
                    struct json *json) {
    struct pair pair;
    run_start_pair(settings, &pair, threads, size);
    for (uint32_t i = 0; i < settings->caller_count; i++) {
        struct load_result result;
        struct load_setup setup = {.contender = settings->callers[i],
                                   .size = size,
                                   .in_place = settings_in_place(settings, size),
                                   .threads = threads,
                                   .seconds = settings->seconds};
        load_run(&pair, &setup, &result);
        report(json, settings->callers[i]->name, size, threads, &result);
        numbers_free(&result.intervals);
    }
    pair_stop(&pair);
}

void throughput_measure(const struct settings *settings, struct json *json) {
    printf("%8s %8s  %-11s %10s %10s %10s %10s %10s\n", "bytes", "threads", "caller", "M/s",
           "slowest", "fastest", "host CPUs", "guest CPUs");
    json_begin(json, "results", '[');
    for (uint32_t s = 0; s < settings->size_count; s++)
        for (uint32_t t = 0; t < settings->thread_count; t++)
            measure(settings, settings->sizes[s], settings->threads[t], json);
    json_end(json, ']');
}
