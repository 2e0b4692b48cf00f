// SPDX-License-Identifier: Apache-2.0
#include "process.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

bool parse_number(const char *text, long least, long most, long *number) {
    char *end;
    errno = 0;
    *number = strtol(text, &end, 10);
    return end != text && *end == '\0' && errno == 0 && *number >= least && *number <= most;
}

int allowed_processor(int n) {
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0) {
        return -1;
    }
    for (int processor = 0; processor < CPU_SETSIZE; processor++) {
        if (CPU_ISSET(processor, &set) && n-- == 0) {
            return processor;
        }
    }
    return -1;
}

bool pin_to_processor(int processor) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET((size_t)processor, &set);
    if (sched_setaffinity(0, sizeof set, &set) != 0) {
        fprintf(stderr, "bare: cannot run on processor %d: %s\n", processor, strerror(errno));
        return false;
    }
    return true;
}

pid_t start_guest(const char *program, const char *name, int processor) {
    char number[16];
    snprintf(number, sizeof number, "%d", processor);
    char *arguments[] = {(char *)program, "--name", (char *)name, "--cpu", number, NULL};
    pid_t child;
    int error = posix_spawn(&child, program, NULL, NULL, arguments, environ);
    if (error != 0) {
        fprintf(stderr, "bare: cannot start guest '%s': %s\n", program, strerror(error));
        return -1;
    }
    return child;
}

void end_child(pid_t child) {
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
}

static void *wait_for_end(void *argument) {
    struct pollfd process = {.fd = (int)(intptr_t)argument, .events = POLLIN};
    while (poll(&process, 1, -1) < 0 && errno == EINTR) {
    }
    static const char message[] = "bare: the peer process ended\n";
    ssize_t written = write(STDERR_FILENO, message, sizeof message - 1);
    (void)written;
    _exit(1);
}

bool exit_with_peer(pid_t peer) {
    // By number: the C library may be older than the call.
    long process = syscall(434 /* pidfd_open */, peer, 0);
    if (process < 0) {
        fprintf(stderr, "bare: cannot watch process %d: %s\n", (int)peer, strerror(errno));
        return false;
    }
    pthread_t thread;
    int error = pthread_create(&thread, NULL, wait_for_end, (void *)(intptr_t)process);
    if (error != 0) {
        fprintf(stderr, "bare: cannot start a thread: %s\n", strerror(error));
        return false;
    }
    pthread_detach(thread);
    return true;
}
