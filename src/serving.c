// SPDX-License-Identifier: Apache-2.0
// The host answers: guests call it through the region's guest slots (spec 9.1).
#include <simpleipc/event_loop.h>
#include <simpleipc/stream.h>

#include "internal/errors.h"
#include "internal/host.h"
#include "internal/lock.h"

static sipc_status check_server(const sipc_host *host) {
    sipc_status status = sipc_host_check(host);
    if (status) return status;
    if (host->region.geometry.guest_slots == 0)
        return sipc_fail(SIPC_INVALID_ARGUMENT,
                         "the host has no guest slots; ask for some in its options");
    return SIPC_OK;
}

static sipc_status check_serving(const sipc_host *host, sipc_handler handler) {
    sipc_status status = check_server(host);
    if (!status && !handler) status = sipc_fail(SIPC_INVALID_ARGUMENT, "the handler is NULL");
    return status;
}

static sipc_status check_options(const sipc_host *host, const sipc_serve_options *options) {
    if (options->struct_size && options->struct_size < sizeof *options)
        return sipc_fail(SIPC_INVALID_ARGUMENT,
                         "struct_size is %u; set it to sizeof(sipc_serve_options)",
                         options->struct_size);
    if (options->workers > host->region.geometry.guest_slots)
        return sipc_fail(SIPC_INVALID_ARGUMENT, "%u workers for %u guest slots; ask for less",
                         options->workers, host->region.geometry.guest_slots);
    return sipc_wait_policy_check(&options->wait);
}

// Takes all guest slots, which are nobody else's to serve.
static sipc_status take_slots(sipc_host *host, const sipc_serve_options *options) {
    const uint32_t first = host->region.geometry.host_slots;
    const uint32_t count = host->region.geometry.guest_slots;
    const uint32_t workers = options->workers;
    struct sipc_owner identity = {.process = sipc_os_this_process()};
    sipc_status status = sipc_os_random(&identity.incarnation);
    if (!status) status = sipc_service_init(&host->service, host, count, false);
    if (status) return status;
    for (uint32_t i = 0; i < count; i++)
        sipc_service_add(&host->service, &host->region.slots[first + i], &identity, &options->wait);
    sipc_service_offer_streams(&host->service, sipc_host_streams(host), host->calls.pool.watch);
    return sipc_service_divide(&host->service, workers ? (count + workers - 1) / workers : 1);
}

// From here on guests are served, in this way and for good.
static sipc_status begin(sipc_host *host, enum sipc_serving way,
                         const sipc_serve_options *options) {
    if (sipc_load_acquire(&host->shut_down) != 0) return sipc_host_closed();
    if (sipc_load_relaxed(&host->serving) != SIPC_NOT_SERVING)
        return sipc_fail(SIPC_BUSY, "the host serves its guest slots already");
    sipc_status status = take_slots(host, options);
    if (status)
        sipc_service_release(&host->service);
    else
        sipc_store_release(&host->serving, way);
    return status;
}

sipc_status sipc_host_serve(sipc_host *host, const sipc_serve_options *given, sipc_handler handler,
                            void *context) {
    sipc_status status = check_serving(host, handler);
    const sipc_serve_options options = given ? *given : (sipc_serve_options){0};
    if (!status) status = check_options(host, &options);
    if (status) return status;
    sipc_lock(&host->lock);
    status = begin(host, SIPC_SERVED_BY_WORKERS, &options);
    bool began = !status;
    if (began) status = sipc_service_start(&host->service, handler, context);
    if (began && status) {
        // After a failure nothing uses the handler any more, though some workers had begun.
        sipc_service_stop(&host->service);
        sipc_service_release(&host->service);
        sipc_store_release(&host->serving, SIPC_NOT_SERVING);
    }
    sipc_unlock(&host->lock);
    return status;
}

static sipc_status serve_by_polls(sipc_host *host) {
    if (sipc_load_acquire(&host->serving) == SIPC_SERVED_BY_POLLS) return SIPC_OK;
    sipc_lock(&host->lock);
    sipc_status status = begin(host, SIPC_SERVED_BY_POLLS, &(sipc_serve_options){0});
    sipc_unlock(&host->lock);
    return status;
}

sipc_status sipc_host_poll(sipc_host *host, sipc_handler handler, void *context, uint32_t *served) {
    uint32_t answered = 0;
    if (served) *served = 0;
    sipc_status status = check_serving(host, handler);
    if (!status) status = serve_by_polls(host);
    if (status) return status;
    bool open = sipc_service_poll(&host->service, handler, context, &answered);
    if (served) *served = answered;
    return open ? SIPC_OK : sipc_host_closed();
}

sipc_status sipc_host_descriptor(sipc_host *host, intptr_t *descriptor) {
    if (!descriptor)
        return sipc_fail(SIPC_INVALID_ARGUMENT, "descriptor is NULL; pass where to put it");
    sipc_status status = check_server(host);
    if (!status) status = serve_by_polls(host);
    return status ? status : sipc_service_descriptor(&host->service, descriptor);
}

sipc_status sipc_host_arm(sipc_host *host) {
    sipc_status status = check_server(host);
    if (status) return status;
    if (sipc_load_acquire(&host->serving) != SIPC_SERVED_BY_POLLS)
        return sipc_fail(SIPC_INVALID_ARGUMENT,
                         "no loop polls this host; ask sipc_host_descriptor() for a descriptor");
    return sipc_service_arm(&host->service);
}

sipc_status sipc_host_serve_streams(sipc_host *host, sipc_streams *streams) {
    sipc_status status = sipc_host_check(host);
    if (status) return status;
    if (!streams) return sipc_fail(SIPC_INVALID_ARGUMENT, "streams is NULL; create some first");
    if (host->region.geometry.guest_slots == 0)
        return sipc_fail(SIPC_INVALID_ARGUMENT,
                         "the host has no guest slots; create it with guest_slots");
    sipc_lock(&host->lock);
    if (sipc_load_acquire(&host->shut_down) != 0)
        status = sipc_host_closed();
    else if (sipc_load_relaxed(&host->serving) != SIPC_NOT_SERVING)
        status = sipc_fail(SIPC_BUSY, "the host serves its guest slots already");
    else
        // Release: a notice of death may look at them from here on.
        atomic_store_explicit(&host->streams, streams, memory_order_release);
    sipc_unlock(&host->lock);
    return status;
}

// Guests may wait in slots that were never served: each word there changes, and they look.
static void wake_callers(sipc_host *host) {
    if (!take_slots(host, &(sipc_serve_options){0})) sipc_service_release(&host->service);
}

void sipc_host_stop_serving(sipc_host *host) {
    if (host->region.geometry.guest_slots == 0) return;
    // Barrier: who finds its slot unattended from here on sees why.
    sipc_exchange_barrier(&sipc_region_host_line(&host->region)->closing, 1);
    sipc_lock(&host->lock);
    if (sipc_load_relaxed(&host->serving) != SIPC_NOT_SERVING)
        sipc_service_stop(&host->service);
    else
        wake_callers(host);
    sipc_unlock(&host->lock);
}
