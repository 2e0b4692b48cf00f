// SPDX-License-Identifier: Apache-2.0
// The responder's role of one slot (spec 4). Used by whoever answers: a guest in a host slot,
// the host in a guest slot.
// One thread at a time.
#ifndef SIPC_INTERNAL_RESPONDER_H
#define SIPC_INTERNAL_RESPONDER_H

#include "region.h"
#include "wait.h"

// Bits of the word that interrupts responders.
enum sipc_responder_interrupt {
    SIPC_SERVICE_ENDS = 1,
    SIPC_PEER_IS_GONE = 2, // nobody waits for an answer any more
};

struct sipc_taken;

struct sipc_responder {
    const struct sipc_slot *slot;
    uint32_t seen;      // the caller's word that was dealt with last
    uint32_t last_size; // of the last request that was not tiny: the guess for the next one
    bool serving;       // its slot is claimed
    bool fresh;         // a caller may take it for its predecessor (spec 9.2)
    uint32_t attendance;
    bool taken;                    // the request in the handler was taken out of it
    uint32_t forks;                // of the process that it belongs to
    sipc_word pending;             // the word of the request that pends; with SIPC_ANSWERING; or 0
    sipc_word owed;                // answers that are not complete, and SIPC_AWAITED; waited on
    struct sipc_taken *store;      // the request that pends; NULL before the first
    struct sipc_streams *streams;  // NULL: streams are not served
    struct sipc_os_watch *callers; // tells of the death of who opens streams; NULL: nobody asks it
    struct sipc_waiter waiter;
};

// No request has this code.
#define SIPC_ANSWERING 2u
#define SIPC_AWAITED 0x80000000u

// Who serves: what stands in the owner line (spec 2.5).
struct sipc_owner {
    uint64_t incarnation;
    struct sipc_os_process process;
    uint8_t name[SIPC_MAX_GUEST_NAME]; // padded with zeros; none: all zeros
};

enum sipc_served {
    SIPC_SERVED_NOTHING,  // no request stands in the slot
    SIPC_SERVED_REQUEST,  // one was answered
    SIPC_SERVED_SHUTDOWN, // one was answered, and asks that all workers end
    SIPC_SERVED_CLOSED,   // the caller left for good
};

// The slot's claim is held. Answers what a predecessor left behind (spec 9, attaching).
void sipc_responder_init(struct sipc_responder *responder, const struct sipc_slot *slot,
                         const struct sipc_owner *owner, const sipc_wait_policy *policy,
                         const sipc_word *interrupt);

// Answers the request that stands in the slot, if there is one. Does not wait.
enum sipc_served sipc_responder_serve(struct sipc_responder *responder, sipc_handler handler,
                                      void *context);

// The last answer of a worker that serves several slots, at whose caller it has not looked yet.
struct sipc_last_answer {
    const struct sipc_slot *slot; // NULL: it owes no look
    uint32_t generation;
};

// The same, of a worker that serves several: one barrier both marks this request and precedes the
// look at the last answer's caller (spec 7.1). This answer's is then due.
enum sipc_served sipc_responder_serve_one_of_many(struct sipc_responder *responder,
                                                  sipc_handler handler, void *context,
                                                  struct sipc_last_answer *last);
// Looks at the last answer's caller, if that is due, and wakes it if it sleeps.
void sipc_responder_look_back(struct sipc_last_answer *last);

// A handler has left sipc_responder_serve() without returning, by the end of its thread or by an
// exception: answers its request as failed.
void sipc_responder_abandon(struct sipc_responder *responder);

// ---- Later answers (spec 4.4) ------------------------------------------------------------------

// Answers the request of this word, which was taken out of its handler. From any thread, once; the
// response stands in its buffer. False: the region was cut short.
bool sipc_responder_answer_taken(const struct sipc_slot *slot, uint32_t state,
                                 const sipc_request *request, sipc_status status,
                                 const sipc_response *response);
static inline bool sipc_responder_owes_answer(const struct sipc_responder *responder) {
    return sipc_load_acquire(&responder->owed) != 0;
}
// Waits for the answer of the request that pends, if one does, and frees its store. No handler
// runs.
void sipc_responder_await_answer(struct sipc_responder *responder);

// Whether the caller was seen to have left for good.
static inline bool sipc_responder_is_closed(const struct sipc_responder *responder) {
    return sipc_state_code(responder->seen) == SIPC_CODE_CLOSED;
}

// Whether the caller's word is not what was dealt with last (acquire).
static inline bool sipc_responder_has_news(const struct sipc_responder *responder) {
    return sipc_load_acquire(&responder->slot->turn->caller_state) != responder->seen;
}

// Waits until the caller's word changes.
enum sipc_wait_result sipc_responder_wait(struct sipc_responder *responder);

// Nobody serves the slot from here on, and none of its requests pends; an unread response stays
// readable. The claim is the owner's to give back.
void sipc_responder_leave(struct sipc_responder *responder);

#endif
