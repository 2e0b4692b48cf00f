// SPDX-License-Identifier: Apache-2.0
// What is going on, on standard error: one line that is written over on a terminal, else a line
// every second.
#ifndef BENCH_PROGRESS_H
#define BENCH_PROGRESS_H

// Shown at most ten times a second.
void progress_show(const char *format, ...) __attribute__((format(printf, 1, 2)));
// Before something else is printed.
void progress_clear(void);

#endif
