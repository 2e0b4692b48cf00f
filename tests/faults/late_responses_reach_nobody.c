// SPDX-License-Identifier: Apache-2.0
// Row 6: one slot, and handlers that take about as long as the timeout. A response that comes late
// reaches nobody, no request changes under its handler, and every fate is the truth.
#include <inttypes.h>
#include <string.h>

#include "../process/promises.h"
#include "row.h"

enum { SLOTS = 1, DATA_SIZE = 4096, CALLS = 2500, MOST_CALLS_OF_A_PAIR = 40000 };

struct sum {
    uint64_t calls, answered, not_started, maybe_executed;
};

static void start(const struct pairing *pairing, struct peer *host, struct peer *guest) {
    peer_start(host, pairing->host, NULL);
    peer_expect(host, "ready");
    peer_ask(host, "SIPC_OK", "open %s %d %d %d 0", row_region(), SLOTS, DATA_SIZE,
             DEFAULT_BACKEND);
    peer_start(guest, pairing->guest, row_region(), NULL);
    peer_expect(guest, "attached 1");
    peer_expect(guest, "ready");
}

static void end(struct peer *host, struct peer *guest) {
    peer_ask(host, "SIPC_OK", "stamped 0 %u 40 0 0", STAMPED(40));
    peer_ask(host, "SIPC_OK", "close");
    peer_finish(guest);
    peer_finish(host);
}

// Go rounds a sleep of a microsecond up to between 60 and 1,000: half of its handlers do not sleep.
static const char *times_for(const struct pairing *pairing) {
    return pairing->go ? "timeout=20..200 sleep=0..1" : "timeout=20..200 sleep=0..120";
}

// The host checks each response against its request, and then asks the guest about each call.
static void straddle(const struct pairing *pairing, struct peer *host, unsigned way,
                     struct sum *sum) {
    bool held = strcmp(ways[way], "session") == 0; // from the first call to the last
    const char *numbers =
        peer_ask(host, "ok", "traffic callers=%d calls=%d way=%s %s", held ? 1 : 2,
                 held ? CALLS : CALLS / 2, ways[way], times_for(pairing));
    row_expect(number_in(numbers, "wrong=") == 0, "%s", numbers);
    uint64_t answered = number_in(numbers, "answered=");
    uint64_t not_started = number_in(numbers, "not_started=");
    uint64_t maybe_executed = number_in(numbers, "maybe_executed=");
    row_expect(answered + not_started + maybe_executed == CALLS, "%s", numbers);
    sum->calls += CALLS;
    sum->answered += answered;
    sum->not_started += not_started;
    sum->maybe_executed += maybe_executed;
    peer_ask(host, "ok", "audit");
}

static void with_pairing(const struct pairing *pairing, unsigned calls) {
    struct sum sum = {0};
    unsigned way = 0;
    while (sum.calls < calls) {
        struct peer host, guest;
        start(pairing, &host, &guest);
        for (unsigned made = 0; made < MOST_CALLS_OF_A_PAIR && sum.calls < calls; made += CALLS)
            straddle(pairing, &host, way++ % WAYS, &sum);
        end(&host, &guest);
    }
    row_result("%s: %" PRIu64 " calls (%" PRIu64 " answered, %" PRIu64 " not started, %" PRIu64
               " maybe executed), 0 mismatched responses, 0 requests changed, 0 wrong fates",
               pairing->name, sum.calls, sum.answered, sum.not_started, sum.maybe_executed);
    // Else the timeouts did not straddle anything.
    row_expect(sum.answered * 50 > sum.calls, "only %" PRIu64 " calls were answered", sum.answered);
    row_expect(sum.maybe_executed * 50 > sum.calls, "only %" PRIu64 " calls timed out in a handler",
               sum.maybe_executed);
}

static void late_responses_reach_nobody(void) {
    row_begin("6", "one slot, the handler straddles the timeout", 60, 1800);
    unsigned calls = row_times(20000, 1000000) / PAIRINGS;
    for (unsigned i = 0; i < PAIRINGS; i++) with_pairing(&pairings[i], calls);
    row_end();
}

int main(void) {
    return row_main(late_responses_reach_nobody);
}
