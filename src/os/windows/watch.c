// SPDX-License-Identifier: Apache-2.0
// Notices of death: the system calls us when a process that we hold a handle of has ended. And of
// changes: each watch that wants them has an event of the region's (spec 14).
#include <stdio.h>
#include <stdlib.h>

#include "object.h"
#include "security.h"

// Watches of a region's changes at a time.
#define MOST_NEWS 64u

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
    HANDLE news; // NULL: changes are not watched
    HANDLE news_registration;
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

static void tell(struct sipc_os_watch *watch) {
    AcquireSRWLockExclusive(&watch->telling);
    if (sipc_load_acquire(&watch->stopping) == 0) watch->notice(watch->context);
    ReleaseSRWLockExclusive(&watch->telling);
}

// On a thread of the system's.
static void CALLBACK process_ended(void *context, BOOLEAN timed_out) {
    (void)timed_out;
    struct process_wait *wait = context;
    sipc_store_release(&wait->ended, 1);
    tell(wait->watch);
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

// ---- Changes -----------------------------------------------------------------------------------

static void name_of_news(const struct sipc_os_object *object, uint32_t index,
                         char name[SIPC_KERNEL_NAME_SIZE]) {
    char what[16];
    snprintf(what, sizeof what, "news.%lu", (unsigned long)index);
    sipc_os_kernel_name(sipc_os_windows_object(object), what, name);
}

void sipc_os_object_touch(const struct sipc_os_object *object) {
    for (uint32_t i = 0; i < MOST_NEWS; i++) {
        char name[SIPC_KERNEL_NAME_SIZE];
        name_of_news(object, i, name);
        HANDLE news = OpenEventA(EVENT_MODIFY_STATE, FALSE, name);
        if (!news) continue;
        SetEvent(news);
        CloseHandle(news);
    }
}

// The first event that nobody has; NULL: there is none, or the system refuses it.
static HANDLE make_news(const struct sipc_os_object *object) {
    SECURITY_ATTRIBUTES own;
    HANDLE news = NULL;
    if (sipc_os_security_own(&own)) return NULL;
    for (uint32_t i = 0; i < MOST_NEWS && !news; i++) {
        char name[SIPC_KERNEL_NAME_SIZE];
        name_of_news(object, i, name);
        news = CreateEventA(&own, FALSE, FALSE, name);
        if (!news || GetLastError() != ERROR_ALREADY_EXISTS) continue;
        CloseHandle(news);
        news = NULL;
    }
    sipc_os_security_free(&own);
    return news;
}

static void CALLBACK object_changed(void *context, BOOLEAN timed_out) {
    (void)timed_out;
    tell(context);
}

static void watch_news(struct sipc_os_watch *watch, const struct sipc_os_object *object) {
    watch->news = make_news(object);
    if (!watch->news ||
        RegisterWaitForSingleObject(&watch->news_registration, watch->news, object_changed, watch,
                                    INFINITE, WT_EXECUTEINWAITTHREAD))
        return;
    CloseHandle(watch->news);
    watch->news = NULL;
}

// False also where it does: a process that ends gives no news, unless it is watched itself.
bool sipc_os_watch_changes(struct sipc_os_watch *watch, const struct sipc_os_object *object) {
    AcquireSRWLockExclusive(&watch->lock);
    if (!watch->news) watch_news(watch, object);
    ReleaseSRWLockExclusive(&watch->lock);
    return false;
}

static void end_news(const struct sipc_os_watch *watch) {
    if (!watch->news) return;
    UnregisterWaitEx(watch->news_registration, INVALID_HANDLE_VALUE); // waits for its notice
    CloseHandle(watch->news);
}

// ---- The end -----------------------------------------------------------------------------------

void sipc_os_watch_offer(struct sipc_os_watch *watch, struct sipc_os_offer *offer) {
    (void)watch;
    (void)offer;
}

void sipc_os_watch_stop(struct sipc_os_watch *watch) {
    if (!watch) return;
    sipc_exchange_barrier(&watch->stopping, 1);
    end_news(watch);
    for (struct process_wait *wait = watch->waits; wait;) {
        struct process_wait *next = wait->next;
        end_wait(wait, INVALID_HANDLE_VALUE); // waits for its notice, if that runs
        wait = next;
    }
    free(watch);
}
