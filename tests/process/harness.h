// SPDX-License-Identifier: Apache-2.0
// Real processes under a test: started, spoken to line by line, ended by their id and reaped.
//
// Whatever is not as expected fails the cmocka test that runs. Nothing outlives the test: peers die
// with the thread that started them, and a test that takes too long ends them itself.
#ifndef PROCESS_HARNESS_H
#define PROCESS_HARNESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum { LINE_SIZE = 4096 };

struct peer {
    pid_t pid; // 0: none
    int to;    // its standard input
    int from;  // its standard output
    size_t filled;
    char pending[LINE_SIZE]; // heard and not yet handed out
    char line[LINE_SIZE];    // the last one handed out
};

// Starts a program with its arguments; the last is NULL.
void peer_start(struct peer *peer, const char *program, ...);
// Writes one line; the newline is added.
void peer_say(struct peer *peer, const char *format, ...) __attribute__((format(printf, 2, 3)));
// The next line, without its newline; valid until the next one is heard.
const char *peer_hear(struct peer *peer);
// Hears a line that begins so.
const char *peer_expect(struct peer *peer, const char *beginning);
// Ends its input, hears what is left of its output and reaps it. Expects the exit status 0.
void peer_finish(struct peer *peer);
// The same for one that may end with any status, which it returns.
int peer_exit_status(struct peer *peer);
// Sends a line and expects an answer that begins so.
const char *peer_ask(struct peer *peer, const char *beginning, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

// SIGKILL, and reaps it.
void peer_kill(struct peer *peer);
// SIGSTOP; it has stopped when this returns. And on again.
void peer_stop(struct peer *peer);
void peer_continue(struct peer *peer);

// What the kernel has counted for a process, all its threads together.
struct usage {
    uint64_t switches; // context switches, voluntary or not
    uint64_t ticks;    // clock ticks of processor time, user and system
    unsigned threads;
    unsigned descriptors;
};
struct usage usage_of(pid_t pid);

// The number after a key as "wrong=" in a line.
uint64_t number_in(const char *line, const char *key);

uint64_t now_ms(void);
void sleep_ms(unsigned milliseconds);

// The test may take this long; then its peers are killed, what they left in shared memory under
// the region's name is removed, and the program ends with a failure.
void time_limit(unsigned seconds, const char *what, const char *region);
void time_limit_met(void);
// Kills every peer that still runs. Returns how many there were.
unsigned kill_leftovers(void);
// Removes the region's objects from shared memory. Returns how many there were.
unsigned remove_leftovers(const char *region);
// Keeps others who run these tests from using the same fixed names meanwhile.
void lock_fixed_names(void);
void unlock_fixed_names(void);

#endif
