// SPDX-License-Identifier: Apache-2.0
// The calling side of a process in one region: a host's in its host slots, or a guest's in the
// guest slots that it has claimed.
#ifndef SIPC_INTERNAL_CALLS_H
#define SIPC_INTERNAL_CALLS_H

#include "pool.h"

struct sipc_calls {
    struct sipc_pool pool;
    void *memory; // of its sessions
    uint64_t timeout_ns;
    bool resend;
    uint8_t telling;               // SIPC_TELLS_DEADLINES if every call does, else 0
    uint32_t forks;                // of the process that made it
    const sipc_word *peer_is_gone; // not NULL: a word that is 1 when that is why calls are closed
};

// Room for so many slots, of which none is there yet; timeout_ns is the default of a call.
sipc_status sipc_calls_init(struct sipc_calls *calls, uint32_t slots, uint64_t timeout_ns,
                            bool resend);
// One more slot to call through.
struct sipc_session *sipc_calls_add(struct sipc_calls *calls, const struct sipc_slot *slot,
                                    const sipc_wait_policy *policy);

static inline struct sipc_deadline sipc_calls_deadline(const struct sipc_calls *calls,
                                                       uint64_t timeout_ns) {
    return sipc_deadline_after(timeout_ns == SIPC_DEFAULT_TIMEOUT ? calls->timeout_ns : timeout_ns);
}

// Whether there is a slot of that index. SIPC_INVALID_ARGUMENT.
SIPC_SELDOM sipc_status sipc_calls_check_slot(const struct sipc_calls *calls, uint32_t index);

// A call as the application asks for it, through any slot.
sipc_status sipc_calls_call(struct sipc_calls *calls, sipc_call *call);
// For the application, which holds the session.
sipc_status sipc_calls_acquire(struct sipc_calls *calls, const struct sipc_want *want,
                               uint64_t timeout_ns, sipc_session **session);

// Why sipc_caller_may() said no; SIPC_OK if it may after all.
SIPC_SELDOM sipc_status sipc_session_refuse(struct sipc_session *session, uint32_t message_id,
                                            uint32_t size);
// Why calls are closed. The fate is that of the status: SIPC_CLOSED or SIPC_CLOSED_MAYBE_EXECUTED.
SIPC_SELDOM sipc_status sipc_calls_closed(const struct sipc_calls *calls, sipc_status status);

// From here on the session's requests say their deadlines, or not; SIPC_TELLS_DEADLINES or 0.
static inline void sipc_session_tell(struct sipc_session *session, uint8_t telling) {
    session->caller.telling =
        (uint8_t)((session->caller.telling & SIPC_LAST_DEADLINE_STANDS) | telling);
}

// No call begins or goes on from here on. Returns before those that are in one have left.
void sipc_calls_close(struct sipc_calls *calls);
// Waits until the session's holder has left its call.
void sipc_session_send_out(struct sipc_session *session);
void sipc_calls_free(struct sipc_calls *calls);

#endif
