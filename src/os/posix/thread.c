// SPDX-License-Identifier: Apache-2.0
#define _POSIX_C_SOURCE 200809L
#include <pthread.h>

#include "../../internal/os.h"
#include "failure.h"

static void *begin(void *given) {
    // A copy: once ended is called, the work may go on in another thread.
    const struct sipc_os_work work = *(const struct sipc_os_work *)given;
    pthread_cleanup_push(work.ended, work.context);
    work.run(work.context);
    pthread_cleanup_pop(1);
    return NULL;
}

sipc_status sipc_os_thread_start(const struct sipc_os_work *work) {
    pthread_t handle;
    int error = pthread_create(&handle, NULL, begin, (void *)(uintptr_t)work);
    return error ? sipc_os_fail(SIPC_SYSTEM, error, "pthread_create") : SIPC_OK;
}

struct sipc_os_thread sipc_os_this_thread(void) {
    return (struct sipc_os_thread){.handle = (uintptr_t)pthread_self()};
}

void sipc_os_thread_join(struct sipc_os_thread thread) {
    pthread_join((pthread_t)thread.handle, NULL);
}
