// SPDX-License-Identifier: Apache-2.0
// Where a side says that it sleeps: in a word that its peer looks at after each publication, or in
// a flag of a state word.
#include "exchange.h"

// clang-format off
#define VARIANTS(X)                                                                                \
    X(library, "caller's word in a line of its own, responder's in its line (the library)",        \
      LIBRARY)                                                                                     \
    X(library_again, "the same once more", LIBRARY)                                                \
    X(responder_line, "both words in the responder line", LIBRARY,                                 \
      .waiting = WAITING_IN_RESPONDER_LINE)                                                        \
    X(beside_state, "each word in the line of its side's own state", LIBRARY,                      \
      .waiting = WAITING_BESIDE_OWN_STATE)                                                         \
    X(own_lines, "each word in a line of its own", LIBRARY, .waiting = WAITING_IN_OWN_LINE)           \
    X(own_state, "a flag of the sleeper's own state word", LIBRARY,                                \
      .waiting = WAITING_BIT_OF_OWN_STATE)                                                         \
    X(peer_state, "a flag put into the peer's state word", LIBRARY,                                \
      .waiting = WAITING_BIT_OF_PEER_STATE)
// clang-format on

VARIANTS(DEFINE_EXCHANGE)

static const struct variant variants[] = {VARIANTS(LIST_EXCHANGE) BARE_LIMITS};

static const struct column columns[] = {
    SPINNING("8 B", 8, 400),         SPINNING("32 B", 32, 400),    SPINNING("64 B", 64, 400),
    SPINNING("128 B", 128, 400),     SPINNING("1 KiB", 1024, 400), ASLEEP("8 B, both asleep", 8),
    ASLEEP("64 B, both asleep", 64),
};

int main(int count, char **values) {
    const struct study study = {variants, COUNT_OF(variants), columns, COUNT_OF(columns), NULL};
    return study_main(&study, count, values);
}
