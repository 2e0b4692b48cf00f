// SPDX-License-Identifier: Apache-2.0
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/futex.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "system.h"

#define NS_PER_SECOND UINT64_C(1000000000)

static uint64_t nanoseconds_of(const struct timespec *time) {
    return (uint64_t)time->tv_sec * NS_PER_SECOND + (uint64_t)time->tv_nsec;
}

uint64_t system_clock_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return nanoseconds_of(&now);
}

void system_sleep_ns(uint64_t nanoseconds) {
    struct timespec left = {.tv_sec = (time_t)(nanoseconds / NS_PER_SECOND),
                            .tv_nsec = (long)(nanoseconds % NS_PER_SECOND)};
    while (nanosleep(&left, &left) != 0 && errno == EINTR) {
    }
}

unsigned system_cpus(int *cpus, unsigned capacity) {
    cpu_set_t set;
    unsigned count = 0;
    if (sched_getaffinity(0, sizeof set, &set) != 0) return 0;
    for (size_t cpu = 0; cpu < CPU_SETSIZE && count < capacity; cpu++)
        if (CPU_ISSET(cpu, &set)) cpus[count++] = (int)cpu;
    return count;
}

bool system_pin(const int *cpus, unsigned count) {
    cpu_set_t set;
    CPU_ZERO(&set);
    for (unsigned i = 0; i < count; i++) CPU_SET((size_t)cpus[i], &set);
    return sched_setaffinity(0, sizeof set, &set) == 0;
}

void *system_shared_memory(size_t bytes, int *descriptor) {
    *descriptor = memfd_create("simpleipc-bench", 0);
    if (*descriptor < 0) return NULL;
    void *memory = NULL;
    if (ftruncate(*descriptor, (off_t)bytes) == 0) memory = system_map(*descriptor, bytes);
    if (!memory) {
        int error = errno;
        close(*descriptor);
        errno = error;
    }
    return memory;
}

void *system_map(int descriptor, size_t bytes) {
    void *memory =
        mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, descriptor, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

void system_unmap(void *memory, size_t bytes) {
    munmap(memory, bytes);
}

uint64_t system_process_cpu_ns(pid_t process) {
    clockid_t clock;
    struct timespec used;
    if (clock_getcpuclockid(process, &clock) != 0 || clock_gettime(clock, &used) != 0) return 0;
    return nanoseconds_of(&used);
}

void system_word_wait(void *word, uint32_t seen) {
    (void)syscall(SYS_futex, word, FUTEX_WAIT, seen, NULL, NULL, 0);
}

void system_word_wake(void *word) {
    (void)syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

// ---- What the system tells of a process --------------------------------------------------------

uint64_t system_anonymous_bytes(void) {
    char line[256];
    uint64_t kilobytes = 0;
    FILE *file = fopen("/proc/self/smaps_rollup", "r");
    if (!file) return 0;
    while (fgets(line, sizeof line, file))
        if (sscanf(line, "Anonymous: %" SCNu64, &kilobytes) == 1) break;
    fclose(file);
    return kilobytes * 1024;
}

static bool read_text(char *text, size_t size, pid_t process, const char *thread,
                      const char *what) {
    char path[64];
    if (snprintf(path, sizeof path, "/proc/%d/task/%s/%s", (int)process, thread, what) >=
        (int)sizeof path)
        return false;
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return false;
    ssize_t got = read(file, text, size - 1);
    close(file);
    text[got > 0 ? got : 0] = '\0';
    return got > 0;
}

static uint64_t number_after(const char *text, const char *label) {
    const char *found = strstr(text, label);
    return found ? strtoull(found + strlen(label), NULL, 10) : 0;
}

// The command's name, in parentheses, may hold any character; user and kernel time are the 12th and
// the 13th field after it.
static uint64_t ticks_of(const char *stat) {
    const char *at = strrchr(stat, ')');
    for (int field = 0; at && field < 12; field++) at = strchr(at + 1, ' ');
    if (!at) return 0;
    char *end;
    uint64_t user = strtoull(at, &end, 10);
    return user + strtoull(end, NULL, 10);
}

static void add_cost(pid_t process, const char *thread, struct system_cost *cost) {
    char text[4096];
    if (read_text(text, sizeof text, process, thread, "status"))
        cost->switches += number_after(text, "\nvoluntary_ctxt_switches:") +
                          number_after(text, "\nnonvoluntary_ctxt_switches:");
    if (read_text(text, sizeof text, process, thread, "stat")) cost->ticks += ticks_of(text);
    if (read_text(text, sizeof text, process, thread, "schedstat"))
        cost->ns += strtoull(text, NULL, 10);
}

bool system_process_cost(pid_t process, struct system_cost *cost) {
    char path[64];
    *cost = (struct system_cost){0};
    snprintf(path, sizeof path, "/proc/%d/task", (int)process);
    DIR *threads = opendir(path);
    if (!threads) return false;
    for (struct dirent *entry; (entry = readdir(threads)) != NULL;)
        if (entry->d_name[0] != '.' && atol(entry->d_name) != syscall(SYS_gettid))
            add_cost(process, entry->d_name, cost);
    closedir(threads);
    return true;
}

// The state letter follows the command's name, which is in parentheses and may hold any character.
static bool thread_rests(pid_t process, const char *thread) {
    char text[256];
    if (!read_text(text, sizeof text, process, thread, "stat")) return true; // it has ended
    const char *name_end = strrchr(text, ')');
    return name_end && name_end[1] == ' ' && name_end[2] != 'R';
}

bool system_process_rests(pid_t process) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/task", (int)process);
    DIR *threads = opendir(path);
    if (!threads) return true;
    bool rests = true;
    for (struct dirent *entry; rests && (entry = readdir(threads)) != NULL;)
        if (entry->d_name[0] != '.') rests = thread_rests(process, entry->d_name);
    closedir(threads);
    return rests;
}
