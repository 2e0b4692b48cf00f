// SPDX-License-Identifier: Apache-2.0
#include "pairs.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../common/system.h"
#include "failure.h"
#include "pair.h"
#include "places.h"
#include "progress.h"
#include "run.h"
#include "window.h"

#define PROCESSORS 2u
#define MAX_PAIRS 1024u
#define BATCH 32u
#define MILLISECOND_NS UINT64_C(1000000)

enum phase { PREPARING, COUNTING, ENDED };

// What a calling process tells, on cache lines of its own.
struct member {
    _Alignas(128) _Atomic uint64_t trips;
    uint64_t host_cpu_ns, guest_cpu_ns; // complete when the process has ended
};

struct board {
    _Alignas(128) _Atomic uint32_t phase;
    _Atomic uint32_t ready;
    struct member members[MAX_PAIRS];
};

struct run_result {
    double rate;
    double host_cpus, guest_cpus;
};

// ---- A calling process -------------------------------------------------------------------------

static void call_through(const struct contender *contender, struct pair *pair, struct board *board,
                         struct member *member, uint32_t size) {
    struct payload payload;
    payload_fill(&payload, size, false);
    void *state = contender->open(pair, 0, &payload);
    if (!state) failure_exit(1, "%s: %s", contender->name, sipc_error_text());
    int result = contender->run(state, &payload, BATCH);
    atomic_fetch_add_explicit(&board->ready, 1, memory_order_release);
    while (atomic_load_explicit(&board->phase, memory_order_acquire) == PREPARING)
        system_sleep_ns(MILLISECOND_NS);
    uint64_t host_cpu = system_process_cpu_ns(getpid());
    uint64_t guest_cpu = system_process_cpu_ns(pair->guest);
    for (uint64_t trips = 0;
         result == 0 && atomic_load_explicit(&board->phase, memory_order_relaxed) != ENDED;) {
        result = contender->run(state, &payload, BATCH);
        trips += BATCH;
        atomic_store_explicit(&member->trips, trips, memory_order_relaxed);
    }
    if (result != 0) contender_failed(contender, result);
    member->host_cpu_ns = system_process_cpu_ns(getpid()) - host_cpu;
    member->guest_cpu_ns = system_process_cpu_ns(pair->guest) - guest_cpu;
    contender->close(state);
    payload_free(&payload);
}

static _Noreturn void be_member(const struct settings *settings, struct board *board,
                                uint32_t index, pid_t parent) {
    // The region is removed if the parent ends early.
    if (prctl(PR_SET_PDEATHSIG, SIGTERM) != 0 || getppid() != parent) _exit(1);
    struct pair pair;
    pair_prepare();
    run_start_pair(settings, &pair, 1, settings->sizes[0]);
    call_through(settings->callers[0], &pair, board, &board->members[index], settings->sizes[0]);
    pair_stop(&pair);
    _exit(0);
}

// ---- The observer ------------------------------------------------------------------------------

static void await_all_ready(const struct board *board, uint32_t pairs) {
    while (atomic_load_explicit(&board->ready, memory_order_acquire) != pairs) {
        int status;
        if (waitpid(-1, &status, WNOHANG) > 0) failure_exit(1, "a pair could not be started");
        system_sleep_ns(MILLISECOND_NS);
    }
}

static void await_end(const pid_t *members, uint32_t pairs) {
    for (uint32_t i = 0; i < pairs; i++) {
        int status;
        if (waitpid(members[i], &status, 0) != members[i] || status != 0)
            failure_exit(1, "a pair failed");
    }
}

static struct run_result run_once(const struct settings *settings, uint32_t pairs) {
    int descriptor;
    struct board *board = system_shared_memory(sizeof *board, &descriptor);
    if (!board) failure_exit(1, "no shared memory for the pairs: %s", strerror(errno));
    close(descriptor);
    pid_t *members = must_allocate(pairs, sizeof *members);
    pid_t parent = getpid();
    fflush(NULL); // the children would write it again
    for (uint32_t i = 0; i < pairs; i++) {
        members[i] = fork();
        if (members[i] == 0) be_member(settings, board, i, parent);
        if (members[i] < 0) failure_exit(1, "no process for pair %u: %s", i, strerror(errno));
    }
    await_all_ready(board, pairs);
    uint64_t began = system_clock_ns();
    atomic_store_explicit(&board->phase, COUNTING, memory_order_release);
    system_sleep_ns((uint64_t)(settings->seconds * 1e9));
    uint64_t trips = 0;
    for (uint32_t i = 0; i < pairs; i++)
        trips += atomic_load_explicit(&board->members[i].trips, memory_order_relaxed);
    double seconds = (double)(system_clock_ns() - began) / 1e9;
    atomic_store_explicit(&board->phase, ENDED, memory_order_release);
    await_end(members, pairs);
    free(members);
    struct run_result result = {.rate = (double)trips / seconds};
    for (uint32_t i = 0; i < pairs; i++) {
        result.host_cpus += (double)board->members[i].host_cpu_ns / 1e9 / seconds;
        result.guest_cpus += (double)board->members[i].guest_cpu_ns / 1e9 / seconds;
    }
    system_unmap(board, sizeof *board);
    return result;
}

static void measure(const struct settings *settings, uint32_t pairs, struct json *json) {
    struct numbers rates = {.values = NULL}, host_cpus = rates, guest_cpus = rates;
    for (uint32_t run = 0; run < settings->rounds; run++) {
        struct run_result result = run_once(settings, pairs);
        numbers_append(&rates, result.rate);
        numbers_append(&host_cpus, result.host_cpus);
        numbers_append(&guest_cpus, result.guest_cpus);
        progress_show("%u pairs: run %u of %u, %.2f M/s", pairs, run + 1, settings->rounds,
                      result.rate / 1e6);
    }
    double median = numbers_percentile(&rates, 0.5), worst = numbers_percentile(&rates, 0);
    progress_clear();
    printf("%8u %8u %10.3f %10.3f %10.3f %16.2f %10.2f %10.2f\n", pairs, settings->rounds,
           median / 1e6, worst / 1e6, numbers_percentile(&rates, 1) / 1e6, worst / median,
           numbers_percentile(&host_cpus, 0.5), numbers_percentile(&guest_cpus, 0.5));
    fflush(stdout);
    json_begin(json, NULL, '{');
    json_number(json, "pairs", pairs);
    json_number(json, "bytes", settings->sizes[0]);
    json_number(json, "seconds_of_each_run", settings->seconds);
    json_number(json, "median_round_trips_per_second", median);
    json_number(json, "worst_of_median", worst / median);
    json_numbers(json, "round_trips_per_second", &rates);
    json_numbers(json, "host_processors", &host_cpus);
    json_numbers(json, "guest_processors", &guest_cpus);
    json_end(json, '}');
    numbers_free(&rates);
    numbers_free(&host_cpus);
    numbers_free(&guest_cpus);
}

void pairs_measure(const struct settings *settings, struct json *json) {
    places_limit(PROCESSORS);
    printf("pairs of two processes each on %u processors, %u bytes, all pairs' round trips\n",
           places_found()->count, settings->sizes[0]);
    printf("%8s %8s %10s %10s %10s %16s %10s %10s\n", "pairs", "runs", "median M/s", "worst",
           "best", "worst of median", "host CPUs", "guest CPUs");
    json_begin(json, "results", '[');
    for (uint32_t i = 0; i < settings->thread_count; i++)
        measure(settings, settings->threads[i], json);
    json_end(json, ']');
}
