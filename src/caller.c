// SPDX-License-Identifier: Apache-2.0
#include "internal/caller.h"

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

static bool answered(const void *role) {
    const struct sipc_caller *caller = role;
    return find_response(caller->slot, caller->tiny, sipc_caller_awaited(caller)) != NOWHERE;
}

static bool answered_or_closing(const void *role) {
    const struct sipc_caller *caller = role;
    return answered(caller) || sipc_slot_is_closing(caller->slot);
}

static bool answered_closing_or_left(const void *role) {
    const struct sipc_caller *caller = role;
    return answered_or_closing(caller) || caller->moves->left(caller);
}

void sipc_caller_init(struct sipc_caller *caller, const struct sipc_slot *slot,
                      const sipc_wait_policy *policy, const sipc_word *interrupt) {
    *caller = (struct sipc_caller){.slot = slot, .stale = {UINT32_MAX, UINT32_MAX}};
    sipc_waiter_init(&caller->waiter, policy, &slot->responder->state, &slot->annex->caller_waiting,
                     interrupt, slot->wakes_caller);
    caller->waiter.times = &slot->caller_counters->waits;
}

sipc_status sipc_caller_check(const struct sipc_caller *caller, uint32_t message_id,
                              uint32_t request_size) {
    if (request_size > caller->slot->request_capacity)
        return sipc_fail(
            SIPC_REQUEST_TOO_LARGE,
            "the request has %u bytes, a slot takes %u; send less or create larger slots",
            request_size, caller->slot->request_capacity);
    if (caller->slot->guest_calls && message_id == SIPC_MESSAGE_SHUTDOWN)
        return sipc_fail(SIPC_BAD_MESSAGE_ID,
                         "the message id %u ends the workers of a guest; a guest cannot end its "
                         "host's",
                         message_id);
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

// A host that closes serves no more, and who calls it is to hear of that.
static bool is_served(const struct sipc_caller *caller) {
    return sipc_caller_attended(caller) || sipc_slot_is_closing(caller->slot);
}

static bool settled(const void *role) {
    const struct sipc_caller *caller = role;
    return (!caller->abandoned || answered(caller)) &&
           (!caller->wants_service || is_served(caller));
}

enum sipc_wait_result sipc_caller_settle(struct sipc_caller *caller, bool served,
                                         struct sipc_deadline *deadline) {
    caller->wants_service = served;
    for (;;) {
        // Before the look: a death that comes after it ends the wait, and the next look says what
        // it means.
        sipc_waiter_begin(&caller->waiter);
        if (sipc_caller_usable(caller) && settled(caller)) return SIPC_WAIT_READY;
        if (sipc_load_acquire(sipc_waiter_interrupt(&caller->waiter)) & SIPC_INTERRUPT_BITS)
            return SIPC_WAIT_INTERRUPTED;
        if (sipc_wait_slow(&caller->waiter, settled, caller, deadline) == SIPC_WAIT_DEADLINE)
            return sipc_caller_usable(caller) && settled(caller) ? SIPC_WAIT_READY
                                                                 : SIPC_WAIT_DEADLINE;
    }
}

static uint32_t shown_by(const sipc_word *word) {
    uint32_t state = sipc_load_relaxed(word);
    return sipc_state_unattended(state) & SIPC_CODE_RESPONSE ? sipc_state_generation(state)
                                                             : UINT32_MAX;
}

void sipc_caller_note_stale(struct sipc_caller *caller) {
    caller->stale[0] = shown_by(&caller->slot->turn->tiny_state);
    caller->stale[1] = shown_by(&caller->slot->responder->state);
}

void sipc_caller_tell_deadline(struct sipc_caller *caller, uint64_t deadline) {
    const bool said = caller->telling & (SIPC_TELLS_DEADLINES | SIPC_TELLS_THIS_DEADLINE) &&
                      deadline != SIPC_NEVER;
    sipc_store_plain(caller->slot->annex->deadline, said ? deadline : 0);
    caller->telling &= SIPC_TELLS_DEADLINES;
    if (said) caller->telling |= SIPC_LAST_DEADLINE_STANDS;
}

// ---- Counting (spec 2.6) ------------------------------------------------------------------------

static_assert(SIPC_STALE_LOOK % SIPC_SAMPLE_INTERVAL == 0, "a look is due at samples only");

void sipc_caller_mark_sample(struct sipc_caller *caller, uint32_t generation) {
    if (generation % SIPC_STALE_LOOK == 0) sipc_caller_note_stale(caller);
    caller->published_at = sipc_os_now();
    sipc_counter_store(&caller->slot->caller_counters->published_at, caller->published_at);
    // Who waits for several knows by itself when it spins.
    if (!caller->grouped) caller->waiter.spin_from = caller->published_at;
}

void sipc_caller_sample_response(struct sipc_caller *caller) {
    struct sipc_caller_block *counters = caller->slot->caller_counters;
    const uint64_t now = sipc_os_now();
    const uint64_t answered_at = sipc_counter_load(&caller->slot->responder_counters->answered_at);
    if (!caller->grouped && caller->waiter.spin_from != 0)
        sipc_waiter_count_spin(&caller->waiter, now);
    sipc_histogram_note(counters->round_trip, sipc_time_between(caller->published_at, now));
    if (answered_at >= caller->published_at)
        sipc_histogram_note(counters->wake, sipc_time_between(answered_at, now));
}

// A closed guest call whose host is gone was ended by its death.
static bool ended_by_death(const struct sipc_slot *slot) {
    return slot->guest_calls && sipc_load_acquire(&slot->host->closing) == 0 &&
           !sipc_slot_is_claimed(slot);
}

static sipc_counter *counter_of(const struct sipc_slot *slot, sipc_status status) {
    struct sipc_caller_block *counters = slot->caller_counters;
    switch ((int)status) {
    case SIPC_HANDLER_FAILED:
        return &counters->handler_failed;
    case SIPC_RESPONSE_TOO_LARGE:
        return &counters->response_too_large;
    case SIPC_UNKNOWN_MESSAGE:
        return &counters->unknown_message;
    case SIPC_TIMEOUT:
    case SIPC_TIMEOUT_MAYBE_EXECUTED:
        return &counters->timed_out;
    case SIPC_PEER_DIED:
    case SIPC_PEER_DIED_MAYBE_EXECUTED:
        return &counters->peer_died;
    case SIPC_LEFT: // the call goes on in another slot
        return &counters->closed;
    case SIPC_CLOSED:
    case SIPC_CLOSED_MAYBE_EXECUTED:
        return ended_by_death(slot) ? &counters->peer_died : &counters->closed;
    default:
        return &counters->protocol_violated;
    }
}

// Counts a call that ends with this status.
static sipc_status counted(const struct sipc_caller *caller, sipc_status status) {
    const struct sipc_slot *slot = caller->slot;
    if (status == SIPC_OK) return status; // a response with flags
    sipc_counter_add(counter_of(slot, status), 1);
    if (status == SIPC_TIMEOUT_MAYBE_EXECUTED || status == SIPC_PEER_DIED_MAYBE_EXECUTED ||
        status == SIPC_CLOSED_MAYBE_EXECUTED)
        sipc_counter_add(&slot->caller_counters->maybe_executed, 1);
    return status;
}

// ---- How a call ends ----------------------------------------------------------------------------

static sipc_status plain_status(const struct sipc_caller *caller, uint32_t status) {
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
    case SIPC_ANSWER_NOT_ADDRESSED:
        return sipc_fail(SIPC_PEER_DIED,
                         "the guest that the request was addressed to serves slot %u no more; the "
                         "request was not started",
                         caller->slot->index);
    case SIPC_ANSWER_BAD_REQUEST:
        return sipc_fail(SIPC_PROTOCOL_VIOLATED, "the guest found the request broken");
    default:
        return sipc_fail(SIPC_PROTOCOL_VIOLATED, "the response carries the unknown status %u",
                         status);
    }
}

static sipc_status answer_status(const struct sipc_caller *caller, uint64_t transport_id,
                                 uint32_t size, uint64_t outcome, uint32_t capacity) {
    const uint32_t flags = (uint32_t)(outcome >> SIPC_OUTCOME_FLAGS_SHIFT);
    if (!sipc_caller_is_answered_by(caller, transport_id))
        return sipc_fail(
            SIPC_PROTOCOL_VIOLATED, "the response is for the request 0x%llx, not for 0x%llx",
            (unsigned long long)transport_id, (unsigned long long)caller->transport_id);
    if (size > capacity)
        return sipc_fail(SIPC_PROTOCOL_VIOLATED,
                         "the response claims %u bytes of a buffer of %u bytes", size, capacity);
    if (flags & ~(uint32_t)SIPC_FLAG_AT_END)
        return sipc_fail(SIPC_PROTOCOL_VIOLATED, "the response has the unknown flags 0x%x", flags);
    return plain_status(caller, (uint32_t)outcome);
}

sipc_status sipc_caller_answer_status(struct sipc_caller *caller, uint64_t transport_id,
                                      uint32_t size, uint64_t outcome, uint32_t capacity) {
    return counted(caller, answer_status(caller, transport_id, size, outcome, capacity));
}

static sipc_status take_answer(struct sipc_caller *caller, enum place place,
                               struct sipc_answer *answer) {
    return place == IN_TURN_LINE ? sipc_caller_take_from_turn_line(caller, answer)
                                 : sipc_caller_take_from_own_line(caller, answer);
}

static bool is_not_executed(const struct sipc_slot *slot, enum place place) {
    return place == IN_RESPONDER_LINE && slot->responder->status == SIPC_ANSWER_NOT_EXECUTED;
}

// Gives up. Returns where the response stands if it came after all; else abandoned tells the fate.
static enum place cancel(struct sipc_caller *caller) {
    const struct sipc_slot *slot = caller->slot;
    // Barrier: either we see the started mark, or the responder sees the cancellation (spec 4.2).
    uint32_t old = sipc_exchange_barrier(&slot->turn->caller_state,
                                         sipc_state(caller->generation, SIPC_CODE_CANCELLED));
    // A host that shuts down closes slots in which a pipeline has requests.
    caller->damaged = old != sipc_caller_request_state(caller, caller->tiny) &&
                      old != sipc_state(caller->generation, SIPC_CODE_CLOSED);
    enum place place = find_response(slot, caller->tiny, sipc_caller_awaited(caller));
    if (place == NOWHERE) {
        caller->abandoned =
            sipc_load_acquire(&slot->owner->started) == sipc_state(caller->generation, 0);
    } else if (is_not_executed(slot, place)) {
        // The responder saw the cancellation before it began: abandoned is false, the request not
        // started.
        place = NOWHERE;
    }
    // Who handles the request may sleep until it is given up (spec 4.4). Last: what it then answers
    // is not in time.
    sipc_caller_look_for_sleeper(slot);
    return place;
}

// The count of requests goes on from the id that stands there, or from its complement.
static uint64_t requests_before(const struct sipc_slot *slot) {
    const uint64_t own = slot->index + UINT64_C(1);
    uint64_t id = ((const volatile struct sipc_turn_line *)slot->turn)->transport_id;
    if (id >> SIPC_TRANSPORT_ID_SLOT_SHIFT != own) id = ~id;
    if (id >> SIPC_TRANSPORT_ID_SLOT_SHIFT != own) return 0;
    return id >> SIPC_TRANSPORT_ID_COUNT_SHIFT & SIPC_TRANSPORT_ID_COUNT_MASK;
}

void sipc_caller_succeed(struct sipc_caller *caller) {
    const struct sipc_slot *slot = caller->slot;
    sipc_store_relaxed(&slot->annex->caller_waiting, 0);
    sipc_store_plain(slot->annex->deadline, 0);
    sipc_store_plain(slot->annex->trace_id, 0);
    uint32_t state = sipc_load_acquire(&slot->turn->caller_state);
    caller->generation = sipc_state_generation(state);
    caller->requests = requests_before(slot);
    caller->tiny = true; // a response may stand in either line
    sipc_caller_note_stale(caller);
    if (sipc_state_code(state) == SIPC_CODE_REQUEST)
        cancel(caller);
    else if (sipc_state_code(state) == SIPC_CODE_CANCELLED)
        caller->abandoned = !answered(caller) && sipc_load_acquire(&slot->owner->started) ==
                                                     sipc_state(caller->generation, 0);
    caller->damaged = false;
}

static sipc_status why_given_up(struct sipc_caller *caller, enum sipc_wait_result why) {
    bool started = caller->abandoned;
    const char *fate = started ? "maybe executed" : "not started";
    if (why == SIPC_WAIT_LEFT)
        return sipc_fail(SIPC_LEFT,
                         "the guest that served slot %u has left before it began the request",
                         caller->slot->index);
    if (why == SIPC_WAIT_READY && sipc_slot_is_closing(caller->slot))
        return sipc_fail(started ? SIPC_CLOSED_MAYBE_EXECUTED : SIPC_CLOSED,
                         "the host was shut down during the call; the request was %s", fate);
    if (why == SIPC_WAIT_READY)
        return sipc_fail(SIPC_PROTOCOL_VIOLATED, "the response in slot %u was taken back",
                         caller->slot->index);
    if (why == SIPC_WAIT_DEADLINE)
        return sipc_fail(started ? SIPC_TIMEOUT_MAYBE_EXECUTED : SIPC_TIMEOUT,
                         "no response in slot %u before the deadline; the request was %s%s",
                         caller->slot->index, fate,
                         sipc_caller_attended(caller) ? "" : "; no guest serves it");
    if (why == SIPC_WAIT_CALLED_OFF)
        return sipc_fail(started ? SIPC_CLOSED_MAYBE_EXECUTED : SIPC_CLOSED,
                         "the pipeline was closed during the call; the request was %s", fate);
    if (sipc_load_acquire(sipc_waiter_interrupt(&caller->waiter)) & SIPC_INTERRUPT_BITS)
        return sipc_fail(started ? SIPC_CLOSED_MAYBE_EXECUTED : SIPC_CLOSED,
                         "the host was shut down during the call; the request was %s", fate);
    // A death. Mostly the slot is free at once; else a successor has come, and answers.
    if (started) sipc_caller_usable(caller);
    return sipc_fail(started ? SIPC_PEER_DIED_MAYBE_EXECUTED : SIPC_PEER_DIED,
                     "the guest that served slot %u is gone; the request was %s",
                     caller->slot->index, fate);
}

static sipc_status gave_up(struct sipc_caller *caller, enum sipc_wait_result why) {
    return counted(caller, why_given_up(caller, why));
}

sipc_status sipc_caller_lost(sipc_status status) {
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
    if (!caller->slot->guest_calls) sipc_caller_close(caller);
    return status;
}

static sipc_status ended(struct sipc_caller *caller, enum sipc_wait_result why, enum place place,
                         struct sipc_answer *answer) {
    sipc_status status =
        place == NOWHERE ? gave_up(caller, why) : take_answer(caller, place, answer);
    // Asked last: nothing that was read before tells the truth then.
    return caller->damaged || sipc_slot_is_lost(caller->slot)
               ? sipc_caller_lost(SIPC_REGION_LOST_MAYBE_EXECUTED)
               : status;
}

sipc_status sipc_caller_end(struct sipc_caller *caller, enum sipc_wait_result why,
                            struct sipc_answer *answer) {
    // A hostile peer may have taken its word back meanwhile: then it stands nowhere.
    enum place place = find_response(caller->slot, caller->tiny, sipc_caller_awaited(caller));
    if (place == NOWHERE) place = cancel(caller);
    return ended(caller, why, place, answer);
}

// Gives up on a guest that has left. A successor that had begun the request at that very moment
// knows nothing of it: its answer is waited for and taken (spec 9.2).
static sipc_status leave(struct sipc_caller *caller, struct sipc_deadline *deadline,
                         struct sipc_answer *answer) {
    enum sipc_wait_result why = SIPC_WAIT_LEFT;
    enum place place = cancel(caller);
    if (place == NOWHERE && caller->abandoned) {
        why = sipc_wait_slow(&caller->waiter, answered, caller, deadline);
        place = find_response(caller->slot, caller->tiny, sipc_caller_awaited(caller));
        if (is_not_executed(caller->slot, place)) {
            place = NOWHERE;
            why = SIPC_WAIT_LEFT;
        }
        if (place != NOWHERE || why == SIPC_WAIT_LEFT) caller->abandoned = false;
    }
    return ended(caller, why, place, answer);
}

// Waits as long as the response may come from this slot.
static enum sipc_wait_result await_answer(struct sipc_caller *caller,
                                          struct sipc_deadline *deadline) {
    if (!caller->moves)
        return sipc_wait_slow(&caller->waiter, answered_or_closing, caller, deadline);
    for (;;) {
        caller->roams = true;
        enum sipc_wait_result result =
            sipc_wait_slow(&caller->waiter, answered_closing_or_left, caller, deadline);
        caller->roams = false;
        const bool roused = caller->moves->roused(caller);
        if (result == SIPC_WAIT_INTERRUPTED && roused) continue;
        if (result != SIPC_WAIT_READY || answered_or_closing(caller)) return result;
        if (caller->moves->left(caller)) return SIPC_WAIT_LEFT;
        // Somebody has begun to serve the slot meanwhile.
        if (sipc_deadline_passed(deadline)) return SIPC_WAIT_DEADLINE;
    }
}

sipc_status sipc_caller_finish(struct sipc_caller *caller, enum sipc_spun spun,
                               struct sipc_deadline *deadline, struct sipc_answer *answer) {
    caller->damaged = false;
    if (spun == SIPC_NOT_SPUN) {
        caller->waiter.spin_from = 0;
        return interrupted_at_once(caller, answer);
    }
    enum sipc_wait_result result = SIPC_WAIT_READY;
    if (spun == SIPC_SPUN_IN_VAIN) {
        const struct sipc_slot *slot = caller->slot;
        caller->waiter.line =
            caller->tiny ? (const void *)slot->turn : (const void *)slot->responder;
        result = await_answer(caller, deadline);
    }
    if (result == SIPC_WAIT_LEFT) return leave(caller, deadline, answer);
    return sipc_caller_end(caller, result, answer);
}

void sipc_caller_close(struct sipc_caller *caller) {
    const struct sipc_slot *slot = caller->slot;
    sipc_exchange_barrier(&slot->turn->caller_state,
                          sipc_state(caller->generation, SIPC_CODE_CLOSED));
    // Whether it says that it waits or not: in a damaged region it cannot.
    uint32_t waiting = sipc_load_relaxed(&slot->responder->waiting);
    if (waiting > SIPC_WAITING_ALONE) sipc_ring_responder(slot, waiting);
    sipc_ring_responder(slot, SIPC_WAITING_ALONE);
}
