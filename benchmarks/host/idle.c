// SPDX-License-Identifier: Apache-2.0
#include "idle.h"

#include <stdio.h>
#include <unistd.h>

#include "../common/system.h"
#include "failure.h"
#include "progress.h"
#include "run.h"
#include "window.h"

#define BYTES 64u
#define SETTLE_NS UINT64_C(1000000000)

// So that nothing is left to be done for the first time.
static void call_through_each_slot(struct pair *pair, uint32_t slots) {
    struct payload payload;
    payload_fill(&payload, BYTES, false);
    for (uint32_t slot = 0; slot < slots; slot++) {
        void *state = contender_session.open(pair, slot, &payload);
        if (!state) failure_exit(1, "%s: %s", contender_session.name, sipc_error_text());
        int result = contender_session.run(state, &payload, 3);
        if (result != 0) contender_failed(&contender_session, result);
        contender_session.close(state);
    }
    payload_free(&payload);
}

static struct system_cost cost_of(pid_t process) {
    struct system_cost cost;
    if (!system_process_cost(process, &cost))
        failure_exit(1, "the system does not tell what process %d costs", (int)process);
    return cost;
}

static void report(struct json *json, const char *side, const char *key,
                   const struct system_cost *before, const struct system_cost *after) {
    double switches = (double)(after->switches - before->switches);
    double ticks = (double)(after->ticks - before->ticks);
    double ns = (double)(after->ns - before->ns);
    printf("%8s %16.0f %16.0f %16.0f\n", side, switches, ticks, ns);
    json_begin(json, key, '{');
    json_number(json, "context_switches", switches);
    json_number(json, "cpu_ticks", ticks);
    json_number(json, "cpu_ns", ns);
    json_end(json, '}');
}

void idle_measure(const struct settings *settings, struct json *json) {
    struct pair pair;
    uint32_t slots = settings->threads[0];
    run_start_pair(settings, &pair, slots, BYTES);
    call_through_each_slot(&pair, slots);
    system_sleep_ns(SETTLE_NS);
    progress_show("idle: %u slots attached, %.0f s of nothing", slots, settings->seconds);
    struct system_cost host = cost_of(getpid()), guest = cost_of(pair.guest);
    system_sleep_ns((uint64_t)(settings->seconds * 1e9));
    struct system_cost host_after = cost_of(getpid()), guest_after = cost_of(pair.guest);
    progress_clear();
    printf("%u slots attached, nobody calls for %.3g s; without the thread that measures\n", slots,
           settings->seconds);
    printf("%8s %16s %16s %16s\n", "", "context switches", "CPU ticks", "CPU ns");
    json_number(json, "slots", slots);
    json_number(json, "seconds", settings->seconds);
    report(json, "host", "host_cost", &host, &host_after);
    report(json, "guest", "guest_cost", &guest, &guest_after);
    pair_stop(&pair);
}
