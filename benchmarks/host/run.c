// SPDX-License-Identifier: Apache-2.0
#include "run.h"

#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>

#include "places.h"
#include "stopwatch.h"

// Below this a slot's buffers would be smaller than any real application makes them.
#define LEAST_CAPACITY 4096u

void run_start_pair(const struct settings *settings, struct pair *pair, uint32_t threads,
                    uint32_t size) {
    struct pair_setup setup = {.guest_path = settings->guest_path,
                               .slots = threads,
                               .capacity = size < LEAST_CAPACITY ? LEAST_CAPACITY : size,
                               .slots_per_worker = settings->group ? threads : 0,
                               .writes_through = settings->mode == MODE_PIPELINED,
                               .wait = settings->wait,
                               .pinned = settings->pinned,
                               .guest_calls = settings->callers[0]->guest_calls};
    pair_start(pair, &setup);
}

// What the system says of the first processor; false: nothing.
static bool processor_says(const char *key, char *value, size_t size) {
    char line[8192]; // the flags of a processor take kilobytes
    bool found = false;
    FILE *file = fopen("/proc/cpuinfo", "r");
    if (!file) return false;
    while (!found && fgets(line, sizeof line, file)) {
        char *colon = strchr(line, ':');
        if (!colon || strncmp(line, key, strlen(key)) != 0) continue;
        colon[strcspn(colon, "\n")] = '\0';
        snprintf(value, size, "%s", colon + 1 + strspn(colon + 1, " "));
        found = true;
    }
    fclose(file);
    return found;
}

static const char *virtual_machine(void) {
    char flags[8192];
    if (!processor_says("flags", flags, sizeof flags)) return "unknown";
    return strstr(flags, " hypervisor") ? "yes" : "no";
}

void run_describe_machine(struct json *json) {
    if (!json) return;
    char name[256] = "unknown", when[64];
    struct utsname system;
    time_t now = time(NULL);
    struct tm parts;
    processor_says("model name", name, sizeof name);
    json_begin(json, "machine", '{');
    json_text(json, "processor", name);
    json_text(json, "virtual_machine", virtual_machine());
    json_number(json, "usable_processors", places_found()->count);
    if (uname(&system) == 0) {
        json_text(json, "system", system.sysname);
        json_text(json, "kernel", system.release);
        json_text(json, "architecture", system.machine);
    }
    json_text(json, "compiler", __VERSION__);
    if (gmtime_r(&now, &parts) && strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", &parts))
        json_text(json, "time", when);
    double load[1];
    // What else ran: on a busy machine only medians of ratios can be believed.
    if (getloadavg(load, 1) == 1) json_number(json, "load_average", load[0]);
    json_number(json, "timer_cost_ns", stopwatch_cost_ns());
    json_end(json, '}');
}

void run_describe(const struct settings *settings, struct json *json) {
    static const char *const presets[] = {"balanced", "latency", "power"};
    json_text(json, "mode", settings_mode_names[settings->mode]);
    json_text(json, "library", sipc_version());
    const char *slash = strrchr(settings->guest_path, '/');
    json_text(json, "guest", slash ? slash + 1 : settings->guest_path);
    json_text(json, "wait", presets[settings->wait]);
    json_text(json, "pinned", settings->pinned && places_found()->count > 1 ? "yes" : "no");
    if (settings->peer) {
        json_begin(json, "peer", '{');
        json_text(json, "name", settings->peer->contender->name);
        json_text(json, "version", settings->peer->version ? settings->peer->version : "");
        json_text(json, "waiting", settings->peer->waiting);
        json_end(json, '}');
    }
    run_describe_machine(json);
}
