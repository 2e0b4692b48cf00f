// SPDX-License-Identifier: Apache-2.0
/**
 * @file guests.h
 * @brief Many guests of one host: who serves which slot, and calls of one of them by its name.
 *
 * Guests share the slots of a region, each those that it has claimed. Calls go to whoever serves,
 * unless they name a guest (sipc_call::guest, or a session or a pipeline of this file). A guest's
 * name is the option name of sipc_guest_options; several guests may have the same. docs/guests.md,
 * spec 9.2.
 */
#ifndef SIMPLEIPC_GUESTS_H
#define SIMPLEIPC_GUESTS_H

#include <simpleipc/simpleipc.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Bytes of a guest's name with its NUL, at most. */
#define SIPC_GUEST_NAME_SIZE 41u

/** Who serves a slot. It may be another at the next moment. */
typedef struct sipc_guest_info {
    uint32_t slot;                   /**< The slot. */
    uint32_t attended;               /**< 1: a guest serves it. 0: nobody does; the rest is of the
                                          last one that did. */
    uint32_t process_id;             /**< What the guest says its process is; 0: there was none. */
    char name[SIPC_GUEST_NAME_SIZE]; /**< What the guest says its name is; empty: it has none. */
} sipc_guest_info;

/**
 * Tells who serves each slot of a host.
 * @param host a host. @param guests receives an entry for each slot, in their order; may be NULL if
 * capacity is 0. @param capacity entries that there is room for.
 * @param count receives the number of slots, also if that is more than capacity.
 * @return SIPC_OK; SIPC_INVALID_ARGUMENT. Threads: any.
 */
SIPC_API sipc_status sipc_host_guests(const sipc_host *host, sipc_guest_info *guests,
                                      uint32_t capacity, uint32_t *count);

/**
 * Acquires a slot that a guest of this name serves. No other guest ever handles the session's
 * requests: when that one does not serve the slot any more, calls fail with SIPC_PEER_DIED, not
 * started, before anything is written; release the session and acquire another.
 * @param host a host. @param guest its name. @param timeout_ns how long to wait for such a guest,
 * and for a slot of its that is free.
 * @param session receives the handle; the caller owns it until sipc_session_release(). NULL on
 * failure.
 * @return SIPC_OK, SIPC_BAD_NAME, SIPC_INVALID_ARGUMENT, SIPC_NO_GUEST, SIPC_ALL_SLOTS_BUSY,
 * SIPC_CLOSED. Threads: as sipc_host_acquire().
 */
SIPC_API sipc_status sipc_host_acquire_guest(sipc_host *host, const char *guest,
                                             uint64_t timeout_ns, sipc_session **session);

/**
 * Opens a pipeline through slots that a guest of this name serves: sipc_pipeline_open() with the
 * waiting and the errors of sipc_host_acquire_guest(). A request that the guest has left behind
 * completes with SIPC_PEER_DIED once another guest serves its slot, with SIPC_TIMEOUT before.
 * @param host a host; to be closed after the pipeline. @param guest its name.
 * @param depth requests in flight at most. @param timeout_ns how long to wait for the slots.
 * @param completed hears of the completions. @param context is handed to it.
 * @param pipeline receives the handle; the caller owns it and ends it with sipc_pipeline_close().
 * NULL on failure.
 * @return as sipc_pipeline_open() and sipc_host_acquire_guest().
 */
SIPC_API sipc_status sipc_pipeline_open_guest(sipc_host *host, const char *guest, uint32_t depth,
                                              uint64_t timeout_ns, sipc_completed completed,
                                              void *context, sipc_pipeline **pipeline);

#ifdef __cplusplus
}
#endif

#endif
