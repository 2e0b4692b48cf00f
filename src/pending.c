// SPDX-License-Identifier: Apache-2.0
// What a handler may know of its caller, and requests that are answered later (spec 4.4).
//
// A slot has one exchange at a time, so each responder has room for one request that pends. Its
// word says which one: who changes that word from the request's own is the one who answers.
#include <simpleipc/pending.h>
#include <stdlib.h>
#include <string.h>

#include "internal/copy.h"
#include "internal/errors.h"
#include "internal/responder.h"

struct sipc_taken {
    sipc_request request;
    _Alignas(16) uint8_t tiny_payload[SIPC_TINY_CAPACITY];
};

// ---- The caller --------------------------------------------------------------------------------

static uint64_t deadline_in(const struct sipc_responder *responder) {
    return ((const volatile struct sipc_annex_line *)responder->slot->annex)->deadline;
}

uint64_t sipc_request_deadline(const sipc_request *request) {
    return request && request->origin ? deadline_in(request->origin) : 0;
}

// Before the answer stands the caller's word changes only when nobody waits for it any more.
static bool is_cancelled(const struct sipc_responder *responder, uint32_t state) {
    return sipc_load_acquire(&responder->slot->turn->caller_state) != state ||
           (sipc_load_acquire(sipc_waiter_interrupt(&responder->waiter)) & SIPC_PEER_IS_GONE) != 0;
}

uint32_t sipc_request_is_cancelled(const sipc_request *request) {
    return request && request->origin && is_cancelled(request->origin, request->state);
}

// ---- Taking ------------------------------------------------------------------------------------

static sipc_status check_takeable(const sipc_request *request, const sipc_pending *pending) {
    if (!pending)
        return sipc_fail(SIPC_INVALID_ARGUMENT, "pending is NULL; pass what to answer by");
    if (!request || !request->origin)
        return sipc_fail(SIPC_INVALID_ARGUMENT,
                         "the request is not one that the library gave to a handler");
    const struct sipc_responder *responder = request->origin;
    const uint32_t last = sipc_load_acquire(&responder->pending);
    const bool answered = last == 0 || (last & SIPC_ANSWERING);
    if (responder->taken || responder->seen != request->state || !answered)
        return sipc_fail(SIPC_BUSY, "a request of slot %u was taken already, and is not answered",
                         request->slot);
    return SIPC_OK;
}

// A copy that does not go away with the handler.
static bool store(struct sipc_responder *responder, const sipc_request *request) {
    if (!responder->store) responder->store = calloc(1, sizeof *responder->store);
    struct sipc_taken *taken = responder->store;
    if (!taken) return false;
    taken->request = *request;
    if (request->state & SIPC_FLAG_TINY) {
        memcpy(taken->tiny_payload, request->data, request->size);
        taken->request.data = taken->tiny_payload;
    }
    return true;
}

sipc_status sipc_request_take(const sipc_request *request, sipc_pending *pending) {
    if (pending) *pending = (sipc_pending){.origin = NULL};
    sipc_status status = check_takeable(request, pending);
    if (status) return status;
    struct sipc_responder *responder = request->origin;
    if (!store(responder, request))
        return sipc_fail(SIPC_OUT_OF_MEMORY, "no memory to answer later");
    responder->taken = true;
    sipc_add_barrier(&responder->owed, 1);
    // Release: who answers sees the copy.
    sipc_store_release(&responder->pending, request->state);
    *pending = (sipc_pending){.origin = responder, .state = request->state};
    return SIPC_OK;
}

uint32_t sipc_request_is_taken(const sipc_request *request) {
    if (!request || !request->origin) return 0;
    return ((const struct sipc_responder *)request->origin)->taken;
}

// ---- What pends --------------------------------------------------------------------------------

// NULL: it was answered, or is nobody's.
static struct sipc_responder *find(sipc_pending pending) {
    struct sipc_responder *responder = pending.origin;
    if (!responder || responder->forks != sipc_os_forks() ||
        sipc_load_acquire(&responder->pending) != pending.state)
        return NULL;
    return responder;
}

const sipc_request *sipc_pending_request(sipc_pending pending) {
    const struct sipc_responder *responder = find(pending);
    return responder ? &responder->store->request : NULL;
}

void *sipc_pending_response(sipc_pending pending, uint32_t *capacity) {
    const struct sipc_responder *responder = find(pending);
    if (capacity) *capacity = responder ? responder->slot->response_capacity : 0;
    return responder ? responder->slot->response : NULL;
}

uint64_t sipc_pending_deadline(sipc_pending pending) {
    const struct sipc_responder *responder = find(pending);
    return responder ? deadline_in(responder) : 0;
}

uint32_t sipc_pending_is_cancelled(sipc_pending pending) {
    const struct sipc_responder *responder = find(pending);
    return !responder || is_cancelled(responder, pending.state);
}

// ---- Answering ---------------------------------------------------------------------------------

// After the answer the slot may have the next request already, and that may pend by now.
static void complete(struct sipc_responder *responder, uint32_t state) {
    uint32_t answering = state | SIPC_ANSWERING;
    sipc_compare_exchange(&responder->pending, &answering, 0);
    if (sipc_subtract_barrier(&responder->owed, 1) == (SIPC_AWAITED | 1))
        sipc_os_unpark(&responder->owed, UINT32_MAX);
}

// The response in its buffer: where it stands already, or a copy.
static sipc_response place(const struct sipc_slot *slot, const void *response, uint32_t size) {
    sipc_response result = {
        .data = slot->response, .capacity = slot->response_capacity, .size = size};
    if (!response || response == slot->response || size > slot->response_capacity) return result;
    if (response == slot->response + (sipc_room(slot->response_capacity) - size))
        result.at_end = 1;
    else
        sipc_copy(slot->response, response, size);
    return result;
}

sipc_status sipc_pending_respond(sipc_pending pending, sipc_status status, const void *response,
                                 uint32_t size) {
    struct sipc_responder *responder = find(pending);
    uint32_t expected = pending.state;
    // One thread wins, and has the response buffer and the responder's words from here on.
    if (!responder ||
        !sipc_compare_exchange(&responder->pending, &expected, pending.state | SIPC_ANSWERING))
        return sipc_fail(SIPC_INVALID_ARGUMENT,
                         "the request was answered already, or there is none; answer once");
    const struct sipc_slot *slot = responder->slot;
    const sipc_request request = responder->store->request;
    const sipc_response result = place(slot, response, size);
    const bool sound = sipc_responder_answer_taken(slot, pending.state, &request, status, &result);
    complete(responder, pending.state);
    return sound ? SIPC_OK
                 : sipc_fail(SIPC_REGION_LOST, "somebody cut the region's object short; detach");
}

void sipc_pending_abandon(sipc_pending pending) {
    static const char text[] = "the handler dropped its request";
    uint32_t capacity;
    if (!sipc_pending_response(pending, &capacity)) return;
    const uint32_t size = sizeof text - 1 <= capacity ? sizeof text - 1 : 0;
    (void)sipc_pending_respond(pending, SIPC_HANDLER_FAILED, text, size);
}

void sipc_responder_await_answer(struct sipc_responder *responder) {
    if (sipc_responder_owes_answer(responder)) {
        sipc_set_bits(&responder->owed, SIPC_AWAITED);
        for (uint32_t owed; (owed = sipc_load_acquire(&responder->owed)) != SIPC_AWAITED;)
            sipc_os_park(&responder->owed, owed, SIPC_NEVER);
        sipc_store_relaxed(&responder->owed, 0);
    }
    free(responder->store);
    responder->store = NULL;
}
