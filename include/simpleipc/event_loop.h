// SPDX-License-Identifier: Apache-2.0
/**
 * @file event_loop.h
 * @brief Descriptors for event loops of the application: epoll, libuv and their like.
 *
 * A pipeline, a guest that polls and a host that polls each have a descriptor that a loop can wait
 * for. Before it waits, the loop **arms** the endpoint: if something is ready, the descriptor is
 * readable at once; else a thread of the library's sleeps in the loop's place and makes it readable
 * when something comes. A loop that finds work by itself does not arm, and then nothing of this
 * costs a system call. docs/event-loops.md; spec 7.1.
 *
 * On Linux a descriptor is a file descriptor to be waited for until it is readable; on Windows it
 * is the HANDLE of an event to be waited for until it is set. It is the library's: never read,
 * write, reset or close it. It stays the same, and valid until its endpoint is closed.
 *
 * It is level-triggered: readable from when something is ready, while armed, until that was taken
 * by a reap or a poll. It may also be readable without cause, and a reap or poll then finds
 * nothing. Taking disarms.
 */
#ifndef SIMPLEIPC_EVENT_LOOP_H
#define SIMPLEIPC_EVENT_LOOP_H

#include "simpleipc.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * A descriptor that tells when sipc_pipeline_reap() would complete something: a response, a
 * deadline that passed, the death of the other side, or a shutdown.
 * @param pipeline a pipeline. @param descriptor receives it.
 * @return SIPC_OK; SIPC_SYSTEM if there is none left; SIPC_OUT_OF_MEMORY; SIPC_INVALID_ARGUMENT.
 */
SIPC_API sipc_status sipc_pipeline_descriptor(sipc_pipeline *pipeline, intptr_t *descriptor);

/**
 * Says that a loop is about to wait. To be called before each wait, after what the loop had to do
 * with the pipeline; what is submitted before the next reap is waited for too. Reaping disarms; a
 * reap that waits by itself takes the wait over.
 * @param pipeline a pipeline whose descriptor was asked for. By the thread that owns it.
 * @return SIPC_OK; SIPC_SYSTEM if there is no thread to sleep; SIPC_BUSY from inside a completion;
 * SIPC_INVALID_ARGUMENT.
 */
SIPC_API sipc_status sipc_pipeline_arm(sipc_pipeline *pipeline);

/**
 * A descriptor that tells when sipc_guest_poll() would find a request, or the end. The guest's
 * workers cannot be started any more.
 * @param guest a guest that serves, and was not started. @param descriptor receives it.
 * @return SIPC_OK; SIPC_BUSY if its workers were started; SIPC_SYSTEM; SIPC_OUT_OF_MEMORY;
 * SIPC_INVALID_ARGUMENT.
 */
SIPC_API sipc_status sipc_guest_descriptor(sipc_guest *guest, intptr_t *descriptor);

/**
 * Says that a loop is about to wait; see sipc_pipeline_arm(). Polling disarms.
 * @param guest a guest whose descriptor was asked for. By the thread that polls.
 * @return SIPC_OK; SIPC_SYSTEM if there is no thread to sleep; SIPC_INVALID_ARGUMENT.
 */
SIPC_API sipc_status sipc_guest_arm(sipc_guest *guest);

/**
 * A descriptor that tells when sipc_host_poll() would find a request of a guest, or the end. From
 * here on guests are served by polls.
 * @param host a host with guest slots, which has no workers. @param descriptor receives it.
 * @return SIPC_OK; SIPC_BUSY if its workers serve; SIPC_CLOSED; SIPC_SYSTEM; SIPC_OUT_OF_MEMORY;
 * SIPC_INVALID_ARGUMENT.
 */
SIPC_API sipc_status sipc_host_descriptor(sipc_host *host, intptr_t *descriptor);

/**
 * Says that a loop is about to wait; see sipc_pipeline_arm(). Polling disarms.
 * @param host a host whose descriptor was asked for. By the thread that polls.
 * @return SIPC_OK; SIPC_SYSTEM if there is no thread to sleep; SIPC_INVALID_ARGUMENT.
 */
SIPC_API sipc_status sipc_host_arm(sipc_host *host);

#ifdef __cplusplus
}
#endif

#endif
