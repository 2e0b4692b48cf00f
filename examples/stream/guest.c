// SPDX-License-Identifier: Apache-2.0
// Takes letters, and sends letters; of each transfer it keeps no more than a sum:
//
//   guest NAME
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <simpleipc/stream.h>

#include "transfer.h"

// One transfer, in either direction.
struct transfer {
    uint64_t done; // letters
    uint64_t sum;
    uint64_t wanted;
    char answer[80];
};

static sipc_status begin(void *context, sipc_stream *stream, const sipc_stream_info *info,
                         void **state) {
    (void)context;
    (void)stream;
    (void)info;
    struct transfer *transfer = calloc(1, sizeof *transfer);
    if (!transfer) return SIPC_OUT_OF_MEMORY;
    transfer->sum = SUM_OF_NOTHING;
    *state = transfer;
    return SIPC_OK;
}

static void end(void *state, sipc_status status, const char *text) {
    if (status) printf("a transfer has ended early: %s\n", text);
    fflush(stdout);
    free(state);
}

// ---- Letters come ------------------------------------------------------------------------------

static sipc_status take(void *state, sipc_stream *stream, const void *piece, uint32_t size) {
    struct transfer *transfer = state;
    (void)stream;
    transfer->sum = sum_on(transfer->sum, piece, size);
    transfer->done += size;
    return SIPC_OK;
}

static sipc_status thank(void *state, sipc_stream *stream, const void *request, uint64_t size) {
    struct transfer *transfer = state;
    (void)request;
    (void)size;
    int length =
        snprintf(transfer->answer, sizeof transfer->answer,
                 "%" PRIu64 " letters came, sum %016" PRIx64, transfer->done, transfer->sum);
    return sipc_stream_respond(stream, transfer->answer, (uint64_t)length, NULL, NULL);
}

// ---- Letters are sent --------------------------------------------------------------------------

static sipc_status learn(void *state, sipc_stream *stream, const void *request, uint64_t size) {
    struct transfer *transfer = state;
    if (size != sizeof transfer->wanted) {
        sipc_stream_explain(stream, "that is no number of letters");
        return SIPC_INVALID_ARGUMENT;
    }
    memcpy(&transfer->wanted, request, sizeof transfer->wanted);
    return sipc_stream_announce(stream, transfer->wanted);
}

static sipc_status give(void *state, sipc_stream *stream, void *buffer, uint32_t capacity,
                        uint32_t *size, uint32_t *last) {
    struct transfer *transfer = state;
    const uint64_t left = transfer->wanted - transfer->done;
    (void)stream;
    *size = left < capacity ? (uint32_t)left : capacity;
    letters_after(transfer->done, buffer, *size);
    transfer->done += *size;
    *last = transfer->wanted > 0 && transfer->done == transfer->wanted; // 0: it is not known yet
    return SIPC_OK;
}

// ---- The guest ---------------------------------------------------------------------------------

static sipc_status refuse(void *context, const sipc_request *request, sipc_response *response) {
    (void)context;
    (void)request;
    (void)response;
    return SIPC_UNKNOWN_MESSAGE; // of what is no stream
}

int main(int count, char **words) {
    const sipc_stream_handler handlers[] = {
        {.message_id = UPLOAD, .begin = begin, .take = take, .complete = thank, .end = end},
        {.message_id = DOWNLOAD, .begin = begin, .complete = learn, .give = give, .end = end},
    };
    const sipc_guest_options options = {.slots_per_worker = SLOTS}; // one thread for all of them
    sipc_streams *streams = NULL;
    sipc_guest *guest = NULL;
    sipc_status status = sipc_streams_create(handlers, 2, NULL, &streams);
    if (!status) status = sipc_guest_attach(count > 1 ? words[1] : "stream", &options, &guest);
    if (!status) status = sipc_guest_serve_streams(guest, streams);
    if (!status) status = sipc_guest_start(guest, refuse, NULL);
    if (!status) status = sipc_guest_wait(guest);
    if (status) fprintf(stderr, "%s\n", sipc_error_text());
    sipc_guest_detach(guest);
    sipc_streams_free(streams);
    return status ? 1 : 0;
}
