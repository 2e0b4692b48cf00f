// SPDX-License-Identifier: Apache-2.0
#include "pair.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../common/control.h"
#include "../common/echo.h"
#include "../common/system.h"
#include "failure.h"
#include "places.h"

#define START_LIMIT_NS UINT64_C(15000000000)
#define END_LIMIT_SECONDS 5
#define REST_LIMIT_NS UINT64_C(50000000)
#define MILLISECOND_NS UINT64_C(1000000)
#define NAME_SIZE 64
#define EXEC_FAILED 127

// ---- The watcher -------------------------------------------------------------------------------

// One guest at a time.
static struct {
    pthread_mutex_t lock;
    pthread_cond_t ended_condition;
    pid_t guest; // 0: none
    bool end_expected;
    bool ended;
    int end_status;
    sipc_host *host;
} watched = {.lock = PTHREAD_MUTEX_INITIALIZER, .ended_condition = PTHREAD_COND_INITIALIZER};

static void keep_no_company(void) {}

static void keep_no_company_with(struct bench_control *control, const char *name,
                                 uint32_t capacity) {
    (void)control;
    (void)name;
    (void)capacity;
}

static const struct pair_company alone = {.prepare = keep_no_company_with,
                                          .begin = keep_no_company,
                                          .end = keep_no_company,
                                          .abandon = keep_no_company};
static const struct pair_company *company = &alone;

void pair_set_company(const struct pair_company *chosen) {
    company = chosen ? chosen : &alone;
}

static void remove_what_would_stay(void) {
    if (watched.host) sipc_host_shutdown(watched.host);
    company->abandon();
}

static _Noreturn void guest_lost(pid_t guest, int status) {
    if (WIFSIGNALED(status))
        failure_exit(1, "the guest (process %d) was ended early by signal %d", (int)guest,
                     WTERMSIG(status));
    failure_exit(1, "the guest (process %d) ended early with exit status %d%s", (int)guest,
                 WEXITSTATUS(status),
                 WEXITSTATUS(status) == EXEC_FAILED ? ": it could not be started" : "");
}

static void child_changed(void) {
    pthread_mutex_lock(&watched.lock);
    int status = 0;
    bool ended = watched.guest && waitpid(watched.guest, &status, WNOHANG) == watched.guest;
    if (ended && !watched.end_expected) guest_lost(watched.guest, status);
    if (ended) {
        watched.ended = true;
        watched.end_status = status;
        pthread_cond_signal(&watched.ended_condition);
    }
    pthread_mutex_unlock(&watched.lock);
}

static void watched_signals(sigset_t *set) {
    sigemptyset(set);
    sigaddset(set, SIGCHLD);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGTERM);
}

static void *watch(void *unused) {
    sigset_t set;
    int number;
    (void)unused;
    watched_signals(&set);
    for (;;) {
        if (sigwait(&set, &number) != 0) continue;
        if (number != SIGCHLD) failure_exit(128 + number, "ended by signal %d", number);
        child_changed();
    }
}

void pair_prepare(void) {
    sigset_t set;
    pthread_t thread;
    watched_signals(&set);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    failure_set_cleanup(remove_what_would_stay);
    int error = pthread_create(&thread, NULL, watch, NULL);
    if (error) failure_exit(1, "no thread to watch the guest: %s", strerror(error));
    pthread_detach(thread);
}

// ---- The start ---------------------------------------------------------------------------------

static void share_memory(struct pair *pair, const struct pair_setup *setup, int *descriptor) {
    const size_t own_bytes = BENCH_BARE_OFFSET + bare_region_bytes();
    const size_t bytes = own_bytes + setup->beside;
    pair->control = system_shared_memory(bytes, descriptor);
    if (!pair->control)
        failure_exit(1, "no shared memory of %zu bytes for the benchmark: %s", bytes,
                     strerror(errno));
    pair->shared_bytes = bytes;
    pair->control->magic = BENCH_CONTROL_MAGIC;
    pair->control->writes_through = setup->writes_through;
    pair->bare = bare_host_create((uint8_t *)pair->control + BENCH_BARE_OFFSET);
    pair->beside = (uint8_t *)pair->control + own_bytes;
}

static void create_region(struct pair *pair, const struct pair_setup *setup, const char *name) {
    sipc_host_options options = {.wait = {.preset = setup->wait}};
    if (setup->guest_calls) {
        options.guest_slots = 1;
        options.wait = (sipc_wait_policy){.preset = SIPC_WAIT_CUSTOM};
    }
    uint64_t anonymous = system_anonymous_bytes(), began = system_clock_ns();
    pair->direct = direct_host_create(name, setup->slots, 2 * setup->capacity, &options);
    if (!pair->direct) failure_exit(1, "no region: %s", sipc_error_text());
    pair->create_ns = system_clock_ns() - began;
    pair->created_anonymous = system_anonymous_bytes() - anonymous;
    pair->host = direct_host_handle(pair->direct);
    watched.host = pair->host;
}

static void serve_guest(const struct pair *pair, const struct pair_setup *setup) {
    const sipc_serve_options options = {.wait = {.preset = setup->wait}};
    if (sipc_host_serve(pair->host, &options, echo_answer, NULL) != SIPC_OK)
        failure_exit(1, "the guest cannot be served: %s", sipc_error_text());
}

// In the child.
static _Noreturn void become_guest(const struct pair_setup *setup, const char *name, int descriptor,
                                   pid_t host) {
    char control[16], preset[16], capacity[16], group[16], processors[16];
    snprintf(control, sizeof control, "%d", descriptor);
    snprintf(preset, sizeof preset, "%d", (int)setup->wait);
    snprintf(capacity, sizeof capacity, "%u", setup->capacity);
    snprintf(group, sizeof group, "%u", setup->slots_per_worker);
    snprintf(processors, sizeof processors, "%u", places_found()->count);
    // The Go runtime would count the processors that the guest is pinned to. Its workers and the
    // server of the bare windows take turns, as in a process that is not pinned.
    setenv("GOMAXPROCS", processors, 0);
    sigset_t none;
    sigemptyset(&none);
    pthread_sigmask(SIG_SETMASK, &none, NULL);
    bool placed = setup->pinned ? places_pin_guest(setup->slots) : places_unpin();
    // The guest ends with this process, however that ends; also if it has ended already.
    if (placed && prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && getppid() == host)
        execl(setup->guest_path, setup->guest_path, name, control, preset, capacity, group,
              (char *)NULL);
    fprintf(stderr, "simpleipc-bench-host: %s: %s\n", setup->guest_path, strerror(errno));
    _exit(EXEC_FAILED);
}

static void start_guest(struct pair *pair, const struct pair_setup *setup, const char *name,
                        int descriptor) {
    pid_t host = getpid();
    pthread_mutex_lock(&watched.lock);
    pid_t guest = fork();
    if (guest == 0) become_guest(setup, name, descriptor, host);
    watched.guest = guest;
    watched.end_expected = false;
    watched.ended = false;
    pthread_mutex_unlock(&watched.lock);
    if (guest < 0) failure_exit(1, "no process for the guest: %s", strerror(errno));
    pair->guest = guest;
}

void pair_start(struct pair *pair, const struct pair_setup *setup) {
    static unsigned count;
    char name[NAME_SIZE];
    int descriptor;
    snprintf(name, sizeof name, "bench.%d.%u", (int)getpid(), ++count);
    if (!(setup->pinned ? places_pin_host(setup->slots) : places_unpin()))
        failure_exit(1, "this process cannot be pinned: %s", strerror(errno));
    pair->slots = setup->slots;
    share_memory(pair, setup, &descriptor);
    create_region(pair, setup, name);
    if (setup->guest_calls) serve_guest(pair, setup);
    company->prepare(pair->control, name, setup->capacity);
    start_guest(pair, setup, name, descriptor);
    close(descriptor);
    uint64_t limit = system_clock_ns() + START_LIMIT_NS;
    while (atomic_load_explicit(&pair->control->ready, memory_order_acquire) == 0) {
        if (system_clock_ns() > limit)
            failure_exit(1, "the guest %s (process %d) did not begin to serve within 15 s",
                         setup->guest_path, (int)pair->guest);
        system_sleep_ns(MILLISECOND_NS);
    }
    company->begin();
}

// ---- The end -----------------------------------------------------------------------------------

static void wait_for_end(void) {
    struct timespec limit;
    clock_gettime(CLOCK_REALTIME, &limit);
    limit.tv_sec += END_LIMIT_SECONDS;
    int error = 0;
    while (!watched.ended && error == 0)
        error = pthread_cond_timedwait(&watched.ended_condition, &watched.lock, &limit);
    if (!watched.ended) {
        kill(watched.guest, SIGKILL);
        failure_exit(1, "the guest (process %d) did not end within %d s of the region's end",
                     (int)watched.guest, END_LIMIT_SECONDS);
    }
    if (watched.end_status != 0) guest_lost(watched.guest, watched.end_status);
    watched.guest = 0;
}

void pair_stop(struct pair *pair) {
    pthread_mutex_lock(&watched.lock);
    watched.end_expected = true;
    pthread_mutex_unlock(&watched.lock);
    company->end();
    watched.host = NULL;
    direct_host_close(pair->direct);
    bare_host_end(pair->bare);
    pthread_mutex_lock(&watched.lock);
    wait_for_end();
    pthread_mutex_unlock(&watched.lock);
    system_unmap(pair->control, pair->shared_bytes);
}

// ---- The guest ---------------------------------------------------------------------------------

const char *pair_guest_name(const struct pair *pair) {
    return pair->control->guest_name;
}

bool pair_wait_for_rest(const struct pair *pair) {
    uint64_t limit = system_clock_ns() + REST_LIMIT_NS;
    while (!system_process_rests(pair->guest))
        if (system_clock_ns() > limit) return false;
    return true;
}
