// SPDX-License-Identifier: Apache-2.0
// Many requests in flight from one thread, in turn with the bare pipelined limit.
#ifndef BENCH_PIPELINED_H
#define BENCH_PIPELINED_H

#include "json.h"
#include "settings.h"

void pipelined_measure(const struct settings *settings, struct json *json);

#endif
