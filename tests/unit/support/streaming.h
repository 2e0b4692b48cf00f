// SPDX-License-Identifier: Apache-2.0
// Streams for tests: bytes that tell their offset, and handlers that check or produce them.
#ifndef SIPC_TESTS_STREAMING_H
#define SIPC_TESTS_STREAMING_H

#include <stdatomic.h>

#include <simpleipc/stream.h>

enum {
    STREAM_ECHO = 200,      // assembled; the response is the request
    STREAM_CHECK = 201,     // takes pieces; the response is how many bytes were as they should be
    STREAM_PRODUCE = 202,   // the request is a size (8 bytes); the response so many bytes
    STREAM_TRANSFORM = 203, // gives each byte with all bits flipped, while it takes
    STREAM_FAIL = 204,      // fails after 100,000 bytes, or at the request's end
    STREAM_ENOUGH = 205,    // takes 100,000 bytes or a little more; the response is how many
    STREAM_REFUSE = 206,    // fails at once
    STREAM_HOLD = 207,      // takes pieces, and calls hold() with each
};

// The byte at an offset of each message.
uint8_t stream_byte(uint64_t offset);
void stream_fill(uint8_t *to, uint64_t offset, uint32_t size);
// How many bytes are right before the first that is not.
uint32_t stream_count_right(const uint8_t *from, uint64_t offset, uint32_t size);

// What the handlers of one test heard.
struct streaming {
    _Atomic unsigned begun, ended;
    _Atomic int last_status; // of the last end
    char text[300];          // its text
    void (*_Atomic hold)(void);
};

// Handlers of all of the above, which count in there. The caller frees them.
sipc_streams *streaming_handlers(struct streaming *counts, const sipc_streams_options *options);

#endif
