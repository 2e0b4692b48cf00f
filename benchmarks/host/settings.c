// SPDX-License-Identifier: Apache-2.0
#include "settings.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define IN_PLACE_FROM 65536u
#define MAX_SIZE (64u << 20)
#define MAX_THREADS 1024u
#define MAX_ROUNDS 1000000u
#define MAX_STARTS 1000u
#define MAX_SECONDS 86400.0
#define MAX_WINDOW_MS 1000.0

static const char usage[] =
    "usage: simpleipc-bench-host MODE --guest PROGRAM [options]\n"
    "  ratio        windows of the library and of the bare limit in turn\n"
    "  latency      percentiles of single round trips\n"
    "  throughput   round trips per second\n"
    "  demo         a few seconds of round trips with the bare limit beside them\n"
    "  asleep       single calls that begin when both sides sleep\n"
    "  pairs        many pairs of processes on two processors, over --rounds runs\n"
    "  idle         what attached slots cost while nobody calls\n"
    "  pipelined    many requests in flight, in turn with the bare pipelined limit\n"
    "  start        creating, attaching, and the memory that they take, --rounds times\n"
    "options:\n"
    "  --guest PROGRAM     the guest to start: simpleipc-bench-guest or simpleipc-bench-go\n"
    "  --callers LIST      of session, any, send (default: these), peer if it is a peer's host;\n"
    "                      in ratio also of guest-session (in C), guest-any: the guest calls\n"
    "                      in pipelined of pipeline, pipeline-cpp, pipeline-singly,\n"
    "                      pipeline-untimed (default: these)\n"
    "  --sizes LIST        payload bytes, 8 to 67108864 (default: 64); from 65536 on in place\n"
    "  --threads LIST      callers, each with a slot and a worker (default: 1; 1 in ratio, demo,\n"
    "                      asleep); pairs in pairs; slots in idle and start; requests in\n"
    "                      flight in pipelined\n"
    "  --workers HOW       each: a worker for each slot (default); one: for all of them\n"
    "  --rounds N          windows, calls or runs of each contender (default: 200)\n"
    "  --starts N          ratio: new processes for each part of the rounds (default: 5)\n"
    "  --seconds S         for how long, where it is not rounds (default: 2)\n"
    "  --window MS         aimed at for one window (default: 0.15)\n"
    "  --wait PRESET       balanced, latency or power (default: balanced)\n"
    "  --no-pin            both processes may use every processor\n"
    "  --json FILE         all results\n";

static _Noreturn void refuse(const char *format, ...) __attribute__((format(printf, 1, 2)));
static _Noreturn void refuse(const char *format, ...) {
    va_list values;
    fputs("simpleipc-bench-host: ", stderr);
    va_start(values, format);
    vfprintf(stderr, format, values);
    va_end(values);
    fprintf(stderr, "\n%s", usage);
    exit(2);
}

static uint32_t number(const char *option, const char *text, uint32_t least, uint32_t most) {
    char *end;
    errno = 0;
    unsigned long value = strtoul(text, &end, 10);
    if (end == text || *end || errno || *text == '-' || value < least || value > most)
        refuse("%s: '%s' is not a number from %u to %u", option, text, least, most);
    return (uint32_t)value;
}

static double decimal(const char *option, const char *text, double most) {
    char *end;
    double value = strtod(text, &end);
    if (end == text || *end || !isfinite(value) || value <= 0 || value > most)
        refuse("%s: '%s' is not a number above 0 and up to %g", option, text, most);
    return value;
}

static uint32_t numbers(const char *option, char *list, uint32_t least, uint32_t most,
                        uint32_t *found) {
    uint32_t count = 0;
    for (char *left = list, *one; (one = strsep(&left, ",")) != NULL; count++) {
        if (count == SETTINGS_LIST) refuse("%s: more than %d in the list", option, SETTINGS_LIST);
        found[count] = number(option, one, least, most);
    }
    return count;
}

static const struct {
    const char *name;
    const struct contender *contender;
} known_callers[] = {
    {"session", &contender_session},
    {"any", &contender_any_slot},
    {"send", &contender_send},
    {"guest-session", &contender_guest_session},
    {"guest-any", &contender_guest_any},
    {"pipeline", &contender_pipeline},
    {"pipeline-untimed", &contender_pipeline_untimed},
    {"pipeline-singly", &contender_pipeline_singly},
    {"pipeline-cpp", &contender_pipeline_cpp},
};

static const struct contender *caller(const struct program_peer *peer, const char *name) {
    for (size_t i = 0; i < sizeof known_callers / sizeof known_callers[0]; i++)
        if (strcmp(name, known_callers[i].name) == 0) return known_callers[i].contender;
    if (strcmp(name, "peer") == 0 && peer) return peer->contender;
    refuse("--callers: '%s' is not one of those below", name);
}

static void callers(struct settings *settings, char *list) {
    settings->caller_count = 0;
    for (char *left = list, *one; (one = strsep(&left, ",")) != NULL;) {
        if (settings->caller_count == SETTINGS_LIST) refuse("--callers: the list is too long");
        settings->callers[settings->caller_count++] = caller(settings->peer, one);
    }
}

static sipc_wait_preset preset(const char *name) {
    if (strcmp(name, "balanced") == 0) return SIPC_WAIT_BALANCED;
    if (strcmp(name, "latency") == 0) return SIPC_WAIT_LATENCY;
    if (strcmp(name, "power") == 0) return SIPC_WAIT_POWER;
    refuse("--wait: '%s' is not balanced, latency or power", name);
}

const char *const settings_mode_names[MODES] = {
    "ratio", "latency", "throughput", "demo", "asleep", "pairs", "idle", "start", "pipelined"};

static bool group(const char *how) {
    if (strcmp(how, "one") == 0) return true;
    if (strcmp(how, "each") == 0) return false;
    refuse("--workers: '%s' is not one or each", how);
}

static enum mode mode(const char *name) {
    for (int i = 0; i < MODES; i++)
        if (strcmp(name, settings_mode_names[i]) == 0) return (enum mode)i;
    refuse("'%s' is not a mode", name);
}

static const struct option long_options[] = {
    {"guest", required_argument, NULL, 'g'},
    {"callers", required_argument, NULL, 'c'},
    {"sizes", required_argument, NULL, 's'},
    {"threads", required_argument, NULL, 't'},
    {"rounds", required_argument, NULL, 'r'},
    {"starts", required_argument, NULL, 'a'},
    {"seconds", required_argument, NULL, 'd'},
    {"window", required_argument, NULL, 'w'},
    {"wait", required_argument, NULL, 'p'},
    {"no-pin", no_argument, NULL, 'n'},
    {"json", required_argument, NULL, 'j'},
    {"workers", required_argument, NULL, 'k'},
    {NULL, 0, NULL, 0},
};

static void take(struct settings *settings, int option) {
    switch (option) {
    case 'g':
        settings->guest_path = optarg;
        break;
    case 'c':
        callers(settings, optarg);
        break;
    case 's':
        settings->size_count =
            numbers("--sizes", optarg, BENCH_MIN_SIZE, MAX_SIZE, settings->sizes);
        break;
    case 't':
        settings->thread_count = numbers("--threads", optarg, 1, MAX_THREADS, settings->threads);
        break;
    case 'r':
        settings->rounds = number("--rounds", optarg, 1, MAX_ROUNDS);
        break;
    case 'a':
        settings->starts = number("--starts", optarg, 1, MAX_STARTS);
        break;
    case 'd':
        settings->seconds = decimal("--seconds", optarg, MAX_SECONDS);
        break;
    case 'w':
        settings->window_ms = decimal("--window", optarg, MAX_WINDOW_MS);
        break;
    case 'p':
        settings->wait = preset(optarg);
        break;
    case 'k':
        settings->group = group(optarg);
        break;
    case 'n':
        settings->pinned = false;
        break;
    case 'j':
        settings->json_path = optarg;
        break;
    default:
        refuse("see the options");
    }
}

bool settings_in_place(const struct settings *settings, uint32_t size) {
    return size >= IN_PLACE_FROM && !settings->peer;
}

static void check_callers(const struct settings *settings) {
    bool many = settings->thread_count > 1 || settings->threads[0] > 1;
    for (uint32_t i = 0; i < settings->caller_count; i++) {
        const struct contender *one = settings->callers[i];
        if (one->kind == CONTENDER_PEER && many)
            refuse("a peer has one end in each process: --threads must be 1");
        if (one->pipelined != (settings->mode == MODE_PIPELINED))
            refuse("pipelines are callers in pipelined only, and others are not: see --callers");
        if (one->guest_calls && (settings->mode != MODE_RATIO || many))
            refuse("guests call in ratio only, one at a time");
        if (one->guest_calls != settings->callers[0]->guest_calls)
            refuse("guests that call and callers here are not measured together");
    }
}

void settings_parse(struct settings *settings, int count, char **values,
                    const struct program_peer *peer) {
    *settings = (struct settings){
        .callers = {&contender_session, &contender_any_slot, &contender_send},
        .caller_count = 3,
        .sizes = {64},
        .size_count = 1,
        .threads = {1},
        .thread_count = 1,
        .rounds = 200,
        .starts = 5,
        .seconds = 2,
        .window_ms = 0.15,
        .wait = SIPC_WAIT_BALANCED,
        .pinned = true,
        .peer = peer,
    };
    if (count < 2) refuse("a mode is missing");
    settings->mode = mode(values[1]);
    if (settings->mode == MODE_PIPELINED) {
        char pipelines[] = "pipeline,pipeline-cpp,pipeline-singly,pipeline-untimed";
        callers(settings, pipelines);
    }
    optind = 2;
    for (int option; (option = getopt_long(count, values, "", long_options, NULL)) != -1;)
        take(settings, option);
    if (optind < count) refuse("'%s' is not an option", values[optind]);
    if (!settings->guest_path) refuse("--guest is missing");
    if (settings->mode == MODE_PAIRS) settings->pinned = false;
    check_callers(settings);
}
