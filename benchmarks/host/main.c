// SPDX-License-Identifier: Apache-2.0
// The host of the benchmark: starts a guest, measures, reports.
#include <stdio.h>

#include "failure.h"
#include "json.h"
#include "latency.h"
#include "pair.h"
#include "places.h"
#include "ratio.h"
#include "run.h"
#include "settings.h"
#include "stopwatch.h"
#include "throughput.h"

static void require_two_processors(void) {
    if (places_found()->count < 2)
        failure_exit(1,
                     "this process may use one processor only: the bare limit, which never gives "
                     "it away, needs one for each side; use latency or throughput here");
}

static void measure(const struct settings *settings, struct json *json) {
    switch (settings->mode) {
    case MODE_RATIO:
        require_two_processors();
        ratio_measure(settings, json);
        break;
    case MODE_LATENCY:
        latency_measure(settings, json);
        break;
    case MODE_THROUGHPUT:
        throughput_measure(settings, json);
        break;
    case MODE_DEMO:
        require_two_processors();
        ratio_demo(settings, json);
        break;
    }
}

int main(int count, char **values) {
    struct settings settings;
    struct json file;
    settings_parse(&settings, count, values);
    struct json *json = settings.json_path ? &file : NULL;
    places_found();
    pair_prepare();
    stopwatch_calibrate();
    if (json) json_open(json, settings.json_path);
    run_describe(&settings, json);
    measure(&settings, json);
    json_close(json);
    return 0;
}
