// SPDX-License-Identifier: Apache-2.0
// The library's exchange (docs/spec/protocol.md, section 4) without its errors, cancelling and
// deaths: the same lines, words, barriers and checks, with the library's own atomics and copies. A
// shape says what a variant does in another way; its constants fold away when it is inlined, so a
// variant pays for its own branches only.
#ifndef SIMPLEIPC_EXPERIMENTS_EXCHANGE_H
#define SIMPLEIPC_EXPERIMENTS_EXCHANGE_H

#include "bare.h"
#include "bare_limit.h"
#include "copy.h"
#include "membarrier.h"
#include "study.h"

// How a state is published before the look at the peer's waiting word. A plain store leaves the
// barrier between the two to the sleeper, who makes every processor of the kind named execute one.
enum publishing {
    BY_EXCHANGE, // the library's
    BY_STORE_AND_FENCE,
    BY_STORE_GLOBAL_BARRIER,
    BY_STORE_PRIVATE_BARRIER // wrong between processes: see publish()
};

// Where a side says that it sleeps.
enum waiting {
    WAITING_OF_CALLER_IN_OWN_LINE, // the library's; the responder's in the responder line
    WAITING_IN_RESPONDER_LINE,     // both
    WAITING_BESIDE_OWN_STATE,      // the caller's in the turn line
    WAITING_IN_OWN_LINE,           // each word in a line of its own
    WAITING_BIT_OF_OWN_STATE,      // a flag of the state word that the sleeper writes
    WAITING_BIT_OF_PEER_STATE      // a flag that the sleeper puts into the word that it waits for
};

enum copying {
    COPY_LIBRARY, // inlined moves up to 256 bytes, memcpy above
    COPY_MEMCPY,
    COPY_MEMCPY_OF_KNOWN_BOUND, // the compiler sees that the size is at most LARGEST_PAYLOAD
    COPY_INLINED_TO_64,
    COPY_INLINED_TO_1024,
    COPY_WORDS, // a loop of 8 bytes a turn
    COPY_REP_MOVSB
};

// What a side asks for ahead.
enum {
    PREFETCH_REQUEST = 1,          // responder, before the mark: as much as the last one had
    PREFETCH_REQUEST_LINE = 2,     // the same, but only the first line
    PREFETCH_RESPONSE_TO_READ = 4, // caller, after publishing
    PREFETCH_RESPONSE_TO_WRITE = 8,
    PREFETCH_REQUEST_TO_WRITE = 16, // caller, after reading the response
};

struct shape {
    unsigned turn_line; // offsets in the area
    unsigned responder_line;
    unsigned response;
    unsigned request;
    unsigned tiny_rest; // pauses of the caller before its first look, after a tiny request
    unsigned rest;      // and after another
    unsigned responder_rest;
    unsigned interval; // pauses between two looks
    unsigned responder_interval;
    unsigned prefetch;
    enum publishing publishing;
    enum waiting waiting;
    enum copying copying;
    bool private_response;  // the handler writes to private memory, and the response is copied from
                            // there
    bool tiny_read_by_size; // the responder copies what is there, not all of the 48 bytes
};

// The library's lines with buffers of the same offset modulo 4096, as its default capacity gives.
#define LIBRARY_PLACES .turn_line = 0, .responder_line = 64, .response = 128, .request = 8192 + 128
#define LIBRARY_PAUSES .tiny_rest = 2, .interval = 1, .responder_interval = 1
#define LIBRARY LIBRARY_PLACES, LIBRARY_PAUSES, .prefetch = PREFETCH_REQUEST

#define ALWAYS_INLINE SIPC_ALWAYS_INLINE

enum {
    LINE = 64,
    CALLER_STATE = 0, // in the turn line
    TINY_STATE = 4,
    ID = 8, // of a tiny message with its size
    SIZE = 16,
    MESSAGE = 20,
    FLAGS = 24,
    TINY_PAYLOAD = 16,
    WAITING_IN_TURN_LINE = 60, // no room for it beside a payload of 48 bytes
    RESPONDER_STATE = 0,       // in the responder line; id, size and message as above
    RESPONDER_WAITING = 4,
    STATUS = 24,
    CALLER_WAITING = 28,
    CALLER_WAITING_LINE = 24576, // far from all else
    RESPONDER_WAITING_LINE = 24576 + 128,
    STARTED = 28672,
    TINY_CAPACITY = 48,
    NORMAL_MESSAGE = 1,
};

// A state: the generation, and these flags below it.
enum { TINY = 1, WAITS = 2, GENERATION_SHIFT = 2 };

static inline sipc_word *word_at(const struct side *side, unsigned offset) {
    return (sipc_word *)(void *)(side->area + offset);
}

static inline uint32_t *plain32_at(const struct side *side, unsigned offset) {
    return (uint32_t *)(void *)(side->area + offset);
}

static inline uint64_t *plain64_at(const struct side *side, unsigned offset) {
    return (uint64_t *)(void *)(side->area + offset);
}

ALWAYS_INLINE void pauses(unsigned count) {
    for (unsigned i = 0; i < count; i++) sipc_pause();
}

ALWAYS_INLINE uint32_t state_of(uint32_t generation, bool tiny) {
    return generation << GENERATION_SHIFT | (tiny ? TINY : 0);
}

ALWAYS_INLINE bool is_of(uint32_t state, uint32_t generation) {
    return state >> GENERATION_SHIFT == generation;
}

// ---- Copies ------------------------------------------------------------------------------------

ALWAYS_INLINE void copy_words(uint8_t *to, const uint8_t *from, uint32_t size) {
    uint32_t done = 0;
    for (; done + 8 <= size; done += 8) {
        memcpy(to + done, from + done, 8);
        __asm__ volatile("" ::: "memory"); // or the compiler would make it wider
    }
    if (done != size) memcpy(to + size - 8, from + size - 8, 8);
}

ALWAYS_INLINE void copy_rep_movsb(uint8_t *to, const uint8_t *from, uint32_t size) {
#if defined(__x86_64__)
    size_t count = size;
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(count)::"memory");
#else
    memcpy(to, from, size);
#endif
}

ALWAYS_INLINE void copy_up_to(uint32_t limit, uint8_t *to, const uint8_t *from, uint32_t size) {
    SIPC_KEEP_BRANCH(size);
    if (size <= limit)
        sipc_copy_small(to, from, size);
    else
        memcpy(to, from, size);
}

ALWAYS_INLINE void copy(const struct shape *shape, void *to, const void *from, uint32_t size) {
    switch (shape->copying) {
    case COPY_MEMCPY:
        SIPC_KEEP_BRANCH(size);
        memcpy(to, from, size);
        break;
    case COPY_MEMCPY_OF_KNOWN_BOUND:
        if (size <= LARGEST_PAYLOAD) memcpy(to, from, size);
        break;
    case COPY_INLINED_TO_64:
        copy_up_to(64, to, from, size);
        break;
    case COPY_INLINED_TO_1024:
        copy_up_to(1024, to, from, size);
        break;
    case COPY_WORDS:
        copy_words(to, from, size);
        break;
    case COPY_REP_MOVSB:
        copy_rep_movsb(to, from, size);
        break;
    case COPY_LIBRARY:
    default:
        sipc_copy(to, from, size);
        break;
    }
}

ALWAYS_INLINE void copy_tiny(const struct shape *shape, void *to, const void *from, uint32_t size) {
    if (shape->copying == COPY_LIBRARY)
        sipc_copy_small(to, from, size);
    else
        copy(shape, to, from, size);
}

ALWAYS_INLINE void prefetch_lines(const struct side *side, unsigned offset, uint32_t size,
                                  bool to_write) {
    for (uint32_t done = 0; done < size && done < 512; done += LINE) {
        if (to_write)
            __builtin_prefetch(side->area + offset + done, 1, 3);
        else
            __builtin_prefetch(side->area + offset + done, 0, 3);
    }
}

// ---- Publishing and sleeping -------------------------------------------------------------------

enum role { CALLER, RESPONDER };

ALWAYS_INLINE unsigned waiting_word(const struct shape *shape, enum role role) {
    if (shape->waiting == WAITING_IN_OWN_LINE)
        return role == CALLER ? CALLER_WAITING_LINE : RESPONDER_WAITING_LINE;
    if (role == RESPONDER) return shape->responder_line + RESPONDER_WAITING;
    if (shape->waiting == WAITING_OF_CALLER_IN_OWN_LINE) return CALLER_WAITING_LINE;
    return shape->waiting == WAITING_BESIDE_OWN_STATE ? shape->turn_line + WAITING_IN_TURN_LINE
                                                      : shape->responder_line + CALLER_WAITING;
}

// The word that bears the flag of a side, if it is one of its own state.
ALWAYS_INLINE unsigned own_state(const struct shape *shape, enum role role) {
    return role == CALLER ? shape->turn_line + CALLER_STATE
                          : shape->responder_line + RESPONDER_STATE;
}

// Returns what the word showed before, as far as that matters. A private barrier reaches the
// threads of one process only: with it a wake-up would be lost now and then, so that windows that
// sleep keep the exchange, and tell no more than the price of the sleeper's call.
ALWAYS_INLINE uint32_t publish_word(const struct shape *shape, sipc_word *word, uint32_t state,
                                    bool asleep) {
    if (shape->publishing == BY_EXCHANGE ||
        (asleep && shape->publishing == BY_STORE_PRIVATE_BARRIER))
        return sipc_exchange_barrier(word, state);
    sipc_store_release(word, state);
    if (shape->publishing == BY_STORE_AND_FENCE)
        atomic_thread_fence(memory_order_seq_cst);
    else
        atomic_signal_fence(memory_order_seq_cst);
    return 0;
}

// So long that the peer sleeps when it is over.
static inline void linger(const struct side *side) {
    uint64_t end = bare_now_ns() + side->column.linger;
    while (side->column.linger != 0 && bare_now_ns() < end) sipc_pause();
}

ALWAYS_INLINE bool sleeps(const struct side *side, const struct shape *shape, enum role peer,
                          uint32_t replaced) {
    if (shape->waiting == WAITING_BIT_OF_PEER_STATE) return replaced & WAITS;
    if (shape->waiting == WAITING_BIT_OF_OWN_STATE)
        return sipc_load_relaxed(word_at(side, own_state(shape, peer))) & WAITS;
    return sipc_load_relaxed(word_at(side, waiting_word(shape, peer))) != 0;
}

ALWAYS_INLINE void publish(struct side *side, const struct shape *shape, enum role role,
                           unsigned word, uint32_t state, bool asleep) {
    if (asleep) linger(side);
    uint32_t replaced = publish_word(shape, word_at(side, word), state, asleep);
    if (SIPC_UNLIKELY(sleeps(side, shape, role == CALLER ? RESPONDER : CALLER, replaced)))
        bare_futex_wake(plain32_at(side, word));
}

// Says that this side sleeps, before its last look. Returns what the watched word showed then.
static inline uint32_t announce(struct side *side, const struct shape *shape, enum role role,
                                sipc_word *watched, uint32_t generation) {
    sipc_word *own = word_at(side, own_state(shape, role));
    uint32_t seen = sipc_load_acquire(watched);
    if (shape->waiting == WAITING_BIT_OF_PEER_STATE) {
        while (!is_of(seen, generation) && !sipc_compare_exchange(watched, &seen, seen | WAITS)) {
        }
        return is_of(seen, generation) ? seen : seen | WAITS;
    }
    if (shape->waiting == WAITING_BIT_OF_OWN_STATE)
        sipc_exchange_barrier(own, sipc_load_relaxed(own) | WAITS);
    else
        sipc_exchange_barrier(word_at(side, waiting_word(shape, role)), 1);
    if (shape->publishing == BY_STORE_GLOBAL_BARRIER) membarrier_global();
    if (shape->publishing == BY_STORE_PRIVATE_BARRIER) membarrier_private();
    return sipc_load_acquire(watched);
}

static inline void awake(struct side *side, const struct shape *shape, enum role role) {
    sipc_word *own = word_at(side, own_state(shape, role));
    if (shape->waiting == WAITING_BIT_OF_OWN_STATE)
        sipc_store_relaxed(own, sipc_load_relaxed(own) & ~(uint32_t)WAITS);
    else if (shape->waiting != WAITING_BIT_OF_PEER_STATE)
        sipc_store_relaxed(word_at(side, waiting_word(shape, role)), 0);
}

static inline uint32_t sleep_until(struct side *side, const struct shape *shape, enum role role,
                                   unsigned word, uint32_t generation) {
    uint32_t state;
    while (!is_of(state = announce(side, shape, role, word_at(side, word), generation), generation))
        bare_futex_wait(plain32_at(side, word), state, NULL);
    awake(side, shape, role);
    return state;
}

ALWAYS_INLINE uint32_t await(struct side *side, const struct shape *shape, enum role role,
                             unsigned word, uint32_t generation, unsigned rest, bool asleep) {
    if (asleep) return sleep_until(side, shape, role, word, generation);
    pauses(rest);
    for (;;) {
        uint32_t state = sipc_load_acquire(word_at(side, word));
        if (SIPC_LIKELY(is_of(state, generation))) return state;
        pauses(role == CALLER ? shape->interval : shape->responder_interval);
    }
}

// ---- Caller ------------------------------------------------------------------------------------

ALWAYS_INLINE uint64_t request_id(const struct side *side) {
    return (uint64_t)side->generation << 7;
}

ALWAYS_INLINE void write_request(struct side *side, const struct shape *shape, const void *request,
                                 uint32_t size, bool tiny) {
    unsigned line = shape->turn_line;
    if (tiny) {
        copy_tiny(shape, side->area + line + TINY_PAYLOAD, request, size);
        *plain64_at(side, line + ID) = request_id(side) | size;
        return;
    }
    copy(shape, side->area + shape->request, request, size);
    *plain32_at(side, line + SIZE) = size;
    *plain32_at(side, line + MESSAGE) = NORMAL_MESSAGE;
    *plain32_at(side, line + FLAGS) = 0;
    *plain64_at(side, line + ID) = request_id(side);
}

ALWAYS_INLINE bool read_tiny_response(struct side *side, const struct shape *shape,
                                      void *response) {
    const uint64_t id = ~*(const volatile uint64_t *)plain64_at(side, shape->turn_line + ID);
    const uint64_t size = id ^ request_id(side);
    if (size > TINY_CAPACITY) return false;
    copy_tiny(shape, response, side->area + shape->turn_line + TINY_PAYLOAD, (uint32_t)size);
    return size == side->column.size;
}

ALWAYS_INLINE bool read_response(struct side *side, const struct shape *shape, void *response) {
    unsigned line = shape->responder_line;
    const uint64_t id = *plain64_at(side, line + ID);
    const uint32_t size =
        sipc_confirm_size(&side->last_response_size, *plain32_at(side, line + SIZE));
    if (id != request_id(side) || size > LARGEST_PAYLOAD ||
        *plain32_at(side, line + MESSAGE) != NORMAL_MESSAGE ||
        *plain32_at(side, line + STATUS) != 0)
        return false;
    copy(shape, response, side->area + shape->response, size);
    return size == side->column.size;
}

ALWAYS_INLINE bool call_sized(struct side *side, const struct shape *shape, const void *request,
                              bool tiny, bool asleep) {
    uint32_t size = side->column.size;
    uint32_t generation = ++side->generation;
    write_request(side, shape, request, size, tiny);
    publish(side, shape, CALLER, shape->turn_line + CALLER_STATE, state_of(generation, tiny),
            asleep);
    if (!tiny && (shape->prefetch & PREFETCH_RESPONSE_TO_READ))
        prefetch_lines(side, shape->response, size, false);
    unsigned word = tiny ? shape->turn_line + TINY_STATE : shape->responder_line + RESPONDER_STATE;
    await(side, shape, CALLER, word, generation, tiny ? shape->tiny_rest : shape->rest, asleep);
    bool right = tiny ? read_tiny_response(side, shape, side->response)
                      : read_response(side, shape, side->response);
    if (!tiny && (shape->prefetch & PREFETCH_REQUEST_TO_WRITE))
        prefetch_lines(side, shape->request, size, true);
    return right && is_echo(request, side->response);
}

// ---- Responder ---------------------------------------------------------------------------------

ALWAYS_INLINE bool mark_started(struct side *side, const struct shape *shape, uint32_t state,
                                bool asleep) {
    publish_word(shape, word_at(side, STARTED), state, asleep);
    uint32_t now = sipc_load_acquire(word_at(side, shape->turn_line + CALLER_STATE));
    return is_of(now, state >> GENERATION_SHIFT);
}

ALWAYS_INLINE bool serve_tiny(struct side *side, const struct shape *shape, uint32_t state,
                              bool asleep) {
    unsigned line = shape->turn_line;
    _Alignas(16) uint8_t request[TINY_CAPACITY];
    const uint64_t id = *plain64_at(side, line + ID);
    const uint32_t size = (uint32_t)id & 63;
    if (size > TINY_CAPACITY) return false;
    const uint8_t *payload = side->area + line + TINY_PAYLOAD;
    SIPC_KEEP_BRANCH(payload);
    if (shape->tiny_read_by_size)
        copy_tiny(shape, request, payload, size);
    else
        memcpy(request, payload, TINY_CAPACITY); // of a known size: three moves of 16 bytes
    if (!mark_started(side, shape, state, asleep)) return false;
    uint8_t *response = side->area + shape->response;
    side->handler(request, response, size);
    copy_tiny(shape, side->area + line + TINY_PAYLOAD, response, size);
    *plain64_at(side, line + ID) = ~id;
    publish(side, shape, RESPONDER, line + TINY_STATE, state_of(side->generation, true), asleep);
    return true;
}

ALWAYS_INLINE bool serve_larger(struct side *side, const struct shape *shape, uint32_t state,
                                bool asleep) {
    const unsigned turn = shape->turn_line, line = shape->responder_line;
    if (shape->prefetch & PREFETCH_REQUEST)
        prefetch_lines(side, shape->request, side->last_request_size, false);
    if (shape->prefetch & PREFETCH_REQUEST_LINE) prefetch_lines(side, shape->request, LINE, false);
    const uint64_t id = *plain64_at(side, turn + ID);
    const uint32_t message = *plain32_at(side, turn + MESSAGE);
    const uint32_t size =
        sipc_confirm_size(&side->last_request_size, *plain32_at(side, turn + SIZE));
    if (shape->prefetch & PREFETCH_RESPONSE_TO_WRITE)
        prefetch_lines(side, shape->response, size, true);
    if (!mark_started(side, shape, state, asleep) || size > LARGEST_PAYLOAD ||
        message != NORMAL_MESSAGE || *plain32_at(side, turn + FLAGS) != 0)
        return false;
    if (shape->private_response) {
        side->handler(side->area + shape->request, side->response, size);
        copy(shape, side->area + shape->response, side->response, size);
    } else {
        side->handler(side->area + shape->request, side->area + shape->response, size);
    }
    *plain64_at(side, line + ID) = id;
    *plain32_at(side, line + SIZE) = size;
    *plain32_at(side, line + MESSAGE) = message;
    *plain32_at(side, line + STATUS) = 0;
    publish(side, shape, RESPONDER, line + RESPONDER_STATE, state_of(side->generation, false),
            asleep);
    return true;
}

ALWAYS_INLINE bool serve(struct side *side, const struct shape *shape, bool asleep) {
    uint32_t generation = ++side->generation;
    uint32_t state = await(side, shape, RESPONDER, shape->turn_line + CALLER_STATE, generation,
                           shape->responder_rest, asleep);
    if (state & TINY) return serve_tiny(side, shape, state, asleep);
    return serve_larger(side, shape, state, asleep);
}

// ---- Windows -----------------------------------------------------------------------------------

ALWAYS_INLINE bool call_all(struct side *side, const struct shape *shape, uint32_t trips, bool tiny,
                            bool asleep) {
    bool right = true;
    for (uint32_t i = 0; i < trips; i++)
        right &= call_sized(side, shape, side->requests[i % REQUESTS], tiny, asleep);
    return right;
}

ALWAYS_INLINE bool serve_all(struct side *side, const struct shape *shape, uint32_t trips,
                             bool asleep) {
    bool right = true;
    for (uint32_t i = 0; i < trips; i++) right &= serve(side, shape, asleep);
    return right;
}

#define DEFINE_EXCHANGE(name, title, ...)                                                          \
    static const struct shape name##_shape = {__VA_ARGS__};                                        \
    static bool name##_host(struct side *side, uint32_t trips) {                                   \
        bool tiny = side->column.size <= TINY_CAPACITY;                                            \
        if (side->column.asleep)                                                                   \
            return tiny ? call_all(side, &name##_shape, trips, true, true)                         \
                        : call_all(side, &name##_shape, trips, false, true);                       \
        return tiny ? call_all(side, &name##_shape, trips, true, false)                            \
                    : call_all(side, &name##_shape, trips, false, false);                          \
    }                                                                                              \
    static bool name##_guest(struct side *side, uint32_t trips) {                                  \
        return side->column.asleep ? serve_all(side, &name##_shape, trips, true)                   \
                                   : serve_all(side, &name##_shape, trips, false);                 \
    }

#define LIST_EXCHANGE(name, title, ...) {title, name##_host, name##_guest, NULL, NULL, false},

#endif
