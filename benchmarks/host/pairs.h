// SPDX-License-Identifier: Apache-2.0
// More pairs of processes than processors: calls in total, over several runs, so that luck shows.
#ifndef BENCH_PAIRS_H
#define BENCH_PAIRS_H

#include "json.h"
#include "settings.h"

void pairs_measure(const struct settings *settings, struct json *json);

#endif
