// SPDX-License-Identifier: Apache-2.0
// What N requests in flight cost: barriers for each or for a batch, lines, and workers.
#include "flights.h"

// clang-format off
#define VARIANTS(X)                                                                                \
    X(library, "one line, barriers for each, both sides ask for the next line",      \
      .lines = ONE_LINE, .protocol = BARRIER_EACH, .worker_asks = 1, .caller_asks = 1)             \
    X(library_again, "the same once more",                                                         \
      .lines = ONE_LINE, .protocol = BARRIER_EACH, .worker_asks = 1, .caller_asks = 1)             \
    X(worker_asks, "only the worker asks for the next line",                                       \
      .lines = ONE_LINE, .protocol = BARRIER_EACH, .worker_asks = 1)                               \
    X(caller_asks, "only the caller asks for the next line",                                       \
      .lines = ONE_LINE, .protocol = BARRIER_EACH, .caller_asks = 1)                               \
    X(nobody_asks, "nobody asks ahead",                                                            \
      .lines = ONE_LINE, .protocol = BARRIER_EACH)                                                 \
    X(worker_asks_2, "only the worker asks, 2 lines ahead",                                        \
      .lines = ONE_LINE, .protocol = BARRIER_EACH, .worker_asks = 2)                               \
    X(worker_asks_4, "only the worker asks, 4 lines ahead",                                        \
      .lines = ONE_LINE, .protocol = BARRIER_EACH, .worker_asks = 4)                               \
    X(plain_mark, "nobody asks; no barrier for the mark",                                          \
      .lines = ONE_LINE, .protocol = BARRIER_EACH_PLAIN_MARK)                                      \
    X(batch, "nobody asks; one barrier for each batch",                                            \
      .lines = ONE_LINE, .protocol = BARRIER_BATCH)                                                \
    X(batch_worker_asks, "only the worker asks; one barrier for each batch",                       \
      .lines = ONE_LINE, .protocol = BARRIER_BATCH, .worker_asks = 1)                              \
    X(memcpy_handler, "only the worker asks; the handler copies by memcpy",                        \
      .lines = ONE_LINE, .protocol = BARRIER_EACH, .worker_asks = 1, .memcpy_handler = true)       \
    X(batch_asks, "both ask; one barrier for each batch",                                          \
      .lines = ONE_LINE, .protocol = BARRIER_BATCH, .worker_asks = 1, .caller_asks = 1)            \
    X(two_lines, "two lines, barriers for each",                                                   \
      .lines = TWO_LINES, .protocol = BARRIER_EACH)                                                \
    X(two_lines_ask, "two lines, barriers for each, both ask",                                     \
      .lines = TWO_LINES, .protocol = BARRIER_EACH, .worker_asks = 1, .caller_asks = 1)            \
    X(two_lines_batch, "two lines, one barrier for each batch",                                    \
      .lines = TWO_LINES, .protocol = BARRIER_BATCH)                                               \
    X(rings, "two rings, barriers for each",                                                       \
      .lines = TWO_RINGS, .protocol = BARRIER_EACH)                                                \
    X(rings_batch, "two rings, one barrier for each batch",                                        \
      .lines = TWO_RINGS, .protocol = BARRIER_BATCH)                                               \
    X(workers, "nobody asks; a worker for each slot, one line, barriers for each",                 \
      .lines = ONE_LINE, .protocol = BARRIER_EACH, .worker_for_each_slot = true)
// clang-format on

VARIANTS(DEFINE_PIPELINE)

static const struct variant variants[] = {VARIANTS(LIST_PIPELINE) BARE_PIPELINES};

static const struct column columns[] = {
    IN_FLIGHT("1 in flight", 48, 512, 1), IN_FLIGHT("2", 48, 1024, 2),
    IN_FLIGHT("4", 48, 2048, 4),          IN_FLIGHT("8", 48, 2048, 8),
    IN_FLIGHT("16", 48, 2048, 16),        IN_FLIGHT("32", 48, 2048, 32),
    IN_FLIGHT("64", 48, 2048, 64),
};

int main(int count, char **values) {
    const struct study study = {variants, COUNT_OF(variants), columns, COUNT_OF(columns), NULL};
    return study_main(&study, count, values);
}
