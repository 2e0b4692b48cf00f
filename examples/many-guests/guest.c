// SPDX-License-Identifier: Apache-2.0
// One of many guests: says its name to whoever asks, until its host ends or it gets SIGTERM. Then
// it finishes what it has begun, and leaves the rest to others.
//
//   guest NAME OWN-NAME
//
// It serves two slots, and waits for them if other guests have them: start the next one, then end
// the old one.
#define _POSIX_C_SOURCE 200809L
#include <simpleipc/simpleipc.h>

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

static sipc_status say_name(void *name, const sipc_request *request, sipc_response *response) {
    (void)request;
    response->size = (uint32_t)strlen(name);
    memcpy(response->data, name, response->size);
    return SIPC_OK;
}

struct ending {
    sigset_t signals;
    sipc_guest *guest;
};

// A thread of its own waits for signals: their handlers may call next to nothing.
static void *end_in_order(void *context) {
    const struct ending *ending = context;
    int signal;
    while (sigwait(&ending->signals, &signal) != 0) {
    }
    sipc_guest_stop(ending->guest);
    return NULL;
}

static sipc_status serve_until_told(struct ending *ending, char *name) {
    sipc_status status = sipc_guest_start(ending->guest, say_name, name);
    if (status != SIPC_OK) return status;
    printf("%s serves %u slots\n", name, sipc_guest_slots(ending->guest));
    fflush(stdout);
    pthread_t ender;
    if (pthread_create(&ender, NULL, end_in_order, ending) != 0) return SIPC_SYSTEM;
    status = sipc_guest_wait(ending->guest);
    pthread_cancel(ender); // where the host has ended it
    pthread_join(ender, NULL);
    return status;
}

int main(int count, char **words) {
    if (count != 3) {
        fprintf(stderr, "usage: guest NAME OWN-NAME\n");
        return 2;
    }
    // Before the first thread, which all the others have it from.
    struct ending ending;
    sigemptyset(&ending.signals);
    sigaddset(&ending.signals, SIGTERM);
    sigaddset(&ending.signals, SIGINT);
    pthread_sigmask(SIG_BLOCK, &ending.signals, NULL);

    const sipc_guest_options options = {.name = words[2], .workers = 2, .wait_for_slots = 1};
    sipc_status status = sipc_guest_attach(words[1], &options, &ending.guest);
    if (status == SIPC_OK) {
        status = serve_until_told(&ending, words[2]);
        sipc_guest_detach(ending.guest);
    }
    if (status != SIPC_OK) fprintf(stderr, "%s\n", sipc_error_text());
    return status == SIPC_OK ? 0 : 1;
}
