// SPDX-License-Identifier: Apache-2.0
// The guest: slots claimed in somebody's region, and the workers that answer there.
#include <stdlib.h>

#include "internal/errors.h"
#include "internal/responder.h"

#define DEFAULT_ATTACH_TIMEOUT_NS UINT64_C(10000000000)

// One claimed slot and the thread that serves it.
struct worker {
    struct sipc_responder responder;
    sipc_guest *guest;
    struct sipc_os_thread thread;
    bool started; // has a thread
    bool serving; // holds its claim
};

struct sipc_guest {
    struct sipc_region region;
    uint64_t incarnation;
    struct worker *workers;
    uint32_t worker_count;
    sipc_handler handler;
    void *context;
    sipc_word running;  // workers whose thread has not ended; waited on
    sipc_word stopping; // 1: workers leave
    sipc_word started;  // 1: worker threads were started
    sipc_word host_died;
    uint32_t forks;              // of the process that made it
    struct sipc_os_watch *watch; // of the host's process
};

// The guest whose handler runs on this thread.
static _Thread_local const sipc_guest *handling;

// A handle that is there and is this process's.
static sipc_status check_guest(const sipc_guest *guest) {
    if (!guest) return sipc_fail(SIPC_INVALID_ARGUMENT, "guest is NULL; attach first");
    if (guest->forks != sipc_os_forks())
        return sipc_fail(SIPC_INVALID_ARGUMENT,
                         "the guest belongs to the process that forked this one; attach here");
    return SIPC_OK;
}

static sipc_status check_serving(const sipc_guest *guest, sipc_handler handler) {
    sipc_status status = check_guest(guest);
    if (!status && !handler) status = sipc_fail(SIPC_INVALID_ARGUMENT, "the handler is NULL");
    return status;
}

// ---- Attaching ---------------------------------------------------------------------------------

static sipc_status claim_slot(sipc_guest *guest, uint32_t index, const sipc_wait_policy *policy) {
    bool won;
    sipc_status status = sipc_os_claim(&guest->region.object, SIPC_CLAIM_FIRST_SLOT + index, &won);
    if (status || !won) return status;
    struct worker *worker = &guest->workers[guest->worker_count++];
    worker->guest = guest;
    worker->serving = true;
    sipc_responder_init(&worker->responder, &guest->region.slots[index], guest->incarnation, policy,
                        &guest->stopping);
    return SIPC_OK;
}

static bool has_request(const sipc_guest *guest, uint32_t index) {
    uint32_t state = sipc_load_relaxed(&guest->region.slots[index].turn->caller_state);
    return sipc_state_code(state) == SIPC_CODE_REQUEST;
}

// Slots in which a request waits come first. What stands there may change meanwhile, so each slot
// is claimed in one of two passes and remembered.
static sipc_status claim_wanted(sipc_guest *guest, uint32_t slots, uint32_t wanted,
                                const sipc_wait_policy *policy) {
    bool *taken = calloc(slots, sizeof *taken);
    if (!taken) return sipc_fail(SIPC_OUT_OF_MEMORY, "no memory to claim %u slots", slots);
    sipc_status status = SIPC_OK;
    for (int pass = 0; pass < 2; pass++) {
        for (uint32_t i = 0; i < slots && guest->worker_count < wanted && !status; i++) {
            if (taken[i] || (pass == 0 && !has_request(guest, i))) continue;
            taken[i] = true;
            status = claim_slot(guest, i, policy);
        }
    }
    free(taken);
    return status;
}

static sipc_status claim_slots(sipc_guest *guest, const sipc_guest_options *options) {
    uint32_t slots = guest->region.geometry.host_slots;
    uint32_t wanted = options->workers ? options->workers : slots;
    if (wanted > slots)
        return sipc_fail(SIPC_INVALID_ARGUMENT,
                         "%u workers for the %u slots of region \"%s\"; ask for less", wanted,
                         slots, guest->region.name);
    guest->workers = calloc(wanted, sizeof *guest->workers);
    if (!guest->workers) return sipc_fail(SIPC_OUT_OF_MEMORY, "no memory for %u workers", wanted);
    sipc_status status = claim_wanted(guest, slots, wanted, &options->wait);
    if (status) return status;
    if (guest->worker_count == 0)
        return sipc_fail(SIPC_NO_SLOT,
                         "all %u slots of region \"%s\" are served; create more slots", slots,
                         guest->region.name);
    return SIPC_OK;
}

static void leave_slot(struct worker *worker) {
    if (!worker->serving) return;
    worker->serving = false;
    sipc_responder_leave(&worker->responder);
    sipc_os_unclaim(&worker->guest->region.object,
                    SIPC_CLAIM_FIRST_SLOT + worker->responder.slot->index);
}

static void look_for_host(void *context) {
    sipc_guest *guest = context;
    bool alive = true;
    if (sipc_os_claimed_by_another(&guest->region.object, SIPC_CLAIM_HOST, &alive) || alive) return;
    // A host that closes in order closes its slots before it gives its claim back. One that was
    // killed meanwhile may have left some open: the workers there are told here.
    uint32_t first = sipc_load_acquire(&guest->region.slots[0].turn->caller_state);
    if (sipc_state_code(first) != SIPC_CODE_CLOSED && sipc_load_acquire(&guest->stopping) == 0)
        sipc_exchange_barrier(&guest->host_died, 1);
    sipc_guest_stop(guest);
}

static sipc_status watch_host(sipc_guest *guest) {
    sipc_status status = sipc_os_watch_start(look_for_host, guest, &guest->watch);
    if (status) return status;
    const volatile struct sipc_host_line *line =
        (struct sipc_host_line *)(guest->region.base + sizeof(struct sipc_exchange_header));
    struct sipc_os_process process = {.id = line->host_pid,
                                      .id_namespace = line->host_pid_namespace};
    status = sipc_os_watch_claim(guest->watch, &guest->region.object, SIPC_CLAIM_HOST, &process);
    // The host may have gone before it was watched, and its id to another process.
    look_for_host(guest);
    return status;
}

static void release(sipc_guest *guest) {
    sipc_os_watch_stop(guest->watch);
    for (uint32_t i = 0; i < guest->worker_count; i++) leave_slot(&guest->workers[i]);
    sipc_region_close(&guest->region);
    free(guest->workers);
    free(guest);
}

static sipc_status check_options(const sipc_guest_options *options) {
    if (options->struct_size && options->struct_size < sizeof *options)
        return sipc_fail(SIPC_INVALID_ARGUMENT,
                         "struct_size is %u; set it to sizeof(sipc_guest_options)",
                         options->struct_size);
    return sipc_wait_policy_check(&options->wait);
}

sipc_status sipc_guest_attach(const char *name, const sipc_guest_options *given,
                              sipc_guest **guest) {
    if (!guest)
        return sipc_fail(SIPC_INVALID_ARGUMENT, "guest is NULL; pass where to put the handle");
    *guest = NULL;
    sipc_guest_options options = given ? *given : (sipc_guest_options){0};
    sipc_status status = check_options(&options);
    if (status) return status;
    struct sipc_deadline deadline = sipc_deadline_after(
        options.attach_timeout_ns ? options.attach_timeout_ns : DEFAULT_ATTACH_TIMEOUT_NS);
    sipc_guest *made = calloc(1, sizeof *made);
    if (!made) return sipc_fail(SIPC_OUT_OF_MEMORY, "no memory for a guest");
    made->forks = sipc_os_forks();
    status = sipc_region_attach(&made->region, name, options.any_owner != 0,
                                sipc_deadline_at(&deadline));
    if (status) {
        free(made);
        return status;
    }
    status = sipc_os_random(&made->incarnation);
    if (!status) status = claim_slots(made, &options);
    if (!status) status = watch_host(made);
    if (status) {
        release(made);
        return status;
    }
    *guest = made;
    return SIPC_OK;
}

uint32_t sipc_guest_slots(const sipc_guest *guest) {
    return guest->worker_count;
}

// ---- Serving -----------------------------------------------------------------------------------

static enum sipc_served serve(struct worker *worker) {
    const sipc_guest *outer = handling;
    handling = worker->guest;
    enum sipc_served served =
        sipc_responder_serve(&worker->responder, worker->guest->handler, worker->guest->context);
    handling = outer;
    return served;
}

static void run_worker(void *context) {
    struct worker *worker = context;
    sipc_guest *guest = worker->guest;
    handling = guest; // every handler on this thread is this guest's
    while (sipc_load_acquire(&guest->stopping) == 0) {
        // Not a look at the word before this: straight after an answer it would pull the line back.
        if (sipc_responder_wait(&worker->responder) != SIPC_WAIT_READY) break;
        enum sipc_served served =
            sipc_responder_serve(&worker->responder, guest->handler, guest->context);
        if (SIPC_UNLIKELY(served == SIPC_SERVED_SHUTDOWN)) sipc_guest_stop(guest);
        if (SIPC_UNLIKELY(served == SIPC_SERVED_CLOSED)) break;
    }
    leave_slot(worker);
    // Release: what the worker did happened before the wait for it returns.
    if (sipc_subtract_barrier(&guest->running, 1) == 1) sipc_os_unpark(&guest->running, UINT32_MAX);
}

static sipc_status start_worker(struct worker *worker) {
    sipc_add_barrier(&worker->guest->running, 1);
    sipc_status status = sipc_os_thread_start(&worker->thread, run_worker, worker);
    worker->started = status == SIPC_OK;
    if (status) sipc_subtract_barrier(&worker->guest->running, 1);
    return status;
}

sipc_status sipc_guest_start(sipc_guest *guest, sipc_handler handler, void *context) {
    sipc_status status = check_serving(guest, handler);
    if (status) return status;
    if (sipc_load_acquire(&guest->stopping) != 0)
        return sipc_fail(SIPC_CLOSED, "the guest was stopped; attach again");
    if (sipc_exchange_barrier(&guest->started, 1) != 0)
        return sipc_fail(SIPC_BUSY, "the guest's workers were started already");
    guest->handler = handler;
    guest->context = context;
    for (uint32_t i = 0; i < guest->worker_count && !status; i++)
        status = start_worker(&guest->workers[i]);
    if (status) sipc_guest_stop(guest);
    return status;
}

// Why a guest whose workers have ended, ended. A host that closed in order has closed its slots
// first.
static sipc_status ended(const sipc_guest *guest) {
    if (sipc_load_acquire(guest->region.lost) != 0)
        return sipc_fail(SIPC_REGION_LOST, "somebody cut the object of region \"%s\" short; detach",
                         guest->region.name);
    if (sipc_load_acquire(&guest->host_died) == 0) return SIPC_OK;
    return sipc_fail(SIPC_PEER_DIED, "the host of region \"%s\" is gone; detach and attach again",
                     guest->region.name);
}

static sipc_status wait_for_workers(sipc_guest *guest) {
    if (handling == guest)
        return sipc_fail(SIPC_BUSY,
                         "called from a handler of the guest, which would wait for itself");
    for (uint32_t running; (running = sipc_load_acquire(&guest->running)) != 0;)
        sipc_os_park(&guest->running, running, SIPC_NEVER);
    return ended(guest);
}

sipc_status sipc_guest_wait(sipc_guest *guest) {
    sipc_status status = check_guest(guest);
    if (status) return status;
    if (sipc_load_acquire(&guest->started) == 0)
        return sipc_fail(SIPC_INVALID_ARGUMENT,
                         "the guest was not started; call sipc_guest_start() first");
    return wait_for_workers(guest);
}

sipc_status sipc_guest_poll(sipc_guest *guest, sipc_handler handler, void *context,
                            uint32_t *served) {
    if (served) *served = 0;
    sipc_status status = check_serving(guest, handler);
    if (status) return status;
    if (sipc_load_acquire(&guest->started) != 0)
        return sipc_fail(SIPC_BUSY, "the guest's workers serve its slots");
    guest->handler = handler;
    guest->context = context;
    uint32_t open = 0;
    uint32_t answered = 0;
    for (uint32_t i = 0; i < guest->worker_count; i++) {
        struct worker *worker = &guest->workers[i];
        if (!worker->serving || sipc_load_acquire(&guest->stopping) != 0) continue;
        enum sipc_served result = serve(worker);
        if (result == SIPC_SERVED_REQUEST || result == SIPC_SERVED_SHUTDOWN) answered++;
        if (result == SIPC_SERVED_SHUTDOWN) sipc_guest_stop(guest);
        if (result == SIPC_SERVED_CLOSED)
            leave_slot(worker);
        else
            open++;
    }
    if (served) *served = answered;
    if (sipc_load_acquire(&guest->host_died) != 0 || sipc_load_acquire(guest->region.lost) != 0)
        return ended(guest);
    if (open == 0 || sipc_load_acquire(&guest->stopping) != 0)
        return sipc_fail(SIPC_CLOSED, "the host closed the region or the guest was stopped");
    return SIPC_OK;
}

// ---- The end -----------------------------------------------------------------------------------

void sipc_guest_stop(sipc_guest *guest) {
    if (check_guest(guest)) return;
    // Barrier: a worker that goes to sleep after this sees it; one that sleeps is roused.
    sipc_exchange_barrier(&guest->stopping, 1);
    for (uint32_t i = 0; i < guest->worker_count; i++)
        sipc_wait_rouse(&guest->workers[i].responder.waiter);
}

sipc_status sipc_guest_detach(sipc_guest *guest) {
    if (!guest) return SIPC_OK;
    sipc_status status = check_guest(guest);
    if (status) return status;
    if (handling == guest)
        return sipc_fail(SIPC_BUSY,
                         "called from a handler of the guest, which would wait for itself");
    sipc_guest_stop(guest);
    for (uint32_t i = 0; i < guest->worker_count; i++)
        if (guest->workers[i].started) sipc_os_thread_join(guest->workers[i].thread);
    release(guest);
    return SIPC_OK;
}
