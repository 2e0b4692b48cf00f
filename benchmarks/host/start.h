// SPDX-License-Identifier: Apache-2.0
// What it takes to create a region and to attach to it, in time and in private memory.
#ifndef BENCH_START_H
#define BENCH_START_H

#include "json.h"
#include "settings.h"

void start_measure(const struct settings *settings, struct json *json);

#endif
