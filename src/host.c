// SPDX-License-Identifier: Apache-2.0
// The host's life: a region, the calls that go through it, and what it serves.
#include <stdlib.h>

#include "internal/errors.h"
#include "internal/host.h"
#include "internal/streams.h"

#define DEFAULT_TIMEOUT_NS UINT64_C(10000000000)
#define DEFAULT_MODE 0600u

// A handle that is there and is this process's.
sipc_status sipc_host_check(const sipc_host *host) {
    if (!host) return sipc_fail(SIPC_INVALID_ARGUMENT, "host is NULL; create one first");
    if (host->forks != sipc_os_forks())
        return sipc_fail(SIPC_INVALID_ARGUMENT,
                         "the host belongs to the process that forked this one; create one here");
    return SIPC_OK;
}

// ---- Life --------------------------------------------------------------------------------------

static sipc_status check_sealing(const sipc_host_options *options) {
    if (options->sealed_folder && !options->sealed_folder[0])
        return sipc_fail(SIPC_INVALID_ARGUMENT, "the sealed folder is empty; name one, or NULL");
    if (options->sealed_folder && options->mode)
        return sipc_fail(SIPC_INVALID_ARGUMENT,
                         "a sealed region has no mode, but 0%o was asked for; name the users that "
                         "may attach in guest_users",
                         options->mode);
    if (!options->sealed_folder && options->guest_user_count)
        return sipc_fail(SIPC_INVALID_ARGUMENT,
                         "guest_users need a sealed_folder; a named region has a mode");
    if (!options->guest_users && options->guest_user_count)
        return sipc_fail(SIPC_INVALID_ARGUMENT, "guest_users is NULL but its count is %u",
                         options->guest_user_count);
    return SIPC_OK;
}

static sipc_status check_options(uint32_t data_size, sipc_host_options *options) {
    if (options->struct_size && options->struct_size < sizeof *options)
        return sipc_fail(SIPC_INVALID_ARGUMENT,
                         "struct_size is %u; set it to sizeof(sipc_host_options)",
                         options->struct_size);
    if (options->mode & ~0777u)
        return sipc_fail(SIPC_INVALID_ARGUMENT, "the mode 0%o has bits beyond 0777", options->mode);
    if (!options->request_capacity) options->request_capacity = data_size / 2;
    if (!options->response_capacity) options->response_capacity = data_size / 2;
    sipc_status status = check_sealing(options);
    if (status) return status;
    if (!options->mode) options->mode = DEFAULT_MODE;
    if (!options->timeout_ns) options->timeout_ns = DEFAULT_TIMEOUT_NS;
    if (!options->slots_per_worker) options->slots_per_worker = 1;
    return sipc_wait_policy_check(&options->wait);
}

// A process may have died: of one that serves calls learn, of one that calls streams.
static void look_at_guests(void *context) {
    struct sipc_host *host = context;
    sipc_pool_look(&host->calls.pool);
    struct sipc_streams *streams = sipc_host_streams(host);
    if (streams) sipc_streams_look(streams);
}

static sipc_status make_calls(struct sipc_host *host, const sipc_host_options *options) {
    const struct sipc_region *region = &host->region;
    const uint32_t count = region->geometry.host_slots;
    sipc_status status =
        sipc_calls_init(&host->calls, count, options->timeout_ns, options->resend != 0);
    if (status) return status;
    host->calls.telling = options->pass_deadlines ? SIPC_TELLS_DEADLINES : 0;
    for (uint32_t i = 0; i < count; i++) {
        struct sipc_session *session =
            sipc_calls_add(&host->calls, &region->slots[i], &options->wait);
        session->caller.waiter.before_sleep = sipc_session_watch;
        session->caller.waiter.context = session;
        session->caller.moves = &sipc_session_moves;
    }
    return sipc_os_watch_start(look_at_guests, host, &host->calls.pool.watch);
}

static void release(struct sipc_host *host) {
    sipc_os_watch_stop(host->calls.pool.watch);
    sipc_region_close(&host->region);
    sipc_calls_free(&host->calls);
    free(host);
}

// The handle, with all that it is before it has a region.
static sipc_status make_host(const sipc_host_options *options, struct sipc_host **host) {
    struct sipc_host *made = calloc(1, sizeof *made);
    if (!made) return sipc_fail(SIPC_OUT_OF_MEMORY, "no memory for a host");
    made->forks = sipc_os_forks();
    made->slots_per_worker = options->slots_per_worker;
    sipc_status status = sipc_placement_init(&made->placement, options->place, options->processors,
                                             options->processor_count);
    if (status) {
        free(made);
        return status;
    }
    *host = made;
    return SIPC_OK;
}

sipc_status sipc_host_create(const char *name, uint32_t slots, uint32_t data_size,
                             const sipc_host_options *given, sipc_host **host) {
    if (!host)
        return sipc_fail(SIPC_INVALID_ARGUMENT, "host is NULL; pass where to put the handle");
    *host = NULL;
    sipc_host_options options = given ? *given : (sipc_host_options){0};
    sipc_status status = check_options(data_size, &options);
    if (status) return status;
    if (slots == 0)
        return sipc_fail(SIPC_INVALID_ARGUMENT,
                         "slots is 0; a host has at least one slot of its own");
    struct sipc_geometry geometry;
    status = sipc_geometry_make(slots, options.guest_slots, options.request_capacity,
                                options.response_capacity, &geometry);
    if (status) return status;
    struct sipc_host *made;
    status = make_host(&options, &made);
    if (status) return status;
    const struct sipc_os_sealing sealing = {.folder = options.sealed_folder,
                                            .users = options.guest_users,
                                            .user_count = options.guest_user_count};
    status =
        sipc_region_create(&made->region, name, options.mode, options.backend, &sealing, &geometry);
    if (status) {
        free(made);
        return status;
    }
    status = make_calls(made, &options);
    if (status) {
        sipc_region_remove(&made->region);
        release(made);
        return status;
    }
    if (made->region.offer) sipc_os_watch_offer(made->calls.pool.watch, made->region.offer);
    *host = made;
    return SIPC_OK;
}

void sipc_host_shutdown(sipc_host *host) {
    if (sipc_host_check(host)) return;
    uint32_t expected = 0;
    if (!sipc_compare_exchange(&host->shut_down, &expected, 1)) {
        // Another thread does it: return when it is done.
        while (sipc_load_acquire(&host->shut_down) == 1)
            sipc_os_park(&host->shut_down, 1, SIPC_NEVER);
        return;
    }
    sipc_calls_close(&host->calls);
    sipc_host_stop_serving(host);
    sipc_region_remove(&host->region);
    for (uint32_t i = 0; i < host->calls.pool.count; i++) {
        struct sipc_session *session = sipc_pool_session(&host->calls.pool, i);
        sipc_session_send_out(session);
        sipc_caller_close(&session->caller);
    }
    sipc_exchange_barrier(&host->shut_down, 2);
    sipc_os_unpark(&host->shut_down, UINT32_MAX);
}

void sipc_host_close(sipc_host *host) {
    if (!host || sipc_host_check(host)) return;
    if (sipc_service_handles(host)) {
        (void)sipc_fail(SIPC_BUSY,
                        "called from a handler of the host, which would wait for itself");
        return;
    }
    sipc_host_shutdown(host);
    sipc_service_release(&host->service);
    release(host);
}

uint32_t sipc_host_slots(const sipc_host *host) {
    return host->calls.pool.count;
}

uint32_t sipc_host_request_capacity(const sipc_host *host) {
    return host->region.geometry.request_capacity;
}

uint32_t sipc_host_response_capacity(const sipc_host *host) {
    return host->region.geometry.response_capacity;
}

// ---- Places ------------------------------------------------------------------------------------

sipc_status sipc_host_processor(const sipc_host *host, uint32_t slot, uint32_t *processor) {
    if (!processor)
        return sipc_fail(SIPC_INVALID_ARGUMENT, "processor is NULL; pass where to put it");
    *processor = SIPC_NO_PROCESSOR;
    sipc_status status = sipc_host_check(host);
    if (!status) status = sipc_calls_check_slot(&host->calls, slot);
    if (status) return status;
    const uint32_t each = host->slots_per_worker;
    *processor = sipc_placement_of(&host->placement, SIPC_SIDE_CALLER, slot / each,
                                   (host->calls.pool.count - 1) / each + 1);
    return SIPC_OK;
}

sipc_status sipc_host_place_caller(const sipc_host *host, uint32_t slot) {
    uint32_t processor;
    sipc_status status = sipc_host_processor(host, slot, &processor);
    if (status || processor == SIPC_NO_PROCESSOR) return status;
    return sipc_os_pin(processor);
}
