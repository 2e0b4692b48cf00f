// SPDX-License-Identifier: Apache-2.0
#include "field.h"

#include <stdio.h>
#include <stdlib.h>

#include "failure.h"
#include "progress.h"
#include "run.h"

// For so long each caller runs for each start to find out what it costs.
#define COST_NS UINT64_C(50000000)

// ---- Rounds ------------------------------------------------------------------------------------

void field_init(struct field *field, const struct settings *settings, struct pair *pair,
                const struct field_setup *setup) {
    field->bare = setup->bare_count;
    field->count = field->bare + settings->caller_count;
    field->rounds = 0;
    field->starts = 1;
    field->lanes = must_allocate(field->count, sizeof *field->lanes);
    field->windows = must_allocate(field->count, sizeof *field->windows);
    field->histograms =
        setup->timed ? must_allocate(field->count, sizeof *field->histograms) : NULL;
    field->order = must_allocate(field->count, sizeof *field->order);
    for (uint32_t i = 0; i < field->count; i++) {
        field->order[i] = i;
        field->lanes[i].contender =
            i < field->bare ? &setup->bare[i] : settings->callers[i - field->bare];
    }
    track_init(&field->track, pair, setup->size, setup->in_place,
               (uint64_t)(settings->window_ms * 1e6));
    field->costed = setup->costed;
}

void field_free(struct field *field) {
    for (uint32_t i = 0; i < field->count; i++) numbers_free(&field->windows[i]);
    track_free(&field->track);
    free(field->lanes);
    free(field->windows);
    free(field->histograms);
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

void field_find_pace(struct field *field) {
    for (uint32_t i = 0; i < field->count; i++) {
        uint64_t counted = field->lanes[i].trips;
        for (int turn = 0; turn < 3; turn++) track_window(&field->track, &field->lanes[i], NULL);
        field->lanes[i].trips = counted;
    }
}

static void time_single_trips(struct field *field, uint32_t lane) {
    // Its pace is the slower one, and not to be kept.
    struct lane timed = field->lanes[lane];
    if (timed.contender->kind == CONTENDER_LIBRARY && timed.contender->time)
        track_window(&field->track, &timed, &field->histograms[lane]);
}

static void find_costs(struct field *field) {
    for (uint32_t i = 0; field->costed && i < field->count; i++)
        if (field->lanes[i].contender->kind == CONTENDER_LIBRARY)
            track_cost(&field->track, &field->lanes[i], COST_NS);
}

void field_make_round(struct field *field) {
    shuffle(field);
    for (uint32_t i = 0; i < field->count; i++) {
        uint32_t lane = field->order[i];
        numbers_append(&field->windows[lane],
                       track_window(&field->track, &field->lanes[lane], NULL));
        if (field->histograms) time_single_trips(field, lane);
    }
    field->rounds++;
}

uint32_t field_limit(const struct field *field) {
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

struct field_figures field_compare(const struct field *field, uint32_t lane, uint32_t limit) {
    struct numbers ratios = numbers_ratios(&field->windows[lane], &field->windows[limit]);
    struct numbers starts = medians_by_start(field, &ratios);
    struct field_figures figures = {.ns = numbers_percentile(&field->windows[lane], 0.5),
                                    .median = numbers_percentile(&ratios, 0.5),
                                    .p10 = numbers_percentile(&ratios, 0.1),
                                    .p90 = numbers_percentile(&ratios, 0.9),
                                    .worst_start = numbers_percentile(&starts, 1)};
    numbers_free(&ratios);
    numbers_free(&starts);
    return figures;
}

void field_measure(struct field *field, const struct settings *settings, uint32_t slots) {
    struct pair *pair = field->track.pair;
    field->starts = settings->starts < settings->rounds ? settings->starts : settings->rounds;
    for (uint32_t start = 1; start <= field->starts; start++) {
        run_start_pair(settings, pair, slots, field->track.payload.size);
        field->track.last = CONTENDER_LIBRARY;
        field_find_pace(field);
        uint32_t share = settings->rounds / field->starts;
        share += start <= settings->rounds % field->starts;
        for (uint32_t i = 0; i < share; i++) {
            field_make_round(field);
            progress_show("%u bytes, %u slots: round %u of %u", field->track.payload.size, slots,
                          field->rounds, settings->rounds);
        }
        find_costs(field);
        pair_stop(pair);
    }
}

// ---- Report ------------------------------------------------------------------------------------

double field_host_cost(const struct field *field, uint32_t lane) {
    const struct cost *cost = &field->lanes[lane].cost;
    return (double)cost->host_ns / (double)cost->trips;
}

double field_guest_cost(const struct field *field, uint32_t lane) {
    const struct cost *cost = &field->lanes[lane].cost;
    return (double)cost->guest_ns / (double)cost->trips;
}

static void write_lane(const struct field *field, uint32_t limit, uint32_t lane,
                       struct json *json) {
    const struct numbers *windows = &field->windows[lane];
    struct field_figures figures = field_compare(field, lane, limit);
    struct numbers ratios = numbers_ratios(windows, &field->windows[limit]);
    struct numbers starts = medians_by_start(field, &ratios);
    json_begin(json, NULL, '{');
    json_text(json, "name", field->lanes[lane].contender->name);
    json_text(json, "kind", contender_kind_name(field->lanes[lane].contender));
    json_number(json, "round_trips", (double)field->lanes[lane].trips);
    json_number(json, "median_ns", figures.ns);
    json_number(json, "ratio_median", figures.median);
    json_number(json, "ratio_p10", figures.p10);
    json_number(json, "ratio_p90", figures.p90);
    json_numbers(json, "ratio_medians_by_start", &starts);
    numbers_free(&starts);
    if (field->lanes[lane].contender->kind == CONTENDER_PEER)
        json_number(json, "times_ours_median", field_compare(field, lane, field->bare).median);
    if (field->lanes[lane].cost.trips > 0) {
        json_number(json, "host_cpu_ns", field_host_cost(field, lane));
        json_number(json, "guest_cpu_ns", field_guest_cost(field, lane));
    }
    // The other bare ones only say which of them is the limit.
    if (lane == limit || lane >= field->bare) json_numbers(json, "windows_ns", windows);
    if (field->histograms && field->histograms[lane].total)
        json_histogram(json, "ns", &field->histograms[lane]);
    json_end(json, '}');
    numbers_free(&ratios);
}

void field_write(const struct field *field, struct json *json) {
    uint32_t limit = field_limit(field);
    json_number(json, "bytes", field->track.payload.size);
    json_number(json, "rounds", field->rounds);
    json_number(json, "starts", field->starts);
    json_number(json, "restless_windows", (double)field->track.restless);
    json_text(json, "limit", field->lanes[limit].contender->name);
    json_begin(json, "contenders", '[');
    for (uint32_t i = 0; i < field->count; i++) write_lane(field, limit, i, json);
    json_end(json, ']');
}

void field_print_restless(const struct field *field) {
    if (field->track.restless)
        printf("%20s the guest was not at rest before %llu bare windows\n", "",
               (unsigned long long)field->track.restless);
}
