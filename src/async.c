// SPDX-License-Identifier: Apache-2.0
// Calls that complete on a thread of the library's: a pipeline, the thread that owns it, and a
// queue to it. Who calls only queues; the thread sends, waits for all that is in flight at once,
// and parks while nothing is.
#include <simpleipc/async.h>
#include <stdlib.h>
#include <string.h>

#include "internal/errors.h"
#include "internal/lock.h"
#include "internal/pipeline.h"

struct entry {
    struct entry *next;
    sipc_completed completed;
    void *context;
    uint64_t tag;
    uint64_t end; // SIPC_NEVER: no deadline
    uint32_t message_id;
    uint32_t size;
    uint8_t request[];
};

struct sipc_async {
    sipc_pipeline *pipeline; // the thread's own, once that runs
    uint32_t most;           // requests that are not complete
    uint32_t forks;          // of the process that made it
    sipc_word lock;          // guards the queue
    struct entry *first;
    struct entry **last;
    sipc_word open;    // requests that are not complete
    sipc_word closing; // 1: the thread gives up what is open; 2: the pipeline is all its own
    sipc_word idle;    // 1: the thread parks on this
    sipc_word room;    // changes with each completion, parked on by those who wait for one
    sipc_word waiting; // how many those are
    sipc_word gone;    // 1: the thread has ended
    struct sipc_os_work work;
    struct sipc_os_thread thread; // written by itself
};

// Whose completions this thread tells.
static _Thread_local const sipc_async *completing;

// ---- Completing --------------------------------------------------------------------------------

static void make_room(sipc_async *async) {
    // Barrier: who waits is seen here, or sees the room.
    sipc_subtract_barrier(&async->open, 1);
    sipc_add_barrier(&async->room, 1);
    if (sipc_load_relaxed(&async->waiting) != 0) sipc_os_unpark(&async->room, UINT32_MAX);
}

static void complete(sipc_async *async, struct entry *entry, const sipc_completion *told) {
    sipc_completion completion = *told;
    completion.tag = entry->tag;
    make_room(async); // the completion may be the one who calls again
    entry->completed(entry->context, &completion);
    free(entry);
}

// By the pipeline.
static void told(void *context, const sipc_completion *completion) {
    complete(context, (struct entry *)(uintptr_t)completion->tag, completion); // NOLINT
}

static void fail(sipc_async *async, struct entry *entry, sipc_status status) {
    complete(async, entry, &(sipc_completion){.status = status});
}

// ---- The thread --------------------------------------------------------------------------------

static struct entry *take_queue(sipc_async *async) {
    sipc_lock(&async->lock);
    struct entry *first = async->first;
    async->first = NULL;
    async->last = &async->first;
    sipc_unlock(&async->lock);
    return first;
}

static bool has_news(const sipc_async *async) {
    return sipc_load_acquire(&async->closing) != 0 || sipc_pipeline_is_roused(async->pipeline);
}

static sipc_status send_entry(sipc_async *async, const struct entry *entry) {
    uint64_t timeout = SIPC_FOREVER;
    if (entry->end != SIPC_NEVER) {
        const uint64_t now = sipc_os_now();
        if (now >= entry->end)
            return sipc_fail(SIPC_TIMEOUT, "the deadline passed before the request was sent");
        timeout = entry->end - now;
    }
    return sipc_pipeline_submit(async->pipeline, entry->message_id, entry->request, entry->size,
                                timeout, (uint64_t)(uintptr_t)entry);
}

static void send_all(sipc_async *async, struct entry *entry) {
    while (entry) {
        struct entry *next = entry->next;
        const sipc_status status = send_entry(async, entry);
        if (status) fail(async, entry, status);
        entry = next;
    }
}

// Nothing is in flight: parks until there is news.
static void rest(sipc_async *async) {
    // Barrier: who brings news sees that we rest, or we see the news.
    sipc_exchange_barrier(&async->idle, 1);
    while (!has_news(async) && sipc_load_acquire(&async->idle) != 0)
        sipc_os_park(&async->idle, 1, SIPC_NEVER);
    sipc_store_relaxed(&async->idle, 0);
}

static void run(void *context) {
    sipc_async *async = context;
    async->thread = sipc_os_this_thread();
    completing = async;
    while (sipc_load_acquire(&async->closing) == 0) {
        if (sipc_pipeline_in_flight(async->pipeline) == 0) rest(async);
        sipc_pipeline_forget_rouse(async->pipeline);
        send_all(async, take_queue(async));
        (void)sipc_pipeline_reap(async->pipeline, 0, SIPC_FOREVER, NULL);
    }
    // Who closes has still to let go of it.
    while (sipc_load_acquire(&async->closing) != 2) sipc_os_park(&async->closing, 1, SIPC_NEVER);
    sipc_pipeline_close(async->pipeline);
    for (struct entry *entry = take_queue(async), *next; entry; entry = next) {
        next = entry->next;
        fail(async, entry, sipc_fail(SIPC_CLOSED, "closed before the request was sent"));
    }
}

static void ended(void *context) {
    sipc_async *async = context;
    // Release: the thread's handle was written before.
    sipc_store_release(&async->gone, 1);
    sipc_os_unpark(&async->gone, UINT32_MAX);
}

static void bring_news(sipc_async *async) {
    sipc_pipeline_rouse(async->pipeline);
    uint32_t resting = 1;
    if (sipc_compare_exchange(&async->idle, &resting, 0)) sipc_os_unpark(&async->idle, 1);
}

// ---- Life --------------------------------------------------------------------------------------

static sipc_status make(sipc_async **async) {
    if (!async)
        return sipc_fail(SIPC_INVALID_ARGUMENT, "async is NULL; pass where to put the handle");
    *async = calloc(1, sizeof **async);
    if (!*async) return sipc_fail(SIPC_OUT_OF_MEMORY, "no memory to call asynchronously");
    (*async)->forks = sipc_os_forks();
    (*async)->last = &(*async)->first;
    return SIPC_OK;
}

// With a pipeline that was opened, or the reason why there is none.
static sipc_status start(sipc_async **async, uint32_t depth, sipc_status status) {
    sipc_async *made = *async;
    made->most = depth;
    made->work = (struct sipc_os_work){run, ended, made};
    if (!status) {
        status = sipc_os_thread_start(&made->work);
        if (status) sipc_pipeline_close(made->pipeline);
    }
    if (!status) return SIPC_OK;
    free(made);
    *async = NULL;
    return status;
}

sipc_status sipc_async_open(sipc_host *host, uint32_t depth, uint64_t timeout_ns,
                            sipc_async **async) {
    sipc_status status = make(async);
    if (status) return status;
    status = sipc_pipeline_open(host, SIPC_ANY_SLOT, depth, timeout_ns, told, *async,
                                &(*async)->pipeline);
    return start(async, depth, status);
}

sipc_status sipc_guest_async_open(sipc_guest *guest, uint32_t depth, uint64_t timeout_ns,
                                  sipc_async **async) {
    sipc_status status = make(async);
    if (status) return status;
    status = sipc_guest_pipeline_open(guest, depth, timeout_ns, told, *async, &(*async)->pipeline);
    return start(async, depth, status);
}

static sipc_status check(const sipc_async *async) {
    if (!async) return sipc_fail(SIPC_INVALID_ARGUMENT, "async is NULL; open one first");
    if (async->forks == sipc_os_forks()) return SIPC_OK;
    return sipc_fail(SIPC_INVALID_ARGUMENT,
                     "it belongs to the process that forked this one; open one here");
}

sipc_status sipc_async_close(sipc_async *async) {
    if (!async) return SIPC_OK;
    sipc_status status = check(async);
    if (status) return status;
    if (completing == async)
        return sipc_fail(SIPC_BUSY, "called from a completion; close from another thread");
    sipc_exchange_barrier(&async->closing, 1);
    bring_news(async);
    sipc_store_release(&async->closing, 2);
    sipc_os_unpark(&async->closing, 1);
    while (sipc_load_acquire(&async->gone) == 0) sipc_os_park(&async->gone, 0, SIPC_NEVER);
    sipc_os_thread_join(async->thread);
    free(async);
    return SIPC_OK;
}

// ---- Calling -----------------------------------------------------------------------------------

static bool take_room(sipc_async *async) {
    uint32_t open = sipc_load_relaxed(&async->open);
    while (open < async->most)
        if (sipc_compare_exchange(&async->open, &open, open + 1)) return true;
    return false;
}

// False: there was none until the deadline.
static bool wait_for_room(sipc_async *async, uint64_t patience_ns) {
    if (take_room(async)) return true;
    if (patience_ns == 0 || completing == async) return false; // who makes room does not wait
    struct sipc_deadline deadline = sipc_deadline_after(patience_ns);
    bool had = false;
    // Barrier: who makes room sees us, or we see the room.
    sipc_add_barrier(&async->waiting, 1);
    for (bool in_time = true; !had && in_time;) {
        const uint32_t room = sipc_load_acquire(&async->room);
        had = take_room(async);
        if (!had) in_time = sipc_os_park(&async->room, room, sipc_deadline_at(&deadline));
    }
    sipc_subtract_barrier(&async->waiting, 1);
    return had;
}

static sipc_status make_entry(const sipc_async *async, const sipc_async_call *call,
                              struct entry **made) {
    struct entry *entry = malloc(sizeof *entry + call->request_size);
    *made = entry;
    if (!entry)
        return sipc_fail(SIPC_OUT_OF_MEMORY, "no memory for a request of %u bytes",
                         call->request_size);
    *entry = (struct entry){.completed = call->completed,
                            .context = call->context,
                            .tag = call->tag,
                            .end = sipc_pipeline_end_after(async->pipeline, call->timeout_ns),
                            .message_id = call->message_id,
                            .size = call->request_size};
    if (call->request_size) memcpy(entry->request, call->request, call->request_size);
    return SIPC_OK;
}

static void queue(sipc_async *async, struct entry *entry) {
    sipc_lock(&async->lock);
    *async->last = entry;
    async->last = &entry->next;
    sipc_unlock(&async->lock);
    bring_news(async);
}

sipc_status sipc_async_submit(sipc_async *async, const sipc_async_call *call) {
    sipc_status status = check(async);
    if (status) return status;
    if (!call || !call->completed || (!call->request && call->request_size))
        return sipc_fail(SIPC_INVALID_ARGUMENT,
                         "the call, its completed, or a request with a size is NULL");
    // By a completion: the pipeline is about to go, or gone, and nobody sends any more.
    if (sipc_load_acquire(&async->closing) != 0)
        return sipc_fail(SIPC_CLOSED, "it is being closed, and sends nothing any more");
    status = sipc_pipeline_check(async->pipeline, call->message_id, call->request_size);
    if (status) return status;
    struct entry *entry;
    status = make_entry(async, call, &entry);
    if (status) return status;
    if (!wait_for_room(async, call->patience_ns)) {
        free(entry);
        return sipc_fail(SIPC_ALL_SLOTS_BUSY,
                         "%u requests are open, which is the depth; wait longer or open deeper",
                         async->most);
    }
    queue(async, entry);
    return SIPC_OK;
}

uint32_t sipc_async_open_requests(const sipc_async *async) {
    return async ? sipc_load_acquire(&async->open) : 0;
}
