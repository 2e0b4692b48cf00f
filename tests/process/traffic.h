// SPDX-License-Identifier: Apache-2.0
// Callers of a host process: threads that send stamped requests and believe nothing.
#ifndef PROCESS_TRAFFIC_H
#define PROCESS_TRAFFIC_H

#include <stdbool.h>
#include <stdint.h>

#include <simpleipc/simpleipc.h>

// How a caller gets its slot.
enum way {
    WAY_ANY,      // any free slot, payloads copied
    WAY_OWN,      // always the slot of the caller's number, payloads copied
    WAY_SESSION,  // the same slot held from the first call to the last, payloads in place
    WAY_IN_PLACE, // any free slot held for one call, payloads in place
    WAYS
};

struct plan {
    uint32_t callers;
    uint32_t calls; // of each caller; 0: until traffic_stop()
    enum way way;
    uint32_t request_min, request_max; // ranges, of which each call draws; times in microseconds
    uint32_t response_min, response_max;
    uint32_t timeout_min, timeout_max; // 0: the host's default
    uint32_t pause_min, pause_max;     // the caller's, before each call
    uint32_t sleep_min, sleep_max; // the handlers' sleep; needs requests of STAMP_WITH_SLEEP_SIZE
};

// More than a machine that is not overloaded adds to a deadline.
enum { LATE_US = 20000 };

// What became of the calls.
struct tally {
    uint64_t answered; // with the right response
    uint64_t not_started;
    uint64_t maybe_executed;
    uint64_t wrong;      // anything else; the first of each caller is told on standard error
    uint64_t longest_us; // of all calls
    uint64_t overrun_us; // the most by which a call with a timeout missed its deadline
    uint64_t late;       // calls that missed it by more than LATE_US
};

// One stamped call of one caller.
struct stamped {
    uint32_t message_id; // MESSAGE_ANNOUNCE or MESSAGE_STAMPED + response size
    uint32_t slot;
    uint32_t request_size;
    uint32_t caller, sequence;
    uint32_t timeout_us;
    uint32_t sleep_us;
};

uint64_t now_us(void);

// A copied call; true if the outcome is right: the response of this very request, or a status that
// tells a fate.
bool stamped_call(const struct stamped *call, sipc_status *status);
// The next sequence of a caller, unique in this process.
uint32_t next_sequence(uint32_t caller);
// How often the guest handled a stamped request, or a negative status.
int executions_of(uint32_t caller, uint32_t sequence);

// Every request size and every response size in these ranges, each as echo and with the other
// direction tiny and at its capacity. Returns the number of wrong exchanges.
uint32_t sweep_sizes(uint32_t from, uint32_t to, uint32_t step);

void traffic_start(const struct plan *plan);
void traffic_stop(void);
// Waits for the callers.
struct tally traffic_join(void);
// Asks the guest about each call of the last traffic that ended without response, and some others.
// Returns the number of calls whose fate was not the truth; requests that changed under their
// handler count too.
uint32_t traffic_audit(void);

#endif
