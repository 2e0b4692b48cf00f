// SPDX-License-Identifier: Apache-2.0
// Attaching to a host: slots claimed in its region, and the workers that answer there.
#include "internal/attachment.h"

#include <stdlib.h>

#include "internal/calls.h"
#include "internal/errors.h"
#include "internal/service.h"
#include "internal/stream_call.h"

// In the word entered: somebody waits for those who are in.
#define SIPC_RELEASING 0x80000000u

struct sipc_attachment {
    struct sipc_region region;
    struct sipc_owner identity;
    struct sipc_service service; // of the claimed host slots
    struct sipc_calls calls;     // through the claimed guest slots
    sipc_word entered;           // threads that call or are about to, and SIPC_RELEASING; waited on
    sipc_word host_was_killed;   // 1: it left its slots open
    sipc_word host_died;         // 1: that, and before anybody asked for the end
    struct sipc_os_watch *watch; // of the host's process
};

// ---- Claiming slots ----------------------------------------------------------------------------

static sipc_status claim_slot(struct sipc_attachment *attachment, uint32_t index,
                              const sipc_wait_policy *policy) {
    bool won;
    sipc_status status =
        sipc_os_claim(&attachment->region.object, SIPC_CLAIM_FIRST_SLOT + index, &won);
    if (!status && won)
        sipc_service_add(&attachment->service, &attachment->region.slots[index],
                         &attachment->identity, policy);
    return status;
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
        for (uint32_t i = 0; i < slots && attachment->service.slot_count < wanted && !status; i++) {
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

// By the slots alone, so that the host finds the same places for its callers.
static void place_workers(struct sipc_attachment *attachment,
                          const struct sipc_placement *placement, uint32_t each) {
    const uint32_t all = (attachment->region.geometry.host_slots - 1) / each + 1;
    for (uint32_t i = 0; i < attachment->service.worker_count; i++) {
        const uint32_t first = sipc_service_first_slot(&attachment->service, i);
        sipc_service_place(&attachment->service, i,
                           sipc_placement_of(placement, SIPC_SIDE_RESPONDER, first / each, all));
    }
}

static sipc_status claim_slots(struct sipc_attachment *attachment,
                               const sipc_guest_options *options,
                               const struct sipc_placement *placement, const void *owner) {
    const char *name = attachment->region.name;
    const uint32_t each = options->slots_per_worker ? options->slots_per_worker : 1;
    uint32_t slots = attachment->region.geometry.host_slots;
    uint32_t wanted = 0;
    sipc_status status = count_wanted(attachment, options, &wanted);
    if (status) return status;
    status = sipc_service_init(&attachment->service, owner, wanted, true);
    uint32_t closed = 0;
    if (!status) status = claim_wanted(attachment, slots, wanted, &options->wait, &closed);
    if (!status && attachment->service.slot_count > 0)
        status = sipc_service_divide(&attachment->service, each);
    if (!status) place_workers(attachment, placement, each);
    if (status || attachment->service.slot_count > 0) return status;
    if (slots > 0 && closed == slots)
        return sipc_fail(SIPC_NO_HOST,
                         "the host of region \"%s\" is closing it; start the next one", name);
    return sipc_fail(SIPC_NO_SLOT, "all %u slots of region \"%s\" are served; create more slots",
                     slots, name);
}

// ---- Waiting for slots -------------------------------------------------------------------------

// After news: a claim is free a moment after its holder was seen to close the object.
#define FIRST_REST_NS UINT64_C(1000000)
#define LAST_REST_NS UINT64_C(32000000)
// Where the system tells of no changes.
#define UNTOLD_REST_NS UINT64_C(50000000)

// How many slots there are to claim, at this moment.
static uint32_t count_free(const struct sipc_attachment *attachment) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < attachment->region.geometry.host_slots; i++) {
        bool claimed = true;
        if (caller_code(attachment, i) == SIPC_CODE_CLOSED) continue;
        (void)sipc_os_claimed_by_another(&attachment->region.object, SIPC_CLAIM_FIRST_SLOT + i,
                                         &claimed);
        count += !claimed;
    }
    return count;
}

static bool host_lives(const struct sipc_attachment *attachment) {
    bool alive = true;
    return sipc_os_claimed_by_another(&attachment->region.object, SIPC_CLAIM_HOST, &alive) || alive;
}

static void tell_news(void *news) {
    sipc_add_barrier(news, 1);
    sipc_os_unpark(news, UINT32_MAX);
}

// Until that many are free, or the wait is over.
static sipc_status wait_for_free(const struct sipc_attachment *attachment, uint32_t wanted,
                                 const struct sipc_patience *patience,
                                 struct sipc_os_watch *watch) {
    const bool told = sipc_os_watch_changes(watch, &attachment->region.object);
    uint32_t known = sipc_load_acquire(patience->news);
    for (uint64_t rest = FIRST_REST_NS;; rest = rest < LAST_REST_NS ? 2 * rest : SIPC_NEVER) {
        uint32_t news = sipc_load_acquire(patience->news);
        if (news != known) rest = FIRST_REST_NS;
        known = news;
        uint64_t now = sipc_os_now();
        if (count_free(attachment) >= wanted || now >= patience->deadline) return SIPC_OK;
        if (sipc_load_acquire(patience->stopping) != 0)
            return sipc_fail(SIPC_CLOSED, "the guest was stopped");
        if (!host_lives(attachment))
            return sipc_fail(SIPC_NO_HOST, "the host of region \"%s\" is gone; start the next one",
                             attachment->region.name);
        if (!told) rest = UNTOLD_REST_NS;
        uint64_t until =
            rest == SIPC_NEVER || patience->deadline - now < rest ? patience->deadline : now + rest;
        sipc_os_park(patience->news, news, until);
    }
}

static sipc_status await_slots(const struct sipc_attachment *attachment,
                               const sipc_guest_options *options,
                               const struct sipc_patience *patience) {
    uint32_t wanted = 1;
    sipc_status status = options->workers ? count_wanted(attachment, options, &wanted) : SIPC_OK;
    if (status || count_free(attachment) >= wanted) return status;
    struct sipc_os_watch *watch;
    status = sipc_os_watch_start(tell_news, patience->news, &watch);
    if (status) return status;
    status = wait_for_free(attachment, wanted, patience, watch);
    sipc_os_watch_stop(watch);
    return status;
}

// ---- Calling the host --------------------------------------------------------------------------

static sipc_status no_guest_slot(const struct sipc_attachment *attachment, uint32_t wanted) {
    return sipc_fail(
        SIPC_NO_SLOT,
        "%u of the %u guest slots of region \"%s\" are free, %u are wanted; create more "
        "or ask for less",
        attachment->calls.pool.count, attachment->region.geometry.guest_slots,
        attachment->region.name, wanted);
}

// Those of guests before, or nobody's yet.
static sipc_status claim_guest_slots(struct sipc_attachment *attachment, uint32_t wanted,
                                     const sipc_wait_policy *policy) {
    const struct sipc_geometry *geometry = &attachment->region.geometry;
    sipc_status status = SIPC_OK;
    for (uint32_t i = 0; i < geometry->guest_slots && attachment->calls.pool.count < wanted; i++) {
        const uint32_t index = geometry->host_slots + i;
        bool won;
        status = sipc_os_claim(&attachment->region.object, SIPC_CLAIM_FIRST_SLOT + index, &won);
        if (status) break;
        if (!won) continue;
        struct sipc_session *session =
            sipc_calls_add(&attachment->calls, &attachment->region.slots[index], policy);
        sipc_caller_succeed(&session->caller);
    }
    return status;
}

static sipc_status prepare_calls(struct sipc_attachment *attachment,
                                 const sipc_guest_options *options) {
    const uint32_t there = attachment->region.geometry.guest_slots;
    uint32_t wanted = options->call_slots;
    if (!wanted) wanted = options->calls_only ? 1 : attachment->service.slot_count;
    uint32_t most = wanted < there ? wanted : there;
    sipc_status status = sipc_calls_init(&attachment->calls, most, options->timeout_ns, false);
    attachment->calls.peer_is_gone = &attachment->host_was_killed;
    attachment->calls.telling = options->pass_deadlines ? SIPC_TELLS_DEADLINES : 0;
    if (!status) status = claim_guest_slots(attachment, most, &options->wait);
    if (status) return status;
    bool needed = options->call_slots || options->calls_only;
    return needed && attachment->calls.pool.count < wanted ? no_guest_slot(attachment, wanted)
                                                           : SIPC_OK;
}

void sipc_attachment_enter(struct sipc_attachment *attachment) {
    sipc_add_barrier(&attachment->entered, 1);
}

// It may be freed as soon as nobody is in it: what else is to be known stands in the same word.
void sipc_attachment_leave(struct sipc_attachment *attachment) {
    if (sipc_subtract_barrier(&attachment->entered, 1) == (SIPC_RELEASING | 1))
        sipc_os_unpark(&attachment->entered, UINT32_MAX);
}

sipc_status sipc_attachment_counters(const struct sipc_attachment *attachment, uint32_t slot,
                                     sipc_counters *counters) {
    return sipc_region_counters(&attachment->region, slot, counters);
}

uint32_t sipc_attachment_call_slots(const struct sipc_attachment *attachment) {
    return attachment->calls.pool.count;
}

static sipc_status check_call_slots(const struct sipc_attachment *attachment) {
    if (attachment->calls.pool.count > 0) return SIPC_OK;
    return sipc_fail(SIPC_NO_SLOT,
                     "the guest has no slot of region \"%s\" to call through; let its host be "
                     "created with guest_slots",
                     attachment->region.name);
}

sipc_status sipc_attachment_call(struct sipc_attachment *attachment, sipc_call *call) {
    sipc_status status = check_call_slots(attachment);
    return status ? status : sipc_calls_call(&attachment->calls, call);
}

sipc_status sipc_attachment_acquire(struct sipc_attachment *attachment, uint64_t timeout_ns,
                                    sipc_session **session) {
    const struct sipc_want want = {.slot = SIPC_ANY_SLOT};
    sipc_status status = check_call_slots(attachment);
    return status ? status : sipc_calls_acquire(&attachment->calls, &want, timeout_ns, session);
}

sipc_status sipc_attachment_open_pipeline(struct sipc_attachment *attachment,
                                          const struct sipc_pipelining *wish,
                                          sipc_pipeline **pipeline) {
    sipc_status status = check_call_slots(attachment);
    return status ? status : sipc_calls_open_pipeline(&attachment->calls, wish, pipeline);
}

sipc_status sipc_attachment_stream(struct sipc_attachment *attachment, sipc_stream_call *call) {
    sipc_status status = check_call_slots(attachment);
    return status ? status : sipc_calls_stream(&attachment->calls, call);
}

static void end_calls(struct sipc_attachment *attachment) {
    if (!attachment->calls.memory) return;
    sipc_calls_close(&attachment->calls);
    for (uint32_t i = 0; i < attachment->calls.pool.count; i++)
        sipc_wait_rouse(&sipc_pool_session(&attachment->calls.pool, i)->caller.waiter);
}

// After their end. The slots are given back when nobody is in a call: one that began at the same
// moment says so without a barrier, is not seen to be in its slot, and publishes all the same.
static void leave_guest_slots(struct sipc_attachment *attachment) {
    const struct sipc_pool *pool = &attachment->calls.pool;
    for (uint32_t i = 0; i < pool->count; i++) sipc_session_send_out(sipc_pool_session(pool, i));
    uint32_t entered = sipc_add_barrier(&attachment->entered, SIPC_RELEASING) + SIPC_RELEASING;
    for (; entered != SIPC_RELEASING; entered = sipc_load_acquire(&attachment->entered))
        sipc_os_park(&attachment->entered, entered, SIPC_NEVER);
    for (uint32_t i = 0; i < pool->count; i++)
        sipc_os_unclaim(&attachment->region.object,
                        SIPC_CLAIM_FIRST_SLOT + sipc_pool_session(pool, i)->caller.slot->index);
    sipc_calls_free(&attachment->calls);
}

// ---- The host ----------------------------------------------------------------------------------

// A host that closes in order closes its slots before it gives its claim back, and says that it is
// closing where it has none. One that was killed meanwhile may have left some open: the workers
// there are told here.
static bool left_in_order(const struct sipc_attachment *attachment) {
    const struct sipc_slot *first = &attachment->region.slots[0];
    if (first->guest_calls) return sipc_load_acquire(&first->host->closing) != 0;
    return sipc_state_code(sipc_load_acquire(&first->turn->caller_state)) == SIPC_CODE_CLOSED;
}

static void look_for_host(void *context) {
    struct sipc_attachment *attachment = context;
    bool alive = true;
    if (sipc_os_claimed_by_another(&attachment->region.object, SIPC_CLAIM_HOST, &alive) || alive)
        return;
    if (!left_in_order(attachment)) {
        sipc_exchange_barrier(&attachment->host_was_killed, 1);
        if (sipc_load_acquire(&attachment->service.stopping) == 0)
            sipc_exchange_barrier(&attachment->host_died, 1);
    }
    sipc_service_lose_peer(&attachment->service);
    end_calls(attachment);
}

static sipc_status watch_host(struct sipc_attachment *attachment) {
    sipc_status status = sipc_os_watch_start(look_for_host, attachment, &attachment->watch);
    if (status) return status;
    const volatile struct sipc_host_line *line = sipc_region_host_line(&attachment->region);
    struct sipc_os_process process = {.id = line->host_pid,
                                      .id_namespace = line->host_pid_namespace};
    status = sipc_os_watch_claim(attachment->watch, &attachment->region.object, SIPC_CLAIM_HOST,
                                 &process);
    // The host may have gone before it was watched, and its id to another process.
    look_for_host(attachment);
    return status;
}

// ---- Beginning ---------------------------------------------------------------------------------

// Who the guest is, and the slots that it serves.
static sipc_status take_slots(struct sipc_attachment *attachment, const sipc_guest_options *options,
                              const struct sipc_placement *placement,
                              const struct sipc_patience *patience, const void *owner) {
    attachment->identity.process = sipc_os_this_process();
    sipc_status status = sipc_os_random(&attachment->identity.incarnation);
    if (!status && options->name)
        status = sipc_name_of_guest(options->name, attachment->identity.name);
    if (status || options->calls_only) return status;
    if (options->wait_for_slots) status = await_slots(attachment, options, patience);
    if (!status) status = claim_slots(attachment, options, placement, owner);
    if (!status) sipc_os_object_touch(&attachment->region.object);
    return status;
}

sipc_status sipc_attachment_make(const char *name, const sipc_guest_options *options,
                                 const struct sipc_placement *placement,
                                 const struct sipc_patience *patience, const void *owner,
                                 struct sipc_attachment **made) {
    *made = NULL;
    struct sipc_attachment *attachment = calloc(1, sizeof *attachment);
    if (!attachment) return sipc_fail(SIPC_OUT_OF_MEMORY, "no memory for a guest");
    sipc_status status = sipc_region_attach(&attachment->region, name, options->sealed_folder,
                                            options->any_owner != 0, patience->deadline);
    if (status) {
        free(attachment);
        return status;
    }
    status = take_slots(attachment, options, placement, patience, owner);
    if (!status) status = prepare_calls(attachment, options);
    if (!status) status = watch_host(attachment);
    if (status) {
        sipc_attachment_release(attachment);
        return status;
    }
    *made = attachment;
    return SIPC_OK;
}

uint32_t sipc_attachment_slots(const struct sipc_attachment *attachment) {
    return attachment->service.slot_count;
}

// ---- Serving -----------------------------------------------------------------------------------

void sipc_attachment_offer_streams(struct sipc_attachment *attachment,
                                   struct sipc_streams *streams) {
    sipc_service_offer_streams(&attachment->service, streams, NULL);
}

sipc_status sipc_attachment_start(struct sipc_attachment *attachment, sipc_handler handler,
                                  void *context) {
    return sipc_service_start(&attachment->service, handler, context);
}

sipc_status sipc_attachment_poll(struct sipc_attachment *attachment, sipc_handler handler,
                                 void *context, uint32_t *served) {
    bool open = sipc_service_poll(&attachment->service, handler, context, served);
    sipc_status status = sipc_attachment_problem(attachment);
    if (status || open) return status;
    return sipc_fail(SIPC_CLOSED, "the host closed the region or the guest was stopped");
}

sipc_status sipc_attachment_descriptor(struct sipc_attachment *attachment, intptr_t *descriptor) {
    return sipc_service_descriptor(&attachment->service, descriptor);
}

sipc_status sipc_attachment_arm(struct sipc_attachment *attachment) {
    return sipc_service_arm(&attachment->service);
}

// ---- The end -----------------------------------------------------------------------------------

void sipc_attachment_stop(struct sipc_attachment *attachment) {
    sipc_service_stop(&attachment->service);
}

void sipc_attachment_wait(struct sipc_attachment *attachment) {
    sipc_service_wait(&attachment->service);
}

static bool is_lost(const struct sipc_attachment *attachment) {
    return sipc_load_acquire(attachment->region.lost) != 0;
}

bool sipc_attachment_host_is_gone(const struct sipc_attachment *attachment) {
    return sipc_load_acquire(&attachment->service.asked) == 0 &&
           sipc_load_acquire(&attachment->service.threadless) == 0 && !is_lost(attachment);
}

// A host that closed in order has closed its slots first.
sipc_status sipc_attachment_problem(const struct sipc_attachment *attachment) {
    const char *name = attachment->region.name;
    if (is_lost(attachment))
        return sipc_fail(SIPC_REGION_LOST, "somebody cut the object of region \"%s\" short; detach",
                         name);
    if (sipc_load_acquire(&attachment->service.threadless) != 0)
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
    end_calls(attachment); // handlers may be in one
    sipc_attachment_wait(attachment);
    sipc_os_watch_stop(attachment->watch);
    sipc_service_release(&attachment->service);
    leave_guest_slots(attachment);
    sipc_region_close(&attachment->region);
    free(attachment);
}
