// SPDX-License-Identifier: Apache-2.0
// Notices of death: one thread that polls pidfds. Where the process id means nothing here (another
// pid namespace, no pidfd), a thread waits for a read lock on the byte that the process has
// claimed. The thread that polls also answers the guests of a sealed region, one at a time, so that
// no crowd of them delays a notice.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../../internal/os.h"
#include "../posix/failure.h"
#include "sealed_offer.h"

// How long an offer rests when the system is short of descriptors or memory.
#define OFFER_REST_MS 10

#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif

// More than these are watched by their locks: a peer may give any process for its own, and each
// that there is would cost a descriptor.
#define MOST_PROCESSES 256u

// A peer known by the lock that it holds.
struct lock_wait {
    struct lock_wait *next;
    struct sipc_os_watch *watch;
    int object;
    uint32_t claim;
    struct sipc_os_process process; // one thread for all the claims of a process
    struct flock lock; // not on the stack of its thread, which may be cancelled in the call
    pthread_t thread;
    sipc_word ended; // 1: the claim was given back and the thread is leaving
};

// A peer known by its process id.
struct process_wait {
    struct process_wait *next;
    uint32_t id;
    int pidfd;
};

enum changes { UNWATCHED, WATCHED, UNWATCHABLE };

// The descriptors that are polled before those of the processes.
enum polled { DOORBELL, OFFER, NOTIFIER, FIRST_PROCESS };

struct sipc_os_watch {
    void (*notice)(void *);
    void *context;
    pthread_t thread;
    pthread_mutex_t mutex; // guards the lists and count
    struct process_wait *processes;
    struct lock_wait *locks;
    struct sipc_os_offer *offer; // NULL: none; guarded too
    bool offer_rests;            // the polling thread's own
    nfds_t process_count;
    uint64_t id_namespace; // ours
    int doorbell;          // eventfd: look at the list and the flags again
    sipc_word changes;     // enum changes
    int notifier;          // inotify on an object; guarded while it is made
    sipc_word lock_got;    // 1: a lock thread has something to tell
    sipc_word stopping;
};

struct sipc_os_process sipc_os_this_process(void) {
    struct stat status;
    uint64_t id_namespace = stat("/proc/self/ns/pid", &status) == 0 ? (uint64_t)status.st_ino : 0;
    return (struct sipc_os_process){.id = (uint32_t)getpid(), .id_namespace = id_namespace};
}

static void ring(const struct sipc_os_watch *watch) {
    const uint64_t one = 1;
    // Cannot fail but by overflow of the counter, and then it is readable all the same.
    ssize_t written = write(watch->doorbell, &one, sizeof one);
    (void)written;
}

// ---- The thread that polls ---------------------------------------------------------------------

// -1, which poll() passes over, if there is none now.
static int offer_to_poll(const struct sipc_os_watch *watch) {
    return watch->offer && !watch->offer_rests ? sipc_os_offer_descriptor(watch->offer) : -1;
}

static void answer_offer(struct sipc_os_watch *watch) {
    pthread_mutex_lock(&watch->mutex);
    struct sipc_os_offer *offer = watch->offer;
    pthread_mutex_unlock(&watch->mutex);
    enum sipc_os_offered offered = sipc_os_offer_answer(offer);
    watch->offer_rests = offered == SIPC_OFFER_RESTS;
    if (offered != SIPC_OFFER_ENDED) return;
    pthread_mutex_lock(&watch->mutex);
    watch->offer = NULL;
    pthread_mutex_unlock(&watch->mutex);
}

// Copies what to poll; the list may change while we poll.
static struct pollfd *descriptors(struct sipc_os_watch *watch, nfds_t *count) {
    pthread_mutex_lock(&watch->mutex);
    struct pollfd *polled = malloc((watch->process_count + FIRST_PROCESS) * sizeof *polled);
    *count = 0;
    if (polled) {
        polled[(*count)++] = (struct pollfd){.fd = watch->doorbell, .events = POLLIN};
        polled[(*count)++] = (struct pollfd){.fd = offer_to_poll(watch), .events = POLLIN};
        polled[(*count)++] = (struct pollfd){.fd = watch->notifier, .events = POLLIN};
        for (struct process_wait *wait = watch->processes; wait; wait = wait->next)
            polled[(*count)++] = (struct pollfd){.fd = wait->pidfd, .events = POLLIN};
    }
    pthread_mutex_unlock(&watch->mutex);
    return polled;
}

static void forget(struct sipc_os_watch *watch, int pidfd) {
    pthread_mutex_lock(&watch->mutex);
    for (struct process_wait **at = &watch->processes; *at; at = &(*at)->next) {
        struct process_wait *wait = *at;
        if (wait->pidfd != pidfd) continue;
        *at = wait->next;
        watch->process_count--;
        close(wait->pidfd);
        free(wait);
        break;
    }
    pthread_mutex_unlock(&watch->mutex);
}

// What has changed does not matter: who is told looks at everything.
static bool take_changes(const struct sipc_os_watch *watch) {
    char events[4096];
    return read(watch->notifier, events, sizeof events) > 0;
}

static void look_once(struct sipc_os_watch *watch) {
    nfds_t count;
    struct pollfd *polled = descriptors(watch, &count);
    if (!polled) {
        // No memory now: a look at the peers instead, and again a little later.
        watch->notice(watch->context);
        sipc_os_sleep(1000000);
        return;
    }
    bool news = false;
    int patience = watch->offer_rests ? OFFER_REST_MS : -1;
    watch->offer_rests = false;
    if (poll(polled, count, patience) > 0) {
        uint64_t rings;
        if (polled[DOORBELL].revents && read(watch->doorbell, &rings, sizeof rings) > 0)
            news = sipc_exchange_acquire(&watch->lock_got, 0) != 0;
        if (polled[OFFER].revents) answer_offer(watch);
        if (polled[NOTIFIER].revents) news = take_changes(watch) || news;
        for (nfds_t i = FIRST_PROCESS; i < count; i++) {
            if (!polled[i].revents) continue;
            forget(watch, polled[i].fd);
            news = true;
        }
    }
    free(polled);
    if (news && sipc_load_acquire(&watch->stopping) == 0) watch->notice(watch->context);
}

static void *run(void *context) {
    struct sipc_os_watch *watch = context;
    while (sipc_load_acquire(&watch->stopping) == 0) look_once(watch);
    return NULL;
}

sipc_status sipc_os_watch_start(void (*notice)(void *), void *context,
                                struct sipc_os_watch **watch) {
    struct sipc_os_watch *made = calloc(1, sizeof *made);
    if (!made) return sipc_fail(SIPC_OUT_OF_MEMORY, "no memory for a watch");
    made->notice = notice;
    made->context = context;
    made->id_namespace = sipc_os_this_process().id_namespace;
    made->notifier = -1;
    made->doorbell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int error = made->doorbell < 0 ? errno : 0;
    pthread_mutex_init(&made->mutex, NULL);
    if (!error) error = pthread_create(&made->thread, NULL, run, made);
    if (error) {
        if (made->doorbell >= 0) close(made->doorbell);
        pthread_mutex_destroy(&made->mutex);
        free(made);
        return sipc_os_fail(SIPC_SYSTEM, error, "starting a watch");
    }
    *watch = made;
    return SIPC_OK;
}

// ---- A peer known by its lock ------------------------------------------------------------------

// Cancelled by sipc_os_watch_stop() while it waits for the lock, which is a cancellation point.
static void *wait_for_lock(void *context) {
    struct lock_wait *wait = context;
    wait->lock =
        (struct flock){.l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = wait->claim, .l_len = 1};
    while (fcntl(wait->object, F_OFD_SETLKW, &wait->lock) != 0 && errno == EINTR) {
    }
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
    wait->lock.l_type = F_UNLCK;
    // Before the next one can claim it: whoever watches that from then on starts a thread of its
    // own.
    sipc_store_release(&wait->ended, 1);
    fcntl(wait->object, F_OFD_SETLK, &wait->lock);
    sipc_store_release(&wait->watch->lock_got, 1);
    ring(wait->watch);
    return NULL;
}

static void reap(struct lock_wait *wait) {
    pthread_join(wait->thread, NULL);
    free(wait);
}

// Threads whose peer has gone are done; the mutex is held.
static void reap_ended(struct sipc_os_watch *watch) {
    for (struct lock_wait **at = &watch->locks; *at;) {
        struct lock_wait *wait = *at;
        if (sipc_load_acquire(&wait->ended) == 0) {
            at = &wait->next;
            continue;
        }
        *at = wait->next;
        reap(wait);
    }
}

// By a thread for that claim, whoever holds it, or by one for another claim of the same process. So
// there are never more threads than claims, however often a peer lies about its process.
static bool is_lock_watched(const struct sipc_os_watch *watch, int object, uint32_t claim,
                            const struct sipc_os_process *process) {
    for (const struct lock_wait *wait = watch->locks; wait; wait = wait->next)
        if (wait->object == object &&
            (wait->claim == claim || (wait->process.id == process->id &&
                                      wait->process.id_namespace == process->id_namespace)))
            return true;
    return false;
}

static sipc_status watch_lock(struct sipc_os_watch *watch, int object, uint32_t claim,
                              const struct sipc_os_process *process) {
    reap_ended(watch);
    if (is_lock_watched(watch, object, claim, process)) return SIPC_OK;
    struct lock_wait *wait = calloc(1, sizeof *wait);
    if (!wait) return sipc_fail(SIPC_OUT_OF_MEMORY, "no memory to watch a peer");
    wait->watch = watch;
    wait->object = object;
    wait->claim = claim;
    wait->process = *process;
    int error = pthread_create(&wait->thread, NULL, wait_for_lock, wait);
    if (error) {
        free(wait);
        return sipc_os_fail(SIPC_SYSTEM, error, "watching a peer");
    }
    wait->next = watch->locks;
    watch->locks = wait;
    return SIPC_OK;
}

// ---- A peer known by its process id ------------------------------------------------------------

static bool is_watched(const struct sipc_os_watch *watch, uint32_t id) {
    for (const struct process_wait *wait = watch->processes; wait; wait = wait->next)
        if (wait->id == id) return true;
    return false;
}

// False: this process cannot be watched by its id.
static bool watch_process(struct sipc_os_watch *watch, const struct sipc_os_process *process) {
    if (watch->id_namespace == 0 || process->id_namespace != watch->id_namespace) return false;
    if (is_watched(watch, process->id)) return true;
    if (process->id > INT32_MAX || watch->process_count >= MOST_PROCESSES) return false;
    int pidfd = (int)syscall(SYS_pidfd_open, (pid_t)process->id, 0);
    struct process_wait *wait = pidfd < 0 ? NULL : malloc(sizeof *wait);
    if (!wait) {
        if (pidfd >= 0) close(pidfd);
        return false;
    }
    *wait = (struct process_wait){.next = watch->processes, .id = process->id, .pidfd = pidfd};
    watch->processes = wait;
    watch->process_count++;
    ring(watch);
    return true;
}

sipc_status sipc_os_watch_claim(struct sipc_os_watch *watch, const struct sipc_os_object *object,
                                uint32_t claim, const struct sipc_os_process *process) {
    pthread_mutex_lock(&watch->mutex);
    sipc_status status = SIPC_OK;
    if (!watch_process(watch, process))
        status = watch_lock(watch, (int)object->handle, claim, process);
    pthread_mutex_unlock(&watch->mutex);
    return status;
}

// ---- An object that others change --------------------------------------------------------------

// By its number: it may have no name.
static int notifier_of(const struct sipc_os_object *object) {
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", (int)object->handle);
    int notifier = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (notifier < 0 || inotify_add_watch(notifier, path, IN_ATTRIB | IN_CLOSE_WRITE) >= 0)
        return notifier;
    close(notifier);
    return -1;
}

bool sipc_os_watch_changes(struct sipc_os_watch *watch, const struct sipc_os_object *object) {
    if (sipc_load_acquire(&watch->changes) != UNWATCHED)
        return sipc_load_acquire(&watch->changes) == WATCHED;
    pthread_mutex_lock(&watch->mutex);
    if (sipc_load_acquire(&watch->changes) == UNWATCHED) {
        watch->notifier = notifier_of(object);
        sipc_store_release(&watch->changes, watch->notifier < 0 ? UNWATCHABLE : WATCHED);
        ring(watch);
    }
    pthread_mutex_unlock(&watch->mutex);
    return sipc_load_acquire(&watch->changes) == WATCHED;
}

void sipc_os_watch_offer(struct sipc_os_watch *watch, struct sipc_os_offer *offer) {
    pthread_mutex_lock(&watch->mutex);
    watch->offer = offer;
    pthread_mutex_unlock(&watch->mutex);
    ring(watch);
}

void sipc_os_watch_stop(struct sipc_os_watch *watch) {
    if (!watch) return;
    sipc_exchange_barrier(&watch->stopping, 1);
    ring(watch);
    pthread_join(watch->thread, NULL);
    for (struct lock_wait *wait = watch->locks; wait;) {
        struct lock_wait *next = wait->next;
        pthread_cancel(wait->thread);
        reap(wait);
        wait = next;
    }
    while (watch->processes) forget(watch, watch->processes->pidfd);
    if (watch->notifier >= 0) close(watch->notifier);
    close(watch->doorbell);
    pthread_mutex_destroy(&watch->mutex);
    free(watch);
}
