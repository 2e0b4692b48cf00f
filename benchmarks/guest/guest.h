// SPDX-License-Identifier: Apache-2.0
// The C guest of the benchmark: the library's workers, and beside them, on the same processor, a
// server of bare windows, which sleeps whenever the host measures something else.
#ifndef BENCH_GUEST_H
#define BENCH_GUEST_H

#include <stdint.h>

struct bench_control;

// Who else serves in this process.
struct guest_company {
    void (*begin)(struct bench_control *control, const char *name, uint32_t capacity);
    void (*end)(void); // returns when nothing of it runs any more
};

// What main() does. company may be NULL.
int guest_program(int count, char **values, const struct guest_company *company);

#endif
