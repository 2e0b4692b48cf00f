// SPDX-License-Identifier: Apache-2.0
// What an attached region costs both sides while nobody calls.
#ifndef BENCH_IDLE_H
#define BENCH_IDLE_H

#include "json.h"
#include "settings.h"

void idle_measure(const struct settings *settings, struct json *json);

#endif
