// SPDX-License-Identifier: Apache-2.0
#include "later.h"

#include <pthread.h>
#include <simpleipc/pending.h>
#include <stdbool.h>
#include <stdlib.h>

#include "handler.h"

enum { MOST = 16 };

static struct {
    pthread_mutex_t lock; // guards what follows
    pthread_cond_t changed;
    sipc_pending left[MOST];
    unsigned count;
    bool ended;
} desk = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static pthread_t threads[MOST];
static unsigned thread_count;

sipc_status leave_message(void *context, const sipc_request *request, sipc_response *response) {
    (void)context;
    (void)response;
    sipc_pending pending;
    sipc_status status = sipc_request_take(request, &pending);
    if (status) return status;
    pthread_mutex_lock(&desk.lock);
    if (desk.count == MOST) abort();
    desk.left[desk.count++] = pending;
    pthread_cond_signal(&desk.changed);
    pthread_mutex_unlock(&desk.lock);
    return SIPC_PENDING;
}

// The last one left comes first. False: there will be none.
static bool take_one(sipc_pending *pending) {
    pthread_mutex_lock(&desk.lock);
    while (desk.count == 0 && !desk.ended) pthread_cond_wait(&desk.changed, &desk.lock);
    bool took = desk.count > 0;
    if (took) *pending = desk.left[--desk.count];
    pthread_mutex_unlock(&desk.lock);
    return took;
}

static void *answer_them(void *unused) {
    sipc_pending pending;
    while (take_one(&pending)) {
        sipc_response response = {.size = 0};
        response.data = sipc_pending_response(pending, &response.capacity);
        sipc_status status = handle_message(NULL, sipc_pending_request(pending), &response);
        if (sipc_pending_respond(pending, status, response.data, response.size)) abort();
    }
    return unused;
}

void desk_open(unsigned wanted) {
    if (wanted > MOST) abort();
    desk.ended = false;
    for (thread_count = 0; thread_count < wanted; thread_count++)
        if (pthread_create(&threads[thread_count], NULL, answer_them, NULL) != 0) abort();
}

void desk_close(void) {
    pthread_mutex_lock(&desk.lock);
    desk.ended = true;
    pthread_cond_broadcast(&desk.changed);
    pthread_mutex_unlock(&desk.lock);
    for (unsigned i = 0; i < thread_count; i++) pthread_join(threads[i], NULL);
}
