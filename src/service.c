// SPDX-License-Identifier: Apache-2.0
#include "internal/service.h"

#include <stdlib.h>

#include "internal/errors.h"
#include "internal/group.h"
#include "internal/streams.h"

// A thread and the claimed slots that it serves. A handler may end its thread; another carries on.
struct sipc_worker {
    struct sipc_group group;
    struct sipc_responder *current; // whose request is handled, or was last
    struct sipc_service *service;
    struct sipc_os_work work;     // of its threads
    uint32_t processor;           // that it runs on, or SIPC_NO_PROCESSOR
    struct sipc_os_thread thread; // that serves now; written by itself
    struct sipc_os_thread former; // that its handler ended, if has_former: not joined yet
    bool has_former;
    bool started; // has a thread
    bool done;    // its thread ends because there is nothing left to do
};

// Whose handler runs on this thread.
static _Thread_local const void *handling;

bool sipc_service_handles(const void *owner) {
    return handling == owner;
}

// ---- Slots -------------------------------------------------------------------------------------

sipc_status sipc_service_init(struct sipc_service *service, const void *owner, uint32_t slots,
                              bool claimed) {
    *service = (struct sipc_service){.owner = owner, .claimed = claimed};
    service->responders = calloc(slots, sizeof *service->responders);
    if (!service->responders)
        return sipc_fail(SIPC_OUT_OF_MEMORY, "no memory to serve %u slots", slots);
    return SIPC_OK;
}

void sipc_service_add(struct sipc_service *service, const struct sipc_slot *slot,
                      const struct sipc_owner *identity, const sipc_wait_policy *policy) {
    struct sipc_responder *responder = &service->responders[service->slot_count++];
    sipc_responder_init(responder, slot, identity, policy, &service->stopping);
    responder->serving = true;
}

static struct sipc_streams *streams_of(const struct sipc_service *service) {
    return atomic_load_explicit(&service->streams, memory_order_acquire);
}

void sipc_service_offer_streams(struct sipc_service *service, struct sipc_streams *streams,
                                struct sipc_os_watch *callers) {
    // Release: a notice of the peer's death may look for them by now.
    atomic_store_explicit(&service->streams, streams, memory_order_release);
    for (uint32_t i = 0; i < service->slot_count; i++) {
        service->responders[i].streams = streams;
        service->responders[i].callers = callers;
    }
}

static int by_slot(const void *one, const void *other) {
    const struct sipc_responder *a = one, *b = other;
    return a->slot->index < b->slot->index ? -1 : 1;
}

// Slots next to each other go to one worker, in the order in which a pipeline fills them.
sipc_status sipc_service_divide(struct sipc_service *service, uint32_t each) {
    uint32_t count = (service->slot_count + each - 1) / each;
    service->workers = calloc(count, sizeof *service->workers);
    if (!service->workers) return sipc_fail(SIPC_OUT_OF_MEMORY, "no memory for %u workers", count);
    qsort(service->responders, service->slot_count, sizeof service->responders[0], by_slot);
    for (uint32_t first = 0; first < service->slot_count; first += each) {
        struct sipc_worker *worker = &service->workers[service->worker_count++];
        uint32_t left = service->slot_count - first;
        worker->service = service;
        worker->processor = SIPC_NO_PROCESSOR;
        worker->current = &service->responders[first];
        sipc_group_init(&worker->group, worker->current, left < each ? left : each);
    }
    return SIPC_OK;
}

uint32_t sipc_service_first_slot(const struct sipc_service *service, uint32_t worker) {
    return service->workers[worker].current->slot->index;
}

void sipc_service_place(struct sipc_service *service, uint32_t worker, uint32_t processor) {
    service->workers[worker].processor = processor;
}

static void leave_slot(const struct sipc_service *service, struct sipc_responder *responder) {
    if (!responder->serving) return;
    sipc_responder_await_answer(responder);
    responder->serving = false;
    sipc_responder_leave(responder);
    if (service->claimed)
        sipc_os_unclaim(responder->slot->object, SIPC_CLAIM_FIRST_SLOT + responder->slot->index);
}

static void leave_slots_of(struct sipc_worker *worker) {
    for (uint32_t i = 0; i < worker->group.count; i++)
        leave_slot(worker->service, &worker->group.responders[i]);
}

// After the last one was given back: a guest that waits for slots finds them all.
static void tell_slots_are_free(const struct sipc_service *service) {
    if (service->claimed && service->slot_count > 0)
        sipc_os_object_touch(service->responders[0].slot->object);
}

// ---- Workers -----------------------------------------------------------------------------------

static void run_worker(void *context) {
    struct sipc_worker *worker = context;
    struct sipc_service *service = worker->service;
    worker->thread = sipc_os_this_thread();
    // One that it may not run on any more leaves it where it is.
    if (worker->processor != SIPC_NO_PROCESSOR) (void)sipc_os_pin(worker->processor);
    handling = service->owner; // every handler on this thread is this owner's
    while (sipc_load_acquire(&service->stopping) == 0) {
        // Not a look at the word before this: straight after an answer it would pull the line back.
        if (sipc_group_wait(&worker->group, &worker->current) != SIPC_WAIT_READY) break;
        enum sipc_served served =
            sipc_group_serve(&worker->group, worker->current, service->handler, service->context);
        if (SIPC_UNLIKELY(served == SIPC_SERVED_SHUTDOWN)) sipc_service_stop(service);
        // A host that closes one slot closes all.
        if (SIPC_UNLIKELY(served == SIPC_SERVED_CLOSED)) break;
    }
    worker->done = true;
}

static void join_former(struct sipc_worker *worker) {
    if (!worker->has_former) return;
    sipc_os_thread_join(worker->former);
    worker->has_former = false;
}

static void worker_ended(void *context);

// A handler has ended this thread: answers for it and lets a fresh thread carry on. Once that was
// started, the worker is not this thread's any more.
static sipc_status carry_on(struct sipc_worker *worker) {
    sipc_waiter_left(sipc_group_waiter(&worker->group));
    sipc_responder_abandon(worker->current);
    join_former(worker);
    worker->former = worker->thread;
    worker->has_former = true;
    return sipc_os_thread_start(&worker->work);
}

// The last thing on a worker's thread.
static void worker_ended(void *context) {
    struct sipc_worker *worker = context;
    struct sipc_service *service = worker->service;
    if (worker->done) {
        join_former(worker);
    } else {
        if (carry_on(worker) == SIPC_OK) return;
        sipc_store_release(&service->threadless, 1);
        sipc_service_end(service);
    }
    leave_slots_of(worker);
    // By the last to come here, not by one that finds itself alone: two may leave at the same
    // moment.
    if (sipc_subtract_barrier(&service->holding, 1) == 1) tell_slots_are_free(service);
    // Release: what the worker did happened before the wait for it returns.
    if (sipc_subtract_barrier(&service->running, 1) == 1)
        sipc_os_unpark(&service->running, UINT32_MAX);
}

static sipc_status start_worker(struct sipc_worker *worker) {
    sipc_word *running = &worker->service->running;
    sipc_add_barrier(running, 1);
    sipc_add_barrier(&worker->service->holding, 1);
    worker->work = (struct sipc_os_work){run_worker, worker_ended, worker};
    sipc_status status = sipc_os_thread_start(&worker->work);
    worker->started = status == SIPC_OK;
    if (!status) return SIPC_OK;
    // Nobody waits for it yet.
    sipc_subtract_barrier(&worker->service->holding, 1);
    sipc_subtract_barrier(running, 1);
    return status;
}

sipc_status sipc_service_start(struct sipc_service *service, sipc_handler handler, void *context) {
    service->handler = handler;
    service->context = context;
    sipc_status status = SIPC_OK;
    for (uint32_t i = 0; i < service->worker_count && !status; i++)
        status = start_worker(&service->workers[i]);
    return status;
}

// ---- Event loops -------------------------------------------------------------------------------

static struct sipc_relay *relay_of(const struct sipc_service *service) {
    return atomic_load_explicit(&service->relay, memory_order_acquire);
}

// Whether a poll would find something now: a request, or the end.
static bool is_due(const struct sipc_service *service) {
    if (sipc_load_acquire(&service->stopping) != 0) return true;
    uint32_t open = 0;
    for (uint32_t i = 0; i < service->slot_count; i++) {
        const struct sipc_responder *responder = &service->responders[i];
        if (!responder->serving) continue;
        if (sipc_responder_has_news(responder) || sipc_slot_is_lost(responder->slot)) return true;
        open++;
    }
    return open == 0;
}

static void announce(const struct sipc_service *service, uint32_t waiting) {
    for (uint32_t i = 0; i < service->slot_count; i++)
        if (service->responders[i].serving)
            sipc_exchange_barrier(&service->responders[i].slot->responder->waiting, waiting);
}

// A relay that sleeps sleeps on: nobody rings for it any more.
static void end_announcement(struct sipc_service *service) {
    for (uint32_t i = 0; service->announced && i < service->slot_count; i++)
        if (service->responders[i].serving)
            sipc_store_relaxed(&service->responders[i].slot->responder->waiting, 0);
    service->announced = false;
}

// After a poll: what is left keeps the descriptor readable.
static void disarm(struct sipc_service *service) {
    if (is_due(service)) return;
    sipc_relay_quieten(relay_of(service));
    service->armed = false;
}

sipc_status sipc_service_descriptor(struct sipc_service *service, intptr_t *descriptor) {
    struct sipc_relay *relay = relay_of(service);
    if (!relay) {
        const struct sipc_slot *lead = service->responders[0].slot;
        sipc_waiter_init(&service->in_loop, &(sipc_wait_policy){.preset = SIPC_WAIT_POWER},
                         &lead->annex->responder_bell, NULL, &service->stopping,
                         lead->wakes_responder);
        sipc_status status = sipc_relay_make(&service->in_loop, &relay);
        if (status) return status;
        // Release: who ends the service may rouse the waiter from here on.
        atomic_store_explicit(&service->relay, relay, memory_order_release);
    }
    *descriptor = sipc_relay_descriptor(relay);
    return SIPC_OK;
}

// In the order of spec 7.1: the bell, the announcement, the look.
sipc_status sipc_service_arm(struct sipc_service *service) {
    struct sipc_relay *relay = relay_of(service);
    if (!relay) return sipc_fail(SIPC_INVALID_ARGUMENT, "there is no descriptor; ask for it first");
    service->announced = service->armed = true;
    sipc_relay_begin(relay);
    announce(service, SIPC_WAITING_FIRST_LEAD + service->responders[0].slot->index);
    if (!is_due(service)) return sipc_relay_sleep(relay, SIPC_NEVER);
    sipc_relay_signal(relay);
    return SIPC_OK;
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

static enum sipc_served serve_once(struct sipc_service *service, struct sipc_responder *responder) {
    SIPC_FINALLY(look_ended) struct look look = {.responder = responder, .outer = handling};
    handling = service->owner;
    enum sipc_served served = sipc_responder_serve(responder, service->handler, service->context);
    // cppcheck-suppress unreadVariable ; look_ended() does
    look.returned = true;
    return served;
}

// Answers what stands ready. Returns in how many slots more may come.
static uint32_t serve_all_once(struct sipc_service *service, uint32_t *served) {
    uint32_t open = 0;
    for (uint32_t i = 0; i < service->slot_count; i++) {
        struct sipc_responder *responder = &service->responders[i];
        if (!responder->serving || sipc_load_acquire(&service->stopping) != 0) continue;
        enum sipc_served result = serve_once(service, responder);
        if (result == SIPC_SERVED_REQUEST || result == SIPC_SERVED_SHUTDOWN) ++*served;
        if (result == SIPC_SERVED_SHUTDOWN) sipc_service_stop(service);
        // A request that pends there is answered first.
        const bool closed = result == SIPC_SERVED_CLOSED || sipc_responder_is_closed(responder);
        if (closed && !sipc_responder_owes_answer(responder))
            leave_slot(service, responder);
        else
            open++;
    }
    return open;
}

bool sipc_service_poll(struct sipc_service *service, sipc_handler handler, void *context,
                       uint32_t *served) {
    service->handler = handler;
    service->context = context;
    end_announcement(service);
    const uint32_t open = serve_all_once(service, served);
    if (service->armed) disarm(service);
    return open != 0 && sipc_load_acquire(&service->stopping) == 0;
}

// ---- The end -----------------------------------------------------------------------------------

// Barrier: a worker that goes to sleep after this sees it; one that sleeps is roused.
static void end_because(struct sipc_service *service, uint32_t why) {
    sipc_set_bits(&service->stopping, why);
    for (uint32_t i = 0; i < service->worker_count; i++)
        sipc_wait_rouse(sipc_group_waiter(&service->workers[i].group));
    if (relay_of(service)) sipc_wait_rouse(&service->in_loop);
    struct sipc_streams *streams = streams_of(service);
    if (streams) sipc_streams_look(streams);
}

void sipc_service_end(struct sipc_service *service) {
    end_because(service, SIPC_SERVICE_ENDS);
}

void sipc_service_lose_peer(struct sipc_service *service) {
    end_because(service, SIPC_PEER_IS_GONE);
}

void sipc_service_stop(struct sipc_service *service) {
    sipc_store_release(&service->asked, 1);
    sipc_service_end(service);
}

void sipc_service_wait(struct sipc_service *service) {
    for (uint32_t running; (running = sipc_load_acquire(&service->running)) != 0;)
        sipc_os_park(&service->running, running, SIPC_NEVER);
}

void sipc_service_release(struct sipc_service *service) {
    sipc_service_wait(service); // then no worker changes its thread any more
    for (uint32_t i = 0; i < service->worker_count; i++)
        if (service->workers[i].started) sipc_os_thread_join(service->workers[i].thread);
    end_announcement(service);
    sipc_relay_free(relay_of(service));
    struct sipc_streams *streams = streams_of(service);
    if (streams && service->slot_count > 0)
        sipc_streams_leave(streams, service->responders[0].slot->object);
    for (uint32_t i = 0; i < service->slot_count; i++) leave_slot(service, &service->responders[i]);
    tell_slots_are_free(service);
    free(service->workers);
    free(service->responders);
    *service = (struct sipc_service){.owner = NULL};
}
