// SPDX-License-Identifier: Apache-2.0
#include "fake_system.h"

#include <string.h>

struct fake_system fake;

static void note(char step) {
    size_t length = strlen(fake.steps);
    if (length + 1 < sizeof fake.steps) fake.steps[length] = step;
}

static uint64_t tell_time(void) {
    fake.now += fake.tick;
    return fake.now;
}

static void yield(void) {
    note('y');
    fake.yields++;
    if (fake.on_yield) fake.on_yield(fake.yields);
}

static void move(void) {
    note('m');
    fake.moves++;
}

static bool sleep_on(void *handle, sipc_word *word, uint32_t expected, uint64_t deadline) {
    (void)handle;
    note('s');
    fake.sleeps++;
    fake.slept_on = word;
    fake.expected = expected;
    fake.sleeps_until = deadline;
    if (fake.on_sleep) fake.on_sleep(fake.sleeps);
    return true;
}

static void wake(void *handle, sipc_word *word) {
    (void)handle;
    note('w');
    fake.wakes++;
    fake.woken = word;
    if (fake.on_wake) fake.on_wake(fake.wakes);
}

static void watch_line(const void *line) {
    note('l');
    fake.watched_line = line;
}

static void rest(void) {
    note('r');
    fake.rests++;
    if (fake.on_rest) fake.on_rest(fake.rests);
}

static void close_nothing(void *handle) {
    (void)handle;
}

const struct sipc_wait_system fake_wait_system = {.now = tell_time, .yield = yield, .move = move};
const struct sipc_os_backend fake_backend = {
    .id = SIPC_BACKEND_FUTEX, .close = close_nothing, .sleep = sleep_on, .wake = wake};
const struct sipc_line_wait fake_line_wait = {.watch = watch_line, .rest = rest};

void fake_reset(void) {
    fake = (struct fake_system){.now = 1000};
}
