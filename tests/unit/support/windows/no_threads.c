// SPDX-License-Identifier: Apache-2.0
#include "../no_threads.h"

#include <errno.h>
#include <process.h>
#include <stdint.h>

sipc_word no_threads;

// A function of a DLL is called by a pointer.
typedef uintptr_t start_function(void *security, unsigned stack_size,
                                 unsigned(__stdcall *run)(void *), void *context, unsigned flags,
                                 unsigned *id);

extern start_function *__real___imp__beginthreadex;
extern start_function *__wrap___imp__beginthreadex;

static uintptr_t start(void *security, unsigned stack_size, unsigned(__stdcall *run)(void *),
                       void *context, unsigned flags, unsigned *id) {
    if (sipc_load_acquire(&no_threads)) {
        errno = EAGAIN;
        return 0;
    }
    return __real___imp__beginthreadex(security, stack_size, run, context, flags, id);
}

start_function *__wrap___imp__beginthreadex = start;
