// SPDX-License-Identifier: Apache-2.0
/**
 * @file DirectEventLoop.h
 * @brief Descriptors for event loops, for C++17: see simpleipc/event_loop.h.
 */
#ifndef SIMPLEIPC_DIRECTEVENTLOOP_H
#define SIMPLEIPC_DIRECTEVENTLOOP_H

#include <simpleipc/event_loop.h>

#include <cstdint>

#include "DirectGuest.h"
#include "DirectHost.h"

namespace shm {

/**
 * What a loop waits for until Pipeline::Reap() would complete something; see
 * sipc_pipeline_descriptor().
 * @param pipeline an open pipeline. @param descriptor receives it; the library's own.
 */
inline Error GetDescriptor(const Pipeline &pipeline, intptr_t &descriptor) {
    return Error(sipc_pipeline_descriptor(pipeline.Handle(), &descriptor));
}
/** The same until DirectGuest::Poll() would find something; see sipc_guest_descriptor().
 * @param guest a guest that was not started. @param descriptor receives it; the library's own. */
inline Error GetDescriptor(const DirectGuest &guest, intptr_t &descriptor) {
    return Error(sipc_guest_descriptor(guest.Handle(), &descriptor));
}
/** The same until DirectHost::Poll() would find something; see sipc_host_descriptor().
 * @param host a host with guest slots. @param descriptor receives it; the library's own. */
inline Error GetDescriptor(const DirectHost &host, intptr_t &descriptor) {
    return Error(sipc_host_descriptor(host.Handle(), &descriptor));
}

/** Says that a loop is about to wait for the descriptor; see sipc_pipeline_arm().
 * @param pipeline a pipeline whose descriptor was asked for. */
inline Error Arm(const Pipeline &pipeline) {
    return Error(sipc_pipeline_arm(pipeline.Handle()));
}
/** The same for a guest; see sipc_guest_arm().
 * @param guest a guest whose descriptor was asked for. */
inline Error Arm(const DirectGuest &guest) {
    return Error(sipc_guest_arm(guest.Handle()));
}
/** The same for a host; see sipc_host_arm().
 * @param host a host whose descriptor was asked for. */
inline Error Arm(const DirectHost &host) {
    return Error(sipc_host_arm(host.Handle()));
}

} // namespace shm

#endif
