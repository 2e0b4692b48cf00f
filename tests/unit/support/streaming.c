// SPDX-License-Identifier: Apache-2.0
#include "streaming.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define LIMIT 100000u
#define BUFFER 4096u

uint8_t stream_byte(uint64_t offset) {
    return (uint8_t)(offset * 7 + (offset >> 8) * 13 + (offset >> 16) * 29);
}

void stream_fill(uint8_t *to, uint64_t offset, uint32_t size) {
    for (uint32_t i = 0; i < size; i++) to[i] = stream_byte(offset + i);
}

uint32_t stream_count_right(const uint8_t *from, uint64_t offset, uint32_t size) {
    uint32_t right = 0;
    while (right < size && from[right] == stream_byte(offset + right)) right++;
    return right;
}

struct state {
    struct streaming *counts;
    uint64_t taken, right, given;
    uint64_t wanted;
    uint8_t number[8];
    uint8_t *waiting; // of a transformation: taken and not given
    size_t waiting_size;
    bool whole;
};

static sipc_status begin(void *context, sipc_stream *stream, const sipc_stream_info *info,
                         void **made) {
    struct streaming *counts = context;
    if (info->message_id == STREAM_REFUSE) {
        sipc_stream_explain(stream, "not today");
        return SIPC_SYSTEM;
    }
    struct state *state = calloc(1, sizeof *state);
    state->counts = counts;
    atomic_fetch_add(&counts->begun, 1);
    *made = state;
    return SIPC_OK;
}

static void end(void *made, sipc_status status, const char *text) {
    struct state *state = made;
    struct streaming *counts = state->counts;
    // Of those that run side by side, and end well, none has a text.
    if (text[0]) strncpy(counts->text, text, sizeof counts->text - 1);
    atomic_store(&counts->last_status, status); // who sees it sees the text
    free(state->waiting);
    free(state);
    atomic_fetch_add(&counts->ended, 1);
}

static sipc_status echo_whole(void *made, sipc_stream *stream, const void *request, uint64_t size) {
    (void)made;
    return sipc_stream_respond(stream, request, size, NULL, NULL);
}

static sipc_status take_checked(void *made, sipc_stream *stream, const void *piece, uint32_t size) {
    (void)stream;
    struct state *state = made;
    state->right += stream_count_right(piece, state->taken, size);
    state->taken += size;
    return SIPC_OK;
}

static sipc_status respond_number(void *made, sipc_stream *stream, const void *request,
                                  uint64_t size) {
    (void)request;
    struct state *state = made;
    if (size != state->taken) return SIPC_SYSTEM;
    memcpy(state->number, &state->right, sizeof state->right);
    return sipc_stream_respond(stream, state->number, sizeof state->number, NULL, NULL);
}

static sipc_status learn_size(void *made, sipc_stream *stream, const void *request, uint64_t size) {
    struct state *state = made;
    if (size != sizeof state->wanted) return SIPC_SYSTEM;
    memcpy(&state->wanted, request, sizeof state->wanted);
    state->whole = true;
    return state->wanted % 2 ? SIPC_OK : sipc_stream_announce(stream, state->wanted);
}

static sipc_status produce(void *made, sipc_stream *stream, void *buffer, uint32_t capacity,
                           uint32_t *size, uint32_t *last) {
    (void)stream;
    struct state *state = made;
    if (!state->whole) return SIPC_OK;
    const uint64_t left = state->wanted - state->given;
    *size = left < capacity ? (uint32_t)left : capacity;
    stream_fill(buffer, state->given, *size);
    state->given += *size;
    *last = state->given == state->wanted;
    return SIPC_OK;
}

static sipc_status flip(void *made, sipc_stream *stream, const void *piece, uint32_t size) {
    (void)stream;
    struct state *state = made;
    state->waiting = realloc(state->waiting, state->waiting_size + size);
    for (uint32_t i = 0; i < size; i++)
        state->waiting[state->waiting_size++] = (uint8_t) ~((const uint8_t *)piece)[i];
    return SIPC_OK;
}

static sipc_status flipped_all(void *made, sipc_stream *stream, const void *request,
                               uint64_t size) {
    (void)stream;
    (void)request;
    (void)size;
    ((struct state *)made)->whole = true;
    return SIPC_OK;
}

static sipc_status give_flipped(void *made, sipc_stream *stream, void *buffer, uint32_t capacity,
                                uint32_t *size, uint32_t *last) {
    (void)stream;
    struct state *state = made;
    *size = state->waiting_size < capacity ? (uint32_t)state->waiting_size : capacity;
    if (*size) memcpy(buffer, state->waiting, *size);
    state->waiting_size -= *size;
    if (state->waiting_size) memmove(state->waiting, state->waiting + *size, state->waiting_size);
    *last = state->whole && state->waiting_size == 0;
    return SIPC_OK;
}

static sipc_status fail_late(void *made, sipc_stream *stream, const void *piece, uint32_t size) {
    (void)piece;
    struct state *state = made;
    state->taken += size;
    if (state->taken < LIMIT) return SIPC_OK;
    sipc_stream_explain(stream, "that is too much for me");
    return SIPC_SYSTEM;
}

static sipc_status fail_at_end(void *made, sipc_stream *stream, const void *request,
                               uint64_t size) {
    (void)made;
    (void)request;
    (void)size;
    sipc_stream_explain(stream, "that is too little for me");
    return SIPC_SYSTEM;
}

static sipc_status take_some(void *made, sipc_stream *stream, const void *piece, uint32_t size) {
    take_checked(made, stream, piece, size);
    if (((struct state *)made)->taken >= LIMIT) sipc_stream_enough(stream);
    return SIPC_OK;
}

static sipc_status take_held(void *made, sipc_stream *stream, const void *piece, uint32_t size) {
    (void)stream;
    (void)piece;
    (void)size;
    void (*const hold)(void) = atomic_load(&((struct state *)made)->counts->hold);
    hold();
    return SIPC_OK;
}

sipc_streams *streaming_handlers(struct streaming *counts, const sipc_streams_options *options) {
    const sipc_stream_handler handlers[] = {
        {.message_id = STREAM_ECHO, .request_limit = UINT64_C(64) << 20, .complete = echo_whole},
        {.message_id = STREAM_CHECK, .take = take_checked, .complete = respond_number},
        {.message_id = STREAM_PRODUCE, .complete = learn_size, .give = produce},
        {.message_id = STREAM_TRANSFORM,
         .take = flip,
         .complete = flipped_all,
         .give = give_flipped},
        {.message_id = STREAM_FAIL, .take = fail_late, .complete = fail_at_end},
        {.message_id = STREAM_ENOUGH, .take = take_some, .complete = respond_number},
        {.message_id = STREAM_REFUSE},
        {.message_id = STREAM_HOLD, .take = take_held},
    };
    enum { COUNT = sizeof handlers / sizeof handlers[0] };
    sipc_stream_handler all[COUNT];
    for (int i = 0; i < COUNT; i++) {
        all[i] = handlers[i];
        all[i].context = counts;
        all[i].begin = begin;
        all[i].end = end;
    }
    sipc_streams *made; // NULL if there is no memory
    sipc_streams_create(all, COUNT, options, &made);
    return made;
}
