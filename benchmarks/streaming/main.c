// SPDX-License-Identifier: Apache-2.0
// The bandwidth of streams between two processes, in turn with the bare limit: a pipeline of memcpy
// through shared buffers. On both sides of both each byte is copied from or into private memory.
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../common/system.h"
#include "../host/failure.h"
#include "../host/json.h"
#include "../host/numbers.h"
#include "../host/places.h"
#include "../host/run.h"
#include "../host/stopwatch.h"
#include "callers.h"

// Of a piece's payload its head is not the message's (spec 13.1).
enum { SLOTS = 4, MOST = 8, LANES = 3, LEAST_ROUNDS = 5, PIECE_HEAD = 64 };
#define MIB (UINT64_C(1) << 20)
#define USUAL_TOTAL (64 * MIB)

static const char usage[] =
    "usage: simpleipc-bench-streaming --guest PROGRAM [options]\n"
    "  --guest PROGRAM     simpleipc-bench-streaming-guest or simpleipc-bench-go-streaming\n"
    "  --caller c|cpp      the C API (default) or shm::Stream\n"
    "  --mib LIST          sizes of the messages (default: 64)\n"
    "  --slots LIST        KiB of a slot's request and of its response, 8 to 1024 (default: 256)\n"
    "  --workers one|each  in the guest: for all slots (default), or one for each\n"
    "  --rounds N          windows of each for 64 MiB; more of smaller messages, fewer of larger\n"
    "                      ones (default: 21)\n"
    "  --no-pin            both processes may use every processor\n"
    "  --json FILE         all results\n";

static struct {
    const char *guest;
    const char *json;
    bool by_cpp;
    bool worker_each;
    bool unpinned;
    uint32_t mib[MOST], mib_count;
    uint32_t slots[MOST], slots_count;
    uint32_t rounds;
} asked = {.mib = {64}, .mib_count = 1, .slots = {256}, .slots_count = 1, .rounds = 21};

// What takes turns: two of the bare limit, of which the better one is it, then the stream.
struct lane {
    const char *name;
    uint32_t buffers; // of a bare pipeline; 0: the stream
    struct numbers ns;
};

struct measurement {
    struct pair pair;
    struct message message;
    uint64_t total;
    uint32_t slot;  // bytes of a request and of a response
    uint32_t piece; // bytes of one in a slot
    bool gives;     // the guest
    struct lane lanes[LANES];
};

// ---- Windows -----------------------------------------------------------------------------------

static void answered(void *context, const sipc_completion *completion) {
    (void)context;
    if (completion->status)
        failure_exit(1, "the guest's end of a bare window: %s", sipc_error_text());
}

static uint64_t bare_window(struct measurement *m, uint32_t buffers) {
    const struct window_asked window = {
        .total = m->total, .piece = m->piece, .buffers = buffers, .gives = m->gives};
    struct windows *windows = m->pair.beside;
    const uint32_t begun = __atomic_load_n(&windows->begun, __ATOMIC_RELAXED);
    sipc_pipeline *pipeline;
    if (sipc_pipeline_open(m->pair.host, SIPC_ANY_SLOT, 1, SIPC_FOREVER, answered, NULL,
                           &pipeline) ||
        sipc_pipeline_submit(pipeline, WINDOWS_MESSAGE, &window, sizeof window, SIPC_FOREVER, 0))
        failure_exit(1, "a bare window: %s", sipc_error_text());
    const uint64_t ns = windows_run(windows, &window, begun, &m->message);
    if (sipc_pipeline_reap(pipeline, 1, SIPC_FOREVER, NULL))
        failure_exit(1, "a bare window: %s", sipc_error_text());
    sipc_pipeline_close(pipeline);
    return ns;
}

static uint64_t stream_window(struct measurement *m) {
    call_stream *call = asked.by_cpp ? call_by_cpp : call_by_c;
    const uint64_t from = system_clock_ns();
    if (!call(&m->pair, &m->message, m->gives, m->total))
        failure_exit(1, "a stream: %s", sipc_error_text());
    return system_clock_ns() - from;
}

static uint64_t run_window(struct measurement *m, const struct lane *lane) {
    return lane->buffers ? bare_window(m, lane->buffers) : stream_window(m);
}

static uint32_t rounds_for(uint64_t total) {
    const uint64_t rounds = asked.rounds * USUAL_TOTAL / total;
    if (rounds < LEAST_ROUNDS) return LEAST_ROUNDS;
    return rounds < UINT64_C(10) * asked.rounds ? (uint32_t)rounds : 10 * asked.rounds;
}

// One of each lane warms up; then they take turns, each time in another order.
static void take_turns(struct measurement *m) {
    const uint32_t rounds = rounds_for(m->total);
    for (uint32_t i = 0; i < LANES; i++) run_window(m, &m->lanes[i]);
    for (uint32_t round = 0; round < rounds; round++)
        for (uint32_t i = 0; i < LANES; i++) {
            struct lane *lane = &m->lanes[(round + i) % LANES];
            numbers_append(&lane->ns, (double)run_window(m, lane));
        }
}

// ---- Report ------------------------------------------------------------------------------------

static void write_lane(const struct lane *lane, const struct lane *limit, struct json *json) {
    struct numbers ratios = numbers_ratios(&lane->ns, &limit->ns);
    json_begin(json, NULL, '{');
    json_text(json, "name", lane->name);
    json_text(json, "kind", lane->buffers ? "bare" : "library");
    json_number(json, "median_ns", numbers_percentile(&lane->ns, 0.5));
    json_number(json, "ratio_median", numbers_percentile(&ratios, 0.5));
    json_number(json, "ratio_p10", numbers_percentile(&ratios, 0.1));
    json_number(json, "ratio_p90", numbers_percentile(&ratios, 0.9));
    json_numbers(json, "windows_ns", &lane->ns);
    json_end(json, '}');
    numbers_free(&ratios);
}

static void print(const struct measurement *m, const struct lane *limit) {
    const struct lane *stream = &m->lanes[LANES - 1];
    struct numbers ratios = numbers_ratios(&limit->ns, &stream->ns);
    printf("%8s %6llu MiB %7u KiB %8.2f  %-12s %8.2f %8.2f %8.2f %8.2f\n",
           m->gives ? "response" : "request", (unsigned long long)(m->total / MIB), m->slot >> 10,
           (double)m->total / numbers_percentile(&limit->ns, 0.5), limit->name,
           (double)m->total / numbers_percentile(&stream->ns, 0.5),
           numbers_percentile(&ratios, 0.5), numbers_percentile(&ratios, 0.1),
           numbers_percentile(&ratios, 0.9));
    fflush(stdout);
    numbers_free(&ratios);
}

static void report(const struct measurement *m, struct json *json) {
    const struct lane *limit = &m->lanes[0];
    if (numbers_percentile(&m->lanes[1].ns, 0.5) < numbers_percentile(&limit->ns, 0.5))
        limit = &m->lanes[1];
    print(m, limit);
    json_begin(json, NULL, '{');
    json_number(json, "bytes", (double)m->total);
    json_text(json, "direction", m->gives ? "response" : "request");
    json_number(json, "slot", m->slot);
    json_number(json, "rounds", (double)limit->ns.count);
    json_text(json, "limit", limit->name);
    json_begin(json, "contenders", '[');
    for (uint32_t i = 0; i < LANES; i++) write_lane(&m->lanes[i], limit, json);
    json_end(json, ']');
    json_end(json, '}');
}

// ---- The course of it --------------------------------------------------------------------------

static void measure(struct measurement *m, bool gives, uint64_t total, struct json *json) {
    m->gives = gives;
    m->total = total;
    m->lanes[0] = (struct lane){.name = "two buffers", .buffers = 2};
    m->lanes[1] = (struct lane){.name = "four buffers", .buffers = 4};
    m->lanes[2] = (struct lane){.name = asked.by_cpp ? "C++ stream" : "C stream"};
    take_turns(m);
    report(m, json);
    for (uint32_t i = 0; i < LANES; i++) numbers_free(&m->lanes[i].ns);
}

// A pair of processes with slots of this size.
static void measure_slots(struct measurement *m, uint32_t slot, struct json *json) {
    const struct pair_setup setup = {.guest_path = asked.guest,
                                     .slots = SLOTS,
                                     .capacity = slot,
                                     .slots_per_worker = asked.worker_each ? 1 : SLOTS,
                                     .beside = sizeof(struct windows),
                                     .pinned = !asked.unpinned};
    // As the Go runtime counts for itself: the guest's is one processor.
    if (!asked.unpinned) setenv("GOMAXPROCS", "1", 0);
    m->slot = slot;
    m->piece = slot - PIECE_HEAD;
    pair_start(&m->pair, &setup);
    for (uint32_t i = 0; i < asked.mib_count; i++) {
        measure(m, false, asked.mib[i] * MIB, json);
        measure(m, true, asked.mib[i] * MIB, json);
    }
    pair_stop(&m->pair);
}

static void describe(const char *guest, struct json *json) {
    const char *slash = strrchr(guest, '/');
    json_text(json, "mode", "streaming");
    json_text(json, "library", sipc_version());
    json_text(json, "guest", slash ? slash + 1 : guest);
    json_text(json, "wait", "balanced");
    json_text(json, "workers", asked.worker_each ? "each" : "one");
    json_text(json, "pinned", asked.unpinned ? "no" : "yes");
    run_describe_machine(json);
}

// ---- What is asked for -------------------------------------------------------------------------

static _Noreturn void refuse(const char *what) {
    fprintf(stderr, "simpleipc-bench-streaming: %s\n%s", what, usage);
    exit(2);
}

static uint32_t number_in(const char *text, uint32_t least, uint32_t most) {
    char *end;
    const unsigned long value = strtoul(text, &end, 10);
    if (end == text || *end || value < least || value > most) refuse("a number is out of range");
    return (uint32_t)value;
}

static uint32_t numbers_in(char *list, uint32_t least, uint32_t most, uint32_t *found) {
    uint32_t count = 0;
    for (char *left = list, *one; (one = strsep(&left, ",")) != NULL; count++) {
        if (count == MOST) refuse("there are too many numbers");
        found[count] = number_in(one, least, most);
    }
    return count;
}

static void take(int option) {
    switch (option) {
    case 'g':
        asked.guest = optarg;
        break;
    case 'c':
        asked.by_cpp = strcmp(optarg, "cpp") == 0;
        break;
    case 'm':
        asked.mib_count = numbers_in(optarg, 1, 1u << 20, asked.mib);
        break;
    case 's':
        asked.slots_count = numbers_in(optarg, 8, WINDOWS_PIECE >> 10, asked.slots);
        break;
    case 'w':
        asked.worker_each = strcmp(optarg, "each") == 0;
        break;
    case 'r':
        asked.rounds = number_in(optarg, 1, 100000);
        break;
    case 'n':
        asked.unpinned = true;
        break;
    case 'j':
        asked.json = optarg;
        break;
    default:
        refuse("see the options");
    }
}

static void parse(int count, char **values) {
    static const struct option options[] = {
        {"guest", required_argument, NULL, 'g'},
        {"caller", required_argument, NULL, 'c'},
        {"mib", required_argument, NULL, 'm'},
        {"slots", required_argument, NULL, 's'},
        {"workers", required_argument, NULL, 'w'},
        {"rounds", required_argument, NULL, 'r'},
        {"no-pin", no_argument, NULL, 'n'},
        {"json", required_argument, NULL, 'j'},
        {NULL, 0, NULL, 0},
    };
    for (int option; (option = getopt_long(count, values, "", options, NULL)) != -1;) take(option);
    if (optind < count) refuse("there is something that is no option");
    if (!asked.guest) refuse("--guest is missing");
}

int main(int count, char **values) {
    struct json file, *json = NULL;
    struct measurement m = {.message = message_make()};
    parse(count, values);
    if (places_found()->count < 2)
        failure_exit(1, "this process may use one processor only: the bare limit, which never "
                        "gives it away, needs one for each side");
    if (!m.message.bytes) failure_exit(1, "there is no memory for a message");
    pair_prepare();
    stopwatch_calibrate();
    if (asked.json) json_open(json = &file, asked.json);
    describe(asked.guest ? asked.guest : "", json);
    printf("GB/s; share: of the bare limit's\n%8s %10s %11s %8s  %-12s %8s %8s %8s %8s\n",
           "message", "size", "slot", "bare", "bare is", "stream", "share", "p10", "p90");
    json_begin(json, "sizes", '[');
    for (uint32_t i = 0; i < asked.slots_count; i++) measure_slots(&m, asked.slots[i] << 10, json);
    json_end(json, ']');
    json_close(json);
    return 0;
}
