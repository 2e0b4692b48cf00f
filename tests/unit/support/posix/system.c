// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "../system.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "../descriptor.h"
#include "../left_behind.h"
#include "../pair.h"
#include "../threads.h"

// Entries of a folder whose name contains the text.
static unsigned entries(const char *folder, const char *text) {
    DIR *directory = opendir(folder);
    assert_non_null(directory);
    unsigned count = 0;
    for (const struct dirent *entry; (entry = readdir(directory)) != NULL;)
        if (entry->d_name[0] != '.' && strstr(entry->d_name, text)) count++;
    closedir(directory);
    return count;
}

struct inventory take_inventory(const char *text) {
    return (struct inventory){.handles = entries("/proc/self/fd", ""),
                              .threads = entries("/proc/self/task", ""),
                              .names = entries("/dev/shm", text)};
}

static void *do_nothing(void *context) {
    return context;
}

// A sanitizer's.
void let_system_threads_start(void) {
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, do_nothing, NULL), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
}

uint64_t unrest_so_far(void) {
    struct rusage usage;
    assert_int_equal(getrusage(RUSAGE_SELF, &usage), 0);
    return (uint64_t)(usage.ru_nvcsw + usage.ru_nivcsw);
}

sipc_backend other_backend(void) {
    return SIPC_BACKEND_SEMAPHORE;
}

bool threads_are_unwound(void) {
    return true;
}

void *allocate_lines(size_t size) {
    void *memory;
    assert_int_equal(posix_memalign(&memory, SIPC_LINE_SIZE, size), 0);
    memset(memory, 0, size);
    return memory;
}

void free_lines(void *memory) {
    free(memory);
}

void open_nameless_twice(struct sipc_os_object *one, struct sipc_os_object *other) {
    one->handle = memfd_create("slot", MFD_CLOEXEC);
    assert_true(one->handle >= 0);
    // A description of its own: a claim is exclusive between two of them.
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", (int)one->handle);
    other->handle = open(path, O_RDWR | O_CLOEXEC);
    assert_true(other->handle >= 0);
}

void close_nameless(struct sipc_os_object *object) {
    close((int)object->handle);
}

bool descriptor_is_ready(intptr_t descriptor, int milliseconds) {
    struct pollfd polled = {.fd = (int)descriptor, .events = POLLIN};
    int ready;
    do ready = poll(&polled, 1, milliseconds);
    while (ready < 0 && errno == EINTR);
    return ready == 1 && polled.revents == POLLIN;
}
