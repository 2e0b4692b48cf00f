// SPDX-License-Identifier: Apache-2.0
// Round trips per second of a number of callers, and what processor time they cost.
#ifndef BENCH_THROUGHPUT_H
#define BENCH_THROUGHPUT_H

#include "json.h"
#include "settings.h"

void throughput_measure(const struct settings *settings, struct json *json);

#endif
