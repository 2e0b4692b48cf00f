// SPDX-License-Identifier: Apache-2.0
#include "pipelined.h"

#include <stdio.h>

#include "bare_pipelines.h"
#include "field.h"
#include "progress.h"

// A share of the limit is the inverse of a ratio of times.
static void print_lane(const struct field *field, uint32_t limit, uint32_t lane, uint32_t depth) {
    struct field_figures figures = field_compare(field, lane, limit);
    if (lane == field->bare)
        printf("%8u %8u %8.1f  %-19s", field->track.payload.size, depth,
               1e3 / field_compare(field, limit, limit).ns, field->lanes[limit].contender->name);
    else
        printf("%8s %8s %8s  %-19s", "", "", "", "");
    printf(" %-14s %8.2f %8.2f %8.2f %8.2f %12.2f %8.0f %8.0f", field->lanes[lane].contender->name,
           1e3 / figures.ns, 1 / figures.median, 1 / figures.p90, 1 / figures.p10,
           1 / figures.worst_start, field_host_cost(field, lane), field_guest_cost(field, lane));
    const struct histogram *single = &field->histograms[lane];
    if (single->total)
        printf(" %8llu %8llu", (unsigned long long)histogram_percentile(single, 0.5),
               (unsigned long long)histogram_percentile(single, 0.999));
    printf("\n");
}

static void report(const struct field *field, uint32_t depth, struct json *json) {
    uint32_t limit = field_limit(field);
    json_begin(json, NULL, '{');
    json_number(json, "depth", depth);
    field_write(field, json);
    json_end(json, '}');
    progress_clear();
    for (uint32_t i = field->bare; i < field->count; i++) print_lane(field, limit, i, depth);
    field_print_restless(field);
    fflush(stdout);
}

static void measure(const struct settings *settings, uint32_t size, uint32_t depth,
                    struct json *json) {
    struct pair pair;
    struct field field;
    struct field_setup setup = {.bare = bare_pipelines,
                                .bare_count = BENCH_BARE_PIPELINES,
                                .size = size,
                                .timed = true,
                                .costed = true};
    field_init(&field, settings, &pair, &setup);
    bare_pipelines_begin(settings->pinned);
    field_measure(&field, settings, depth);
    bare_pipelines_end();
    report(&field, depth, json);
    field_free(&field);
}

void pipelined_measure(const struct settings *settings, struct json *json) {
    printf("M/s of one caller with so many requests in flight, %s; share: of the bare limit's\n",
           settings->group ? "one worker for all of them" : "a worker for each of them");
    printf("%8s %8s %8s  %-19s %-14s %8s %8s %8s %8s %12s %8s %8s %8s %8s\n", "bytes", "depth",
           "bare M/s", "bare is", "caller", "M/s", "share", "p10", "p90", "worst start", "host ns",
           "guest ns", "p50 ns", "p99.9");
    json_text(json, "workers", settings->group ? "one" : "each");
    json_begin(json, "sizes", '[');
    for (uint32_t s = 0; s < settings->size_count; s++)
        for (uint32_t d = 0; d < settings->thread_count; d++)
            measure(settings, settings->sizes[s], settings->threads[d], json);
    json_end(json, ']');
}
