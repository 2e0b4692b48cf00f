// SPDX-License-Identifier: Apache-2.0
// A host of the process tests that its guests call.
//
//   server_c NAME GUEST_SLOTS DATA_SIZE [--poll | --loop]
//
// It prints "ready" when it serves, answers as handler.h says, and prints "ended" when any line on
// its standard input, or the end of that, has ended it. With --poll it serves from a loop of its
// own, with --loop from one that waits by epoll.
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <simpleipc/event_loop.h>

#include "epoll_loop.h"
#include "handler.h"
#include "resources.h"

static int fail(sipc_status status) {
    printf("failed %s %s\n", sipc_status_name(status), sipc_error_text());
    return 1;
}

static sipc_status poll_until_told(sipc_host *host) {
    char byte;
    sipc_status status = SIPC_OK;
    fcntl(STDIN_FILENO, F_SETFL, O_NONBLOCK);
    say("ready");
    while (status == SIPC_OK && read(STDIN_FILENO, &byte, 1) < 0) {
        status = sipc_host_poll(host, handle_message, NULL, NULL);
        sched_yield();
    }
    return status;
}

static sipc_status loop_until_told(sipc_host *host) {
    intptr_t descriptor;
    sipc_status status = sipc_host_descriptor(host, &descriptor);
    if (status) return status;
    epoll_loop_open(descriptor);
    epoll_loop_add_input();
    say("ready");
    while (status == SIPC_OK) {
        status = sipc_host_arm(host);
        if (status || !epoll_loop_wait()) break;
        status = sipc_host_poll(host, handle_message, NULL, NULL);
    }
    epoll_loop_close();
    return status;
}

static sipc_status serve_until_told(sipc_host *host) {
    char byte;
    sipc_status status = sipc_host_serve(host, NULL, handle_message, NULL);
    if (status) return status;
    say("ready");
    while (read(STDIN_FILENO, &byte, 1) < 0) {
    }
    return SIPC_OK;
}

int main(int count, char **words) {
    bool polls = count == 5 && strcmp(words[4], "--poll") == 0;
    bool loops = count == 5 && strcmp(words[4], "--loop") == 0;
    if (count != 4 && !polls && !loops) {
        fprintf(stderr, "usage: server_c NAME GUEST_SLOTS DATA_SIZE [--poll | --loop]\n");
        return 2;
    }
    resources_settle();
    struct resources before = resources_now();
    const sipc_host_options options = {.guest_slots = (uint32_t)atoi(words[2])};
    sipc_host *host;
    sipc_status status = sipc_host_create(words[1], 1, (uint32_t)atoi(words[3]), &options, &host);
    if (status) return fail(status);
    status = polls ? poll_until_told(host) : loops ? loop_until_told(host) : serve_until_told(host);
    sipc_host_close(host);
    if (status) return fail(status);
    resources_expect(&before);
    say("ended");
    return 0;
}
