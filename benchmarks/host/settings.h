// SPDX-License-Identifier: Apache-2.0
// What the command line asks for.
#ifndef BENCH_SETTINGS_H
#define BENCH_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "contender.h"

#define SETTINGS_LIST 16

enum mode { MODE_RATIO, MODE_LATENCY, MODE_THROUGHPUT, MODE_DEMO };

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
    uint32_t rounds; // of windows in turn
    double seconds;  // of a latency, throughput or demo measurement
    double window_ms;
    sipc_wait_preset wait;
    bool pinned;
};

// Payloads of this size and above are written and answered in place.
#define SETTINGS_IN_PLACE_FROM 65536u

// Ends the process with exit status 2 and the usage if the command line is wrong.
void settings_parse(struct settings *settings, int count, char **values);

#endif
