// SPDX-License-Identifier: Apache-2.0
// A host whose region somebody else writes to, cuts short or makes vanish, and which has another
// region beside it that nobody touches.
//
//   beset_host NAME SLOTS CAPACITY CALLERS TIMEOUT_US
//
// "open" creates NAME and NAMEbeside and begins to call through both; "close" ends the calls,
// closes both and answers with what became of the calls. In NAME any status is taken, but each call
// must end by its deadline; beside it each call must be answered rightly, or the process ends.
#define _POSIX_C_SOURCE 200809L
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <simpleipc/simpleipc.h>

#include "../../process/resources.h"

enum { MOST_CALLERS = 16, BESIDE_TIMEOUT_US = 5000000, STATUSES = 64 };

struct tally {
    uint64_t of[STATUSES]; // by status
    uint64_t right;        // responses that are the request's echo
    uint64_t longest_us;
    uint64_t
        overrun_us; // the most by which a call missed its deadline, without waits for a processor
};

// When a call began.
struct moment {
    uint64_t now_us, waited_us;
};

static struct caller {
    pthread_t thread;
    sipc_host *host;
    bool beside;
    uint64_t random;
    uint64_t timeout_us;
    int statistics; // of its thread's scheduling
    struct tally tally;
} callers[MOST_CALLERS + 1];

static struct {
    char name[100], beside[110];
    uint32_t slots, capacity, callers;
    uint64_t timeout_us;
    sipc_host *host, *host_beside;
    struct resources before;
} self;

static _Atomic bool stopping;

static uint64_t now_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static _Noreturn void give_up(const char *what, sipc_status status) {
    fprintf(stderr, "beset_host: %s: %s: %s\n", what, sipc_status_name(status), sipc_error_text());
    exit(4);
}

static uint32_t random_below(struct caller *caller, uint32_t limit) {
    caller->random ^= caller->random << 13;
    caller->random ^= caller->random >> 7;
    caller->random ^= caller->random << 17;
    return (uint32_t)(caller->random >> 32) % limit;
}

// What the thread has waited for a processor, which is not the library's to give.
static uint64_t waited_us(const struct caller *caller) {
    char text[100] = "";
    unsigned long long nanoseconds = 0;
    if (pread(caller->statistics, text, sizeof text - 1, 0) <= 0 ||
        sscanf(text, "%*u %llu", &nanoseconds) != 1) {
        perror("schedstat");
        exit(4);
    }
    return nanoseconds / 1000;
}

static struct moment moment_now(const struct caller *caller) {
    uint64_t waited = waited_us(caller);
    return (struct moment){.now_us = now_us(), .waited_us = waited};
}

// ---- Calls -------------------------------------------------------------------------------------

static void note(struct caller *caller, sipc_status status, bool right, struct moment began) {
    struct tally *tally = &caller->tally;
    uint64_t took_us = now_us() - began.now_us;
    uint64_t allowed_us = caller->timeout_us + waited_us(caller) - began.waited_us;
    if (caller->beside && !right) give_up("a call in the region beside", status);
    tally->of[-status]++;
    if (right) tally->right++;
    if (took_us > tally->longest_us) tally->longest_us = took_us;
    if (took_us > allowed_us && took_us - allowed_us > tally->overrun_us)
        tally->overrun_us = took_us - allowed_us;
}

// All memory has exactly its size, so that a sanitizer sees the first byte beyond.
static void call_copied(struct caller *caller, uint32_t size) {
    uint8_t *request = malloc(size + 1), *response = malloc(size + 1);
    if (!request || !response) abort();
    memset(request, (int)random_below(caller, 256), size);
    sipc_call call = {.message_id = SIPC_MESSAGE_FIRST_USER + size,
                      .request = request + 1,
                      .request_size = size,
                      .response = response + 1,
                      .response_capacity = size,
                      .timeout_ns = caller->timeout_us * 1000};
    request[size] = (uint8_t)size;
    struct moment began = moment_now(caller);
    sipc_status status =
        random_below(caller, 4)
            ? sipc_host_call(caller->host, &call)
            : sipc_host_call_slot(caller->host, random_below(caller, self.slots), &call);
    bool right = status == SIPC_OK && call.response_size == size &&
                 memcmp(response + 1, request + 1, size) == 0;
    note(caller, status, right, began);
    free(request);
    free(response);
}

static sipc_status use_session(struct caller *caller, sipc_session *session, uint32_t size,
                               bool *right) {
    uint8_t pattern = (uint8_t)random_below(caller, 256);
    uint8_t *request = sipc_session_request(session, NULL);
    if (!request) return SIPC_TIMEOUT;
    memset(request, pattern, size);
    const void *response;
    uint32_t received, sum = 0;
    sipc_status status = sipc_session_call(session, SIPC_MESSAGE_NORMAL, size,
                                           caller->timeout_us * 1000, &response, &received);
    const volatile uint8_t *bytes = response;
    for (uint32_t i = 0; response && i < received; i++) sum += bytes[i] == pattern;
    *right = status == SIPC_OK && received == size && sum == size;
    return status;
}

static void call_in_place(struct caller *caller, uint32_t size) {
    sipc_session *session;
    bool right = false;
    struct moment began = moment_now(caller);
    sipc_status status =
        sipc_host_acquire(caller->host, SIPC_ANY_SLOT, caller->timeout_us * 1000, &session);
    if (status == SIPC_OK) {
        began = moment_now(caller); // its own deadline
        status = use_session(caller, session, size, &right);
        sipc_session_release(session);
    }
    note(caller, status, right, began);
}

static void *run_caller(void *context) {
    struct caller *caller = context;
    const struct timespec pause = {.tv_nsec = 100000};
    caller->statistics = open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);
    while (!atomic_load_explicit(&stopping, memory_order_acquire)) {
        uint32_t size = random_below(caller, random_below(caller, 2) ? 50 : self.capacity + 1);
        if (random_below(caller, 4))
            call_copied(caller, size);
        else
            call_in_place(caller, size);
        if (caller->beside) nanosleep(&pause, NULL);
    }
    close(caller->statistics);
    return NULL;
}

// ---- Commands ----------------------------------------------------------------------------------

static sipc_host *create(const char *name) {
    const sipc_host_options options = {.request_capacity = self.capacity,
                                       .response_capacity = self.capacity};
    sipc_host *host;
    sipc_status status = sipc_host_create(name, self.slots, 0, &options, &host);
    if (status) give_up("creating", status);
    return host;
}

static void do_open(void) {
    self.before = resources_now();
    self.host = create(self.name);
    self.host_beside = create(self.beside);
    atomic_store_explicit(&stopping, false, memory_order_release);
    for (uint32_t i = 0; i <= self.callers; i++) {
        bool beside = i == self.callers;
        callers[i] = (struct caller){.host = beside ? self.host_beside : self.host,
                                     .beside = beside,
                                     .random = now_us() * UINT64_C(0x9E3779B97F4A7C15) + i,
                                     .timeout_us = beside ? BESIDE_TIMEOUT_US : self.timeout_us};
        if (pthread_create(&callers[i].thread, NULL, run_caller, &callers[i]) != 0) abort();
    }
    puts("opened");
}

static void tell(const struct tally *sum, const struct tally *beside, uint64_t close_us) {
    uint64_t calls = 0;
    for (int i = 0; i < STATUSES; i++) calls += sum->of[i];
    printf("closed calls=%" PRIu64 " right=%" PRIu64 " answered=%" PRIu64 " violated=%" PRIu64
           " lost=%" PRIu64 " longest_us=%" PRIu64 " overrun_us=%" PRIu64 " beside=%" PRIu64
           " beside_longest_us=%" PRIu64 " close_us=%" PRIu64 "\n",
           calls, sum->right, sum->of[0], sum->of[-SIPC_PROTOCOL_VIOLATED],
           sum->of[-SIPC_REGION_LOST] + sum->of[-SIPC_REGION_LOST_MAYBE_EXECUTED], sum->longest_us,
           sum->overrun_us, beside->right, beside->longest_us, close_us);
}

static void do_close(void) {
    struct tally sum = {.right = 0};
    atomic_store_explicit(&stopping, true, memory_order_release);
    for (uint32_t i = 0; i <= self.callers; i++) {
        pthread_join(callers[i].thread, NULL);
        const struct tally *one = &callers[i].tally;
        if (callers[i].beside) continue;
        for (int status = 0; status < STATUSES; status++) sum.of[status] += one->of[status];
        sum.right += one->right;
        if (one->longest_us > sum.longest_us) sum.longest_us = one->longest_us;
        if (one->overrun_us > sum.overrun_us) sum.overrun_us = one->overrun_us;
    }
    uint64_t began = now_us();
    sipc_host_close(self.host);
    sipc_host_close(self.host_beside);
    uint64_t took = now_us() - began;
    resources_expect(&self.before);
    tell(&sum, &callers[self.callers].tally, took);
}

int main(int count, char **words) {
    if (count != 6) return 2;
    snprintf(self.name, sizeof self.name, "%s", words[1]);
    snprintf(self.beside, sizeof self.beside, "%sbeside", self.name);
    self.slots = (uint32_t)atoi(words[2]);
    self.capacity = (uint32_t)atoi(words[3]);
    self.callers = (uint32_t)atoi(words[4]);
    self.timeout_us = (uint64_t)atoi(words[5]);
    if (self.callers > MOST_CALLERS) return 2;
    setvbuf(stdout, NULL, _IOLBF, 0);
    resources_settle();
    char line[64];
    puts("ready");
    while (fgets(line, sizeof line, stdin)) {
        if (strcmp(line, "open\n") == 0)
            do_open();
        else if (strcmp(line, "close\n") == 0)
            do_close();
        else
            return 2;
    }
    return 0;
}
