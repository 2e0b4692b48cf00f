// SPDX-License-Identifier: Apache-2.0
#include "study.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bare.h"
#include "bare_limit.h"
#include "process.h"

// The control line: the host writes what comes next, then `turn` with release.
struct control {
    _Atomic uint32_t turn;
    uint32_t variant;
    uint32_t column;
    uint32_t trips;
};

struct mapping {
    _Alignas(4096) struct control control;
    _Alignas(4096) unsigned char area[AREA_BYTES];
    _Alignas(4096) unsigned char bare[BARE_REGION_BYTES];
};

// How near to each other the two processors are, by the bare limit at 1 KiB: a virtual machine may
// move them within seconds, and what is good with near ones need not be so with far ones.
enum mood { ONE_CORE, NEAR, FAR, MOODS };
static const char *const mood_names[] = {"two threads of one core", "near cores", "far cores"};
static const double mood_limits[] = {190, 450}; // nanoseconds
enum { LEAST_ROUNDS = 20 };

static const struct column probe_column = SPINNING("the probe", 1024, 30);
static const struct variant probe_variant = BARE_LIMIT("the probe", bare_limit_open_neighbours);

static struct side side;
static double *nanoseconds; // [round][column][variant]
static enum mood *moods;    // [round][column]
static int host_processor = -1, guest_processor = -1;

static void fail(const char *what) {
    fprintf(stderr, "study: %s: %s\n", what, strerror(errno));
    exit(1);
}

static double *figure(const struct study *study, unsigned round, unsigned column, unsigned v) {
    return &nanoseconds[(round * study->column_count + column) * study->variant_count + v];
}

static enum mood *mood(const struct study *study, unsigned round, unsigned column) {
    return &moods[round * study->column_count + column];
}

// What comes after the last one is the probe.
static const struct variant *variant_of(const struct study *study, unsigned v) {
    return v < study->variant_count ? &study->variants[v] : &probe_variant;
}

static const struct column *column_of(const struct study *study, unsigned c) {
    return c < study->column_count ? &study->columns[c] : &probe_column;
}

static void echo(const void *request, void *response, uint32_t size) {
    memcpy(response, request, size);
}

static void prepare_side(const struct study *study, struct mapping *mapping) {
    memset(&side, 0, sizeof side);
    side.area = mapping->area;
    side.handler = echo;
    for (unsigned i = 0; i < REQUESTS; i++) {
        memset(side.requests[i], (int)i + 1, sizeof side.requests[i]);
    }
    if (study->prepare != NULL && !study->prepare(&side)) {
        exit(1);
    }
}

static void begin_window(const struct column *column) {
    side.column = *column;
    side.generation = 0;
    side.last_request_size = 0;
    side.last_response_size = 0;
}

// ---- guest -------------------------------------------------------------------------------------

static void run_guest(const struct study *study, struct mapping *mapping) {
    struct control *control = &mapping->control;
    prepare_side(study, mapping);
    if (!bare_limit_begin_guest(mapping->bare)) {
        fprintf(stderr, "study: no bare region\n");
        _exit(1);
    }
    for (uint32_t turn = 1;; turn++) {
        while (atomic_load_explicit(&control->turn, memory_order_acquire) != turn) {
            bare_relax();
        }
        const struct variant *variant = variant_of(study, control->variant);
        begin_window(column_of(study, control->column));
        if (!variant->guest(&side, control->trips)) {
            fprintf(stderr, "study: the guest refused a request of '%s'\n", variant->name);
            _exit(1);
        }
    }
}

static pid_t start_process(const struct study *study, struct mapping *mapping) {
    pid_t host = getpid();
    pid_t guest = fork();
    if (guest < 0) {
        fail("fork");
    }
    if (guest == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        signal(SIGCHLD, SIG_DFL);
        if (getppid() == host && pin_to_processor(guest_processor)) {
            run_guest(study, mapping);
        }
        _exit(1);
    }
    return guest;
}

// ---- host --------------------------------------------------------------------------------------

// Nanoseconds of a trip.
static double window(const struct study *study, struct mapping *mapping, unsigned c, unsigned v) {
    struct control *control = &mapping->control;
    const struct column *column = column_of(study, c);
    const struct variant *variant = variant_of(study, v);
    uint32_t warm_up = column->trips / 6 / column->depth * column->depth + column->depth;
    memset(mapping->area, 0, sizeof mapping->area);
    begin_window(column);
    control->variant = v;
    control->column = c;
    control->trips = warm_up + column->trips;
    bool right = variant->open == NULL || variant->open(&side);
    atomic_fetch_add_explicit(&control->turn, 1, memory_order_release);
    right = right && variant->host(&side, warm_up);
    uint64_t start = bare_now_ns();
    right = right && variant->host(&side, column->trips);
    uint64_t end = bare_now_ns();
    if (!right || (variant->close != NULL && !variant->close(&side))) {
        fprintf(stderr, "study: '%s' gave a wrong response at %s\n", variant->name, column->title);
        exit(1);
    }
    return (double)(end - start) / column->trips - 2.0 * column->linger;
}

static enum mood probe(const struct study *study, struct mapping *mapping) {
    double ns = window(study, mapping, study->column_count, study->variant_count);
    return ns < mood_limits[0] ? ONE_CORE : ns < mood_limits[1] ? NEAR : FAR;
}

// A new order each time: no variant always follows the same one.
static void shuffle(unsigned *order, unsigned count) {
    for (unsigned i = count - 1; i > 0; i--) {
        unsigned j = (unsigned)rand() % (i + 1);
        unsigned kept = order[i];
        order[i] = order[j];
        order[j] = kept;
    }
}

static bool applies(const struct study *study, unsigned column, unsigned v) {
    return !study->columns[column].asleep || !study->variants[v].never_sleeps;
}

static void measure_round(const struct study *study, struct mapping *mapping, unsigned round,
                          unsigned *order) {
    for (unsigned c = 0; c < study->column_count; c++) {
        shuffle(order, study->variant_count);
        *mood(study, round, c) = probe(study, mapping);
        for (unsigned i = 0; i < study->variant_count; i++) {
            if (applies(study, c, order[i])) {
                *figure(study, round, c, order[i]) = window(study, mapping, c, order[i]);
            }
        }
    }
}

static void measure(const struct study *study, struct mapping *mapping, unsigned first,
                    unsigned rounds) {
    unsigned order[MOST_VARIANTS];
    for (unsigned i = 0; i < study->variant_count; i++) {
        order[i] = i;
    }
    for (unsigned round = first; round < first + rounds; round++) {
        measure_round(study, mapping, round, order);
    }
}

static void guest_ended(int signal_number) {
    (void)signal_number;
    static const char message[] = "study: the guest process ended early\n";
    ssize_t written = write(STDERR_FILENO, message, sizeof message - 1);
    _exit(written < 0 ? 3 : 1);
}

static void run_pair(const struct study *study, unsigned first, unsigned rounds) {
    struct mapping *mapping = mmap(NULL, sizeof *mapping, PROT_READ | PROT_WRITE,
                                   MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (mapping == MAP_FAILED) {
        fail("mmap");
    }
    prepare_side(study, mapping);
    bare_limit_begin_host(mapping->bare);
    signal(SIGCHLD, guest_ended);
    pid_t guest = start_process(study, mapping);
    measure(study, mapping, first, rounds);
    signal(SIGCHLD, SIG_DFL);
    end_child(guest);
    munmap(mapping, sizeof *mapping);
}

// ---- table -------------------------------------------------------------------------------------

static int ascending(const void *left, const void *right) {
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

// The figures of a variant that were taken in one mood, or their ratios to the first variant's.
static unsigned collect(const struct study *study, unsigned rounds, unsigned column, unsigned v,
                        enum mood wanted, double *values) {
    unsigned count = 0;
    for (unsigned round = 0; round < rounds; round++) {
        if (*mood(study, round, column) == wanted) {
            double reference = v == 0 ? 1 : *figure(study, round, column, 0);
            values[count++] = *figure(study, round, column, v) / reference;
        }
    }
    return count;
}

static void print_row(const struct study *study, unsigned rounds, unsigned v, enum mood wanted,
                      double *values) {
    printf("| %s%s |", study->variants[v].name, v == 0 ? ", ns" : "");
    for (unsigned c = 0; c < study->column_count; c++) {
        unsigned count = collect(study, rounds, c, v, wanted, values);
        if (!applies(study, c, v) || count < LEAST_ROUNDS) {
            printf(" |");
            continue;
        }
        qsort(values, count, sizeof *values, ascending);
        double median = values[count / 2];
        printf(" %.*f |", v != 0 ? 2 : median < 30 ? 1 : 0, median);
    }
    printf("\n");
}

// False: there were too few windows.
static bool print_table(const struct study *study, unsigned rounds, enum mood wanted,
                        double *values) {
    unsigned most = 0;
    for (unsigned c = 0; c < study->column_count; c++) {
        unsigned count = collect(study, rounds, c, 0, wanted, values);
        most = count > most ? count : most;
    }
    if (most < LEAST_ROUNDS) {
        return false;
    }
    printf("\n%s, up to %u windows of each:\n\n| |", mood_names[wanted], most);
    for (unsigned c = 0; c < study->column_count; c++) {
        printf(" %s |", study->columns[c].title);
    }
    printf("\n|---|");
    for (unsigned c = 0; c < study->column_count; c++) {
        printf("---|");
    }
    printf("\n");
    for (unsigned v = 0; v < study->variant_count; v++) {
        print_row(study, rounds, v, wanted, values);
    }
    return true;
}

static void print_tables(const struct study *study, unsigned rounds) {
    double *values = calloc(rounds, sizeof *values);
    if (values == NULL) {
        fail("memory");
    }
    bool any = false;
    for (unsigned i = 0; i < MOODS; i++) {
        any |= print_table(study, rounds, (enum mood)i, values);
    }
    if (!any) {
        fprintf(stderr, "study: no mood of the machine lasted for %d rounds; ask for more rounds\n",
                LEAST_ROUNDS);
    }
    free(values);
}

static void reserve(const struct study *study, unsigned rounds) {
    size_t cells = (size_t)rounds * study->column_count;
    nanoseconds = calloc(cells * study->variant_count, sizeof *nanoseconds);
    moods = calloc(cells, sizeof *moods);
    if (nanoseconds == NULL || moods == NULL) {
        fail("memory");
    }
}

// Once for all studies of a program: the first pins its process.
static bool choose_processors(void) {
    if (host_processor < 0) {
        host_processor = allowed_processor(0);
        guest_processor = allowed_processor(1);
    }
    return guest_processor >= 0;
}

int study_main(const struct study *study, int count, char **values) {
    long rounds = 60, pairs = 10;
    if (count > 3 || (count > 1 && !parse_number(values[1], 1, 10000, &rounds)) ||
        (count > 2 && !parse_number(values[2], 1, 1000, &pairs))) {
        fprintf(stderr, "usage: %s [rounds of each pair, 1 to 10000] [pairs, 1 to 1000]\n",
                values[0]);
        return 2;
    }
    if (!choose_processors()) {
        fprintf(stderr, "study: host and guest need a processor each\n");
        return 1;
    }
    unsigned all = (unsigned)(rounds * pairs);
    reserve(study, all);
    if (!pin_to_processor(host_processor)) {
        return 1;
    }
    for (unsigned pair = 0; pair < (unsigned)pairs; pair++) {
        run_pair(study, pair * (unsigned)rounds, (unsigned)rounds);
    }
    print_tables(study, all);
    free(nanoseconds);
    free(moods);
    return 0;
}
