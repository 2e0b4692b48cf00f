// SPDX-License-Identifier: Apache-2.0
// A guest in a loop of libuv, in one thread: takes requests as they come, and answers each with
// upper case when a timer of its own has run out:
//
//   guest NAME
#include "endpoint.h"

#include <ctype.h>
#include <simpleipc/pending.h>
#include <stdio.h>
#include <stdlib.h>

enum { TAKES_MS = 10 };

static uv_loop_t loop;
static struct endpoint endpoint;

struct job {
    uv_timer_t timer;
    sipc_pending pending;
};

static void free_job(uv_handle_t *timer) {
    free(timer->data);
}

static void answer(uv_timer_t *timer) {
    const struct job *job = timer->data;
    const sipc_request *request = sipc_pending_request(job->pending);
    uint32_t capacity;
    unsigned char *to = sipc_pending_response(job->pending, &capacity);
    const unsigned char *from = request->data;
    const uint32_t size = request->size < capacity ? request->size : capacity;
    for (uint32_t i = 0; i < size; i++) to[i] = (unsigned char)toupper(from[i]);
    must(sipc_pending_respond(job->pending, SIPC_OK, to, size));
    uv_close((uv_handle_t *)timer, free_job);
}

static sipc_status begin_job(void *context, const sipc_request *request, sipc_response *response) {
    (void)context;
    (void)response;
    struct job *job = malloc(sizeof *job);
    if (!job) return SIPC_OUT_OF_MEMORY;
    const sipc_status status = sipc_request_take(request, &job->pending);
    if (status) {
        free(job);
        return status;
    }
    must_uv(uv_timer_init(&loop, &job->timer));
    job->timer.data = job;
    must_uv(uv_timer_start(&job->timer, answer, TAKES_MS, 0));
    return SIPC_PENDING;
}

static sipc_status arm(void *guest) {
    return sipc_guest_arm(guest);
}

// Until the host has closed.
static void poll_guest(void *guest) {
    const sipc_status status = sipc_guest_poll(guest, begin_job, NULL, NULL);
    if (status == SIPC_CLOSED)
        endpoint_stop(&endpoint);
    else
        must(status);
}

int main(int count, char **words) {
    sipc_guest *guest;
    intptr_t descriptor;
    must(sipc_guest_attach(count > 1 ? words[1] : "example", NULL, &guest));
    must(sipc_guest_descriptor(guest, &descriptor));
    must_uv(uv_loop_init(&loop));
    endpoint = (struct endpoint){.arm = arm, .take = poll_guest, .handle = guest};
    endpoint_start(&endpoint, &loop, descriptor);
    uv_run(&loop, UV_RUN_DEFAULT);
    must_uv(uv_loop_close(&loop));
    must(sipc_guest_detach(guest));
    return 0;
}
