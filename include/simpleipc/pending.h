// SPDX-License-Identifier: Apache-2.0
/**
 * @file pending.h
 * @brief Later answers: a handler leaves its answer to another thread, or to itself later on.
 *
 * A handler takes its request, hands on what it got for it, and returns: a long job holds no
 * worker. The slot is occupied until the answer. Each caller waits in a slot of its own, so the
 * answers come in any order. docs/asynchronous.md; spec 4.4.
 */
#ifndef SIMPLEIPC_PENDING_H
#define SIMPLEIPC_PENDING_H

#include "simpleipc.h"

#ifdef __cplusplus
extern "C" {
#endif

/** A request that was taken out of its handler and is to be answered once. A plain value: copies
 * mean the same. */
typedef struct sipc_pending {
    void *origin;      /**< The library's own; NULL: none. */
    uint32_t state;    /**< The library's own. */
    uint32_t reserved; /**< 0. */
} sipc_pending;

/**
 * Takes a request out of its handler, which then returns SIPC_PENDING. The answer may come from any
 * thread, also before the handler returns. From here on the handler leaves its response alone, and
 * what it returns has no effect.
 *
 * sipc_guest_detach(), sipc_guest_wait() and sipc_host_close() wait for the answers of all
 * requests that were taken: answer each one.
 * @param request the handler's; on the thread that the handler was called on.
 * @param pending receives what to answer by; origin NULL on failure.
 * @return SIPC_OK; SIPC_BUSY if it was taken before; SIPC_OUT_OF_MEMORY: the handler answers as
 * ever; SIPC_INVALID_ARGUMENT.
 */
SIPC_API sipc_status sipc_request_take(const sipc_request *request, sipc_pending *pending);

/**
 * Whether the handler's request was taken out of it: then its response is not the handler's.
 * @param request the handler's; on the thread that the handler was called on. @return 1 or 0.
 */
SIPC_API uint32_t sipc_request_is_taken(const sipc_request *request);

/**
 * The request, which a handler saw before.
 * @param pending a request that was taken. @return the request, valid until the answer, as is its
 * data; NULL if it was answered. Threads: any.
 */
SIPC_API const sipc_request *sipc_pending_request(sipc_pending pending);

/**
 * The slot's response buffer, to be written in place.
 * @param pending a request that was taken. @param capacity receives its size; may be NULL.
 * @return the buffer, valid until the answer; NULL if it was answered. Threads: any.
 */
SIPC_API void *sipc_pending_response(sipc_pending pending, uint32_t *capacity);

/** @param pending a request that was taken. @return as sipc_request_deadline(); 0 if it was
 * answered. Threads: any. */
SIPC_API uint64_t sipc_pending_deadline(sipc_pending pending);

/** @param pending a request that was taken. @return as sipc_request_is_cancelled(); 1 if it was
 * answered. Threads: any. */
SIPC_API uint32_t sipc_pending_is_cancelled(sipc_pending pending);

/**
 * Answers a request that was taken. Harmless if its caller gave up.
 * @param pending the request. @param status what a handler would return; SIPC_PENDING is a failure.
 * @param response copied; NULL, or what sipc_pending_response() returned: it stands in place there;
 * size bytes before the end of that buffer's room: it is the last of it (in_place.h).
 * @param size its bytes; more than the capacity is SIPC_RESPONSE_TOO_LARGE at the caller.
 * @return SIPC_OK; SIPC_INVALID_ARGUMENT if it was answered already, also in part by another thread
 * just now: then nothing was done; SIPC_REGION_LOST.
 * Threads: any.
 */
SIPC_API sipc_status sipc_pending_respond(sipc_pending pending, sipc_status status,
                                          const void *response, uint32_t size);

/** Answers with SIPC_HANDLER_FAILED and a text that says that the request was dropped. Does nothing
 * if it was answered. @param pending a request that was taken. Threads: any. */
SIPC_API void sipc_pending_abandon(sipc_pending pending);

#ifdef __cplusplus
}
#endif

#endif
