// SPDX-License-Identifier: Apache-2.0
// Single calls that begin when both sides sleep: what a wake there and back costs.
#ifndef BENCH_ASLEEP_H
#define BENCH_ASLEEP_H

#include "json.h"
#include "settings.h"

void asleep_measure(const struct settings *settings, struct json *json);

#endif
