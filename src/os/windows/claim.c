// SPDX-License-Identifier: Apache-2.0
// Claims as named events (spec 14): who has made one has the claim, as long as it holds it open;
// the kernel closes it with the process. Who only looks opens it for a moment: the gate keeps that
// from being taken for a claim.
#include <stdio.h>
#include <stdlib.h>

#include "object.h"
#include "security.h"

// Longer than anybody needs between the gate's two ends: its holder is stopped, or hostile.
#define GATE_PATIENCE_MS 200u
// The handles of a process that ended inside are closed within this.
#define DEATH_PATIENCE_NS UINT64_C(100000000)

// Returns whether the last holder died inside: its handles may still be there for a moment.
static bool enter(const struct sipc_os_windows_object *object) {
    return WaitForSingleObject(object->gate, GATE_PATIENCE_MS) == WAIT_ABANDONED;
}

static void leave(const struct sipc_os_windows_object *object) {
    ReleaseMutex(object->gate); // fails harmlessly for who came in by patience
}

static void name_of(const struct sipc_os_windows_object *object, uint32_t claim,
                    char name[SIPC_KERNEL_NAME_SIZE]) {
    char what[24];
    snprintf(what, sizeof what, "claim.%lu", (unsigned long)claim);
    sipc_os_kernel_name(object, what, name);
}

static bool holds(struct sipc_os_windows_object *object, uint32_t claim) {
    AcquireSRWLockShared(&object->lock);
    const struct sipc_os_held_claim *held = object->held;
    while (held && held->claim != claim) held = held->next;
    ReleaseSRWLockShared(&object->lock);
    return held != NULL;
}

static void hold(struct sipc_os_windows_object *object, struct sipc_os_held_claim *held) {
    AcquireSRWLockExclusive(&object->lock);
    held->next = object->held;
    object->held = held;
    ReleaseSRWLockExclusive(&object->lock);
}

// NULL and SIPC_OK: another has it.
static sipc_status try_to_make(struct sipc_os_windows_object *object, const char *name,
                               SECURITY_ATTRIBUTES *own, bool *died_inside, HANDLE *event) {
    *died_inside = enter(object);
    *event = CreateEventA(own, TRUE, FALSE, name);
    DWORD error = GetLastError();
    if (*event && error == ERROR_ALREADY_EXISTS) {
        CloseHandle(*event);
        *event = NULL;
    }
    leave(object);
    if (*event || error == ERROR_ALREADY_EXISTS) return SIPC_OK;
    return sipc_os_fail(SIPC_SYSTEM, error, "claiming \"%s\"", name);
}

// Again for a while where the last one inside died there.
static sipc_status make(struct sipc_os_windows_object *object, uint32_t claim, HANDLE *event) {
    char name[SIPC_KERNEL_NAME_SIZE];
    name_of(object, claim, name);
    SECURITY_ATTRIBUTES own;
    sipc_status status = sipc_os_security_own(&own);
    if (status) return status;
    for (uint64_t until = 0;; sipc_os_yield()) {
        bool died_inside;
        status = try_to_make(object, name, &own, &died_inside, event);
        if (died_inside) until = sipc_os_now() + DEATH_PATIENCE_NS;
        if (status || *event || sipc_os_now() >= until) break;
    }
    sipc_os_security_free(&own);
    return status;
}

sipc_status sipc_os_claim(const struct sipc_os_object *object, uint32_t claim, bool *won) {
    struct sipc_os_windows_object *own = sipc_os_windows_object(object);
    *won = holds(own, claim);
    if (*won) return SIPC_OK;
    struct sipc_os_held_claim *held = calloc(1, sizeof *held);
    if (!held) return sipc_fail(SIPC_OUT_OF_MEMORY, "no memory for a claim");
    held->claim = claim;
    sipc_status status = make(own, claim, &held->event);
    *won = held->event != NULL;
    if (*won)
        hold(own, held);
    else
        free(held);
    return status;
}

void sipc_os_unclaim(const struct sipc_os_object *object, uint32_t claim) {
    struct sipc_os_windows_object *own = sipc_os_windows_object(object);
    AcquireSRWLockExclusive(&own->lock);
    struct sipc_os_held_claim **at = &own->held;
    while (*at && (*at)->claim != claim) at = &(*at)->next;
    struct sipc_os_held_claim *held = *at;
    if (held) *at = held->next;
    ReleaseSRWLockExclusive(&own->lock);
    if (!held) return;
    CloseHandle(held->event);
    free(held);
}

void sipc_os_unclaim_all(struct sipc_os_windows_object *object) {
    while (object->held) {
        struct sipc_os_object whole = {.handle = (intptr_t)object};
        sipc_os_unclaim(&whole, object->held->claim);
    }
}

sipc_status sipc_os_claimed_by_another(const struct sipc_os_object *object, uint32_t claim,
                                       bool *claimed) {
    struct sipc_os_windows_object *own = sipc_os_windows_object(object);
    *claimed = false;
    if (holds(own, claim)) return SIPC_OK;
    char name[SIPC_KERNEL_NAME_SIZE];
    name_of(own, claim, name);
    enter(own);
    HANDLE event = OpenEventA(SYNCHRONIZE, FALSE, name);
    DWORD error = event ? 0 : GetLastError();
    if (event) CloseHandle(event);
    leave(own);
    *claimed = event != NULL;
    if (event || error == ERROR_FILE_NOT_FOUND) return SIPC_OK;
    return sipc_os_fail(SIPC_SYSTEM, error, "looking for the claim \"%s\"", name);
}
