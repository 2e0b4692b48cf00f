// SPDX-License-Identifier: Apache-2.0
// Slots that this process answers, and the threads that do it: a guest's host slots, or a host's
// guest slots. It serves once, from start to end.
#ifndef SIPC_INTERNAL_SERVICE_H
#define SIPC_INTERNAL_SERVICE_H

#include "relay.h"
#include "responder.h"

struct sipc_worker;

struct sipc_service {
    const void *owner;                 // of the handlers: a guest or a host
    struct sipc_responder *responders; // of the slots, in their order
    uint32_t slot_count;
    bool claimed; // each slot is claimed for its responder, and is given back when it leaves
    struct sipc_worker *workers;
    uint32_t worker_count;
    sipc_handler handler;
    void *context;
    _Atomic(struct sipc_streams *) streams; // served beside the handler; NULL: none are
    struct sipc_waiter in_loop; // where the relay sleeps for who polls; ready once that is there
    _Atomic(struct sipc_relay *) relay; // for event loops; NULL: nobody asked for a descriptor
    bool announced;                     // the slots say that the poller sleeps; its own
    bool armed;           // since the descriptor was not readable for the last time; its own
    sipc_word running;    // workers that have not left; waited on
    sipc_word holding;    // those that have not given their slots back
    sipc_word stopping;   // not 0: workers leave; an interrupt word with SIPC_PEER_IS_GONE
    sipc_word asked;      // 1: this process, or a message, asked for the end
    sipc_word threadless; // 1: a worker is without a thread
};

// Room for so many slots. The owner is known by this pointer.
sipc_status sipc_service_init(struct sipc_service *service, const void *owner, uint32_t slots,
                              bool claimed);
// Serves this slot from here on, which is claimed for it or is the host's anyway.
void sipc_service_add(struct sipc_service *service, const struct sipc_slot *slot,
                      const struct sipc_owner *identity, const sipc_wait_policy *policy);
// Serves these streams in the slots that were added. Before the start. NULL does nothing. The watch
// tells of the death of callers; NULL: who serves hears of it by itself.
void sipc_service_offer_streams(struct sipc_service *service, struct sipc_streams *streams,
                                struct sipc_os_watch *callers);
// Divides the slots that were added among workers, so many each. Before the start.
sipc_status sipc_service_divide(struct sipc_service *service, uint32_t each);

// The first slot of a worker, and the processor that it is to run on. Before the start.
uint32_t sipc_service_first_slot(const struct sipc_service *service, uint32_t worker);
void sipc_service_place(struct sipc_service *service, uint32_t worker, uint32_t processor);

// Whether a handler of this owner runs on this thread.
bool sipc_service_handles(const void *owner);

// Starts the workers. After a failure: stop, then release.
sipc_status sipc_service_start(struct sipc_service *service, sipc_handler handler, void *context);
// Answers what stands ready, once; of a service that is not started, one thread at a time. False if
// there is nothing left to serve.
bool sipc_service_poll(struct sipc_service *service, sipc_handler handler, void *context,
                       uint32_t *served);

// For who polls in an event loop: what to wait for, and that it is about to wait. It has slots.
sipc_status sipc_service_descriptor(struct sipc_service *service, intptr_t *descriptor);
sipc_status sipc_service_arm(struct sipc_service *service);

// Tells the workers to end; from any thread.
void sipc_service_end(struct sipc_service *service);
// The same, because the peer's process is gone, or has closed for good.
void sipc_service_lose_peer(struct sipc_service *service);
// The same, because this process or a message asked for it.
void sipc_service_stop(struct sipc_service *service);
// Waits until no worker is left, and all later answers of started workers are given. Not from a
// handler.
void sipc_service_wait(struct sipc_service *service);
// Of one that was stopped: waits for its threads and for later answers, leaves its slots, frees its
// memory.
void sipc_service_release(struct sipc_service *service);

#endif
