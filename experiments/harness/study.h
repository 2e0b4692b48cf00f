// SPDX-License-Identifier: Apache-2.0
// Two pinned processes run short windows of every variant in turn, in another order each round, on
// the same memory. The table shows each variant's median ratio to the first one, window by window
// of the same round, for each mood of the machine
// that was met (study.c). Several pairs of processes are started, since where the system puts their
// memory and their code changes the figures of a pair for as long as it lives.
#ifndef SIMPLEIPC_EXPERIMENTS_STUDY_H
#define SIMPLEIPC_EXPERIMENTS_STUDY_H

#include <stdbool.h>
#include <stdint.h>

enum { AREA_BYTES = 32768, LARGEST_PAYLOAD = 4096, REQUESTS = 4, MOST_VARIANTS = 64 };

typedef void handler_function(const void *request, void *response, uint32_t size);

struct column {
    const char *title;
    uint32_t size; // bytes of payload, 8 at least
    uint32_t trips;
    uint32_t depth;  // requests in flight at a time, where a study has that
    bool asleep;     // both sides go to sleep at once, and do not spin
    uint32_t linger; // nanoseconds that each waits before it publishes; they are not counted
};

// The peer sleeps by then.
enum { LONG_ENOUGH = 30000 };

#define SPINNING(title, size, trips)                                                               \
    { (title), (size), (trips), 1, false, 0 }
#define IN_FLIGHT(title, size, trips, depth)                                                       \
    { (title), (size), (trips), (depth), false, 0 }
#define ASLEEP(title, size)                                                                        \
    { (title), (size), 12, 1, true, LONG_ENOUGH }

// One process's own view of the exchange; the peer has its own of the same area.
struct side {
    unsigned char *area; // zeroed before each window
    struct column column;
    handler_function *volatile handler; // volatile: an indirect call, as in a library
    uint32_t generation;                // 0 before each window
    uint32_t last_request_size;
    uint32_t last_response_size;
    // Different contents in turn: a stale response is noticed without writing before each call.
    _Alignas(64) unsigned char requests[REQUESTS][LARGEST_PAYLOAD];
    _Alignas(64) unsigned char response[LARGEST_PAYLOAD];
};

// Makes `trips` exchanges. False: something in them was wrong.
typedef bool exchange_function(struct side *side, uint32_t trips);
typedef bool window_function(struct side *side);

struct variant {
    const char *name;
    exchange_function *host;
    exchange_function *guest;
    window_function *open; // before a window and after it, by the host; or NULL
    window_function *close;
    bool never_sleeps; // left out where both sides sleep
};

struct study {
    const struct variant *variants; // the first is what the others are compared with
    unsigned variant_count;
    const struct column *columns;
    unsigned column_count;
    window_function *prepare; // by each process before its first window; or NULL
};

// Whether the peer's payload is the one that belongs to this exchange.
static inline bool is_echo(const unsigned char *request, const unsigned char *response) {
    return __builtin_memcmp(request, response, 8) == 0;
}

// usage: PROGRAM [rounds of each pair, default 60] [pairs, default 10]
int study_main(const struct study *study, int count, char **values);

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

#endif
