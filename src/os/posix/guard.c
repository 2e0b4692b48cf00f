// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "guard.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "failure.h"

#define MOST_IN_VAIN 1000u

// The handler walks this list while others change it: an entry is never freed, only used again, and
// its fd is published last.
struct guarded {
    struct guarded *next;
    uintptr_t base;
    size_t size;
    sipc_word lost;
    sipc_word in_vain; // faults at an object that had its size
    _Atomic int fd;    // -1: not in use
};

static _Atomic(struct guarded *) list;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER; // who changes the list
static struct sigaction previous;
static bool installed;

static struct guarded *find(uintptr_t address) {
    struct guarded *entry = atomic_load_explicit(&list, memory_order_acquire);
    for (; entry; entry = entry->next)
        if (atomic_load_explicit(&entry->fd, memory_order_acquire) >= 0 && address >= entry->base &&
            address - entry->base < entry->size)
            return entry;
    return NULL;
}

// Whether the object has its size back, so that the access may be tried again. One that has it
// already was healed by another thread; if that happens too often, there is no memory for it.
static bool grow(struct guarded *entry) {
    struct stat status;
    int fd = atomic_load_explicit(&entry->fd, memory_order_relaxed);
    if (fstat(fd, &status) != 0) return false;
    if ((size_t)status.st_size < entry->size) return ftruncate(fd, (off_t)entry->size) == 0;
    return sipc_add_barrier(&entry->in_vain, 1) < MOST_IN_VAIN;
}

// Gives the faulting address memory again. With the object's size the kernel finds the same pages
// as before for those who sleep on them; if there is no memory for that, a private page has to do.
static bool heal(struct guarded *entry, uintptr_t address) {
    sipc_store_release(&entry->lost, 1);
    if (grow(entry)) return true;
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    void *at = (void *)(address & ~(page - 1));
    return mmap(at, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) ==
           at;
}

static void on_bus_error(int signal_number, siginfo_t *info, void *context) {
    int error = errno;
    struct guarded *entry = find((uintptr_t)info->si_addr);
    bool healed = entry && heal(entry, (uintptr_t)info->si_addr);
    errno = error;
    if (healed) return;
    // Not ours: as if we were not here.
    if (previous.sa_flags & SA_SIGINFO)
        previous.sa_sigaction(signal_number, info, context);
    else if (previous.sa_handler != SIG_DFL && previous.sa_handler != SIG_IGN)
        previous.sa_handler(signal_number);
    else
        sigaction(SIGBUS, &previous, NULL); // the access is repeated and meets the default
}

static bool install(void) {
    if (installed) return true;
    struct sigaction action = {.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};
    action.sa_sigaction = on_bus_error;
    sigemptyset(&action.sa_mask);
    installed = sigaction(SIGBUS, &action, &previous) == 0;
    return installed;
}

static struct guarded *unused_entry(void) {
    struct guarded *entry = atomic_load_explicit(&list, memory_order_relaxed);
    while (entry && atomic_load_explicit(&entry->fd, memory_order_relaxed) >= 0)
        entry = entry->next;
    if (entry) return entry;
    entry = calloc(1, sizeof *entry);
    if (!entry) return NULL;
    atomic_store_explicit(&entry->fd, -1, memory_order_relaxed);
    entry->next = atomic_load_explicit(&list, memory_order_relaxed);
    atomic_store_explicit(&list, entry, memory_order_release);
    return entry;
}

sipc_status sipc_os_guard(int fd, void *base, size_t size, const sipc_word **lost) {
    pthread_mutex_lock(&mutex);
    struct guarded *entry = install() ? unused_entry() : NULL;
    if (entry) {
        entry->base = (uintptr_t)base;
        entry->size = size;
        sipc_store_relaxed(&entry->lost, 0);
        sipc_store_relaxed(&entry->in_vain, 0);
        atomic_store_explicit(&entry->fd, fd, memory_order_release);
        *lost = &entry->lost;
    }
    pthread_mutex_unlock(&mutex);
    if (entry) return SIPC_OK;
    return sipc_os_fail(errno == ENOMEM ? SIPC_OUT_OF_MEMORY : SIPC_SYSTEM, errno,
                        "guarding a region");
}

void sipc_os_unguard(const void *base) {
    pthread_mutex_lock(&mutex);
    struct guarded *entry = find((uintptr_t)base);
    if (entry) atomic_store_explicit(&entry->fd, -1, memory_order_release);
    pthread_mutex_unlock(&mutex);
}
