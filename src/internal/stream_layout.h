// SPDX-License-Identifier: Apache-2.0
// What stands in the payloads of a stream's requests and answers: docs/spec/protocol.md,
// section 13.
#ifndef SIPC_INTERNAL_STREAM_LAYOUT_H
#define SIPC_INTERNAL_STREAM_LAYOUT_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include <simpleipc/stream.h>

#define SIPC_MESSAGE_STREAM_OPEN 4u
#define SIPC_MESSAGE_STREAM_DATA 5u
#define SIPC_MESSAGE_STREAM_NEXT 6u
#define SIPC_MESSAGE_STREAM_END 7u

#define SIPC_STREAM_MAX_WINDOW 64u
// Where the bytes of a piece begin in its payload.
#define SIPC_STREAM_PIECE 64u
#define SIPC_STREAM_MAX_TEXT 256u
// Where the text of a failure begins in an answer.
#define SIPC_STREAM_ANSWER_TEXT 16u

enum sipc_stream_flag {
    SIPC_STREAM_LAST = 1,   // the message ends with this piece
    SIPC_STREAM_ENOUGH = 2, // the handler takes no more of the request
};

enum sipc_stream_reason { SIPC_STREAM_FINISHED = 0, SIPC_STREAM_ABORTED_BY_CALLER = 1 };

enum sipc_outcome {
    SIPC_OUTCOME_OK = 0,
    SIPC_OUTCOME_HANDLER_FAILED = 1,
    SIPC_OUTCOME_UNKNOWN_STREAM = 2,
    SIPC_OUTCOME_NO_HANDLER = 3,
    SIPC_OUTCOME_TOO_MANY = 4,
    SIPC_OUTCOME_TOO_LARGE = 5,
    SIPC_OUTCOME_BROKEN = 6,
    SIPC_OUTCOME_OUT_OF_MEMORY = 7,
    SIPC_OUTCOME_RESPONSE_TOO_LARGE = 8,
};

struct sipc_stream_open {
    uint64_t request_size;
    uint64_t response_limit;
    uint32_t message_id;
    uint32_t window;
    uint64_t reserved;
};

// Before the bytes of a piece of the request.
struct sipc_stream_data {
    uint64_t stream;
    uint64_t offset;
    uint32_t flags;
    uint8_t reserved[44];
};

struct sipc_stream_next {
    uint64_t stream;
};

// Before the text.
struct sipc_stream_end {
    uint64_t stream;
    uint32_t reason;
    uint32_t reserved;
};

// Before the bytes of a piece of the response; an answer without one is shorter.
struct sipc_stream_answer {
    uint32_t outcome;
    uint32_t flags;
    uint64_t value;
    uint64_t response_size;
    uint8_t reserved[40];
};

static_assert(sizeof(struct sipc_stream_open) == 32, "opening");
static_assert(sizeof(struct sipc_stream_data) == SIPC_STREAM_PIECE, "piece of a request");
static_assert(sizeof(struct sipc_stream_next) == 8, "wish");
static_assert(sizeof(struct sipc_stream_end) == 16, "farewell");
static_assert(sizeof(struct sipc_stream_answer) == SIPC_STREAM_PIECE, "piece of a response");

#endif
