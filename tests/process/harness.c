// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "harness.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cmocka_includes.h"

enum { MOST_PEERS = 16, MOST_ARGUMENTS = 16, MOST_EMULATOR_WORDS = 8, PATIENCE_MS = 10000 };

#define SHARED_MEMORY "/dev/shm/"

static struct peer *living[MOST_PEERS];

// ---- Time --------------------------------------------------------------------------------------

uint64_t now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void sleep_ms(unsigned milliseconds) {
    struct timespec left = {.tv_sec = milliseconds / 1000,
                            .tv_nsec = (long)(milliseconds % 1000) * 1000000};
    while (nanosleep(&left, &left) != 0 && errno == EINTR) {
    }
}

// ---- Starting ----------------------------------------------------------------------------------

static void remember(struct peer *peer) {
    for (int i = 0; i < MOST_PEERS; i++) {
        if (living[i]) continue;
        living[i] = peer;
        return;
    }
    fail_msg("more than %d peers", MOST_PEERS);
}

static void forget(struct peer *peer) {
    for (int i = 0; i < MOST_PEERS; i++)
        if (living[i] == peer) living[i] = NULL;
    close(peer->to);
    close(peer->from);
    peer->pid = 0;
}

static void become(pid_t parent, int input, int output, char *const arguments[]) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(127); // it died before it could be watched
    signal(SIGPIPE, SIG_DFL);
    dup2(input, STDIN_FILENO);
    dup2(output, STDOUT_FILENO);
    execv(arguments[0], arguments);
    perror(arguments[0]);
    _exit(127);
}

static void must(bool good, const char *what) {
    if (!good) fail_msg("%s: %s", what, strerror(errno));
}

// Programs for another machine are run by an emulator, whose words CTest gives, if there is one.
static int emulator_words(char *words[]) {
    static char copy[LINE_SIZE];
    const char *emulator = getenv("RUN_PROGRAMS_BY");
    int count = 0;
    snprintf(copy, sizeof copy, "%s", emulator ? emulator : "");
    for (char *at = NULL, *word = strtok_r(copy, " ", &at); word; word = strtok_r(NULL, " ", &at)) {
        assert_in_range(count, 0, MOST_EMULATOR_WORDS - 1);
        words[count++] = word;
    }
    return count;
}

void peer_start(struct peer *peer, const char *program, ...) {
    char *arguments[MOST_EMULATOR_WORDS + MOST_ARGUMENTS + 1] = {NULL};
    int first = emulator_words(arguments);
    va_list list;
    va_start(list, program);
    arguments[first] = (char *)program;
    for (int i = first + 1; i < first + MOST_ARGUMENTS; i++)
        if (!(arguments[i] = va_arg(list, char *))) break;
    va_end(list);
    int input[2], output[2];
    must(pipe2(input, O_CLOEXEC) == 0 && pipe2(output, O_CLOEXEC) == 0, "pipe");
    pid_t parent = getpid();
    fflush(NULL);
    pid_t pid = fork();
    must(pid >= 0, "fork");
    if (pid == 0) become(parent, input[0], output[1], arguments);
    close(input[0]);
    close(output[1]);
    *peer = (struct peer){.pid = pid, .to = input[1], .from = output[0]};
    remember(peer);
}

// ---- Speaking ----------------------------------------------------------------------------------

static void say_list(struct peer *peer, const char *format, va_list list) {
    char line[LINE_SIZE];
    int size = vsnprintf(line, sizeof line - 1, format, list);
    assert_in_range(size, 0, sizeof line - 2);
    line[size++] = '\n';
    must(write(peer->to, line, (size_t)size) == size, "writing to a peer");
}

void peer_say(struct peer *peer, const char *format, ...) {
    va_list list;
    va_start(list, format);
    say_list(peer, format, list);
    va_end(list);
}

// Hands out a whole line of what was heard, or at the end of the output what there is.
static const char *take_line(struct peer *peer, bool ended) {
    char *end = memchr(peer->pending, '\n', peer->filled);
    if (!end && !(ended && peer->filled)) return NULL;
    size_t size = end ? (size_t)(end - peer->pending) : peer->filled;
    memcpy(peer->line, peer->pending, size);
    peer->line[size] = '\0';
    size_t taken = end ? size + 1 : size;
    peer->filled -= taken;
    memmove(peer->pending, peer->pending + taken, peer->filled);
    return peer->line;
}

// Returns NULL at the end of its output.
static const char *hear_or_end(struct peer *peer) {
    uint64_t deadline = now_ms() + PATIENCE_MS;
    for (;;) {
        const char *line = take_line(peer, false);
        if (line) return line;
        uint64_t now = now_ms();
        struct pollfd readable = {.fd = peer->from, .events = POLLIN};
        int ready = now < deadline ? poll(&readable, 1, (int)(deadline - now)) : 0;
        if (ready == 0) fail_msg("process %d said nothing for %d ms", peer->pid, PATIENCE_MS);
        if (ready < 0) continue;
        assert_true(peer->filled < LINE_SIZE - 1);
        ssize_t got = read(peer->from, peer->pending + peer->filled, LINE_SIZE - 1 - peer->filled);
        if (got == 0) return take_line(peer, true);
        if (got > 0) peer->filled += (size_t)got;
    }
}

const char *peer_hear(struct peer *peer) {
    const char *line = hear_or_end(peer);
    if (line) return line;
    int pid = peer->pid;
    fail_msg("process %d ended with status %d", pid, peer_exit_status(peer));
    return "";
}

static const char *expect_beginning(const char *line, const char *beginning, const char *asked) {
    if (strncmp(line, beginning, strlen(beginning)) != 0)
        fail_msg("expected \"%s\"%s%s, heard \"%s\"", beginning, *asked ? " for " : "", asked,
                 line);
    return line;
}

const char *peer_expect(struct peer *peer, const char *beginning) {
    return expect_beginning(peer_hear(peer), beginning, "");
}

const char *peer_ask(struct peer *peer, const char *beginning, const char *format, ...) {
    va_list list;
    va_start(list, format);
    say_list(peer, format, list);
    va_end(list);
    va_start(list, format);
    char asked[LINE_SIZE];
    vsnprintf(asked, sizeof asked, format, list);
    va_end(list);
    return expect_beginning(peer_hear(peer), beginning, asked);
}

uint64_t number_in(const char *line, const char *key) {
    const char *at = strstr(line, key);
    if (!at) fail_msg("there is no \"%s\" in \"%s\"", key, line);
    return strtoull(at + strlen(key), NULL, 10);
}

// ---- Ending ------------------------------------------------------------------------------------

static int reap(struct peer *peer) {
    int status = 0;
    uint64_t deadline = now_ms() + PATIENCE_MS;
    pid_t got;
    while ((got = waitpid(peer->pid, &status, WNOHANG)) == 0 && now_ms() < deadline) sleep_ms(1);
    if (got == 0) fail_msg("process %d does not end", peer->pid);
    forget(peer);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int peer_exit_status(struct peer *peer) {
    int input = peer->to;
    peer->to = open("/dev/null", O_WRONLY | O_CLOEXEC); // forget() closes it
    close(input);
    while (hear_or_end(peer)) {
    }
    return reap(peer);
}

void peer_finish(struct peer *peer) {
    int pid = peer->pid;
    int status = peer_exit_status(peer);
    if (status) fail_msg("process %d ended with status %d", pid, status);
}

void peer_kill(struct peer *peer) {
    kill(peer->pid, SIGKILL);
    reap(peer);
}

static void signal_and_wait(struct peer *peer, int signal, int what) {
    int status;
    must(kill(peer->pid, signal) == 0, "kill");
    must(waitpid(peer->pid, &status, what) == peer->pid, "waitpid");
}

void peer_stop(struct peer *peer) {
    signal_and_wait(peer, SIGSTOP, WUNTRACED);
}

void peer_continue(struct peer *peer) {
    signal_and_wait(peer, SIGCONT, WCONTINUED);
}

// ---- What the kernel counts --------------------------------------------------------------------

static void read_file(const char *path, char *text, size_t size) {
    int file = open(path, O_RDONLY | O_CLOEXEC);
    must(file >= 0, path);
    ssize_t got = read(file, text, size - 1);
    close(file);
    must(got >= 0, path);
    text[got] = '\0';
}

static uint64_t switches_of(pid_t pid, const char *thread) {
    char path[320], text[4096];
    snprintf(path, sizeof path, "/proc/%d/task/%s/status", (int)pid, thread);
    read_file(path, text, sizeof text);
    return number_in(text, "\nvoluntary_ctxt_switches:") +
           number_in(text, "\nnonvoluntary_ctxt_switches:");
}

static uint64_t ticks_of(pid_t pid) {
    char path[64], text[4096];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    read_file(path, text, sizeof text);
    unsigned long user, system;
    const char *after_name = strrchr(text, ')');
    assert_non_null(after_name);
    assert_int_equal(sscanf(after_name + 1, " %*c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %lu %lu",
                            &user, &system),
                     2);
    return user + system;
}

static unsigned count_entries(const char *path) {
    DIR *folder = opendir(path);
    must(folder != NULL, path);
    unsigned count = 0;
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;)
        if (entry->d_name[0] != '.') count++;
    closedir(folder);
    return count;
}

struct usage usage_of(pid_t pid) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
    struct usage usage = {.ticks = ticks_of(pid), .descriptors = count_entries(path)};
    snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
    DIR *folder = opendir(path);
    must(folder != NULL, path);
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        if (entry->d_name[0] == '.') continue;
        usage.switches += switches_of(pid, entry->d_name);
        usage.threads++;
    }
    closedir(folder);
    return usage;
}

// ---- Leaving nothing behind --------------------------------------------------------------------

static struct {
    const char *what;
    const char *region;
} limit;

// By the system call, since a signal handler may not use readdir().
unsigned remove_leftovers(const char *region) {
    _Alignas(struct dirent64) char entries[4096];
    unsigned count = 0;
    int folder = open(SHARED_MEMORY, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    // NOLINTNEXTLINE(bugprone-signal-handler,cert-sig30-c): it does nothing but the call itself
    for (long size; (size = syscall(SYS_getdents64, folder, entries, sizeof entries)) > 0;) {
        for (long at = 0; at < size;) {
            const struct dirent64 *entry = (const struct dirent64 *)(const void *)(entries + at);
            at += entry->d_reclen;
            if (!strstr(entry->d_name, region)) continue;
            unlinkat(folder, entry->d_name, 0);
            count++;
        }
    }
    close(folder);
    return count;
}

// At the time limit, or when somebody ends the test.
static void give_up(int signal) {
    static const char late[] = " took longer than its time limit\n", ended[] = " was ended\n";
    const char *text = signal == SIGALRM ? late : ended;
    for (int i = 0; i < MOST_PEERS; i++) {
        if (!living[i]) continue;
        kill(living[i]->pid, SIGKILL);
        waitpid(living[i]->pid, NULL, 0);
    }
    remove_leftovers(limit.region);
    ssize_t written = write(STDERR_FILENO, limit.what, strlen(limit.what));
    written += write(STDERR_FILENO, text, strlen(text));
    _exit(written > 0 ? 99 : 98);
}

void time_limit(unsigned seconds, const char *what, const char *region) {
    limit.what = what;
    limit.region = region;
    signal(SIGALRM, give_up);
    signal(SIGTERM, give_up);
    signal(SIGINT, give_up);
    signal(SIGPIPE, SIG_IGN);
    alarm(seconds);
}

void time_limit_met(void) {
    alarm(0);
}

unsigned kill_leftovers(void) {
    unsigned count = 0;
    for (int i = 0; i < MOST_PEERS; i++) {
        if (!living[i]) continue;
        count++;
        kill(living[i]->pid, SIGKILL);
        waitpid(living[i]->pid, NULL, 0);
        forget(living[i]);
    }
    return count;
}

static int fixed_names_lock = -1;

void lock_fixed_names(void) {
    fixed_names_lock = open(SHARED_MEMORY, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    must(fixed_names_lock >= 0 && flock(fixed_names_lock, LOCK_EX) == 0, SHARED_MEMORY);
}

void unlock_fixed_names(void) {
    close(fixed_names_lock);
}
