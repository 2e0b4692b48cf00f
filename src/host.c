// SPDX-License-Identifier: Apache-2.0
// The host: the public calls, each from "which slot" to the caller's role of that slot.
#include <stdlib.h>

#include "internal/copy.h"
#include "internal/errors.h"
#include "internal/host.h"

#define DEFAULT_TIMEOUT_NS UINT64_C(10000000000)
#define DEFAULT_MODE 0600u

// A handle that is there and is this process's.
sipc_status sipc_host_check(const sipc_host *host) {
    if (!host) return sipc_fail(SIPC_INVALID_ARGUMENT, "host is NULL; create one first");
    if (host->forks != sipc_os_forks())
        return sipc_fail(SIPC_INVALID_ARGUMENT,
                         "the host belongs to the process that forked this one; create one here");
    return SIPC_OK;
}

// ---- Life --------------------------------------------------------------------------------------

static sipc_status check_sealing(const sipc_host_options *options) {
    if (options->sealed_folder && !options->sealed_folder[0])
        return sipc_fail(SIPC_INVALID_ARGUMENT, "the sealed folder is empty; name one, or NULL");
    if (options->sealed_folder && options->mode)
        return sipc_fail(SIPC_INVALID_ARGUMENT,
                         "a sealed region has no mode, but 0%o was asked for; name the users that "
                         "may attach in guest_users",
                         options->mode);
    if (!options->sealed_folder && options->guest_user_count)
        return sipc_fail(SIPC_INVALID_ARGUMENT,
                         "guest_users need a sealed_folder; a named region has a mode");
    if (!options->guest_users && options->guest_user_count)
        return sipc_fail(SIPC_INVALID_ARGUMENT, "guest_users is NULL but its count is %u",
                         options->guest_user_count);
    return SIPC_OK;
}

static sipc_status check_options(uint32_t data_size, sipc_host_options *options) {
    if (options->struct_size && options->struct_size < sizeof *options)
        return sipc_fail(SIPC_INVALID_ARGUMENT,
                         "struct_size is %u; set it to sizeof(sipc_host_options)",
                         options->struct_size);
    if (options->mode & ~0777u)
        return sipc_fail(SIPC_INVALID_ARGUMENT, "the mode 0%o has bits beyond 0777", options->mode);
    if (!options->request_capacity) options->request_capacity = data_size / 2;
    if (!options->response_capacity) options->response_capacity = data_size / 2;
    sipc_status status = check_sealing(options);
    if (status) return status;
    if (!options->mode) options->mode = DEFAULT_MODE;
    if (!options->timeout_ns) options->timeout_ns = DEFAULT_TIMEOUT_NS;
    if (!options->slots_per_worker) options->slots_per_worker = 1;
    return sipc_wait_policy_check(&options->wait);
}

static sipc_status make_pool(struct sipc_host *host, const sipc_wait_policy *policy) {
    uint32_t count = host->region.geometry.host_slots;
    host->pool_memory = calloc(count + 1, SIPC_SESSION_STRIDE);
    if (!host->pool_memory) return sipc_fail(SIPC_OUT_OF_MEMORY, "no memory for %u slots", count);
    uintptr_t aligned = ((uintptr_t)host->pool_memory + 127) / 128 * 128;
    host->pool.sessions = (uint8_t *)host->pool_memory + (aligned - (uintptr_t)host->pool_memory);
    host->pool.count = count;
    for (uint32_t i = 0; i < count; i++) {
        struct sipc_session *session = sipc_pool_session(&host->pool, i);
        session->host = host;
        session->pool = &host->pool;
        sipc_caller_init(&session->caller, &host->region.slots[i], policy, &session->interrupt);
        session->caller.waiter.before_sleep = sipc_session_watch;
        session->caller.waiter.context = session;
        session->lead = i;
    }
    return sipc_os_watch_start(sipc_pool_look, &host->pool, &host->pool.watch);
}

static void release(struct sipc_host *host) {
    sipc_os_watch_stop(host->pool.watch);
    sipc_region_close(&host->region);
    free(host->pool_memory);
    free(host);
}

// The handle, with all that it is before it has a region.
static sipc_status make_host(const sipc_host_options *options, struct sipc_host **host) {
    struct sipc_host *made = calloc(1, sizeof *made);
    if (!made) return sipc_fail(SIPC_OUT_OF_MEMORY, "no memory for a host");
    made->forks = sipc_os_forks();
    made->timeout_ns = options->timeout_ns;
    made->resend = options->resend != 0;
    made->slots_per_worker = options->slots_per_worker;
    sipc_status status = sipc_placement_init(&made->placement, options->place, options->processors,
                                             options->processor_count);
    if (status) {
        free(made);
        return status;
    }
    *host = made;
    return SIPC_OK;
}

sipc_status sipc_host_create(const char *name, uint32_t slots, uint32_t data_size,
                             const sipc_host_options *given, sipc_host **host) {
    if (!host)
        return sipc_fail(SIPC_INVALID_ARGUMENT, "host is NULL; pass where to put the handle");
    *host = NULL;
    sipc_host_options options = given ? *given : (sipc_host_options){0};
    sipc_status status = check_options(data_size, &options);
    if (status) return status;
    struct sipc_geometry geometry;
    status = sipc_geometry_make(slots, 0, options.request_capacity, options.response_capacity,
                                &geometry);
    if (status) return status;
    struct sipc_host *made;
    status = make_host(&options, &made);
    if (status) return status;
    const struct sipc_os_sealing sealing = {.folder = options.sealed_folder,
                                            .users = options.guest_users,
                                            .user_count = options.guest_user_count};
    status =
        sipc_region_create(&made->region, name, options.mode, options.backend, &sealing, &geometry);
    if (status) {
        free(made);
        return status;
    }
    status = make_pool(made, &options.wait);
    if (status) {
        sipc_region_remove(&made->region);
        release(made);
        return status;
    }
    if (made->region.offer) sipc_os_watch_offer(made->pool.watch, made->region.offer);
    *host = made;
    return SIPC_OK;
}

// Ends the slot of a session. Its holder, if it is in a call, is sent out of it first.
static void close_session(struct sipc_session *session) {
    struct sipc_session *lead = sipc_session_lead(session);
    while (sipc_load_acquire(&lead->in_call) != 0) {
        sipc_wait_rouse(&lead->caller.waiter);
        sipc_os_yield();
    }
    sipc_caller_close(&session->caller);
}

void sipc_host_shutdown(sipc_host *host) {
    if (sipc_host_check(host)) return;
    uint32_t expected = 0;
    if (!sipc_compare_exchange(&host->shut_down, &expected, 1)) {
        // Another thread does it: return when it is done.
        while (sipc_load_acquire(&host->shut_down) == 1)
            sipc_os_park(&host->shut_down, 1, SIPC_NEVER);
        return;
    }
    sipc_pool_close(&host->pool);
    // All first, so that the calls leave side by side. Barrier: see sipc_session_enter().
    for (uint32_t i = 0; i < host->pool.count; i++) {
        sipc_set_bits(&sipc_pool_session(&host->pool, i)->interrupt, SIPC_INTERRUPT_CLOSE);
        sipc_set_bits(&sipc_pool_session(&host->pool, i)->group_interrupt, SIPC_INTERRUPT_CLOSE);
    }
    sipc_region_remove(&host->region);
    for (uint32_t i = 0; i < host->pool.count; i++)
        close_session(sipc_pool_session(&host->pool, i));
    sipc_exchange_barrier(&host->shut_down, 2);
    sipc_os_unpark(&host->shut_down, UINT32_MAX);
}

void sipc_host_close(sipc_host *host) {
    if (!host || sipc_host_check(host)) return;
    sipc_host_shutdown(host);
    release(host);
}

uint32_t sipc_host_slots(const sipc_host *host) {
    return host->pool.count;
}

uint32_t sipc_host_request_capacity(const sipc_host *host) {
    return host->region.geometry.request_capacity;
}

uint32_t sipc_host_response_capacity(const sipc_host *host) {
    return host->region.geometry.response_capacity;
}

// ---- Places ------------------------------------------------------------------------------------

static sipc_status check_slot(const sipc_host *host, uint32_t slot) {
    if (slot < host->pool.count) return SIPC_OK;
    return sipc_fail(SIPC_INVALID_ARGUMENT, "there is no slot %u; the host has 0 to %u", slot,
                     host->pool.count - 1);
}

sipc_status sipc_host_processor(const sipc_host *host, uint32_t slot, uint32_t *processor) {
    if (!processor)
        return sipc_fail(SIPC_INVALID_ARGUMENT, "processor is NULL; pass where to put it");
    *processor = SIPC_NO_PROCESSOR;
    sipc_status status = sipc_host_check(host);
    if (!status) status = check_slot(host, slot);
    if (status) return status;
    const uint32_t each = host->slots_per_worker;
    *processor = sipc_placement_of(&host->placement, SIPC_SIDE_CALLER, slot / each,
                                   (host->pool.count - 1) / each + 1);
    return SIPC_OK;
}

sipc_status sipc_host_place_caller(const sipc_host *host, uint32_t slot) {
    uint32_t processor;
    sipc_status status = sipc_host_processor(host, slot, &processor);
    if (status || processor == SIPC_NO_PROCESSOR) return status;
    return sipc_os_pin(processor);
}

// ---- Sessions ----------------------------------------------------------------------------------

static sipc_status acquire(sipc_host *host, uint32_t slot, struct sipc_deadline *deadline,
                           sipc_session **session) {
    sipc_status status = slot == SIPC_ANY_SLOT ? SIPC_OK : check_slot(host, slot);
    return status ? status : sipc_pool_acquire(&host->pool, slot, deadline, session);
}

sipc_status sipc_host_acquire(sipc_host *host, uint32_t slot, uint64_t timeout_ns,
                              sipc_session **session) {
    if (!session) return sipc_fail(SIPC_INVALID_ARGUMENT, "session is NULL; pass where to put it");
    *session = NULL;
    sipc_status status = sipc_host_check(host);
    if (status) return status;
    struct sipc_deadline deadline = sipc_host_deadline(host, timeout_ns);
    return acquire(host, slot, &deadline, session);
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

void sipc_session_release(sipc_session *session) {
    if (session) sipc_pool_release(session);
}

// In the region: waits until an earlier request has left its handler.
static sipc_status settle(sipc_session *session, struct sipc_deadline *deadline) {
    switch (sipc_caller_settle(&session->caller, false, deadline)) {
    case SIPC_WAIT_READY:
        return SIPC_OK;
    case SIPC_WAIT_INTERRUPTED:
        return sipc_host_closed();
    default:
        return sipc_fail(SIPC_TIMEOUT, "an earlier request of slot %u is still in its handler",
                         session->caller.slot->index);
    }
}

sipc_status sipc_session_settle(sipc_session *session, uint64_t timeout_ns) {
    sipc_status status = sipc_host_check(session->host);
    if (status) return status;
    struct sipc_deadline deadline = sipc_host_deadline(session->host, timeout_ns);
    status = sipc_session_enter(session) ? settle(session, &deadline) : sipc_host_closed();
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

SIPC_ALWAYS_INLINE sipc_status exchange(sipc_session *session, uint32_t message_id,
                                        const void *payload, uint32_t size,
                                        struct sipc_deadline *deadline,
                                        struct sipc_answer *answer) {
    sipc_status status;
    if (SIPC_UNLIKELY(!sipc_caller_may(&session->caller, message_id, size))) {
        status = sipc_session_refuse(session, message_id, size);
        if (status) return status;
    }
    if (SIPC_LIKELY(sipc_session_enter_call(session))) {
        status =
            sipc_caller_exchange(&session->caller, message_id, payload, size, deadline, answer);
    } else {
        status = sipc_host_closed();
    }
    sipc_session_leave(session);
    return status;
}

sipc_status sipc_session_call(sipc_session *session, uint32_t message_id, uint32_t request_size,
                              uint64_t timeout_ns, const void **response, uint32_t *response_size) {
    if (!session) return sipc_fail(SIPC_INVALID_ARGUMENT, "session is NULL; acquire one first");
    sipc_status status = sipc_host_check(session->host);
    if (status) return status;
    struct sipc_deadline deadline = sipc_host_deadline(session->host, timeout_ns);
    struct sipc_answer answer = {.data = NULL};
    do
        status = exchange(session, message_id, session->caller.slot->request, request_size,
                          &deadline, &answer);
    while (SIPC_UNLIKELY(status == SIPC_PEER_DIED) && session->host->resend);
    session->response_message_id = answer.message_id;
    if (response) *response = answer.data;
    if (response_size) *response_size = answer.size;
    return status;
}

// ---- Calls with copied payloads ----------------------------------------------------------------

// The common answer to check_call(): nothing speaks against it.
static inline bool is_callable(const sipc_host *host, const sipc_call *call) {
    return host && host->forks == sipc_os_forks() && call &&
           (call->request || !call->request_size) && (call->response || !call->response_capacity);
}

static SIPC_SELDOM sipc_status check_call(const sipc_host *host, const sipc_call *call) {
    sipc_status status = sipc_host_check(host);
    if (status) return status;
    if (!call) return sipc_fail(SIPC_INVALID_ARGUMENT, "call is NULL");
    if (!call->request && call->request_size)
        return sipc_fail(SIPC_INVALID_ARGUMENT, "the request is NULL but its size is %u",
                         call->request_size);
    if (!call->response && call->response_capacity)
        return sipc_fail(SIPC_INVALID_ARGUMENT, "the response is NULL but its capacity is %u",
                         call->response_capacity);
    return SIPC_OK;
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
static SIPC_SELDOM sipc_status wait_for_session(sipc_host *host, uint32_t slot,
                                                const sipc_call *call,
                                                struct sipc_deadline *deadline,
                                                sipc_session **session) {
    sipc_status status = sipc_caller_check(&sipc_pool_session(&host->pool, 0)->caller,
                                           call->message_id, call->request_size);
    return status ? status : acquire(host, slot, deadline, session);
}

SIPC_ALWAYS_INLINE sipc_status call_once(sipc_host *host, uint32_t slot, sipc_call *call,
                                         struct sipc_deadline *deadline) {
    sipc_status status;
    sipc_session *session = slot == SIPC_ANY_SLOT ? sipc_pool_take(&host->pool) : NULL;
    if (SIPC_UNLIKELY(!session)) {
        status = wait_for_session(host, slot, call, deadline, &session);
        if (status) return status;
    }
    struct sipc_answer answer = {.data = NULL};
    status =
        exchange(session, call->message_id, call->request, call->request_size, deadline, &answer);
    if (answer.data) status = take_response(&answer, status, call);
    sipc_pool_release(session);
    return status;
}

SIPC_ALWAYS_INLINE sipc_status call_through(sipc_host *host, uint32_t slot, sipc_call *call) {
    if (SIPC_UNLIKELY(!is_callable(host, call))) return check_call(host, call);
    sipc_status status;
    call->response_size = 0;
    call->response_message_id = 0;
    struct sipc_deadline deadline = sipc_host_deadline(host, call->timeout_ns);
    // Where its guest died before it began, the request goes to another that serves, or waits for
    // one.
    do status = call_once(host, slot, call, &deadline);
    while (SIPC_UNLIKELY(status == SIPC_PEER_DIED) && (host->resend || call->resend));
    return status;
}

sipc_status sipc_host_call(sipc_host *host, sipc_call *call) {
    return call_through(host, SIPC_ANY_SLOT, call);
}

sipc_status sipc_host_call_slot(sipc_host *host, uint32_t slot, sipc_call *call) {
    if (host && slot == SIPC_ANY_SLOT) return check_slot(host, slot);
    return call_through(host, slot, call);
}
