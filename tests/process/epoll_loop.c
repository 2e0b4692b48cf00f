// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "epoll_loop.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

static int loop = -1;

static void add(int descriptor) {
    struct epoll_event event = {.events = EPOLLIN, .data.fd = descriptor};
    if (epoll_ctl(loop, EPOLL_CTL_ADD, descriptor, &event) != 0) abort();
}

void epoll_loop_open(intptr_t descriptor) {
    loop = epoll_create1(EPOLL_CLOEXEC);
    if (loop < 0) abort();
    add((int)descriptor);
}

void epoll_loop_add_input(void) {
    add(STDIN_FILENO);
}

bool epoll_loop_wait(void) {
    struct epoll_event events[2];
    int count;
    do count = epoll_wait(loop, events, 2, -1);
    while (count < 0 && errno == EINTR);
    for (int i = 0; i < count; i++)
        if (events[i].data.fd == STDIN_FILENO) return false;
    return true;
}

void epoll_loop_close(void) {
    if (loop >= 0) close(loop);
    loop = -1;
}
