// SPDX-License-Identifier: Apache-2.0
// The guest of the process tests in C.
//
//   guest_c NAME [--workers N] [--attach-ms N] [--again] [--reconnect] [--poll]
//
// It prints "attached SLOTS", "ready", then "ended" when its workers have ended, and why if not in
// order; or "failed STATUS TEXT". With --again it attaches anew whenever a host ended, until there
// is none within the attach timeout; with --reconnect the library does so. With --poll it serves
// from a loop of its own instead of workers. Any line on its standard input, or the end of that,
// ends it. From the environment: SEALED_FOLDER, where a sealed region is offered; ANY_OWNER, whose
// presence lets the host be anybody; GUEST_USER, the user to become first.
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <simpleipc/simpleipc.h>

#include "message.h"
#include "resources.h"

struct options {
    const char *name;
    sipc_guest_options guest;
    bool again;
    bool poll;
};

static _Atomic uint8_t executions[COUNTED_CALLERS][COUNTED_SEQUENCES];
static _Atomic uint32_t changes;

static pthread_mutex_t current_lock = PTHREAD_MUTEX_INITIALIZER;
static sipc_guest *current; // guarded by current_lock, as is the next
static bool stopped;

// ---- The handler -------------------------------------------------------------------------------

static void sleep_us(uint32_t microseconds) {
    struct timespec left = {.tv_sec = microseconds / 1000000,
                            .tv_nsec = (long)(microseconds % 1000000) * 1000};
    nanosleep(&left, NULL);
}

static void say(const char *line) {
    puts(line);
    fflush(stdout);
}

static void count_execution(const uint8_t *data) {
    uint32_t stamp[2];
    memcpy(stamp, data, sizeof stamp);
    if (stamp[0] < COUNTED_CALLERS && stamp[1] < COUNTED_SEQUENCES)
        atomic_fetch_add_explicit(&executions[stamp[0]][stamp[1]], 1, memory_order_relaxed);
}

static sipc_status answer_stamped(const sipc_request *request, sipc_response *response) {
    uint32_t size = request->message_id == MESSAGE_ANNOUNCE
                        ? response->capacity
                        : request->message_id & MESSAGE_STAMPED_SIZE_BITS;
    uint64_t hash = message_hash(request->data, request->size);
    if (request->size >= STAMP_SIZE) count_execution(request->data);
    if (request->message_id == MESSAGE_ANNOUNCE) say("handling");
    if (request->size >= STAMP_WITH_SLEEP_SIZE) {
        uint32_t microseconds;
        memcpy(&microseconds, (const uint8_t *)request->data + STAMP_SIZE, sizeof microseconds);
        if (microseconds) sleep_us(microseconds);
    }
    if (message_hash(request->data, request->size) != hash)
        atomic_fetch_add_explicit(&changes, 1, memory_order_relaxed);
    response->size = size;
    if (size <= response->capacity)
        message_fill_response(response->data, size, request->data, request->size);
    return SIPC_OK;
}

static sipc_status put(sipc_response *response, const void *from, uint32_t size) {
    response->size = size;
    if (size <= response->capacity && size) memcpy(response->data, from, size);
    return SIPC_OK;
}

static sipc_status reveal(const sipc_request *request, sipc_response *response) {
    struct revelation revelation = {
        .message_id = request->message_id,
        .slot = request->slot,
        .process_id = (uint32_t)getpid(),
        .worker = (uint32_t)syscall(SYS_gettid),
        .transport_id = request->transport_id,
    };
    return put(response, &revelation, sizeof revelation);
}

static sipc_status tell_executions(const sipc_request *request, sipc_response *response) {
    uint32_t stamp[2];
    if (request->size < sizeof stamp) return SIPC_INVALID_ARGUMENT;
    memcpy(stamp, request->data, sizeof stamp);
    if (stamp[0] >= COUNTED_CALLERS || stamp[1] >= COUNTED_SEQUENCES) return SIPC_INVALID_ARGUMENT;
    uint32_t count = atomic_load_explicit(&executions[stamp[0]][stamp[1]], memory_order_relaxed);
    return put(response, &count, sizeof count);
}

static sipc_status handle(void *context, const sipc_request *request, sipc_response *response) {
    (void)context;
    if (message_is_stamped(request->message_id)) return answer_stamped(request, response);
    switch (request->message_id) {
    case SIPC_MESSAGE_NORMAL:
        return put(response, request->data, request->size);
    case MESSAGE_FAIL:
        put(response, FAILURE_TEXT, sizeof FAILURE_TEXT - 1);
        return SIPC_INVALID_ARGUMENT;
    case MESSAGE_GOEXIT:
        pthread_exit(NULL);
    case MESSAGE_OVERSIZE:
        response->size = response->capacity + 1;
        return SIPC_OK;
    case MESSAGE_UNKNOWN:
        return SIPC_UNKNOWN_MESSAGE;
    case MESSAGE_EXECUTIONS:
        return tell_executions(request, response);
    case MESSAGE_CHANGES: {
        uint32_t count = atomic_load_explicit(&changes, memory_order_relaxed);
        return put(response, &count, sizeof count);
    }
    default:
        return reveal(request, response);
    }
}

// ---- Life --------------------------------------------------------------------------------------

// Returns false if the guest is to stop at once.
static bool set_current(sipc_guest *guest) {
    pthread_mutex_lock(&current_lock);
    current = guest;
    bool go_on = !stopped;
    pthread_mutex_unlock(&current_lock);
    return go_on;
}

static void *listen_for_stop(void *unused) {
    (void)unused;
    char line[64];
    // Not by stdin, whose lock would be held while the process exits.
    while (read(STDIN_FILENO, line, sizeof line) < 0) {
    }
    pthread_mutex_lock(&current_lock);
    stopped = true;
    sipc_guest_stop(current);
    pthread_mutex_unlock(&current_lock);
    return NULL;
}

static void fail(sipc_status status) {
    printf("failed %s %s\n", sipc_status_name(status), sipc_error_text());
    fflush(stdout);
}

// Returns SIPC_OK if it ended in order.
static sipc_status serve(sipc_guest *guest, bool by_polling) {
    sipc_status status = SIPC_OK;
    if (by_polling) {
        say("ready");
        while (status == SIPC_OK) {
            status = sipc_guest_poll(guest, handle, NULL, NULL);
            sched_yield();
        }
        return status == SIPC_CLOSED ? SIPC_OK : status;
    }
    status = sipc_guest_start(guest, handle, NULL);
    if (status) return status == SIPC_CLOSED ? SIPC_OK : status;
    say("ready");
    return sipc_guest_wait(guest);
}

static sipc_status live_once(const struct options *options) {
    struct resources before = resources_now();
    sipc_guest *guest;
    sipc_status status = sipc_guest_attach(options->name, &options->guest, &guest);
    if (status) return status;
    printf("attached %u\n", sipc_guest_slots(guest));
    fflush(stdout);
    if (set_current(guest)) status = serve(guest, options->poll);
    set_current(NULL);
    sipc_guest_detach(guest);
    resources_expect(&before);
    printf(status ? "ended %s\n" : "ended\n", sipc_status_name(status));
    fflush(stdout);
    return SIPC_OK;
}

static bool read_options(int count, char **words, struct options *options) {
    if (count < 2) return false;
    options->name = words[1];
    options->guest.sealed_folder = getenv("SEALED_FOLDER");
    options->guest.any_owner = getenv("ANY_OWNER") != NULL;
    for (int i = 2; i < count; i++) {
        if (strcmp(words[i], "--again") == 0)
            options->again = true;
        else if (strcmp(words[i], "--reconnect") == 0)
            options->guest.reconnect = 1;
        else if (strcmp(words[i], "--poll") == 0)
            options->poll = true;
        else if (strcmp(words[i], "--workers") == 0 && i + 1 < count)
            options->guest.workers = (uint32_t)atoi(words[++i]);
        else if (strcmp(words[i], "--attach-ms") == 0 && i + 1 < count)
            options->guest.attach_timeout_ns = (uint64_t)atoi(words[++i]) * 1000000;
        else
            return false;
    }
    return true;
}

int main(int count, char **words) {
    struct options options = {0};
    if (!read_options(count, words, &options)) {
        fprintf(stderr, "usage: guest_c NAME [--workers N] [--attach-ms N] [--again] [--reconnect] "
                        "[--poll]\n");
        return 2;
    }
    const char *user = getenv("GUEST_USER");
    uid_t id = user ? (uid_t)atoi(user) : getuid();
    if (user && (setresgid(id, id, id) != 0 || setresuid(id, id, id) != 0)) return 2;
    resources_settle();
    pthread_t listener;
    if (pthread_create(&listener, NULL, listen_for_stop, NULL) != 0) return 2;
    pthread_detach(listener);
    sipc_status status;
    do status = live_once(&options);
    while (options.again && status == SIPC_OK && set_current(NULL));
    if (status) fail(status);
    return status ? 1 : 0;
}
