// SPDX-License-Identifier: Apache-2.0
/**
 * @file in_place.h
 * @brief Messages that are built and read where they stand in shared memory.
 *
 * The request buffer of a session (sipc_session_request()) and the response buffer of a handler
 * (sipc_response) begin at a multiple of 64 in memory. The room of a buffer is its capacity,
 * rounded up to a multiple of 64. A message has at most capacity bytes and is either the first
 * bytes of the room, or the last: what is built from its end downwards, as FlatBuffers are, need
 * not be moved. sipc_session_call() sends the first bytes of a request's room,
 * sipc_session_call_at_end() the last; a response says by at_end which they are. Who receives a
 * message gets data and size either way. docs/zero-copy.md; spec 2.3 and 2.4.
 *
 * Who owns a buffer: the request buffer is the caller's from sipc_host_acquire() until
 * sipc_session_call(), and again from its return; the response that it returns is the caller's to
 * read until the next call or sipc_session_release(). In a handler the request is the handler's to
 * read and the response buffer its to write until it returns. Nobody enforces that in C;
 * DirectInPlace.h does for C++.
 *
 * The peer is another process with the same memory: what is read twice may differ. What is decided
 * on twice is copied first.
 */
#ifndef SIMPLEIPC_IN_PLACE_H
#define SIMPLEIPC_IN_PLACE_H

#include <string.h>

#include "simpleipc.h"

#ifdef __cplusplus
extern "C" {
#endif

// NOLINTBEGIN(modernize-use-nullptr): for C as well

/**
 * The end of a buffer's room.
 * @param data the beginning of the buffer. @param capacity its capacity.
 * @return one past the last byte of its room, 64-byte aligned; NULL if data is.
 */
static inline void *sipc_room_end(void *data, uint32_t capacity) {
    return data ? (uint8_t *)data + sipc_room(capacity) : NULL;
}

/**
 * Calls with the request that is the last bytes of the room of the session's request buffer.
 * @param session a session.
 * @param message_id as in sipc_call.
 * @param request_size bytes of the request; it stands at sipc_room_end() - request_size.
 * @param timeout_ns from now; SIPC_DEFAULT_TIMEOUT or SIPC_FOREVER.
 * @param response receives the response in place, valid until the next call or release; may be
 * NULL.
 * @param response_size receives its size; may be NULL.
 * @return as sipc_session_call().
 * Threads: the session's one. Spec 2.3.
 */
SIPC_API sipc_status sipc_session_call_at_end(sipc_session *session, uint32_t message_id,
                                              uint32_t request_size, uint64_t timeout_ns,
                                              const void **response, uint32_t *response_size);

/**
 * A received message as a plain struct, where it stands.
 * @param data its first byte. @param size its bytes.
 * @param struct_size sizeof the struct. @param alignment _Alignof the struct.
 * @return data; NULL if the message has another size or is not aligned so. One at the beginning of
 * its buffer is aligned to 16 at the least, one at the end as its size is, up to 64.
 */
static inline const void *sipc_struct_in(const void *data, uint32_t size, size_t struct_size,
                                         size_t alignment) {
    return data && size == struct_size && (uintptr_t)data % alignment == 0 ? data : NULL;
}

/**
 * Room for a plain struct at the beginning of a buffer.
 * @param data the buffer. @param capacity its capacity. @param struct_size sizeof the struct.
 * @return data, so many bytes there being zeroed, aligned for any type; NULL if it does not fit.
 */
static inline void *sipc_struct_for(void *data, uint32_t capacity, size_t struct_size) {
    return data && struct_size <= capacity ? memset(data, 0, struct_size) : NULL;
}

// NOLINTEND(modernize-use-nullptr)

/** The request as a const TYPE *, in place; NULL if its size or alignment is another. */
#define SIPC_REQUEST_AS(TYPE, request)                                                             \
    ((const TYPE *)sipc_struct_in((request)->data, (request)->size, sizeof(TYPE), _Alignof(TYPE)))

/** Makes the response a zeroed TYPE, in place: a TYPE *; NULL if the slot's buffer is too small,
 * which its caller is told if the handler returns SIPC_OK. */
#define SIPC_RESPONSE_AS(TYPE, response)                                                           \
    ((response)->at_end = 0, (response)->size = (uint32_t)sizeof(TYPE),                            \
     (TYPE *)sipc_struct_for((response)->data, (response)->capacity, sizeof(TYPE)))

#ifdef __cplusplus
}
#endif

#endif
