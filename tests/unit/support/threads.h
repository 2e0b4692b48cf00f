// SPDX-License-Identifier: Apache-2.0
// Threads for tests. What a thread finds wrong it writes down; the test's own thread asserts.
#ifndef SIPC_TESTS_THREADS_H
#define SIPC_TESTS_THREADS_H

#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct thread {
    pthread_t handle;
    void (*work)(void *context);
    void *context;
};

void thread_start(struct thread *thread, void (*work)(void *context), void *context);
void thread_join(struct thread *thread);

// Runs the work on that many threads, let go at the same moment; returns when all have ended.
void run_together(unsigned threads, void (*work)(void *context, unsigned index), void *context);

// Where a thread waits until another lets it pass; each opening lets one pass.
struct gate {
    sem_t semaphore;
};

void gate_make(struct gate *gate);
void gate_open(struct gate *gate);
void gate_pass(struct gate *gate);
// False: nobody has let it pass for so long.
bool gate_pass_within(struct gate *gate, unsigned milliseconds);
void gate_free(struct gate *gate);

// Whether the system unwinds a thread that ends inside of a call: leaves the scopes of C++ there.
bool threads_are_unwound(void);

// Long enough for others to fall asleep, as a rule: for tests that want a sleeper, but are right
// whether it sleeps or not.
void give_others_time(void);

#ifdef __cplusplus
}
#endif

#endif
