// SPDX-License-Identifier: Apache-2.0
// What the command line asks for.
#ifndef BENCH_SETTINGS_H
#define BENCH_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "contender.h"
#include "program.h"

#define SETTINGS_LIST 16

enum mode {
    MODE_RATIO,
    MODE_LATENCY,
    MODE_THROUGHPUT,
    MODE_DEMO,
    MODE_ASLEEP,
    MODE_PAIRS,
    MODE_IDLE,
    MODE_START,
    MODE_PIPELINED,
    MODES
};

// As on the command line.
extern const char *const settings_mode_names[MODES];

struct settings {
    enum mode mode;
    const char *guest_path;
    const char *json_path; // NULL: none
    const struct contender *callers[SETTINGS_LIST];
    uint32_t caller_count;
    uint32_t sizes[SETTINGS_LIST];
    uint32_t size_count;
    uint32_t threads[SETTINGS_LIST];
    uint32_t thread_count;
    uint32_t rounds; // of windows in turn; runs
    uint32_t starts; // of the pair that ratio divides its rounds among
    double seconds;  // of one measurement, where it goes by time
    double window_ms;
    sipc_wait_preset wait;
    bool pinned;
    bool group;                      // one worker in the guest serves all slots
    const struct program_peer *peer; // NULL: none
};

// Whether payloads of this size are written and answered in place. A peer's are copied in and out,
// and so are those that stand beside it.
bool settings_in_place(const struct settings *settings, uint32_t size);

// Ends the process with exit status 2 and the usage if the command line is wrong.
void settings_parse(struct settings *settings, int count, char **values,
                    const struct program_peer *peer);

#endif
