// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "handler.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "message.h"

static _Atomic uint8_t executions[COUNTED_CALLERS][COUNTED_SEQUENCES];
static _Atomic uint32_t changes;

static void sleep_us(uint32_t microseconds) {
    struct timespec left = {.tv_sec = microseconds / 1000000,
                            .tv_nsec = (long)(microseconds % 1000000) * 1000};
    nanosleep(&left, NULL);
}

void say(const char *line) {
    puts(line);
    fflush(stdout);
}

static void count_execution(const uint8_t *data) {
    uint32_t stamp[2];
    memcpy(stamp, data, sizeof stamp);
    if (stamp[0] < COUNTED_CALLERS && stamp[1] < COUNTED_SEQUENCES)
        atomic_fetch_add_explicit(&executions[stamp[0]][stamp[1]], 1, memory_order_relaxed);
}

static sipc_status answer_stamped(const sipc_request *request, sipc_response *response) {
    uint32_t size = request->message_id == MESSAGE_ANNOUNCE
                        ? response->capacity
                        : request->message_id & MESSAGE_STAMPED_SIZE_BITS;
    uint64_t hash = message_hash(request->data, request->size);
    if (request->size >= STAMP_SIZE) count_execution(request->data);
    if (request->message_id == MESSAGE_ANNOUNCE) say("handling");
    if (request->size >= STAMP_WITH_SLEEP_SIZE) {
        uint32_t microseconds;
        memcpy(&microseconds, (const uint8_t *)request->data + STAMP_SIZE, sizeof microseconds);
        if (microseconds) sleep_us(microseconds);
    }
    if (message_hash(request->data, request->size) != hash)
        atomic_fetch_add_explicit(&changes, 1, memory_order_relaxed);
    response->size = size;
    if (size <= response->capacity)
        message_fill_response(response->data, size, request->data, request->size);
    return SIPC_OK;
}

static sipc_status put(sipc_response *response, const void *from, uint32_t size) {
    response->size = size;
    if (size <= response->capacity && size) memcpy(response->data, from, size);
    return SIPC_OK;
}

static sipc_status reveal(const sipc_request *request, sipc_response *response) {
    struct revelation revelation = {
        .message_id = request->message_id,
        .slot = request->slot,
        .process_id = (uint32_t)getpid(),
        .worker = (uint32_t)syscall(SYS_gettid),
        .transport_id = request->transport_id,
    };
    return put(response, &revelation, sizeof revelation);
}

static sipc_status tell_executions(const sipc_request *request, sipc_response *response) {
    uint32_t stamp[2];
    if (request->size < sizeof stamp) return SIPC_INVALID_ARGUMENT;
    memcpy(stamp, request->data, sizeof stamp);
    if (stamp[0] >= COUNTED_CALLERS || stamp[1] >= COUNTED_SEQUENCES) return SIPC_INVALID_ARGUMENT;
    uint32_t count = atomic_load_explicit(&executions[stamp[0]][stamp[1]], memory_order_relaxed);
    return put(response, &count, sizeof count);
}

static sipc_status tell_deadline(const sipc_request *request, sipc_response *response) {
    char text[32];
    const int size = snprintf(text, sizeof text, "%" PRIu64, sipc_request_deadline(request));
    return put(response, text, (uint32_t)size);
}

static sipc_status wait_until_cancelled(const sipc_request *request, sipc_response *response) {
    say("waiting");
    while (!sipc_request_is_cancelled(request)) sleep_us(100);
    say("cancelled");
    sleep_us(50000); // an answer at once might still be taken
    return put(response, NULL, 0);
}

sipc_status handle_message(void *context, const sipc_request *request, sipc_response *response) {
    (void)context;
    if (message_is_stamped(request->message_id)) return answer_stamped(request, response);
    switch (request->message_id) {
    case SIPC_MESSAGE_NORMAL:
        return put(response, request->data, request->size);
    case MESSAGE_FAIL:
        put(response, FAILURE_TEXT, sizeof FAILURE_TEXT - 1);
        return SIPC_INVALID_ARGUMENT;
    case MESSAGE_GOEXIT:
        pthread_exit(NULL);
        return SIPC_SYSTEM; // not every system declares that this is not reached
    case MESSAGE_OVERSIZE:
        response->size = response->capacity + 1;
        return SIPC_OK;
    case MESSAGE_UNKNOWN:
        return SIPC_UNKNOWN_MESSAGE;
    case MESSAGE_DEADLINE:
        return tell_deadline(request, response);
    case MESSAGE_UNTIL_CANCELLED:
        return wait_until_cancelled(request, response);
    case MESSAGE_EXECUTIONS:
        return tell_executions(request, response);
    case MESSAGE_CHANGES: {
        uint32_t count = atomic_load_explicit(&changes, memory_order_relaxed);
        return put(response, &count, sizeof count);
    }
    default:
        return reveal(request, response);
    }
}
