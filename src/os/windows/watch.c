// SPDX-License-Identifier: Apache-2.0
// Notices of death: the system calls us when a process that we hold a handle of has ended.
#include <stdlib.h>

#include "../../internal/os.h"
#include "windows.h"

struct process_wait {
    struct process_wait *next;
    struct sipc_os_watch *watch;
    uint32_t id;
    HANDLE process;
    HANDLE registration;
    sipc_word ended; // 1: it has been told
};

struct sipc_os_watch {
    void (*notice)(void *);
    void *context;
    SRWLOCK lock;    // guards the list
    SRWLOCK telling; // one notice at a time
    sipc_word stopping;
    struct process_wait *waits;
};

// Process ids mean the same in the whole system.
struct sipc_os_process sipc_os_this_process(void) {
    return (struct sipc_os_process){.id = GetCurrentProcessId(), .id_namespace = 1};
}

sipc_status sipc_os_watch_start(void (*notice)(void *), void *context,
                                struct sipc_os_watch **watch) {
    struct sipc_os_watch *made = calloc(1, sizeof *made);
    if (!made) return sipc_fail(SIPC_OUT_OF_MEMORY, "no memory for a watch");
    made->notice = notice;
    made->context = context;
    InitializeSRWLock(&made->lock);
    InitializeSRWLock(&made->telling);
    *watch = made;
    return SIPC_OK;
}

// On a thread of the system's.
static void CALLBACK process_ended(void *context, BOOLEAN timed_out) {
    (void)timed_out;
    struct process_wait *wait = context;
    struct sipc_os_watch *watch = wait->watch;
    sipc_store_release(&wait->ended, 1);
    AcquireSRWLockExclusive(&watch->telling);
    if (sipc_load_acquire(&watch->stopping) == 0) watch->notice(watch->context);
    ReleaseSRWLockExclusive(&watch->telling);
}

// Not on the thread of its own notice.
static void end_wait(struct process_wait *wait, HANDLE completion) {
    UnregisterWaitEx(wait->registration, completion);
    CloseHandle(wait->process);
    free(wait);
}

static bool is_watched(const struct sipc_os_watch *watch, uint32_t id) {
    for (const struct process_wait *wait = watch->waits; wait; wait = wait->next)
        if (wait->id == id && sipc_load_acquire(&wait->ended) == 0) return true;
    return false;
}

static sipc_status watch_process(struct sipc_os_watch *watch, uint32_t id) {
    HANDLE process = OpenProcess(SYNCHRONIZE, FALSE, id);
    // It is gone: the look at its claim, after this, says so. Or it is another user's, whom a
    // region does not admit.
    if (!process) return SIPC_OK;
    struct process_wait *wait = calloc(1, sizeof *wait);
    if (!wait) {
        CloseHandle(process);
        return sipc_fail(SIPC_OUT_OF_MEMORY, "no memory to watch a peer");
    }
    *wait =
        (struct process_wait){.next = watch->waits, .watch = watch, .id = id, .process = process};
    if (!RegisterWaitForSingleObject(&wait->registration, process, process_ended, wait, INFINITE,
                                     WT_EXECUTEONLYONCE | WT_EXECUTELONGFUNCTION)) {
        DWORD error = GetLastError();
        CloseHandle(process);
        free(wait);
        return sipc_os_fail(SIPC_SYSTEM, error, "watching a peer");
    }
    watch->waits = wait;
    return SIPC_OK;
}

sipc_status sipc_os_watch_claim(struct sipc_os_watch *watch, const struct sipc_os_object *object,
                                uint32_t claim, const struct sipc_os_process *process) {
    (void)object;
    (void)claim;
    AcquireSRWLockExclusive(&watch->lock);
    sipc_status status =
        is_watched(watch, process->id) ? SIPC_OK : watch_process(watch, process->id);
    ReleaseSRWLockExclusive(&watch->lock);
    return status;
}

// The system tells of no changes to a section.
bool sipc_os_watch_changes(struct sipc_os_watch *watch, const struct sipc_os_object *object) {
    (void)watch;
    (void)object;
    return false;
}

void sipc_os_watch_offer(struct sipc_os_watch *watch, struct sipc_os_offer *offer) {
    (void)watch;
    (void)offer;
}

void sipc_os_watch_stop(struct sipc_os_watch *watch) {
    if (!watch) return;
    sipc_exchange_barrier(&watch->stopping, 1);
    for (struct process_wait *wait = watch->waits; wait;) {
        struct process_wait *next = wait->next;
        end_wait(wait, INVALID_HANDLE_VALUE); // waits for its notice, if that runs
        wait = next;
    }
    free(watch);
}
