// SPDX-License-Identifier: Apache-2.0
#include "bare_pipelines.h"

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "../../experiments/pingpong/pipeline.h"
#include "../common/system.h"
#include "failure.h"
#include "pair.h"
#include "places.h"

#define ATTACH_LIMIT_NS UINT64_C(5000000000)

static struct {
    struct bare_pipeline pipeline;
    void *region;
    pid_t process;
    uint32_t depth; // of the open window
    uint32_t step;  // responses that are awaited before the next requests are sent
} responder;

// ---- The answering process ---------------------------------------------------------------------

static _Noreturn void answer(pid_t host, bool pinned) {
    static unsigned char request[BARE_MAX_SIZE], response[BARE_MAX_SIZE];
    struct bare_guest guest;
    // Touched before the first window: no page fault inside one.
    memset(request, 1, sizeof request);
    memset(response, 1, sizeof response);
    bool placed = pinned ? places_pin_guest(1) : places_unpin();
    if (!placed || prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != host ||
        !bare_guest_init(&guest, responder.region, bare_pipeline_echo, request, response, NULL,
                         NULL))
        _exit(1);
    enum bare_served served;
    do served = bare_pipeline_serve_window(&guest);
    while (served == BARE_SERVED);
    _exit(served == BARE_QUIT ? 0 : 1);
}

static bool there(void *unused) {
    (void)unused;
    return waitpid(responder.process, NULL, WNOHANG) == 0;
}

void bare_pipelines_begin(bool pinned) {
    int descriptor;
    responder.region = system_shared_memory(BARE_REGION_BYTES, &descriptor);
    if (!responder.region)
        failure_exit(1, "no shared memory for the bare pipelines: %s", strerror(errno));
    close(descriptor);
    bare_host_init(&responder.pipeline.host, responder.region, there, NULL);
    pid_t host = getpid();
    responder.process = fork();
    if (responder.process == 0) answer(host, pinned);
    if (responder.process < 0)
        failure_exit(1, "no process for the bare pipelines: %s", strerror(errno));
    if (!bare_await_guest(&responder.pipeline.host, ATTACH_LIMIT_NS))
        failure_exit(1, "the process that answers the bare pipelines did not begin within 5 s");
}

void bare_pipelines_end(void) {
    bare_quit(&responder.pipeline.host);
    waitpid(responder.process, NULL, 0);
    system_unmap(responder.region, BARE_REGION_BYTES);
}

// ---- The contenders ----------------------------------------------------------------------------

static void *open_window(const struct pair *pair, const struct payload *payload,
                         enum bare_pipeline_layout layout, bool halves) {
    responder.depth = pair->slots;
    responder.step = halves && pair->slots > 1 ? pair->slots / 2 : 1;
    if (!bare_pipeline_open(&responder.pipeline, layout, payload->size, pair->slots))
        failure_exit(1, "a bare window of %u requests of %u bytes in layout %d was refused",
                     pair->slots, payload->size, (int)layout);
    return &responder;
}

static void close_window(void *state) {
    (void)state;
    bare_pipeline_close(&responder.pipeline);
}

static uint32_t least(uint64_t one, uint64_t other) {
    return (uint32_t)(one < other ? one : other);
}

static void submit(const struct payload *payload, uint64_t first, uint32_t count) {
    for (uint64_t i = first; i < first + count; i++)
        bare_pipeline_submit(&responder.pipeline, payload->requests[i % BENCH_REQUESTS]);
}

static int reap(const struct payload *payload, uint64_t first, uint32_t count) {
    for (uint64_t i = first; i < first + count; i++) {
        if (!bare_pipeline_reap(&responder.pipeline, payload->response)) return SIPC_PEER_DIED;
        if (memcmp(payload->response, payload->requests[i % BENCH_REQUESTS], BENCH_MIN_SIZE) != 0)
            return BENCH_WRONG_RESPONSE;
    }
    return 0;
}

static int run(void *state, const struct payload *payload, uint64_t trips) {
    (void)state;
    uint64_t sent = least(responder.depth, trips), reaped = 0;
    int result = 0;
    submit(payload, 0, (uint32_t)sent);
    while (result == 0 && reaped < trips) {
        uint32_t count = least(responder.step, trips - reaped);
        result = reap(payload, reaped, count);
        reaped += count;
        count = least(count, trips - sent);
        submit(payload, sent, count);
        sent += count;
    }
    return result;
}

#define OPEN(name, layout, halves)                                                                 \
    static void *open_##name(struct pair *pair, uint32_t slot, const struct payload *payload) {    \
        (void)slot;                                                                                \
        return open_window(pair, payload, (layout), (halves));                                     \
    }
OPEN(one_line, BARE_PIPELINE_ONE_LINE, false)
OPEN(by_halves, BARE_PIPELINE_ONE_LINE, true)
OPEN(two_lines, BARE_PIPELINE_TWO_LINES, false)
OPEN(rings, BARE_PIPELINE_RINGS, false)

#define BARE(name_, open_)                                                                         \
    {                                                                                              \
        .name = (name_), .kind = CONTENDER_BARE, .open = (open_), .close = close_window,           \
        .run = run, .pipelined = true,                                                             \
    }

const struct contender bare_pipelines[BENCH_BARE_PIPELINES] = {
    BARE("one line", open_one_line),
    BARE("one line, by halves", open_by_halves),
    BARE("two lines", open_two_lines),
    BARE("rings", open_rings),
};
