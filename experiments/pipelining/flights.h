// SPDX-License-Identifier: Apache-2.0
// N requests of 48 bytes in flight between one caller thread and one worker, or a worker for each
// slot. Request n goes through slot n modulo N, and the caller reaps in the order of submission.
#ifndef SIMPLEIPC_EXPERIMENTS_FLIGHTS_H
#define SIMPLEIPC_EXPERIMENTS_FLIGHTS_H

#include <pthread.h>
#include <sched.h>

#include "bare_limit.h"
#include "copy.h"
#include "pipeline.h"
#include "study.h"

enum lines {
    ONE_LINE,  // request and response in turn in one line, a state word for each
    TWO_LINES, // a line for the request, the next one for the response
    TWO_RINGS  // the lines of a direction in a row, and a counter of what is in them
};

enum protocol {
    BARRIER_EACH, // exchange, then a look whether the peer sleeps; the started mark likewise
    BARRIER_EACH_PLAIN_MARK, // as that, without a barrier for the mark
    BARRIER_BATCH            // plain stores, and one fence for all that came or goes at a time
};

struct shape {
    enum lines lines;
    enum protocol protocol;
    unsigned worker_asks; // so many slots ahead it asks for a line
    unsigned caller_asks;
    bool memcpy_handler; // and not one that loads by the moves that stored
    bool worker_for_each_slot;
};

enum {
    MOST_IN_FLIGHT = 64,
    LINE = 64,
    SLOT = 256, // bytes from one slot to the next
    RESPONSE_RING = 8192,
    STARTED = 16384, // a mark for each slot, two lines apart
    REQUEST_COUNT = 28672,
    RESPONSE_COUNT = REQUEST_COUNT + 128,
    REQUEST_STATE = 0, // in a line
    RESPONSE_STATE = 4,
    ID = 8,
    PAYLOAD = 16,
    PAYLOAD_BYTES = 48,
    RESPONDER_WAITING = 2 * LINE, // in a line of the slot that only a sleeper writes
    CALLER_WAITING = 2 * LINE + 4,
};

#define ALWAYS_INLINE SIPC_ALWAYS_INLINE

ALWAYS_INLINE sipc_word *word_at(const struct side *side, unsigned offset) {
    return (sipc_word *)(void *)(side->area + offset);
}

// What both sides say of request or response n: its round through the slots.
ALWAYS_INLINE uint32_t round_of(const struct side *side, uint32_t n) {
    return n / side->column.depth + 1;
}

ALWAYS_INLINE uint32_t slot_of(const struct side *side, uint32_t n) {
    return n % side->column.depth;
}

ALWAYS_INLINE unsigned request_line(const struct shape *shape, uint32_t slot) {
    return slot * (shape->lines == TWO_RINGS ? LINE : SLOT);
}

ALWAYS_INLINE unsigned response_line(const struct shape *shape, uint32_t slot) {
    if (shape->lines == TWO_RINGS) return RESPONSE_RING + slot * LINE;
    return slot * SLOT + (shape->lines == TWO_LINES ? LINE : 0);
}

// How many messages are published or taken together.
ALWAYS_INLINE uint32_t batch_of(const struct side *side, const struct shape *shape) {
    uint32_t half = side->column.depth / 2; // the other half is with the peer meanwhile
    return shape->protocol == BARRIER_BATCH && half > 1 ? half : 1;
}

ALWAYS_INLINE void publish(struct side *side, const struct shape *shape, unsigned word,
                           uint32_t state) {
    if (shape->protocol == BARRIER_EACH || shape->protocol == BARRIER_EACH_PLAIN_MARK)
        sipc_exchange_barrier(word_at(side, word), state);
    else
        sipc_store_release(word_at(side, word), state);
}

// Nobody sleeps here; the look is what is paid for.
ALWAYS_INLINE bool look_for_sleepers(const struct side *side, const struct shape *shape,
                                     uint32_t first, uint32_t count, unsigned waiting) {
    bool nobody = true;
    if (shape->protocol == BARRIER_BATCH) atomic_thread_fence(memory_order_seq_cst);
    for (uint32_t n = first; n < first + count; n++)
        nobody &= sipc_load_relaxed(word_at(side, slot_of(side, n) * SLOT + waiting)) == 0;
    return nobody;
}

// The compiler must not see how large the private end is: it would warn of sizes that do not occur.
ALWAYS_INLINE void copy_payload(uint8_t *to, const uint8_t *from, uint32_t size) {
    SIPC_KEEP_BRANCH(to);
    SIPC_KEEP_BRANCH(from);
    sipc_copy_small(to, from, size);
}

// A line's message, with its number as the id; a response bears the complement.
ALWAYS_INLINE void write_message(struct side *side, unsigned line, uint64_t id,
                                 const uint8_t *payload, uint32_t size) {
    copy_payload(side->area + line + PAYLOAD, payload, size);
    memcpy(side->area + line + ID, &id, sizeof id);
}

ALWAYS_INLINE uint64_t read_message(const struct side *side, unsigned line, uint8_t *payload,
                                    uint32_t size) {
    uint64_t id;
    memcpy(&id, side->area + line + ID, sizeof id);
    copy_payload(payload, side->area + line + PAYLOAD, size);
    return id;
}

// ---- Caller ------------------------------------------------------------------------------------

ALWAYS_INLINE bool submit(struct side *side, const struct shape *shape, uint32_t first,
                          uint32_t count) {
    for (uint32_t n = first; n < first + count; n++) {
        unsigned line = request_line(shape, slot_of(side, n));
        write_message(side, line, n, side->requests[n % REQUESTS], side->column.size);
        if (shape->lines != TWO_RINGS)
            publish(side, shape, line + REQUEST_STATE, round_of(side, n));
        else if (shape->protocol != BARRIER_BATCH)
            publish(side, shape, REQUEST_COUNT, n + 1);
    }
    // The counter of a ring is told once for all of a batch.
    if (shape->lines == TWO_RINGS && shape->protocol == BARRIER_BATCH)
        publish(side, shape, REQUEST_COUNT, first + count);
    return look_for_sleepers(side, shape, first, count, RESPONDER_WAITING);
}

// A counter that was read once serves for all that it covers.
ALWAYS_INLINE bool has_come(struct side *side, unsigned state, uint32_t round, unsigned counter,
                            uint32_t n, bool counted, uint32_t *known) {
    if (!counted) return sipc_load_acquire(word_at(side, state)) == round;
    if (*known <= n) *known = sipc_load_acquire(word_at(side, counter));
    return *known > n;
}

ALWAYS_INLINE void ask_ahead(const struct side *side, const struct shape *shape, uint32_t n,
                             bool response) {
    unsigned ahead = response ? shape->caller_asks : shape->worker_asks;
    uint32_t slot = slot_of(side, n + ahead);
    if (ahead != 0)
        SIPC_PREFETCH(side->area +
                      (response ? response_line(shape, slot) : request_line(shape, slot)));
}

ALWAYS_INLINE bool reap(struct side *side, const struct shape *shape, uint32_t first,
                        uint32_t count, uint32_t *known) {
    bool right = true;
    for (uint32_t n = first; n < first + count; n++) {
        unsigned line = response_line(shape, slot_of(side, n));
        ask_ahead(side, shape, n, true);
        while (!has_come(side, line + RESPONSE_STATE, round_of(side, n), RESPONSE_COUNT, n,
                         shape->lines == TWO_RINGS, known))
            sipc_pause();
        right &= read_message(side, line, side->response, side->column.size) == ~(uint64_t)n;
        right &= is_echo(side->requests[n % REQUESTS], side->response);
    }
    return right;
}

ALWAYS_INLINE bool call_all(struct side *side, const struct shape *shape, uint32_t trips) {
    const uint32_t batch = batch_of(side, shape);
    uint32_t reaped = side->generation, submitted = reaped, end = reaped + trips;
    uint32_t known = reaped;
    bool right = true;
    while (submitted < reaped + side->column.depth) {
        right &= submit(side, shape, submitted, batch);
        submitted += batch;
    }
    for (; reaped < end; reaped += batch) {
        right &= reap(side, shape, reaped, batch, &known);
        if (submitted == end) continue;
        right &= submit(side, shape, submitted, batch);
        submitted += batch;
    }
    side->generation = end;
    return right;
}

// A load that spans two stores waits until both are in the cache, behind all lines that were
// stored to before: the handler copies as the library does, unless a variant says otherwise.
static handler_function *volatile echo_in_same_moves = bare_pipeline_echo;

// ---- Worker ------------------------------------------------------------------------------------

struct worker {
    struct side *side;
    const struct shape *shape;
    uint32_t first; // serves requests first, first + step, ... below end
    uint32_t step;
    uint32_t end;
    bool right;
    pthread_t thread;
};

struct taken {
    uint64_t id;
    _Alignas(16) uint8_t request[PAYLOAD_BYTES];
};

ALWAYS_INLINE void mark_started(struct side *side, const struct shape *shape, uint32_t n) {
    sipc_word *mark = word_at(side, STARTED + slot_of(side, n) * 2 * LINE);
    if (shape->protocol == BARRIER_EACH)
        sipc_exchange_barrier(mark, n + 1);
    else
        sipc_store_relaxed(mark, n + 1);
}

ALWAYS_INLINE bool still_stands(const struct side *side, const struct shape *shape, uint32_t n) {
    if (shape->lines == TWO_RINGS) return true;
    unsigned line = request_line(shape, slot_of(side, n));
    return sipc_load_acquire(word_at(side, line + REQUEST_STATE)) == round_of(side, n);
}

// Waits for request n, then takes it and those after it that have come, `most` in all.
ALWAYS_INLINE uint32_t take(struct side *side, const struct shape *shape, uint32_t n, uint32_t most,
                            struct taken *taken, uint32_t *known) {
    uint32_t count = 0, looks = 0;
    while (count < most) {
        unsigned line = request_line(shape, slot_of(side, n + count));
        if (has_come(side, line + REQUEST_STATE, round_of(side, n + count), REQUEST_COUNT,
                     n + count, shape->lines == TWO_RINGS, known)) {
            ask_ahead(side, shape, n + count, false);
            taken[count].id = read_message(side, line, taken[count].request, side->column.size);
            mark_started(side, shape, n + count);
            count++;
        } else if (count > 0) {
            break;
        } else {
            sipc_pause();
            if (shape->worker_for_each_slot && ++looks % 50 == 0) sched_yield();
        }
    }
    return count;
}

ALWAYS_INLINE bool answer(struct side *side, const struct shape *shape, uint32_t n, uint32_t count,
                          const struct taken *taken) {
    bool right = true;
    for (uint32_t i = 0; i < count; i++) {
        _Alignas(16) uint8_t response[PAYLOAD_BYTES];
        unsigned line = response_line(shape, slot_of(side, n + i));
        right &= taken[i].id == n + i && still_stands(side, shape, n + i);
        (shape->memcpy_handler ? side->handler : echo_in_same_moves)(taken[i].request, response,
                                                                     side->column.size);
        write_message(side, line, ~taken[i].id, response, side->column.size);
        if (shape->lines != TWO_RINGS)
            publish(side, shape, line + RESPONSE_STATE, round_of(side, n + i));
        else if (shape->protocol != BARRIER_BATCH)
            publish(side, shape, RESPONSE_COUNT, n + i + 1);
    }
    if (shape->lines == TWO_RINGS && shape->protocol == BARRIER_BATCH)
        publish(side, shape, RESPONSE_COUNT, n + count);
    return right && look_for_sleepers(side, shape, n, count, CALLER_WAITING);
}

ALWAYS_INLINE bool serve(struct worker *worker, const struct shape *shape) {
    struct side *side = worker->side;
    const uint32_t batch = worker->step == 1 ? batch_of(side, shape) : 1;
    struct taken taken[MOST_IN_FLIGHT];
    uint32_t known = 0;
    bool right = true;
    for (uint32_t n = worker->first; n < worker->end;) {
        uint32_t most = n + batch <= worker->end ? batch : worker->end - n;
        uint32_t count = take(side, shape, n, most, taken, &known);
        // One fence for all marks of a batch, before all second looks.
        if (shape->protocol == BARRIER_BATCH) atomic_thread_fence(memory_order_seq_cst);
        right &= answer(side, shape, n, count, taken);
        n += count * worker->step;
    }
    return right;
}

// ---- Windows -----------------------------------------------------------------------------------

static inline bool serve_in_threads(struct side *side, uint32_t trips, void *(*run)(void *)) {
    static struct worker workers[MOST_IN_FLIGHT];
    const uint32_t depth = side->column.depth;
    bool right = true;
    for (uint32_t i = 0; i < depth; i++) {
        workers[i] = (struct worker){.side = side, .first = i, .step = depth, .end = trips};
        if (pthread_create(&workers[i].thread, NULL, run, &workers[i]) != 0) return false;
    }
    for (uint32_t i = 0; i < depth; i++) {
        pthread_join(workers[i].thread, NULL);
        right &= workers[i].right;
    }
    return right;
}

#define DEFINE_PIPELINE(name, title, ...)                                                          \
    static const struct shape name##_shape = {__VA_ARGS__};                                        \
    static bool name##_host(struct side *side, uint32_t trips) {                                   \
        return call_all(side, &name##_shape, trips);                                               \
    }                                                                                              \
    static void *name##_worker(void *argument) {                                                   \
        struct worker *worker = argument;                                                          \
        worker->right = serve(worker, &name##_shape);                                              \
        return NULL;                                                                               \
    }                                                                                              \
    static bool name##_guest(struct side *side, uint32_t trips) {                                  \
        struct worker all = {.side = side, .step = 1, .end = trips};                               \
        if (name##_shape.worker_for_each_slot)                                                     \
            return serve_in_threads(side, trips, name##_worker);                                   \
        name##_worker(&all);                                                                       \
        return all.right;                                                                          \
    }

#define LIST_PIPELINE(name, title, ...) {title, name##_host, name##_guest, NULL, NULL, false},

#endif
