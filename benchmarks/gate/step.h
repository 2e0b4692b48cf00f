// SPDX-License-Identifier: Apache-2.0
// Counts the instructions that a thread executes between two marks, one step at a time. A count
// does not depend on what else runs on the machine, and needs no counters of the processor.
#ifndef BENCH_GATE_STEP_H
#define BENCH_GATE_STEP_H

#include <stdint.h>
#include <sys/types.h>

// In the thread that is counted, which this process's parent traces from step_allow() on.
void step_allow(void);
// Stops until the tracer steps on; right before the first mark.
void step_stop(void);
// The marks. Counted is what lies between the two, and the way out of the one and into the other.
void step_begin(void);
void step_end(void);

// In the tracer: waits until some thread of its children stops in step_stop(), counts, and lets it
// run on. -1: there is none any more.
int64_t step_count(void);

#endif
