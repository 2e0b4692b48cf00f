// SPDX-License-Identifier: Apache-2.0
// A streamer over the C API.
#define _POSIX_C_SOURCE 200809L
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <simpleipc/stream.h>

#include "streamer.h"

static sipc_host *host;
static sipc_guest *guest;
static sipc_streams *streams;
static _Atomic int last_end;

// ---- Serving -----------------------------------------------------------------------------------

struct state {
    uint32_t message_id;
    bool whole;
    uint64_t taken, hash, given;
    uint64_t wanted[2]; // how many bytes, and where to fail
    uint64_t wanted_size;
    uint8_t *flipped;
    uint64_t flipped_size;
};

static sipc_status begin(void *context, sipc_stream *stream, const sipc_stream_info *info,
                         void **made) {
    (void)context;
    (void)stream;
    struct state *state = calloc(1, sizeof *state);
    if (!state) return SIPC_OUT_OF_MEMORY;
    state->message_id = info->message_id;
    state->hash = hash_begin();
    *made = state;
    return SIPC_OK;
}

static void end(void *made, sipc_status status, const char *text) {
    (void)text;
    struct state *state = made;
    atomic_store(&last_end, status);
    free(state->flipped);
    free(state);
}

static sipc_status hash(void *made, sipc_stream *stream, const void *piece, uint32_t size) {
    (void)stream;
    struct state *state = made;
    state->hash = hash_add(state->hash, piece, size);
    state->taken += size;
    return SIPC_OK;
}

static sipc_status respond_hash(void *made, sipc_stream *stream, const void *request,
                                uint64_t size) {
    (void)request;
    (void)size;
    struct state *state = made;
    return sipc_stream_respond(stream, &state->taken, 16, NULL, NULL);
}

static sipc_status learn_size(void *made, sipc_stream *stream, const void *request, uint64_t size) {
    struct state *state = made;
    state->wanted[1] = UINT64_MAX;
    if (size != 8 && size != 16) return SIPC_INVALID_ARGUMENT;
    memcpy(state->wanted, request, size);
    state->whole = true;
    return state->wanted[0] % 2 ? SIPC_OK : sipc_stream_announce(stream, state->wanted[0]);
}

static sipc_status produce(void *made, sipc_stream *stream, void *buffer, uint32_t capacity,
                           uint32_t *size, uint32_t *last) {
    struct state *state = made;
    if (!state->whole) return SIPC_OK;
    const uint64_t left = state->wanted[0] - state->given;
    *size = left < capacity ? (uint32_t)left : capacity;
    pattern_fill(buffer, state->given, *size);
    state->given += *size;
    *last = state->given == state->wanted[0];
    if (state->given < state->wanted[1]) return SIPC_OK;
    sipc_stream_explain(stream, "this far and no further");
    return SIPC_SYSTEM;
}

static sipc_status flip(void *made, sipc_stream *stream, const void *piece, uint32_t size) {
    (void)stream;
    struct state *state = made;
    uint8_t *grown = realloc(state->flipped, state->flipped_size + size);
    if (!grown) return SIPC_OUT_OF_MEMORY;
    state->flipped = grown;
    for (uint32_t i = 0; i < size; i++)
        grown[state->flipped_size++] = (uint8_t) ~((const uint8_t *)piece)[i];
    return SIPC_OK;
}

static sipc_status note_whole(void *made, sipc_stream *stream, const void *request, uint64_t size) {
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
    *size = state->flipped_size < capacity ? (uint32_t)state->flipped_size : capacity;
    if (*size) memcpy(buffer, state->flipped, *size);
    state->flipped_size -= *size;
    if (state->flipped_size) memmove(state->flipped, state->flipped + *size, state->flipped_size);
    *last = state->whole && state->flipped_size == 0;
    return SIPC_OK;
}

static sipc_status respond_request(void *made, sipc_stream *stream, const void *request,
                                   uint64_t size) {
    (void)made;
    return sipc_stream_respond(stream, request, size, NULL, NULL);
}

static sipc_status make_streams(void) {
    const sipc_stream_handler handlers[] = {
        {.message_id = STREAM_HASH,
         .begin = begin,
         .take = hash,
         .complete = respond_hash,
         .end = end},
        {.message_id = STREAM_PRODUCE,
         .begin = begin,
         .complete = learn_size,
         .give = produce,
         .end = end},
        {.message_id = STREAM_FLIP,
         .begin = begin,
         .take = flip,
         .complete = note_whole,
         .give = give_flipped,
         .end = end},
        {.message_id = STREAM_WHOLE,
         .request_limit = 1 << 20,
         .begin = begin,
         .complete = respond_request,
         .end = end},
    };
    const sipc_streams_options options = {.idle_ns = UINT64_C(60000000000)};
    return sipc_streams_create(handlers, 4, &options, &streams);
}

static sipc_status refuse(void *context, const sipc_request *request, sipc_response *response) {
    (void)context;
    (void)request;
    (void)response;
    return SIPC_UNKNOWN_MESSAGE;
}

sipc_status streamer_open_host(const char *name, uint32_t slots, uint32_t data_size) {
    const sipc_host_options options = {.guest_slots = slots};
    sipc_status status = sipc_host_create(name, slots, data_size, &options, &host);
    if (!status) status = make_streams();
    if (!status) status = sipc_host_serve_streams(host, streams);
    return status ? status : sipc_host_serve(host, NULL, refuse, NULL);
}

sipc_status streamer_open_guest(const char *name, uint32_t slots_per_worker) {
    const sipc_guest_options options = {.slots_per_worker = slots_per_worker};
    sipc_status status = sipc_guest_attach(name, &options, &guest);
    if (!status) status = make_streams();
    if (!status) status = sipc_guest_serve_streams(guest, streams);
    return status ? status : sipc_guest_start(guest, refuse, NULL);
}

uint32_t streamer_open(void) {
    return sipc_streams_open(streams);
}

sipc_status streamer_last_end(void) {
    return (sipc_status)atomic_load(&last_end);
}

void streamer_close(void) {
    sipc_host_close(host);
    sipc_guest_detach(guest);
    sipc_streams_free(streams);
}

// ---- Calling -----------------------------------------------------------------------------------

struct flow {
    struct stream_job *job;
    uint64_t sent;
};

static sipc_status source(void *context, void *buffer, uint32_t capacity, uint32_t *size,
                          uint32_t *last) {
    struct flow *flow = context;
    const uint64_t left = flow->job->size - flow->sent;
    const struct timespec pause = {.tv_nsec = flow->job->pause_us * 1000};
    if (flow->job->pause_us) nanosleep(&pause, NULL);
    *size = left < capacity ? (uint32_t)left : capacity;
    pattern_fill(buffer, flow->sent, *size);
    flow->sent += *size;
    *last = flow->sent == flow->job->size;
    return SIPC_OK;
}

static sipc_status sink(void *context, const void *piece, uint32_t size) {
    struct stream_job *job = ((struct flow *)context)->job;
    job->hash = hash_add(job->hash, piece, size);
    job->received += size;
    return SIPC_OK;
}

static sipc_status progress(void *context, uint64_t sent, uint64_t received, uint64_t size) {
    (void)size;
    const struct stream_job *job = ((struct flow *)context)->job;
    return job->abort_after && sent + received >= job->abort_after ? SIPC_SYSTEM : SIPC_OK;
}

sipc_status streamer_run(struct stream_job *job) {
    struct flow flow = {.job = job};
    sipc_stream_call call = {.message_id = job->message_id,
                             .depth = job->depth,
                             .request_size = job->known ? job->size : SIPC_STREAM_UNKNOWN_SIZE,
                             .source = source,
                             .sink = sink,
                             .progress = progress,
                             .context = &flow};
    if (job->message_id == STREAM_PRODUCE) {
        call.source = NULL;
        call.request = &job->size;
        call.request_size = sizeof job->size;
    }
    job->hash = hash_begin();
    return host ? sipc_host_stream(host, &call) : sipc_guest_stream(guest, &call);
}
