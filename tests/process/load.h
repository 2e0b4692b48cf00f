// SPDX-License-Identifier: Apache-2.0
// What the machine's load adds to a time that a test limits. A processor that somebody else uses
// makes neither the library slow nor the test wrong.
#ifndef PROCESS_LOAD_H
#define PROCESS_LOAD_H

#include <stdint.h>

// A thread of the test's process watches from here to there.
void load_watch(void);
void load_watch_end(void);

// How long a thread that wants to run could not, in microseconds since the watch began: as long may
// each process have waited for a processor. Differences of it count.
uint64_t load_us(void);

// As load_us(), and beside that what the calling thread itself has waited.
uint64_t load_of_thread_us(void);

// A moment, and how long ago it is, in microseconds, beside the load that came since.
struct moment {
    uint64_t us, load_us;
};
struct moment moment_now(void);
uint64_t us_since(struct moment began);

// What is left of a time when the load that came meanwhile is taken away.
uint64_t load_taken_from(uint64_t took_us, uint64_t added_us);

#endif
