// SPDX-License-Identifier: Apache-2.0
// A clock, a scheduler and an event that do what the test says. All on the test's own thread: the
// peer acts in the hooks, at exactly the step that the test is about.
#ifndef SIPC_TESTS_FAKE_SYSTEM_H
#define SIPC_TESTS_FAKE_SYSTEM_H

#include "internal/wait.h"

struct fake_system {
    uint64_t now;    // what the clock says
    uint64_t tick;   // added by each look at the clock
    char steps[256]; // y: yielded, s: slept, w: woken, m: moved, l: watched a line, r: rested at it
    unsigned yields;
    unsigned moves;
    unsigned sleeps;
    unsigned wakes;
    unsigned rests;
    uint32_t expected;     // the value that the last sleep was to last for
    uint64_t sleeps_until; // the deadline that it was given
    sipc_word *slept_on;
    sipc_word *woken;
    const void *watched_line;
    void (*on_yield)(unsigned turn); // turn counts from 1
    void (*on_sleep)(unsigned turn);
    void (*on_wake)(unsigned turn);
    void (*on_rest)(unsigned turn);
};

extern struct fake_system fake;
extern const struct sipc_wait_system fake_wait_system;
extern const struct sipc_os_backend fake_backend;
extern const struct sipc_line_wait fake_line_wait;

// The clock at 1000 and standing still, nothing done yet, no hooks.
void fake_reset(void);

#endif
