// SPDX-License-Identifier: Apache-2.0
#include "../no_threads.h"

#include <errno.h>
#include <pthread.h>

sipc_word no_threads;

int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
                          void *context);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
                          void *context);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
                          void *context) {
    return sipc_load_acquire(&no_threads) ? EAGAIN
                                          : __real_pthread_create(thread, attributes, run, context);
}
