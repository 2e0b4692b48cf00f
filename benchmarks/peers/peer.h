// SPDX-License-Identifier: Apache-2.0
// The frame of the peers: other ways to ask another process, each in the place of this library. A
// peer is one file, which says how a message goes there and back; the two processes, their
// processors, the windows in turn with the library and the bare limit, and the report are the same
// for all.
//
// Like for like: a request leaves private memory of the caller's and arrives in private memory of
// the responder's, where the handler copies it into another buffer; the response goes the same way.
#ifndef BENCH_PEER_H
#define BENCH_PEER_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct peer_place {
    const char *name;   // nobody else's, of letters, digits, dots and hyphens
    const char *folder; // an empty one, both processes' own; what stays in it is removed
    void *shared;       // both processes see these bytes, 64-byte aligned, zero at first
    uint32_t shared_bytes;
    uint32_t capacity; // of the largest message
};

enum peer_role { PEER_CALLER, PEER_RESPONDER };

struct peer_transport {
    const char *name;
    const char *waiting;          // how it waits: "sleeps" or "polls"
    const char *(*version)(void); // of what it is made of; NULL: of the system
    // Bytes of a message that it can carry here, and where that limit comes from. NULL: all sizes.
    uint32_t (*largest)(const char **why);
    // In the caller's process, before the responder's is there, which inherits what stays open.
    // May be NULL.
    void (*prepare)(const struct peer_place *place);
    // Both ends. The responder's is opened first.
    void *(*open)(const struct peer_place *place, enum peer_role role);
    void (*close)(void *end);
    // A request or a response. Each is of 1 byte at least.
    void (*send)(void *end, const void *bytes, uint32_t size);
    // Waits for the other's message, which fits into the capacity of the place. Returns its size.
    uint32_t (*receive)(void *end, void *bytes, uint32_t capacity);
    // Removes what outlives the processes; also when nothing of it is there. May be NULL.
    void (*remove)(const struct peer_place *place);
};

// The one of this program.
extern const struct peer_transport peer_transport;

// Ends the process with what failed and why: errno's meaning if why is NULL.
#ifdef __cplusplus
[[noreturn]]
#else
_Noreturn
#endif
void peer_failed(const char *what, const char *why);

#ifdef __cplusplus
}
#endif

#endif
