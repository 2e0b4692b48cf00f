// SPDX-License-Identifier: Apache-2.0
#include "ratio.h"

#include <stdio.h>

#include "../common/system.h"
#include "field.h"
#include "progress.h"
#include "run.h"

// ---- Report ------------------------------------------------------------------------------------

static void print_lane(const struct field *field, uint32_t limit, uint32_t lane) {
    const struct contender *contender = field->lanes[lane].contender;
    struct field_figures figures = field_compare(field, lane, limit);
    if (lane == field->bare)
        printf("%8u %8.0f  %-22s", field->track.payload.size, field_compare(field, limit, limit).ns,
               field->lanes[limit].contender->name);
    else
        printf("%8s %8s  %-22s", "", "", "");
    printf(" %-11s %8.0f %8.2f %8.2f %8.2f %8.2f", contender->name, figures.ns, figures.median,
           figures.p10, figures.p90, figures.worst_start);
    if (contender->kind == CONTENDER_PEER)
        printf("   %.1f times the %s", field_compare(field, lane, field->bare).median,
               field->lanes[field->bare].contender->name);
    printf("\n");
}

static void report(const struct field *field, struct json *json) {
    uint32_t limit = field_limit(field);
    json_begin(json, NULL, '{');
    field_write(field, json);
    json_end(json, '}');
    progress_clear();
    for (uint32_t i = field->bare; i < field->count; i++) print_lane(field, limit, i);
    field_print_restless(field);
    fflush(stdout);
}

static void print_heading(void) {
    printf("%8s %8s  %-22s %-11s %8s %8s %8s %8s %8s\n", "bytes", "L ns", "L is", "caller", "ns",
           "median", "p10", "p90", "worst start, of L");
}

// ---- The two modes -----------------------------------------------------------------------------

static void prepare(struct field *field, const struct settings *settings, struct pair *pair,
                    uint32_t size) {
    bool in_place = settings_in_place(settings, size);
    // The first of the bare layouts cannot be used in place.
    struct field_setup setup = {.bare = bare_contenders + in_place,
                                .bare_count = BENCH_BARE_CONTENDERS - in_place,
                                .size = size,
                                .in_place = in_place};
    field_init(field, settings, pair, &setup);
}

static void measure_size(const struct settings *settings, uint32_t size, struct json *json) {
    struct pair pair;
    struct field field;
    prepare(&field, settings, &pair, size);
    field_measure(&field, settings, 1);
    report(&field, json);
    field_free(&field);
}

static void report_absent(const struct program_peer *peer, uint32_t size, struct json *json) {
    progress_clear();
    printf("%8u  %s carries %u bytes at the most here: %s\n", size, peer->contender->name,
           peer->largest, peer->largest_why);
    json_begin(json, NULL, '{');
    json_number(json, "bytes", size);
    json_text(json, "absent", peer->largest_why);
    json_end(json, '}');
}

void ratio_measure(const struct settings *settings, struct json *json) {
    print_heading();
    json_begin(json, "sizes", '[');
    for (uint32_t i = 0; i < settings->size_count; i++)
        if (settings->peer && settings->sizes[i] > settings->peer->largest)
            report_absent(settings->peer, settings->sizes[i], json);
        else
            measure_size(settings, settings->sizes[i], json);
    json_end(json, ']');
}

static void show_moment(const struct field *field, const struct pair *pair, double seconds) {
    uint32_t limit = field_limit(field), lane = field->count - 1;
    progress_show(
        "%4.1f s: %s to the %s guest and back %4.0f ns, bare limit %4.0f ns, %llu round trips",
        seconds, field->lanes[lane].contender->name, pair_guest_name(pair),
        field->lanes[lane].trip_ns, field->lanes[limit].trip_ns,
        (unsigned long long)field->lanes[lane].trips);
}

void ratio_demo(const struct settings *settings, struct json *json) {
    struct pair pair;
    struct field field;
    run_start_pair(settings, &pair, 1, settings->sizes[0]);
    prepare(&field, settings, &pair, settings->sizes[0]);
    field_find_pace(&field);
    uint64_t began = system_clock_ns(), took;
    do {
        field_make_round(&field);
        took = system_clock_ns() - began;
        show_moment(&field, &pair, (double)took / 1e9);
    } while ((double)took < settings->seconds * 1e9);
    progress_clear();
    print_heading();
    json_begin(json, "sizes", '[');
    report(&field, json);
    json_end(json, ']');
    field_free(&field);
    pair_stop(&pair);
}
