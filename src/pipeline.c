// SPDX-License-Identifier: Apache-2.0
// Several requests in flight from one thread: a group of sessions, one of which, the lead, waits
// for all of them (spec 7.1).
#include "internal/pipeline.h"

#include <simpleipc/event_loop.h>
#include <simpleipc/guests.h>
#include <stdlib.h>

#include "internal/errors.h"
#include "internal/host.h"
#include "internal/relay.h"
#include "internal/streams.h"

// Of the polls in a wait one in so many looks at another request than the oldest: each look in vain
// takes a line from the responder that is about to write it.
#define LOOK_ASIDE 4u
// How often others are answered first before it is asked whether the oldest's responder lives.
#define OVERTAKEN_LOOK 64u

enum flight_state {
    LANDED,    // nothing in the slot
    IN_FLIGHT, // a request that is not completed
    REPORTED,  // its completion is being told
    ABANDONED, // given up, and maybe still in its handler
};

struct flight {
    struct sipc_session *session;
    enum flight_state state;
    uint32_t events; // of the session when the request was published: a death since then shows
    uint64_t tag;
    uint64_t end;          // SIPC_NEVER: no deadline
    struct flight *before; // the one that was submitted before it in the same call
};

struct sipc_pipeline {
    struct sipc_calls *calls;
    struct sipc_session *lead;
    sipc_completed completed;
    void *context;
    uint32_t depth;
    uint32_t in_flight;
    uint32_t timed;            // of these, with a deadline
    uint64_t first_end;        // none of these is earlier
    uint32_t next;             // where the next request goes, if that slot is free
    uint32_t oldest;           // where the next response is expected
    uint32_t aside;            // where else to look
    uint32_t overtaken;        // how often others were answered before the oldest
    sipc_completion *into;     // where completions go instead of being told; NULL: they are told
    sipc_completion *into_end; // the end of that array
    bool disordered;           // the last response was not the one that was expected
    sipc_word roused;          // 1: no wait goes on; by any thread
    bool reaping;              // completions are being told
    bool announced;            // the slots say that we sleep, since an event loop does
    bool armed;                // since the descriptor was not readable for the last time
    struct sipc_relay *relay;  // for event loops; NULL: nobody asked for a descriptor
    bool streams;              // it carries the requests of streams
    uint64_t owner;            // incarnation of who serves them
    struct flight flights[];
};

static uint32_t after(const sipc_pipeline *pipeline, uint32_t index) {
    return index + 1 < pipeline->depth ? index + 1 : 0;
}

static struct sipc_waiter *waiter_of(const sipc_pipeline *pipeline) {
    return &pipeline->lead->caller.waiter;
}

// ---- Life --------------------------------------------------------------------------------------

static inline bool stands_in_turn_line(const struct sipc_caller *caller) {
    return caller->tiny &&
           sipc_load_acquire(&caller->slot->turn->tiny_state) == sipc_caller_awaited(caller);
}

static inline bool stands_in_own_line(const struct sipc_caller *caller) {
    uint32_t state = sipc_load_acquire(&caller->slot->responder->state);
    return sipc_state_unattended(state) == sipc_caller_awaited(caller);
}

static inline bool stands(const struct flight *flight) {
    const struct sipc_caller *caller = &flight->session->caller;
    return stands_in_turn_line(caller) || stands_in_own_line(caller);
}

// A guest's host closes, and will not answer any more what it has not answered.
static inline bool is_forsaken(const struct flight *flight) {
    return sipc_slot_is_closing(flight->session->caller.slot);
}

static bool any_can_be_completed(const void *role) {
    const sipc_pipeline *pipeline = role;
    for (uint32_t i = 0; i < pipeline->depth; i++) {
        const struct flight *flight = &pipeline->flights[i];
        if (flight->state == IN_FLIGHT && (stands(flight) || is_forsaken(flight))) return true;
    }
    return false;
}

// Says in each slot where we sleep, and has its responder watched. In this order: a responder that
// comes between the two rings, and is watched before the next sleep.
static void announce(void *context) {
    const sipc_pipeline *pipeline = context;
    for (uint32_t i = 0; i < pipeline->depth; i++) {
        const struct flight *flight = &pipeline->flights[i];
        if (flight->state != IN_FLIGHT) continue;
        sipc_exchange_barrier(&flight->session->caller.slot->annex->caller_waiting,
                              waiter_of(pipeline)->asleep_as);
        sipc_session_watch(flight->session);
    }
}

static void take_back_announcement(const sipc_pipeline *pipeline) {
    for (uint32_t i = 0; i < pipeline->depth; i++)
        sipc_store_relaxed(&pipeline->flights[i].session->caller.slot->annex->caller_waiting, 0);
}

// The lead's waiter sleeps on its bell instead of its responder's word.
static void lead_group(sipc_pipeline *pipeline) {
    struct sipc_session *lead = pipeline->lead;
    const struct sipc_slot *slot = lead->caller.slot;
    const struct sipc_sleep sleep = {.watched = &slot->annex->caller_bell,
                                     .interrupt = &lead->group_interrupt,
                                     .as = SIPC_WAITING_FIRST_LEAD + slot->index,
                                     .before = announce,
                                     .context = pipeline};
    sipc_waiter_turn_to(&lead->caller.waiter, &sleep);
    for (uint32_t i = 0; i < pipeline->depth; i++) {
        struct sipc_session *session = pipeline->flights[i].session;
        session->caller.grouped = true;
        sipc_store_release(&session->lead, lead->index);
    }
}

static void disband_group(sipc_pipeline *pipeline) {
    struct sipc_session *lead = pipeline->lead;
    for (uint32_t i = 0; i < pipeline->depth; i++) {
        struct sipc_session *session = pipeline->flights[i].session;
        session->caller.grouped = false;
        sipc_store_release(&session->lead, session->index);
    }
    const struct sipc_sleep sleep = {.watched = &lead->caller.slot->responder->state,
                                     .interrupt = &lead->interrupt,
                                     .as = SIPC_WAITING_ALONE,
                                     .before = sipc_session_watch,
                                     .context = lead};
    sipc_waiter_turn_to(&lead->caller.waiter, &sleep);
    lead->caller.waiter.spin_from = 0;
}

static int by_slot(const void *one, const void *other) {
    const struct flight *a = one, *b = other;
    return a->session->caller.slot->index < b->session->caller.slot->index ? -1 : 1;
}

static void release_sessions(sipc_pipeline *pipeline, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) sipc_session_release(pipeline->flights[i].session);
}

static sipc_status acquire_one_by_one(sipc_pipeline *pipeline, const struct sipc_pipelining *wish,
                                      struct sipc_deadline *deadline) {
    struct sipc_want want = {.slot = wish->first_slot, .guest = wish->guest};
    for (uint32_t i = 0; i < pipeline->depth; i++) {
        if (wish->first_slot != SIPC_ANY_SLOT) want.slot = wish->first_slot + i;
        sipc_status status = sipc_pool_acquire(&pipeline->calls->pool, &want, deadline,
                                               &pipeline->flights[i].session);
        if (!status) continue;
        release_sessions(pipeline, i);
        return status;
    }
    return SIPC_OK;
}

// Who gathers slots that it names takes them in order, and needs no turn.
static sipc_status acquire_sessions(sipc_pipeline *pipeline, const struct sipc_pipelining *wish,
                                    struct sipc_deadline *deadline) {
    struct sipc_pool *pool = &pipeline->calls->pool;
    const bool in_turn = pipeline->depth > 1 && wish->first_slot == SIPC_ANY_SLOT;
    if (in_turn && !sipc_pool_take_turn(pool, deadline))
        return sipc_fail(SIPC_ALL_SLOTS_BUSY,
                         "another pipeline was still waiting for its slots at the deadline; create "
                         "more slots or wait longer");
    sipc_status status = acquire_one_by_one(pipeline, wish, deadline);
    if (in_turn) sipc_pool_end_turn(pool);
    if (status) return status;
    // Workers of a group look at their slots in this order.
    qsort(pipeline->flights, pipeline->depth, sizeof pipeline->flights[0], by_slot);
    pipeline->lead = pipeline->flights[0].session;
    return SIPC_OK;
}

static sipc_status check_depth(const struct sipc_calls *calls, uint32_t first_slot,
                               uint32_t depth) {
    const uint32_t count = calls->pool.count;
    if (depth == 0 || depth > count)
        return sipc_fail(SIPC_INVALID_ARGUMENT,
                         "a pipeline of depth %u needs as many slots, the %s has %u", depth,
                         calls->peer_is_gone ? "guest" : "host", count);
    if (first_slot != SIPC_ANY_SLOT && first_slot > count - depth)
        return sipc_fail(SIPC_INVALID_ARGUMENT,
                         "there are no %u slots from slot %u on; the host has %u", depth,
                         first_slot, count);
    return SIPC_OK;
}

// Why calls are closed, or why a request is over with them; any other status is as it is.
static sipc_status told_as(const struct sipc_calls *calls, sipc_status status) {
    if (status != SIPC_CLOSED && status != SIPC_CLOSED_MAYBE_EXECUTED) return status;
    return sipc_calls_closed(calls, status);
}

sipc_status sipc_calls_open_pipeline(struct sipc_calls *calls, const struct sipc_pipelining *wish,
                                     sipc_pipeline **pipeline) {
    const uint32_t depth = wish->depth;
    if (!wish->completed)
        return sipc_fail(SIPC_INVALID_ARGUMENT, "completed is NULL; pass who hears of responses");
    sipc_status status = check_depth(calls, wish->first_slot, depth);
    if (status) return status;
    sipc_pipeline *made = calloc(1, sizeof *made + depth * sizeof made->flights[0]);
    if (!made) return sipc_fail(SIPC_OUT_OF_MEMORY, "no memory for a pipeline of %u", depth);
    made->calls = calls;
    made->completed = wish->completed;
    made->context = wish->context;
    made->depth = depth;
    made->first_end = SIPC_NEVER;
    struct sipc_deadline deadline = sipc_calls_deadline(calls, wish->timeout_ns);
    status = acquire_sessions(made, wish, &deadline);
    if (status) {
        free(made);
        return told_as(calls, status);
    }
    lead_group(made);
    *pipeline = made;
    return SIPC_OK;
}

static uint64_t owner_of(const struct sipc_session *session) {
    return ((const volatile struct sipc_owner_line *)session->caller.slot->owner)
        ->owner_incarnation;
}

bool sipc_pipeline_carry_streams(sipc_pipeline *pipeline) {
    const uint64_t owner = owner_of(pipeline->lead);
    for (uint32_t i = 0; i < pipeline->depth; i++)
        if (owner_of(pipeline->flights[i].session) != owner) return false;
    pipeline->streams = true;
    pipeline->owner = owner;
    return true;
}

bool sipc_pipeline_reaches_stream(const sipc_pipeline *pipeline) {
    for (uint32_t i = 0; i < pipeline->depth; i++) {
        const struct sipc_session *session = pipeline->flights[i].session;
        if (!sipc_session_attended(session) || owner_of(session) != pipeline->owner) return false;
    }
    return true;
}

uint32_t sipc_calls_slots_of_one(const struct sipc_calls *calls, uint32_t most, uint32_t *first) {
    const struct sipc_pool *pool = &calls->pool;
    uint32_t longest = 0;
    for (uint32_t begin = 0, end; begin < pool->count && longest < most; begin = end) {
        const uint64_t owner = owner_of(sipc_pool_session(pool, begin));
        end = begin;
        while (end < pool->count && end - begin < most &&
               sipc_session_attended(sipc_pool_session(pool, end)) &&
               owner_of(sipc_pool_session(pool, end)) == owner)
            end++;
        if (end - begin > longest) {
            longest = end - begin;
            *first = begin;
        }
        if (end == begin) end++;
    }
    return longest;
}

sipc_status sipc_pipeline_open(sipc_host *host, uint32_t first_slot, uint32_t depth,
                               uint64_t timeout_ns, sipc_completed completed, void *context,
                               sipc_pipeline **pipeline) {
    if (!pipeline)
        return sipc_fail(SIPC_INVALID_ARGUMENT, "pipeline is NULL; pass where to put the handle");
    *pipeline = NULL;
    sipc_status status = sipc_host_check(host);
    if (status) return status;
    const struct sipc_pipelining wish = {first_slot, depth, timeout_ns, completed, context, NULL};
    return sipc_calls_open_pipeline(&host->calls, &wish, pipeline);
}

sipc_status sipc_pipeline_open_guest(sipc_host *host, const char *guest, uint32_t depth,
                                     uint64_t timeout_ns, sipc_completed completed, void *context,
                                     sipc_pipeline **pipeline) {
    if (!pipeline)
        return sipc_fail(SIPC_INVALID_ARGUMENT, "pipeline is NULL; pass where to put the handle");
    *pipeline = NULL;
    sipc_status status = sipc_host_check(host);
    struct sipc_guest_name name;
    if (!status) status = sipc_guest_name_make(guest, &name);
    if (status) return status;
    const struct sipc_pipelining wish = {SIPC_ANY_SLOT, depth,   timeout_ns,
                                         completed,     context, &name};
    return sipc_calls_open_pipeline(&host->calls, &wish, pipeline);
}

static sipc_status check_pipeline(const sipc_pipeline *pipeline) {
    if (!pipeline) return sipc_fail(SIPC_INVALID_ARGUMENT, "pipeline is NULL; open one first");
    if (SIPC_LIKELY(pipeline->calls->forks == sipc_os_forks())) return SIPC_OK;
    return sipc_fail(SIPC_INVALID_ARGUMENT,
                     "the pipeline belongs to the process that forked this one; open one here");
}

void sipc_pipeline_pass_deadlines(sipc_pipeline *pipeline, uint32_t pass) {
    for (uint32_t i = 0; i < pipeline->depth; i++)
        sipc_session_pass_deadlines(pipeline->flights[i].session, pass);
}

uint32_t sipc_pipeline_in_flight(const sipc_pipeline *pipeline) {
    return pipeline->in_flight;
}

// ---- Submitting --------------------------------------------------------------------------------

static bool can_take(struct flight *flight) {
    if (flight->state == ABANDONED && sipc_caller_usable(&flight->session->caller))
        flight->state = LANDED;
    return flight->state == LANDED;
}

static struct flight *free_flight(sipc_pipeline *pipeline) {
    for (uint32_t i = 0, at = pipeline->next; i < pipeline->depth; i++, at = after(pipeline, at)) {
        if (!can_take(&pipeline->flights[at])) continue;
        pipeline->next = at;
        return &pipeline->flights[at];
    }
    return NULL;
}

static inline bool is_closed(const sipc_pipeline *pipeline) {
    return (sipc_load_acquire(&pipeline->lead->interrupt) & SIPC_INTERRUPT_CLOSE) != 0;
}

static sipc_status full(const sipc_pipeline *pipeline) {
    if (is_closed(pipeline)) return sipc_calls_closed(pipeline->calls, SIPC_CLOSED);
    return sipc_fail(SIPC_ALL_SLOTS_BUSY,
                     "%u requests are in flight or in a handler that outlived its deadline, of a "
                     "depth of %u; reap first",
                     pipeline->in_flight, pipeline->depth);
}

void *sipc_pipeline_request(sipc_pipeline *pipeline, uint32_t *capacity) {
    if (check_pipeline(pipeline)) return NULL;
    struct flight *flight = free_flight(pipeline);
    if (!flight) {
        full(pipeline);
        return NULL;
    }
    if (capacity) *capacity = flight->session->caller.slot->request_capacity;
    return flight->session->caller.slot->request;
}

// Publishes a request by a store: its responder is looked at after the last of the call.
SIPC_ALWAYS_INLINE bool publish(struct sipc_caller *caller, bool tiny, uint32_t message_id,
                                const void *request, uint32_t size) {
    if (SIPC_UNLIKELY(!sipc_caller_prepare(caller, tiny, message_id, request, size))) return false;
    sipc_store_release(&caller->slot->turn->caller_state, sipc_caller_request_state(caller, tiny));
    sipc_caller_count_request(caller->slot, size);
    return true;
}

static SIPC_SELDOM sipc_status check_request(const sipc_pipeline *pipeline,
                                             const struct sipc_caller *caller, uint32_t message_id,
                                             uint32_t size) {
    const bool carried = pipeline->streams && sipc_is_stream_message(message_id);
    return sipc_caller_check(caller, carried ? SIPC_MESSAGE_NORMAL : message_id, size);
}

// Scalars, not a sipc_submission: fields just written by the application would be loaded in other
// pieces than they were stored in.
SIPC_ALWAYS_INLINE sipc_status depart(sipc_pipeline *pipeline, uint32_t message_id,
                                      const void *request, uint32_t size, uint64_t end,
                                      uint64_t tag, struct flight **last) {
    if (SIPC_UNLIKELY(!request && size))
        return sipc_fail(SIPC_INVALID_ARGUMENT, "the request is NULL but its size is %u", size);
    struct flight *flight = free_flight(pipeline);
    if (SIPC_UNLIKELY(!flight)) return full(pipeline);
    struct sipc_caller *caller = &flight->session->caller;
    if (SIPC_UNLIKELY(!sipc_caller_may(caller, message_id, size))) {
        sipc_status status = check_request(pipeline, caller, message_id, size);
        if (status) return status;
    }
    flight->events = sipc_session_events(flight->session);
    if (SIPC_UNLIKELY(caller->telling != 0)) sipc_caller_tell_deadline(caller, end);
    bool published = sipc_request_is_tiny(message_id, size)
                         ? publish(caller, true, message_id, request, size)
                         : publish(caller, false, message_id, request, size);
    if (SIPC_UNLIKELY(!published)) return sipc_caller_lost(SIPC_REGION_LOST);
    flight->state = IN_FLIGHT;
    flight->tag = tag;
    flight->end = end;
    flight->before = *last;
    *last = flight;
    pipeline->in_flight++;
    pipeline->timed += end != SIPC_NEVER;
    pipeline->next = after(pipeline, pipeline->next);
    return SIPC_OK;
}

// A guest slot is the next guest's.
static void close_host_slot(struct sipc_caller *caller) {
    if (!caller->slot->guest_calls) sipc_caller_close(caller);
}

// One barrier for all that the call has published, then a look at each one's responder.
static void look_for_sleepers(const sipc_pipeline *pipeline, const struct flight *last) {
    sipc_barrier();
    for (const struct flight *flight = last; flight; flight = flight->before)
        sipc_caller_look_for_sleeper(flight->session->caller.slot);
    // The host may have closed the slots just before, unaware of us: then we do that again, and the
    // next reap tells the requests' fate. After the same barrier.
    if (SIPC_LIKELY(!is_closed(pipeline))) return;
    for (const struct flight *flight = last; flight; flight = flight->before)
        close_host_slot(&flight->session->caller);
}

static inline uint64_t end_after(const sipc_pipeline *pipeline, uint64_t timeout_ns) {
    struct sipc_deadline deadline = sipc_calls_deadline(pipeline->calls, timeout_ns);
    return sipc_deadline_at(&deadline);
}

uint64_t sipc_pipeline_end_after(const sipc_pipeline *pipeline, uint64_t timeout_ns) {
    return end_after(pipeline, timeout_ns);
}

sipc_status sipc_pipeline_check(const sipc_pipeline *pipeline, uint32_t message_id, uint32_t size) {
    return sipc_caller_check(&pipeline->lead->caller, message_id, size);
}

static inline sipc_status enter(const sipc_pipeline *pipeline) {
    return SIPC_LIKELY(sipc_session_enter_call(pipeline->lead))
               ? SIPC_OK
               : sipc_calls_closed(pipeline->calls, SIPC_CLOSED);
}

static SIPC_SELDOM void arm_again(sipc_pipeline *pipeline);

// After the last of a call: those before it are told by it.
static inline void leave(sipc_pipeline *pipeline, const struct flight *last, uint64_t end) {
    if (last) look_for_sleepers(pipeline, last);
    if (last && end < pipeline->first_end) pipeline->first_end = end;
    if (SIPC_UNLIKELY(pipeline->announced)) arm_again(pipeline);
    sipc_session_leave(pipeline->lead);
}

sipc_status sipc_pipeline_submit(sipc_pipeline *pipeline, uint32_t message_id, const void *request,
                                 uint32_t request_size, uint64_t timeout_ns, uint64_t tag) {
    sipc_status status = check_pipeline(pipeline);
    if (SIPC_UNLIKELY(status)) return status;
    const uint64_t end = end_after(pipeline, timeout_ns);
    struct flight *last = NULL;
    status = enter(pipeline);
    if (SIPC_LIKELY(!status))
        status = depart(pipeline, message_id, request, request_size, end, tag, &last);
    leave(pipeline, last, end);
    return status;
}

sipc_status sipc_pipeline_submit_many(sipc_pipeline *pipeline, const sipc_submission *submissions,
                                      uint32_t count, uint64_t timeout_ns, uint32_t *submitted) {
    if (submitted) *submitted = 0;
    sipc_status status = check_pipeline(pipeline);
    if (SIPC_UNLIKELY(status)) return status;
    if (SIPC_UNLIKELY(!submissions && count))
        return sipc_fail(SIPC_INVALID_ARGUMENT, "submissions is NULL but their count is %u", count);
    const uint64_t end = end_after(pipeline, timeout_ns);
    struct flight *last = NULL;
    uint32_t done = 0;
    status = enter(pipeline);
    for (; !status && done < count; done += !status) {
        const sipc_submission *next = &submissions[done];
        status = depart(pipeline, next->message_id, next->request, next->request_size, end,
                        next->tag, &last);
    }
    leave(pipeline, last, end);
    if (submitted) *submitted = done;
    return status;
}

// ---- Reaping -----------------------------------------------------------------------------------

SIPC_ALWAYS_INLINE void complete(sipc_pipeline *pipeline, struct flight *flight, sipc_status status,
                                 const struct sipc_answer *answer) {
    pipeline->in_flight--;
    pipeline->timed -= flight->end != SIPC_NEVER;
    // The response stands in the slot while it is told: nothing is submitted there.
    flight->state = REPORTED;
    const sipc_completion completion = {.tag = flight->tag,
                                        .status = status,
                                        .response = answer->data,
                                        .response_size = answer->size,
                                        .message_id = answer->message_id};
    if (pipeline->into)
        *pipeline->into++ = completion;
    else
        pipeline->completed(pipeline->context, &completion);
    flight->state = flight->session->caller.abandoned ? ABANDONED : LANDED;
}

// Takes and tells the response, if it stands.
SIPC_ALWAYS_INLINE bool land(sipc_pipeline *pipeline, struct flight *flight) {
    struct sipc_caller *caller = &flight->session->caller;
    struct sipc_answer answer = {.data = NULL};
    bool tiny = stands_in_turn_line(caller);
    if (SIPC_UNLIKELY(!tiny)) {
        if (!stands_in_own_line(caller)) return false;
        // Once more: a responder that woke us changed its own word after the turn line's (spec 3).
        tiny = stands_in_turn_line(caller);
    }
    sipc_status status = tiny ? sipc_caller_take_from_turn_line(caller, &answer)
                              : sipc_caller_take_from_own_line(caller, &answer);
    // Asked last: nothing that was read before tells the truth then.
    if (SIPC_UNLIKELY(sipc_slot_is_lost(caller->slot))) {
        answer = (struct sipc_answer){.data = NULL};
        status = sipc_caller_lost(SIPC_REGION_LOST_MAYBE_EXECUTED);
    }
    complete(pipeline, flight, status, &answer);
    return true;
}

// Ends a request without waiting for its response, unless that stands by now.
static void end_flight(sipc_pipeline *pipeline, struct flight *flight, enum sipc_wait_result why) {
    struct sipc_answer answer = {.data = NULL};
    struct sipc_caller *caller = &flight->session->caller;
    caller->damaged = false;
    sipc_status status = sipc_caller_end(caller, why, &answer);
    if (why != SIPC_WAIT_CALLED_OFF) status = told_as(pipeline->calls, status);
    if (is_closed(pipeline)) close_host_slot(caller);
    complete(pipeline, flight, status, &answer);
}

static uint32_t land_those_in_order(sipc_pipeline *pipeline, uint32_t most) {
    uint32_t landed = 0;
    while (landed < most && pipeline->in_flight > 0) {
        struct flight *flight = &pipeline->flights[pipeline->oldest];
        uint32_t next = after(pipeline, pipeline->oldest);
        if (flight->state == IN_FLIGHT) {
            SIPC_PREFETCH(pipeline->flights[next].session->caller.slot->turn);
            if (!land(pipeline, flight)) break;
            landed++;
        }
        pipeline->oldest = next;
    }
    if (landed > 0) pipeline->disordered = false;
    return landed;
}

static uint32_t land_all_that_stand(sipc_pipeline *pipeline, uint32_t most) {
    uint32_t landed = land_those_in_order(pipeline, most);
    for (uint32_t i = 0; i < pipeline->depth && landed < most; i++) {
        struct flight *flight = &pipeline->flights[i];
        if (flight->state != IN_FLIGHT || !land(pipeline, flight)) continue;
        pipeline->disordered = true;
        landed++;
    }
    return landed;
}

// Whether there is no use in waiting for its response, and why.
static bool is_hopeless(const sipc_pipeline *pipeline, const struct flight *flight, uint64_t now,
                        enum sipc_wait_result *why) {
    *why = SIPC_WAIT_INTERRUPTED;
    if (is_closed(pipeline) || sipc_session_events(flight->session) != flight->events) return true;
    *why = SIPC_WAIT_READY;
    if (is_forsaken(flight)) return true;
    *why = SIPC_WAIT_DEADLINE;
    return now >= flight->end;
}

static bool has_room(const sipc_pipeline *pipeline) {
    return !pipeline->into || pipeline->into < pipeline->into_end;
}

// Ends the requests whose deadline has passed, whose responder has died, or all of a host that
// closes. Those for whose completion there is no room are left for the next time.
static uint32_t end_the_hopeless(sipc_pipeline *pipeline) {
    uint64_t now = pipeline->timed ? sipc_os_now() : 0;
    uint64_t first_end = SIPC_NEVER;
    uint32_t ended = 0;
    for (uint32_t i = 0; i < pipeline->depth; i++) {
        struct flight *flight = &pipeline->flights[i];
        if (flight->state != IN_FLIGHT) continue;
        enum sipc_wait_result why;
        if (!has_room(pipeline) || !is_hopeless(pipeline, flight, now, &why)) {
            if (flight->end < first_end) first_end = flight->end;
            continue;
        }
        end_flight(pipeline, flight, why);
        ended++;
    }
    pipeline->first_end = first_end;
    return ended;
}

static bool one_is_late(const sipc_pipeline *pipeline) {
    return pipeline->timed > 0 && sipc_os_now() >= pipeline->first_end;
}

bool sipc_pipeline_is_roused(const sipc_pipeline *pipeline) {
    return sipc_load_acquire(&pipeline->roused) != 0;
}

// Barrier: what it is roused for was written before, and is looked at after this.
void sipc_pipeline_forget_rouse(sipc_pipeline *pipeline) {
    sipc_exchange_barrier(&pipeline->roused, 0);
}

void sipc_pipeline_rouse(sipc_pipeline *pipeline) {
    sipc_exchange_barrier(&pipeline->roused, 1);
    // An event: a wait that began before it ends, one that begins later sees the word.
    sipc_add_barrier(&pipeline->lead->group_interrupt, SIPC_INTERRUPT_EVENT);
    sipc_wait_rouse(waiter_of(pipeline));
}

// The flight whose response was seen to stand; NULL: none.
static struct flight *spin(sipc_pipeline *pipeline) {
    struct sipc_waiter *waiter = waiter_of(pipeline);
    for (uint32_t polls = waiter->spin; polls > 0; polls--) {
        bool aside = polls % LOOK_ASIDE == 0;
        if (aside) {
            pipeline->aside = after(pipeline, pipeline->aside);
            if (SIPC_UNLIKELY(sipc_pipeline_is_roused(pipeline))) break;
        }
        struct flight *flight = &pipeline->flights[aside ? pipeline->aside : pipeline->oldest];
        if (flight->state == IN_FLIGHT && stands(flight)) {
            return flight;
        }
        sipc_pause();
    }
    return NULL;
}

static SIPC_SELDOM struct flight *spin_timed(sipc_pipeline *pipeline) {
    sipc_waiter_time_spin(waiter_of(pipeline));
    struct flight *seen = spin(pipeline);
    if (seen) sipc_waiter_count_spin(waiter_of(pipeline), sipc_os_now());
    return seen;
}

static uint32_t spin_and_land(sipc_pipeline *pipeline, uint32_t most) {
    const struct flight *seen =
        sipc_waiter_samples_spin(waiter_of(pipeline)) ? spin_timed(pipeline) : spin(pipeline);
    if (!seen) return 0;
    return seen == &pipeline->flights[pipeline->oldest] ? land_those_in_order(pipeline, most)
                                                        : land_all_that_stand(pipeline, most);
}

// Waits until something can be completed, at most until the end.
static uint32_t wait_for_some(sipc_pipeline *pipeline, uint32_t most, uint64_t end) {
    struct sipc_waiter *waiter = waiter_of(pipeline);
    for (;;) {
        uint32_t done = spin_and_land(pipeline, most);
        if (done > 0) return done;
        if (pipeline->relay) sipc_relay_withdraw(pipeline->relay);
        // Before the look: what comes after it ends the wait.
        sipc_waiter_begin(waiter);
        done = end_the_hopeless(pipeline);
        if (done > 0 || pipeline->in_flight == 0) return done;
        if (sipc_pipeline_is_roused(pipeline)) return 0;
        uint64_t until = pipeline->first_end < end ? pipeline->first_end : end;
        struct sipc_deadline deadline = {.timeout = until == SIPC_NEVER ? SIPC_FOREVER : 0,
                                         .at = until};
        sipc_wait_slow(waiter, any_can_be_completed, pipeline, &deadline);
        take_back_announcement(pipeline);
        done = land_all_that_stand(pipeline, most);
        if (done > 0) return done;
        if (end != SIPC_NEVER && sipc_os_now() >= end) return end_the_hopeless(pipeline);
    }
}

// Whether others have been answered for long. Then its responder is watched, as before a sleep.
static bool oldest_is_suspect(sipc_pipeline *pipeline) {
    const struct flight *flight = &pipeline->flights[pipeline->oldest];
    if (flight->state != IN_FLIGHT || ++pipeline->overtaken % OVERTAKEN_LOOK != 0) return false;
    sipc_session_watch(flight->session);
    return true;
}

// Where answers come in order, nothing but the oldest is looked at while it is worth waiting: each
// look in vain takes a line from the responder.
static uint32_t reap(sipc_pipeline *pipeline, uint32_t most, uint64_t wait_ns) {
    const uint32_t oldest = pipeline->oldest;
    uint32_t done = wait_ns == 0 || pipeline->disordered ? land_all_that_stand(pipeline, most)
                                                         : land_those_in_order(pipeline, most);
    // A request that is late, or whose responder has died, ends also while others are answered: at
    // the latest when it has become the oldest.
    if (pipeline->oldest == oldest && (one_is_late(pipeline) || oldest_is_suspect(pipeline) ||
                                       is_forsaken(&pipeline->flights[oldest])))
        done += end_the_hopeless(pipeline);
    if (done > 0 || wait_ns == 0 || pipeline->in_flight == 0) return done;
    struct sipc_deadline deadline = sipc_deadline_after(wait_ns);
    return wait_for_some(pipeline, most, sipc_deadline_at(&deadline));
}

// ---- Event loops -------------------------------------------------------------------------------

// Whether a reap would tell something now: a completion, or that it is all over.
static bool any_is_due(const sipc_pipeline *pipeline) {
    if (is_closed(pipeline)) return true;
    const uint64_t now = pipeline->timed ? sipc_os_now() : 0;
    for (uint32_t i = 0; i < pipeline->depth; i++) {
        const struct flight *flight = &pipeline->flights[i];
        enum sipc_wait_result why;
        if (flight->state != IN_FLIGHT) continue;
        if (stands(flight) || is_hopeless(pipeline, flight, now, &why)) return true;
    }
    return false;
}

// In the order of spec 7.1: the bell, the announcement, the look.
static sipc_status arm(sipc_pipeline *pipeline) {
    pipeline->announced = pipeline->armed = true;
    sipc_relay_begin(pipeline->relay);
    announce(pipeline);
    if (any_is_due(pipeline)) {
        sipc_relay_signal(pipeline->relay);
        return SIPC_OK;
    }
    return sipc_relay_sleep(pipeline->relay, pipeline->timed ? pipeline->first_end : SIPC_NEVER);
}

// What was submitted since is waited for as well.
static SIPC_SELDOM void arm_again(sipc_pipeline *pipeline) {
    // Without a thread the loop arms once more, and hears of it.
    if (arm(pipeline)) sipc_relay_signal(pipeline->relay);
}

// A relay that sleeps sleeps on: nobody rings for it any more.
static void end_announcement(sipc_pipeline *pipeline) {
    if (pipeline->announced) take_back_announcement(pipeline);
    pipeline->announced = false;
}

// After a reap: what is left keeps the descriptor readable.
static SIPC_SELDOM void disarm(sipc_pipeline *pipeline) {
    if (any_is_due(pipeline)) return;
    sipc_relay_quieten(pipeline->relay);
    pipeline->armed = false;
}

// The loop may have been woken because of any of the requests.
static uint32_t reap_after_loop(sipc_pipeline *pipeline, uint32_t most, uint64_t wait_ns) {
    uint32_t done = land_all_that_stand(pipeline, most);
    done += end_the_hopeless(pipeline);
    return done > 0 ? done : reap(pipeline, most, wait_ns);
}

sipc_status sipc_pipeline_descriptor(sipc_pipeline *pipeline, intptr_t *descriptor) {
    if (!descriptor)
        return sipc_fail(SIPC_INVALID_ARGUMENT, "descriptor is NULL; pass where to put it");
    sipc_status status = check_pipeline(pipeline);
    if (!status && !pipeline->relay)
        status = sipc_relay_make(waiter_of(pipeline), &pipeline->relay);
    if (!status) *descriptor = sipc_relay_descriptor(pipeline->relay);
    return status;
}

sipc_status sipc_pipeline_arm(sipc_pipeline *pipeline) {
    sipc_status status = check_pipeline(pipeline);
    if (status) return status;
    if (!pipeline->relay)
        return sipc_fail(SIPC_INVALID_ARGUMENT,
                         "the pipeline has no descriptor; ask sipc_pipeline_descriptor() for it");
    if (pipeline->reaping)
        return sipc_fail(SIPC_BUSY, "called from a completion; arm when the reap has returned");
    if (sipc_session_enter_call(pipeline->lead))
        status = arm(pipeline);
    else
        sipc_relay_signal(pipeline->relay);
    sipc_session_leave(pipeline->lead);
    return status;
}

// ---- Reaping, by the application ---------------------------------------------------------------

static sipc_status begin_reap(const sipc_pipeline *pipeline) {
    sipc_status status = check_pipeline(pipeline);
    if (status || !pipeline->reaping) return status;
    return sipc_fail(SIPC_BUSY, "called from a completion; reap when that has returned");
}

static sipc_status reap_now(sipc_pipeline *pipeline, uint32_t most, uint64_t wait_ns,
                            uint32_t *reaped) {
    pipeline->reaping = true;
    end_announcement(pipeline);
    bool open = sipc_session_enter_call(pipeline->lead);
    uint32_t done = SIPC_UNLIKELY(!open)             ? end_the_hopeless(pipeline)
                    : SIPC_UNLIKELY(pipeline->armed) ? reap_after_loop(pipeline, most, wait_ns)
                                                     : reap(pipeline, most, wait_ns);
    if (SIPC_UNLIKELY(pipeline->armed)) disarm(pipeline);
    sipc_session_leave(pipeline->lead);
    pipeline->reaping = false;
    if (reaped) *reaped = done;
    return open || done > 0 ? SIPC_OK : sipc_calls_closed(pipeline->calls, SIPC_CLOSED);
}

sipc_status sipc_pipeline_reap(sipc_pipeline *pipeline, uint32_t most, uint64_t wait_ns,
                               uint32_t *reaped) {
    if (reaped) *reaped = 0;
    sipc_status status = begin_reap(pipeline);
    return status ? status : reap_now(pipeline, most ? most : UINT32_MAX, wait_ns, reaped);
}

sipc_status sipc_pipeline_reap_into(sipc_pipeline *pipeline, sipc_completion *completions,
                                    uint32_t capacity, uint64_t wait_ns, uint32_t *reaped) {
    if (reaped) *reaped = 0;
    sipc_status status = begin_reap(pipeline);
    if (status) return status;
    if (!completions || capacity == 0 || !reaped)
        return sipc_fail(SIPC_INVALID_ARGUMENT,
                         "completions is %s, capacity %u and reaped %s; pass room for one at least "
                         "and where to say how many there are",
                         completions ? "given" : "NULL", capacity, reaped ? "given" : "NULL");
    pipeline->into = completions;
    pipeline->into_end = completions + capacity;
    status = reap_now(pipeline, capacity, wait_ns, reaped);
    pipeline->into = NULL;
    return status;
}

sipc_status sipc_pipeline_close(sipc_pipeline *pipeline) {
    if (!pipeline) return SIPC_OK;
    sipc_status status = check_pipeline(pipeline);
    if (status) return status;
    if (pipeline->reaping)
        return sipc_fail(SIPC_BUSY, "called from a completion; close when that has returned");
    pipeline->reaping = true;
    end_announcement(pipeline);
    sipc_relay_free(pipeline->relay);
    sipc_session_enter(pipeline->lead);
    for (uint32_t i = 0; i < pipeline->depth; i++)
        if (pipeline->flights[i].state == IN_FLIGHT)
            end_flight(pipeline, &pipeline->flights[i], SIPC_WAIT_CALLED_OFF);
    sipc_session_leave(pipeline->lead);
    disband_group(pipeline);
    release_sessions(pipeline, pipeline->depth);
    free(pipeline);
    return SIPC_OK;
}
