// SPDX-License-Identifier: Apache-2.0
// The points of this process, for a test that lives in it.
#ifndef SIPC_FAULT_CONTROL_H
#define SIPC_FAULT_CONTROL_H

#include <stdint.h>

// Rules as in the environment (points.c), in place of those before; "": none. What was counted
// begins anew. No other thread may be at a point meanwhile, unless there were no rules.
void fault_rules(const char *rules);
// How many calls that can fail were made since.
uint32_t fault_calls(void);
// How often a rule has acted since, and at which point last; "" if none has.
uint32_t fault_acts(void);
const char *fault_acted_at(void);

#endif
