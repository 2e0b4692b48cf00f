// SPDX-License-Identifier: Apache-2.0
// Publishing by an exchange, by a store and a fence, or by a plain store whose barrier the sleeper
// pays for.
#include "exchange.h"

// clang-format off
#define VARIANTS(X)                                                                                \
    X(exchange, "exchange (the library)", LIBRARY)                                                 \
    X(exchange_again, "the same once more", LIBRARY)                                               \
    X(store_and_fence, "store and fence", LIBRARY, .publishing = BY_STORE_AND_FENCE)               \
    X(global_barrier, "store; membarrier of all processes by who sleeps",                          \
      LIBRARY, .publishing = BY_STORE_GLOBAL_BARRIER)                                              \
    X(private_barrier, "store; membarrier of one process by who sleeps",                           \
      LIBRARY, .publishing = BY_STORE_PRIVATE_BARRIER)
// clang-format on

VARIANTS(DEFINE_EXCHANGE)

static const struct variant variants[] = {VARIANTS(LIST_EXCHANGE) BARE_LIMITS};

static const struct column columns[] = {
    SPINNING("8 B", 8, 400),         SPINNING("32 B", 32, 400),    SPINNING("64 B", 64, 400),
    SPINNING("128 B", 128, 400),     SPINNING("1 KiB", 1024, 400), ASLEEP("8 B, both asleep", 8),
    ASLEEP("64 B, both asleep", 64),
};

// What a sleeper pays, while the peer spins on the other processor.
#define DEFINE_PRICE(name, title, barrier)                                                         \
    static bool name##_price(struct side *side, uint32_t trips) {                                  \
        for (uint32_t i = 0; i < trips; i++) {                                                     \
            barrier;                                                                               \
        }                                                                                          \
        return side != NULL;                                                                       \
    }
#define LIST_PRICE(name, title, barrier)                                                           \
    {title, name##_price, no_exchange, NULL, await_guest, false},
#define PRICES(X)                                                                                  \
    X(exchange, "exchange", sipc_exchange_barrier(word_at(side, 0), i))                            \
    X(fence, "store and fence", {                                                                  \
        sipc_store_relaxed(word_at(side, 0), i);                                                   \
        atomic_thread_fence(memory_order_seq_cst);                                                 \
    })                                                                                             \
    X(private_membarrier, "membarrier of one process, which has one thread", membarrier_private()) \
    X(global_membarrier, "membarrier of all processes", membarrier_global())

enum { GUEST_CAME = 4096 };

static bool no_exchange(struct side *side, uint32_t trips) {
    sipc_store_release(word_at(side, GUEST_CAME), trips);
    return true;
}

// The guest must not miss a window.
static bool await_guest(struct side *side) {
    while (sipc_load_acquire(word_at(side, GUEST_CAME)) == 0) sipc_pause();
    return true;
}

PRICES(DEFINE_PRICE)

static const struct variant prices[] = {PRICES(LIST_PRICE)};
static const struct column price_columns[] = {SPINNING("a barrier", 8, 60)};

static bool prepare(struct side *side) {
    (void)side;
    return membarrier_register();
}

int main(int count, char **values) {
    const struct study exchanges = {variants, COUNT_OF(variants), columns, COUNT_OF(columns),
                                    prepare};
    const struct study barriers = {prices, COUNT_OF(prices), price_columns, COUNT_OF(price_columns),
                                   prepare};
    int status = study_main(&exchanges, count, values);
    return status != 0 ? status : study_main(&barriers, count, values);
}
