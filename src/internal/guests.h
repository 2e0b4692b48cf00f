// SPDX-License-Identifier: Apache-2.0
// Which guest serves a slot, as its owner line says (spec 9.2), and requests that are for one guest
// alone.
#ifndef SIPC_INTERNAL_GUESTS_H
#define SIPC_INTERNAL_GUESTS_H

#include "region.h"

struct sipc_session;

// A guest's name as it stands in an owner line.
struct sipc_guest_name {
    const char *text; // as the application gave it
    uint8_t bytes[SIPC_MAX_GUEST_NAME];
    uint32_t hash;
};

// SIPC_BAD_NAME.
sipc_status sipc_guest_name_make(const char *text, struct sipc_guest_name *name);

// Who serves a slot.
struct sipc_slot_owner {
    uint32_t attendance; // 0: nobody ever did, or it is changing at this moment
    uint32_t process_id;
    uint8_t name[SIPC_MAX_GUEST_NAME];
};
void sipc_slot_owner_read(const struct sipc_slot *slot, struct sipc_slot_owner *owner);

// Whether a guest of this name seems to serve the slot; for any thread. Costs no transfer of a line
// while the guest is the same.
bool sipc_session_seems_served_by(struct sipc_session *session, const struct sipc_guest_name *name);
// As its holder: from here on no other guest handles the session's requests than the one that
// serves it now, if that has this name. False: it has not.
bool sipc_session_address(struct sipc_session *session, const struct sipc_guest_name *name);
// As its holder: whoever serves the slot may handle its requests.
void sipc_session_address_all(struct sipc_session *session);
// As its holder: whether the guest that it is addressed to serves the slot no more.
bool sipc_session_addressee_left(const struct sipc_session *session);

#endif
