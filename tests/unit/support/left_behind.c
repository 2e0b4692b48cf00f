// SPDX-License-Identifier: Apache-2.0
#define _POSIX_C_SOURCE 200809L
#include "left_behind.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "system.h"

static struct inventory before;

static void own_prefix(char *prefix, size_t size) {
    snprintf(prefix, size, "test-%ld-", (long)getpid());
}

const char *fresh_name(void) {
    static char names[16][64];
    static unsigned count;
    char *name = names[count % 16];
    char prefix[32];
    own_prefix(prefix, sizeof prefix);
    snprintf(name, sizeof names[0], "%s%u", prefix, count++);
    return name;
}

// Behind the dot that ends what the library puts before a name.
static struct inventory own_inventory(void) {
    char prefix[32] = ".";
    own_prefix(prefix + 1, sizeof prefix - 1);
    return take_inventory(prefix);
}

unsigned names_in_shared_memory(void) {
    return own_inventory().names;
}

int note_what_exists(void **state) {
    static bool started;
    (void)state;
    if (!started) let_system_threads_start();
    started = true;
    before = own_inventory();
    return 0;
}

// A thread that was joined may stand in /proc a moment longer.
static struct inventory settled_inventory(void) {
    struct inventory now = own_inventory();
    for (int i = 0; i < 5000 && now.threads > before.threads; i++) {
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
        now = own_inventory();
    }
    return now;
}

static bool differs(const char *what, unsigned was, unsigned is) {
    if (was != is) print_error("left behind: %u %s before the test, %u after it\n", was, what, is);
    return was != is;
}

int nothing_is_left_behind(void **state) {
    (void)state;
    struct inventory now = settled_inventory();
    bool wrong = differs("handles", before.handles, now.handles);
    // Fewer is right: one that was joined before the test may have stood in /proc then.
    if (now.threads > before.threads) wrong |= differs("threads", before.threads, now.threads);
    wrong |= differs("names", before.names, now.names);
    return wrong ? -1 : 0;
}
