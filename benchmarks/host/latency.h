// SPDX-License-Identifier: Apache-2.0
// Percentiles of single round trips. With one caller the bare limit's stand beside them, measured
// in windows in turn.
#ifndef BENCH_LATENCY_H
#define BENCH_LATENCY_H

#include "json.h"
#include "settings.h"

void latency_measure(const struct settings *settings, struct json *json);

#endif
