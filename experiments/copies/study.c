// SPDX-License-Identifier: Apache-2.0
// Ways to copy a payload, each at work in the exchange: the same copy routine for all copies of
// both sides, but for the handler's own.
#include "exchange.h"

// clang-format off
#define VARIANTS(X)                                                                                \
    X(library, "inlined moves up to 256 B, memcpy above (the library)", LIBRARY)                   \
    X(library_again, "the same once more", LIBRARY)                                                \
    X(to_64, "inlined moves up to 64 B", LIBRARY, .copying = COPY_INLINED_TO_64)                   \
    X(to_1024, "inlined moves up to 1 KiB", LIBRARY, .copying = COPY_INLINED_TO_1024)              \
    X(memcpy_always, "memcpy", LIBRARY, .copying = COPY_MEMCPY)                                    \
    X(memcpy_bound, "memcpy, and the compiler knows the largest size", LIBRARY,                    \
      .copying = COPY_MEMCPY_OF_KNOWN_BOUND)                                                       \
    X(words, "a loop of 8 bytes a turn", LIBRARY, .copying = COPY_WORDS)                           \
    X(rep_movsb, "rep movsb", LIBRARY, .copying = COPY_REP_MOVSB)                                  \
    X(read_by_size, "the library, but a tiny request is read by its size, not as 48 B",            \
      LIBRARY, .tiny_read_by_size = true)
// clang-format on

VARIANTS(DEFINE_EXCHANGE)

static const struct variant variants[] = {VARIANTS(LIST_EXCHANGE) BARE_LIMITS};

static const struct column columns[] = {
    SPINNING("8 B", 8, 400),      SPINNING("20 B", 20, 400),    SPINNING("32 B", 32, 400),
    SPINNING("48 B", 48, 400),    SPINNING("64 B", 64, 400),    SPINNING("100 B", 100, 400),
    SPINNING("128 B", 128, 400),  SPINNING("256 B", 256, 400),  SPINNING("512 B", 512, 400),
    SPINNING("1 KiB", 1024, 400), SPINNING("4 KiB", 4096, 200),
};

int main(int count, char **values) {
    const struct study study = {variants, COUNT_OF(variants), columns, COUNT_OF(columns), NULL};
    return study_main(&study, count, values);
}
