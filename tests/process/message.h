// SPDX-License-Identifier: Apache-2.0
// What the hosts and guests of the process tests say to each other. guest_go/message.go says the
// same in Go.
//
// A stamped request carries its caller and sequence; its response carries both and a hash of the
// whole request. A message too short for all of it carries the beginning.
//
//   request    caller 4 | sequence 4 | handler's sleep in microseconds 4 | pattern of caller,
//   sequence response   caller 4 | sequence 4 | hash of the request 8             | pattern of the
//   hash
#ifndef PROCESS_MESSAGE_H
#define PROCESS_MESSAGE_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// What the guests do for a message id. 0 echoes the request; any other user id reveals who served.
enum message {
    MESSAGE_FAIL = 129,     // the handler reports an error with the text FAILURE_TEXT
    MESSAGE_PANIC = 130,    // Go: the handler panics
    MESSAGE_GOEXIT = 131,   // the handler ends its goroutine or thread
    MESSAGE_OVERSIZE = 132, // the handler returns one byte more than it has room for
    MESSAGE_UNKNOWN = 133,  // the handler does not know this message
    MESSAGE_ANNOUNCE = 134, // stamped; the guest prints "handling" before its sleep
    MESSAGE_EXECUTIONS =
        135,                // how often was the stamped request of this caller and sequence handled
    MESSAGE_CHANGES = 136,  // how many requests changed while they were handled
    MESSAGE_DEADLINE = 137, // the deadline as the handler sees it, as a decimal number
    MESSAGE_UNTIL_CANCELLED = 138, // the guest prints "waiting", and "cancelled" when it is
    MESSAGE_STAMPED = 0x10000000   // to this add the size that the response shall have
};
#define MESSAGE_STAMPED_SIZE_BITS 0x0FFFFFFFu
#define FAILURE_TEXT "refused by the handler"

enum { STAMP_SIZE = 8, STAMP_WITH_SLEEP_SIZE = 12 };

// Executions are counted for callers and sequences below these.
enum { COUNTED_CALLERS = 16, COUNTED_SEQUENCES = 65536 };

// The answer to a message id that has no other meaning.
struct revelation {
    uint32_t message_id; // as it reached the handler
    uint32_t slot;
    uint32_t process_id;
    uint32_t worker; // C: the worker's thread; Go: 0
    uint64_t transport_id;
};

static inline bool message_is_stamped(uint32_t message_id) {
    return message_id >> 28 == 1 || message_id == MESSAGE_ANNOUNCE;
}

uint64_t message_hash(const uint8_t *data, uint32_t size);
void message_fill_request(uint8_t *to, uint32_t size, uint32_t caller, uint32_t sequence,
                          uint32_t sleep_us);
void message_fill_response(uint8_t *to, uint32_t size, const uint8_t *request,
                           uint32_t request_size);

#ifdef __cplusplus
}
#endif

#endif
