// SPDX-License-Identifier: Apache-2.0
// Windows of the library and of the bare layouts in turn, in the same two processes: what the
// library costs, as a multiple of the limit L of the same moment.
#ifndef BENCH_RATIO_H
#define BENCH_RATIO_H

#include "json.h"
#include "settings.h"

void ratio_measure(const struct settings *settings, struct json *json);
// The same for one size, by the clock, with the figures of the moment as its progress.
void ratio_demo(const struct settings *settings, struct json *json);

#endif
