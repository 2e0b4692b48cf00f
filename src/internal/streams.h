// SPDX-License-Identifier: Apache-2.0
// Streams as the responder sees them (spec 13): those that are open (streams.c), and the
// conversation of one (stream.c).
#ifndef SIPC_INTERNAL_STREAMS_H
#define SIPC_INTERNAL_STREAMS_H

#include <simpleipc/stream.h>

#include "region.h"
#include "stream_intake.h"
#include "stream_layout.h"

static inline bool sipc_is_stream_message(uint32_t message_id) {
    return message_id >= SIPC_MESSAGE_STREAM_OPEN && message_id <= SIPC_MESSAGE_STREAM_END;
}

// ---- All of them -------------------------------------------------------------------------------

// Answers a request with a stream's message id, from any number of threads at a time. The response
// has room for a piece, or there is no stream. The watch is to tell of the death of a guest that
// opens one; NULL: who serves hears of its caller's death by itself.
void sipc_streams_answer(sipc_streams *streams, const struct sipc_slot *slot,
                         struct sipc_os_watch *watch, const sipc_request *request,
                         sipc_response *response);
// A process may have died: those whose caller is gone end soon, on another thread.
void sipc_streams_look(sipc_streams *streams);
// Ends those that came through slots of this object, in which nobody handles requests any more.
void sipc_streams_leave(sipc_streams *streams, const struct sipc_os_object *object);

// ---- One ---------------------------------------------------------------------------------------

struct sipc_stream {
    const sipc_stream_handler *handler;
    void *state;    // of the handler
    sipc_word lock; // one request at a time is handled; guards what follows
    bool begun;     // the handler is to hear of the end
    bool complete;  // the request is whole, or the handler has enough
    bool enough;
    struct sipc_stream_intake request;
    struct sipc_stream_assembly assembled;
    uint64_t given; // bytes of the response
    uint64_t response_limit;
    uint64_t response_size; // or SIPC_STREAM_UNKNOWN_SIZE
    bool given_all;
    bool responded; // what sipc_stream_respond() said is the response
    const uint8_t *response;
    void (*release)(void *);
    void *release_context;
    enum sipc_outcome outcome; // not OK: it has failed
    char text[SIPC_STREAM_MAX_TEXT + 1];
    // The registry's, guarded by its lock:
    uint64_t number;
    uint64_t last_used;
    uint32_t uses;          // requests of it that are being handled
    bool retired;           // no request finds it any more
    sipc_status end_status; // with which it ends then
    const char *end_text;
    const struct sipc_os_object *object; // that its caller has claimed a byte of
    uint32_t caller_claim;
};

// The conversation. Each call has the stream's lock.
void sipc_stream_begin(sipc_stream *stream, const sipc_stream_handler *handler,
                       const struct sipc_stream_open *opening, uint32_t slot);
void sipc_stream_data(sipc_stream *stream, const struct sipc_stream_data *head,
                      const uint8_t *piece, uint32_t size, struct sipc_stream_answer *answer);
// Writes the piece into the buffer. Returns its bytes.
uint32_t sipc_stream_next(sipc_stream *stream, uint8_t *buffer, uint32_t capacity,
                          struct sipc_stream_answer *answer);
// Ends it for this reason, unless it has failed before: the handler hears of it, nothing is kept
// but the outcome.
void sipc_stream_end(sipc_stream *stream, sipc_status status, enum sipc_outcome outcome,
                     const char *text);

#endif
