// SPDX-License-Identifier: Apache-2.0
/**
 * @file stream.h
 * @brief Streams: requests and responses that are larger than a slot, up to 2^40 bytes each.
 *
 * A stream is one call whose request and response move in pieces through ordinary slots, several
 * pieces at a time. Memory is bounded by the slots: who produces faster than the other side takes
 * waits. The wire protocol is docs/spec/protocol.md, section 13; docs/streams.md shows how to use
 * them. Hosts call guests and guests call hosts alike.
 *
 * The conventions of simpleipc.h hold here.
 */
#ifndef SIMPLEIPC_STREAM_H
#define SIMPLEIPC_STREAM_H

#include "simpleipc.h"

#ifdef __cplusplus
extern "C" {
#endif

/** As a size: not known yet. */
#define SIPC_STREAM_UNKNOWN_SIZE UINT64_MAX
/** Bytes of a request or of a response at most. */
#define SIPC_STREAM_MAX_SIZE (UINT64_C(1) << 40)

/**
 * @name Calling: one stream, from the side that sends the request
 * @{
 */

/**
 * Produces the next piece of a request, in the slot itself.
 * @param context as in sipc_stream_call. @param buffer where to write. @param capacity bytes there,
 * at least 1.
 * @param size receives the bytes written. 0 without last is an error.
 * @param last set to 1 with the last piece, which may be empty; 0 before the call.
 * @return SIPC_OK; any other aborts the stream.
 */
typedef sipc_status (*sipc_stream_source)(void *context, void *buffer, uint32_t capacity,
                                          uint32_t *size, uint32_t *last);

/**
 * Takes the next piece of a response, in its order.
 * @param context as in sipc_stream_call. @param piece the bytes, in shared memory mostly; valid
 * until it returns. A hostile peer may change them meanwhile. @param size bytes there, at least 1.
 * @return SIPC_OK; any other aborts the stream.
 */
typedef sipc_status (*sipc_stream_sink)(void *context, const void *piece, uint32_t size);

/**
 * Hears how far a stream is, whenever that has changed.
 * @param context as in sipc_stream_call. @param sent bytes of the request that the other side has
 * answered. @param received bytes of the response that came in order.
 * @param response_size bytes of the whole response; SIPC_STREAM_UNKNOWN_SIZE until that is known.
 * @return SIPC_OK; any other aborts the stream.
 */
typedef sipc_status (*sipc_stream_progress)(void *context, uint64_t sent, uint64_t received,
                                            uint64_t response_size);

/** One stream to call. Zero it, then set what is needed. */
typedef struct sipc_stream_call {
    uint32_t message_id;   /**< SIPC_MESSAGE_NORMAL or a user's. */
    uint32_t depth;        /**< Slots to use at most, 1 to 64, each for a piece in flight; 0: 4.
                                Fewer if the region has fewer, or fewer are free. */
    const void *request;   /**< The whole request, if source is NULL. May be NULL if it is empty.
                                Not kept. */
    uint64_t request_size; /**< Bytes at request; with a source what it will produce, or
                                SIPC_STREAM_UNKNOWN_SIZE. */
    sipc_stream_source source; /**< Not NULL: produces the request. */
    sipc_stream_sink sink;     /**< Not NULL: takes the response in pieces. */
    uint64_t response_limit;   /**< Bytes of the response at most; a larger one fails with
                                    SIPC_RESPONSE_TOO_LARGE. 0: with a sink SIPC_STREAM_MAX_SIZE, else
                                    16 MiB. */
    void *response; /**< Without a sink: where the response goes, response_limit bytes; NULL:
                         into memory that the library allocates as bytes come. */
    uint64_t response_size;        /**< Out: bytes of the response that came in order. */
    sipc_stream_progress progress; /**< May be NULL. */
    void *context;                 /**< Handed to source, sink and progress. */
    uint64_t timeout_ns; /**< How long each piece may take from one side to the other and to be
                              handled there; SIPC_DEFAULT_TIMEOUT or SIPC_FOREVER. Not the whole
                              stream's. */
    uint32_t allocated;  /**< Out: 1: response is the library's memory, to be freed with
                              sipc_stream_free(). */
    uint32_t aborted;    /**< The library's own, for sipc_stream_abort(). */
    uint32_t rousing;    /**< The library's own: threads that are inside sipc_stream_abort(). */
    void *waiting;       /**< The library's own: what such a thread rouses. */
} sipc_stream_call;

/**
 * Calls a guest with a stream, and returns when it has ended.
 * @param host a host. @param call the stream; source, sink and progress are called by this thread.
 * After a failure the response's bytes that came are there, as response_size says.
 * @return SIPC_OK: the whole response came. Else the fate is sipc_status_fate() of the status:
 * SIPC_STREAM_ABORTED (by source, sink, progress or sipc_stream_abort()), SIPC_STREAM_LOST (the
 * other side does not know the stream any more), SIPC_UNKNOWN_MESSAGE (it takes no streams with
 * this message id), SIPC_HANDLER_FAILED (sipc_error_text() then has the handler's text), SIPC_BUSY
 * (it has as many streams as it allows), SIPC_REQUEST_TOO_LARGE (for the handler; or the slots are
 * too small for streams), SIPC_RESPONSE_TOO_LARGE, SIPC_PROTOCOL_VIOLATED, SIPC_OUT_OF_MEMORY, and
 * those of sipc_host_call().
 * Threads: any number at a time, each with a call of its own. Not from source, sink or progress
 * unless slots are left. Spec 13.
 */
SIPC_API sipc_status sipc_host_stream(sipc_host *host, sipc_stream_call *call);

/**
 * Calls the host with a stream, through the guest slots that the guest has claimed.
 * @param guest a guest without the option reconnect. @param call as to sipc_host_stream().
 * @return as sipc_host_stream(); SIPC_NO_SLOT as sipc_guest_call().
 * Threads: as sipc_host_stream().
 */
SIPC_API sipc_status sipc_guest_stream(sipc_guest *guest, sipc_stream_call *call);

/**
 * Aborts a stream: its call waits for no piece any more and ends with SIPC_STREAM_ABORTED, once the
 * other side was told or after a second. The handler there hears of it when its present function
 * has returned; if that takes longer than a second and all slots of the stream are taken meanwhile,
 * when the stream was idle for too long. Does nothing once the whole response came.
 * @param call a stream. It stays aborted: zero the struct before it is used again.
 * Threads: any, while the struct is there; also before the call.
 */
SIPC_API void sipc_stream_abort(sipc_stream_call *call);

/** Frees a response that the library allocated, if there is one. @param call a stream that has
 * ended; NULL does nothing. */
SIPC_API void sipc_stream_free(sipc_stream_call *call);
/** @} */

/**
 * @name Serving: handlers of streams
 *
 * The functions of a handler are called for one stream by one thread at a time, in the order in
 * which the bytes were sent, mostly by the workers that serve its slots. Other streams are handled
 * beside it.
 * @{
 */

/** A stream, as its handler sees it; valid until the handler's end has returned. */
typedef struct sipc_stream sipc_stream;

/** What a caller says of its stream before it begins. */
typedef struct sipc_stream_info {
    uint32_t message_id;     /**< SIPC_MESSAGE_NORMAL or a user's. */
    uint32_t slot;           /**< The slot that it was opened through. */
    uint64_t request_size;   /**< Bytes of the request; SIPC_STREAM_UNKNOWN_SIZE: not known yet. */
    uint64_t response_limit; /**< Bytes of the response that the caller takes at most. */
} sipc_stream_info;

/**
 * Handles the streams of one message id. Each function but end may fail: any status but SIPC_OK is
 * SIPC_HANDLER_FAILED at the caller, with the text of sipc_stream_explain(); then only end follows.
 *
 * Without take the request is assembled in memory, as its bytes come, and handed to complete as a
 * whole.
 */
typedef struct sipc_stream_handler {
    uint32_t message_id; /**< SIPC_MESSAGE_NORMAL or a user's. */
    uint64_t
        request_limit; /**< Bytes of a request at most; 0: with take SIPC_STREAM_MAX_SIZE, else
                            16 MiB. A larger one is refused before begin if its size is known. */
    void *context;     /**< Handed to begin, and to the others as state unless begin sets one. */

    /** Begins a stream. May be NULL. @param context as above. @param stream the stream.
     * @param info what its caller says. @param state receives what the others get. */
    sipc_status (*begin)(void *context, sipc_stream *stream, const sipc_stream_info *info,
                         void **state);
    /** Takes the next piece of the request. NULL: it is assembled. @param state of the stream.
     * @param stream the stream. @param piece the bytes, in shared memory mostly, valid until it
     * returns; a hostile peer may change them meanwhile. @param size bytes there, at least 1. */
    sipc_status (*take)(void *state, sipc_stream *stream, const void *piece, uint32_t size);
    /** The request is whole, or sipc_stream_enough() was called. May be NULL. @param state of the
     * stream. @param stream the stream. @param request without take: the whole request, valid
     * until the stream's end; else NULL. @param size bytes of the request. */
    sipc_status (*complete)(void *state, sipc_stream *stream, const void *request, uint64_t size);
    /** Gives the next piece of the response, in the slot itself. NULL: the response is what
     * sipc_stream_respond() said, or empty. @param state of the stream. @param stream the stream.
     * @param buffer where to write. @param capacity bytes there, at least 1. @param size receives
     * the bytes written; 0 without last means: nothing yet, and is an error once the request is
     * whole. @param last set to 1 with the last piece, which may be empty; 0 before the call. */
    sipc_status (*give)(void *state, sipc_stream *stream, void *buffer, uint32_t capacity,
                        uint32_t *size, uint32_t *last);
    /** The stream has ended; the last that is heard of it, once for each begin that returned
     * SIPC_OK. May be NULL. @param state of the stream. @param status SIPC_OK: the caller has the
     * whole response. SIPC_STREAM_ABORTED: it aborted the stream. SIPC_TIMEOUT_MAYBE_EXECUTED:
     * nothing was heard of it for the idle time. SIPC_PROTOCOL_VIOLATED: it broke the rules.
     * SIPC_PEER_DIED_MAYBE_EXECUTED: it is gone. SIPC_CLOSED_MAYBE_EXECUTED: this side was closed.
     * Else what a function of the handler returned. @param text why, as the caller said it; empty
     * if there is nothing to say. */
    void (*end)(void *state, sipc_status status, const char *text);
} sipc_stream_handler;

/** Options of streams that are served. Zero all of it, then set what differs. */
typedef struct sipc_streams_options {
    uint32_t struct_size; /**< 0, or sizeof(sipc_streams_options) as the caller knows it. */
    uint32_t most;        /**< Streams at a time; more are SIPC_BUSY at their callers; 0: 64. */
    uint64_t idle_ns;     /**< A stream of which nothing was heard for so long is ended; 0: 10 s. */
} sipc_streams_options;

/** Handlers of streams, and the streams that are open. */
typedef struct sipc_streams sipc_streams;

/**
 * Makes handlers of streams ready to be served.
 * @param handlers each message id once; copied. @param count how many, at least 1.
 * @param options NULL for the defaults.
 * @param streams receives the handle; the caller owns it and frees it with sipc_streams_free().
 * NULL on failure.
 * @return SIPC_OK; SIPC_INVALID_ARGUMENT, SIPC_BAD_MESSAGE_ID, SIPC_OUT_OF_MEMORY.
 */
SIPC_API sipc_status sipc_streams_create(const sipc_stream_handler *handlers, uint32_t count,
                                         const sipc_streams_options *options,
                                         sipc_streams **streams);

/**
 * Serves streams beside a guest's ordinary handler, by the same workers or polls.
 * @param guest a guest that was not started. @param streams to be freed after the guest was
 * detached; several guests and hosts may serve the same.
 * @return SIPC_OK; SIPC_INVALID_ARGUMENT, SIPC_BUSY if the guest was started.
 * Threads: not beside sipc_guest_start() or sipc_guest_poll().
 */
SIPC_API sipc_status sipc_guest_serve_streams(sipc_guest *guest, sipc_streams *streams);

/**
 * Serves streams of guests beside a host's ordinary handler.
 * @param host a host with guest slots that does not serve yet. @param streams to be freed after the
 * host was closed.
 * @return SIPC_OK; SIPC_INVALID_ARGUMENT, SIPC_BUSY if the host serves already.
 * Threads: not beside sipc_host_serve() or sipc_host_poll().
 */
SIPC_API sipc_status sipc_host_serve_streams(sipc_host *host, sipc_streams *streams);

/** @param streams streams. @return how many are open. Threads: any. */
SIPC_API uint32_t sipc_streams_open(const sipc_streams *streams);

/**
 * Ends the streams that are left, with SIPC_CLOSED_MAYBE_EXECUTED, and frees the handle.
 * @param streams streams that nobody serves any more; NULL does nothing. Not from their handlers.
 */
SIPC_API void sipc_streams_free(sipc_streams *streams);

/**
 * Says why a function of the handler fails.
 * @param stream the stream. @param text in UTF-8, of which the caller gets the first 256 bytes.
 * Threads: from the handler's functions.
 */
SIPC_API void sipc_stream_explain(sipc_stream *stream, const char *text);

/**
 * Says that the handler takes no more of the request: what else comes of it is dropped, and
 * complete follows. @param stream the stream. Threads: from begin, take or give.
 */
SIPC_API void sipc_stream_enough(sipc_stream *stream);

/**
 * Says how large the response will be, so that the caller knows it from the first piece on. To give
 * another number of bytes is an error then.
 * @param stream the stream. @param size bytes of the whole response.
 * @return SIPC_OK; SIPC_RESPONSE_TOO_LARGE if the caller takes less; SIPC_INVALID_ARGUMENT after
 * the first piece. Threads: from the handler's functions.
 */
SIPC_API sipc_status sipc_stream_announce(sipc_stream *stream, uint64_t size);

/**
 * Gives the whole response at once, in the place of give.
 * @param stream the stream. @param response its bytes, valid until release was called; may be NULL
 * if size is 0. @param size bytes there.
 * @param release called when they are needed no more, also if this function fails; may be NULL.
 * @param release_context handed to it.
 * @return as sipc_stream_announce(). Threads: from begin, take or complete.
 */
SIPC_API sipc_status sipc_stream_respond(sipc_stream *stream, const void *response, uint64_t size,
                                         void (*release)(void *release_context),
                                         void *release_context);
/** @} */

#ifdef __cplusplus
}
#endif

#endif
