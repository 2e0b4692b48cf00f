// SPDX-License-Identifier: Apache-2.0
// A contender is one way to make a round trip: through the library, by a bare layout, or by a peer,
// which is another means of communication. All run in the same loops, which are made here for each
// of them so that the trip itself is inlined.
#ifndef BENCH_CONTENDER_H
#define BENCH_CONTENDER_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "histogram.h"
#include "simpleipc/simpleipc.h"
#include "stopwatch.h"

#ifdef __cplusplus
extern "C" {
#endif

#define BENCH_ALWAYS_INLINE static inline __attribute__((always_inline))
#define BENCH_REQUESTS 4u
#define BENCH_MIN_SIZE 8u

// What is sent. The requests differ in each byte, so that a stale response is noticed.
struct payload {
    const uint8_t *requests[BENCH_REQUESTS];
    uint8_t *response;
    uint32_t size;
    uint32_t message_id; // says whether the guest answers in place
};

struct pair;

// Makes so many round trips. 0; a negative sipc_status; or BENCH_WRONG_RESPONSE.
typedef int run_trips(void *state, const struct payload *payload, uint64_t trips);
// The same, each one recorded in ns.
typedef int time_trips(void *state, const struct payload *payload, uint64_t trips,
                       struct histogram *histogram);

#define BENCH_WRONG_RESPONSE 1

enum contender_kind { CONTENDER_LIBRARY, CONTENDER_BARE, CONTENDER_PEER };

struct contender {
    const char *name;
    enum contender_kind kind;
    bool pipelined;   // has as many trips in flight as the pair has slots
    bool guest_calls; // the guest calls this process
    // Gets hold of what the trips need. NULL: failed, see sipc_error_text().
    void *(*open)(struct pair *pair, uint32_t slot, const struct payload *payload);
    void (*close)(void *state);
    run_trips *run;
    time_trips *time; // NULL: single trips cannot be timed (pipelines and guest's calls)
    uint64_t (*took_ns)(const void *state); // of the last run; NULL: as seen from outside
};

// Makes one round trip and leaves the response in private memory. Its size, or a negative
// sipc_status.
typedef int round_trip(void *state, const struct payload *payload, const uint8_t *request,
                       const uint8_t **response);

BENCH_ALWAYS_INLINE int bench_trip(round_trip *trip, void *state, const struct payload *payload,
                                   const uint8_t *request) {
    const uint8_t *response = NULL;
    int got = trip(state, payload, request, &response);
    if (got < 0) return got;
    bool right = response && (uint32_t)got == payload->size &&
                 memcmp(response, request, BENCH_MIN_SIZE) == 0;
    return right ? 0 : BENCH_WRONG_RESPONSE;
}

BENCH_ALWAYS_INLINE int bench_run(round_trip *trip, void *state, const struct payload *payload,
                                  uint64_t trips) {
    for (uint64_t i = 0; i < trips; i++) {
        int result = bench_trip(trip, state, payload, payload->requests[i % BENCH_REQUESTS]);
        if (result != 0) return result;
    }
    return 0;
}

BENCH_ALWAYS_INLINE int bench_time(round_trip *trip, void *state, const struct payload *payload,
                                   uint64_t trips, struct histogram *histogram) {
    for (uint64_t i = 0; i < trips; i++) {
        uint64_t began = stopwatch_ticks();
        int result = bench_trip(trip, state, payload, payload->requests[i % BENCH_REQUESTS]);
        uint64_t ended = stopwatch_ticks();
        if (result != 0) return result;
        histogram_record(histogram, stopwatch_ns(ended - began));
    }
    return 0;
}

// Defines NAME_run and NAME_time for a round trip function.
#define BENCH_LOOPS(name, trip)                                                                    \
    static int name##_run(void *state, const struct payload *payload, uint64_t trips) {            \
        return bench_run(trip, state, payload, trips);                                             \
    }                                                                                              \
    static int name##_time(void *state, const struct payload *payload, uint64_t trips,             \
                           struct histogram *histogram) {                                          \
        return bench_time(trip, state, payload, trips, histogram);                                 \
    }

// The library's: a session of the C API, any slot by the C API, DirectHost::Send.
extern const struct contender contender_session, contender_any_slot, contender_send;
// Its pipelines: in batches with the default timeout and with none, one by one, shm::Pipeline.
extern const struct contender contender_pipeline, contender_pipeline_untimed,
    contender_pipeline_singly, contender_pipeline_cpp;
// The guest's: by a session of the C API, through any slot.
extern const struct contender contender_guest_session, contender_guest_any;
// "library", "bare", "peer".
const char *contender_kind_name(const struct contender *contender);

// The bare layouts of experiments/pingpong. The first one cannot be used in place.
#define BENCH_BARE_CONTENDERS 4u
extern const struct contender bare_contenders[BENCH_BARE_CONTENDERS];

#ifdef __cplusplus
}
#endif

#endif
