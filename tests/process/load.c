// SPDX-License-Identifier: Apache-2.0
#define _POSIX_C_SOURCE 200809L
#include "load.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "cmocka_includes.h"

enum { NAP_US = 1000, NAP_IN_TIME_US = 2000 };

// Wants to wake up every millisecond.
static struct {
    pthread_t thread;
    _Atomic bool stopping;
    _Atomic uint64_t woke_us, late_us;
} sleeper;

static uint64_t now_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static uint64_t lateness_us(uint64_t now) {
    uint64_t slept = now - atomic_load_explicit(&sleeper.woke_us, memory_order_acquire);
    return slept > NAP_IN_TIME_US && slept < UINT64_MAX / 2 ? slept - NAP_US : 0;
}

static void *sleep_lightly(void *unused) {
    while (!atomic_load_explicit(&sleeper.stopping, memory_order_acquire)) {
        nanosleep(&(struct timespec){.tv_nsec = NAP_US * 1000L}, NULL);
        uint64_t now = now_us();
        atomic_fetch_add_explicit(&sleeper.late_us, lateness_us(now), memory_order_acq_rel);
        atomic_store_explicit(&sleeper.woke_us, now, memory_order_release);
    }
    return unused;
}

void load_watch(void) {
    atomic_store_explicit(&sleeper.stopping, false, memory_order_release);
    atomic_store_explicit(&sleeper.woke_us, now_us(), memory_order_release);
    assert_int_equal(pthread_create(&sleeper.thread, NULL, sleep_lightly, NULL), 0);
}

void load_watch_end(void) {
    atomic_store_explicit(&sleeper.stopping, true, memory_order_release);
    pthread_join(sleeper.thread, NULL);
}

uint64_t load_us(void) {
    uint64_t late = atomic_load_explicit(&sleeper.late_us, memory_order_acquire);
    return late + lateness_us(now_us());
}

uint64_t load_of_thread_us(void) {
    char text[100] = "";
    unsigned long long waited_ns = 0;
    int file = open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);
    if (file < 0 || read(file, text, sizeof text - 1) <= 0 ||
        sscanf(text, "%*u %llu", &waited_ns) != 1)
        fail_msg("/proc/thread-self/schedstat cannot be read: \"%s\"", text);
    close(file);
    return load_us() + waited_ns / 1000;
}

struct moment moment_now(void) {
    return (struct moment){.us = now_us(), .load_us = load_us()};
}

uint64_t us_since(struct moment began) {
    return load_taken_from(now_us() - began.us, load_us() - began.load_us);
}

uint64_t load_taken_from(uint64_t took_us, uint64_t added_us) {
    return took_us > added_us ? took_us - added_us : 0;
}
