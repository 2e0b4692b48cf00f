// SPDX-License-Identifier: Apache-2.0
#include "ratio.h"

#include <stdio.h>
#include <stdlib.h>

#include "../common/system.h"
#include "failure.h"
#include "numbers.h"
#include "progress.h"
#include "run.h"
#include "window.h"

struct field {
    struct track track;
    struct lane *lanes;
    struct numbers *windows; // of each lane, ns per round trip, one per round
    uint32_t *order;
    uint32_t count;
    uint32_t bare; // how many of them: the first ones
    uint32_t rounds;
    uint32_t starts;
};

// ---- Rounds ------------------------------------------------------------------------------------

static void field_init(struct field *field, const struct settings *settings, struct pair *pair,
                       uint32_t size) {
    bool in_place = settings_in_place(settings, size);
    const struct contender *first = in_place ? bare_contenders + 1 : bare_contenders;
    field->bare = in_place ? BENCH_BARE_CONTENDERS - 1 : BENCH_BARE_CONTENDERS;
    field->count = field->bare + settings->caller_count;
    field->rounds = 0;
    field->starts = 1;
    field->lanes = must_allocate(field->count, sizeof *field->lanes);
    field->windows = must_allocate(field->count, sizeof *field->windows);
    field->order = must_allocate(field->count, sizeof *field->order);
    for (uint32_t i = 0; i < field->count; i++) {
        field->order[i] = i;
        field->lanes[i].contender =
            i < field->bare ? &first[i] : settings->callers[i - field->bare];
    }
    track_init(&field->track, pair, size, in_place, (uint64_t)(settings->window_ms * 1e6));
}

static void field_free(struct field *field) {
    for (uint32_t i = 0; i < field->count; i++) numbers_free(&field->windows[i]);
    track_free(&field->track);
    free(field->lanes);
    free(field->windows);
    free(field->order);
}

// A new order each time: nobody always follows the same rival.
static void shuffle(struct field *field) {
    for (uint32_t left = field->count; left > 1; left--) {
        uint32_t i = left - 1;
        uint32_t j = (uint32_t)rand() % left;
        uint32_t kept = field->order[i];
        field->order[i] = field->order[j];
        field->order[j] = kept;
    }
}

// The first windows only find out how many trips fit into one; they are not kept.
static void find_pace(struct field *field) {
    for (uint32_t i = 0; i < field->count; i++) {
        uint64_t counted = field->lanes[i].trips;
        for (int turn = 0; turn < 3; turn++) track_window(&field->track, &field->lanes[i], NULL);
        field->lanes[i].trips = counted;
    }
}

static void make_round(struct field *field) {
    shuffle(field);
    for (uint32_t i = 0; i < field->count; i++) {
        uint32_t lane = field->order[i];
        numbers_append(&field->windows[lane],
                       track_window(&field->track, &field->lanes[lane], NULL));
    }
    field->rounds++;
}

// The bare layout with the best median.
static uint32_t limit_of(const struct field *field) {
    uint32_t best = 0;
    for (uint32_t i = 1; i < field->bare; i++)
        if (numbers_percentile(&field->windows[i], 0.5) <
            numbers_percentile(&field->windows[best], 0.5))
            best = i;
    return best;
}

// The rounds are divided evenly, the first starts have one more if that does not come out.
static uint32_t first_round_of(const struct field *field, uint32_t start) {
    uint32_t more = field->rounds % field->starts;
    return start * (field->rounds / field->starts) + (start < more ? start : more);
}

// Of one start each: some of what a call costs is settled when its processes start.
static struct numbers medians_by_start(const struct field *field, const struct numbers *ratios) {
    struct numbers medians = {.values = NULL};
    for (uint32_t start = 0; start < field->starts; start++) {
        uint32_t first = first_round_of(field, start), end = first_round_of(field, start + 1);
        struct numbers part = {.values = ratios->values + first, .count = end - first};
        if (part.count > 0) numbers_append(&medians, numbers_percentile(&part, 0.5));
    }
    return medians;
}

// ---- Report ------------------------------------------------------------------------------------

// Of the first of the library's callers.
static double times_ours(const struct field *field, uint32_t lane) {
    struct numbers ratios = numbers_ratios(&field->windows[lane], &field->windows[field->bare]);
    double median = numbers_percentile(&ratios, 0.5);
    numbers_free(&ratios);
    return median;
}

static void print_lane(const struct field *field, uint32_t limit, uint32_t lane, bool first) {
    struct numbers ratios = numbers_ratios(&field->windows[lane], &field->windows[limit]);
    if (first)
        printf("%8u %8.0f  %-22s", field->track.payload.size,
               numbers_percentile(&field->windows[limit], 0.5),
               field->lanes[limit].contender->name);
    else
        printf("%8s %8s  %-22s", "", "", "");
    struct numbers starts = medians_by_start(field, &ratios);
    printf(" %-11s %8.0f %8.2f %8.2f %8.2f %8.2f", field->lanes[lane].contender->name,
           numbers_percentile(&field->windows[lane], 0.5), numbers_percentile(&ratios, 0.5),
           numbers_percentile(&ratios, 0.1), numbers_percentile(&ratios, 0.9),
           numbers_percentile(&starts, 1));
    numbers_free(&starts);
    if (field->lanes[lane].contender->kind == CONTENDER_PEER)
        printf("   %.1f times the %s", times_ours(field, lane),
               field->lanes[field->bare].contender->name);
    printf("\n");
    numbers_free(&ratios);
}

static void write_lane(const struct field *field, uint32_t limit, uint32_t lane,
                       struct json *json) {
    const struct numbers *windows = &field->windows[lane];
    struct numbers ratios = numbers_ratios(windows, &field->windows[limit]);
    json_begin(json, NULL, '{');
    json_text(json, "name", field->lanes[lane].contender->name);
    json_text(json, "kind", contender_kind_name(field->lanes[lane].contender));
    json_number(json, "round_trips", (double)field->lanes[lane].trips);
    json_number(json, "median_ns", numbers_percentile(windows, 0.5));
    json_number(json, "ratio_median", numbers_percentile(&ratios, 0.5));
    json_number(json, "ratio_p10", numbers_percentile(&ratios, 0.1));
    json_number(json, "ratio_p90", numbers_percentile(&ratios, 0.9));
    struct numbers starts = medians_by_start(field, &ratios);
    json_numbers(json, "ratio_medians_by_start", &starts);
    numbers_free(&starts);
    if (field->lanes[lane].contender->kind == CONTENDER_PEER)
        json_number(json, "times_ours_median", times_ours(field, lane));
    json_numbers(json, "windows_ns", windows);
    json_end(json, '}');
    numbers_free(&ratios);
}

static void report(const struct field *field, struct json *json) {
    uint32_t limit = limit_of(field);
    json_begin(json, NULL, '{');
    json_number(json, "bytes", field->track.payload.size);
    json_number(json, "rounds", field->rounds);
    json_number(json, "starts", field->starts);
    json_number(json, "restless_windows", (double)field->track.restless);
    json_text(json, "limit", field->lanes[limit].contender->name);
    json_begin(json, "contenders", '[');
    for (uint32_t i = 0; i < field->count; i++) write_lane(field, limit, i, json);
    json_end(json, ']');
    json_end(json, '}');
    progress_clear();
    for (uint32_t i = field->bare; i < field->count; i++)
        print_lane(field, limit, i, i == field->bare);
    if (field->track.restless)
        printf("%20s the guest was not at rest before %llu bare windows\n", "",
               (unsigned long long)field->track.restless);
    fflush(stdout);
}

static void print_heading(void) {
    printf("%8s %8s  %-22s %-11s %8s %8s %8s %8s %8s\n", "bytes", "L ns", "L is", "caller", "ns",
           "median", "p10", "p90", "worst start, of L");
}

// ---- The two modes -----------------------------------------------------------------------------

static void measure_size(const struct settings *settings, uint32_t size, struct json *json) {
    struct pair pair;
    struct field field;
    field_init(&field, settings, &pair, size);
    field.starts = settings->starts < settings->rounds ? settings->starts : settings->rounds;
    for (uint32_t start = 1; start <= field.starts; start++) {
        run_start_pair(settings, &pair, 1, size);
        field.track.last = CONTENDER_LIBRARY;
        find_pace(&field);
        uint32_t share = settings->rounds / field.starts;
        share += start <= settings->rounds % field.starts;
        for (uint32_t i = 0; i < share; i++) {
            make_round(&field);
            progress_show("%u bytes: round %u of %u", size, field.rounds, settings->rounds);
        }
        pair_stop(&pair);
    }
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
    uint32_t limit = limit_of(field), lane = field->count - 1;
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
    field_init(&field, settings, &pair, settings->sizes[0]);
    find_pace(&field);
    uint64_t began = system_clock_ns(), took;
    do {
        make_round(&field);
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
