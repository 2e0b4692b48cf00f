// SPDX-License-Identifier: Apache-2.0
// The caller's role of one slot (spec 4). Used by whoever calls: the host in a host slot, a
// guest in a guest slot.
// One thread at a time; who that is, is decided outside.
#ifndef SIPC_INTERNAL_CALLER_H
#define SIPC_INTERNAL_CALLER_H

#include "copy.h"
#include "counting.h"
#include "doorbell.h"
#include "region.h"
#include "wait.h"

struct sipc_caller;

// For a caller whose requests may move to another slot.
struct sipc_caller_moves {
    // Whether the request had better be given up and sent elsewhere.
    bool (*left)(const struct sipc_caller *caller);
    // After a wait: whether it ended because of news, so that it is to go on.
    bool (*roused)(struct sipc_caller *caller);
};

// A status that no application sees: the guest has left before it began the request, which is not
// started and may be sent elsewhere.
#define SIPC_LEFT ((sipc_status)1)

struct sipc_caller {
    const struct sipc_slot *slot;
    uint64_t requests;     // made so far: the count in the transport id
    uint64_t transport_id; // of the last request; our own copy, its low bits 0
    uint32_t generation;   // of the last request
    uint32_t message_id;   // of the last request: a response in the turn line has the same
    uint32_t stale[2];     // generations that the two response words may still show
    uint32_t last_size;    // of the last response that was not tiny: the guess for the next one
    bool tiny;             // that request was a tiny one: its response may stand in the turn line
    bool damaged;          // its own word was found changed by others: nothing there tells its fate
    bool abandoned;        // given up, and maybe still in its handler: the slot is out of use
    bool wants_service;    // what sipc_caller_settle() waits for
    uint8_t telling;       // bits of enum sipc_telling
    bool roams;            // it waits, and would move
    const struct sipc_caller_moves *moves; // NULL: its requests stay where they are
    bool grouped;                          // another waits for its response, with others
    uint64_t published_at;                 // of the last sampled request
    struct sipc_waiter waiter;
};

// Whether requests say their deadline (spec 2.5). 0 costs nothing.
enum sipc_telling {
    SIPC_TELLS_DEADLINES = 1,      // each does
    SIPC_TELLS_THIS_DEADLINE = 2,  // the next one does
    SIPC_LAST_DEADLINE_STANDS = 4, // the last one did: the next one says so, or writes 0
};

// A response that stands in the slot, checked.
struct sipc_answer {
    const uint8_t *data;
    uint32_t size;
    uint32_t message_id;
};

void sipc_caller_init(struct sipc_caller *caller, const struct sipc_slot *slot,
                      const sipc_wait_policy *policy, const sipc_word *interrupt);

// Of a slot in which others have called before (spec 9.1), whose claim is held: gives up what the
// last of them has left there.
void sipc_caller_succeed(struct sipc_caller *caller);

// Whether the application may send this message id. SIPC_BAD_MESSAGE_ID.
sipc_status sipc_caller_check(const struct sipc_caller *caller, uint32_t message_id,
                              uint32_t request_size);

// Whether the slot can take a request now: nothing of an earlier one is left in it.
bool sipc_caller_usable(struct sipc_caller *caller);
// Whether a responder says that it serves the slot.
static inline bool sipc_caller_attended(const struct sipc_caller *caller) {
    return (sipc_load_acquire(&caller->slot->responder->state) & SIPC_FLAG_ATTENDED) != 0;
}
// Waits until the slot can take a request and, if asked for, is served.
enum sipc_wait_result sipc_caller_settle(struct sipc_caller *caller, bool served,
                                         struct sipc_deadline *deadline);

// Leaves a host slot for good; a responder that waits there is told.
void sipc_caller_close(struct sipc_caller *caller);

// ---- The fast path: a request, and a response that comes while we spin --------------------------
//
// Inlined into each public call. The time from seeing a response to publishing the next request is
// not only paid once: as long as it takes, the responder looks in vain, and each such look pulls
// the turn line back. So nothing here is computed twice, goes through memory without need, or
// leaves this file unless something unusual happens.

// How many generations pass between two looks at what the response words show.
#define SIPC_STALE_LOOK 0x100000u

void sipc_caller_note_stale(struct sipc_caller *caller);
// Of a sampled exchange, which is about to be published: notes the time, and what is stale if that
// is due.
SIPC_SELDOM void sipc_caller_mark_sample(struct sipc_caller *caller, uint32_t generation);

// The next generation that neither response word shows: one of them may not have changed since the
// generations came round (spec 3). A word only changes to the current generation, so it shows what
// was noted or something younger, which does not come round before the next look. No look each
// time: a load of a line that is about to be written costs another transfer of it.
static inline void sipc_caller_advance(struct sipc_caller *caller) {
    uint32_t generation = caller->generation;
    do {
        generation = (generation + 1) & SIPC_GENERATION_MASK;
        if (SIPC_UNLIKELY(sipc_is_sampled(generation))) sipc_caller_mark_sample(caller, generation);
    } while (SIPC_UNLIKELY(generation == caller->stale[0] || generation == caller->stale[1]));
    caller->generation = generation;
}

// ---- Counting (spec 2.6)

SIPC_SELDOM void sipc_caller_sample_response(struct sipc_caller *caller);

// After the request was published: its responder is at work meanwhile.
SIPC_ALWAYS_INLINE void sipc_caller_count_request(const struct sipc_slot *slot, uint32_t size) {
    struct sipc_caller_block *counters = slot->caller_counters;
    sipc_counter_add(&counters->calls, 1);
    sipc_counter_add(&counters->request_bytes, size);
}

SIPC_ALWAYS_INLINE void sipc_caller_count_response(struct sipc_caller *caller, uint32_t size) {
    sipc_counter_add(&caller->slot->caller_counters->response_bytes, size);
    if (SIPC_UNLIKELY(sipc_is_sampled(caller->generation))) sipc_caller_sample_response(caller);
}

static inline uint32_t sipc_caller_awaited(const struct sipc_caller *caller) {
    return sipc_state(caller->generation, SIPC_CODE_RESPONSE);
}

static inline uint32_t sipc_caller_request_state(const struct sipc_caller *caller, bool tiny) {
    return sipc_state(caller->generation,
                      tiny ? SIPC_CODE_REQUEST | SIPC_FLAG_TINY : SIPC_CODE_REQUEST);
}

// How a request is sent: a payload that stands at the end of the slot's request buffer is never a
// tiny one (spec 2.3). A bool is one of the first two.
enum sipc_form { SIPC_FORM_ORDINARY = 0, SIPC_FORM_TINY = 1, SIPC_FORM_AT_END = 2 };

// Writes a tiny request, all but its id, into the turn line. Returns the low bits of that id.
SIPC_ALWAYS_INLINE uint64_t sipc_caller_write_tiny(struct sipc_turn_line *line, uint32_t message_id,
                                                   const void *payload, uint32_t size) {
    sipc_copy_small(line->tiny_payload, payload, size);
    if (message_id == SIPC_MESSAGE_NORMAL) return size;
    sipc_store_plain(line->tiny_message_id, message_id);
    return size | SIPC_TRANSPORT_ID_NAMED;
}

SIPC_ALWAYS_INLINE void sipc_caller_write_request(const struct sipc_slot *slot, bool at_end,
                                                  uint32_t message_id, const void *payload,
                                                  uint32_t size) {
    struct sipc_turn_line *line = slot->turn;
    if (!at_end && payload != slot->request) sipc_copy(slot->request, payload, size);
    sipc_store_plain(line->size, size);
    sipc_store_plain(line->message_id, message_id);
    sipc_store_plain(line->flags, at_end ? SIPC_FLAG_AT_END : 0);
}

// What the next request says of its deadline, before it is published; only asked if telling is not
// 0. SIPC_NEVER: it has none.
SIPC_SELDOM void sipc_caller_tell_deadline(struct sipc_caller *caller, uint64_t deadline);

// All of a request but the word that hands it over. False: the region was cut short. Tiny is
// sipc_request_is_tiny(). The payload first, then the fields, then the word: the line is complete
// when the peer asks for it.
SIPC_ALWAYS_INLINE bool sipc_caller_prepare(struct sipc_caller *caller, enum sipc_form form,
                                            uint32_t message_id, const void *payload,
                                            uint32_t size) {
    const struct sipc_slot *slot = caller->slot;
    const bool tiny = form == SIPC_FORM_TINY;
    struct sipc_turn_line *line = slot->turn;
    uint64_t low_bits = 0;
    if (tiny)
        low_bits = sipc_caller_write_tiny(line, message_id, payload, size);
    else
        sipc_caller_write_request(slot, form == SIPC_FORM_AT_END, message_id, payload, size);
    sipc_caller_advance(caller);
    caller->tiny = tiny;
    caller->message_id = message_id;
    caller->requests++;
    caller->transport_id = sipc_transport_id(slot->index, caller->requests);
    sipc_store_plain(line->transport_id, caller->transport_id | low_bits);
    return !sipc_slot_is_lost(slot);
}

// After a barrier that follows the word: wakes a responder that sleeps.
SIPC_ALWAYS_INLINE void sipc_caller_look_for_sleeper(const struct sipc_slot *slot) {
    uint32_t waiting = sipc_load_relaxed(&slot->responder->waiting);
    if (SIPC_UNLIKELY(waiting != 0)) sipc_ring_responder(slot, waiting);
}

// False: the region was cut short, and nothing was published.
SIPC_ALWAYS_INLINE bool sipc_caller_publish(struct sipc_caller *caller, enum sipc_form form,
                                            uint32_t message_id, const void *payload,
                                            uint32_t size) {
    if (SIPC_UNLIKELY(!sipc_caller_prepare(caller, form, message_id, payload, size))) return false;
    // Release: the request is complete before its state. Barrier: then look whether the responder
    // sleeps.
    sipc_publish(&caller->slot->turn->caller_state,
                 sipc_caller_request_state(caller, form == SIPC_FORM_TINY));
    sipc_caller_look_for_sleeper(caller->slot);
    sipc_caller_count_request(caller->slot, size);
    return true;
}

// What an answer that is not a plain response means. All are copies.
SIPC_SELDOM sipc_status sipc_caller_answer_status(struct sipc_caller *caller, uint64_t transport_id,
                                                  uint32_t size, uint64_t outcome,
                                                  uint32_t capacity);

// Two functions for two places, so that no address depends on what the peer wrote. Both check
// copies (spec 8); nothing is believed before.

// Id and size are one field here, and status and message id are known.
SIPC_ALWAYS_INLINE sipc_status sipc_caller_take_from_turn_line(struct sipc_caller *caller,
                                                               struct sipc_answer *answer) {
    const volatile struct sipc_turn_line *line = caller->slot->turn;
    const uint8_t *data = caller->slot->turn->tiny_payload;
    SIPC_KEEP_BRANCH(data);
    const uint64_t id = ~line->transport_id;
    // The size, if the id is our request's; else far more.
    const uint64_t size = id ^ caller->transport_id;
    if (SIPC_LIKELY(size <= SIPC_TINY_CAPACITY)) {
        answer->data = data;
        answer->size = (uint32_t)size;
        answer->message_id = caller->message_id;
        sipc_caller_count_response(caller, answer->size);
        return SIPC_OK;
    }
    return sipc_caller_answer_status(caller, id, (uint32_t)(id & SIPC_TRANSPORT_ID_MESSAGE_MASK),
                                     SIPC_ANSWER_OK, SIPC_TINY_CAPACITY);
}

static inline bool sipc_caller_is_answered_by(const struct sipc_caller *caller,
                                              uint64_t transport_id) {
    return (transport_id ^ caller->transport_id) <= SIPC_TRANSPORT_ID_MESSAGE_MASK;
}

SIPC_ALWAYS_INLINE sipc_status sipc_caller_take_from_own_line(struct sipc_caller *caller,
                                                              struct sipc_answer *answer) {
    const struct sipc_slot *slot = caller->slot;
    const volatile struct sipc_responder_line *line = slot->responder;
    const uint64_t id = line->transport_id;
    const uint32_t size = sipc_confirm_size(&caller->last_size, line->size);
    const uint32_t message_id = line->message_id;
    const uint64_t outcome = line->outcome;
    if (SIPC_LIKELY(sipc_caller_is_answered_by(caller, id) && size <= slot->response_capacity)) {
        answer->data = slot->response;
        answer->size = size;
        // Not in one store with the next field: who loads the size would wait for the peer's line.
        atomic_signal_fence(memory_order_seq_cst);
        answer->message_id = message_id;
        sipc_caller_count_response(caller, size);
        if (SIPC_LIKELY(outcome == SIPC_ANSWER_OK)) return SIPC_OK;
    }
    const sipc_status status =
        sipc_caller_answer_status(caller, id, size, outcome, slot->response_capacity);
    if (status == SIPC_PROTOCOL_VIOLATED)
        *answer = (struct sipc_answer){.data = NULL};
    else if (outcome & SIPC_OUTCOME_AT_END)
        answer->data = slot->response + sipc_offset_at_end(slot->response_capacity, size);
    return status;
}

// Ends the exchange now: takes the response if it stands in the slot, else gives up for this
// reason.
SIPC_SELDOM sipc_status sipc_caller_end(struct sipc_caller *caller, enum sipc_wait_result why,
                                        struct sipc_answer *answer);

enum sipc_spun { SIPC_SPUN_IN_VAIN, SIPC_SPUN_TO_RESPONSE, SIPC_SPUN_TO_OTHER_LINE, SIPC_NOT_SPUN };

// Everything else: waits on, gives up, tells why. SIPC_NOT_SPUN: it was interrupted before.
SIPC_SELDOM sipc_status sipc_caller_finish(struct sipc_caller *caller, enum sipc_spun spun,
                                           struct sipc_deadline *deadline,
                                           struct sipc_answer *answer);
SIPC_SELDOM sipc_status sipc_caller_lost(sipc_status status);

// Spins until the response stands where that of a request of this kind mostly does, or in the other
// line.
SIPC_ALWAYS_INLINE enum sipc_spun sipc_caller_spin(struct sipc_caller *caller, bool tiny) {
    const struct sipc_slot *slot = caller->slot;
    const uint32_t response = sipc_caller_awaited(caller);
    // A look in vain pulls the line back from the responder, which has to read and to write it.
    if (tiny) {
        sipc_pause();
        sipc_pause();
    }
    for (uint32_t polls = caller->waiter.spin; polls > 0; polls--) {
        if (tiny && sipc_load_acquire(&slot->turn->tiny_state) == response)
            return SIPC_SPUN_TO_RESPONSE;
        uint32_t state = sipc_load_acquire(&slot->responder->state);
        if (sipc_state_unattended(state) == response)
            return tiny ? SIPC_SPUN_TO_OTHER_LINE : SIPC_SPUN_TO_RESPONSE;
        sipc_pause();
    }
    return SIPC_SPUN_IN_VAIN;
}

SIPC_ALWAYS_INLINE sipc_status sipc_caller_exchange_sized(struct sipc_caller *caller,
                                                          enum sipc_form form, uint32_t message_id,
                                                          const void *payload, uint32_t size,
                                                          struct sipc_deadline *deadline,
                                                          struct sipc_answer *answer) {
    const struct sipc_slot *slot = caller->slot;
    const bool tiny = form == SIPC_FORM_TINY;
    sipc_waiter_begin(&caller->waiter);
    if (SIPC_UNLIKELY(caller->telling != 0))
        sipc_caller_tell_deadline(caller, sipc_deadline_at(deadline));
    if (SIPC_UNLIKELY(!sipc_caller_publish(caller, form, message_id, payload, size)))
        return sipc_caller_lost(SIPC_REGION_LOST);
    // After the barrier of publishing: see sipc_session_enter_call().
    bool interrupted =
        sipc_load_acquire(sipc_waiter_interrupt(&caller->waiter)) & SIPC_INTERRUPT_BITS;
    enum sipc_spun spun = SIPC_NOT_SPUN;
    if (SIPC_LIKELY(!interrupted)) spun = sipc_caller_spin(caller, tiny);
    if (SIPC_LIKELY(spun == SIPC_SPUN_TO_RESPONSE)) {
        sipc_status status = tiny ? sipc_caller_take_from_turn_line(caller, answer)
                                  : sipc_caller_take_from_own_line(caller, answer);
        // Asked last: nothing that was read before tells the truth then.
        if (SIPC_LIKELY(!sipc_slot_is_lost(slot))) return status;
        return sipc_caller_lost(SIPC_REGION_LOST_MAYBE_EXECUTED);
    }
    struct sipc_answer late = {.data = NULL};
    sipc_status status = sipc_caller_finish(caller, spun, deadline, &late);
    *answer = late;
    return status;
}

// Publishes a request and waits for the response. The payload is copied, or stands in the slot's
// request buffer already. Precondition: sipc_caller_check() and sipc_caller_usable() said yes.
SIPC_ALWAYS_INLINE sipc_status sipc_caller_exchange(struct sipc_caller *caller, uint32_t message_id,
                                                    const void *payload, uint32_t size,
                                                    struct sipc_deadline *deadline,
                                                    struct sipc_answer *answer) {
    if (sipc_request_is_tiny(message_id, size))
        return sipc_caller_exchange_sized(caller, SIPC_FORM_TINY, message_id, payload, size,
                                          deadline, answer);
    return sipc_caller_exchange_sized(caller, SIPC_FORM_ORDINARY, message_id, payload, size,
                                      deadline, answer);
}

// The common answer to sipc_caller_check() and sipc_caller_usable(): nothing speaks against it.
static inline bool sipc_caller_may(const struct sipc_caller *caller, uint32_t message_id,
                                   uint32_t request_size) {
    return request_size <= caller->slot->request_capacity && !caller->abandoned &&
           (message_id == SIPC_MESSAGE_NORMAL || message_id >= SIPC_MESSAGE_FIRST_USER);
}

#endif
