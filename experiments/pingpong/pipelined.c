// SPDX-License-Identifier: Apache-2.0
// How many requests a second can two processes exchange at the most, with N of them in flight?
// Windows of every layout in turn, in the same two processes; the second one is a fork of this one.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "median.h"
#include "pipeline.h"
#include "process.h"

enum { ROUNDS = 200, REQUESTS_OF_A_WINDOW = 8192, BYTES_OF_A_WINDOW = 1 << 20 };

enum { WAYS = 4 };
static const struct {
    const char *name;
    enum bare_pipeline_layout layout;
    bool halves; // half of the depth at a time
} ways[WAYS] = {
    {"one line", BARE_PIPELINE_ONE_LINE, false},
    {"by halves", BARE_PIPELINE_ONE_LINE, true},
    {"two lines", BARE_PIPELINE_TWO_LINES, false},
    {"rings", BARE_PIPELINE_RINGS, false},
};
static unsigned char request[BARE_MAX_SIZE] __attribute__((aligned(64)));
static unsigned char response[BARE_MAX_SIZE] __attribute__((aligned(64)));

static int serve(void *region) {
    struct bare_guest guest;
    memset(request, 1, sizeof request); // touched before the first window
    memset(response, 1, sizeof response);
    if (!bare_guest_init(&guest, region, bare_pipeline_echo, request, response, NULL, NULL)) {
        return 1;
    }
    enum bare_served served;
    do {
        served = bare_pipeline_serve_window(&guest);
    } while (served == BARE_SERVED);
    return served == BARE_QUIT ? 0 : 1;
}

static bool reap(struct bare_pipeline *pipeline, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        if (!bare_pipeline_reap(pipeline, response)) {
            return false;
        }
    }
    return true;
}

static void submit(struct bare_pipeline *pipeline, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        bare_pipeline_submit(pipeline, request);
    }
}

// At least so many requests; as many responses as a step are awaited before the next ones are sent.
// Returns how many there were; 0: the guest is gone.
static uint32_t run(struct bare_pipeline *pipeline, uint32_t depth, uint32_t step,
                    uint32_t requests) {
    uint32_t sent = depth;
    submit(pipeline, depth);
    for (; sent < requests; sent += step) {
        if (!reap(pipeline, step)) {
            return 0;
        }
        submit(pipeline, step);
    }
    return reap(pipeline, depth) ? sent : 0;
}

// ns of a request; 0: the guest is gone, or a response was wrong.
static double window(struct bare_pipeline *pipeline, unsigned way, uint32_t size, uint32_t depth,
                     unsigned round) {
    uint32_t requests = BYTES_OF_A_WINDOW / size;
    uint32_t step = ways[way].halves && depth > 1 ? depth / 2 : 1;
    requests = requests > REQUESTS_OF_A_WINDOW ? REQUESTS_OF_A_WINDOW : requests;
    memset(request, (int)(round + 1), size); // no old response passes for a new one
    if (!bare_pipeline_open(pipeline, ways[way].layout, size, depth) ||
        run(pipeline, depth, step, requests / 16) == 0) {
        return 0;
    }
    uint64_t start = bare_now_ns();
    uint32_t sent = run(pipeline, depth, step, requests);
    uint64_t took = bare_now_ns() - start;
    bare_pipeline_close(pipeline);
    bool right = sent > 0 && memcmp(request, response, size) == 0;
    return right ? (double)took / sent : 0;
}

static bool measure(struct bare_pipeline *pipeline, uint32_t size, uint32_t depth) {
    static double nanoseconds[WAYS][ROUNDS];
    for (unsigned round = 0; round < ROUNDS; round++) {
        for (unsigned i = 0; i < WAYS; i++) {
            // Another order each round: nobody always follows the same one.
            unsigned way = (i + round) % WAYS;
            double took = window(pipeline, way, size, depth, round);
            if (took == 0) {
                fprintf(stderr, "bare: the guest is gone or its response wrong\n");
                return false;
            }
            nanoseconds[way][round] = took;
        }
    }
    unsigned best = 0;
    double medians[WAYS];
    for (unsigned way = 0; way < WAYS; way++) {
        medians[way] = median_ratio(nanoseconds[way], NULL, ROUNDS);
        best = medians[way] < medians[best] ? way : best;
    }
    printf("%8u %8u %8.1f %8.1f", size, depth, medians[best], 1e3 / medians[best]);
    for (unsigned way = 0; way < WAYS; way++) {
        printf(" %10.2f", median_ratio(nanoseconds[way], nanoseconds[best], ROUNDS));
    }
    printf("\n");
    fflush(stdout);
    return true;
}

static bool measure_all(struct bare_pipeline *pipeline) {
    static const uint32_t sizes[] = {8, 48, 64, 120, 1024}, depths[] = {1, 2, 4, 8, 16, 32, 64};
    printf("%8s %8s %8s %8s", "bytes", "depth", "L ns", "M/s");
    for (unsigned way = 0; way < WAYS; way++) {
        printf(" %10s", ways[way].name);
    }
    printf("  (times L)\n");
    for (unsigned s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
        for (unsigned d = 0; d < sizeof depths / sizeof depths[0]; d++) {
            if (!measure(pipeline, sizes[s], depths[d])) {
                return false;
            }
        }
    }
    return true;
}

int main(void) {
    int host_processor = allowed_processor(0), guest_processor = allowed_processor(1);
    if (guest_processor < 0) {
        fprintf(stderr, "bare: both sides spin and need a processor each\n");
        return 1;
    }
    void *region = mmap(NULL, BARE_REGION_BYTES, PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (region == MAP_FAILED) {
        perror("bare: no shared memory");
        return 1;
    }
    struct bare_pipeline pipeline;
    bare_host_init(&pipeline.host, region, NULL, NULL);
    pid_t host = getpid(), guest = fork();
    if (guest == 0) {
        bool ready = exit_with_peer(host) && pin_to_processor(guest_processor);
        _exit(ready ? serve(region) : 1);
    }
    bool done = guest > 0 && pin_to_processor(host_processor) &&
                bare_await_guest(&pipeline.host, 5000000000u) && measure_all(&pipeline);
    if (done) {
        bare_quit(&pipeline.host);
        return waitpid(guest, NULL, 0) == guest ? 0 : 1;
    }
    if (guest > 0) {
        end_child(guest);
    }
    return 1;
}
