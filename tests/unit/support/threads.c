// SPDX-License-Identifier: Apache-2.0
#define _POSIX_C_SOURCE 200809L
#include "threads.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "left_behind.h"

static void *run(void *given) {
    struct thread *thread = given;
    thread->work(thread->context);
    return NULL;
}

void thread_start(struct thread *thread, void (*work)(void *context), void *context) {
    thread->work = work;
    thread->context = context;
    assert_int_equal(pthread_create(&thread->handle, NULL, run, thread), 0);
}

void thread_join(struct thread *thread) {
    assert_int_equal(pthread_join(thread->handle, NULL), 0);
}

struct together {
    pthread_barrier_t start;
    void (*work)(void *context, unsigned index);
    void *context;
};

struct member {
    struct thread thread;
    struct together *together;
    unsigned index;
};

static void run_member(void *context) {
    struct member *member = context;
    pthread_barrier_wait(&member->together->start);
    member->together->work(member->together->context, member->index);
}

void run_together(unsigned threads, void (*work)(void *context, unsigned index), void *context) {
    struct together together = {.work = work, .context = context};
    assert_int_equal(pthread_barrier_init(&together.start, NULL, threads), 0);
    struct member *members = calloc(threads, sizeof *members);
    assert_non_null(members);
    for (unsigned i = 0; i < threads; i++) {
        members[i].together = &together;
        members[i].index = i;
        thread_start(&members[i].thread, run_member, &members[i]);
    }
    for (unsigned i = 0; i < threads; i++) thread_join(&members[i].thread);
    free(members);
    pthread_barrier_destroy(&together.start);
}

void gate_make(struct gate *gate) {
    assert_int_equal(sem_init(&gate->semaphore, 0, 0), 0);
}

void gate_open(struct gate *gate) {
    sem_post(&gate->semaphore);
}

void gate_pass(struct gate *gate) {
    while (sem_wait(&gate->semaphore) != 0 && errno == EINTR) {
    }
}

bool gate_pass_within(struct gate *gate, unsigned milliseconds) {
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += milliseconds / 1000;
    until.tv_nsec += (long)(milliseconds % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    int result;
    do result = sem_timedwait(&gate->semaphore, &until);
    while (result != 0 && errno == EINTR);
    return result == 0;
}

void gate_free(struct gate *gate) {
    sem_destroy(&gate->semaphore);
}

void give_others_time(void) {
    nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
}
