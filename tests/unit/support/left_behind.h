// SPDX-License-Identifier: Apache-2.0
// Nothing is left behind: what every test of this folder promises beside its own promise.
#ifndef SIPC_TESTS_LEFT_BEHIND_H
#define SIPC_TESTS_LEFT_BEHIND_H

// cmocka's header wants these before it.
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#ifdef __cplusplus
extern "C" {
#endif
#include <cmocka.h>
#ifdef __cplusplus
}
#endif
// clang-format on

#ifdef __cplusplus
extern "C" {
#endif

// A region's name that no other test uses; valid until the sixteenth next call.
const char *fresh_name(void);

// Before and after a test: file descriptors, threads and names in /dev/shm are as many as before.
int note_what_exists(void **state);
int nothing_is_left_behind(void **state);

// Names of this process in /dev/shm, semaphores included.
unsigned names_in_shared_memory(void);

#ifdef __cplusplus
}
#endif

// A test of a promise that leaves nothing behind.
#define PROMISE(test)                                                                              \
    cmocka_unit_test_setup_teardown(test, note_what_exists, nothing_is_left_behind)

#endif
