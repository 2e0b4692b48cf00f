// SPDX-License-Identifier: Apache-2.0
// A host with requests in flight, told what to do line by line like the host of the process tests:
//
//   open NAME SLOTS DATA_SIZE BACKEND 0   creates the region
//   pipeline REQUESTS                     sends them through all slots; "ok" if each had its own
//                                         response or a fate
//   looped REQUESTS                       the same, and waits for the pipeline's descriptor
//   close
#define _POSIX_C_SOURCE 200809L
#include <inttypes.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <simpleipc/event_loop.h>
#include <simpleipc/simpleipc.h>

#include "../../process/message.h"

enum { MOST_SIZE = 200, CALLER = 3, PATIENCE_S = 1 };

static sipc_host *host;
static struct flights { unsigned answered, ended, wrong; } told;

static uint32_t size_of(uint64_t tag) {
    return STAMP_WITH_SLEEP_SIZE + (tag % 2 ? 8 : (uint32_t)(tag * 7 % (MOST_SIZE - 20)));
}

// Some handlers take so long that the host sleeps.
static uint32_t sleep_us_of(uint64_t tag) {
    return tag % 10 == 9 ? 1000 : 0;
}

static void hear(void *context, const sipc_completion *completion) {
    uint8_t request[MOST_SIZE], expected[MOST_SIZE];
    uint32_t size = size_of(completion->tag);
    (void)context;
    if (completion->status != SIPC_OK) {
        sipc_status status = completion->status;
        bool dead = status == SIPC_PEER_DIED || status == SIPC_PEER_DIED_MAYBE_EXECUTED;
        *(dead ? &told.ended : &told.wrong) += 1;
        return;
    }
    message_fill_request(request, size, CALLER, (uint32_t)completion->tag,
                         sleep_us_of(completion->tag));
    message_fill_response(expected, size, request, size);
    bool right =
        completion->response_size == size && memcmp(completion->response, expected, size) == 0;
    *(right ? &told.answered : &told.wrong) += 1;
}

static sipc_status submit(sipc_pipeline *pipeline, uint64_t tag) {
    uint8_t request[MOST_SIZE];
    uint32_t size = size_of(tag);
    message_fill_request(request, size, CALLER, (uint32_t)tag, sleep_us_of(tag));
    return sipc_pipeline_submit(pipeline, MESSAGE_STAMPED + size, request, size,
                                PATIENCE_S * UINT64_C(1000000000), tag);
}

// Some of the waits are taken over from the loop.
static sipc_status reap_in_loop(sipc_pipeline *pipeline, bool waits) {
    intptr_t descriptor;
    sipc_status status = sipc_pipeline_descriptor(pipeline, &descriptor);
    if (!status) status = sipc_pipeline_arm(pipeline);
    if (status) return status;
    if (!waits) poll(&(struct pollfd){.fd = (int)descriptor, .events = POLLIN}, 1, -1);
    return sipc_pipeline_reap(pipeline, 0, waits ? SIPC_FOREVER : 0, NULL);
}

static sipc_status exchange(sipc_pipeline *pipeline, unsigned count, bool in_loop) {
    unsigned sent = 0;
    sipc_status status = SIPC_OK;
    while (!status && told.answered + told.ended + told.wrong < count) {
        while (sent < count && submit(pipeline, sent) == SIPC_OK) sent++;
        status = in_loop ? reap_in_loop(pipeline, sent % 4 == 0)
                         : sipc_pipeline_reap(pipeline, 0, SIPC_FOREVER, NULL);
        // Some of the time the guest sleeps.
        if (sent % 5 == 0) nanosleep(&(struct timespec){.tv_nsec = 300000}, NULL);
    }
    return status;
}

static void say(sipc_status status, double took_us) {
    printf("%s took_us=%.0f text=%s\n", sipc_status_name(status), took_us,
           status ? sipc_error_text() : "");
}

static double now_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static void open_host(const char *name, unsigned slots, unsigned data_size) {
    double began = now_us();
    sipc_status status = sipc_host_create(name, slots, data_size, NULL, &host);
    say(status, now_us() - began);
}

static void run_pipeline(unsigned count, bool in_loop) {
    sipc_pipeline *pipeline;
    told = (struct flights){0};
    sipc_status status = sipc_pipeline_open(host, SIPC_ANY_SLOT, sipc_host_slots(host),
                                            SIPC_FOREVER, hear, NULL, &pipeline);
    if (!status) status = exchange(pipeline, count, in_loop);
    if (!status) status = sipc_pipeline_close(pipeline);
    printf("%s answered=%u ended=%u wrong=%u %s\n", status || told.wrong ? "wrong" : "ok",
           told.answered, told.ended, told.wrong, sipc_status_name(status));
}

int main(void) {
    char line[256], name[200];
    unsigned slots, data_size, count;
    puts("ready");
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        if (sscanf(line, "open %199s %u %u", name, &slots, &data_size) == 3) {
            open_host(name, slots, data_size);
        } else if (sscanf(line, "pipeline %u", &count) == 1) {
            run_pipeline(count, false);
        } else if (sscanf(line, "looped %u", &count) == 1) {
            run_pipeline(count, true);
        } else {
            sipc_host_close(host);
            puts("SIPC_OK");
        }
        fflush(stdout);
    }
    return 0;
}
