// SPDX-License-Identifier: Apache-2.0
// The program's system calls that ask for the wall clock, or wait by it, are handed to this process
// by seccomp. So that it has to make system calls for that, it is started without a vDSO: a tracer
// takes that out of the auxiliary vector that the kernel gave it.
#define _GNU_SOURCE
#include "wall_clock.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#if defined(__x86_64__)
#define ARCHITECTURE AUDIT_ARCH_X86_64
#define STACK_POINTER(registers) ((registers).rsp)
#elif defined(__aarch64__)
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#define STACK_POINTER(registers) ((registers).sp)
#endif

// ---- In the program's process, before it -------------------------------------------------------

static _Noreturn void fail(const char *what) {
    fprintf(stderr, "a wall clock of its own: %s: %s\n", what, strerror(errno));
    _exit(3);
}

#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define IF_IS(value, then, otherwise) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, then, otherwise)
#define IF_HAS(bits, then, otherwise) BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, bits, then, otherwise)
#define HAND_OVER BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF)
#define ALLOW BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
// The steps that follow are for this system call only; others pass over that many.
#define FOR_CALL(number, steps) LOAD(nr), IF_IS(number, 0, steps)

// Hands over looks at the wall clock, and waits that end at a moment of it. Returns the listener.
static int hand_over_clock_calls(void) {
    struct sock_filter steps[] = {
        LOAD(arch),
        IF_IS(ARCHITECTURE, 1, 0),
        ALLOW,
        FOR_CALL(SYS_gettimeofday, 1),
        HAND_OVER,
#ifdef SYS_time
        FOR_CALL(SYS_time, 1),
        HAND_OVER,
#endif
        FOR_CALL(SYS_clock_gettime, 5),
        LOAD(args[0]),
        IF_IS(CLOCK_REALTIME, 1, 0),
        IF_IS(CLOCK_REALTIME_COARSE, 0, 1),
        HAND_OVER,
        ALLOW,
        FOR_CALL(SYS_futex, 6),
        LOAD(args[1]),
        IF_HAS(FUTEX_CLOCK_REALTIME, 0, 3),
        LOAD(args[3]), // the end; its lower half tells whether there is one
        IF_IS(0, 1, 0),
        HAND_OVER,
        ALLOW,
        FOR_CALL(SYS_clock_nanosleep, 6),
        LOAD(args[0]),
        IF_IS(CLOCK_REALTIME, 0, 3),
        LOAD(args[1]),
        IF_HAS(TIMER_ABSTIME, 0, 1),
        HAND_OVER,
        ALLOW,
        ALLOW,
    };
    struct sock_fprog program = {.len = sizeof steps / sizeof steps[0], .filter = steps};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) fail("prctl");
    int listener = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
                                SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
    if (listener < 0) fail("seccomp with a listener, which needs Linux 5.5");
    return listener;
}

static void send_descriptor(int socket, int descriptor) {
    char byte = 0;
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof descriptor)] = {0};
    struct iovec data = {.iov_base = &byte, .iov_len = 1};
    struct msghdr message = {.msg_iov = &data,
                             .msg_iovlen = 1,
                             .msg_control = control,
                             .msg_controllen = sizeof control};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof descriptor);
    memcpy(CMSG_DATA(header), &descriptor, sizeof descriptor);
    if (sendmsg(socket, &message, 0) != 1) fail("sendmsg");
}

static int receive_descriptor(int socket) {
    char byte;
    int descriptor = -1;
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof descriptor)];
    struct iovec data = {.iov_base = &byte, .iov_len = 1};
    struct msghdr message = {.msg_iov = &data,
                             .msg_iovlen = 1,
                             .msg_control = control,
                             .msg_controllen = sizeof control};
    ssize_t got = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
    row_expect(got == 1 && CMSG_FIRSTHDR(&message) != NULL,
               "the program could not be given a wall clock of its own");
    memcpy(&descriptor, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof descriptor);
    return descriptor;
}

// ---- The tracer: a child of the program, which it was before it -------------------------------

// On the new stack stand the number of arguments, these, NULL, the environment, NULL, and pairs of
// numbers.
static void take_vdso_away(pid_t program, uint64_t at) {
    uint64_t words = 1 + (uint64_t)ptrace(PTRACE_PEEKDATA, program, (void *)at, NULL) + 1;
    while (ptrace(PTRACE_PEEKDATA, program, (void *)(at + words * 8), NULL) != 0) words++;
    for (words++;; words += 2) {
        void *pair = (void *)(at + words * 8);
        long key = ptrace(PTRACE_PEEKDATA, program, pair, NULL);
        if (key == AT_NULL) return;
        if (key == AT_SYSINFO_EHDR) ptrace(PTRACE_POKEDATA, program, pair, (void *)AT_IGNORE);
    }
}

// Lets signals pass until the program has begun.
static int await_beginning(pid_t program) {
    int status;
    while (waitpid(program, &status, __WALL) == program && WIFSTOPPED(status)) {
        if (status >> 8 == (SIGTRAP | PTRACE_EVENT_EXEC << 8)) return 0;
        if (ptrace(PTRACE_CONT, program, NULL, (void *)(long)WSTOPSIG(status)) != 0) return -1;
    }
    return -1;
}

static _Noreturn void trace(pid_t program, int ready) {
    struct user_regs_struct registers;
    struct iovec area = {.iov_base = &registers, .iov_len = sizeof registers};
    char byte = 0;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (ptrace(PTRACE_SEIZE, program, NULL, (void *)PTRACE_O_TRACEEXEC) != 0) fail("ptrace");
    if (write(ready, &byte, 1) != 1 || await_beginning(program) != 0) fail("tracing");
    if (ptrace(PTRACE_GETREGSET, program, (void *)NT_PRSTATUS, &area) != 0) fail("registers");
    take_vdso_away(program, STACK_POINTER(registers));
    ptrace(PTRACE_DETACH, program, NULL, NULL);
    _exit(0);
}

static void start_tracer(void) {
    int ready[2];
    char byte;
    pid_t program = getpid();
    if (pipe2(ready, O_CLOEXEC) != 0) fail("pipe");
    pid_t tracer = fork();
    if (tracer < 0) fail("fork");
    if (tracer == 0) trace(program, ready[1]);
    close(ready[1]);
    prctl(PR_SET_PTRACER, tracer, 0, 0, 0); // where only ancestors may trace
    if (read(ready[0], &byte, 1) != 1) fail("the tracer has gone");
}

int wall_clock_exec(char **words) {
    int socket = atoi(words[0]);
    start_tracer();
    int listener = hand_over_clock_calls();
    send_descriptor(socket, listener);
    close(listener);
    close(socket);
    execv(words[1], words + 1);
    fail(words[1]);
}

// ---- In the row --------------------------------------------------------------------------------

static struct timespec other_time(struct wall_clock *clock) {
    static const int hours[] = {1, -1, 24 * 365, -24 * 365, 0, -3};
    uint64_t look = atomic_fetch_add_explicit(&clock->looks, 1, memory_order_relaxed);
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    now.tv_sec += 3600L * hours[look % (sizeof hours / sizeof hours[0])];
    return now;
}

static void write_to(uint32_t thread, uint64_t at, const void *data, size_t size) {
    struct iovec from = {.iov_base = (void *)data, .iov_len = size};
    struct iovec to = {.iov_base = (void *)at, .iov_len = size};
    if (at) process_vm_writev((pid_t)thread, &from, 1, &to, 1, 0);
}

static void answer_look(struct wall_clock *clock, const struct seccomp_notif *call,
                        struct seccomp_notif_resp *answer) {
    struct timespec time = other_time(clock);
    if (call->data.nr == SYS_clock_gettime) {
        write_to(call->pid, call->data.args[1], &time, sizeof time);
    } else if (call->data.nr == SYS_gettimeofday) {
        struct timeval coarse = {.tv_sec = time.tv_sec, .tv_usec = time.tv_nsec / 1000};
        write_to(call->pid, call->data.args[0], &coarse, sizeof coarse);
    } else {
        write_to(call->pid, call->data.args[0], &time.tv_sec, sizeof time.tv_sec);
        answer->val = time.tv_sec;
    }
}

static bool is_wait(const struct seccomp_notif *call) {
    return call->data.nr == SYS_futex || call->data.nr == SYS_clock_nanosleep;
}

static bool answer_one(struct wall_clock *clock) {
    _Alignas(8) char call_room[512] = {0}, answer_room[512] = {0}; // newer systems may want more
    struct seccomp_notif *call = (struct seccomp_notif *)(void *)call_room;
    struct seccomp_notif_resp *answer = (struct seccomp_notif_resp *)(void *)answer_room;
    if (ioctl(clock->listener, SECCOMP_IOCTL_NOTIF_RECV, call) != 0) return errno == EINTR;
    answer->id = call->id;
    if (is_wait(call)) {
        atomic_fetch_add_explicit(&clock->waits, 1, memory_order_relaxed);
        answer->flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
    } else {
        answer_look(clock, call, answer);
    }
    ioctl(clock->listener, SECCOMP_IOCTL_NOTIF_SEND, answer); // in vain if its thread has gone
    return true;
}

static void *answer_all(void *context) {
    struct wall_clock *clock = context;
    struct pollfd called = {.fd = clock->listener, .events = POLLIN};
    while (poll(&called, 1, -1) >= 0 || errno == EINTR) {
        if (called.revents & POLLIN && !answer_one(clock) && errno != ENOENT) break;
        if (called.revents & (POLLHUP | POLLERR)) break;
    }
    return NULL;
}

void wall_clock_start(struct wall_clock *clock, struct peer *peer, const char *program,
                      const char *first, const char *second, const char *third) {
    int sockets[2];
    char socket[16];
    row_expect(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) == 0, "%s", strerror(errno));
    fcntl(sockets[0], F_SETFD, FD_CLOEXEC);
    snprintf(socket, sizeof socket, "%d", sockets[1]);
    peer_start(peer, "/proc/self/exe", "with-clock", socket, program, first, second, third, NULL);
    close(sockets[1]);
    *clock = (struct wall_clock){.listener = receive_descriptor(sockets[0])};
    close(sockets[0]);
    row_expect(pthread_create(&clock->thread, NULL, answer_all, clock) == 0, "no thread");
}

void wall_clock_end(struct wall_clock *clock) {
    pthread_join(clock->thread, NULL);
    close(clock->listener);
}
