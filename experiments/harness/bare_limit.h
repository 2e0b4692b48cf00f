// SPDX-License-Identifier: Apache-2.0
// The bare limit of experiments/pingpong as variants of a study.
#ifndef SIMPLEIPC_EXPERIMENTS_BARE_LIMIT_H
#define SIMPLEIPC_EXPERIMENTS_BARE_LIMIT_H

#include "study.h"

// Before the first window, by the host and then by the guest. The region is BARE_REGION_BYTES of
// shared memory.
void bare_limit_begin_host(void *region);
bool bare_limit_begin_guest(void *region);

// One request at a time.
bool bare_limit_open_one_line(struct side *side);
bool bare_limit_open_neighbours(struct side *side);
bool bare_limit_host(struct side *side, uint32_t trips);
bool bare_limit_guest(struct side *side, uint32_t trips);
bool bare_limit_close(struct side *side);

// As many in flight as the column says.
bool bare_pipeline_open_one_line(struct side *side);
bool bare_pipeline_open_two_lines(struct side *side);
bool bare_pipeline_open_rings(struct side *side);
bool bare_pipeline_host(struct side *side, uint32_t trips);
bool bare_pipeline_guest(struct side *side, uint32_t trips);
bool bare_pipeline_end(struct side *side);

// clang-format off
#define BARE_LIMIT(title, open_function)                                                           \
    {.name = (title), .host = bare_limit_host, .guest = bare_limit_guest,                          \
     .open = (open_function), .close = bare_limit_close, .never_sleeps = true}
#define BARE_PIPELINE(title, open_function)                                                        \
    {.name = (title), .host = bare_pipeline_host, .guest = bare_pipeline_guest,                    \
     .open = (open_function), .close = bare_pipeline_end, .never_sleeps = true}

#define BARE_LIMITS                                                                                \
    BARE_LIMIT("bare limit, one line", bare_limit_open_one_line),                                  \
    BARE_LIMIT("bare limit, payload on the next line", bare_limit_open_neighbours),
#define BARE_PIPELINES                                                                             \
    BARE_PIPELINE("bare limit, one line", bare_pipeline_open_one_line),                            \
    BARE_PIPELINE("bare limit, two lines", bare_pipeline_open_two_lines),                          \
    BARE_PIPELINE("bare limit, all requests in a row", bare_pipeline_open_rings),
// clang-format on

#endif
