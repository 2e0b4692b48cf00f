// SPDX-License-Identifier: Apache-2.0
// What a pipeliner is told, one command a line, each answered with a line:
//
//   open NAME DEPTH       attaches, with so many guest slots, and opens a pipeline through all
//   exchange COUNT        that many stamped requests, as many as possible in flight
//   hold COUNT SLEEP_US   submits requests whose handler sleeps
//   fates                 reaps all that is in flight, and tells how it ended
//   close
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "message.h"
#include "pipeliner.h"
#include "resources.h"

enum { MOST_SIZE = 300, CALLER = 1 };

static struct { unsigned answered, not_started, maybe_executed, died, closed, wrong; } told;

static uint32_t request_size_of(uint64_t tag) {
    return STAMP_WITH_SLEEP_SIZE + (uint32_t)(tag * 37 % (MOST_SIZE - STAMP_WITH_SLEEP_SIZE));
}

static uint32_t response_size_of(uint64_t tag) {
    return (uint32_t)(tag * 53 % MOST_SIZE);
}

static bool answers(uint64_t tag, const void *response, uint32_t size) {
    uint8_t request[MOST_SIZE], expected[MOST_SIZE];
    message_fill_request(request, request_size_of(tag), CALLER, (uint32_t)tag, 0);
    message_fill_response(expected, response_size_of(tag), request, request_size_of(tag));
    return size == response_size_of(tag) && (size == 0 || memcmp(response, expected, size) == 0);
}

// Requests that are held have the tag UINT64_MAX.
void pipeliner_told(uint64_t tag, sipc_status status, const void *response, uint32_t size) {
    if (status == SIPC_OK) {
        bool right = tag == UINT64_MAX || answers(tag, response, size);
        *(right ? &told.answered : &told.wrong) += 1;
        return;
    }
    told.died += status == SIPC_PEER_DIED || status == SIPC_PEER_DIED_MAYBE_EXECUTED;
    told.closed += status == SIPC_CLOSED || status == SIPC_CLOSED_MAYBE_EXECUTED;
    bool begun = sipc_status_fate(status) == SIPC_FATE_MAYBE_EXECUTED;
    *(begun ? &told.maybe_executed : &told.not_started) += 1;
}

static sipc_status submit_stamped(uint64_t tag) {
    uint8_t request[MOST_SIZE];
    message_fill_request(request, request_size_of(tag), CALLER, (uint32_t)tag, 0);
    return pipeliner_submit(MESSAGE_STAMPED + response_size_of(tag), request, request_size_of(tag),
                            tag);
}

static sipc_status exchange(unsigned count) {
    sipc_status status = SIPC_OK;
    for (uint64_t sent = 0; !status && (sent < count || pipeliner_in_flight() > 0);) {
        while (sent < count && (status = submit_stamped(sent)) == SIPC_OK) sent++;
        if (status == SIPC_OK || status == SIPC_ALL_SLOTS_BUSY) status = pipeliner_reap();
    }
    return status;
}

static sipc_status hold(unsigned count, unsigned sleep_us) {
    uint8_t request[STAMP_WITH_SLEEP_SIZE];
    message_fill_request(request, sizeof request, CALLER, 0, sleep_us);
    sipc_status status = SIPC_OK;
    for (unsigned i = 0; i < count && !status; i++)
        status = pipeliner_submit(MESSAGE_ANNOUNCE, request, sizeof request, UINT64_MAX);
    return status;
}

static sipc_status reap_all(void) {
    sipc_status status = SIPC_OK;
    while (!status && pipeliner_in_flight() > 0) status = pipeliner_reap();
    return status;
}

static void answer(sipc_status status) {
    printf("%s answered=%u not_started=%u maybe_executed=%u died=%u closed=%u wrong=%u text=%s\n",
           told.wrong ? "wrong" : sipc_status_name(status), told.answered, told.not_started,
           told.maybe_executed, told.died, told.closed, told.wrong,
           status ? sipc_error_text() : "");
    fflush(stdout);
    memset(&told, 0, sizeof told);
}

int main(void) {
    char line[256], name[200];
    unsigned count, other;
    resources_settle();
    struct resources before = resources_now();
    puts("ready");
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        if (sscanf(line, "open %199s %u", name, &count) == 2) {
            answer(pipeliner_open(name, count));
        } else if (sscanf(line, "exchange %u", &count) == 1) {
            answer(exchange(count));
        } else if (sscanf(line, "hold %u %u", &count, &other) == 2) {
            answer(hold(count, other));
        } else if (strncmp(line, "fates", 5) == 0) {
            answer(reap_all());
        } else {
            pipeliner_close();
            resources_expect(&before);
            answer(SIPC_OK);
        }
    }
    return 0;
}
