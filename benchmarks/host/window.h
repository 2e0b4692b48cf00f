// SPDX-License-Identifier: Apache-2.0
// A window: a short run of round trips of one contender, between others of its rivals. Each begins
// with a warm-up, since the guest's worker slept meanwhile and the caches hold the rival's data.
// After it every round trip counts.
#ifndef BENCH_WINDOW_H
#define BENCH_WINDOW_H

#include "contender.h"
#include "pair.h"

#define WINDOW_WARM_UP_TRIPS 100u

// The processor time that trips have taken, where that is measured.
struct cost {
    uint64_t trips;
    uint64_t host_ns, guest_ns;
};

// A contender in a pair, and what it learned of its pace.
struct lane {
    const struct contender *contender;
    double trip_ns; // of its last window; 0: none yet
    uint64_t trips; // counted so far
    struct cost cost;
};

struct track {
    struct pair *pair;
    struct payload payload;
    uint64_t window_ns;       // aimed at
    enum contender_kind last; // whose thread may still run in the guest
    uint64_t restless; // bare and peers' windows that began although the guest had not come to rest
};

// Requests of random bytes.
void track_init(struct track *track, struct pair *pair, uint32_t size, bool in_place,
                uint64_t window_ns);
void track_free(struct track *track);
// Makes one window. Returns ns per round trip. With a histogram each trip is recorded in it.
double track_window(struct track *track, struct lane *lane, struct histogram *histogram);

// Makes trips for about so long to find out what they cost each side, and adds that to the lane's.
void track_cost(struct track *track, struct lane *lane, uint64_t nanoseconds);

// What a contender's failure means, and the process's end.
_Noreturn void contender_failed(const struct contender *contender, int result);

// Fills in all but the response; the requests are random.
void payload_fill(struct payload *payload, uint32_t size, bool in_place);
void payload_free(struct payload *payload);

#endif
