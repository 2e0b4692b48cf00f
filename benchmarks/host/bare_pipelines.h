// SPDX-License-Identifier: Apache-2.0
// The contenders of the bare pipelined limit (experiments/pingpong/pipeline.h). They are answered
// by a process of their own, on the guest's processor, in C whatever the guest is made of; it
// sleeps while others are measured.
#ifndef BENCH_BARE_PIPELINES_H
#define BENCH_BARE_PIPELINES_H

#include "contender.h"

#define BENCH_BARE_PIPELINES 4u
extern const struct contender bare_pipelines[BENCH_BARE_PIPELINES];

// Starts and ends that process. pinned: to the guest's processors.
void bare_pipelines_begin(bool pinned);
void bare_pipelines_end(void);

#endif
