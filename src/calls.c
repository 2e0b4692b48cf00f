// SPDX-License-Identifier: Apache-2.0
// Calls, each from "which slot" to the caller's role of that slot.
#include "internal/calls.h"

#include <stdlib.h>

#include <simpleipc/in_place.h>

#include "internal/copy.h"
#include "internal/errors.h"
#include "internal/host.h"

// ---- The slots to call through -----------------------------------------------------------------

sipc_status sipc_calls_init(struct sipc_calls *calls, uint32_t slots, uint64_t timeout_ns,
                            bool resend) {
    *calls =
        (struct sipc_calls){.timeout_ns = timeout_ns, .resend = resend, .forks = sipc_os_forks()};
    calls->memory = calloc(slots + 1, SIPC_SESSION_STRIDE);
    if (!calls->memory)
        return sipc_fail(SIPC_OUT_OF_MEMORY, "no memory to call through %u slots", slots);
    uintptr_t aligned = ((uintptr_t)calls->memory + 127) / 128 * 128;
    calls->pool.sessions = (uint8_t *)calls->memory + (aligned - (uintptr_t)calls->memory);
    return SIPC_OK;
}

struct sipc_session *sipc_calls_add(struct sipc_calls *calls, const struct sipc_slot *slot,
                                    const sipc_wait_policy *policy) {
    const uint32_t index = calls->pool.count++;
    struct sipc_session *session = sipc_pool_session(&calls->pool, index);
    session->calls = calls;
    session->pool = &calls->pool;
    session->index = index;
    session->lead = index;
    sipc_caller_init(&session->caller, slot, policy, &session->interrupt);
    session->caller.telling = calls->telling;
    return session;
}

void sipc_calls_free(struct sipc_calls *calls) {
    free(calls->memory);
}

// ---- Sessions ----------------------------------------------------------------------------------

sipc_status sipc_calls_check_slot(const struct sipc_calls *calls, uint32_t index) {
    if (index < calls->pool.count) return SIPC_OK;
    return sipc_fail(SIPC_INVALID_ARGUMENT, "there is no slot %u; the host has 0 to %u", index,
                     calls->pool.count - 1);
}

static sipc_status acquire(struct sipc_calls *calls, const struct sipc_want *want,
                           struct sipc_deadline *deadline, sipc_session **session) {
    sipc_status status =
        want->slot == SIPC_ANY_SLOT ? SIPC_OK : sipc_calls_check_slot(calls, want->slot);
    if (!status) status = sipc_pool_acquire(&calls->pool, want, deadline, session);
    return SIPC_UNLIKELY(status == SIPC_CLOSED) ? sipc_calls_closed(calls, status) : status;
}

sipc_status sipc_calls_acquire(struct sipc_calls *calls, const struct sipc_want *want,
                               uint64_t timeout_ns, sipc_session **session) {
    struct sipc_deadline deadline = sipc_calls_deadline(calls, timeout_ns);
    sipc_status status = acquire(calls, want, &deadline, session);
    if (!status) (*session)->pinned = true;
    return status;
}

// In a child made by fork() a session is nobody's.
static sipc_status check(const struct sipc_calls *calls) {
    if (SIPC_LIKELY(calls->forks == sipc_os_forks())) return SIPC_OK;
    return sipc_fail(SIPC_INVALID_ARGUMENT,
                     "the session belongs to the process that forked this one; acquire one here");
}

sipc_status sipc_host_acquire(sipc_host *host, uint32_t slot, uint64_t timeout_ns,
                              sipc_session **session) {
    if (!session) return sipc_fail(SIPC_INVALID_ARGUMENT, "session is NULL; pass where to put it");
    *session = NULL;
    sipc_status status = sipc_host_check(host);
    if (status) return status;
    const struct sipc_want want = {.slot = slot};
    return sipc_calls_acquire(&host->calls, &want, timeout_ns, session);
}

void *sipc_session_request(sipc_session *session, uint32_t *capacity) {
    if (capacity) *capacity = session->caller.slot->request_capacity;
    return sipc_caller_usable(&session->caller) ? session->caller.slot->request : NULL;
}

uint32_t sipc_session_slot(const sipc_session *session) {
    return session->caller.slot->index;
}

uint32_t sipc_session_message_id(const sipc_session *session) {
    return session->response_message_id;
}

void sipc_session_pass_deadlines(sipc_session *session, uint32_t pass) {
    sipc_session_tell(session, pass ? SIPC_TELLS_DEADLINES : 0);
}

void sipc_session_release(sipc_session *session) {
    if (!session) return;
    sipc_session_tell(session, session->calls->telling);
    session->pinned = false;
    sipc_pool_release(session);
}

// In the region: waits until an earlier request has left its handler.
static sipc_status settle(sipc_session *session, struct sipc_deadline *deadline) {
    switch (sipc_caller_settle(&session->caller, false, deadline)) {
    case SIPC_WAIT_READY:
        return SIPC_OK;
    case SIPC_WAIT_INTERRUPTED:
        return sipc_calls_closed(session->calls, SIPC_CLOSED);
    default:
        return sipc_fail(SIPC_TIMEOUT, "an earlier request of slot %u is still in its handler",
                         session->caller.slot->index);
    }
}

sipc_status sipc_session_settle(sipc_session *session, uint64_t timeout_ns) {
    sipc_status status = check(session->calls);
    if (status) return status;
    struct sipc_deadline deadline = sipc_calls_deadline(session->calls, timeout_ns);
    status = sipc_session_enter(session) ? settle(session, &deadline)
                                         : sipc_calls_closed(session->calls, SIPC_CLOSED);
    sipc_session_leave(session);
    return status;
}

sipc_status sipc_session_refuse(sipc_session *session, uint32_t message_id, uint32_t size) {
    sipc_status status = sipc_caller_check(&session->caller, message_id, size);
    if (status || sipc_caller_usable(&session->caller)) return status;
    return sipc_fail(SIPC_TIMEOUT,
                     "an earlier request of slot %u is still in its handler; call "
                     "sipc_session_settle() first",
                     session->caller.slot->index);
}

// At the end: the payload stands at the end of the request buffer's room, else where payload says.
SIPC_ALWAYS_INLINE sipc_status exchange(sipc_session *session, bool at_end, uint32_t message_id,
                                        const void *payload, uint32_t size,
                                        struct sipc_deadline *deadline,
                                        struct sipc_answer *answer) {
    sipc_status status;
    if (SIPC_UNLIKELY(!sipc_caller_may(&session->caller, message_id, size))) {
        status = sipc_session_refuse(session, message_id, size);
        if (status) return status;
    }
    if (SIPC_LIKELY(sipc_session_enter_call(session))) {
        if (at_end)
            status = sipc_caller_exchange_sized(&session->caller, SIPC_FORM_AT_END, message_id,
                                                NULL, size, deadline, answer);
        else
            status =
                sipc_caller_exchange(&session->caller, message_id, payload, size, deadline, answer);
    } else {
        status = SIPC_CLOSED;
    }
    sipc_session_leave(session);
    if (SIPC_UNLIKELY(status == SIPC_CLOSED || status == SIPC_CLOSED_MAYBE_EXECUTED))
        return sipc_calls_closed(session->calls, status);
    return status;
}

// Of a session of a certain guest: who may handle its requests does not serve the slot any more.
static SIPC_SELDOM sipc_status addressee_left(sipc_session *session) {
    return sipc_fail(
        SIPC_PEER_DIED,
        "the guest \"%.*s\" serves slot %u no more; the request was not started; release "
        "the session and acquire another",
        (int)sizeof session->owner.name, (const char *)session->owner.name,
        session->caller.slot->index);
}

static SIPC_SELDOM bool is_called_again(const sipc_session *session, sipc_status status,
                                        struct sipc_deadline *deadline) {
    return status == SIPC_PEER_DIED && session->calls->resend && !sipc_deadline_passed(deadline);
}

SIPC_ALWAYS_INLINE sipc_status call_in_place(sipc_session *session, bool at_end,
                                             uint32_t message_id, uint32_t request_size,
                                             uint64_t timeout_ns, const void **response,
                                             uint32_t *response_size) {
    if (!session) return sipc_fail(SIPC_INVALID_ARGUMENT, "session is NULL; acquire one first");
    sipc_status status = check(session->calls);
    if (status) return status;
    struct sipc_deadline deadline = sipc_calls_deadline(session->calls, timeout_ns);
    struct sipc_answer answer = {.data = NULL};
    do {
        if (SIPC_UNLIKELY(session->addressee != 0) && sipc_session_addressee_left(session))
            status = SIPC_LEFT;
        else
            status = exchange(session, at_end, message_id, session->caller.slot->request,
                              request_size, &deadline, &answer);
    } while (SIPC_UNLIKELY(status != SIPC_OK) && is_called_again(session, status, &deadline));
    if (SIPC_UNLIKELY(status == SIPC_LEFT)) status = addressee_left(session);
    session->response_message_id = answer.message_id;
    if (response) *response = answer.data;
    if (response_size) *response_size = answer.size;
    return status;
}

sipc_status sipc_session_call(sipc_session *session, uint32_t message_id, uint32_t request_size,
                              uint64_t timeout_ns, const void **response, uint32_t *response_size) {
    return call_in_place(session, false, message_id, request_size, timeout_ns, response,
                         response_size);
}

sipc_status sipc_session_call_at_end(sipc_session *session, uint32_t message_id,
                                     uint32_t request_size, uint64_t timeout_ns,
                                     const void **response, uint32_t *response_size) {
    return call_in_place(session, true, message_id, request_size, timeout_ns, response,
                         response_size);
}

// ---- Calls with copied payloads ----------------------------------------------------------------

// The common answer to check_call(): nothing speaks against it.
static inline bool is_callable(const sipc_call *call) {
    return call && (call->request || !call->request_size) &&
           (call->response || !call->response_capacity);
}

static SIPC_SELDOM sipc_status check_call(const sipc_call *call) {
    if (!call) return sipc_fail(SIPC_INVALID_ARGUMENT, "call is NULL");
    if (!call->request && call->request_size)
        return sipc_fail(SIPC_INVALID_ARGUMENT, "the request is NULL but its size is %u",
                         call->request_size);
    return sipc_fail(SIPC_INVALID_ARGUMENT, "the response is NULL but its capacity is %u",
                     call->response_capacity);
}

static SIPC_SELDOM sipc_status response_has_no_room(uint32_t size, const sipc_call *call) {
    if (call->reserve)
        return sipc_fail(SIPC_RESPONSE_LOST, "no memory for the response of %u bytes", size);
    return sipc_fail(SIPC_BUFFER_TOO_SMALL, "the response has %u bytes, the buffer given for it %u",
                     size, call->response_capacity);
}

// Copies the response, or says how much room it needs. A failure of the call itself comes first.
SIPC_ALWAYS_INLINE sipc_status take_response(const struct sipc_answer *answer, sipc_status status,
                                             sipc_call *call) {
    call->response_size = answer->size;
    call->response_message_id = answer->message_id;
    void *to = call->response;
    if (call->reserve && answer->size)
        to = call->reserve(call->reserve_context, answer->size);
    else if (SIPC_UNLIKELY(answer->size > call->response_capacity))
        to = NULL;
    if (SIPC_LIKELY(to != NULL))
        sipc_copy(to, answer->data, answer->size);
    else if (answer->size && !status)
        return response_has_no_room(answer->size, call);
    return status;
}

// A slot that is not to be had at once. What is wrong with the call itself is told without waiting.
static SIPC_SELDOM sipc_status wait_for_session(struct sipc_calls *calls,
                                                const struct sipc_want *want, const sipc_call *call,
                                                struct sipc_deadline *deadline,
                                                sipc_session **session) {
    sipc_status status = sipc_caller_check(&sipc_pool_session(&calls->pool, 0)->caller,
                                           call->message_id, call->request_size);
    return status ? status : acquire(calls, want, deadline, session);
}

SIPC_ALWAYS_INLINE sipc_status call_once(struct sipc_calls *calls, uint32_t index,
                                         const struct sipc_guest_name *guest, sipc_call *call,
                                         struct sipc_deadline *deadline) {
    sipc_status status;
    sipc_session *session = index == SIPC_ANY_SLOT && !guest ? sipc_pool_take(&calls->pool) : NULL;
    if (SIPC_UNLIKELY(!session)) {
        const struct sipc_want want = {.slot = index, .guest = guest};
        status = wait_for_session(calls, &want, call, deadline, &session);
        if (!session) return status;
    }
    if (SIPC_UNLIKELY(call->pass_deadline != 0))
        session->caller.telling |= SIPC_TELLS_THIS_DEADLINE;
    if (index != SIPC_ANY_SLOT) session->pinned = true;
    struct sipc_answer answer = {.data = NULL};
    // Two loads: one that spans two stores of the application waits until both are in the cache.
    uint32_t message_id = call->message_id, size = call->request_size;
    SIPC_KEEP_BRANCH(message_id);
    SIPC_KEEP_BRANCH(size);
    status = exchange(session, false, message_id, call->request, size, deadline, &answer);
    if (answer.data) status = take_response(&answer, status, call);
    if (index != SIPC_ANY_SLOT) session->pinned = false;
    sipc_pool_release(session);
    return status;
}

// Where its guest left before it began, the request goes to another that serves, or waits for one;
// where it died, only if asked for. A guest has no other host.
static SIPC_SELDOM bool is_sent_again(const struct sipc_calls *calls, const sipc_call *call,
                                      sipc_status status, struct sipc_deadline *deadline) {
    const bool asked = !calls->peer_is_gone && (calls->resend || call->resend);
    if (status != SIPC_LEFT && !(status == SIPC_PEER_DIED && asked)) return false;
    // A guest that breaks the protocol could go on so for ever.
    return !sipc_deadline_passed(deadline);
}

static SIPC_SELDOM sipc_status left_at_the_end(void) {
    return sipc_fail(SIPC_TIMEOUT,
                     "the guest left before it began the request, and the deadline has passed");
}

SIPC_ALWAYS_INLINE sipc_status call_until_told(struct sipc_calls *calls, uint32_t index,
                                               const struct sipc_guest_name *guest,
                                               sipc_call *call) {
    sipc_status status;
    call->response_size = 0;
    call->response_message_id = 0;
    struct sipc_deadline deadline = sipc_calls_deadline(calls, call->timeout_ns);
    do status = call_once(calls, index, guest, call, &deadline);
    while (SIPC_UNLIKELY(status != SIPC_OK) && is_sent_again(calls, call, status, &deadline));
    return SIPC_UNLIKELY(status == SIPC_LEFT) ? left_at_the_end() : status;
}

static sipc_status call_guest(struct sipc_calls *calls, uint32_t index, sipc_call *call) {
    if (calls->peer_is_gone)
        return sipc_fail(SIPC_INVALID_ARGUMENT,
                         "a guest calls its host, and not the guest \"%.40s\"", call->guest);
    if (index != SIPC_ANY_SLOT)
        return sipc_fail(SIPC_INVALID_ARGUMENT,
                         "the call names slot %u and the guest \"%.40s\"; name one of both", index,
                         call->guest);
    struct sipc_guest_name name;
    sipc_status status = sipc_guest_name_make(call->guest, &name);
    return status ? status : call_until_told(calls, SIPC_ANY_SLOT, &name, call);
}

SIPC_ALWAYS_INLINE sipc_status call_through(struct sipc_calls *calls, uint32_t index,
                                            sipc_call *call) {
    if (SIPC_UNLIKELY(!is_callable(call))) return check_call(call);
    if (SIPC_UNLIKELY(call->guest != NULL)) return call_guest(calls, index, call);
    return call_until_told(calls, index, NULL, call);
}

sipc_status sipc_calls_call(struct sipc_calls *calls, sipc_call *call) {
    return call_through(calls, SIPC_ANY_SLOT, call);
}

static inline bool is_usable(const sipc_host *host) {
    return host && host->forks == sipc_os_forks();
}

sipc_status sipc_host_call(sipc_host *host, sipc_call *call) {
    if (SIPC_UNLIKELY(!is_usable(host))) return sipc_host_check(host);
    return call_through(&host->calls, SIPC_ANY_SLOT, call);
}

sipc_status sipc_host_call_slot(sipc_host *host, uint32_t slot, sipc_call *call) {
    if (SIPC_UNLIKELY(!is_usable(host))) return sipc_host_check(host);
    if (slot == SIPC_ANY_SLOT) return sipc_calls_check_slot(&host->calls, slot);
    return call_through(&host->calls, slot, call);
}

// ---- The end -----------------------------------------------------------------------------------

sipc_status sipc_calls_closed(const struct sipc_calls *calls, sipc_status status) {
    const bool started = status == SIPC_CLOSED_MAYBE_EXECUTED;
    const char *fate = started ? "maybe executed" : "not started";
    if (!calls->peer_is_gone)
        return sipc_fail(status, "the host was shut down; the request was %s", fate);
    if (sipc_load_acquire(calls->peer_is_gone) == 0)
        return sipc_fail(status,
                         "the guest has left, or its host was shut down; the request was %s", fate);
    return sipc_fail(started ? SIPC_PEER_DIED_MAYBE_EXECUTED : SIPC_PEER_DIED,
                     "the host is gone; the request was %s; attach again", fate);
}

void sipc_calls_close(struct sipc_calls *calls) {
    struct sipc_pool *pool = &calls->pool;
    sipc_pool_close(pool);
    // All first, so that the calls leave side by side. Barrier: see sipc_session_enter().
    for (uint32_t i = 0; i < pool->count; i++) {
        sipc_set_bits(&sipc_pool_session(pool, i)->interrupt, SIPC_INTERRUPT_CLOSE);
        sipc_set_bits(&sipc_pool_session(pool, i)->group_interrupt, SIPC_INTERRUPT_CLOSE);
    }
}

void sipc_session_send_out(struct sipc_session *session) {
    struct sipc_session *lead = sipc_session_lead(session);
    // Also where nobody is in a call: a relay may sleep there.
    sipc_wait_rouse(&lead->caller.waiter);
    while (sipc_load_acquire(&lead->in_call) != 0) {
        sipc_wait_rouse(&lead->caller.waiter);
        sipc_os_yield();
    }
}
