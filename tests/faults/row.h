// SPDX-License-Identifier: Apache-2.0
// Rows of the fault matrix: programs that each show one promise under faults, in a short form among
// the tests and in a long one whose figures are published.
//
//     static void killed_hosts_are_missed(void) {
//         row_begin("3", "a killed host is missed at once", 30, 600);
//         ...
//         row_result("%u kills, known after %.1f ms at most", ...);
//         row_end();
//     }
//
//     int main(void) {
//         return row_main(killed_hosts_are_missed);
//     }
#ifndef FAULTS_ROW_H
#define FAULTS_ROW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../process/harness.h"

// As the environment's SIMPLEIPC_FAULTS says: "short", which it is if unset, or "long".
enum row_form { ROW_SHORT, ROW_LONG };
enum row_form row_form(void);
unsigned row_times(unsigned in_short_form, unsigned in_long_form);

// Runs the row, in which the harness may be used. Returns main's result.
int row_main(void (*row)(void));

// Takes note of what the process holds. Beyond its seconds the row fails and its peers are killed.
void row_begin(const char *number, const char *title, unsigned short_seconds,
               unsigned long_seconds);
// What was counted and measured: a line on standard output, and in the file that the environment's
// SIMPLEIPC_FAULTS_RESULTS names. A row with parts says one for each.
void row_result(const char *format, ...) __attribute__((format(printf, 1, 2)));
// Nothing may be left behind: no peer, descriptor or thread, no object in shared memory whose name
// contains row_region().
void row_end(void);

// A name for a region, or the beginning of such names: unique to this process.
const char *row_region(void);

// Ends the row as failed, from any thread.
_Noreturn void row_fail(const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
#define row_expect(condition, ...)                                                                 \
    do {                                                                                           \
        if (!(condition)) row_fail(__FILE__, __LINE__, __VA_ARGS__);                               \
    } while (0)

// A limit of the matrix as it stands; in a build with sanitizers, which look for other errors, ten
// times as much.
uint64_t row_limit_us(uint64_t limit_us);

uint64_t row_now_us(void);
void row_sleep_us(uint64_t microseconds);
// Below the limit; one sequence for all threads, seeded by the environment's SIMPLEIPC_FAULTS_SEED
// or else by the clock. A failure tells the seed.
uint32_t row_random(uint32_t limit);

// Measured times in microseconds, none of them dropped. Any thread may add.
struct samples {
    uint64_t *values;
    size_t count, room;
};
void samples_add(struct samples *samples, uint64_t value);
// The smallest value that this many of a hundred do not exceed; 0 if there is none.
uint64_t samples_percentile(struct samples *samples, double percent);
uint64_t samples_max(struct samples *samples);
void samples_free(struct samples *samples);

#endif
