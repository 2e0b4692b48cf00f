// SPDX-License-Identifier: Apache-2.0
// The contenders of the C API's pipelines: in batches, with the timeout that every call has and
// without one, and one by one.
#include <stdlib.h>

#include "pair.h"
#include "pipeline_loop.h"

struct pipeline_caller {
    struct pipeline_loop loop;
    sipc_pipeline *pipeline;
};

static void completed(void *context, const sipc_completion *completion) {
    struct pipeline_caller *caller = context;
    pipeline_note(&caller->loop, completion->tag, completion->status, completion->response,
                  completion->response_size);
}

static void *open_pipeline(const struct pair *pair, const struct payload *payload, bool halves,
                           uint64_t timeout_ns) {
    struct pipeline_caller *caller = calloc(1, sizeof *caller);
    if (!caller) return NULL;
    caller->loop.payload = payload;
    caller->loop.depth = pair->slots;
    caller->loop.halves = halves;
    caller->loop.timeout_ns = timeout_ns;
    if (sipc_pipeline_open(pair->host, 0, pair->slots, SIPC_DEFAULT_TIMEOUT, completed, caller,
                           &caller->pipeline) == SIPC_OK)
        return caller;
    free(caller);
    return NULL;
}

static void *open_batched(struct pair *pair, uint32_t slot, const struct payload *payload) {
    (void)slot;
    return open_pipeline(pair, payload, true, SIPC_DEFAULT_TIMEOUT);
}

static void *open_untimed(struct pair *pair, uint32_t slot, const struct payload *payload) {
    (void)slot;
    return open_pipeline(pair, payload, true, SIPC_FOREVER);
}

static void *open_single(struct pair *pair, uint32_t slot, const struct payload *payload) {
    (void)slot;
    return open_pipeline(pair, payload, false, SIPC_DEFAULT_TIMEOUT);
}

static void close_pipeline(void *state) {
    struct pipeline_caller *caller = state;
    sipc_pipeline_close(caller->pipeline);
    free(caller);
}

BENCH_ALWAYS_INLINE int submit_batch(void *state, uint32_t count) {
    struct pipeline_caller *caller = state;
    pipeline_prepare(&caller->loop, count);
    return sipc_pipeline_submit_many(caller->pipeline, caller->loop.batch, count,
                                     caller->loop.timeout_ns, NULL);
}

BENCH_ALWAYS_INLINE int submit_each(void *state, uint32_t count) {
    struct pipeline_caller *caller = state;
    const struct payload *payload = caller->loop.payload;
    int status = 0;
    for (uint64_t i = caller->loop.sent; status == 0 && i < caller->loop.sent + count; i++)
        status = sipc_pipeline_submit(caller->pipeline, payload->message_id,
                                      payload->requests[i % BENCH_REQUESTS], payload->size,
                                      caller->loop.timeout_ns, pipeline_tag(&caller->loop, i));
    return status;
}

BENCH_ALWAYS_INLINE int reap(void *state) {
    struct pipeline_caller *caller = state;
    return sipc_pipeline_reap(caller->pipeline, 0, SIPC_FOREVER, NULL);
}

static int time_batched(void *state, const struct payload *payload, uint64_t trips,
                        struct histogram *histogram) {
    (void)payload;
    return pipeline_trips(submit_batch, reap, state, trips, histogram);
}

static int run_batched(void *state, const struct payload *payload, uint64_t trips) {
    (void)payload;
    return pipeline_trips(submit_batch, reap, state, trips, NULL);
}

static int run_single(void *state, const struct payload *payload, uint64_t trips) {
    (void)payload;
    return pipeline_trips(submit_each, reap, state, trips, NULL);
}

const struct contender contender_pipeline = {.name = "C pipeline",
                                             .kind = CONTENDER_LIBRARY,
                                             .pipelined = true,
                                             .open = open_batched,
                                             .close = close_pipeline,
                                             .run = run_batched,
                                             .time = time_batched};
const struct contender contender_pipeline_untimed = {.name = "C, no timeout",
                                                     .kind = CONTENDER_LIBRARY,
                                                     .pipelined = true,
                                                     .open = open_untimed,
                                                     .close = close_pipeline,
                                                     .run = run_batched};
const struct contender contender_pipeline_singly = {.name = "C, one by one",
                                                    .kind = CONTENDER_LIBRARY,
                                                    .pipelined = true,
                                                    .open = open_single,
                                                    .close = close_pipeline,
                                                    .run = run_single};
