// SPDX-License-Identifier: Apache-2.0
// What the tests of this folder ask the system for; one folder for each.
#ifndef SIPC_TESTS_SYSTEM_H
#define SIPC_TESTS_SYSTEM_H

#include <stddef.h>

#include "internal/layout.h"
#include "internal/os.h"

// What a process has, and can forget to give back.
struct inventory {
    unsigned handles; // of files and of everything else that the kernel counts
    unsigned threads;
    unsigned names; // that contain the text, of shared memory and semaphores
};

struct inventory take_inventory(const char *text);

// What the system starts in a process with its first threads, and keeps for a while, is there from
// here on.
void let_system_threads_start(void);
// Grows while threads of this process wake: by context switches, or, where nobody counts these, by
// tenths of a millisecond that they run.
uint64_t unrest_so_far(void);

// Zeroed, at the beginning of a cache line.
void *allocate_lines(size_t size);
void free_lines(void *memory);

// Two handles of an object without a name: a claim of the one is another's to the other.
void open_nameless_twice(struct sipc_os_object *one, struct sipc_os_object *other);
void close_nameless(struct sipc_os_object *object);

// An event of the system's best backend. Freeing a fake one does nothing.
void make_real_event(const struct sipc_os_object *object, enum sipc_side side,
                     struct sipc_event *event);
void free_real_event(struct sipc_event *event);

#endif
