// SPDX-License-Identifier: Apache-2.0
// Two pinned processes run short windows of every layout in turn; the table shows each variant's
// median ratio to the limit L, the bare layout with the best median at that size.
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "variants.h"

enum { REQUESTS = 4, WARM_UP_TRIPS = 60, MAX_ROUNDS = 100000 };

static const uint32_t sizes[] = {8, 16, 32, 48, 64, 128, 256, 1024};
enum { SIZES = sizeof sizes / sizeof sizes[0] };

// Different contents in turn, so that a stale response is noticed without writing a stamp before
// each call (which would stall the copy that follows).
static unsigned char requests[REQUESTS][MAX_PAYLOAD] __attribute__((aligned(64)));
static unsigned char answer[MAX_PAYLOAD] __attribute__((aligned(64)));

static ALWAYS_INLINE bool same_start(const void *left, const void *right) {
    return memcmp(left, right, 8) == 0;
}

#define DEFINE_BARE(name, ...)                                                                     \
    static const struct bare_shape name##_shape = {__VA_ARGS__};                                   \
    static bool name##_host(struct side *side, uint32_t size, uint32_t trips) {                    \
        bool right = true;                                                                         \
        for (uint32_t i = 0; i < trips; i++) {                                                     \
            bare_call(side, &name##_shape, requests[i % REQUESTS], answer, size);                  \
            right &= same_start(answer, requests[i % REQUESTS]);                                   \
        }                                                                                          \
        return right;                                                                              \
    }                                                                                              \
    static bool name##_guest(struct side *side, uint32_t size, uint32_t trips) {                   \
        for (uint32_t i = 0; i < trips; i++) {                                                     \
            bare_serve(side, &name##_shape, size);                                                 \
        }                                                                                          \
        return true;                                                                               \
    }
BARE_VARIANTS(DEFINE_BARE)

#define DEFINE_PROTOCOL(name, ...)                                                                 \
    static const struct protocol_shape name##_shape = {__VA_ARGS__};                               \
    static bool name##_host(struct side *side, uint32_t size, uint32_t trips) {                    \
        bool right = true;                                                                         \
        for (uint32_t i = 0; i < trips; i++) {                                                     \
            right &= protocol_call(side, &name##_shape, requests[i % REQUESTS], answer, size);     \
            right &= same_start(answer, requests[i % REQUESTS]);                                   \
        }                                                                                          \
        return right;                                                                              \
    }                                                                                              \
    static bool name##_guest(struct side *side, uint32_t size, uint32_t trips) {                   \
        bool right = true;                                                                         \
        (void)size; /* the request says it */                                                      \
        for (uint32_t i = 0; i < trips; i++) {                                                     \
            right &= protocol_serve(side, &name##_shape);                                          \
        }                                                                                          \
        return right;                                                                              \
    }
PROTOCOL_VARIANTS(DEFINE_PROTOCOL)

#define LIST_BARE(name, ...) {#name, true, name##_host, name##_guest},
#define LIST_PROTOCOL(name, ...) {#name, false, name##_host, name##_guest},
static const struct variant variants[] = {BARE_VARIANTS(LIST_BARE)
                                              PROTOCOL_VARIANTS(LIST_PROTOCOL)};
enum { VARIANTS = sizeof variants / sizeof variants[0] };

// The control line: the host writes what comes next, then `turn` with release.
struct control {
    _Atomic uint32_t turn;
    uint32_t variant;
    uint32_t size;
    uint32_t trips;
};

struct mapping {
    _Alignas(4096) struct control control;
    _Alignas(4096) unsigned char areas[VARIANTS][AREA_BYTES];
};

static struct side sides[VARIANTS];
static double (*nanoseconds)[VARIANTS][SIZES];

static void fail(const char *what) {
    fprintf(stderr, "layout: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void pin(int cpu) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    if (sched_setaffinity(0, sizeof set, &set) != 0) {
        fail("sched_setaffinity");
    }
}

static void echo(const void *request, void *response, uint32_t size) {
    memcpy(response, request, size);
}

static void init_sides(struct mapping *mapping) {
    for (unsigned v = 0; v < VARIANTS; v++) {
        memset(&sides[v], 0, sizeof sides[v]);
        sides[v].area = mapping->areas[v];
        sides[v].handler = echo;
    }
}

static void run_guest(struct mapping *mapping) {
    struct control *control = &mapping->control;
    for (uint32_t turn = 1;; turn++) {
        while (atomic_load_explicit(&control->turn, memory_order_acquire) != turn) {
        }
        const struct variant *variant = &variants[control->variant];
        if (!variant->guest(&sides[control->variant], control->size, control->trips)) {
            fprintf(stderr, "layout: guest refused a request of %s\n", variant->name);
            _exit(1);
        }
    }
}

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static double window(struct control *control, unsigned v, uint32_t size, uint32_t trips) {
    uint32_t turn = atomic_load_explicit(&control->turn, memory_order_relaxed) + 1;
    control->variant = v;
    control->size = size;
    control->trips = WARM_UP_TRIPS + trips;
    atomic_store_explicit(&control->turn, turn, memory_order_release);
    bool right = variants[v].host(&sides[v], size, WARM_UP_TRIPS);
    double start = now();
    right &= variants[v].host(&sides[v], size, trips);
    double end = now();
    if (!right) {
        fprintf(stderr, "layout: %s gave a wrong response at %u bytes\n", variants[v].name, size);
        exit(1);
    }
    return (end - start) / trips;
}

static int ascending(const void *left, const void *right) {
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

static double median(double *values, unsigned count) {
    qsort(values, count, sizeof *values, ascending);
    return values[count / 2];
}

static double median_of(unsigned v, unsigned s, int reference, unsigned rounds) {
    static double values[MAX_ROUNDS];
    for (unsigned r = 0; r < rounds; r++) {
        values[r] = nanoseconds[r][v][s] / (reference < 0 ? 1 : nanoseconds[r][reference][s]);
    }
    return median(values, rounds);
}

// A new order each time: no variant always follows the same one.
static void shuffle(unsigned *order) {
    for (unsigned i = VARIANTS - 1; i > 0; i--) {
        unsigned j = (unsigned)rand() % (i + 1);
        unsigned kept = order[i];
        order[i] = order[j];
        order[j] = kept;
    }
}

static void measure(struct control *control, unsigned rounds, uint32_t trips) {
    unsigned order[VARIANTS];
    for (unsigned i = 0; i < VARIANTS; i++) {
        order[i] = i;
    }
    for (unsigned r = 0; r < rounds; r++) {
        for (unsigned s = 0; s < SIZES; s++) {
            shuffle(order);
            for (unsigned i = 0; i < VARIANTS; i++) {
                nanoseconds[r][order[i]][s] = window(control, order[i], sizes[s], trips);
            }
        }
    }
}

static int best_bare(unsigned s, unsigned rounds) {
    int best = -1;
    for (unsigned v = 0; v < VARIANTS; v++) {
        if (variants[v].bare &&
            (best < 0 || median_of(v, s, -1, rounds) < median_of((unsigned)best, s, -1, rounds))) {
            best = (int)v;
        }
    }
    return best;
}

static void print_table(unsigned rounds) {
    int limit[SIZES];
    printf("%-30s", "bytes");
    for (unsigned s = 0; s < SIZES; s++) {
        limit[s] = best_bare(s, rounds);
        printf(" %6u", sizes[s]);
    }
    printf("\n%-30s", "L, median ns");
    for (unsigned s = 0; s < SIZES; s++) {
        printf(" %6.0f", median_of((unsigned)limit[s], s, -1, rounds));
    }
    printf("\n");
    for (unsigned v = 0; v < VARIANTS; v++) {
        printf("%-30s", variants[v].name);
        for (unsigned s = 0; s < SIZES; s++) {
            printf(" %5.2f%s", median_of(v, s, limit[s], rounds), (int)v == limit[s] ? "L" : " ");
        }
        printf("\n");
    }
}

static void guest_ended(int signal_number) {
    (void)signal_number;
    static const char message[] = "layout: the guest process ended early\n";
    ssize_t written = write(STDERR_FILENO, message, sizeof message - 1);
    _exit(written < 0 ? 3 : 1);
}

static unsigned argument(int count, char **values, int index, unsigned fallback, unsigned most) {
    if (index >= count) {
        return fallback;
    }
    char *end;
    unsigned long value = strtoul(values[index], &end, 10);
    if (*end != '\0' || value < 1 || value > most) {
        fprintf(stderr,
                "layout: '%s' is not a number from 1 to %u\nusage: layout [rounds] [trips]\n",
                values[index], most);
        exit(2);
    }
    return (unsigned)value;
}

int main(int count, char **values) {
    unsigned rounds = argument(count, values, 1, 250, MAX_ROUNDS);
    unsigned trips = argument(count, values, 2, 400, 1000000);
    struct mapping *mapping = mmap(NULL, sizeof *mapping, PROT_READ | PROT_WRITE,
                                   MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    nanoseconds = calloc(rounds, sizeof *nanoseconds);
    if (mapping == MAP_FAILED || nanoseconds == NULL) {
        fail("memory");
    }
    for (unsigned i = 0; i < REQUESTS; i++) {
        memset(requests[i], (int)i + 1, MAX_PAYLOAD);
    }
    init_sides(mapping);
    pid_t host = getpid();
    pid_t guest = fork();
    if (guest < 0) {
        fail("fork");
    }
    if (guest == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        pin(1);
        if (getppid() == host) {
            run_guest(mapping);
        }
        _exit(1);
    }
    pin(0);
    signal(SIGCHLD, guest_ended);
    measure(&mapping->control, rounds, trips);
    signal(SIGCHLD, SIG_DFL);
    kill(guest, SIGKILL);
    waitpid(guest, NULL, 0);
    print_table(rounds);
    return 0;
}
