// SPDX-License-Identifier: Apache-2.0
// Which processors the two sides use when they are pinned: the first half of those that this
// process may use is the host's, the rest the guest's. With one thread each, one processor each.
#ifndef BENCH_PLACES_H
#define BENCH_PLACES_H

#include <stdbool.h>

#define PLACES_MAX 1024

struct places {
    unsigned count; // of processors that this process may use
    int cpus[PLACES_MAX];
};

// Looked up once, before anything is pinned.
const struct places *places_found(void);
// From here on only so many of them are used.
void places_limit(unsigned count);
// Pins the calling thread and all that it starts. False: errno says why. threads: of each side.
bool places_pin_host(unsigned threads);
bool places_pin_guest(unsigned threads);
// To all processors again.
bool places_unpin(void);

#endif
