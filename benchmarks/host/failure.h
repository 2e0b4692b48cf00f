// SPDX-License-Identifier: Apache-2.0
// The one way out when something goes wrong: a message, the region removed, exit status 1.
#ifndef BENCH_FAILURE_H
#define BENCH_FAILURE_H

#include <stdbool.h>

// What is to be undone before the process ends; NULL: nothing.
void failure_set_cleanup(void (*cleanup)(void));
// Any thread; the first one wins.
_Noreturn void failure_exit(int status, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
// Memory that must be there.
void *must_allocate(unsigned long count, unsigned long size);

#endif
