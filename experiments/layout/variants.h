// SPDX-License-Identifier: Apache-2.0
// The variants that are compared. Each becomes a pair of window loops with its shape folded in.
#ifndef LAYOUT_VARIANTS_H
#define LAYOUT_VARIANTS_H

#include "bare_layouts.h"
#include "protocol_layouts.h"

// X(name, request word, response word, request payload, response payload, pauses, inline limit)
#define BARE_VARIANTS(X)                                                                           \
    X(bare_a_one_line, 0, 0, 8, 8, 1, 0)                                                           \
    X(bare_a_inline, 0, 0, 8, 8, 1, 256)                                                           \
    X(bare_a_no_pause, 0, 0, 8, 8, 0, 0)                                                           \
    X(bare_b_in_word_line, 0, 2112, 8, 2112 + 8, 1, 0)                                             \
    X(bare_b_inline, 0, 2112, 8, 2112 + 8, 1, 256)                                                 \
    X(bare_b2_header_128, 0, 64, 128, 1216, 1, 0)                                                  \
    X(bare_b2_inline, 0, 64, 128, 1216, 1, 256)                                                    \
    X(bare_b2_no_pause, 0, 64, 128, 1216, 0, 0)                                                    \
    X(bare_b3_payload_after_word, 0, 2112, 64, 2112 + 64, 1, 0)                                    \
    X(bare_b3_inline, 0, 2112, 64, 2112 + 64, 1, 256)                                              \
    X(bare_c_far_buffers, 0, 64, 8192, 17472, 1, 0)                                                \
    X(bare_c0_one_word_far_buffers, 0, 0, 8192, 17472, 1, 0)

// Header of 128 bytes: the caller's line, the responder's line, then the two buffers.
#define HEADER .caller_line = 0, .responder_line = 64, .request = 128, .response = 1216
// The same header the other way round: the caller's line stands right before its buffer.
#define CALLER_SECOND .caller_line = 64, .responder_line = 0, .request = 128, .response = 1216
// The response buffer right after the responder's line instead.
#define RESPONSE_FIRST .caller_line = 0, .responder_line = 64, .response = 128, .request = 1216
// Each writer's line right before its own buffer.
#define BLOCKS .caller_line = 0, .request = 64, .responder_line = 2112, .response = 2176
#define NEVER MAX_PAYLOAD + 1
#define TUNED .pauses = 1, .inline_limit = 32, .guess_from = 33

// X(name, the shape's members)
#define PROTOCOL_VARIANTS(X)                                                                       \
    X(p1, HEADER, TUNED)                                                                           \
    X(p1_blocks, BLOCKS, TUNED)                                                                    \
    X(p2, HEADER, TUNED, .tiny = TINY_IN_WRITERS_LINE)                                             \
    X(p3, HEADER, TUNED, .tiny = TINY_IN_SHARED_LINE)                                              \
    X(p3_caller_second, CALLER_SECOND, TUNED, .tiny = TINY_IN_SHARED_LINE)                         \
    X(p3_response_first, RESPONSE_FIRST, TUNED, .tiny = TINY_IN_SHARED_LINE)                       \
    X(p3_blocks, BLOCKS, TUNED, .tiny = TINY_IN_SHARED_LINE)                                       \
    X(p4_all_state_shared, HEADER, TUNED, .tiny = ALL_STATE_IN_SHARED_LINE)                        \
    X(p1_as_first_written, HEADER, .mark_first = true, .guess_from = NEVER)                        \
    X(p3_no_pause, HEADER, .inline_limit = 32, .guess_from = 33, .tiny = TINY_IN_SHARED_LINE)      \
    X(p3_two_pauses, HEADER, .pauses = 2, .inline_limit = 32, .guess_from = 33,                    \
      .tiny = TINY_IN_SHARED_LINE)                                                                 \
    X(p3_store, HEADER, TUNED, .tiny = TINY_IN_SHARED_LINE, .publish = PUBLISH_STORE)              \
    X(p3_store_and_fence, HEADER, TUNED, .tiny = TINY_IN_SHARED_LINE,                              \
      .publish = PUBLISH_STORE_AND_FENCE)                                                          \
    X(p3_no_started_mark, HEADER, TUNED, .tiny = TINY_IN_SHARED_LINE, .no_started_mark = true)     \
    X(p3_mark_first, HEADER, TUNED, .tiny = TINY_IN_SHARED_LINE, .mark_first = true)               \
    X(p3_guess_from_65, HEADER, .pauses = 1, .inline_limit = 32, .guess_from = 65,                 \
      .tiny = TINY_IN_SHARED_LINE)                                                                 \
    X(p3_guess_never, HEADER, .pauses = 1, .inline_limit = 32, .guess_from = NEVER,                \
      .tiny = TINY_IN_SHARED_LINE)                                                                 \
    X(p3_fields_first, HEADER, TUNED, .tiny = TINY_IN_SHARED_LINE, .fields_first = true)           \
    X(p3_fields_in_buffer, HEADER, TUNED, .tiny = TINY_IN_SHARED_LINE, .fields_in_buffer = true)   \
    X(p3_watch_both, HEADER, TUNED, .tiny = TINY_IN_SHARED_LINE, .watch_both = true)               \
    X(p3_prefetch_response, HEADER, TUNED, .tiny = TINY_IN_SHARED_LINE, .prefetch_response = true) \
    X(p3_prefetch_request, HEADER, TUNED, .tiny = TINY_IN_SHARED_LINE, .prefetch_request = true)   \
    X(p3_memcpy_only, HEADER, .pauses = 1, .guess_from = 33, .tiny = TINY_IN_SHARED_LINE)          \
    X(p3_inline_256, HEADER, .pauses = 1, .inline_limit = 256, .guess_from = 33,                   \
      .tiny = TINY_IN_SHARED_LINE)

typedef bool window_function(struct side *side, uint32_t size, uint32_t trips);

struct variant {
    const char *name;
    bool bare;
    window_function *host;
    window_function *guest;
};

#endif
