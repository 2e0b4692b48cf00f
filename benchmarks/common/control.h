// SPDX-License-Identifier: Apache-2.0
// What the two processes of a benchmark share beside the library's region: this block, and behind
// it the region of the bare exchanges (experiments/pingpong/bare.h). The guest inherits it as an
// open descriptor. The Go guest has the same offsets in go/control.go.
#ifndef BENCH_CONTROL_H
#define BENCH_CONTROL_H

#include <assert.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define BENCH_CONTROL_MAGIC 0x31424953u // changes with this block
#define BENCH_BARE_OFFSET 4096u

// The user message id that asks the handler to answer in place: from the request buffer straight
// into the response buffer. Any other request is copied out, echoed, and copied in.
#define BENCH_MESSAGE_IN_PLACE 128u

struct bench_control {
    uint32_t magic;
    _Atomic uint32_t ready; // written by the guest: 1 when its workers run
    char guest_name[24];    // the guest's, complete before ready (release)
};

static_assert(offsetof(struct bench_control, ready) == 4, "control");
static_assert(offsetof(struct bench_control, guest_name) == 8, "control");

#endif
