// SPDX-License-Identifier: Apache-2.0
// Programs for whom the wall clock is set back and forth all the time, while that of the machine
// stays as it is: their looks at it are answered here. They run unchanged, in C, C++ and Go.
#ifndef FAULTS_WALL_CLOCK_H
#define FAULTS_WALL_CLOCK_H

#include <pthread.h>
#include <stdatomic.h>

#include "row.h"

struct wall_clock {
    pthread_t thread;
    int listener;           // tells of the program's looks
    _Atomic uint64_t looks; // at the wall clock, each answered with another hour
    _Atomic uint64_t waits; // that were to last until a moment of the wall clock
};

// As peer_start(), with up to three arguments; an argument of NULL is the end.
void wall_clock_start(struct wall_clock *clock, struct peer *peer, const char *program,
                      const char *first, const char *second, const char *third);
// After the program's end.
void wall_clock_end(struct wall_clock *clock);

// What main does when the row's program was started by wall_clock_start(), with its arguments from
// the second on. Does not return but in failure.
int wall_clock_exec(char **words);

#endif
