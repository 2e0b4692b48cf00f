// SPDX-License-Identifier: Apache-2.0
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
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

// The state letter follows the command's name, which is in parentheses and may hold any character.
static bool thread_rests(pid_t process, const char *thread) {
    char path[64], text[256];
    if (snprintf(path, sizeof path, "/proc/%d/task/%s/stat", (int)process, thread) >=
        (int)sizeof path)
        return false;
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return true; // it has ended
    ssize_t got = read(file, text, sizeof text - 1);
    close(file);
    text[got > 0 ? got : 0] = '\0';
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
