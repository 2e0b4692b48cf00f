// SPDX-License-Identifier: Apache-2.0
// What stands in shared memory: docs/spec/protocol.md, sections 2, 3, 5 and 6.
#ifndef SIPC_INTERNAL_LAYOUT_H
#define SIPC_INTERNAL_LAYOUT_H

#include <assert.h>
#include <stddef.h>

#include <simpleipc/counters.h>
#include <simpleipc/simpleipc.h>

#include "atomics.h"

#define SIPC_MAGIC UINT64_C(0x4350494C504D4953)
#define SIPC_PROTOCOL_MAJOR 1u
#define SIPC_PROTOCOL_MINOR 0u
#define SIPC_PROTOCOL_VERSION (SIPC_PROTOCOL_MAJOR << 16 | SIPC_PROTOCOL_MINOR)

#define SIPC_LINE_SIZE 64u
#define SIPC_SLOTS_OFFSET 128u
#define SIPC_SLOT_HEADER_SIZE 128u
#define SIPC_SLOT_TAIL_SIZE 1152u
#define SIPC_COUNTERS_SIZE 512u
// Of a tiny message: with the id NORMAL, and of a request with any other.
#define SIPC_TINY_CAPACITY 48u
#define SIPC_TINY_NAMED_CAPACITY 44u
#define SIPC_MAX_SLOTS 65535u
#define SIPC_MAX_CAPACITY 2147483584u
#define SIPC_MAX_NAME 128u
#define SIPC_MAX_GUEST_NAME 40u
#define SIPC_MAX_SOCKET_PATH 107u
#define SIPC_OVERFLOW_USER 65534u

#define SIPC_CLAIM_HOST 0u
#define SIPC_CLAIM_FIRST_SLOT 1u
#define SIPC_CLAIM_NAME 0x40000000u

// A transport id: slot index + 1, count of requests, and in a tiny message what its payload is.
#define SIPC_TRANSPORT_ID_SLOT_SHIFT 48u
#define SIPC_TRANSPORT_ID_COUNT_SHIFT 7u
#define SIPC_TRANSPORT_ID_COUNT_MASK UINT64_C(0x1FFFFFFFFFF)
#define SIPC_TRANSPORT_ID_NAMED 64u
#define SIPC_TRANSPORT_ID_SIZE_MASK 63u
// The low bits, which belong to the message and do not tell requests apart.
#define SIPC_TRANSPORT_ID_MESSAGE_MASK                                                             \
    (uint64_t)(SIPC_TRANSPORT_ID_NAMED | SIPC_TRANSPORT_ID_SIZE_MASK)

struct sipc_exchange_header {
    uint64_t magic;
    sipc_word version;
    uint32_t event_backend;
    uint32_t host_slots;
    uint32_t guest_slots;
    uint32_t request_capacity;
    uint32_t response_capacity;
    uint64_t region_size;
    uint64_t slots_offset;
    uint64_t slot_size;
    uint64_t tail_offset;
};

struct sipc_host_line {
    uint64_t incarnation;
    uint32_t host_pid;
    uint32_t padding;
    uint64_t host_pid_namespace;
    sipc_word closing;
    uint8_t reserved[36];
};

// The plain fields belong to the side whose turn it is, and have one of two forms (spec 2.3).
struct sipc_turn_line {
    sipc_word caller_state;
    sipc_word tiny_state;
    uint64_t transport_id;
    union {
        struct { // a request that is not tiny
            uint32_t size;
            uint32_t message_id;
            uint32_t flags;
        };
        uint8_t tiny_payload[SIPC_TINY_CAPACITY];
        struct { // a tiny request with a message id of its own
            uint8_t tiny_named_payload[SIPC_TINY_NAMED_CAPACITY];
            uint32_t tiny_message_id;
        };
    };
};

struct sipc_responder_line {
    sipc_word state;
    sipc_word waiting;
    uint64_t transport_id;
    uint32_t size;
    uint32_t message_id;
    union {
        struct {
            uint32_t status;
            uint32_t flags;
        };
        uint64_t outcome; // both: mostly 0
    };
    sipc_word attendance;
    uint8_t reserved[28];
};

struct sipc_slot_header {
    struct sipc_turn_line turn;
    struct sipc_responder_line responder;
};

struct sipc_owner_line {
    sipc_word started;
    uint32_t owner_pid;
    uint64_t owner_incarnation;
    uint64_t owner_pid_namespace;
    uint8_t owner_name[SIPC_MAX_GUEST_NAME];
};

struct sipc_annex_line {
    uint64_t deadline;
    uint64_t trace_id;
    sipc_word caller_bell;
    sipc_word responder_bell;
    sipc_word caller_waiting;
    sipc_word addressee;
    uint8_t reserved[32];
};

// Counters (spec 2.6). A histogram has one bucket for all below 2^FIRST_BITS ns, then one for each
// power of two.
#define SIPC_HISTOGRAM_FIRST_BITS 6u // of the public SIPC_HISTOGRAM_BUCKETS
// Exchanges whose generation is a multiple of this are timed.
#define SIPC_SAMPLE_INTERVAL 1024u

// How a side waited: times in ns.
struct sipc_wait_line {
    sipc_counter spin_ns;
    sipc_counter yield_ns;
    sipc_counter sleep_ns;
    sipc_counter sleeps;
};

// What is written with each call stands in one line, with lines that its writer seldom writes on
// either side: no line that the peer writes or reads is next to it.
struct sipc_caller_block {
    sipc_counter round_trip[SIPC_HISTOGRAM_BUCKETS];
    sipc_counter wake[SIPC_HISTOGRAM_BUCKETS];
    sipc_counter handler_failed;
    sipc_counter response_too_large;
    sipc_counter unknown_message;
    sipc_counter timed_out;
    sipc_counter peer_died;
    sipc_counter closed;
    sipc_counter maybe_executed;
    sipc_counter protocol_violated;
    sipc_counter calls;
    sipc_counter request_bytes;
    sipc_counter response_bytes;
    sipc_counter published_at;
    struct sipc_wait_line waits;
};

struct sipc_responder_block {
    sipc_counter handler_failed;
    sipc_counter response_too_large;
    sipc_counter unknown_message;
    sipc_counter bad_request;
    sipc_counter not_executed;
    sipc_counter inherited;
    uint64_t reserved[2];
    sipc_counter requests;
    sipc_counter request_bytes;
    sipc_counter response_bytes;
    sipc_counter answered_at;
    struct sipc_wait_line waits;
    sipc_counter queue[SIPC_HISTOGRAM_BUCKETS];
    sipc_counter service[SIPC_HISTOGRAM_BUCKETS];
};

struct sipc_slot_tail {
    struct sipc_owner_line owner;
    struct sipc_annex_line annex;
    struct sipc_caller_block caller_counters;
    struct sipc_responder_block responder_counters;
};

// The message that hands a sealed region to a guest (spec 12).
struct sipc_handover {
    uint64_t magic;
    uint32_t answer;
    uint32_t reserved;
};

enum sipc_handover_answer {
    SIPC_HANDOVER_GIVEN = 0,
    SIPC_HANDOVER_REFUSED = 1,
};

#define SIPC_GENERATION_SHIFT 3u
#define SIPC_GENERATION_MASK 0x1FFFFFFFu
#define SIPC_CODE_MASK 3u

enum sipc_caller_code {
    SIPC_CODE_IDLE = 0,
    SIPC_CODE_REQUEST = 1,
    SIPC_CODE_CANCELLED = 2,
    SIPC_CODE_CLOSED = 3,
    SIPC_FLAG_TINY = 4,
};

// What a waiting word says (spec 7.1): 0, alone on the slot's own event, or on the bell of slot
// word - SIPC_WAITING_FIRST_LEAD.
enum sipc_waiting { SIPC_WAITING_ALONE = 1, SIPC_WAITING_FIRST_LEAD = 2 };

enum sipc_responder_code {
    SIPC_CODE_NONE = 0,
    SIPC_CODE_RESPONSE = 1,
    SIPC_FLAG_ATTENDED = 4,
};

// Of a request's flags and a response's.
enum sipc_message_flag { SIPC_FLAG_AT_END = 1 };
// The outcome of a response has its status in the low half, its flags in the high one.
#define SIPC_OUTCOME_FLAGS_SHIFT 32u
#define SIPC_OUTCOME_AT_END ((uint64_t)SIPC_FLAG_AT_END << SIPC_OUTCOME_FLAGS_SHIFT)

// The status that a response carries (spec 6).
enum sipc_answer_status {
    SIPC_ANSWER_OK = 0,
    SIPC_ANSWER_HANDLER_FAILED = 1,
    SIPC_ANSWER_RESPONSE_TOO_LARGE = 2,
    SIPC_ANSWER_UNKNOWN_MESSAGE = 3,
    SIPC_ANSWER_BAD_REQUEST = 4,
    SIPC_ANSWER_NOT_EXECUTED = 5,
    SIPC_ANSWER_RESPONDER_DIED = 6,
    SIPC_ANSWER_NOT_ADDRESSED = 7,
};

// Whether a request of this kind is sent as a tiny one. Without the message id its payload may be
// as large as a response's.
static inline bool sipc_request_is_tiny(uint32_t message_id, uint32_t size) {
    return size <= SIPC_TINY_NAMED_CAPACITY ||
           (size <= SIPC_TINY_CAPACITY && message_id == SIPC_MESSAGE_NORMAL);
}

// Where a payload that is AT_END begins in a buffer of this capacity; size is at most that.
static inline uint32_t sipc_offset_at_end(uint32_t capacity, uint32_t size) {
    return sipc_room(capacity) - size;
}

// The id of a request that is not tiny: its low bits are 0.
static inline uint64_t sipc_transport_id(uint32_t slot, uint64_t count) {
    return (slot + UINT64_C(1)) << SIPC_TRANSPORT_ID_SLOT_SHIFT |
           (count & SIPC_TRANSPORT_ID_COUNT_MASK) << SIPC_TRANSPORT_ID_COUNT_SHIFT;
}

// What stands for a responder while it serves a slot (spec 9.2); never 0.
static inline uint32_t sipc_attendance(uint64_t incarnation) {
    return (uint32_t)incarnation | 1u;
}

static inline uint32_t sipc_state(uint32_t generation, uint32_t code) {
    return generation << SIPC_GENERATION_SHIFT | code;
}

static inline uint32_t sipc_state_generation(uint32_t state) {
    return state >> SIPC_GENERATION_SHIFT;
}

static inline uint32_t sipc_state_code(uint32_t state) {
    return state & SIPC_CODE_MASK;
}

// A responder's word without the flag that says whether somebody serves the slot.
static inline uint32_t sipc_state_unattended(uint32_t state) {
    return state & ~(uint32_t)SIPC_FLAG_ATTENDED;
}

#define SIPC_AT(type, field, offset)                                                               \
    static_assert(offsetof(struct type, field) == (offset), #type "." #field)

SIPC_AT(sipc_exchange_header, magic, 0);
SIPC_AT(sipc_exchange_header, version, 8);
SIPC_AT(sipc_exchange_header, event_backend, 12);
SIPC_AT(sipc_exchange_header, host_slots, 16);
SIPC_AT(sipc_exchange_header, guest_slots, 20);
SIPC_AT(sipc_exchange_header, request_capacity, 24);
SIPC_AT(sipc_exchange_header, response_capacity, 28);
SIPC_AT(sipc_exchange_header, region_size, 32);
SIPC_AT(sipc_exchange_header, slots_offset, 40);
SIPC_AT(sipc_exchange_header, slot_size, 48);
SIPC_AT(sipc_exchange_header, tail_offset, 56);
SIPC_AT(sipc_host_line, incarnation, 0);
SIPC_AT(sipc_host_line, host_pid, 8);
SIPC_AT(sipc_host_line, host_pid_namespace, 16);
SIPC_AT(sipc_host_line, closing, 24);
SIPC_AT(sipc_turn_line, caller_state, 0);
SIPC_AT(sipc_turn_line, tiny_state, 4);
SIPC_AT(sipc_turn_line, transport_id, 8);
SIPC_AT(sipc_turn_line, size, 16);
SIPC_AT(sipc_turn_line, message_id, 20);
SIPC_AT(sipc_turn_line, flags, 24);
SIPC_AT(sipc_turn_line, tiny_payload, 16);
SIPC_AT(sipc_turn_line, tiny_message_id, 60);
SIPC_AT(sipc_slot_header, responder.state, 64);
SIPC_AT(sipc_slot_header, responder.waiting, 68);
SIPC_AT(sipc_slot_header, responder.transport_id, 72);
SIPC_AT(sipc_slot_header, responder.size, 80);
SIPC_AT(sipc_slot_header, responder.message_id, 84);
SIPC_AT(sipc_slot_header, responder.status, 88);
SIPC_AT(sipc_slot_header, responder.flags, 92);
SIPC_AT(sipc_slot_header, responder.attendance, 96);
SIPC_AT(sipc_slot_tail, owner.started, 0);
SIPC_AT(sipc_slot_tail, owner.owner_pid, 4);
SIPC_AT(sipc_slot_tail, owner.owner_incarnation, 8);
SIPC_AT(sipc_slot_tail, owner.owner_pid_namespace, 16);
SIPC_AT(sipc_slot_tail, owner.owner_name, 24);
SIPC_AT(sipc_slot_tail, annex.deadline, 64);
SIPC_AT(sipc_slot_tail, annex.trace_id, 72);
SIPC_AT(sipc_slot_tail, annex.caller_bell, 80);
SIPC_AT(sipc_slot_tail, annex.responder_bell, 84);
SIPC_AT(sipc_slot_tail, annex.caller_waiting, 88);
SIPC_AT(sipc_slot_tail, annex.addressee, 92);
SIPC_AT(sipc_slot_tail, caller_counters.round_trip, 128);
SIPC_AT(sipc_slot_tail, caller_counters.wake, 320);
SIPC_AT(sipc_slot_tail, caller_counters.handler_failed, 512);
SIPC_AT(sipc_slot_tail, caller_counters.response_too_large, 520);
SIPC_AT(sipc_slot_tail, caller_counters.unknown_message, 528);
SIPC_AT(sipc_slot_tail, caller_counters.timed_out, 536);
SIPC_AT(sipc_slot_tail, caller_counters.peer_died, 544);
SIPC_AT(sipc_slot_tail, caller_counters.closed, 552);
SIPC_AT(sipc_slot_tail, caller_counters.maybe_executed, 560);
SIPC_AT(sipc_slot_tail, caller_counters.protocol_violated, 568);
SIPC_AT(sipc_slot_tail, caller_counters.calls, 576);
SIPC_AT(sipc_slot_tail, caller_counters.request_bytes, 584);
SIPC_AT(sipc_slot_tail, caller_counters.response_bytes, 592);
SIPC_AT(sipc_slot_tail, caller_counters.published_at, 600);
SIPC_AT(sipc_slot_tail, caller_counters.waits.spin_ns, 608);
SIPC_AT(sipc_slot_tail, caller_counters.waits.yield_ns, 616);
SIPC_AT(sipc_slot_tail, caller_counters.waits.sleep_ns, 624);
SIPC_AT(sipc_slot_tail, caller_counters.waits.sleeps, 632);
SIPC_AT(sipc_slot_tail, responder_counters.handler_failed, 640);
SIPC_AT(sipc_slot_tail, responder_counters.response_too_large, 648);
SIPC_AT(sipc_slot_tail, responder_counters.unknown_message, 656);
SIPC_AT(sipc_slot_tail, responder_counters.bad_request, 664);
SIPC_AT(sipc_slot_tail, responder_counters.not_executed, 672);
SIPC_AT(sipc_slot_tail, responder_counters.inherited, 680);
SIPC_AT(sipc_slot_tail, responder_counters.requests, 704);
SIPC_AT(sipc_slot_tail, responder_counters.request_bytes, 712);
SIPC_AT(sipc_slot_tail, responder_counters.response_bytes, 720);
SIPC_AT(sipc_slot_tail, responder_counters.answered_at, 728);
SIPC_AT(sipc_slot_tail, responder_counters.waits.spin_ns, 736);
SIPC_AT(sipc_slot_tail, responder_counters.waits.yield_ns, 744);
SIPC_AT(sipc_slot_tail, responder_counters.waits.sleep_ns, 752);
SIPC_AT(sipc_slot_tail, responder_counters.waits.sleeps, 760);
SIPC_AT(sipc_slot_tail, responder_counters.queue, 768);
SIPC_AT(sipc_slot_tail, responder_counters.service, 960);
SIPC_AT(sipc_handover, magic, 0);
SIPC_AT(sipc_handover, answer, 8);
#undef SIPC_AT

static_assert(sizeof(sipc_word) == 4, "a state word has 32 bits");
static_assert(sizeof(struct sipc_exchange_header) == SIPC_LINE_SIZE, "exchange header");
static_assert(sizeof(struct sipc_host_line) == SIPC_LINE_SIZE, "host line");
static_assert(sizeof(struct sipc_slot_header) == SIPC_SLOT_HEADER_SIZE, "slot header");
static_assert(sizeof(sipc_counter) == 8, "a counter has 64 bits");
static_assert(sizeof(struct sipc_caller_block) == SIPC_COUNTERS_SIZE, "the caller's counters");
static_assert(sizeof(struct sipc_responder_block) == SIPC_COUNTERS_SIZE,
              "the responder's counters");
static_assert(sizeof(struct sipc_slot_tail) == SIPC_SLOT_TAIL_SIZE, "owner line to counters");
static_assert(sizeof(struct sipc_handover) == 16, "handover");

#endif
