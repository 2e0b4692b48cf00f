// SPDX-License-Identifier: Apache-2.0
#include "failure.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static pthread_mutex_t first_only = PTHREAD_MUTEX_INITIALIZER;
static void (*cleanup_function)(void);

void failure_set_cleanup(void (*cleanup)(void)) {
    cleanup_function = cleanup;
}

void failure_exit(int status, const char *format, ...) {
    // Never unlocked: a later failure is a consequence of the first, and waits for the end here.
    pthread_mutex_lock(&first_only);
    va_list values;
    fflush(stdout);
    fprintf(stderr, "\nsimpleipc-bench-host: ");
    va_start(values, format);
    vfprintf(stderr, format, values);
    va_end(values);
    fprintf(stderr, "\n");
    if (cleanup_function) cleanup_function();
    _exit(status);
}

void *must_allocate(unsigned long count, unsigned long size) {
    void *memory = calloc(count ? count : 1, size);
    if (!memory) failure_exit(1, "no memory for %lu times %lu bytes", count, size);
    return memory;
}
