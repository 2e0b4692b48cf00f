// SPDX-License-Identifier: Apache-2.0
// The candidates: layouts that carry everything the protocol needs (ids, sizes, deadline, status,
// WAITING, the started mark). One function for each role; a shape's constants fold away when it is
// inlined, so a variant pays for its own branches only.
#ifndef LAYOUT_PROTOCOL_LAYOUTS_H
#define LAYOUT_PROTOCOL_LAYOUTS_H

#include "exchange.h"

enum publish { PUBLISH_EXCHANGE, PUBLISH_STORE_AND_FENCE, PUBLISH_STORE };
enum tiny { TINY_NEVER, TINY_IN_WRITERS_LINE, TINY_IN_SHARED_LINE, ALL_STATE_IN_SHARED_LINE };

struct protocol_shape {
    enum tiny tiny;
    unsigned caller_line;
    unsigned responder_line;
    unsigned request;
    unsigned response;
    unsigned pauses;       // pause instructions between two looks
    unsigned inline_limit; // sizes up to this are copied by inlined moves, not by memcpy
    enum publish publish;
    bool no_started_mark;
    bool mark_first;        // the started mark before the request is copied, not after it
    unsigned guess_from;    // from this size on, copy by a guess that a branch confirms
    bool fields_first;      // message fields before the payload, not after it
    bool fields_in_buffer;  // message fields at the head of the buffer, not in the polled line
    bool watch_both;        // the caller always looks at both responder words
    bool prefetch_response; // the responder asks for the lines it will write
    bool prefetch_request;  // the caller asks for the lines it will write next
};

// Offsets inside a caller's or responder's line. In the shared-line shapes the message fields of
// the caller's line belong to whoever holds the turn; each state and WAITING word keeps its one
// writer, and both WAITING words stand in the responder's line, out of the one that migrates.
enum {
    STATE = 0,
    WAITING = 4,
    SHARED_RESPONDER_STATE = 4, // in the caller's line
    MESSAGE_ID = 8,
    MESSAGE_SIZE = 16,
    MESSAGE_KIND = 20,
    MESSAGE_DEADLINE = 24,      // of a request
    MESSAGE_STATUS = 24,        // of a response
    SHARED_CALLER_WAITING = 28, // in the responder's line
    TINY_PAYLOAD = 32,
    TINY_CAPACITY = 32,
    OWNER_LINE = 24576, // the started mark, far from all else
    KIND_USER = 128,
    STATUS_OK = 0,
};

static ALWAYS_INLINE uint32_t get32(const struct side *side, unsigned offset) {
    uint32_t value;
    memcpy(&value, side->area + offset, sizeof value);
    return value;
}

static ALWAYS_INLINE uint64_t get64(const struct side *side, unsigned offset) {
    uint64_t value;
    memcpy(&value, side->area + offset, sizeof value);
    return value;
}

static ALWAYS_INLINE void put32(struct side *side, unsigned offset, uint32_t value) {
    memcpy(side->area + offset, &value, sizeof value);
}

static ALWAYS_INLINE void put64(struct side *side, unsigned offset, uint64_t value) {
    memcpy(side->area + offset, &value, sizeof value);
}

static ALWAYS_INLINE void prefetch_for_write(const struct side *side, unsigned offset,
                                             uint32_t size) {
    for (uint32_t i = 0; i < size; i += LINE) {
        __builtin_prefetch(side->area + offset + i, 1, 3);
    }
}

static void wake(struct side *side, unsigned word) {
    put32(side, word, 0); // not reached here: nobody sleeps in this study
}

// Publish, then look at the peer's WAITING: sequentially consistent order between the two is what
// a sleeper relies on, unless it pays for the barrier itself (PUBLISH_STORE: asymmetric barriers).
static ALWAYS_INLINE void publish(struct side *side, const struct protocol_shape *shape,
                                  unsigned word, uint32_t value, unsigned peer_waiting) {
    if (shape->publish == PUBLISH_EXCHANGE) {
        atomic_exchange_explicit(word_at(side, word), value, memory_order_seq_cst);
    } else {
        atomic_store_explicit(word_at(side, word), value, memory_order_release);
        if (shape->publish == PUBLISH_STORE_AND_FENCE) {
            atomic_thread_fence(memory_order_seq_cst);
        }
    }
    if (atomic_load_explicit(word_at(side, peer_waiting), memory_order_relaxed) != 0) {
        wake(side, peer_waiting);
    }
}

// A state word: the generation, and in the lowest bit whether the message is a tiny one.
static ALWAYS_INLINE uint32_t state_of(uint32_t generation, bool tiny) {
    return generation << 1 | tiny;
}

static ALWAYS_INLINE uint32_t look(const struct side *side, unsigned word) {
    return atomic_load_explicit(word_at(side, word), memory_order_acquire);
}

static ALWAYS_INLINE bool has_shared_line(const struct protocol_shape *shape) {
    return shape->tiny >= TINY_IN_SHARED_LINE;
}

static ALWAYS_INLINE bool fits(const struct protocol_shape *shape, uint32_t size) {
    return shape->tiny != TINY_NEVER && size <= TINY_CAPACITY;
}

// Where a message's fields and payload stand, given its writer's line and buffer.
static ALWAYS_INLINE unsigned fields_at(const struct protocol_shape *shape, unsigned line,
                                        unsigned buffer, bool tiny) {
    return shape->fields_in_buffer && !tiny ? buffer : line;
}

static ALWAYS_INLINE unsigned payload_at(const struct protocol_shape *shape, unsigned line,
                                         unsigned buffer, bool tiny) {
    if (tiny) {
        unsigned inside = line + TINY_PAYLOAD;
        // Keeps the compiler from a conditional move: the address must not wait for the state.
        __asm__ volatile("" : "+r"(inside));
        return inside;
    }
    return buffer + (shape->fields_in_buffer ? TINY_PAYLOAD : 0);
}

// The size that the peer wrote, by way of a branch: the processor goes on with the private guess
// before the line has arrived, so the payload's miss overlaps the word's. Nothing is gained for a
// tiny payload, which stands in the word's line.
static ALWAYS_INLINE uint32_t confirmed_size(struct side *side, const struct protocol_shape *shape,
                                             bool tiny, uint32_t actual) {
    uint32_t last = side->last_size;
    uint32_t guess = last;
    __asm__("" : "+r"(guess)); // or the compiler would see guess == actual and use `actual`
    if (!tiny && last >= shape->guess_from && last == actual) {
        return guess;
    }
    side->last_size = actual;
    return actual;
}

static ALWAYS_INLINE uint32_t capacity(bool tiny) {
    return tiny ? TINY_CAPACITY : MAX_PAYLOAD;
}

// ---- caller ------------------------------------------------------------------------------------

static ALWAYS_INLINE void write_request_fields(struct side *side, unsigned fields, uint32_t size) {
    put64(side, fields + MESSAGE_ID, ++side->id);
    put32(side, fields + MESSAGE_SIZE, size);
    put32(side, fields + MESSAGE_KIND, KIND_USER);
    put64(side, fields + MESSAGE_DEADLINE, UINT64_MAX);
}

static ALWAYS_INLINE void write_request(struct side *side, const struct protocol_shape *shape,
                                        const void *request, uint32_t size) {
    bool tiny = fits(shape, size);
    unsigned fields = fields_at(shape, shape->caller_line, shape->request, tiny);
    unsigned payload = payload_at(shape, shape->caller_line, shape->request, tiny);
    if (shape->fields_first) {
        write_request_fields(side, fields, size);
        atomic_signal_fence(memory_order_seq_cst); // in this order in the machine code, too
    }
    copy_bytes(shape->inline_limit, side->area + payload, request, size);
    if (!shape->fields_first) {
        atomic_signal_fence(memory_order_seq_cst);
        write_request_fields(side, fields, size);
    }
}

// Spins on the responder's word in its own line, in the shared one, or in both.
static ALWAYS_INLINE uint32_t await_response(struct side *side, const struct protocol_shape *shape,
                                             bool own, bool in_shared, bool *found_in_shared) {
    for (;;) {
        uint32_t state;
        *found_in_shared = true;
        if (in_shared && (state = look(side, shape->caller_line + SHARED_RESPONDER_STATE)) >> 1 ==
                             side->generation) {
            return state;
        }
        *found_in_shared = false;
        if (own && (state = look(side, shape->responder_line + STATE)) >> 1 == side->generation) {
            return state;
        }
        relax(shape->pauses);
    }
}

static ALWAYS_INLINE bool read_response(struct side *side, const struct protocol_shape *shape,
                                        unsigned line, uint64_t id, bool tiny, void *response,
                                        uint32_t *size) {
    unsigned fields = fields_at(shape, line, shape->response, tiny);
    uint32_t answered = confirmed_size(side, shape, tiny, get32(side, fields + MESSAGE_SIZE));
    if (get64(side, fields + MESSAGE_ID) != id || answered > capacity(tiny) ||
        get32(side, fields + MESSAGE_STATUS) != STATUS_OK) {
        return false;
    }
    unsigned payload = payload_at(shape, line, shape->response, tiny);
    copy_bytes(shape->inline_limit, response, side->area + payload, answered);
    *size = answered;
    return true;
}

// One path for each place of the response, so that no address depends on what the peer wrote.
static ALWAYS_INLINE bool finish_call(struct side *side, const struct protocol_shape *shape,
                                      bool own, bool in_shared, void *response,
                                      uint32_t *answered) {
    bool found_in_shared;
    uint32_t state = await_response(side, shape, own, in_shared, &found_in_shared);
    if (found_in_shared) {
        return read_response(side, shape, shape->caller_line, ~side->id, state & 1, response,
                             answered);
    }
    return read_response(side, shape, shape->responder_line, side->id, state & 1, response,
                         answered);
}

static ALWAYS_INLINE bool protocol_call(struct side *side, const struct protocol_shape *shape,
                                        const void *request, void *response, uint32_t size) {
    bool tiny = fits(shape, size);
    uint32_t answered = 0;
    bool done;
    uint32_t state = state_of(++side->generation, tiny);
    write_request(side, shape, request, size);
    publish(side, shape, shape->caller_line + STATE, state, shape->responder_line + WAITING);
    if (shape->tiny == ALL_STATE_IN_SHARED_LINE) {
        done = finish_call(side, shape, false, true, response, &answered);
    } else if (has_shared_line(shape) && (shape->watch_both || tiny)) {
        done = finish_call(side, shape, true, true, response, &answered);
    } else {
        done = finish_call(side, shape, true, false, response, &answered);
    }
    if (shape->prefetch_request && !tiny) {
        prefetch_for_write(side, shape->request, size);
    }
    return done && answered == size;
}

// ---- responder ---------------------------------------------------------------------------------

static ALWAYS_INLINE bool mark_started(struct side *side, const struct protocol_shape *shape,
                                       uint32_t state) {
    // Full barrier between the mark and the second look: a canceller does the mirror image.
    atomic_exchange_explicit(word_at(side, OWNER_LINE), state >> 1, memory_order_seq_cst);
    return look(side, shape->caller_line + STATE) == state;
}

static ALWAYS_INLINE void write_response_fields(struct side *side, unsigned fields, uint64_t id,
                                                uint32_t size) {
    put64(side, fields + MESSAGE_ID, id);
    put32(side, fields + MESSAGE_SIZE, size);
    put32(side, fields + MESSAGE_KIND, KIND_USER);
    put32(side, fields + MESSAGE_STATUS, STATUS_OK);
}

static ALWAYS_INLINE void write_response(struct side *side, const struct protocol_shape *shape,
                                         uint64_t id, uint32_t size, bool in_shared, bool tiny) {
    unsigned line = in_shared ? shape->caller_line : shape->responder_line;
    unsigned fields = fields_at(shape, line, shape->response, tiny);
    unsigned payload = payload_at(shape, line, shape->response, tiny);
    // In the shared line the request's own id still stands there: only its complement is an answer.
    uint64_t answer_id = in_shared ? ~id : id;
    if (shape->fields_first) {
        write_response_fields(side, fields, answer_id, size);
        atomic_signal_fence(memory_order_seq_cst);
    }
    copy_bytes(shape->inline_limit, side->area + payload, side->response, size);
    if (!shape->fields_first) {
        atomic_signal_fence(memory_order_seq_cst);
        write_response_fields(side, fields, answer_id, size);
    }
    publish(side, shape, line + (in_shared ? SHARED_RESPONDER_STATE : STATE),
            state_of(side->generation, tiny),
            has_shared_line(shape) ? shape->responder_line + SHARED_CALLER_WAITING
                                   : shape->caller_line + WAITING);
}

// Copies the request out and marks it started. False: refused, or cancelled meanwhile; then the
// copy may be torn, and nobody has looked at it.
static ALWAYS_INLINE bool take_request(struct side *side, const struct protocol_shape *shape,
                                       uint32_t state, uint64_t *id, uint32_t *size) {
    bool tiny = state & 1;
    unsigned fields = fields_at(shape, shape->caller_line, shape->request, tiny);
    *size = confirmed_size(side, shape, tiny, get32(side, fields + MESSAGE_SIZE));
    *id = get64(side, fields + MESSAGE_ID);
    bool mark = !shape->no_started_mark;
    if (*size > capacity(tiny) ||
        (mark && shape->mark_first && !mark_started(side, shape, state))) {
        return false;
    }
    if (shape->prefetch_response && !tiny) {
        prefetch_for_write(side, shape->response, *size);
    }
    unsigned payload = payload_at(shape, shape->caller_line, shape->request, tiny);
    copy_bytes(shape->inline_limit, side->request, side->area + payload, *size);
    return !mark || shape->mark_first || mark_started(side, shape, state);
}

static ALWAYS_INLINE bool protocol_serve(struct side *side, const struct protocol_shape *shape) {
    uint32_t generation = ++side->generation;
    uint32_t state, size;
    uint64_t id;
    while ((state = look(side, shape->caller_line + STATE)) >> 1 != generation) {
        relax(shape->pauses);
    }
    if (!take_request(side, shape, state, &id, &size)) {
        return false;
    }
    side->handler(side->request, side->response, size);
    bool tiny_request = state & 1;
    if (shape->tiny == ALL_STATE_IN_SHARED_LINE) {
        write_response(side, shape, id, size, true, fits(shape, size) && tiny_request);
    } else if (shape->tiny == TINY_IN_SHARED_LINE && fits(shape, size) && tiny_request) {
        write_response(side, shape, id, size, true, true);
    } else {
        write_response(side, shape, id, size, false,
                       shape->tiny == TINY_IN_WRITERS_LINE && fits(shape, size));
    }
    return true;
}

#endif
