// SPDX-License-Identifier: Apache-2.0
// Row 9: the fuzzers of attaching and of one exchange, in C and in Go, each for some seconds or a
// minute. fuzzers.sh builds them, by clang, runs them and tells the figures.
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "row.h"

static void fuzzers_find_nothing(void) {
    row_begin("9", "fuzzers on attach and on one exchange", 110, 1200);
    pid_t parent = getpid(), pid = fork();
    row_expect(pid >= 0, "fork: %s", strerror(errno));
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGTERM);
        if (getppid() == parent) execl("/bin/bash", "bash", FUZZERS_SCRIPT, (char *)NULL);
        _exit(127);
    }
    int status;
    row_expect(waitpid(pid, &status, 0) == pid, "waitpid: %s", strerror(errno));
    row_expect(status == 0, "%s ended with status 0x%x", FUZZERS_SCRIPT, (unsigned)status);
    row_end();
}

int main(void) {
    return row_main(fuzzers_find_nothing);
}
