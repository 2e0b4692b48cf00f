// SPDX-License-Identifier: Apache-2.0
// A field of contenders whose windows run in turn, in a new order each round: bare ones, one of
// which is the limit, and callers, each of whose windows is compared with the limit's of the same
// round.
#ifndef BENCH_FIELD_H
#define BENCH_FIELD_H

#include "json.h"
#include "numbers.h"
#include "settings.h"
#include "window.h"

struct field_setup {
    const struct contender *bare;
    uint32_t bare_count;
    uint32_t size;
    bool in_place;
    bool timed;  // each round has another window of the callers that can time single trips
    bool costed; // processor time of both sides is told
};

struct field {
    struct track track;
    struct lane *lanes;
    struct numbers *windows;      // of each lane, ns per round trip, one per round
    struct histogram *histograms; // of each lane's single round trips; NULL: not timed
    uint32_t *order;
    uint32_t count;
    uint32_t bare; // how many of them: the first ones
    uint32_t rounds;
    uint32_t starts;
    bool costed;
};

void field_init(struct field *field, const struct settings *settings, struct pair *pair,
                const struct field_setup *setup);
void field_free(struct field *field);
// The first windows only find out how many trips fit into one; they are not kept.
void field_find_pace(struct field *field);
void field_make_round(struct field *field);
// All rounds of the settings, divided among starts of new pairs with so many slots.
void field_measure(struct field *field, const struct settings *settings, uint32_t slots);

// The bare one with the best median.
uint32_t field_limit(const struct field *field);
// What is told of a caller's ratios to the limit, or of its ratios to another lane.
struct field_figures {
    double ns;
    double median, p10, p90;
    double worst_start; // the median of the worst start: some of the cost is settled there
};
struct field_figures field_compare(const struct field *field, uint32_t lane, uint32_t limit);
// The processor time of one trip on each side, where that was measured.
double field_host_cost(const struct field *field, uint32_t lane);
double field_guest_cost(const struct field *field, uint32_t lane);
// The members of an object that is open.
void field_write(const struct field *field, struct json *json);
// A line that says how often the guest was not at rest, if it was not.
void field_print_restless(const struct field *field);

#endif
