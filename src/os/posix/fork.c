// SPDX-License-Identifier: Apache-2.0
#define _POSIX_C_SOURCE 200809L
#include "fork.h"

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "../../internal/os.h"

static pthread_mutex_t mutex =
    PTHREAD_MUTEX_INITIALIZER; // held across fork(): the child finds the list whole
static bool registered;        // the handlers are
static int *descriptors;
static size_t count;
static size_t room;
sipc_word sipc_os_fork_count;

static void before_fork(void) {
    pthread_mutex_lock(&mutex);
}

static void after_fork(void) {
    pthread_mutex_unlock(&mutex);
}

static void in_child(void) {
    for (size_t i = 0; i < count; i++) close(descriptors[i]);
    count = 0;
    sipc_store_relaxed(&sipc_os_fork_count, sipc_os_forks() + 1);
    pthread_mutex_unlock(&mutex);
}

static bool make_room(void) {
    if (count < room) return true;
    size_t more = room ? room * 2 : 16;
    int *larger = realloc(descriptors, more * sizeof *larger);
    if (!larger) return false;
    descriptors = larger;
    room = more;
    return true;
}

void sipc_os_fork_lock(void) {
    pthread_mutex_lock(&mutex);
    // Tried again where there was no memory for it.
    if (!registered) registered = pthread_atfork(before_fork, after_fork, in_child) == 0;
}

void sipc_os_fork_unlock(void) {
    pthread_mutex_unlock(&mutex);
}

sipc_status sipc_os_close_in_child_locked(int fd) {
    bool kept = registered && make_room();
    if (kept) descriptors[count++] = fd;
    return kept ? SIPC_OK
                : sipc_fail(SIPC_OUT_OF_MEMORY, "no memory to keep a region from a child");
}

sipc_status sipc_os_close_in_child(int fd) {
    sipc_os_fork_lock();
    sipc_status status = sipc_os_close_in_child_locked(fd);
    sipc_os_fork_unlock();
    return status;
}

void sipc_os_forget_in_child(int fd) {
    pthread_mutex_lock(&mutex);
    for (size_t i = 0; i < count; i++) {
        if (descriptors[i] != fd) continue;
        descriptors[i] = descriptors[--count];
        break;
    }
    if (count == 0) {
        free(descriptors);
        descriptors = NULL;
        room = 0;
    }
    pthread_mutex_unlock(&mutex);
}
