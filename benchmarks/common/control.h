// SPDX-License-Identifier: Apache-2.0
// What the two processes of a benchmark share beside the library's region: this block, and behind
// it the region of the bare exchanges (experiments/pingpong/bare.h). The guest inherits it as an
// open descriptor. The Go guest has the same offsets in go/block.go.
#ifndef BENCH_CONTROL_H
#define BENCH_CONTROL_H

#include <assert.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define BENCH_CONTROL_MAGIC 0x32424953u // changes with this block
#define BENCH_BARE_OFFSET 4096u
#define BENCH_PEER_BYTES 1024u

// The user message id that asks the handler to answer in place: from the request buffer straight
// into the response buffer. Any other request is copied out, echoed, and copied in.
#define BENCH_MESSAGE_IN_PLACE 128u

// What the guest found out when it attached; complete before ready.
struct bench_start {
    uint64_t attach_ns;
    uint64_t workers_ns;         // from attached to all workers started
    uint64_t attached_anonymous; // bytes of private memory that attaching took
    uint64_t started_anonymous;  // and those with all workers started
};

// The user message id of an errand: the handler calls the host, and tells how long it took.
#define BENCH_MESSAGE_ERRAND 129u
#define BENCH_ERRAND_SIZE 4096u   // at most
#define BENCH_ERRAND_WARM_UP 100u // round trips before those that are timed

struct bench_errand {
    uint64_t trips;
    uint32_t size;       // bytes of each request and response
    uint32_t by_session; // 1: through a session; 0: through any slot, as the language does it
};
struct bench_errand_told {
    uint64_t took_ns;
    int32_t result; // as of run_trips
    uint32_t unused;
};

struct bench_control {
    uint32_t magic;
    _Atomic uint32_t ready; // written by the guest: 1 when its workers run
    char guest_name[24];    // the guest's, complete before ready (release)
    struct bench_start start;
    // A peer's windows (peers/): the host opens one by counting on, the guest sleeps on it.
    _Atomic uint32_t peer_window;
    // 1: the handler writes the response where it goes, as that of the bare pipelines does; 0: into
    // private memory, from where it is copied, as that of the bare limit.
    uint32_t writes_through;
    uint32_t unused[14];
    _Alignas(64) uint8_t peer[BENCH_PEER_BYTES]; // the transport's own, zero at first
};

static_assert(offsetof(struct bench_control, ready) == 4, "control");
static_assert(offsetof(struct bench_control, guest_name) == 8, "control");
static_assert(offsetof(struct bench_control, start) == 32, "control");
static_assert(offsetof(struct bench_control, writes_through) == 68, "control");
static_assert(sizeof(struct bench_errand) == 16 && sizeof(struct bench_errand_told) == 16,
              "errand");
static_assert(sizeof(struct bench_control) <= BENCH_BARE_OFFSET, "control");

#endif
