// SPDX-License-Identifier: Apache-2.0
#include "start.h"

#include <stdio.h>
#include <string.h>

#include "../common/control.h"
#include "progress.h"
#include "run.h"

enum figure { CREATE_US, ATTACH_US, WORKERS_US, HOST_KIB, GUEST_KIB, GUEST_WORKERS_KIB, FIGURES };

static const struct {
    const char *key;
    const char *text;
} figures[FIGURES] = {
    {"create_us", "create the region, us"},
    {"attach_us", "attach, us"},
    {"workers_us", "start its workers, us"},
    {"host_private_kib", "private memory that creating took, KiB"},
    {"guest_private_kib", "private memory that attaching took, KiB"},
    {"guest_private_with_workers_kib", "the same with its workers, KiB"},
};

static void start_once(const struct settings *settings, struct numbers *found) {
    struct pair pair;
    struct pair_setup setup = {.guest_path = settings->guest_path,
                               .slots = settings->threads[0],
                               .capacity = settings->sizes[0] / 2,
                               .slots_per_worker = settings->group ? settings->threads[0] : 0,
                               .wait = settings->wait,
                               .pinned = settings->pinned};
    pair_start(&pair, &setup);
    const struct bench_start *guest = &pair.control->start;
    numbers_append(&found[CREATE_US], (double)pair.create_ns / 1e3);
    numbers_append(&found[ATTACH_US], (double)guest->attach_ns / 1e3);
    numbers_append(&found[WORKERS_US], (double)guest->workers_ns / 1e3);
    // The first time only: what was freed is used again. A guest is a new process each time.
    if (found[HOST_KIB].count == 0)
        numbers_append(&found[HOST_KIB], (double)pair.created_anonymous / 1024);
    if (strcmp(pair_guest_name(&pair), "C") == 0) {
        numbers_append(&found[GUEST_KIB], (double)guest->attached_anonymous / 1024);
        numbers_append(&found[GUEST_WORKERS_KIB], (double)guest->started_anonymous / 1024);
    }
    pair_stop(&pair);
}

void start_measure(const struct settings *settings, struct json *json) {
    struct numbers found[FIGURES] = {{.values = NULL}};
    for (uint32_t i = 0; i < settings->rounds; i++) {
        start_once(settings, found);
        progress_show("start %u of %u", i + 1, settings->rounds);
    }
    progress_clear();
    printf("%u slots of %u bytes, %u times\n", settings->threads[0], settings->sizes[0],
           settings->rounds);
    printf("%-42s %10s %10s %10s\n", "", "median", "p90", "max");
    json_number(json, "slots", settings->threads[0]);
    json_number(json, "bytes", settings->sizes[0]);
    for (int i = 0; i < FIGURES; i++) {
        if (found[i].count == 0) continue;
        printf("%-42s %10.1f %10.1f %10.1f\n", figures[i].text, numbers_percentile(&found[i], 0.5),
               numbers_percentile(&found[i], 0.9), numbers_percentile(&found[i], 1));
        json_numbers(json, figures[i].key, &found[i]);
        numbers_free(&found[i]);
    }
}
