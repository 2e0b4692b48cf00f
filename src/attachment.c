// SPDX-License-Identifier: Apache-2.0
// Attaching to a host: slots claimed in its region, and the workers that answer there.
#include "internal/attachment.h"

#include <stdlib.h>

#include "internal/errors.h"
#include "internal/group.h"

// A thread and the claimed slots that it serves. A handler may end its thread; another carries on.
struct worker {
    struct sipc_group group;
    struct sipc_responder *current; // whose request is handled, or was last
    struct sipc_attachment *attachment;
    struct sipc_os_work work;     // of its threads
    uint32_t processor;           // that it runs on, or SIPC_NO_PROCESSOR
    struct sipc_os_thread thread; // that serves now; written by itself
    struct sipc_os_thread former; // that its handler ended, if has_former: not joined yet
    bool has_former;
    bool started; // has a thread
    bool done;    // its thread ends because there is nothing left to do
};

struct sipc_attachment {
    struct sipc_region region;
    struct sipc_owner identity;
    const void *owner;
    struct sipc_responder *responders; // of the claimed slots
    uint32_t slot_count;
    struct worker *workers;
    uint32_t worker_count;
    sipc_handler handler;
    void *context;
    sipc_word running;           // workers that have not left; waited on
    sipc_word stopping;          // 1: workers leave
    sipc_word asked;             // 1: this process, or a message, asked for the end
    sipc_word host_died;         // 1: before anybody asked for the end
    sipc_word threadless;        // 1: a worker is without a thread
    struct sipc_os_watch *watch; // of the host's process
};

// Whose handler runs on this thread.
static _Thread_local const void *handling;

bool sipc_attachment_handles(const void *owner) {
    return handling == owner;
}

// ---- Claiming slots ----------------------------------------------------------------------------

static sipc_status claim_slot(struct sipc_attachment *attachment, uint32_t index,
                              const sipc_wait_policy *policy) {
    bool won;
    sipc_status status =
        sipc_os_claim(&attachment->region.object, SIPC_CLAIM_FIRST_SLOT + index, &won);
    if (status || !won) return status;
    struct sipc_responder *responder = &attachment->responders[attachment->slot_count++];
    sipc_responder_init(responder, &attachment->region.slots[index], &attachment->identity, policy,
                        &attachment->stopping);
    responder->serving = true;
    return SIPC_OK;
}

static uint32_t caller_code(const struct sipc_attachment *attachment, uint32_t index) {
    return sipc_state_code(sipc_load_relaxed(&attachment->region.slots[index].turn->caller_state));
}

// Slots in which a request waits come first; one whose caller has left is of no use. What stands
// there may change meanwhile, so each slot is dealt with in one of two passes and remembered.
static sipc_status claim_wanted(struct sipc_attachment *attachment, uint32_t slots, uint32_t wanted,
                                const sipc_wait_policy *policy, uint32_t *closed) {
    bool *seen = calloc(slots, sizeof *seen);
    if (!seen) return sipc_fail(SIPC_OUT_OF_MEMORY, "no memory to claim %u slots", slots);
    sipc_status status = SIPC_OK;
    for (int pass = 0; pass < 2; pass++) {
        for (uint32_t i = 0; i < slots && attachment->slot_count < wanted && !status; i++) {
            uint32_t code = caller_code(attachment, i);
            if (seen[i] || (pass == 0 && code != SIPC_CODE_REQUEST)) continue;
            seen[i] = true;
            if (code == SIPC_CODE_CLOSED)
                ++*closed;
            else
                status = claim_slot(attachment, i, policy);
        }
    }
    free(seen);
    return status;
}

// How many slots to claim.
static sipc_status count_wanted(const struct sipc_attachment *attachment,
                                const sipc_guest_options *options, uint32_t *wanted) {
    uint32_t slots = attachment->region.geometry.host_slots;
    uint64_t each = options->slots_per_worker ? options->slots_per_worker : 1;
    uint64_t all = options->workers ? options->workers * each : slots;
    if (all > slots || options->slots_per_worker > slots)
        return sipc_fail(SIPC_INVALID_ARGUMENT,
                         "%u workers of %llu slots each for the %u slots of region \"%s\"; ask for "
                         "less",
                         options->workers, (unsigned long long)each, slots,
                         attachment->region.name);
    *wanted = (uint32_t)all;
    return SIPC_OK;
}

static int by_slot(const void *one, const void *other) {
    const struct sipc_responder *a = one, *b = other;
    return a->slot->index < b->slot->index ? -1 : 1;
}

// Slots next to each other go to one worker, in the order in which a pipeline fills them.
static sipc_status divide_among_workers(struct sipc_attachment *attachment, uint32_t each) {
    uint32_t count = (attachment->slot_count + each - 1) / each;
    attachment->workers = calloc(count, sizeof *attachment->workers);
    if (!attachment->workers)
        return sipc_fail(SIPC_OUT_OF_MEMORY, "no memory for %u workers", count);
    qsort(attachment->responders, attachment->slot_count, sizeof attachment->responders[0],
          by_slot);
    for (uint32_t first = 0; first < attachment->slot_count; first += each) {
        struct worker *worker = &attachment->workers[attachment->worker_count++];
        uint32_t left = attachment->slot_count - first;
        worker->attachment = attachment;
        worker->current = &attachment->responders[first];
        sipc_group_init(&worker->group, worker->current, left < each ? left : each);
    }
    return SIPC_OK;
}

// By the slots alone, so that the host finds the same places for its callers.
static void place_workers(struct sipc_attachment *attachment,
                          const struct sipc_placement *placement, uint32_t each) {
    const uint32_t all = (attachment->region.geometry.host_slots - 1) / each + 1;
    for (uint32_t i = 0; i < attachment->worker_count; i++) {
        struct worker *worker = &attachment->workers[i];
        worker->processor = sipc_placement_of(placement, SIPC_SIDE_RESPONDER,
                                              worker->current->slot->index / each, all);
    }
}

static sipc_status claim_slots(struct sipc_attachment *attachment,
                               const sipc_guest_options *options,
                               const struct sipc_placement *placement) {
    const char *name = attachment->region.name;
    const uint32_t each = options->slots_per_worker ? options->slots_per_worker : 1;
    uint32_t slots = attachment->region.geometry.host_slots;
    uint32_t wanted = 0;
    sipc_status status = count_wanted(attachment, options, &wanted);
    if (status) return status;
    attachment->responders = calloc(wanted, sizeof *attachment->responders);
    if (!attachment->responders)
        return sipc_fail(SIPC_OUT_OF_MEMORY, "no memory for %u slots", wanted);
    uint32_t closed = 0;
    status = claim_wanted(attachment, slots, wanted, &options->wait, &closed);
    if (!status && attachment->slot_count > 0) status = divide_among_workers(attachment, each);
    place_workers(attachment, placement, each);
    if (status || attachment->slot_count > 0) return status;
    if (slots > 0 && closed == slots)
        return sipc_fail(SIPC_NO_HOST,
                         "the host of region \"%s\" is closing it; start the next one", name);
    return sipc_fail(SIPC_NO_SLOT, "all %u slots of region \"%s\" are served; create more slots",
                     slots, name);
}

static void leave_slot(struct sipc_attachment *attachment, struct sipc_responder *responder) {
    if (!responder->serving) return;
    responder->serving = false;
    sipc_responder_leave(responder);
    sipc_os_unclaim(&attachment->region.object, SIPC_CLAIM_FIRST_SLOT + responder->slot->index);
}

static void leave_slots_of(struct worker *worker) {
    for (uint32_t i = 0; i < worker->group.count; i++)
        leave_slot(worker->attachment, &worker->group.responders[i]);
}

// ---- The host ----------------------------------------------------------------------------------

// Tells the workers to leave. Barrier: a worker that goes to sleep after this sees it; one that
// sleeps is roused.
static void end(struct sipc_attachment *attachment) {
    sipc_exchange_barrier(&attachment->stopping, 1);
    for (uint32_t i = 0; i < attachment->worker_count; i++)
        sipc_wait_rouse(sipc_group_waiter(&attachment->workers[i].group));
}

static void look_for_host(void *context) {
    struct sipc_attachment *attachment = context;
    bool alive = true;
    if (sipc_os_claimed_by_another(&attachment->region.object, SIPC_CLAIM_HOST, &alive) || alive)
        return;
    // A host that closes in order closes its slots before it gives its claim back. One that was
    // killed meanwhile may have left some open: the workers there are told here.
    uint32_t first = sipc_load_acquire(&attachment->region.slots[0].turn->caller_state);
    if (sipc_state_code(first) != SIPC_CODE_CLOSED && sipc_load_acquire(&attachment->stopping) == 0)
        sipc_exchange_barrier(&attachment->host_died, 1);
    end(attachment);
}

static sipc_status watch_host(struct sipc_attachment *attachment) {
    sipc_status status = sipc_os_watch_start(look_for_host, attachment, &attachment->watch);
    if (status) return status;
    const volatile struct sipc_host_line *line =
        (struct sipc_host_line *)(attachment->region.base + sizeof(struct sipc_exchange_header));
    struct sipc_os_process process = {.id = line->host_pid,
                                      .id_namespace = line->host_pid_namespace};
    status = sipc_os_watch_claim(attachment->watch, &attachment->region.object, SIPC_CLAIM_HOST,
                                 &process);
    // The host may have gone before it was watched, and its id to another process.
    look_for_host(attachment);
    return status;
}

// ---- Beginning ---------------------------------------------------------------------------------

sipc_status sipc_attachment_make(const char *name, const sipc_guest_options *options,
                                 const struct sipc_placement *placement, uint64_t deadline,
                                 const void *owner, struct sipc_attachment **made) {
    *made = NULL;
    struct sipc_attachment *attachment = calloc(1, sizeof *attachment);
    if (!attachment) return sipc_fail(SIPC_OUT_OF_MEMORY, "no memory for a guest");
    attachment->owner = owner;
    sipc_status status = sipc_region_attach(&attachment->region, name, options->sealed_folder,
                                            options->any_owner != 0, deadline);
    if (status) {
        free(attachment);
        return status;
    }
    attachment->identity.process = sipc_os_this_process();
    status = sipc_os_random(&attachment->identity.incarnation);
    if (!status) status = claim_slots(attachment, options, placement);
    if (!status) status = watch_host(attachment);
    if (status) {
        sipc_attachment_release(attachment);
        return status;
    }
    *made = attachment;
    return SIPC_OK;
}

uint32_t sipc_attachment_slots(const struct sipc_attachment *attachment) {
    return attachment->slot_count;
}

// ---- Workers -----------------------------------------------------------------------------------

static void run_worker(void *context) {
    struct worker *worker = context;
    struct sipc_attachment *attachment = worker->attachment;
    worker->thread = sipc_os_this_thread();
    // One that it may not run on any more leaves it where it is.
    if (worker->processor != SIPC_NO_PROCESSOR) (void)sipc_os_pin(worker->processor);
    handling = attachment->owner; // every handler on this thread is this owner's
    while (sipc_load_acquire(&attachment->stopping) == 0) {
        // Not a look at the word before this: straight after an answer it would pull the line back.
        if (sipc_group_wait(&worker->group, &worker->current) != SIPC_WAIT_READY) break;
        enum sipc_served served = sipc_group_serve(&worker->group, worker->current,
                                                   attachment->handler, attachment->context);
        if (SIPC_UNLIKELY(served == SIPC_SERVED_SHUTDOWN)) sipc_attachment_stop(attachment);
        // A host that closes one slot closes all.
        if (SIPC_UNLIKELY(served == SIPC_SERVED_CLOSED)) break;
    }
    worker->done = true;
}

static void join_former(struct worker *worker) {
    if (!worker->has_former) return;
    sipc_os_thread_join(worker->former);
    worker->has_former = false;
}

static void worker_ended(void *context);

// A handler has ended this thread: answers for it and lets a fresh thread carry on. Once that was
// started, the worker is not this thread's any more.
static sipc_status carry_on(struct worker *worker) {
    sipc_waiter_left(sipc_group_waiter(&worker->group));
    sipc_responder_abandon(worker->current);
    join_former(worker);
    worker->former = worker->thread;
    worker->has_former = true;
    return sipc_os_thread_start(&worker->work);
}

// The last thing on a worker's thread.
static void worker_ended(void *context) {
    struct worker *worker = context;
    struct sipc_attachment *attachment = worker->attachment;
    if (worker->done) {
        join_former(worker);
    } else {
        if (carry_on(worker) == SIPC_OK) return;
        sipc_store_release(&attachment->threadless, 1);
        end(attachment);
    }
    leave_slots_of(worker);
    // Release: what the worker did happened before the wait for it returns.
    if (sipc_subtract_barrier(&attachment->running, 1) == 1)
        sipc_os_unpark(&attachment->running, UINT32_MAX);
}

static sipc_status start_worker(struct worker *worker) {
    sipc_word *running = &worker->attachment->running;
    sipc_add_barrier(running, 1);
    worker->work = (struct sipc_os_work){run_worker, worker_ended, worker};
    sipc_status status = sipc_os_thread_start(&worker->work);
    worker->started = status == SIPC_OK;
    // Nobody waits for it yet.
    if (status) sipc_subtract_barrier(running, 1);
    return status;
}

sipc_status sipc_attachment_start(struct sipc_attachment *attachment, sipc_handler handler,
                                  void *context) {
    attachment->handler = handler;
    attachment->context = context;
    sipc_status status = SIPC_OK;
    for (uint32_t i = 0; i < attachment->worker_count && !status; i++)
        status = start_worker(&attachment->workers[i]);
    return status;
}

// ---- Polling -----------------------------------------------------------------------------------

// One look at a slot on the application's thread.
struct look {
    struct sipc_responder *responder;
    const void *outer; // whose handler this thread was in before
    bool returned;
};

// Also when a handler leaves by an exception or ends the thread.
static void look_ended(struct look *look) {
    handling = look->outer;
    if (!look->returned) sipc_responder_abandon(look->responder);
}

static enum sipc_served serve_once(struct sipc_attachment *attachment,
                                   struct sipc_responder *responder) {
    SIPC_FINALLY(look_ended) struct look look = {.responder = responder, .outer = handling};
    handling = attachment->owner;
    enum sipc_served served =
        sipc_responder_serve(responder, attachment->handler, attachment->context);
    // cppcheck-suppress unreadVariable ; look_ended() does
    look.returned = true;
    return served;
}

sipc_status sipc_attachment_poll(struct sipc_attachment *attachment, sipc_handler handler,
                                 void *context, uint32_t *served) {
    attachment->handler = handler;
    attachment->context = context;
    uint32_t open = 0;
    for (uint32_t i = 0; i < attachment->slot_count; i++) {
        struct sipc_responder *responder = &attachment->responders[i];
        if (!responder->serving || sipc_load_acquire(&attachment->stopping) != 0) continue;
        enum sipc_served result = serve_once(attachment, responder);
        if (result == SIPC_SERVED_REQUEST || result == SIPC_SERVED_SHUTDOWN) ++*served;
        if (result == SIPC_SERVED_SHUTDOWN) sipc_attachment_stop(attachment);
        if (result == SIPC_SERVED_CLOSED)
            leave_slot(attachment, responder);
        else
            open++;
    }
    sipc_status status = sipc_attachment_problem(attachment);
    if (status) return status;
    if (open == 0 || sipc_load_acquire(&attachment->stopping) != 0)
        return sipc_fail(SIPC_CLOSED, "the host closed the region or the guest was stopped");
    return SIPC_OK;
}

// ---- The end -----------------------------------------------------------------------------------

void sipc_attachment_stop(struct sipc_attachment *attachment) {
    sipc_store_release(&attachment->asked, 1);
    end(attachment);
}

void sipc_attachment_wait(struct sipc_attachment *attachment) {
    for (uint32_t running; (running = sipc_load_acquire(&attachment->running)) != 0;)
        sipc_os_park(&attachment->running, running, SIPC_NEVER);
}

static bool is_lost(const struct sipc_attachment *attachment) {
    return sipc_load_acquire(attachment->region.lost) != 0;
}

bool sipc_attachment_host_is_gone(const struct sipc_attachment *attachment) {
    return sipc_load_acquire(&attachment->asked) == 0 &&
           sipc_load_acquire(&attachment->threadless) == 0 && !is_lost(attachment);
}

// A host that closed in order has closed its slots first.
sipc_status sipc_attachment_problem(const struct sipc_attachment *attachment) {
    const char *name = attachment->region.name;
    if (is_lost(attachment))
        return sipc_fail(SIPC_REGION_LOST, "somebody cut the object of region \"%s\" short; detach",
                         name);
    if (sipc_load_acquire(&attachment->threadless) != 0)
        return sipc_fail(SIPC_SYSTEM,
                         "a handler ended its worker's thread, and the system gave no other for "
                         "region \"%s\"; let handlers return",
                         name);
    if (sipc_load_acquire(&attachment->host_died) == 0) return SIPC_OK;
    return sipc_fail(SIPC_PEER_DIED, "the host of region \"%s\" is gone; detach and attach again",
                     name);
}

void sipc_attachment_release(struct sipc_attachment *attachment) {
    if (!attachment) return;
    sipc_attachment_stop(attachment);
    sipc_attachment_wait(attachment); // then no worker changes its thread any more
    for (uint32_t i = 0; i < attachment->worker_count; i++)
        if (attachment->workers[i].started) sipc_os_thread_join(attachment->workers[i].thread);
    sipc_os_watch_stop(attachment->watch);
    for (uint32_t i = 0; i < attachment->slot_count; i++)
        leave_slot(attachment, &attachment->responders[i]);
    sipc_region_close(&attachment->region);
    free(attachment->workers);
    free(attachment->responders);
    free(attachment);
}
