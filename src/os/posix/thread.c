// SPDX-License-Identifier: Apache-2.0
#define _POSIX_C_SOURCE 200809L
#include <pthread.h>
#include <stdlib.h>

#include "../../internal/os.h"
#include "failure.h"

struct start {
    void (*run)(void *);
    void (*ended)(void *);
    void *context;
};

static void *begin(void *given) {
    struct start start = *(struct start *)given;
    free(given);
    pthread_cleanup_push(start.ended, start.context);
    start.run(start.context);
    pthread_cleanup_pop(1);
    return NULL;
}

sipc_status sipc_os_thread_start(void (*run)(void *), void (*ended)(void *), void *context) {
    struct start *start = malloc(sizeof *start);
    if (!start) return sipc_fail(SIPC_OUT_OF_MEMORY, "no memory to start a thread");
    *start = (struct start){.run = run, .ended = ended, .context = context};
    pthread_t handle;
    int error = pthread_create(&handle, NULL, begin, start);
    if (error) {
        free(start);
        return sipc_os_fail(SIPC_SYSTEM, error, "pthread_create");
    }
    return SIPC_OK;
}

struct sipc_os_thread sipc_os_this_thread(void) {
    return (struct sipc_os_thread){.handle = (uintptr_t)pthread_self()};
}

void sipc_os_thread_join(struct sipc_os_thread thread) {
    pthread_join((pthread_t)thread.handle, NULL);
}
