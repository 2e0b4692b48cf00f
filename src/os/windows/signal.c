// SPDX-License-Identifier: Apache-2.0
// Signals to an application's own loop: events that stay set until they are reset.
#include "../../internal/os.h"
#include "windows.h"

sipc_status sipc_os_signal_make(struct sipc_os_signal *signal) {
    HANDLE made = CreateEventA(NULL, TRUE, FALSE, NULL);
    if (!made) return sipc_os_fail(SIPC_SYSTEM, GetLastError(), "CreateEvent");
    signal->descriptor = (intptr_t)made;
    return SIPC_OK;
}

void sipc_os_signal_free(const struct sipc_os_signal *signal) {
    CloseHandle((HANDLE)signal->descriptor);
}

void sipc_os_signal_set(const struct sipc_os_signal *signal) {
    SetEvent((HANDLE)signal->descriptor);
}

void sipc_os_signal_clear(const struct sipc_os_signal *signal) {
    ResetEvent((HANDLE)signal->descriptor);
}
