// SPDX-License-Identifier: Apache-2.0
// The gate: no hot path may take many more instructions than it did. What it took stands in a file.
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "paths.h"
#include "step.h"

#define TIME_LIMIT_SECONDS 100
#define ROOM 1.15

#if defined(__clang__)
#define COMPILER "clang"
#else
#define COMPILER "gcc"
#endif

static const struct path paths[] = {
    {.name = "session-8", .size = 8},
    {.name = "session-64", .size = 64},
    {.name = "session-1024", .size = 1024},
    {.name = "any-slot-8", .size = 8, .any_slot = true},
    {.name = "any-slot-64", .size = 64, .any_slot = true},
    {.name = "responder-8", .size = 8, .responder = true},
    {.name = "responder-64", .size = 64, .responder = true},
};
#define PATHS (sizeof paths / sizeof paths[0])

// ---- Counting ----------------------------------------------------------------------------------

static pid_t start(int (*body)(const char *, const struct path *), const char *region,
                   const struct path *path) {
    pid_t parent = getpid(), child = fork();
    if (child < 0) {
        perror("fork");
        exit(1);
    }
    if (child > 0) return child;
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent) _exit(1);
    _exit(body(region, path));
}

static void print_count(const struct path *path, int64_t least, int64_t most, unsigned counted) {
    printf("%-14s %6lld instructions, at the most %lld in %u goes", path->name, (long long)least,
           (long long)most, counted);
}

// The least of all goes.
static int64_t count(const struct path *path) {
    char region[64];
    snprintf(region, sizeof region, "gate.%d.%s", (int)getpid(), path->name);
    start(path_host, region, path);
    start(path_guest, region, path);
    int64_t least = INT64_MAX, most = 0, steps;
    unsigned counted = 0;
    for (; (steps = step_count()) >= 0; counted++) {
        if (steps < least) least = steps;
        if (steps > most) most = steps;
    }
    if (counted != PATH_REPETITIONS) {
        fprintf(stderr, "%s: counted %u times instead of %d: a process failed\n", path->name,
                counted, PATH_REPETITIONS);
        exit(1);
    }
    print_count(path, least, most, counted);
    return least;
}

// ---- Comparing ---------------------------------------------------------------------------------

// A line of the file: PATH COMPILER PROCESSOR COUNT. 0: there is none.
static long known(const char *file_name, const char *path) {
    static const char processor[] =
#if defined(__x86_64__)
        "x86_64";
#else
        "aarch64";
#endif
    char line[256], name[64], compiler[16], machine[16];
    long found = 0, steps;
    FILE *file = fopen(file_name, "r");
    if (!file) {
        perror(file_name);
        exit(1);
    }
    while (fgets(line, sizeof line, file))
        if (sscanf(line, "%63s %15s %15s %ld", name, compiler, machine, &steps) == 4 &&
            strcmp(name, path) == 0 && strcmp(compiler, COMPILER) == 0 &&
            strcmp(machine, processor) == 0)
            found = steps;
    fclose(file);
    return found;
}

static bool holds(const char *file_name, const struct path *path) {
    int64_t steps = count(path);
    long before = known(file_name, path->name);
    if (before == 0) {
        printf("\n%s: %s has no figure for " COMPILER "\n", path->name, file_name);
        return false;
    }
    bool enough = (double)steps <= (double)before * ROOM;
    printf(", %ld in the file%s\n", before,
           !enough                                       ? ": TOO MANY"
           : (double)steps < (double)before * (2 - ROOM) ? ": fewer, write it down"
                                                         : "");
    return enough;
}

int main(int count_of_values, char **values) {
    if (count_of_values != 2) {
        fprintf(stderr, "usage: %s FILE-OF-COUNTS\n", values[0]);
        return 2;
    }
    alarm(TIME_LIMIT_SECONDS);
    setvbuf(stdout, NULL, _IOLBF, 0);
    bool all = true;
    for (size_t i = 0; i < PATHS; i++) all = holds(values[1], &paths[i]) && all;
    if (!all)
        puts("The hot path has become longer. If that has to be, say why, and write the count "
             "down.");
    return all ? 0 : 1;
}
