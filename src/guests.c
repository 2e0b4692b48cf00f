// SPDX-License-Identifier: Apache-2.0
#include "internal/guests.h"

#include <simpleipc/guests.h>
#include <string.h>

#include "internal/host.h"

#define NAME_WORDS (SIPC_MAX_GUEST_NAME / sizeof(uint64_t))

// ---- Names -------------------------------------------------------------------------------------

static uint32_t hash_of(const uint8_t bytes[SIPC_MAX_GUEST_NAME]) {
    uint64_t words[NAME_WORDS], hash = 0;
    memcpy(words, bytes, sizeof words);
    for (size_t i = 0; i < NAME_WORDS; i++)
        hash = ((hash ^ words[i]) * UINT64_C(0x9E3779B97F4A7C15)) ^ (hash >> 29);
    return (uint32_t)(hash >> 32);
}

sipc_status sipc_guest_name_make(const char *text, struct sipc_guest_name *name) {
    name->text = text;
    sipc_status status = sipc_name_of_guest(text, name->bytes);
    if (!status) name->hash = hash_of(name->bytes);
    return status;
}

// ---- Owner lines -------------------------------------------------------------------------------

// The attendance says whether the copy is whole.
SIPC_UNCHECKED_RACE void copy_owner(const struct sipc_slot *slot, struct sipc_slot_owner *owner) {
    const volatile struct sipc_owner_line *line = slot->owner;
    const volatile uint64_t *from = (const volatile uint64_t *)line->owner_name;
    uint64_t words[NAME_WORDS];
    for (size_t i = 0; i < NAME_WORDS; i++) words[i] = from[i];
    owner->process_id = line->owner_pid;
    memcpy(owner->name, words, sizeof words);
}

void sipc_slot_owner_read(const struct sipc_slot *slot, struct sipc_slot_owner *owner) {
    owner->attendance = sipc_load_acquire(&slot->responder->attendance);
    copy_owner(slot, owner);
    atomic_thread_fence(memory_order_acquire);
    if (sipc_load_relaxed(&slot->responder->attendance) != owner->attendance) owner->attendance = 0;
    if (owner->attendance == 0) memset(owner, 0, sizeof *owner);
}

// ---- Sessions ----------------------------------------------------------------------------------

bool sipc_session_seems_served_by(struct sipc_session *session,
                                  const struct sipc_guest_name *name) {
    const struct sipc_slot *slot = session->caller.slot;
    uint32_t attendance = sipc_load_acquire(&slot->responder->attendance);
    uint64_t hint = atomic_load_explicit(&session->owner_hint, memory_order_relaxed);
    if (attendance == 0) return false;
    if (hint >> 32 != attendance) {
        struct sipc_slot_owner owner;
        sipc_slot_owner_read(slot, &owner);
        hint = (uint64_t)owner.attendance << 32 | hash_of(owner.name);
        atomic_store_explicit(&session->owner_hint, hint, memory_order_relaxed);
    }
    return (uint32_t)hint == name->hash;
}

static void set_addressee(struct sipc_session *session, uint32_t attendance) {
    if (session->addressee == attendance) return;
    session->addressee = attendance;
    sipc_store_relaxed(&session->caller.slot->annex->addressee, attendance);
    if (attendance)
        sipc_set_bits(&session->special, SIPC_SPECIAL_ADDRESSED);
    else
        sipc_clear_bits(&session->special, SIPC_SPECIAL_ADDRESSED);
}

bool sipc_session_address(struct sipc_session *session, const struct sipc_guest_name *name) {
    const struct sipc_slot *slot = session->caller.slot;
    uint32_t attendance = sipc_load_acquire(&slot->responder->attendance);
    if (attendance == 0 || attendance != session->owner.attendance)
        sipc_slot_owner_read(slot, &session->owner);
    if (session->owner.attendance == 0 ||
        memcmp(session->owner.name, name->bytes, sizeof name->bytes) != 0)
        return false;
    set_addressee(session, session->owner.attendance);
    return true;
}

void sipc_session_address_all(struct sipc_session *session) {
    set_addressee(session, 0);
}

bool sipc_session_addressee_left(const struct sipc_session *session) {
    const struct sipc_responder_line *line = session->caller.slot->responder;
    return session->addressee != 0 && (sipc_load_acquire(&line->attendance) != session->addressee ||
                                       !sipc_session_attended(session));
}

// ---- The application's view --------------------------------------------------------------------

static void describe(const struct sipc_session *session, sipc_guest_info *info) {
    struct sipc_slot_owner owner;
    sipc_slot_owner_read(session->caller.slot, &owner);
    *info = (sipc_guest_info){.slot = session->caller.slot->index,
                              .attended = owner.attendance && sipc_session_attended(session),
                              .process_id = owner.process_id};
    memcpy(info->name, owner.name, sizeof owner.name);
}

sipc_status sipc_host_guests(const sipc_host *host, sipc_guest_info *guests, uint32_t capacity,
                             uint32_t *count) {
    if (!count) return sipc_fail(SIPC_INVALID_ARGUMENT, "count is NULL; pass where to put it");
    *count = 0;
    sipc_status status = sipc_host_check(host);
    if (status) return status;
    if (!guests && capacity)
        return sipc_fail(SIPC_INVALID_ARGUMENT, "guests is NULL but its capacity is %u", capacity);
    *count = host->calls.pool.count;
    for (uint32_t i = 0; i < *count && i < capacity; i++)
        describe(sipc_pool_session(&host->calls.pool, i), &guests[i]);
    return SIPC_OK;
}

sipc_status sipc_host_acquire_guest(sipc_host *host, const char *guest, uint64_t timeout_ns,
                                    sipc_session **session) {
    if (!session) return sipc_fail(SIPC_INVALID_ARGUMENT, "session is NULL; pass where to put it");
    *session = NULL;
    sipc_status status = sipc_host_check(host);
    struct sipc_guest_name name;
    if (!status) status = sipc_guest_name_make(guest, &name);
    if (status) return status;
    const struct sipc_want want = {.slot = SIPC_ANY_SLOT, .guest = &name};
    return sipc_calls_acquire(&host->calls, &want, timeout_ns, session);
}
