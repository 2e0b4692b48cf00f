// SPDX-License-Identifier: Apache-2.0
// What the benchmark asks of the operating system. No other file here makes a system call for it.
#ifndef BENCH_SYSTEM_H
#define BENCH_SYSTEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

// Monotonic.
uint64_t system_clock_ns(void);
void system_sleep_ns(uint64_t nanoseconds);

// The processors that this process may use. Returns how many, at most capacity of them in cpus.
unsigned system_cpus(int *cpus, unsigned capacity);
// Of the calling thread, and of what it starts from here on. False: errno says why.
bool system_pin(const int *cpus, unsigned count);

// An anonymous shared mapping that a child can inherit; the descriptor outlives exec.
void *system_shared_memory(size_t bytes, int *descriptor);
void *system_map(int descriptor, size_t bytes);
void system_unmap(void *memory, size_t bytes);

// Sleeps while the word, which other processes may share, holds what was seen.
void system_word_wait(void *word, uint32_t seen);
void system_word_wake(void *word);

// Bytes of this process's memory that nobody can share with it; 0 if the system does not tell.
uint64_t system_anonymous_bytes(void);
// What a process has cost so far.
struct system_cost {
    uint64_t switches; // of its threads, asked for and not
    uint64_t ticks;    // of the system's clock, in user and in kernel mode
    uint64_t ns;       // the same time as the scheduler counts it, if it does
};
// Sums up all threads but the one that asks. False: there is no such process.
bool system_process_cost(pid_t process, struct system_cost *cost);

// Processor time that a process has used so far; 0 if it is gone.
uint64_t system_process_cpu_ns(pid_t process);
// Whether each thread of a process sleeps.
bool system_process_rests(pid_t process);

#endif
