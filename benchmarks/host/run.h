// SPDX-License-Identifier: Apache-2.0
// What the modes have in common.
#ifndef BENCH_RUN_H
#define BENCH_RUN_H

#include "json.h"
#include "pair.h"
#include "settings.h"

// A pair for so many callers and payloads of up to that size.
void run_start_pair(const struct settings *settings, struct pair *pair, uint32_t threads,
                    uint32_t size);
// The machine, and what else ran on it.
void run_describe_machine(struct json *json);
// What was run, when, on what.
void run_describe(const struct settings *settings, struct json *json);

#endif
