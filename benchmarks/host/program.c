// SPDX-License-Identifier: Apache-2.0
#include "program.h"

#include <stdio.h>

#include "asleep.h"
#include "failure.h"
#include "idle.h"
#include "json.h"
#include "latency.h"
#include "pair.h"
#include "pairs.h"
#include "pipelined.h"
#include "places.h"
#include "ratio.h"
#include "run.h"
#include "settings.h"
#include "start.h"
#include "stopwatch.h"
#include "throughput.h"

typedef void measure_mode(const struct settings *settings, struct json *json);

// In the order of enum mode. The bare limit never gives its processor away.
static const struct {
    measure_mode *measure;
    bool needs_two_processors;
} modes[] = {
    {ratio_measure, true}, {latency_measure, false}, {throughput_measure, false},
    {ratio_demo, true},    {asleep_measure, false},  {pairs_measure, false},
    {idle_measure, false}, {start_measure, false},   {pipelined_measure, true},
};

int program_main(int count, char **values, const struct program_peer *peer) {
    struct settings settings;
    struct json file;
    settings_parse(&settings, count, values, peer);
    struct json *json = settings.json_path ? &file : NULL;
    if (modes[settings.mode].needs_two_processors && places_found()->count < 2)
        failure_exit(1,
                     "this process may use one processor only: the bare limit, which never gives "
                     "it away, needs one for each side; use latency or throughput here");
    // The processes of many pairs are made by fork(), which takes no other thread along.
    if (settings.mode != MODE_PAIRS) pair_prepare();
    stopwatch_calibrate();
    if (json) json_open(json, settings.json_path);
    run_describe(&settings, json);
    modes[settings.mode].measure(&settings, json);
    json_close(json);
    return 0;
}
