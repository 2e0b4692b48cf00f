// SPDX-License-Identifier: Apache-2.0
// The two processes of a measurement: this one, which has the region, and the guest, which it
// starts, watches and ends. If the guest ends early this process ends with a message that says so.
#ifndef BENCH_PAIR_H
#define BENCH_PAIR_H

#include <stddef.h>
#include <sys/types.h>

#include "contender.h"
#include "direct_host.h"

#ifdef __cplusplus
extern "C" {
#endif

struct bench_control;
struct bare_host;

struct pair {
    struct direct_host *direct;
    sipc_host *host;
    struct bench_control *control;
    size_t shared_bytes;    // of the block that begins with control
    struct bare_host *bare; // this process's end of the bare exchanges
    void *beside;           // what the setup asked for, zero at first
    pid_t guest;
    uint32_t slots;
    uint64_t create_ns;         // what creating the region took
    uint64_t created_anonymous; // bytes of private memory that it took
};

struct pair_setup {
    const char *guest_path;
    uint32_t slots;
    uint32_t capacity;         // payload bytes of a request and of a response
    uint32_t slots_per_worker; // 0: the library's default
    bool writes_through;       // see common/control.h
    sipc_wait_preset wait;
    size_t beside;    // bytes of shared memory behind the bare region, for what else is measured
    bool pinned;      // each side to its processors; see places.h
    bool guest_calls; // a thread of this process serves a guest slot, and callers sleep at once
};

// What else the two processes share: a peer.
struct pair_company {
    // Before the guest's process is there, which inherits what stays open.
    void (*prepare)(struct bench_control *control, const char *name, uint32_t capacity);
    void (*begin)(void);   // the guest serves
    void (*end)(void);     // the guest is about to end
    void (*abandon)(void); // something failed: what would outlive the process is removed
};
// Before the first pair starts; NULL: none.
void pair_set_company(const struct pair_company *company);

// Before any other thread is started: the signals that the watcher takes are blocked.
void pair_prepare(void);
// Creates the region, starts the guest and waits until it serves. Ends the process on failure.
void pair_start(struct pair *pair, const struct pair_setup *setup);
// Closes the region and waits for the guest's end.
void pair_stop(struct pair *pair);

// What the guest calls itself: "C", "Go".
const char *pair_guest_name(const struct pair *pair);
// Waits until nothing runs in the guest. False: it did not come to rest within 50 ms.
bool pair_wait_for_rest(const struct pair *pair);

// Of bare_callers.c, the one file that knows the bare exchanges.
size_t bare_region_bytes(void);
struct bare_host *bare_host_create(void *region);
// Ends the guest's server of bare windows.
void bare_host_end(struct bare_host *host);

#ifdef __cplusplus
}
#endif

#endif
