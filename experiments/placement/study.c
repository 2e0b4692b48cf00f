// SPDX-License-Identifier: Apache-2.0
// Where lines and buffers stand, what is asked for ahead, and when a side looks.
#include "exchange.h"

#define ASKING(what) LIBRARY_PLACES, LIBRARY_PAUSES, .prefetch = (what)
#define PLACED(turn, responder, response_at, request_at)                                           \
    .turn_line = (turn), .responder_line = (responder), .response = (response_at),                 \
    .request = (request_at), LIBRARY_PAUSES, .prefetch = PREFETCH_REQUEST
#define RESTING(caller, responder)                                                                 \
    LIBRARY_PLACES, .tiny_rest = (caller), .rest = (caller), .responder_rest = (responder),        \
                    .interval = 1, .responder_interval = 1, .prefetch = PREFETCH_REQUEST
#define LOOKING(caller, responder)                                                                 \
    LIBRARY_PLACES, .tiny_rest = 2, .interval = (caller), .responder_interval = (responder),       \
                    .prefetch = PREFETCH_REQUEST

// clang-format off
#define VARIANTS(X)                                                                                \
    X(library, "the library", LIBRARY)                                                             \
    X(library_again, "the same once more", LIBRARY)                                                \
    X(no_prefetch, "no prefetch", ASKING(0))                                                       \
    X(one_line, "prefetch: the request's first line only", ASKING(PREFETCH_REQUEST_LINE))          \
    X(response_to_read, "prefetch: also the response, to read",                                    \
      ASKING(PREFETCH_REQUEST | PREFETCH_RESPONSE_TO_READ))                                        \
    X(response_to_write, "prefetch: also the response, to write",                                  \
      ASKING(PREFETCH_REQUEST | PREFETCH_RESPONSE_TO_WRITE))                                       \
    X(request_to_write, "prefetch: also the next request, to write",                               \
      ASKING(PREFETCH_REQUEST | PREFETCH_REQUEST_TO_WRITE))                                        \
    X(five_lines, "buffers 5 lines apart modulo 4096", PLACED(0, 64, 128, 8192 + 128 + 320))       \
    X(half_page, "buffers 2048 apart modulo 4096", PLACED(0, 64, 128, 8192 + 128 + 2048))          \
    X(request_first, "request buffer before response buffer", PLACED(0, 64, 8192 + 128, 128))      \
    X(private_response, "response written to private memory, then copied",                         \
      LIBRARY, .private_response = true)                                                           \
    X(one_buffer, "the same, and one buffer for request and response",                             \
      PLACED(0, 64, 128, 128), .private_response = true)                                           \
    X(caller_second, "responder line before turn line", PLACED(64, 0, 128, 8192 + 128))            \
    X(blocks, "each line right before its writer's buffer", PLACED(0, 8192 + 320, 8192 + 384, 64)) \
    X(lines_apart, "the two lines 256 bytes apart", PLACED(0, 256, 320, 8192 + 320))               \
    X(rest_0, "caller: no pause before the first look", RESTING(0, 0))                             \
    X(rest_1, "caller: 1 pause", RESTING(1, 0))                                                    \
    X(rest_2, "caller: 2 pauses", RESTING(2, 0))                                                   \
    X(rest_3, "caller: 3 pauses", RESTING(3, 0))                                                   \
    X(rest_4, "caller: 4 pauses", RESTING(4, 0))                                                   \
    X(both_rest_1, "caller 2 pauses, responder 1", RESTING(2, 1))                                  \
    X(both_rest_2, "caller 2 pauses, responder 2", RESTING(2, 2))                                  \
    X(look_0, "no pause between two looks", LOOKING(0, 0))                                         \
    X(look_2, "2 pauses between two looks", LOOKING(2, 2))                                         \
    X(look_3, "3 pauses between two looks", LOOKING(3, 3))                                         \
    X(responder_0, "responder: no pause between two looks", LOOKING(1, 0))                         \
    X(responder_2, "responder: 2 pauses between two looks", LOOKING(1, 2))
// clang-format on

VARIANTS(DEFINE_EXCHANGE)

static const struct variant variants[] = {VARIANTS(LIST_EXCHANGE) BARE_LIMITS};

static const struct column columns[] = {
    SPINNING("8 B", 8, 400),      SPINNING("32 B", 32, 400),    SPINNING("48 B", 48, 400),
    SPINNING("64 B", 64, 400),    SPINNING("128 B", 128, 400),  SPINNING("256 B", 256, 400),
    SPINNING("1 KiB", 1024, 400), SPINNING("4 KiB", 4096, 200),
};

int main(int count, char **values) {
    const struct study study = {variants, COUNT_OF(variants), columns, COUNT_OF(columns), NULL};
    return study_main(&study, count, values);
}
