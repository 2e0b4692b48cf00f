// SPDX-License-Identifier: Apache-2.0
// The backend of Windows events: two auto-reset events per slot (spec 7).
#include <stdio.h>

#include "object.h"
#include "security.h"
#include "wait.h"

static void name_of(const struct sipc_os_object *object, uint32_t slot, enum sipc_side side,
                    char name[SIPC_KERNEL_NAME_SIZE]) {
    char what[16];
    snprintf(what, sizeof what, "%lu.%c", (unsigned long)slot,
             side == SIPC_SIDE_CALLER ? 'c' : 'r');
    sipc_os_kernel_name(sipc_os_windows_object(object), what, name);
}

static sipc_status create(const struct sipc_os_object *object, const char *region, uint32_t slot,
                          enum sipc_side side, uint32_t mode, void **handle) {
    (void)region;
    (void)mode;
    char name[SIPC_KERNEL_NAME_SIZE];
    name_of(object, slot, side, name);
    SECURITY_ATTRIBUTES own;
    sipc_status status = sipc_os_security_own(&own);
    if (status) return status;
    *handle = CreateEventA(&own, FALSE, FALSE, name);
    DWORD error = GetLastError();
    sipc_os_security_free(&own);
    if (*handle && error != ERROR_ALREADY_EXISTS) return SIPC_OK;
    if (*handle) CloseHandle(*handle);
    return sipc_os_fail(SIPC_SYSTEM, error, "CreateEvent of \"%s\"", name);
}

static sipc_status open_existing(const struct sipc_os_object *object, const char *region,
                                 uint32_t slot, enum sipc_side side, void **handle) {
    (void)region;
    char name[SIPC_KERNEL_NAME_SIZE];
    name_of(object, slot, side, name);
    *handle = OpenEventA(SYNCHRONIZE | EVENT_MODIFY_STATE, FALSE, name);
    if (*handle) return SIPC_OK;
    DWORD error = GetLastError();
    return sipc_os_fail(error == ERROR_FILE_NOT_FOUND ? SIPC_NO_HOST : SIPC_SYSTEM, error,
                        "OpenEvent of \"%s\"", name);
}

static void close_handle(void *handle) {
    CloseHandle(handle);
}

// They go with the last who has them open.
static void nothing_to_remove(const char *region, uint32_t slot, enum sipc_side side) {
    (void)region;
    (void)slot;
    (void)side;
}

static bool sleep_on(void *handle, sipc_word *word, uint32_t expected, uint64_t deadline) {
    (void)word;
    (void)expected;
    return sipc_os_wait_handle(handle, deadline);
}

static void wake(void *handle, sipc_word *word) {
    (void)word;
    SetEvent(handle);
}

static const struct sipc_os_backend event_backend = {
    .id = SIPC_BACKEND_WINDOWS_EVENT,
    .create = create,
    .open = open_existing,
    .close = close_handle,
    .remove = nothing_to_remove,
    .sleep = sleep_on,
    .wake = wake,
};

const struct sipc_os_backend *sipc_os_backend(uint32_t id) {
    return id == SIPC_BACKEND_DEFAULT || id == SIPC_BACKEND_WINDOWS_EVENT ? &event_backend : NULL;
}
