// SPDX-License-Identifier: Apache-2.0
// Threads, and sleeping on words of this process.
#include <process.h>

#include "../../internal/os.h"
#include "windows.h"

sipc_word sipc_os_fork_count; // this system has no fork()

// ---- Threads -----------------------------------------------------------------------------------

static unsigned __stdcall end_for_another(void *given) {
    const struct sipc_os_work work = *(const struct sipc_os_work *)given;
    work.ended(work.context);
    return 0;
}

// Called by the system when a thread ends, however it does: what is still noted there has not
// ended yet. The system holds locks here which other threads need for their own ends, and ended may
// wait for those: it gets a thread of its own.
static void WINAPI thread_ends(void *noted) {
    if (!noted) return;
    uintptr_t handle = _beginthreadex(NULL, 0, end_for_another, noted, 0, NULL);
    if (handle)
        CloseHandle((HANDLE)handle);
    else
        end_for_another(noted);
}

static DWORD note_index = FLS_OUT_OF_INDEXES;
static INIT_ONCE note_once = INIT_ONCE_STATIC_INIT;

static BOOL CALLBACK make_note_index(INIT_ONCE *once, void *parameter, void **context) {
    (void)once;
    (void)parameter;
    (void)context;
    note_index = FlsAlloc(thread_ends);
    return note_index != FLS_OUT_OF_INDEXES;
}

static unsigned __stdcall begin(void *given) {
    // A copy: once ended is called, the work may go on in another thread.
    const struct sipc_os_work work = *(const struct sipc_os_work *)given;
    FlsSetValue(note_index, given);
    work.run(work.context);
    FlsSetValue(note_index, NULL);
    work.ended(work.context);
    return 0;
}

sipc_status sipc_os_thread_start(const struct sipc_os_work *work) {
    if (!InitOnceExecuteOnce(&note_once, make_note_index, NULL, NULL))
        return sipc_os_fail(SIPC_SYSTEM, GetLastError(), "FlsAlloc");
    uintptr_t handle = _beginthreadex(NULL, 0, begin, (void *)(uintptr_t)work, 0, NULL);
    if (!handle) return sipc_os_fail(SIPC_SYSTEM, GetLastError(), "starting a thread");
    CloseHandle((HANDLE)handle); // it knows itself by one of its own
    return SIPC_OK;
}

struct sipc_os_thread sipc_os_this_thread(void) {
    HANDLE handle = NULL;
    DuplicateHandle(GetCurrentProcess(), GetCurrentThread(), GetCurrentProcess(), &handle,
                    SYNCHRONIZE, FALSE, 0);
    return (struct sipc_os_thread){.handle = (uintptr_t)handle};
}

void sipc_os_thread_join(struct sipc_os_thread thread) {
    WaitForSingleObject((HANDLE)thread.handle, INFINITE);
    CloseHandle((HANDLE)thread.handle);
}

// ---- Parking -----------------------------------------------------------------------------------

bool sipc_os_park(sipc_word *word, uint32_t value, uint64_t deadline) {
    DWORD milliseconds = INFINITE;
    if (deadline != SIPC_NEVER) {
        const uint64_t now = sipc_os_now();
        const uint64_t left = now < deadline ? (deadline - now + 999999) / 1000000 : 0;
        milliseconds = left < INFINITE ? (DWORD)left : INFINITE - 1;
    }
    if (WaitOnAddress(word, &value, sizeof value, milliseconds)) return true;
    return deadline == SIPC_NEVER || sipc_os_now() < deadline;
}

void sipc_os_unpark(sipc_word *word, uint32_t how_many) {
    // The system wakes one or all: a needless wake does no harm.
    if (how_many == 1)
        WakeByAddressSingle((void *)word);
    else
        WakeByAddressAll((void *)word);
}
