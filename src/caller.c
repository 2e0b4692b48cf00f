// SPDX-License-Identifier: Apache-2.0
#include "internal/caller.h"

#include "internal/copy.h"
#include "internal/errors.h"

enum place { NOWHERE, IN_TURN_LINE, IN_RESPONDER_LINE };

// Where the response of the current generation stands (spec 3). Acquire. Only the caller of a tiny
// request looks at the turn line: the others would take it from the responder, which is reading it.
SIPC_ALWAYS_INLINE enum place find_response(const struct sipc_slot *slot, bool tiny,
                                            uint32_t response) {
    if (tiny && sipc_load_acquire(&slot->turn->tiny_state) == response) return IN_TURN_LINE;
    uint32_t state = sipc_load_acquire(&slot->responder->state);
    if (sipc_state_unattended(state) != response) return NOWHERE;
    // A second look: a responder that woke us changed its own word after the turn line's (spec 7).
    if (tiny && sipc_load_acquire(&slot->turn->tiny_state) == response) return IN_TURN_LINE;
    return IN_RESPONDER_LINE;
}

static uint32_t awaited(const struct sipc_caller *caller) {
    return sipc_state(caller->generation, SIPC_CODE_RESPONSE);
}

static bool answered(const void *role) {
    const struct sipc_caller *caller = role;
    return find_response(caller->slot, caller->tiny, awaited(caller)) != NOWHERE;
}

static void ring(const struct sipc_slot *slot) {
    slot->wakes_responder.backend->wake(slot->wakes_responder.handle, &slot->turn->caller_state);
}

// After a state was published by an exchange with barrier: the responder says whether it sleeps.
static inline void wake_responder(const struct sipc_slot *slot) {
    if (sipc_load_relaxed(&slot->responder->waiting) != 0) ring(slot);
}

void sipc_caller_init(struct sipc_caller *caller, const struct sipc_slot *slot,
                      const sipc_wait_policy *policy, const sipc_word *interrupt) {
    *caller = (struct sipc_caller){.slot = slot, .stale = {UINT32_MAX, UINT32_MAX}};
    sipc_waiter_init(&caller->waiter, policy, &slot->responder->state,
                     &slot->responder->caller_waiting, interrupt, slot->wakes_caller);
}

sipc_status sipc_caller_check(const struct sipc_caller *caller, uint32_t message_id,
                              uint32_t request_size) {
    if (request_size > caller->slot->request_capacity)
        return sipc_fail(
            SIPC_REQUEST_TOO_LARGE,
            "the request has %u bytes, a slot takes %u; send less or create larger slots",
            request_size, caller->slot->request_capacity);
    if (message_id < SIPC_MESSAGE_FIRST_USER && message_id != SIPC_MESSAGE_NORMAL &&
        message_id != SIPC_MESSAGE_HEARTBEAT_REQUEST && message_id != SIPC_MESSAGE_SHUTDOWN)
        return sipc_fail(SIPC_BAD_MESSAGE_ID,
                         "the message id %u is reserved; use 0, 1, 3 or 128 and above", message_id);
    return SIPC_OK;
}

// An abandoned request is out of its handler when its response stands in the slot, or when its
// responder is gone. The claim is looked at after the cancellation: who takes it later sees that
// and does not begin the request (spec 9).
bool sipc_caller_usable(struct sipc_caller *caller) {
    if (!caller->abandoned) return true;
    caller->abandoned = !answered(caller) && sipc_slot_is_claimed(caller->slot);
    return !caller->abandoned;
}

SIPC_ALWAYS_INLINE enum sipc_wait_result await_response(struct sipc_caller *caller, bool tiny,
                                                        struct sipc_deadline *deadline,
                                                        enum place *place) {
    const struct sipc_slot *slot = caller->slot;
    const uint32_t response = awaited(caller);
    // A look in vain pulls the line back from the responder, which has to read and to write it.
    if (tiny) {
        sipc_pause();
        sipc_pause();
    }
    for (uint32_t polls = caller->waiter.spin; polls > 0; polls--) {
        *place = find_response(slot, tiny, response);
        if (*place != NOWHERE) {
            sipc_spin_paid(&caller->waiter);
            return SIPC_WAIT_READY;
        }
        sipc_pause();
    }
    enum sipc_wait_result result = sipc_wait_slow(&caller->waiter, answered, caller, deadline);
    // A hostile peer may have taken its word back meanwhile: then it stands nowhere.
    *place = find_response(slot, tiny, response);
    return result;
}

static bool settled(const void *role) {
    const struct sipc_caller *caller = role;
    return (!caller->abandoned || answered(caller)) &&
           (!caller->wants_service || sipc_caller_attended(caller));
}

enum sipc_wait_result sipc_caller_settle(struct sipc_caller *caller, bool served,
                                         struct sipc_deadline *deadline) {
    caller->wants_service = served;
    for (;;) {
        // Before the look: a death that comes after it ends the wait, and the next look says what
        // it means.
        sipc_waiter_begin(&caller->waiter);
        if (sipc_caller_usable(caller) && settled(caller)) return SIPC_WAIT_READY;
        if (sipc_load_acquire(caller->waiter.interrupt) & SIPC_INTERRUPT_BITS)
            return SIPC_WAIT_INTERRUPTED;
        if (sipc_wait_slow(&caller->waiter, settled, caller, deadline) == SIPC_WAIT_DEADLINE)
            return sipc_caller_usable(caller) && settled(caller) ? SIPC_WAIT_READY
                                                                 : SIPC_WAIT_DEADLINE;
    }
}

// How many generations pass between two looks at what the response words show.
#define STALE_LOOK 0x100000u

static uint32_t shown_by(const sipc_word *word) {
    uint32_t state = sipc_load_relaxed(word);
    return sipc_state_unattended(state) & SIPC_CODE_RESPONSE ? sipc_state_generation(state)
                                                             : UINT32_MAX;
}

static void note_stale(struct sipc_caller *caller) {
    caller->stale[0] = shown_by(&caller->slot->turn->tiny_state);
    caller->stale[1] = shown_by(&caller->slot->responder->state);
}

// The next generation that neither response word shows: one of them may not have changed since the
// generations came round (spec 3). A word only changes to the current generation, so it shows what
// was noted or something younger, which does not come round before the next look. No look each
// time: a load of a line that is about to be written costs another transfer of it.
static inline void advance(struct sipc_caller *caller) {
    uint32_t generation = caller->generation;
    do {
        generation = (generation + 1) & SIPC_GENERATION_MASK;
        if (generation % STALE_LOOK == 0) note_stale(caller);
    } while (generation == caller->stale[0] || generation == caller->stale[1]);
    caller->generation = generation;
}

static inline uint32_t request_state(const struct sipc_caller *caller, bool tiny) {
    return sipc_state(caller->generation,
                      tiny ? SIPC_CODE_REQUEST | SIPC_FLAG_TINY : SIPC_CODE_REQUEST);
}

// False: the region was cut short, and nothing was published.
// The payload first, then the fields, then the word: the line is complete when the peer asks for
// it.
SIPC_ALWAYS_INLINE bool publish(struct sipc_caller *caller, bool tiny, uint32_t message_id,
                                const void *payload, uint32_t size) {
    const struct sipc_slot *slot = caller->slot;
    struct sipc_turn_line *line = slot->turn;
    if (tiny)
        sipc_copy_small(line->tiny_payload, payload, size);
    else if (payload != slot->request)
        sipc_copy(slot->request, payload, size);
    advance(caller);
    caller->requests++;
    caller->tiny = tiny;
    caller->transport_id = (slot->index + UINT64_C(1)) << SIPC_TRANSPORT_ID_SLOT_SHIFT |
                           (caller->requests & UINT64_C(0xFFFFFFFFFFFF));
    line->transport_id = caller->transport_id;
    line->size = size;
    line->message_id = message_id;
    line->status = 0;
    line->flags = 0;
    if (sipc_slot_is_lost(slot)) return false;
    // Release: the request is complete before its state. Barrier: then look whether the responder
    // sleeps.
    sipc_exchange_barrier(&line->caller_state, request_state(caller, tiny));
    wake_responder(slot);
    return true;
}

static sipc_status answer_status(const struct sipc_caller *caller, uint32_t status) {
    switch (status) {
    case SIPC_ANSWER_OK:
        return SIPC_OK;
    case SIPC_ANSWER_HANDLER_FAILED:
        return sipc_fail(SIPC_HANDLER_FAILED,
                         "the guest's handler reported an error; the response holds its text");
    case SIPC_ANSWER_RESPONSE_TOO_LARGE:
        return sipc_fail(
            SIPC_RESPONSE_TOO_LARGE,
            "the handler's response is larger than the slot's %u bytes; create larger slots",
            caller->slot->response_capacity);
    case SIPC_ANSWER_UNKNOWN_MESSAGE:
        return sipc_fail(SIPC_UNKNOWN_MESSAGE, "the guest does not handle this message id");
    case SIPC_ANSWER_RESPONDER_DIED:
        return sipc_fail(SIPC_PEER_DIED_MAYBE_EXECUTED,
                         "the guest died while it handled the request");
    case SIPC_ANSWER_BAD_REQUEST:
        return sipc_fail(SIPC_PROTOCOL_VIOLATED, "the guest found the request broken");
    default:
        return sipc_fail(SIPC_PROTOCOL_VIOLATED, "the response carries the unknown status %u",
                         status);
    }
}

// The response's fields, read once.
struct response_fields {
    uint64_t transport_id;
    uint32_t size;
    uint32_t message_id;
    uint32_t status;
};

static sipc_status broken_answer(const struct sipc_caller *caller,
                                 const struct response_fields *fields, uint32_t capacity) {
    if (fields->transport_id != caller->transport_id)
        return sipc_fail(
            SIPC_PROTOCOL_VIOLATED, "the response is for the request 0x%llx, not for 0x%llx",
            (unsigned long long)fields->transport_id, (unsigned long long)caller->transport_id);
    return sipc_fail(SIPC_PROTOCOL_VIOLATED, "the response claims %u bytes of a buffer of %u bytes",
                     fields->size, capacity);
}

// Checks the copies (spec 8); nothing is believed before.
SIPC_ALWAYS_INLINE sipc_status check_answer(const struct sipc_caller *caller,
                                            const struct response_fields *fields,
                                            const uint8_t *data, uint32_t capacity,
                                            struct sipc_answer *answer) {
    if (fields->transport_id != caller->transport_id || fields->size > capacity)
        return broken_answer(caller, fields, capacity);
    answer->data = data;
    answer->size = fields->size;
    // Not in one store with the next field: who loads the size would wait for the peer's line.
    atomic_signal_fence(memory_order_seq_cst);
    answer->message_id = fields->message_id;
    return fields->status == SIPC_ANSWER_OK ? SIPC_OK : answer_status(caller, fields->status);
}

// Two paths for two places, so that no address depends on what the peer wrote.
static sipc_status take_answer(struct sipc_caller *caller, enum place place,
                               struct sipc_answer *answer) {
    const struct sipc_slot *slot = caller->slot;
    if (place == IN_TURN_LINE) {
        const volatile struct sipc_turn_line *line = slot->turn;
        struct response_fields fields = {~line->transport_id, line->size, line->message_id,
                                         line->status};
        const uint8_t *data = slot->turn->tiny_payload;
        SIPC_KEEP_BRANCH(data);
        return check_answer(caller, &fields, data, SIPC_TINY_CAPACITY, answer);
    }
    const volatile struct sipc_responder_line *line = slot->responder;
    struct response_fields fields = {line->transport_id,
                                     sipc_confirm_size(&caller->last_size, line->size),
                                     line->message_id, line->status};
    return check_answer(caller, &fields, slot->response, slot->response_capacity, answer);
}

// Gives up. Returns where the response stands if it came after all; else abandoned tells the fate.
static enum place cancel(struct sipc_caller *caller) {
    const struct sipc_slot *slot = caller->slot;
    // Barrier: either we see the started mark, or the responder sees the cancellation (spec 4.2).
    uint32_t old = sipc_exchange_barrier(&slot->turn->caller_state,
                                         sipc_state(caller->generation, SIPC_CODE_CANCELLED));
    caller->damaged = old != request_state(caller, caller->tiny);
    enum place place = find_response(slot, caller->tiny, awaited(caller));
    if (place == NOWHERE) {
        caller->abandoned =
            sipc_load_acquire(&slot->owner->started) == sipc_state(caller->generation, 0);
    } else if (place == IN_RESPONDER_LINE && slot->responder->status == SIPC_ANSWER_NOT_EXECUTED) {
        // The responder saw the cancellation before it began: abandoned is false, the request not
        // started.
        place = NOWHERE;
    }
    return place;
}

static sipc_status gave_up(struct sipc_caller *caller, enum sipc_wait_result why) {
    bool started = caller->abandoned;
    const char *fate = started ? "maybe executed" : "not started";
    if (why == SIPC_WAIT_READY)
        return sipc_fail(SIPC_PROTOCOL_VIOLATED, "the response in slot %u was taken back",
                         caller->slot->index);
    if (why == SIPC_WAIT_DEADLINE)
        return sipc_fail(started ? SIPC_TIMEOUT_MAYBE_EXECUTED : SIPC_TIMEOUT,
                         "no response in slot %u before the deadline; the request was %s%s",
                         caller->slot->index, fate,
                         sipc_caller_attended(caller) ? "" : "; no guest serves it");
    if (sipc_load_acquire(caller->waiter.interrupt) & SIPC_INTERRUPT_BITS)
        return sipc_fail(started ? SIPC_CLOSED_MAYBE_EXECUTED : SIPC_CLOSED,
                         "the host was shut down during the call; the request was %s", fate);
    // A death. Mostly the slot is free at once; else a successor has come, and answers.
    if (started) sipc_caller_usable(caller);
    return sipc_fail(started ? SIPC_PEER_DIED_MAYBE_EXECUTED : SIPC_PEER_DIED,
                     "the guest that served slot %u is gone; the request was %s",
                     caller->slot->index, fate);
}

static sipc_status lost(sipc_status status) {
    return sipc_fail(
        status,
        "somebody cut the region's object short or wrote over it; close it and create another");
}

// The host closes while we publish. It may have closed the slot before, unaware of us: then we do
// that again.
static sipc_status interrupted_at_once(struct sipc_caller *caller, struct sipc_answer *answer) {
    enum place place = cancel(caller);
    sipc_status status = place == NOWHERE ? gave_up(caller, SIPC_WAIT_INTERRUPTED)
                                          : take_answer(caller, place, answer);
    sipc_caller_close(caller);
    return status;
}

SIPC_ALWAYS_INLINE sipc_status exchange(struct sipc_caller *caller, bool tiny, uint32_t message_id,
                                        const void *payload, uint32_t size,
                                        struct sipc_deadline *deadline,
                                        struct sipc_answer *answer) {
    enum place place;
    caller->damaged = false;
    sipc_waiter_begin(&caller->waiter);
    if (!publish(caller, tiny, message_id, payload, size)) return lost(SIPC_REGION_LOST);
    // After the barrier of publishing: see sipc_session_enter_call().
    if (sipc_load_acquire(caller->waiter.interrupt) & SIPC_INTERRUPT_BITS)
        return interrupted_at_once(caller, answer);
    enum sipc_wait_result result = await_response(caller, tiny, deadline, &place);
    if (place == NOWHERE) place = cancel(caller);
    sipc_status status =
        place == NOWHERE ? gave_up(caller, result) : take_answer(caller, place, answer);
    // Asked last: nothing that was read before tells the truth then.
    return caller->damaged || sipc_slot_is_lost(caller->slot)
               ? lost(SIPC_REGION_LOST_MAYBE_EXECUTED)
               : status;
}

sipc_status sipc_caller_exchange(struct sipc_caller *caller, uint32_t message_id,
                                 const void *payload, uint32_t size, struct sipc_deadline *deadline,
                                 struct sipc_answer *answer) {
    return size <= SIPC_TINY_CAPACITY
               ? exchange(caller, true, message_id, payload, size, deadline, answer)
               : exchange(caller, false, message_id, payload, size, deadline, answer);
}

void sipc_caller_close(struct sipc_caller *caller) {
    const struct sipc_slot *slot = caller->slot;
    sipc_exchange_barrier(&slot->turn->caller_state,
                          sipc_state(caller->generation, SIPC_CODE_CLOSED));
    // Whether it says that it waits or not: in a damaged region it cannot.
    ring(slot);
}
