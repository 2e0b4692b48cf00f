// SPDX-License-Identifier: Apache-2.0
// The guest: a handle that serves one host, or host after host.
#include <stdlib.h>
#include <string.h>

#include <simpleipc/event_loop.h>
#include <simpleipc/stream.h>

#include "internal/attachment.h"
#include "internal/errors.h"
#include "internal/lock.h"
#include "internal/placement.h"
#include "internal/service.h"
#include "internal/wait.h"

#define DEFAULT_ATTACH_TIMEOUT_NS UINT64_C(10000000000)
#define DEFAULT_CALL_TIMEOUT_NS UINT64_C(10000000000)
// Between two attempts to attach: short for a host that comes soon, cheap for one that comes late.
#define FIRST_PAUSE_NS UINT64_C(1000000)
#define LONGEST_PAUSE_NS UINT64_C(50000000)

struct sipc_guest {
    char name[SIPC_MAX_NAME + 1];
    char own_name[SIPC_MAX_GUEST_NAME + 1];
    char sealed_folder[SIPC_SOCKET_PATH_SIZE]; // what the options point to, if to anything
    sipc_guest_options options;
    struct sipc_placement placement;
    sipc_handler handler;
    void *context;
    sipc_streams *streams; // served beside the handler; NULL: none are
    uint32_t forks;        // of the process that made it
    sipc_word stopping;    // 1: for good
    sipc_word news;       // changes when a wait for a host or for slots is to look again; waited on
    sipc_word started;    // 1: worker threads were started
    sipc_word slots;      // of the last attachment
    sipc_word call_slots; // the same
    sipc_word waits;      // threads in sipc_guest_wait(); waited on
    sipc_word turn;       // lock: one of those waits for the host's end and for the next host
    sipc_word lock;       // guards what follows
    bool in_loop;         // there is a descriptor: the guest is polled for good
    struct sipc_attachment *now; // NULL between two hosts; changed by who has the turn as well
};

// A handle that is there and is this process's.
static sipc_status check_guest(const sipc_guest *guest) {
    if (!guest) return sipc_fail(SIPC_INVALID_ARGUMENT, "guest is NULL; attach first");
    if (guest->forks != sipc_os_forks())
        return sipc_fail(SIPC_INVALID_ARGUMENT,
                         "the guest belongs to the process that forked this one; attach here");
    return SIPC_OK;
}

static sipc_status check_server(const sipc_guest *guest) {
    sipc_status status = check_guest(guest);
    if (!status && guest->options.calls_only)
        status = sipc_fail(SIPC_INVALID_ARGUMENT,
                           "the guest was attached with calls_only; attach without to serve");
    return status;
}

static sipc_status check_serving(const sipc_guest *guest, sipc_handler handler) {
    sipc_status status = check_server(guest);
    if (!status && !handler) status = sipc_fail(SIPC_INVALID_ARGUMENT, "the handler is NULL");
    return status;
}

static sipc_status check_outside(const sipc_guest *guest) {
    if (!sipc_service_handles(guest)) return SIPC_OK;
    return sipc_fail(SIPC_BUSY, "called from a handler of the guest, which would wait for itself");
}

static bool is_stopping(const sipc_guest *guest) {
    return sipc_load_acquire(&guest->stopping) != 0;
}

// ---- Attaching ---------------------------------------------------------------------------------

static sipc_status check_options(sipc_guest_options *options) {
    if (options->struct_size && options->struct_size < sizeof *options)
        return sipc_fail(SIPC_INVALID_ARGUMENT,
                         "struct_size is %u; set it to sizeof(sipc_guest_options)",
                         options->struct_size);
    if (options->calls_only &&
        (options->workers || options->slots_per_worker || options->reconnect))
        return sipc_fail(
            SIPC_INVALID_ARGUMENT,
            "calls_only has no workers and does not reconnect, but the options ask for "
            "that; ask for one of both");
    if (options->calls_only && (options->name || options->wait_for_slots))
        return sipc_fail(
            SIPC_INVALID_ARGUMENT,
            "calls_only serves nothing, but the options give it a name to be called by "
            "or let it wait for slots; ask for one of both");
    uint8_t own_name[SIPC_MAX_GUEST_NAME];
    sipc_status status = options->name ? sipc_name_of_guest(options->name, own_name) : SIPC_OK;
    if (status) return status;
    if (!options->timeout_ns) options->timeout_ns = DEFAULT_CALL_TIMEOUT_NS;
    return sipc_wait_policy_check(&options->wait);
}

// The folder of a socket whose path is short enough, so that it can be kept.
static sipc_status check_folder(const char *folder, const char *name) {
    char path[SIPC_SOCKET_PATH_SIZE];
    if (!folder) return SIPC_OK;
    if (!folder[0])
        return sipc_fail(SIPC_INVALID_ARGUMENT, "the sealed folder is empty; name one, or NULL");
    return sipc_name_socket(folder, name, path);
}

static uint64_t next_pause(uint64_t last) {
    return 2 * last < LONGEST_PAUSE_NS ? 2 * last : LONGEST_PAUSE_NS;
}

// Attaches as soon as there is a host to attach to. A stop ends it at once: it changes the word
// that this is parked on.
static sipc_status await_host(sipc_guest *guest, uint64_t deadline,
                              struct sipc_attachment **attachment) {
    const struct sipc_patience patience = {deadline, &guest->news, &guest->stopping};
    for (uint64_t pause = FIRST_PAUSE_NS;; pause = next_pause(pause)) {
        uint32_t news = sipc_load_acquire(&guest->news);
        sipc_status status = sipc_attachment_make(guest->name, &guest->options, &guest->placement,
                                                  &patience, guest, attachment);
        uint64_t now = sipc_os_now();
        if (status != SIPC_NO_HOST || now >= deadline || is_stopping(guest)) return status;
        sipc_os_park(&guest->news, news, deadline - now < pause ? deadline : now + pause);
    }
}

static void adopt(sipc_guest *guest, struct sipc_attachment *attachment) {
    guest->now = attachment;
    sipc_attachment_offer_streams(attachment, guest->streams);
    sipc_store_release(&guest->slots, sipc_attachment_slots(attachment));
    sipc_store_release(&guest->call_slots, sipc_attachment_call_slots(attachment));
}

// The handle, with copies of what the options point to.
static sipc_status make_guest(const char *name, const sipc_guest_options *options,
                              sipc_guest **guest) {
    sipc_guest *made = calloc(1, sizeof *made);
    if (!made) return sipc_fail(SIPC_OUT_OF_MEMORY, "no memory for a guest");
    sipc_status status = sipc_placement_init(&made->placement, options->place, options->processors,
                                             options->processor_count);
    if (status) {
        free(made);
        return status;
    }
    memcpy(made->name, name, strlen(name) + 1);
    made->options = *options;
    made->options.processors = NULL;
    if (options->sealed_folder) {
        memcpy(made->sealed_folder, options->sealed_folder, strlen(options->sealed_folder) + 1);
        made->options.sealed_folder = made->sealed_folder;
    }
    if (options->name) {
        memcpy(made->own_name, options->name, strlen(options->name) + 1);
        made->options.name = made->own_name;
    }
    made->forks = sipc_os_forks();
    *guest = made;
    return SIPC_OK;
}

sipc_status sipc_guest_attach(const char *name, const sipc_guest_options *given,
                              sipc_guest **guest) {
    if (!guest)
        return sipc_fail(SIPC_INVALID_ARGUMENT, "guest is NULL; pass where to put the handle");
    *guest = NULL;
    sipc_guest_options options = given ? *given : (sipc_guest_options){0};
    sipc_status status = check_options(&options);
    if (!status) status = sipc_name_check(name);
    if (!status) status = check_folder(options.sealed_folder, name);
    if (status) return status;
    struct sipc_deadline deadline = sipc_deadline_after(
        options.attach_timeout_ns ? options.attach_timeout_ns : DEFAULT_ATTACH_TIMEOUT_NS);
    sipc_guest *made;
    status = make_guest(name, &options, &made);
    if (status) return status;
    struct sipc_attachment *attachment;
    status = await_host(made, sipc_deadline_at(&deadline), &attachment);
    if (status) {
        free(made);
        return status;
    }
    adopt(made, attachment);
    *guest = made;
    return SIPC_OK;
}

uint32_t sipc_guest_slots(const sipc_guest *guest) {
    return sipc_load_acquire(&guest->slots);
}

uint32_t sipc_guest_call_slots(const sipc_guest *guest) {
    return sipc_load_acquire(&guest->call_slots);
}

// ---- Calling -----------------------------------------------------------------------------------

// The host to call, which does not go away before the call has left it. Without the option
// reconnect it is the same for the guest's whole life.
static sipc_status enter(sipc_guest *guest, struct sipc_attachment **attachment) {
    sipc_status status = check_guest(guest);
    if (status) return status;
    if (guest->options.reconnect) sipc_lock(&guest->lock);
    *attachment = guest->now;
    if (*attachment) sipc_attachment_enter(*attachment);
    if (guest->options.reconnect) sipc_unlock(&guest->lock);
    if (*attachment) return SIPC_OK;
    return sipc_fail(SIPC_NO_HOST,
                     "the host of the name \"%s\" is gone, and the next not there yet",
                     guest->name);
}

sipc_status sipc_guest_call(sipc_guest *guest, sipc_call *call) {
    struct sipc_attachment *attachment;
    sipc_status status = enter(guest, &attachment);
    if (status) return status;
    status = sipc_attachment_call(attachment, call);
    sipc_attachment_leave(attachment);
    return status;
}

sipc_status sipc_guest_counters(sipc_guest *guest, uint32_t slot, sipc_counters *counters) {
    struct sipc_attachment *attachment;
    sipc_status status = enter(guest, &attachment);
    if (status) return status;
    status = sipc_attachment_counters(attachment, slot, counters);
    sipc_attachment_leave(attachment);
    return status;
}

// The same for what is held for longer than a call, and so belongs to one host.
static sipc_status enter_to_hold(sipc_guest *guest, struct sipc_attachment **attachment) {
    sipc_status status = enter(guest, attachment);
    if (status || !guest->options.reconnect) return status;
    sipc_attachment_leave(*attachment);
    return sipc_fail(
        SIPC_INVALID_ARGUMENT,
        "sessions and pipelines belong to one host; a guest that reconnects calls with "
        "sipc_guest_call()");
}

sipc_status sipc_guest_acquire(sipc_guest *guest, uint64_t timeout_ns, sipc_session **session) {
    if (!session) return sipc_fail(SIPC_INVALID_ARGUMENT, "session is NULL; pass where to put it");
    *session = NULL;
    struct sipc_attachment *attachment;
    sipc_status status = enter_to_hold(guest, &attachment);
    if (status) return status;
    status = sipc_attachment_acquire(attachment, timeout_ns, session);
    sipc_attachment_leave(attachment);
    return status;
}

sipc_status sipc_guest_pipeline_open(sipc_guest *guest, uint32_t depth, uint64_t timeout_ns,
                                     sipc_completed completed, void *context,
                                     sipc_pipeline **pipeline) {
    if (!pipeline)
        return sipc_fail(SIPC_INVALID_ARGUMENT, "pipeline is NULL; pass where to put the handle");
    *pipeline = NULL;
    struct sipc_attachment *attachment;
    sipc_status status = enter_to_hold(guest, &attachment);
    if (status) return status;
    const struct sipc_pipelining wish = {SIPC_ANY_SLOT, depth,   timeout_ns,
                                         completed,     context, NULL};
    status = sipc_attachment_open_pipeline(attachment, &wish, pipeline);
    sipc_attachment_leave(attachment);
    return status;
}

sipc_status sipc_guest_stream(sipc_guest *guest, sipc_stream_call *call) {
    struct sipc_attachment *attachment;
    sipc_status status = enter(guest, &attachment);
    if (status) return status;
    status = sipc_attachment_stream(attachment, call);
    sipc_attachment_leave(attachment);
    return status;
}

// ---- Serving -----------------------------------------------------------------------------------

static sipc_status check_startable(const sipc_guest *guest) {
    if (is_stopping(guest)) return sipc_fail(SIPC_CLOSED, "the guest was stopped; attach again");
    if (sipc_load_acquire(&guest->started) != 0)
        return sipc_fail(SIPC_BUSY, "the guest's workers were started already");
    if (guest->in_loop)
        return sipc_fail(SIPC_BUSY,
                         "the guest has a descriptor, so an event loop polls it; attach another to "
                         "start its workers");
    return SIPC_OK;
}

sipc_status sipc_guest_start(sipc_guest *guest, sipc_handler handler, void *context) {
    sipc_status status = check_serving(guest, handler);
    if (status) return status;
    sipc_lock(&guest->lock);
    status = check_startable(guest);
    if (status) {
        sipc_unlock(&guest->lock);
        return status;
    }
    sipc_store_release(&guest->started, 1);
    guest->handler = handler;
    guest->context = context;
    status = sipc_attachment_start(guest->now, handler, context);
    sipc_unlock(&guest->lock);
    if (!status) return SIPC_OK;
    // After a failure nothing uses the handler any more, though some workers had begun.
    sipc_guest_stop(guest);
    sipc_attachment_wait(guest->now);
    return status;
}

sipc_status sipc_guest_serve_streams(sipc_guest *guest, sipc_streams *streams) {
    sipc_status status = check_server(guest);
    if (status) return status;
    if (!streams) return sipc_fail(SIPC_INVALID_ARGUMENT, "streams is NULL; create some first");
    sipc_lock(&guest->lock);
    status = check_startable(guest);
    if (!status) {
        guest->streams = streams;
        sipc_attachment_offer_streams(guest->now, streams);
    }
    sipc_unlock(&guest->lock);
    return status;
}

sipc_status sipc_guest_poll(sipc_guest *guest, sipc_handler handler, void *context,
                            uint32_t *served) {
    uint32_t answered = 0;
    if (served) *served = 0;
    sipc_status status = check_serving(guest, handler);
    if (status) return status;
    if (sipc_load_acquire(&guest->started) != 0)
        return sipc_fail(SIPC_BUSY, "the guest's workers serve its slots");
    status = sipc_attachment_poll(guest->now, handler, context, &answered);
    if (served) *served = answered;
    return status;
}

sipc_status sipc_guest_descriptor(sipc_guest *guest, intptr_t *descriptor) {
    if (!descriptor)
        return sipc_fail(SIPC_INVALID_ARGUMENT, "descriptor is NULL; pass where to put it");
    sipc_status status = check_server(guest);
    if (status) return status;
    sipc_lock(&guest->lock);
    if (sipc_load_acquire(&guest->started) != 0)
        status = sipc_fail(SIPC_BUSY, "the guest's workers serve its slots");
    else
        status = sipc_attachment_descriptor(guest->now, descriptor);
    if (!status) guest->in_loop = true;
    sipc_unlock(&guest->lock);
    return status;
}

sipc_status sipc_guest_arm(sipc_guest *guest) {
    sipc_status status = check_server(guest);
    return status ? status : sipc_attachment_arm(guest->now);
}

// ---- Host after host ---------------------------------------------------------------------------

// Lets go of all that is left of a host.
static void leave_host(sipc_guest *guest) {
    sipc_lock(&guest->lock);
    struct sipc_attachment *old = guest->now;
    guest->now = NULL;
    sipc_unlock(&guest->lock);
    sipc_attachment_release(old);
}

static sipc_status serve_next_host(sipc_guest *guest) {
    struct sipc_attachment *attachment;
    sipc_status status = await_host(guest, SIPC_NEVER, &attachment);
    if (status) return status;
    sipc_lock(&guest->lock);
    adopt(guest, attachment);
    // Stopping sets the word, then takes the lock: either it is seen here, or it finds what was
    // adopted.
    status = is_stopping(guest) ? sipc_fail(SIPC_CLOSED, "the guest was stopped")
                                : sipc_attachment_start(attachment, guest->handler, guest->context);
    if (status) guest->now = NULL;
    sipc_unlock(&guest->lock);
    if (status) sipc_attachment_release(attachment);
    return status;
}

// By who has the turn: nobody else changes what is served now.
static sipc_status wait_for_the_end(sipc_guest *guest) {
    for (;;) {
        if (guest->now) {
            sipc_attachment_wait(guest->now);
            if (!guest->options.reconnect || is_stopping(guest) ||
                !sipc_attachment_host_is_gone(guest->now))
                return sipc_attachment_problem(guest->now);
            leave_host(guest);
        }
        sipc_status status = serve_next_host(guest);
        if (is_stopping(guest)) return SIPC_OK;
        if (status) return status;
    }
}

sipc_status sipc_guest_wait(sipc_guest *guest) {
    sipc_status status = check_guest(guest);
    if (!status) status = check_outside(guest);
    if (status) return status;
    sipc_lock(&guest->lock); // not while the workers are being started
    bool started = sipc_load_acquire(&guest->started) != 0;
    sipc_unlock(&guest->lock);
    if (!started)
        return sipc_fail(SIPC_INVALID_ARGUMENT,
                         "the guest was not started; call sipc_guest_start() first");
    sipc_add_barrier(&guest->waits, 1);
    sipc_lock(&guest->turn);
    status = wait_for_the_end(guest);
    sipc_unlock(&guest->turn);
    if (sipc_subtract_barrier(&guest->waits, 1) == 1) sipc_os_unpark(&guest->waits, UINT32_MAX);
    return status;
}

// ---- The end -----------------------------------------------------------------------------------

void sipc_guest_stop(sipc_guest *guest) {
    if (check_guest(guest)) return;
    sipc_exchange_barrier(&guest->stopping, 1);
    sipc_add_barrier(&guest->news, 1);
    sipc_os_unpark(&guest->news, UINT32_MAX);
    sipc_lock(&guest->lock);
    if (guest->now) sipc_attachment_stop(guest->now);
    sipc_unlock(&guest->lock);
}

sipc_status sipc_guest_detach(sipc_guest *guest) {
    if (!guest) return SIPC_OK;
    sipc_status status = check_guest(guest);
    if (!status) status = check_outside(guest);
    if (status) return status;
    sipc_guest_stop(guest);
    for (uint32_t waits; (waits = sipc_load_acquire(&guest->waits)) != 0;)
        sipc_os_park(&guest->waits, waits, SIPC_NEVER);
    sipc_attachment_release(guest->now);
    free(guest);
    return SIPC_OK;
}
