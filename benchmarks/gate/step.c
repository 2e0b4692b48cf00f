// SPDX-License-Identifier: Apache-2.0
#include "step.h"

#include <elf.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>

// A path that does not end is none of ours.
#define STEPS_MAX 1000000

void step_allow(void) {
    if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0) {
        perror("this process may not be traced");
        exit(1);
    }
}

void step_stop(void) {
    raise(SIGTRAP);
}

// Not inlined and not merged: their addresses are the marks.
__attribute__((noinline)) void step_begin(void) {
    __asm__ volatile("" ::: "memory");
}

__attribute__((noinline)) void step_end(void) {
    __asm__ volatile("# another" ::: "memory");
}

static void must(long result, const char *what) {
    if (result != -1) return;
    fprintf(stderr, "%s: %s\n", what, strerror(errno));
    exit(1);
}

// All children are forks of this process: its addresses are theirs.
static uintptr_t place_of(pid_t thread) {
    struct user_regs_struct registers;
    struct iovec window = {&registers, sizeof registers};
    must(ptrace(PTRACE_GETREGSET, thread, (void *)(uintptr_t)NT_PRSTATUS, &window),
         "the registers of the traced thread");
#if defined(__x86_64__)
    return registers.rip;
#elif defined(__aarch64__)
    return registers.pc;
#else
#error "Say here where this processor keeps the address of the next instruction."
#endif
}

static void step(pid_t thread) {
    int status;
    must(ptrace(PTRACE_SINGLESTEP, thread, NULL, NULL), "a single step");
    must(waitpid(thread, &status, __WALL), "waiting for a single step");
    if (WIFSTOPPED(status) && WSTOPSIG(status) == SIGTRAP) return;
    fprintf(stderr, "the traced thread did not take a step: status %#x\n", (unsigned)status);
    exit(1);
}

static int64_t steps_until(pid_t thread, void (*mark)(void)) {
    for (int64_t steps = 0; steps < STEPS_MAX; steps++) {
        if (place_of(thread) == (uintptr_t)mark) return steps;
        step(thread);
    }
    fprintf(stderr, "the traced thread did not come to the mark in %d steps\n", STEPS_MAX);
    exit(1);
}

int64_t step_count(void) {
    int status;
    pid_t thread;
    while ((thread = waitpid(-1, &status, __WALL)) > 0) {
        if (!WIFSTOPPED(status)) continue;
        if (WSTOPSIG(status) != SIGTRAP) {
            ptrace(PTRACE_CONT, thread, NULL, (void *)(uintptr_t)WSTOPSIG(status));
            continue;
        }
        // A tracer that ends early leaves nobody behind.
        ptrace(PTRACE_SETOPTIONS, thread, NULL, (void *)PTRACE_O_EXITKILL);
        (void)steps_until(thread, step_begin);
        int64_t steps = steps_until(thread, step_end);
        must(ptrace(PTRACE_CONT, thread, NULL, NULL), "letting the traced thread run on");
        return steps;
    }
    return -1;
}
