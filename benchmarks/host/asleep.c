// SPDX-License-Identifier: Apache-2.0
#include "asleep.h"

#include <stdio.h>

#include "../common/system.h"
#include "failure.h"
#include "progress.h"
#include "run.h"
#include "window.h"

#define REST_NS UINT64_C(200000)

struct lanes {
    const struct contender *const *contenders;
    struct numbers windows[SETTINGS_LIST]; // ns of each call
    uint32_t count;
    uint64_t restless; // calls that began although the guest had not come to rest
};

// One call, after one that does not count: the way is open, and both sides have slept since.
static double call_asleep(struct lanes *lanes, struct pair *pair, const struct payload *payload,
                          const struct contender *contender) {
    void *state = contender->open(pair, 0, payload);
    if (!state) failure_exit(1, "%s: %s", contender->name, sipc_error_text());
    int result = contender->run(state, payload, 1);
    if (!pair_wait_for_rest(pair)) lanes->restless++;
    system_sleep_ns(REST_NS);
    uint64_t began = system_clock_ns();
    if (result == 0) result = contender->run(state, payload, 1);
    uint64_t took = system_clock_ns() - began;
    if (result != 0) contender_failed(contender, result);
    contender->close(state);
    return (double)took;
}

static void print_lane(const struct lanes *lanes, uint32_t lane, uint32_t size) {
    const struct numbers *windows = &lanes->windows[lane];
    struct numbers ratios = numbers_ratios(windows, &lanes->windows[lanes->count - 1]);
    printf("%8u  %-22s %8.0f %8.0f %8.2f %8.2f\n", size, lanes->contenders[lane]->name,
           numbers_percentile(windows, 0.5), numbers_percentile(windows, 0.9),
           numbers_percentile(&ratios, 0.5), numbers_percentile(&ratios, 0.9));
    numbers_free(&ratios);
}

static void report(struct lanes *lanes, uint32_t size, struct json *json) {
    progress_clear();
    json_begin(json, NULL, '{');
    json_number(json, "bytes", size);
    json_number(json, "restless_calls", (double)lanes->restless);
    json_begin(json, "contenders", '[');
    for (uint32_t i = 0; i < lanes->count; i++) {
        print_lane(lanes, i, size);
        json_begin(json, NULL, '{');
        json_text(json, "name", lanes->contenders[i]->name);
        json_text(json, "kind", contender_kind_name(lanes->contenders[i]));
        json_numbers(json, "calls_ns", &lanes->windows[i]);
        json_end(json, '}');
        numbers_free(&lanes->windows[i]);
    }
    json_end(json, ']');
    json_end(json, '}');
    fflush(stdout);
}

static void measure_size(const struct settings *settings, uint32_t size, struct json *json) {
    struct pair pair;
    struct payload payload;
    struct lanes lanes = {.contenders = settings->callers, .count = settings->caller_count};
    run_start_pair(settings, &pair, 1, size);
    payload_fill(&payload, size, false);
    for (uint32_t round = 0; round < settings->rounds; round++) {
        for (uint32_t turn = 0; turn < lanes.count; turn++) {
            uint32_t lane = (turn + round) % lanes.count;
            double ns = call_asleep(&lanes, &pair, &payload, lanes.contenders[lane]);
            numbers_append(&lanes.windows[lane], ns);
        }
        progress_show("asleep, %u bytes: call %u of %u", size, round + 1, settings->rounds);
    }
    report(&lanes, size, json);
    payload_free(&payload);
    pair_stop(&pair);
}

void asleep_measure(const struct settings *settings, struct json *json) {
    printf("ns of a call that begins when both sides sleep; ratio to the last caller\n");
    printf("%8s  %-22s %8s %8s %8s %8s\n", "bytes", "caller", "p50", "p90", "ratio", "p90");
    json_begin(json, "sizes", '[');
    for (uint32_t i = 0; i < settings->size_count; i++)
        measure_size(settings, settings->sizes[i], json);
    json_end(json, ']');
}
