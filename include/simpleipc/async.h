// SPDX-License-Identifier: Apache-2.0
/**
 * @file async.h
 * @brief Calls that complete on a thread of the library's.
 *
 * A sipc_async owns the slots of a pipeline and one thread. Any thread submits a request and goes
 * on; the library's thread sends it, and tells its end to a function. It sleeps while nothing is
 * open, and sleeps once for all requests in flight. Who has a loop of its own reaps a pipeline
 * instead, which spares the way to another thread. docs/asynchronous.md.
 */
#ifndef SIMPLEIPC_ASYNC_H
#define SIMPLEIPC_ASYNC_H

#include "simpleipc.h"

#ifdef __cplusplus
extern "C" {
#endif

/** A thread that completes calls, and the slots that it calls through. */
typedef struct sipc_async sipc_async;

/** One request. Zero it, then set what is needed. */
typedef struct sipc_async_call {
    uint32_t message_id;   /**< As in sipc_call. */
    uint32_t request_size; /**< Bytes at request. */
    const void *request;   /**< Copied. May be NULL if request_size is 0. */
    uint64_t timeout_ns;   /**< From now; SIPC_DEFAULT_TIMEOUT or SIPC_FOREVER. */
    uint64_t patience_ns;  /**< How long to wait while as many requests as the depth are open: 0:
                                not at all, up to SIPC_FOREVER. */
    sipc_completed
        completed; /**< Hears of its end, once, on the library's thread. It may submit,
                        without patience; it must not close. Others wait while it runs. */
    void *context; /**< Handed to it. */
    uint64_t tag;  /**< Stands in the completion. */
} sipc_async_call;

/**
 * Acquires the slots and starts the thread.
 * @param host a host; to be closed after this.
 * @param depth requests that are open at most; 1 to the host's slots.
 * @param timeout_ns how long to wait for the slots.
 * @param async receives the handle; the caller owns it and ends it with sipc_async_close(). NULL on
 * failure.
 * @return as sipc_pipeline_open(); SIPC_SYSTEM if there is no thread.
 */
SIPC_API sipc_status sipc_async_open(sipc_host *host, uint32_t depth, uint64_t timeout_ns,
                                     sipc_async **async);

/**
 * The same for a guest that calls its host.
 * @param guest a guest; to be detached after this. @param depth requests that are open at most.
 * @param timeout_ns how long to wait for the slots.
 * @param async receives the handle, as of sipc_async_open().
 * @return as sipc_guest_pipeline_open(); SIPC_SYSTEM if there is no thread.
 */
SIPC_API sipc_status sipc_guest_async_open(sipc_guest *guest, uint32_t depth, uint64_t timeout_ns,
                                           sipc_async **async);

/**
 * Submits a request. Requests of one thread are sent in their order.
 * @param async a handle. @param call the request; not kept.
 * @return SIPC_OK: completed will hear of it, with a status as of sipc_host_call(). Any other: it
 * will not, and nothing was sent: SIPC_ALL_SLOTS_BUSY after the patience, SIPC_REQUEST_TOO_LARGE,
 * SIPC_BAD_MESSAGE_ID, SIPC_OUT_OF_MEMORY, SIPC_INVALID_ARGUMENT; SIPC_CLOSED from a completion
 * while sipc_async_close() gives up what is open.
 * A slot whose handler outlived its call's deadline is not free: with less free slots than the
 * depth some complete with SIPC_ALL_SLOTS_BUSY.
 * Threads: any number at a time.
 */
SIPC_API sipc_status sipc_async_submit(sipc_async *async, const sipc_async_call *call);

/** @param async a handle. @return requests that were submitted and not completed. Threads: any. */
SIPC_API uint32_t sipc_async_open_requests(const sipc_async *async);

/**
 * Gives up what is open, which completes before this returns, with SIPC_CLOSED,
 * SIPC_CLOSED_MAYBE_EXECUTED or its response; gives the slots back and frees the handle.
 * @param async a handle; NULL does nothing. No thread may use it from here on.
 * @return SIPC_OK; SIPC_BUSY from inside a completion, and then nothing was done.
 */
SIPC_API sipc_status sipc_async_close(sipc_async *async);

#ifdef __cplusplus
}
#endif

#endif
