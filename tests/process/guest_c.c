// SPDX-License-Identifier: Apache-2.0
// The guest of the process tests in C.
//
//   guest_c NAME [--workers N] [--attach-ms N] [--again] [--reconnect] [--poll | --loop]
//       [--later SLOTS] [--name NAME] [--spare]
//
// It prints "attached SLOTS", "ready", then "ended" when its workers have ended, and why if not in
// order; or "failed STATUS TEXT". With --again it attaches anew whenever a host ended, until there
// is none within the attach timeout; with --reconnect the library does so. With --poll it serves
// from a loop of its own instead of workers, with --loop from one that waits by epoll; with --later
// one worker serves so many slots and leaves all answers to other threads; with --spare it waits
// for slots. Any line on its standard input, or the end of that, ends it. From the environment:
// SEALED_FOLDER, where a sealed region is offered; ANY_OWNER, whose presence lets the host be
// anybody; GUEST_USER, the user to become first.
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <simpleipc/event_loop.h>
#include <simpleipc/simpleipc.h>

#include "epoll_loop.h"
#include "handler.h"
#include "later.h"
#include "resources.h"

struct options {
    const char *name;
    sipc_guest_options guest;
    bool again;
    bool poll;
    bool loop;
    unsigned later; // threads that answer; 0: the handler does
};

static pthread_mutex_t current_lock = PTHREAD_MUTEX_INITIALIZER;
static sipc_guest *current; // guarded by current_lock, as is the next
static bool stopped;

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

static sipc_status serve_in_loop(sipc_guest *guest) {
    intptr_t descriptor;
    sipc_status status = sipc_guest_descriptor(guest, &descriptor);
    if (status) return status;
    epoll_loop_open(descriptor);
    say("ready");
    while (status == SIPC_OK) {
        status = sipc_guest_arm(guest);
        if (status) break;
        epoll_loop_wait();
        status = sipc_guest_poll(guest, handle_message, NULL, NULL);
    }
    epoll_loop_close();
    return status == SIPC_CLOSED ? SIPC_OK : status;
}

// Returns SIPC_OK if it ended in order.
static sipc_status serve(sipc_guest *guest, const struct options *options) {
    sipc_status status = SIPC_OK;
    if (options->poll) {
        say("ready");
        while (status == SIPC_OK) {
            status = sipc_guest_poll(guest, handle_message, NULL, NULL);
            sched_yield();
        }
        return status == SIPC_CLOSED ? SIPC_OK : status;
    }
    if (options->loop) return serve_in_loop(guest);
    status = sipc_guest_start(guest, options->later ? leave_message : handle_message, NULL);
    if (status) return status == SIPC_CLOSED ? SIPC_OK : status;
    say("ready");
    return sipc_guest_wait(guest);
}

static sipc_status live_once(const struct options *options) {
    struct resources before = resources_now();
    desk_open(options->later);
    sipc_guest *guest;
    sipc_status status = sipc_guest_attach(options->name, &options->guest, &guest);
    if (status) return status;
    printf("attached %u\n", sipc_guest_slots(guest));
    fflush(stdout);
    if (set_current(guest)) status = serve(guest, options);
    set_current(NULL);
    sipc_guest_detach(guest);
    desk_close();
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
        else if (strcmp(words[i], "--loop") == 0)
            options->loop = true;
        else if (strcmp(words[i], "--later") == 0 && i + 1 < count)
            options->later = options->guest.slots_per_worker = (uint32_t)atoi(words[++i]);
        else if (strcmp(words[i], "--spare") == 0)
            options->guest.wait_for_slots = 1;
        else if (strcmp(words[i], "--name") == 0 && i + 1 < count)
            options->guest.name = words[++i];
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
                        "[--poll | --loop] [--later SLOTS]\n");
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
