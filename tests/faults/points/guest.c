// SPDX-License-Identifier: Apache-2.0
// A guest that counts in a file how often it has begun each request, so that the count outlives it.
//
//   guest NAME COUNTS [spin|group|later|loop|spare|call|async|pipeline|serve|serve-in-loop]
//
// SEALED_FOLDER in the environment: where a sealed region is offered.
// It answers stamped requests as message.h says; MESSAGE_FAIL is an error and
// MESSAGE_GOEXIT ends its handler's thread. It
// prints "ready" when it serves and "ended" when its workers have ended, and ends with its standard
// input. With call or async it serves nothing but calls its host, until that is gone; with pipeline
// the same with many requests in flight; with serve it is a host of that name, which its guests
// call. With loop, or serve-in-loop, it serves without workers, and waits for a descriptor.
#define _POSIX_C_SOURCE 200809L
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <simpleipc/async.h>
#include <simpleipc/event_loop.h>
#include <simpleipc/pending.h>
#include <simpleipc/simpleipc.h>

#include "../../process/message.h"
#include "counts.h"

enum { MOST = 1000000 }; // of turns that a wait policy can have

static struct execution_counts *counts;

static void sleep_us(uint32_t microseconds) {
    nanosleep(&(struct timespec){.tv_nsec = (long)microseconds * 1000}, NULL);
}

static sipc_status answer(void *context, const sipc_request *request, sipc_response *response) {
    (void)context;
    if (request->message_id == MESSAGE_GOEXIT) pthread_exit(NULL);
    if (request->message_id == MESSAGE_FAIL) return SIPC_INVALID_ARGUMENT;
    uint32_t head[3] = {0};
    memcpy(head, request->data, request->size < sizeof head ? request->size : sizeof head);
    atomic_fetch_add_explicit(&counts->of[head[0] % COUNTED][head[1] % COUNTED_CALLS], 1,
                              memory_order_relaxed);
    if (head[2]) sleep_us(head[2]);
    response->size = request->message_id & MESSAGE_STAMPED_SIZE_BITS;
    message_fill_response(response->data, response->size, request->data, request->size);
    return SIPC_OK;
}

// ---- Later answers -----------------------------------------------------------------------------

enum { MOST_LEFT = 8 }; // more than there are slots

// What a handler leaves to the one thread that answers.
static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    sipc_pending left[MOST_LEFT];
    unsigned count;
} desk = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static sipc_status answer_later(void *context, const sipc_request *request,
                                sipc_response *response) {
    sipc_pending pending;
    if (request->message_id == MESSAGE_GOEXIT || sipc_request_take(request, &pending))
        return answer(context, request, response);
    pthread_mutex_lock(&desk.lock);
    desk.left[desk.count++ % MOST_LEFT] = pending;
    pthread_cond_signal(&desk.changed);
    pthread_mutex_unlock(&desk.lock);
    return SIPC_PENDING;
}

static sipc_pending take_last_left(void) {
    pthread_mutex_lock(&desk.lock);
    while (desk.count == 0) pthread_cond_wait(&desk.changed, &desk.lock);
    sipc_pending pending = desk.left[--desk.count];
    pthread_mutex_unlock(&desk.lock);
    return pending;
}

static void *answer_what_was_left(void *unused) {
    for (unsigned i = 0;; i++) {
        const sipc_pending pending = take_last_left();
        sleep_us(200); // some callers sleep, and who leaves has to wait
        uint8_t buffer[4096];
        sipc_response response = {.data = sipc_pending_response(pending, &response.capacity)};
        if (i % 2) response.data = buffer; // then it is copied
        const sipc_status status = answer(NULL, sipc_pending_request(pending), &response);
        if (i % 16 == 15 && status)
            sipc_pending_abandon(pending);
        else
            sipc_pending_respond(pending, status, response.data, response.size);
    }
    return unused;
}

static void *listen_for_end(void *guest) {
    char line[64];
    while (read(STDIN_FILENO, line, sizeof line) > 0) {
    }
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE,
                           NULL); // it holds locks, also while it rests at a point
    sipc_guest_stop(guest);
    return NULL;
}

static void say(const char *what) {
    puts(what);
    fflush(stdout);
}

static int fail(sipc_status status) {
    printf("failed %s %s\n", sipc_status_name(status), sipc_error_text());
    return 1;
}

// ---- Who calls, and who is called --------------------------------------------------------------

static _Atomic bool input_ended, host_gone;

static sipc_status echo(void *context, const sipc_request *request, sipc_response *response) {
    (void)context;
    sleep_us(50); // both sides sleep at times
    response->size = request->size;
    memcpy(response->data, request->data, request->size);
    return SIPC_OK;
}

static void *call_on(void *guest) {
    uint8_t request[200], response[2048];
    message_fill_request(request, sizeof request, 0, 0,
                         1000); // a handler that is told to sleeps so long
    for (unsigned i = 0; !atomic_load_explicit(&input_ended, memory_order_acquire) &&
                         !atomic_load_explicit(&host_gone, memory_order_acquire);
         i++) {
        // Some give up.
        sipc_call call = {.message_id = i % 8 == 7 ? MESSAGE_STAMPED + 16 : 0,
                          .request = request,
                          .request_size = i % 2 ? sizeof request : i % 40,
                          .response = response,
                          .response_capacity = sizeof response,
                          .timeout_ns = i % 8 == 7 ? 300000 : UINT64_C(1000000000),
                          .pass_deadline = i % 2};
        sipc_status status = sipc_guest_call(guest, &call);
        bool hasty = status == SIPC_TIMEOUT || status == SIPC_TIMEOUT_MAYBE_EXECUTED ||
                     status == SIPC_ALL_SLOTS_BUSY;
        if (status == SIPC_OK || (hasty && i % 8 == 7)) continue;
        atomic_store_explicit(&host_gone, true, memory_order_release);
        if (hasty) abort(); // a call of a second: nobody wakes it
    }
    return NULL;
}

static bool goes_on(void) {
    return !atomic_load_explicit(&input_ended, memory_order_acquire) &&
           !atomic_load_explicit(&host_gone, memory_order_acquire);
}

static void hear(void *context, const sipc_completion *completion) {
    (void)context;
    const sipc_status status = completion->status;
    if (completion->tag || !status) return; // one that was to give up
    if (status == SIPC_TIMEOUT || status == SIPC_TIMEOUT_MAYBE_EXECUTED) abort(); // nobody wakes it
    if (status != SIPC_ALL_SLOTS_BUSY)
        atomic_store_explicit(&host_gone, true, memory_order_release);
}

static void *submit_on(void *async) {
    uint8_t request[200];
    message_fill_request(request, sizeof request, 0, 0, 1000);
    for (unsigned i = 0; goes_on(); i++) {
        const bool hasty = i % 8 == 7;
        const sipc_async_call call = {.message_id = hasty ? MESSAGE_STAMPED + 16 : 0,
                                      .request = request,
                                      .request_size = i % 2 ? sizeof request : i % 40,
                                      .timeout_ns = hasty ? 300000 : UINT64_C(1000000000),
                                      .patience_ns = i % 3 ? UINT64_C(1000000000) : 0,
                                      .completed = hear,
                                      .tag = hasty};
        if (sipc_async_submit(async, &call) || i % 16 == 0) sleep_us(300); // it rests at times
    }
    return NULL;
}

static void await_input_end(void) {
    char line[64];
    while (read(STDIN_FILENO, line, sizeof line) > 0) {
    }
    atomic_store_explicit(&input_ended, true, memory_order_release);
}

// All of them through one thread of the library's, or each by itself.
static int call_host(const char *name, bool through_async) {
    enum { CALLERS = 3 };
    const sipc_guest_options options = {.calls_only = 1, .call_slots = 2};
    sipc_guest *guest;
    sipc_status status = sipc_guest_attach(name, &options, &guest);
    if (status) return fail(status);
    say("ready");
    pthread_t callers[CALLERS];
    sipc_async *async = NULL;
    if (through_async) status = sipc_guest_async_open(guest, 2, SIPC_FOREVER, &async);
    for (unsigned i = 0; i < CALLERS && !status; i++)
        if (pthread_create(&callers[i], NULL, async ? submit_on : call_on,
                           async ? (void *)async : (void *)guest) != 0)
            return 2;
    await_input_end();
    for (unsigned i = 0; i < CALLERS && !status; i++) pthread_join(callers[i], NULL);
    sipc_async_close(async);
    sipc_guest_detach(guest);
    say("ended");
    return 0;
}

static void take_note(void *context, const sipc_completion *completion) {
    (void)context;
    bool hasty =
        completion->status == SIPC_TIMEOUT || completion->status == SIPC_TIMEOUT_MAYBE_EXECUTED;
    bool ending = atomic_load_explicit(&input_ended, memory_order_acquire);
    if (completion->status != SIPC_OK && !(hasty && completion->tag % 8 == 7) && !ending) {
        printf("request %llu: %s\n", (unsigned long long)completion->tag,
               sipc_status_name(completion->status));
        fflush(stdout);
        abort();
    }
}

static sipc_status submit_next(sipc_pipeline *pipeline, uint64_t tag) {
    uint8_t request[200];
    message_fill_request(request, sizeof request, 0, 0, 1000);
    const bool gives_up = tag % 8 == 7;
    return sipc_pipeline_submit(pipeline, gives_up ? MESSAGE_STAMPED + 16 : 0, request,
                                tag % 2 ? sizeof request : (uint32_t)tag % 40,
                                gives_up ? 300000 : UINT64_C(1000000000), tag);
}

static void *keep_in_flight(void *context) {
    sipc_pipeline *pipeline = context;
    uint64_t tag = 0;
    while (!atomic_load_explicit(&input_ended, memory_order_acquire)) {
        while (submit_next(pipeline, tag) == SIPC_OK) tag++;
        // Where both are out of use it waits for a handler.
        if (sipc_pipeline_in_flight(pipeline) == 0) sleep_us(100);
        sipc_pipeline_reap(pipeline, 0, SIPC_FOREVER, NULL);
    }
    return NULL;
}

static int keep_host_busy(const char *name) {
    const sipc_guest_options options = {.calls_only = 1, .call_slots = 2};
    sipc_guest *guest;
    sipc_pipeline *pipeline;
    pthread_t caller;
    sipc_status status = sipc_guest_attach(name, &options, &guest);
    if (!status)
        status = sipc_guest_pipeline_open(guest, 2, SIPC_FOREVER, take_note, NULL, &pipeline);
    if (status) return fail(status);
    say("ready");
    if (pthread_create(&caller, NULL, keep_in_flight, pipeline) != 0) return 2;
    await_input_end();
    pthread_join(caller, NULL);
    submit_next(pipeline, 0); // which is in flight when it is closed, or answered
    sipc_pipeline_close(pipeline);
    sipc_guest_detach(guest);
    say("ended");
    return 0;
}

static void await_descriptor(intptr_t descriptor) {
    poll(&(struct pollfd){.fd = (int)descriptor, .events = POLLIN}, 1, -1);
}

static void *serve_in_loop(void *host) {
    intptr_t descriptor;
    sipc_status status = sipc_host_descriptor(host, &descriptor);
    while (!status) {
        status = sipc_host_arm(host);
        if (status) break;
        await_descriptor(descriptor);
        status = sipc_host_poll(host, echo, NULL, NULL);
    }
    return NULL;
}

static int serve_guests(const char *name, bool in_loop) {
    const sipc_host_options options = {.guest_slots = 2};
    sipc_host *host;
    pthread_t loop;
    sipc_status status = sipc_host_create(name, 1, 4096, &options, &host);
    if (!status && !in_loop) status = sipc_host_serve(host, NULL, echo, NULL);
    if (status) return fail(status);
    if (in_loop && pthread_create(&loop, NULL, serve_in_loop, host) != 0) return 2;
    say("ready");
    await_input_end();
    sipc_host_shutdown(host);
    if (in_loop) pthread_join(loop, NULL);
    sipc_host_close(host);
    say("ended");
    return 0;
}

// ---- Who serves --------------------------------------------------------------------------------

static sipc_status answer_in_loop(sipc_guest *guest) {
    intptr_t descriptor;
    sipc_status status = sipc_guest_descriptor(guest, &descriptor);
    while (!status) {
        uint32_t served;
        status = sipc_guest_poll(guest, answer, NULL, &served);
        if (status || served) continue;
        status = sipc_guest_arm(guest);
        if (!status) await_descriptor(descriptor);
    }
    return status == SIPC_CLOSED ? SIPC_OK : status;
}

int main(int count, char **words) {
    if (count == 4 && strcmp(words[3], "call") == 0) return call_host(words[1], false);
    if (count == 4 && strcmp(words[3], "async") == 0) return call_host(words[1], true);
    if (count == 4 && strcmp(words[3], "pipeline") == 0) return keep_host_busy(words[1]);
    if (count == 4 && strcmp(words[3], "serve") == 0) return serve_guests(words[1], false);
    if (count == 4 && strcmp(words[3], "serve-in-loop") == 0) return serve_guests(words[1], true);
    int file = count == 3 || count == 4 ? open(words[2], O_RDWR | O_CLOEXEC) : -1;
    counts = file < 0 ? MAP_FAILED
                      : mmap(NULL, sizeof *counts, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (counts == MAP_FAILED) {
        fprintf(stderr, "usage: guest NAME COUNTS [spin|group|later|loop|spare|call|async|pipeline|"
                        "serve|serve-in-loop]\n");
        return 2;
    }
    sipc_guest_options options = {.sealed_folder = getenv("SEALED_FOLDER")};
    if (count == 4 && strcmp(words[3], "group") == 0) options.slots_per_worker = 2;
    if (count == 4 && strcmp(words[3], "spare") == 0) options.wait_for_slots = 1;
    if (count == 4 && strcmp(words[3], "spin") == 0)
        options.wait = (sipc_wait_policy){
            .preset = SIPC_WAIT_CUSTOM, .spin_min = MOST, .spin_max = MOST, .yields = MOST};
    sipc_guest *guest;
    sipc_status status = sipc_guest_attach(words[1], &options, &guest);
    const bool later = count == 4 && strcmp(words[3], "later") == 0;
    pthread_t answering, listener;
    if (later && pthread_create(&answering, NULL, answer_what_was_left, NULL) != 0) return 2;
    const bool in_loop = count == 4 && strcmp(words[3], "loop") == 0;
    if (!status && !in_loop) status = sipc_guest_start(guest, later ? answer_later : answer, NULL);
    if (status) return fail(status);
    say("ready");
    if (pthread_create(&listener, NULL, listen_for_end, guest) != 0) return 2;
    status = in_loop ? answer_in_loop(guest) : sipc_guest_wait(guest);
    pthread_cancel(listener); // it reads, which is a cancellation point
    pthread_join(listener, NULL);
    sipc_guest_detach(guest);
    if (status) printf("ended %s\n", sipc_status_name(status));
    if (!status) say("ended");
    return 0;
}
