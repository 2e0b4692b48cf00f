// SPDX-License-Identifier: Apache-2.0
// The C guest of the streams' benchmark: takes what comes into memory, gives what is asked for from
// memory, and serves bare windows with the same memory and by the same thread.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../experiments/pingpong/bare.h"
#include "../common/control.h"
#include "../common/system.h"
#include "simpleipc/stream.h"
#include "windows.h"

static struct message message;
static struct windows *windows;

static sipc_status take(void *state, sipc_stream *stream, const void *piece, uint32_t size) {
    (void)state;
    (void)stream;
    memcpy(message_next(&message, size), piece, size);
    return SIPC_OK;
}

// State of a stream that gives: the bytes that are left.
static sipc_status begin_giving(void *context, sipc_stream *stream, const sipc_stream_info *info,
                                void **state) {
    (void)context;
    (void)stream;
    (void)info;
    *state = calloc(1, sizeof(uint64_t));
    return *state ? SIPC_OK : SIPC_OUT_OF_MEMORY;
}

static void forget(void *state, sipc_status status, const char *text) {
    (void)status;
    (void)text;
    free(state);
}

static sipc_status learn(void *state, sipc_stream *stream, const void *request, uint64_t size) {
    if (size != sizeof(uint64_t)) return SIPC_INVALID_ARGUMENT;
    memcpy(state, request, sizeof(uint64_t));
    return sipc_stream_announce(stream, *(const uint64_t *)state);
}

static sipc_status give(void *state, sipc_stream *stream, void *buffer, uint32_t capacity,
                        uint32_t *size, uint32_t *last) {
    uint64_t *left = state;
    (void)stream;
    *size = *left < capacity ? (uint32_t)*left : capacity;
    if (*size) memcpy(buffer, message_next(&message, *size), *size);
    *left -= *size;
    *last = *left == 0 && *size > 0; // before the request is whole nothing is left either
    return SIPC_OK;
}

static sipc_status answer(void *context, const sipc_request *request, sipc_response *response) {
    struct window_asked asked;
    (void)context;
    if (request->message_id != WINDOWS_MESSAGE || request->size != sizeof asked)
        return SIPC_UNKNOWN_MESSAGE;
    memcpy(&asked, request->data, sizeof asked);
    windows_serve(windows, &asked, &message);
    response->size = 0;
    return SIPC_OK;
}

static int failed(const char *what, const char *why) {
    fprintf(stderr, "simpleipc-bench-streaming-guest: %s: %s\n", what, why);
    return 1;
}

static int serve(const char *name, const sipc_guest_options *options,
                 struct bench_control *control) {
    const sipc_stream_handler handlers[] = {
        {.message_id = STREAM_TAKE, .take = take},
        {.message_id = STREAM_GIVE,
         .begin = begin_giving,
         .complete = learn,
         .give = give,
         .end = forget},
    };
    sipc_streams *streams;
    sipc_guest *guest;
    if (sipc_streams_create(handlers, 2, NULL, &streams) ||
        sipc_guest_attach(name, options, &guest) || sipc_guest_serve_streams(guest, streams) ||
        sipc_guest_start(guest, answer, NULL))
        return failed("serving", sipc_error_text());
    snprintf(control->guest_name, sizeof control->guest_name, "C");
    // Release: the name is complete.
    atomic_store_explicit(&control->ready, 1, memory_order_release);
    if (sipc_guest_wait(guest) || sipc_guest_detach(guest))
        return failed("the end", sipc_error_text());
    sipc_streams_free(streams);
    return 0;
}

int main(int count, char **values) {
    if (count != 6) {
        fprintf(stderr,
                "usage: %s REGION DESCRIPTOR WAIT_PRESET CAPACITY SLOTS_PER_WORKER\n"
                "It is started by simpleipc-bench-streaming.\n",
                values[0]);
        return 2;
    }
    const sipc_guest_options options = {.wait = {.preset = (sipc_wait_preset)atoi(values[3])},
                                        .slots_per_worker = (uint32_t)atoi(values[5])};
    const size_t before = BENCH_BARE_OFFSET + BARE_REGION_BYTES;
    struct bench_control *control = system_map(atoi(values[2]), before + sizeof *windows);
    if (!control) return failed("the benchmark's shared block", strerror(errno));
    if (control->magic != BENCH_CONTROL_MAGIC)
        return failed("the benchmark's shared block", "host and guest are of different versions");
    windows = (struct windows *)((uint8_t *)control + before);
    message = message_make();
    if (!message.bytes) return failed("memory", strerror(ENOMEM));
    return serve(values[1], &options, control);
}
