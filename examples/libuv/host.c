// SPDX-License-Identifier: Apache-2.0
// A host in a loop of libuv: sends a word every few milliseconds, whether those before it are
// answered or not, and prints the answers in the end:
//
//   host NAME WORD...
#include "endpoint.h"

#include <simpleipc/simpleipc.h>
#include <stdio.h>
#include <string.h>

enum { DEPTH = 4, MOST_WORDS = 64, LONGEST = 64, EVERY_MS = 2 };

static struct {
    sipc_pipeline *pipeline;
    struct endpoint endpoint;
    uv_timer_t next;
    char **words;
    unsigned count, sent, answered, most_in_flight;
    char answers[MOST_WORDS][LONGEST + 1];
} host;

static void hear(void *context, const sipc_completion *completion) {
    char *answer = host.answers[completion->tag];
    (void)context;
    if (completion->status != SIPC_OK)
        snprintf(answer, LONGEST + 1, "%s", sipc_status_name(completion->status));
    else if (completion->response_size <= LONGEST)
        memcpy(answer, completion->response, completion->response_size);
    host.answered++;
}

static sipc_status arm(void *pipeline) {
    return sipc_pipeline_arm(pipeline);
}

static void reap(void *pipeline) {
    must(sipc_pipeline_reap(pipeline, 0, 0, NULL));
    if (host.answered == host.count) endpoint_stop(&host.endpoint);
}

// Where as many as the depth are in flight, the word waits for its next turn.
static void send_next(uv_timer_t *timer) {
    if (sipc_pipeline_in_flight(host.pipeline) == DEPTH) return;
    const char *word = host.words[host.sent];
    must(sipc_pipeline_submit(host.pipeline, SIPC_MESSAGE_NORMAL, word, (uint32_t)strlen(word),
                              SIPC_DEFAULT_TIMEOUT, host.sent));
    const unsigned in_flight = sipc_pipeline_in_flight(host.pipeline);
    if (in_flight > host.most_in_flight) host.most_in_flight = in_flight;
    if (++host.sent == host.count) uv_close((uv_handle_t *)timer, NULL);
}

int main(int count, char **words) {
    if (count < 3 || count - 2 > MOST_WORDS) {
        fprintf(stderr, "usage: host NAME WORD...\n");
        return 2;
    }
    host.words = words + 2;
    host.count = (unsigned)count - 2;
    sipc_host *region;
    intptr_t descriptor;
    uv_loop_t loop;
    must(sipc_host_create(words[1], DEPTH, 256, NULL, &region));
    must(sipc_pipeline_open(region, SIPC_ANY_SLOT, DEPTH, SIPC_DEFAULT_TIMEOUT, hear, NULL,
                            &host.pipeline));
    must(sipc_pipeline_descriptor(host.pipeline, &descriptor));
    must_uv(uv_loop_init(&loop));
    host.endpoint = (struct endpoint){.arm = arm, .take = reap, .handle = host.pipeline};
    endpoint_start(&host.endpoint, &loop, descriptor);
    must_uv(uv_timer_init(&loop, &host.next));
    must_uv(uv_timer_start(&host.next, send_next, 0, EVERY_MS));
    uv_run(&loop, UV_RUN_DEFAULT);
    must_uv(uv_loop_close(&loop));
    for (unsigned i = 0; i < host.count; i++) printf("%s\n", host.answers[i]);
    printf("%s\n", host.most_in_flight > 1 ? "several at a time" : "one at a time");
    must(sipc_pipeline_close(host.pipeline));
    sipc_host_close(region);
    return 0;
}
