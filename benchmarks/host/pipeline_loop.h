// SPDX-License-Identifier: Apache-2.0
// What the pipelines of C and of C++ have in common in the benchmark: fill the pipeline, take what
// has come, fill it again, and compare each response with its request.
#ifndef BENCH_PIPELINE_LOOP_H
#define BENCH_PIPELINE_LOOP_H

#include "contender.h"

#define PIPELINE_BATCH 64u

struct pipeline_loop {
    const struct payload *payload;
    uint32_t depth;
    bool halves; // half of the depth is awaited before as many are sent
    uint64_t timeout_ns;
    uint64_t sent, completed;
    int result;                  // of the first request that failed; 0: none did
    struct histogram *histogram; // of single requests; NULL: not timed
    sipc_submission batch[PIPELINE_BATCH];
};

// Sends the next requests. A negative sipc_status if it failed.
typedef int pipeline_submit(void *state, uint32_t count);
// Waits until something has completed, and says so by pipeline_note().
typedef int pipeline_reap(void *state);

// A tag is the request's number, and when it was sent if that is to be known.
BENCH_ALWAYS_INLINE uint64_t pipeline_tag(const struct pipeline_loop *loop, uint64_t request) {
    uint64_t began = loop->histogram ? stopwatch_ticks() : 0;
    return began * BENCH_REQUESTS + request % BENCH_REQUESTS;
}

BENCH_ALWAYS_INLINE void pipeline_prepare(struct pipeline_loop *loop, uint32_t count) {
    const struct payload *payload = loop->payload;
    for (uint32_t i = 0; i < count; i++) {
        uint64_t request = loop->sent + i;
        loop->batch[i].request = payload->requests[request % BENCH_REQUESTS];
        loop->batch[i].request_size = payload->size;
        loop->batch[i].message_id = payload->message_id;
        loop->batch[i].tag = pipeline_tag(loop, request);
    }
}

BENCH_ALWAYS_INLINE int pipeline_check(const struct payload *payload, uint64_t tag, int status,
                                       const void *response, uint32_t size) {
    if (status != SIPC_OK) return status;
    if (size != payload->size) return BENCH_WRONG_RESPONSE;
    memcpy(payload->response, response, payload->size);
    bool right =
        memcmp(payload->response, payload->requests[tag % BENCH_REQUESTS], BENCH_MIN_SIZE) == 0;
    return right ? 0 : BENCH_WRONG_RESPONSE;
}

BENCH_ALWAYS_INLINE void pipeline_note(struct pipeline_loop *loop, uint64_t tag, int status,
                                       const void *response, uint32_t size) {
    int result = pipeline_check(loop->payload, tag, status, response, size);
    if (result != 0 && loop->result == 0) loop->result = result;
    loop->completed++;
    if (loop->histogram)
        histogram_record(loop->histogram, stopwatch_ns(stopwatch_ticks() - tag / BENCH_REQUESTS));
}

BENCH_ALWAYS_INLINE uint32_t pipeline_room(const struct pipeline_loop *loop, uint64_t trips) {
    uint64_t room = loop->depth - (loop->sent - loop->completed);
    if (room > trips - loop->sent) room = trips - loop->sent;
    return room < PIPELINE_BATCH ? (uint32_t)room : PIPELINE_BATCH;
}

// state begins with its struct pipeline_loop.
BENCH_ALWAYS_INLINE int pipeline_trips(pipeline_submit *submit, pipeline_reap *reap, void *state,
                                       uint64_t trips, struct histogram *histogram) {
    struct pipeline_loop *loop = (struct pipeline_loop *)state;
    loop->sent = loop->completed = 0;
    loop->result = 0;
    loop->histogram = histogram;
    while (loop->completed < trips && loop->result == 0) {
        int status = 0;
        for (uint32_t count; status == 0 && (count = pipeline_room(loop, trips)) > 0;
             loop->sent += count)
            status = submit(state, count);
        uint64_t most = loop->halves && loop->sent < trips ? loop->depth / 2 : loop->depth - 1;
        do
            if (status == 0) status = reap(state);
        while (status == 0 && loop->sent - loop->completed > most);
        if (status != 0) return status;
    }
    return loop->result;
}

#endif
