// SPDX-License-Identifier: Apache-2.0
// What a guest has of one host: its region, the claimed host slots and their workers, and the
// claimed guest slots that it calls through. It serves once, from start to end.
#ifndef SIPC_INTERNAL_ATTACHMENT_H
#define SIPC_INTERNAL_ATTACHMENT_H

#include <simpleipc/stream.h>

#include "pipeline.h"
#include "placement.h"
#include "region.h"

struct sipc_attachment;

// How long an attempt may wait, and what ends that.
struct sipc_patience {
    uint64_t deadline;
    sipc_word *news;           // parked on; changes when it is to look again
    const sipc_word *stopping; // 1: it is not wanted any more
};

// One attempt to attach and to claim slots. SIPC_NO_HOST if there is no host to attach to now, but
// might be soon. The owner is known by this pointer. A sealed region's host is waited for, hardly
// past the deadline, and slots are if the options say so.
sipc_status sipc_attachment_make(const char *name, const sipc_guest_options *options,
                                 const struct sipc_placement *placement,
                                 const struct sipc_patience *patience, const void *owner,
                                 struct sipc_attachment **made);
// How many slots it claimed.
uint32_t sipc_attachment_slots(const struct sipc_attachment *attachment);

// A call of the host. Beside sipc_attachment_release() only if it was entered before.
void sipc_attachment_enter(struct sipc_attachment *attachment);
sipc_status sipc_attachment_call(struct sipc_attachment *attachment, sipc_call *call);
sipc_status sipc_attachment_acquire(struct sipc_attachment *attachment, uint64_t timeout_ns,
                                    sipc_session **session);
sipc_status sipc_attachment_open_pipeline(struct sipc_attachment *attachment,
                                          const struct sipc_pipelining *wish,
                                          sipc_pipeline **pipeline);
sipc_status sipc_attachment_stream(struct sipc_attachment *attachment, sipc_stream_call *call);
void sipc_attachment_leave(struct sipc_attachment *attachment);
// The counters of a slot of its region; entered before.
sipc_status sipc_attachment_counters(const struct sipc_attachment *attachment, uint32_t slot,
                                     sipc_counters *counters);
// How many guest slots it claimed.
uint32_t sipc_attachment_call_slots(const struct sipc_attachment *attachment);

// Serves these streams beside the handler. Before the start.
void sipc_attachment_offer_streams(struct sipc_attachment *attachment,
                                   struct sipc_streams *streams);
// Starts a worker for each slot. After a failure: stop, then release.
sipc_status sipc_attachment_start(struct sipc_attachment *attachment, sipc_handler handler,
                                  void *context);
// Answers what stands ready, once; of an attachment that is not started, one thread at a time.
// SIPC_CLOSED after the end.
sipc_status sipc_attachment_poll(struct sipc_attachment *attachment, sipc_handler handler,
                                 void *context, uint32_t *served);

// For who polls in an event loop, as of a service.
sipc_status sipc_attachment_descriptor(struct sipc_attachment *attachment, intptr_t *descriptor);
sipc_status sipc_attachment_arm(struct sipc_attachment *attachment);

// Tells the workers to end; from any thread.
void sipc_attachment_stop(struct sipc_attachment *attachment);
// Waits until no worker is left. Not from a handler.
void sipc_attachment_wait(struct sipc_attachment *attachment);
// Of one whose workers have ended: whether its host has gone, in order or not, and nobody had told
// it to stop.
bool sipc_attachment_host_is_gone(const struct sipc_attachment *attachment);
// What went wrong. SIPC_OK if the end was asked for, by this process or in order by the host.
sipc_status sipc_attachment_problem(const struct sipc_attachment *attachment);

// Stops, ends calls, waits for both, gives back all that it has. NULL does nothing.
void sipc_attachment_release(struct sipc_attachment *attachment);

#endif
