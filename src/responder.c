// SPDX-License-Identifier: Apache-2.0
#include "internal/responder.h"

#include "internal/copy.h"
#include "internal/counting.h"
#include "internal/doorbell.h"
#include "internal/streams.h"

// What a response says beside its payload.
struct response_fields {
    uint64_t transport_id;
    uint32_t message_id;
    uint32_t size;
    uint64_t outcome; // the status, and flags
};

// After a state was published by an exchange with barrier: the caller says whether it sleeps.
static inline uint32_t caller_waits(const struct sipc_slot *slot) {
    return sipc_load_relaxed(&slot->annex->caller_waiting);
}

// Publishes our own line's word. The exchange releases what was written before it.
static inline void publish_state(const struct sipc_slot *slot, uint32_t state) {
    sipc_publish(&slot->responder->state, state);
    uint32_t waiting = caller_waits(slot);
    if (SIPC_UNLIKELY(waiting != 0)) sipc_ring_caller(slot, waiting);
}

static uint32_t attended_response(uint32_t generation) {
    return sipc_state(generation, SIPC_CODE_RESPONSE | SIPC_FLAG_ATTENDED);
}

// Publishes an answer without a barrier: it stands, and its caller is looked at after the next one.
SIPC_ALWAYS_INLINE void publish_unlooked(const struct sipc_slot *slot, sipc_word *word,
                                         uint32_t state, struct sipc_last_answer *last) {
    sipc_store_release(word, state);
    last->slot = slot;
    last->generation = sipc_state_generation(state);
}

// Answers in our own line. The payload stands in the response buffer, where the flags say.
SIPC_ALWAYS_INLINE void answer(const struct sipc_slot *slot, uint32_t generation,
                               const struct response_fields *fields,
                               struct sipc_last_answer *last) {
    struct sipc_responder_line *line = slot->responder;
    sipc_store_plain(line->transport_id, fields->transport_id);
    sipc_store_plain(line->size, fields->size);
    sipc_store_plain(line->message_id, fields->message_id);
    sipc_store_plain(line->outcome, fields->outcome);
    SIPC_ORDER_GOES_BY_PEER(slot->responder);
    // Of a region that was cut short meanwhile nothing is published: what we wrote is gone.
    if (sipc_slot_is_lost(slot)) return;
    if (last)
        publish_unlooked(slot, &line->state, attended_response(generation), last);
    else
        publish_state(slot, attended_response(generation));
}

// Answers a tiny request in the turn line, which is ours since it was marked as started and found
// uncancelled.
SIPC_ALWAYS_INLINE void answer_tiny(const struct sipc_slot *slot, uint32_t generation,
                                    const struct response_fields *fields,
                                    struct sipc_last_answer *last) {
    struct sipc_turn_line *line = slot->turn;
    sipc_copy_small(line->tiny_payload, slot->response, fields->size);
    // The complement: where nothing was written, the request's own id still stands.
    uint64_t id = fields->transport_id & ~SIPC_TRANSPORT_ID_MESSAGE_MASK;
    sipc_store_plain(line->transport_id, ~(id | fields->size));
    SIPC_ORDER_GOES_BY_PEER(slot->responder);
    if (sipc_slot_is_lost(slot)) return;
    const uint32_t state = sipc_state(generation, SIPC_CODE_RESPONSE);
    if (last) {
        publish_unlooked(slot, &line->tiny_state, state, last);
        return;
    }
    sipc_publish(&line->tiny_state, state);
    // A sleeping caller sleeps on our own line's word: it must change before the wake (spec 7).
    if (SIPC_UNLIKELY(caller_waits(slot) != 0)) publish_state(slot, attended_response(generation));
}

// The turn line says neither outcome nor message id: what is told there is a plain success, and has
// the request's id.
SIPC_ALWAYS_INLINE void answer_where_it_fits(const struct sipc_slot *slot, bool tiny,
                                             uint32_t generation, const sipc_request *request,
                                             const struct response_fields *fields,
                                             struct sipc_last_answer *last) {
    if (tiny && fields->size <= SIPC_TINY_CAPACITY && fields->outcome == SIPC_ANSWER_OK &&
        fields->message_id == request->message_id)
        answer_tiny(slot, generation, fields, last);
    else
        answer(slot, generation, fields, last);
}

// ---- Counting (spec 2.6)
// --------------------------------------------------------------------------

static SIPC_SELDOM void count_failure(struct sipc_responder_block *counters, uint32_t status) {
    sipc_counter *const of[] = {
        [SIPC_ANSWER_OK] = NULL,
        [SIPC_ANSWER_HANDLER_FAILED] = &counters->handler_failed,
        [SIPC_ANSWER_RESPONSE_TOO_LARGE] = &counters->response_too_large,
        [SIPC_ANSWER_UNKNOWN_MESSAGE] = &counters->unknown_message,
        [SIPC_ANSWER_BAD_REQUEST] = &counters->bad_request,
        [SIPC_ANSWER_NOT_EXECUTED] = &counters->not_executed,
        [SIPC_ANSWER_RESPONDER_DIED] = &counters->inherited,
    };
    sipc_counter_add(of[status], 1);
}

// After the answer, while its caller takes it. Handled: bytes of a request that a handler saw.
SIPC_ALWAYS_INLINE void count_answer(const struct sipc_slot *slot, uint32_t handled,
                                     const struct response_fields *fields) {
    struct sipc_responder_block *counters = slot->responder_counters;
    sipc_counter_add(&counters->requests, 1);
    sipc_counter_add(&counters->request_bytes, handled);
    sipc_counter_add(&counters->response_bytes, fields->size);
    const uint32_t status = (uint32_t)fields->outcome;
    if (SIPC_UNLIKELY(status != SIPC_ANSWER_OK)) count_failure(counters, status);
}

// Around the handler of a sampled request. Returns when that began.
static uint64_t sample_start(const struct sipc_slot *slot) {
    const uint64_t published_at = sipc_counter_load(&slot->caller_counters->published_at);
    const uint64_t now = sipc_os_now();
    sipc_histogram_note(slot->responder_counters->queue, sipc_time_between(published_at, now));
    return now;
}

static void sample_end(const struct sipc_slot *slot, uint64_t began) {
    struct sipc_responder_block *counters = slot->responder_counters;
    const uint64_t now = sipc_os_now();
    sipc_histogram_note(counters->service, sipc_time_between(began, now));
    sipc_counter_store(&counters->answered_at, now);
}

// After a barrier. Our own word changes before the wake: a lone caller sleeps on it (spec 7). It
// may show that generation already, or the caller may have gone on: a needless wake.
static inline void look_back(struct sipc_last_answer *last) {
    const struct sipc_slot *slot = last->slot;
    if (!slot) return;
    last->slot = NULL;
    if (SIPC_UNLIKELY(caller_waits(slot) != 0))
        publish_state(slot, attended_response(last->generation));
}

void sipc_responder_look_back(struct sipc_last_answer *last) {
    if (!last->slot) return;
    sipc_barrier();
    look_back(last);
}

static bool stands_tiny(const struct sipc_slot *slot, uint32_t generation) {
    return sipc_load_relaxed(&slot->turn->tiny_state) == sipc_state(generation, SIPC_CODE_RESPONSE);
}

static bool stands(const struct sipc_slot *slot, uint32_t generation) {
    uint32_t own = sipc_load_relaxed(&slot->responder->state);
    return stands_tiny(slot, generation) ||
           sipc_state_unattended(own) == sipc_state(generation, SIPC_CODE_RESPONSE);
}

// The request's id, also if the former responder died between writing its complement and
// publishing: but for the low bits then, which no caller looks at.
static uint64_t request_id(const struct sipc_slot *slot) {
    uint64_t id = ((const volatile struct sipc_turn_line *)slot->turn)->transport_id;
    return id >> SIPC_TRANSPORT_ID_SLOT_SHIFT == slot->index + UINT64_C(1) ? id : ~id;
}

// Takes the slot over. A request that the former responder had begun is never begun again: its
// caller is told. Returns the caller's word that is dealt with, or an idle one.
static uint32_t succeed(const struct sipc_slot *slot) {
    uint32_t state = sipc_load_acquire(&slot->turn->caller_state);
    uint32_t own = sipc_load_relaxed(&slot->responder->state);
    uint32_t generation = sipc_state_generation(state);
    uint32_t code = sipc_state_code(state);
    bool dealt_with = stands(slot, generation);
    if ((code == SIPC_CODE_REQUEST || code == SIPC_CODE_CANCELLED) && !dealt_with &&
        sipc_load_relaxed(&slot->owner->started) == sipc_state(generation, 0)) {
        // Its message id may have been overwritten, and is not said.
        const struct response_fields fields = {.transport_id = request_id(slot),
                                               .outcome = SIPC_ANSWER_RESPONDER_DIED};
        answer(slot, generation, &fields, NULL);
        count_answer(slot, 0, &fields);
        dealt_with = true;
    } else if (stands_tiny(slot, generation)) {
        // The predecessor may have died before it woke the caller, also one that gave up and waits
        // for this: it sleeps on a word that must change.
        publish_state(slot, attended_response(generation));
    } else {
        publish_state(slot, own | SIPC_FLAG_ATTENDED);
    }
    return code == SIPC_CODE_REQUEST && dealt_with ? state : sipc_state(0, SIPC_CODE_IDLE);
}

// Says who serves the slot. While the attendance is 0 nobody believes the owner line; and with the
// barrier after it either we see below what stands in the slot, or its caller sees us (spec 9.2).
static void introduce(const struct sipc_slot *slot, const struct sipc_owner *owner) {
    sipc_publish(&slot->responder->attendance, 0);
    sipc_store_plain(slot->owner->owner_pid, owner->process.id);
    sipc_store_plain(slot->owner->owner_pid_namespace, owner->process.id_namespace);
    sipc_store_plain(slot->owner->owner_incarnation, owner->incarnation);
    sipc_copy(slot->owner->owner_name, owner->name, sizeof owner->name);
    sipc_publish(&slot->responder->attendance, sipc_attendance(owner->incarnation));
}

void sipc_responder_init(struct sipc_responder *responder, const struct sipc_slot *slot,
                         const struct sipc_owner *owner, const sipc_wait_policy *policy,
                         const sipc_word *interrupt) {
    introduce(slot, owner);
    sipc_store_relaxed(&slot->responder->waiting, 0);
    *responder = (struct sipc_responder){.slot = slot,
                                         .fresh = true,
                                         .attendance = sipc_attendance(owner->incarnation),
                                         .seen = succeed(slot),
                                         .forks = sipc_os_forks()};
    sipc_waiter_init(&responder->waiter, policy, &slot->turn->caller_state,
                     &slot->responder->waiting, interrupt, slot->wakes_responder);
    responder->waiter.may_move = true; // only workers wait
    responder->waiter.times = &slot->responder_counters->waits;
}

// Of a request that has flags, and a size that was checked. False: the flags are unknown.
static SIPC_SELDOM bool place_flagged(const struct sipc_slot *slot, sipc_request *request,
                                      uint32_t flags) {
    if (flags != SIPC_FLAG_AT_END) return false;
    request->data = slot->request + sipc_offset_at_end(slot->request_capacity, request->size);
    return true;
}

// The status of a request that no handler sees, or SIPC_ANSWER_OK for one that it does (spec 5 and
// 8).
static inline uint32_t check(const struct sipc_slot *slot, sipc_request *request, uint32_t capacity,
                             uint32_t flags) {
    if (request->size > capacity || (flags != 0 && !place_flagged(slot, request, flags)))
        return SIPC_ANSWER_BAD_REQUEST;
    if (request->message_id == SIPC_MESSAGE_HEARTBEAT_RESPONSE ||
        (request->message_id > SIPC_MESSAGE_SHUTDOWN &&
         request->message_id < SIPC_MESSAGE_FIRST_USER))
        return SIPC_ANSWER_UNKNOWN_MESSAGE;
    return SIPC_ANSWER_OK;
}

static inline uint32_t handler_status(sipc_status status, uint32_t size, uint32_t capacity) {
    if (status == SIPC_UNKNOWN_MESSAGE) return SIPC_ANSWER_UNKNOWN_MESSAGE;
    if (size > capacity) return SIPC_ANSWER_RESPONSE_TOO_LARGE;
    return status == SIPC_OK ? SIPC_ANSWER_OK : SIPC_ANSWER_HANDLER_FAILED;
}

static inline void note_result(const struct sipc_slot *slot, sipc_status status,
                               const sipc_response *response, struct response_fields *fields) {
    fields->outcome = handler_status(status, response->size, slot->response_capacity);
    if (fields->outcome == SIPC_ANSWER_OK || fields->outcome == SIPC_ANSWER_HANDLER_FAILED) {
        fields->size = response->size;
        if (SIPC_UNLIKELY(response->at_end != 0)) fields->outcome |= SIPC_OUTCOME_AT_END;
    }
}

// Requests of streams do not reach the handler.
static SIPC_SELDOM void handle_unknown(const struct sipc_responder *responder,
                                       const sipc_request *request,
                                       struct response_fields *fields) {
    const struct sipc_slot *slot = responder->slot;
    if (!responder->streams || !sipc_is_stream_message(request->message_id) ||
        slot->request_capacity <= SIPC_STREAM_PIECE || slot->response_capacity <= SIPC_STREAM_PIECE)
        return;
    sipc_response response = {.data = slot->response, .capacity = slot->response_capacity};
    sipc_streams_answer(responder->streams, slot, responder->callers, request, &response);
    fields->outcome = SIPC_ANSWER_OK;
    fields->size = response.size;
}

// What a handler has made of a request. Taken: out of it, to be answered later, or by now.
struct handled {
    uint64_t outcome;
    uint32_t size;
    bool taken;
};

// Calls the handler, which gets private copies of the checked fields.
SIPC_ALWAYS_INLINE struct handled handle(struct sipc_responder *responder,
                                         const sipc_request *request, sipc_handler handler,
                                         void *context) {
    const struct sipc_slot *slot = responder->slot;
    sipc_response response = {.data = slot->response, .capacity = slot->response_capacity};
    sipc_status status = handler(context, request, &response);
    if (SIPC_UNLIKELY(responder->taken)) {
        responder->taken = false;
        return (struct handled){.taken = true};
    }
    struct response_fields fields = {.size = 0};
    note_result(slot, status, &response, &fields);
    return (struct handled){.outcome = fields.outcome, .size = fields.size};
}

// The same of a sampled request. By itself: what is measured here costs the others nothing.
static SIPC_SELDOM struct handled handle_sampled(struct sipc_responder *responder,
                                                 const sipc_request *request, sipc_handler handler,
                                                 void *context) {
    const uint64_t began = sample_start(responder->slot);
    const struct handled handled = handle(responder, request, handler, context);
    if (!handled.taken) sample_end(responder->slot, began);
    return handled;
}

// As much of a payload is asked for ahead as hides behind the barrier of the mark.
#define PREFETCH_LIMIT 512u

// Asks for the lines that the payload stands in if it is as large as the last one; the first at
// least.
static inline void prefetch_request(const struct sipc_slot *slot, uint32_t last_size) {
    uint32_t end = last_size < PREFETCH_LIMIT ? last_size : PREFETCH_LIMIT;
    SIPC_PREFETCH(slot->request);
    // sipc_confirm_size() writes the size through a pointer.
    // cppcheck-suppress knownConditionTrueFalse
    for (uint32_t offset = SIPC_LINE_SIZE; offset < end; offset += SIPC_LINE_SIZE)
        SIPC_PREFETCH(slot->request + offset);
}

// What is read before the second look at the caller's word says that it is whole: a caller that
// gives up may be writing the next request meanwhile. Nobody looks at a torn copy, so the race is
// harmless, but the sanitizer sees it where both roles have one mapping.
SIPC_UNCHECKED_RACE void read_request(const struct sipc_slot *slot, sipc_request *request,
                                      uint32_t *flags) {
    const volatile struct sipc_turn_line *line = slot->turn;
    request->size = line->size;
    request->message_id = line->message_id;
    request->transport_id = line->transport_id;
    *flags = line->flags;
}

// The same of a tiny request. Its fields are made of the copies.
SIPC_UNCHECKED_RACE void read_tiny_request(const struct sipc_slot *slot, sipc_request *request,
                                           uint8_t payload[SIPC_TINY_CAPACITY]) {
    request->transport_id = ((const volatile struct sipc_turn_line *)slot->turn)->transport_id;
    // As wide as a handler will load it again: a load that spans two stores waits for both.
    const volatile sipc_block *from = (const volatile sipc_block *)slot->turn->tiny_payload;
    sipc_block blocks[SIPC_TINY_CAPACITY / sizeof(sipc_block)];
    for (unsigned i = 0; i < SIPC_TINY_CAPACITY / sizeof(sipc_block); i++) blocks[i] = from[i];
    memcpy(payload, blocks, sizeof blocks);
    request->size = (uint32_t)request->transport_id & SIPC_TRANSPORT_ID_SIZE_MASK;
    request->message_id = SIPC_MESSAGE_NORMAL;
    if (request->transport_id & SIPC_TRANSPORT_ID_NAMED)
        memcpy(&request->message_id, payload + SIPC_TINY_NAMED_CAPACITY,
               sizeof request->message_id);
}

static inline uint32_t tiny_capacity(const sipc_request *request) {
    return request->transport_id & SIPC_TRANSPORT_ID_NAMED ? SIPC_TINY_NAMED_CAPACITY
                                                           : SIPC_TINY_CAPACITY;
}

// Answers the request of this state word. Tiny is a constant here: two paths for two places, so
// that no address depends on what the peer wrote.
SIPC_ALWAYS_INLINE enum sipc_served serve_request(struct sipc_responder *responder, bool tiny,
                                                  uint32_t state, sipc_handler handler,
                                                  void *context, struct sipc_last_answer *last) {
    const struct sipc_slot *slot = responder->slot;
    _Alignas(16) uint8_t tiny_payload[SIPC_TINY_CAPACITY];
    const uint8_t *payload = tiny ? tiny_payload : slot->request;
    SIPC_KEEP_BRANCH(payload);
    if (!tiny) prefetch_request(slot, responder->last_size);
    uint32_t generation = sipc_state_generation(state);
    sipc_request request = {
        .data = payload, .slot = slot->index, .origin = responder, .state = state};
    uint32_t flags = 0;
    if (tiny) {
        read_tiny_request(slot, &request, tiny_payload);
    } else {
        read_request(slot, &request, &flags);
        request.size = sipc_confirm_size(&responder->last_size, request.size);
    }
    // Barrier: either we see a cancellation below, or the caller sees the mark (spec 4.2). What was
    // read above is whole if the request still stands, and is not looked at otherwise.
    sipc_exchange_barrier(&slot->owner->started, sipc_state(generation, 0));
    // The same barrier stands between the last answer and this look: before the handler, which may
    // take long.
    if (last) look_back(last);
    if (sipc_load_acquire(&slot->turn->caller_state) != state) {
        const struct response_fields nothing = {.outcome = SIPC_ANSWER_NOT_EXECUTED};
        answer(slot, generation, &nothing, last);
        count_answer(slot, 0, &nothing);
        return SIPC_SERVED_REQUEST;
    }
    struct response_fields fields = {.transport_id = request.transport_id,
                                     .message_id = request.message_id};
    enum sipc_served served = SIPC_SERVED_REQUEST;
    uint32_t handled = 0;
    fields.outcome =
        check(slot, &request, tiny ? tiny_capacity(&request) : slot->request_capacity, flags);
    if (fields.outcome != SIPC_ANSWER_OK) {
        // No handler sees it.
        if (fields.outcome == SIPC_ANSWER_UNKNOWN_MESSAGE)
            handle_unknown(responder, &request, &fields);
    } else if (request.message_id == SIPC_MESSAGE_HEARTBEAT_REQUEST) {
        fields.message_id = SIPC_MESSAGE_HEARTBEAT_RESPONSE;
    } else if (request.message_id == SIPC_MESSAGE_SHUTDOWN) {
        // No guest ends what its host serves.
        if (slot->guest_calls)
            fields.outcome = SIPC_ANSWER_UNKNOWN_MESSAGE;
        else
            served = SIPC_SERVED_SHUTDOWN;
    } else {
        const struct handled result = SIPC_UNLIKELY(sipc_is_sampled(generation))
                                          ? handle_sampled(responder, &request, handler, context)
                                          : handle(responder, &request, handler, context);
        if (SIPC_UNLIKELY(result.taken)) return SIPC_SERVED_REQUEST;
        fields.outcome = result.outcome;
        fields.size = result.size;
        handled = request.size;
    }
    answer_where_it_fits(slot, tiny, generation, &request, &fields, last);
    count_answer(slot, handled, &fields);
    return sipc_slot_is_lost(slot) ? SIPC_SERVED_CLOSED : served;
}

// Whether the request that stands in the slot is for the guest that served it before. Asked until
// one was not: every later one comes from a caller that knows who serves (spec 9.2).
static SIPC_SELDOM bool is_for_another(struct sipc_responder *responder) {
    uint32_t addressee = sipc_load_relaxed(&responder->slot->annex->addressee);
    responder->fresh = addressee != 0 && addressee != responder->attendance;
    return responder->fresh;
}

static SIPC_SELDOM enum sipc_served refuse(const struct sipc_slot *slot, uint32_t state,
                                           struct sipc_last_answer *last) {
    // Here no mark is the barrier between the last answer and the look at who waits for it.
    if (last) sipc_responder_look_back(last);
    answer(slot, sipc_state_generation(state),
           &(struct response_fields){.transport_id = request_id(slot),
                                     .outcome = SIPC_ANSWER_NOT_ADDRESSED},
           last);
    return SIPC_SERVED_REQUEST;
}

SIPC_ALWAYS_INLINE enum sipc_served serve(struct sipc_responder *responder, sipc_handler handler,
                                          void *context, struct sipc_last_answer *last) {
    const struct sipc_slot *slot = responder->slot;
    uint32_t state = sipc_load_acquire(&slot->turn->caller_state);
    if (sipc_slot_is_lost(slot)) return SIPC_SERVED_CLOSED;
    if (state == responder->seen) return SIPC_SERVED_NOTHING;
    responder->seen = state;
    SIPC_ORDER_CAME_BY_PEER(slot->responder);
    switch (sipc_state_code(state)) {
    case SIPC_CODE_REQUEST:
        if (SIPC_UNLIKELY(responder->fresh) && is_for_another(responder))
            return refuse(slot, state, last);
        return state & SIPC_FLAG_TINY
                   ? serve_request(responder, true, state, handler, context, last)
                   : serve_request(responder, false, state, handler, context, last);
    case SIPC_CODE_CLOSED:
        return SIPC_SERVED_CLOSED;
    default:
        return SIPC_SERVED_NOTHING;
    }
}

enum sipc_served sipc_responder_serve(struct sipc_responder *responder, sipc_handler handler,
                                      void *context) {
    return serve(responder, handler, context, NULL);
}

enum sipc_served sipc_responder_serve_one_of_many(struct sipc_responder *responder,
                                                  sipc_handler handler, void *context,
                                                  struct sipc_last_answer *last) {
    return serve(responder, handler, context, last);
}

static uint32_t request_message_id(const struct sipc_slot *slot, bool tiny, uint64_t id) {
    const volatile struct sipc_turn_line *line = slot->turn;
    if (!tiny) return line->message_id;
    return id & SIPC_TRANSPORT_ID_NAMED ? line->tiny_message_id : SIPC_MESSAGE_NORMAL;
}

bool sipc_responder_answer_taken(const struct sipc_slot *slot, uint32_t state,
                                 const sipc_request *request, sipc_status status,
                                 const sipc_response *response) {
    struct response_fields fields = {.transport_id = request->transport_id,
                                     .message_id = request->message_id};
    note_result(slot, status, response, &fields);
    // Not after the answer: the next request's worker counts then.
    count_answer(slot, request->size, &fields);
    const uint32_t generation = sipc_state_generation(state);
    if (state & SIPC_FLAG_TINY)
        answer_where_it_fits(slot, true, generation, request, &fields, NULL);
    else
        answer_where_it_fits(slot, false, generation, request, &fields, NULL);
    return !sipc_slot_is_lost(slot);
}

// Whether the request that was seen last is somebody's to answer later.
static bool pends(struct sipc_responder *responder) {
    const bool taken = responder->taken;
    responder->taken = false;
    const uint32_t pending = sipc_load_acquire(&responder->pending);
    return taken || (pending | SIPC_ANSWERING) == (responder->seen | SIPC_ANSWERING);
}

// It was checked before the handler saw it, and may have been changed since.
static uint32_t handled_size(const struct sipc_slot *slot, bool tiny, uint64_t id) {
    if (tiny) return (uint32_t)id & SIPC_TRANSPORT_ID_SIZE_MASK;
    const uint32_t size = ((const volatile struct sipc_turn_line *)slot->turn)->size;
    return size < slot->request_capacity ? size : slot->request_capacity;
}

SIPC_SELDOM void sipc_responder_abandon(struct sipc_responder *responder) {
    static const char text[] = "the handler did not return";
    const uint32_t size = sizeof text - 1;
    const struct sipc_slot *slot = responder->slot;
    sipc_waiter_left(&responder->waiter);
    if (pends(responder)) return;
    uint32_t state = responder->seen;
    uint32_t generation = sipc_state_generation(state);
    if (sipc_state_code(state) != SIPC_CODE_REQUEST || stands(slot, generation)) return;
    const uint64_t id = request_id(slot);
    const bool tiny = (state & SIPC_FLAG_TINY) != 0;
    struct response_fields fields = {.transport_id = id,
                                     .message_id = request_message_id(slot, tiny, id),
                                     .outcome = SIPC_ANSWER_HANDLER_FAILED};
    if (size <= slot->response_capacity) {
        for (uint32_t i = 0; i < size; i++) sipc_store_plain(slot->response[i], (uint8_t)text[i]);
        fields.size = size;
    }
    answer(slot, generation, &fields, NULL);
    count_answer(slot, handled_size(slot, tiny, id), &fields);
}

static bool changed(const void *role) {
    return sipc_responder_has_news(role);
}

SIPC_ALWAYS_INLINE bool spin(const struct sipc_responder *responder) {
    const sipc_word *word = &responder->slot->turn->caller_state;
    const uint32_t seen = responder->seen;
    for (uint32_t polls = responder->waiter.spin; polls > 0; polls--) {
        if (sipc_load_acquire(word) != seen) return true;
        sipc_pause();
    }
    return false;
}

static SIPC_SELDOM bool spin_timed(struct sipc_responder *responder) {
    sipc_waiter_time_spin(&responder->waiter);
    if (!spin(responder)) return false;
    sipc_waiter_count_spin(&responder->waiter, sipc_os_now());
    return true;
}

// Not after a sampled exchange, whose caller takes longer to begin the next.
static inline bool samples_spin(uint32_t seen) {
    const uint32_t mask = sipc_state(SIPC_SAMPLE_INTERVAL - 1, 0);
    return (seen & mask) == sipc_state(SIPC_SAMPLE_INTERVAL / 2, 0);
}

enum sipc_wait_result sipc_responder_wait(struct sipc_responder *responder) {
    if (SIPC_UNLIKELY(samples_spin(responder->seen)) ? spin_timed(responder) : spin(responder))
        return SIPC_WAIT_READY;
    struct sipc_deadline never = sipc_deadline_after(SIPC_FOREVER);
    return sipc_wait_slow(&responder->waiter, changed, responder, &never);
}

void sipc_responder_leave(struct sipc_responder *responder) {
    const struct sipc_slot *slot = responder->slot;
    uint32_t state = sipc_load_relaxed(&slot->responder->state);
    publish_state(slot, sipc_state_unattended(state));
}
