// SPDX-License-Identifier: Apache-2.0
// The conversation of one stream, at the responder: what its handler hears, and what it answers.
#include <stdlib.h>
#include <string.h>

#include "internal/errors.h"
#include "internal/streams.h"

#define DEFAULT_ASSEMBLED_LIMIT (UINT64_C(16) << 20)

// ---- The end -----------------------------------------------------------------------------------

static void set_text(sipc_stream *stream, const char *text) {
    size_t size = 0;
    while (text && size < SIPC_STREAM_MAX_TEXT && text[size]) size++;
    if (size) memmove(stream->text, text, size);
    stream->text[size] = 0;
}

static void release_response(sipc_stream *stream) {
    if (stream->release) stream->release(stream->release_context);
    stream->release = NULL;
    stream->response = NULL;
}

void sipc_stream_end(sipc_stream *stream, sipc_status status, enum sipc_outcome outcome,
                     const char *text) {
    if (stream->outcome == SIPC_OUTCOME_OK) {
        stream->outcome = outcome;
        set_text(stream, text);
    }
    const bool begun = stream->begun;
    stream->begun = false;
    if (begun && stream->handler->end) stream->handler->end(stream->state, status, stream->text);
    release_response(stream);
    free(stream->assembled.bytes);
    stream->assembled.bytes = NULL;
    sipc_stream_intake_drop(&stream->request);
}

// A function of the handler has returned this.
static bool handled(sipc_stream *stream, sipc_status status) {
    if (status == SIPC_OK) return true;
    const char *text = stream->text[0] ? stream->text : "the stream's handler failed";
    if (status == SIPC_RESPONSE_TOO_LARGE)
        sipc_stream_end(stream, status, SIPC_OUTCOME_RESPONSE_TOO_LARGE, text);
    else
        sipc_stream_end(stream, status, SIPC_OUTCOME_HANDLER_FAILED, text);
    return false;
}

static void handler_broke(sipc_stream *stream, const char *text) {
    sipc_stream_end(stream, SIPC_INVALID_ARGUMENT, SIPC_OUTCOME_HANDLER_FAILED, text);
}

// ---- The request -------------------------------------------------------------------------------

static uint64_t request_limit(const sipc_stream_handler *handler) {
    if (handler->request_limit) return handler->request_limit;
    return handler->take ? SIPC_STREAM_MAX_SIZE : DEFAULT_ASSEMBLED_LIMIT;
}

static bool assemble(sipc_stream *stream, const uint8_t *piece, uint32_t size) {
    if (sipc_stream_assemble(&stream->assembled, &stream->request, piece, size)) return true;
    sipc_stream_end(stream, SIPC_OUT_OF_MEMORY, SIPC_OUTCOME_OUT_OF_MEMORY,
                    "there is no memory to assemble the request");
    return false;
}

static bool take(sipc_stream *stream, const uint8_t *piece, uint32_t size) {
    if (size > 0) {
        bool taken =
            stream->handler->take
                ? handled(stream, stream->handler->take(stream->state, stream, piece, size))
                : assemble(stream, piece, size);
        if (!taken) return false;
    }
    sipc_stream_intake_advance(&stream->request, size);
    return true;
}

static void complete_if_whole(sipc_stream *stream) {
    if (stream->complete || stream->outcome != SIPC_OUTCOME_OK) return;
    if (!stream->enough && !sipc_stream_intake_is_whole(&stream->request)) return;
    stream->complete = true;
    if (!stream->handler->complete) return;
    const void *whole = stream->assembled.bytes ? (const void *)stream->assembled.bytes : "";
    if (stream->handler->take) whole = NULL;
    handled(stream, stream->handler->complete(stream->state, stream, whole, stream->request.taken));
}

static bool begin_handler(sipc_stream *stream, const sipc_stream_info *info) {
    stream->state = stream->handler->context;
    if (stream->handler->begin &&
        !handled(stream,
                 stream->handler->begin(stream->handler->context, stream, info, &stream->state)))
        return false;
    stream->begun = true;
    return true;
}

void sipc_stream_begin(sipc_stream *stream, const sipc_stream_handler *handler,
                       const struct sipc_stream_open *opening, uint32_t slot) {
    stream->handler = handler;
    stream->response_size = SIPC_STREAM_UNKNOWN_SIZE;
    stream->response_limit = opening->response_limit < SIPC_STREAM_MAX_SIZE
                                 ? opening->response_limit
                                 : SIPC_STREAM_MAX_SIZE;
    const uint64_t limit = request_limit(handler);
    sipc_stream_intake_init(&stream->request, opening->request_size, limit, opening->window - 1);
    if (opening->request_size != SIPC_STREAM_UNKNOWN_SIZE && opening->request_size > limit) {
        sipc_stream_end(stream, SIPC_REQUEST_TOO_LARGE, SIPC_OUTCOME_TOO_LARGE,
                        "the request is larger than the handler takes");
        return;
    }
    const sipc_stream_info info = {.message_id = opening->message_id,
                                   .slot = slot,
                                   .request_size = opening->request_size,
                                   .response_limit = stream->response_limit};
    if (begin_handler(stream, &info)) complete_if_whole(stream);
}

// A piece whose turn it is, and those that wait behind it.
static void take_in_order(sipc_stream *stream, const uint8_t *piece, uint32_t size) {
    bool going_on = take(stream, piece, size);
    while (going_on && !stream->enough) {
        struct sipc_stream_piece *kept = sipc_stream_intake_next(&stream->request);
        if (!kept) break;
        going_on = take(stream, kept->bytes, kept->size);
        free(kept);
    }
    complete_if_whole(stream);
}

// More than the handler takes, of a request whose size its caller did not know.
static bool is_too_large(const struct sipc_stream_intake *request, uint64_t offset, uint32_t size) {
    return request->size == SIPC_STREAM_UNKNOWN_SIZE &&
           (offset > request->limit || size > request->limit - offset);
}

static void take_or_keep(sipc_stream *stream, const struct sipc_stream_data *head,
                         const uint8_t *piece, uint32_t size) {
    const bool last = (head->flags & SIPC_STREAM_LAST) != 0;
    if (is_too_large(&stream->request, head->offset, size)) {
        sipc_stream_end(stream, SIPC_REQUEST_TOO_LARGE, SIPC_OUTCOME_TOO_LARGE,
                        "the request is larger than the handler takes");
        return;
    }
    const char *wrong = sipc_stream_intake_check(&stream->request, head->offset, size, last);
    if (wrong) {
        sipc_stream_end(stream, SIPC_PROTOCOL_VIOLATED, SIPC_OUTCOME_BROKEN, wrong);
        return;
    }
    sipc_stream_intake_note(&stream->request, head->offset, size, last);
    if (head->offset == stream->request.taken)
        take_in_order(stream, piece, size);
    else if (!sipc_stream_intake_keep(&stream->request, head->offset, piece, size))
        sipc_stream_end(stream, SIPC_OUT_OF_MEMORY, SIPC_OUTCOME_OUT_OF_MEMORY,
                        "there is no memory for a piece before its turn");
}

void sipc_stream_data(sipc_stream *stream, const struct sipc_stream_data *head,
                      const uint8_t *piece, uint32_t size, struct sipc_stream_answer *answer) {
    if (stream->outcome == SIPC_OUTCOME_OK && !stream->enough)
        take_or_keep(stream, head, piece, size);
    answer->outcome = stream->outcome;
    answer->flags = stream->enough ? SIPC_STREAM_ENOUGH : 0;
    answer->value = stream->request.taken;
}

// ---- The response ------------------------------------------------------------------------------

static uint32_t give_from_memory(sipc_stream *stream, uint8_t *buffer, uint32_t capacity,
                                 uint32_t *last) {
    const uint64_t left = stream->response_size - stream->given;
    const uint32_t size = left < capacity ? (uint32_t)left : capacity;
    if (size) memcpy(buffer, stream->response + stream->given, size);
    *last = size == left;
    return size;
}

// The handler's next piece, checked.
static bool give_by_handler(sipc_stream *stream, uint8_t *buffer, uint32_t capacity, uint32_t *size,
                            uint32_t *last) {
    if (!stream->handler->give) {
        *last = stream->complete;
        return true;
    }
    if (!handled(stream,
                 stream->handler->give(stream->state, stream, buffer, capacity, size, last)))
        return false;
    complete_if_whole(stream);
    if (*size > capacity)
        handler_broke(stream, "the handler gave more bytes than there is room for");
    else if (*size == 0 && !*last && stream->complete)
        handler_broke(stream, "the handler gave nothing though the request is whole");
    return stream->outcome == SIPC_OUTCOME_OK;
}

static bool check_given(sipc_stream *stream, uint64_t end, bool last) {
    if (end > stream->response_limit)
        sipc_stream_end(stream, SIPC_RESPONSE_TOO_LARGE, SIPC_OUTCOME_RESPONSE_TOO_LARGE,
                        "the response is larger than the caller takes");
    else if (stream->response_size != SIPC_STREAM_UNKNOWN_SIZE &&
             (end > stream->response_size || (last && end != stream->response_size)))
        handler_broke(stream, "the handler gave another number of bytes than it announced");
    return stream->outcome == SIPC_OUTCOME_OK;
}

uint32_t sipc_stream_next(sipc_stream *stream, uint8_t *buffer, uint32_t capacity,
                          struct sipc_stream_answer *answer) {
    uint32_t size = 0, last = stream->given_all;
    if (stream->outcome == SIPC_OUTCOME_OK && !stream->given_all) {
        if (stream->responded)
            size = give_from_memory(stream, buffer, capacity, &last);
        else if (!give_by_handler(stream, buffer, capacity, &size, &last))
            size = 0;
        if (stream->outcome == SIPC_OUTCOME_OK && !check_given(stream, stream->given + size, last))
            size = 0;
    }
    answer->outcome = stream->outcome;
    if (stream->outcome != SIPC_OUTCOME_OK) return 0;
    answer->value = stream->given;
    answer->flags = last ? SIPC_STREAM_LAST : 0;
    stream->given += size;
    if (last) {
        stream->given_all = true;
        stream->response_size = stream->given;
    }
    answer->response_size = stream->response_size;
    return size;
}

// ---- What the handler says ---------------------------------------------------------------------

void sipc_stream_explain(sipc_stream *stream, const char *text) {
    set_text(stream, text);
}

void sipc_stream_enough(sipc_stream *stream) {
    stream->enough = true;
}

sipc_status sipc_stream_announce(sipc_stream *stream, uint64_t size) {
    if (stream->given > 0 || stream->responded)
        return sipc_fail(SIPC_INVALID_ARGUMENT,
                         "a part of the response was given already; announce its size before");
    if (size > stream->response_limit)
        return sipc_fail(SIPC_RESPONSE_TOO_LARGE,
                         "the response has %llu bytes, the caller takes %llu",
                         (unsigned long long)size, (unsigned long long)stream->response_limit);
    stream->response_size = size;
    return SIPC_OK;
}

sipc_status sipc_stream_respond(sipc_stream *stream, const void *response, uint64_t size,
                                void (*release)(void *), void *release_context) {
    sipc_status status = response || !size ? SIPC_OK
                                           : sipc_fail(SIPC_INVALID_ARGUMENT,
                                                       "the response is NULL but its size %llu",
                                                       (unsigned long long)size);
    if (!status) status = sipc_stream_announce(stream, size);
    if (status) {
        if (release) release(release_context);
        return status;
    }
    stream->responded = true;
    stream->response = response;
    stream->release = release;
    stream->release_context = release_context;
    return SIPC_OK;
}
