// SPDX-License-Identifier: Apache-2.0
// A host of one region and a guest of another, whose handler calls through the own region:
//
//   nests OWN OTHER SLOTS
//
// Two of them, each a guest of the other, nest calls to any depth. It prints "open", and once told
// "attach" "ready". "call DEPTH TIMEOUT_US LESS_US" calls to that depth, each call with a timeout
// that is less by LESS_US than that of the call around it; the answer is "STATUS levels=N took_us=N
// text=...", whose text comes from the innermost call that failed. It ends at the end of its input.
#define _POSIX_C_SOURCE 200809L
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <simpleipc/simpleipc.h>

struct nested {
    uint32_t depth, timeout_us;
    int32_t less_us;
};

struct outcome {
    uint32_t levels;
    char text[120]; // of what failed
};

enum { DATA_SIZE = 2 * 256 };

static sipc_host *own;

static uint64_t now_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static sipc_status call(const struct nested *nested, struct outcome *outcome) {
    *outcome = (struct outcome){0};
    sipc_call call = {.message_id = SIPC_MESSAGE_FIRST_USER,
                      .request = nested,
                      .request_size = sizeof *nested,
                      .response = outcome,
                      .response_capacity = sizeof *outcome,
                      .timeout_ns = (uint64_t)nested->timeout_us * 1000};
    uint64_t began = now_us();
    sipc_status status = sipc_host_call(own, &call);
    if (status == SIPC_OK)
        outcome->levels++;
    else if (status != SIPC_HANDLER_FAILED)
        snprintf(outcome->text, sizeof outcome->text, "%s timeout_us=%u after_us=%" PRIu64,
                 sipc_status_name(status), nested->timeout_us, now_us() - began);
    return status;
}

static sipc_status handle(void *context, const sipc_request *request, sipc_response *response) {
    (void)context;
    struct nested nested;
    if (request->size != sizeof nested) return SIPC_INVALID_ARGUMENT;
    memcpy(&nested, request->data, sizeof nested);
    struct outcome outcome = {0};
    sipc_status status = SIPC_OK;
    if (nested.depth > 0) {
        nested.depth--;
        nested.timeout_us -= (uint32_t)nested.less_us;
        status = call(&nested, &outcome);
    }
    memcpy(response->data, &outcome, sizeof outcome);
    response->size = sizeof outcome;
    return status;
}

static void say_failed(const char *what) {
    printf("failed %s: %s\n", what, sipc_error_text());
    fflush(stdout);
}

static void answer(const char *line) {
    struct nested nested;
    struct outcome outcome;
    if (sscanf(line, "call %u %u %d", &nested.depth, &nested.timeout_us, &nested.less_us) != 3)
        exit(2);
    uint64_t began = now_us();
    sipc_status status = call(&nested, &outcome);
    printf("%s levels=%u took_us=%" PRIu64 " text=%s\n", sipc_status_name(status), outcome.levels,
           now_us() - began, outcome.text);
}

int main(int count, char **words) {
    if (count != 4) return 2;
    if (sipc_host_create(words[1], (uint32_t)atoi(words[3]), DATA_SIZE, NULL, &own)) {
        say_failed("create");
        return 1;
    }
    puts("open");
    fflush(stdout);
    char line[200];
    if (!fgets(line, sizeof line, stdin)) return 2;
    sipc_guest *guest;
    if (sipc_guest_attach(words[2], NULL, &guest) || sipc_guest_start(guest, handle, NULL)) {
        say_failed("attach");
        return 1;
    }
    puts("ready");
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        answer(line);
        fflush(stdout);
    }
    sipc_host_close(own);
    sipc_guest_detach(guest);
    return 0;
}
