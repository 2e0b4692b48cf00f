// SPDX-License-Identifier: Apache-2.0
#define _POSIX_C_SOURCE 200809L
#include "row.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../process/cmocka_includes.h"
#include "../process/resources.h"

static struct {
    const char *number, *title;
    char region[64];
    uint64_t began_us;
    struct resources before;
} row;

static _Atomic bool failing;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; // of what follows
static uint64_t seed, drawn;

// ---- Time and chance ---------------------------------------------------------------------------

uint64_t row_now_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

void row_sleep_us(uint64_t microseconds) {
    struct timespec left = {.tv_sec = (time_t)(microseconds / 1000000),
                            .tv_nsec = (long)(microseconds % 1000000) * 1000};
    while (nanosleep(&left, &left) != 0 && errno == EINTR) {
    }
}

static void sow(void) {
    const char *given = getenv("SIMPLEIPC_FAULTS_SEED");
    seed = given ? strtoull(given, NULL, 10) : row_now_us();
    drawn = seed * UINT64_C(0x9E3779B97F4A7C15) | 1;
}

uint32_t row_random(uint32_t limit) {
    pthread_mutex_lock(&lock);
    drawn ^= drawn << 13;
    drawn ^= drawn >> 7;
    drawn ^= drawn << 17;
    uint32_t number = (uint32_t)(drawn >> 32);
    pthread_mutex_unlock(&lock);
    return limit ? number % limit : 0;
}

// ---- The form ----------------------------------------------------------------------------------

enum row_form row_form(void) {
    const char *form = getenv("SIMPLEIPC_FAULTS");
    if (!form || strcmp(form, "short") == 0) return ROW_SHORT;
    row_expect(strcmp(form, "long") == 0, "SIMPLEIPC_FAULTS is \"%s\"; say short or long", form);
    return ROW_LONG;
}

unsigned row_times(unsigned in_short_form, unsigned in_long_form) {
    return row_form() == ROW_LONG ? in_long_form : in_short_form;
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif

uint64_t row_limit_us(uint64_t limit_us) {
#ifdef SANITIZED
    return limit_us * 10;
#else
    return limit_us;
#endif
}

// ---- Beginning and end -------------------------------------------------------------------------

const char *row_region(void) {
    return row.region;
}

void row_begin(const char *number, const char *title, unsigned short_seconds,
               unsigned long_seconds) {
    row.number = number;
    row.title = title;
    row.began_us = row_now_us();
    // In a pid namespace of its own the process id is no distinction.
    snprintf(row.region, sizeof row.region, "faults-%d-%06x-", (int)getpid(),
             (unsigned)(row.began_us & 0xFFFFFF));
    sow();
    resources_settle();
    row.before = resources_now();
    time_limit(row_times(short_seconds, long_seconds), title, row.region);
}

static void append(const char *path, const char *line) {
    FILE *file = fopen(path, "a");
    row_expect(file != NULL, "%s: %s", path, strerror(errno));
    fputs(line, file);
    row_expect(fclose(file) == 0, "%s: %s", path, strerror(errno));
}

void row_result(const char *format, ...) {
    char figures[1024], line[1400];
    va_list list;
    va_start(list, format);
    vsnprintf(figures, sizeof figures, format, list);
    va_end(list);
    snprintf(line, sizeof line, "row %s | %s | %s\n", row.number, row.title, figures);
    fputs(line, stdout);
    fflush(stdout);
    const char *path = getenv("SIMPLEIPC_FAULTS_RESULTS");
    if (path && *path) append(path, line);
}

void row_end(void) {
    time_limit_met();
    unsigned peers = kill_leftovers();
    unsigned objects = remove_leftovers(row.region);
    row_expect(peers == 0 && objects == 0, "left behind: %u processes, %u objects in shared memory",
               peers, objects);
    resources_expect(&row.before);
    fprintf(stderr, "row %s took %.1f s\n", row.number,
            (double)(row_now_us() - row.began_us) / 1e6);
}

static void clear_away(void) {
    kill_leftovers();
    if (row.region[0]) remove_leftovers(row.region);
}

// Whether the machine was this row's own may explain a limit that was missed.
static void tell_load(void) {
    char load[32] = "";
    FILE *file = fopen("/proc/loadavg", "r");
    if (!file) return;
    if (fgets(load, sizeof load, file)) load[strcspn(load, " ")] = '\0';
    fclose(file);
    fprintf(stderr, "the machine's load is %s, of %ld cores; SIMPLEIPC_FAULTS_SEED=%" PRIu64 "\n",
            load, sysconf(_SC_NPROCESSORS_ONLN), seed);
}

void row_fail(const char *file, int line, const char *format, ...) {
    // The first thread that fails ends the row, and with it the others.
    if (atomic_exchange_explicit(&failing, true, memory_order_relaxed))
        for (;;) pause();
    fprintf(stderr, "%s:%d: row %s failed: ", file, line, row.number ? row.number : "");
    va_list list;
    va_start(list, format);
    vfprintf(stderr, format, list);
    va_end(list);
    fputc('\n', stderr);
    tell_load();
    clear_away();
    _exit(1);
}

static void run(void **state) {
    void (*const *body)(void) = *state;
    (*body)();
}

int row_main(void (*body)(void)) {
    setvbuf(stdout, NULL, _IOLBF, 0);
    const struct CMUnitTest tests[] = {{"row", run, NULL, NULL, &body}};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    if (failed) {
        tell_load();
        clear_away();
    }
    return failed ? 1 : 0;
}

// ---- Samples -----------------------------------------------------------------------------------

void samples_add(struct samples *samples, uint64_t value) {
    pthread_mutex_lock(&lock);
    if (samples->count == samples->room) {
        samples->room = samples->room ? samples->room * 2 : 1024;
        samples->values = realloc(samples->values, samples->room * sizeof *samples->values);
        if (!samples->values) abort();
    }
    samples->values[samples->count++] = value;
    pthread_mutex_unlock(&lock);
}

static int by_size(const void *left, const void *right) {
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
    return (a > b) - (a < b);
}

uint64_t samples_percentile(struct samples *samples, double percent) {
    pthread_mutex_lock(&lock);
    uint64_t value = 0;
    if (samples->count > 0) {
        qsort(samples->values, samples->count, sizeof *samples->values, by_size);
        size_t within = (size_t)((double)samples->count * percent / 100 + 0.999999);
        value = samples->values[within > 0 ? within - 1 : 0];
    }
    pthread_mutex_unlock(&lock);
    return value;
}

uint64_t samples_max(struct samples *samples) {
    return samples_percentile(samples, 100);
}

void samples_free(struct samples *samples) {
    free(samples->values);
    *samples = (struct samples){0};
}
