// SPDX-License-Identifier: Apache-2.0
#define _POSIX_C_SOURCE 200809L
#include "resources.h"

#include <dirent.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { PATIENCE_MS = 2000 };

static unsigned count_entries(const char *path) {
    DIR *folder = opendir(path);
    if (!folder) {
        perror(path);
        exit(3);
    }
    unsigned count = 0;
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;)
        if (entry->d_name[0] != '.') count++;
    closedir(folder);
    return count;
}

static void *nothing(void *unused) {
    return unused;
}

void resources_settle(void) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, nothing, NULL) == 0) pthread_join(thread, NULL);
}

struct resources resources_now(void) {
    return (struct resources){
        .descriptors = count_entries("/proc/self/fd"),
        .threads = count_entries("/proc/self/task"),
    };
}

void resources_expect(const struct resources *before) {
    struct resources now = resources_now();
    for (int i = 0; i < PATIENCE_MS && now.threads > before->threads; i++) {
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
        now = resources_now();
    }
    if (now.descriptors <= before->descriptors && now.threads <= before->threads) return;
    fprintf(stderr, "leaked: %u descriptors before and %u now, %u threads before and %u now\n",
            before->descriptors, now.descriptors, before->threads, now.threads);
    exit(3);
}
