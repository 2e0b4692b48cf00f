// SPDX-License-Identifier: Apache-2.0
/**
 * @file DirectGuests.h
 * @brief Many guests of one host, for C++17: see simpleipc/guests.h.
 *
 * No function throws, but for std::bad_alloc of a std::vector or std::string given by the
 * application or returned to it.
 */
#ifndef SIMPLEIPC_DIRECTGUESTS_H
#define SIMPLEIPC_DIRECTGUESTS_H

#include <simpleipc/guests.h>

#include <cstdint>
#include <string>
#include <vector>

#include "DirectHost.h"

namespace shm {

/** Who serves a slot; see sipc_guest_info. */
struct GuestInfo {
    uint32_t slot = 0;      /**< The slot. */
    bool attended = false;  /**< Whether a guest serves it; else the rest is of the last one. */
    uint32_t processId = 0; /**< What the guest says its process is. */
    std::string name;       /**< What the guest says its name is; empty: it has none. */
};

namespace detail {
/** A name with a NUL byte inside would be cut off there: an empty one is refused in its stead. */
inline const char *GuestName(const std::string &guest) {
    return guest.find('\0') == std::string::npos ? guest.c_str() : "";
}
} // namespace detail

/**
 * Tells who serves each slot; see sipc_host_guests().
 * @param host a host. @return an entry for each slot, in their order; none before it was created.
 */
inline std::vector<GuestInfo> Guests(const DirectHost &host) {
    uint32_t count = 0;
    sipc_host_guests(host.Handle(), nullptr, 0, &count);
    std::vector<sipc_guest_info> told(count);
    sipc_host_guests(host.Handle(), told.data(), count, &count);
    std::vector<GuestInfo> guests(told.size());
    for (size_t i = 0; i < told.size(); i++) {
        guests[i].slot = told[i].slot;
        guests[i].attended = told[i].attended != 0;
        guests[i].processId = told[i].process_id;
        guests[i].name = told[i].name;
    }
    return guests;
}

/**
 * Calls a guest of this name, and no other; see sipc_call::guest. With SIPC_HANDLER_FAILED resp
 * holds the handler's text.
 * @param host a host. @param guest its name. @param data the request. @param size its bytes.
 * @param msgId as in DirectHost::Call(). @param resp becomes the response.
 * @param timeout from now, also for the guest to come.
 * @return as DirectHost::Call(); SIPC_NO_GUEST, SIPC_BAD_NAME.
 */
inline Error CallGuest(const DirectHost &host, const std::string &guest, const uint8_t *data,
                       uint32_t size, uint32_t msgId, std::vector<uint8_t> &resp,
                       Timeout timeout = DefaultTimeout) {
    sipc_call call = detail::CallInto(resp, data, size, msgId, timeout);
    call.guest = detail::GuestName(guest);
    Error error(sipc_host_call(host.Handle(), &call));
    if (call.response_size == 0) resp.clear();
    return error;
}

/**
 * Acquires a slot that a guest of this name serves; see sipc_host_acquire_guest().
 * @param host a host. @param guest its name. @param slot becomes the slot.
 * @param timeout how long to wait for it. @return as that function.
 */
inline Error AcquireGuest(const DirectHost &host, const std::string &guest, Slot &slot,
                          Timeout timeout = DefaultTimeout) {
    sipc_session *session = nullptr;
    sipc_status status = sipc_host_acquire_guest(host.Handle(), detail::GuestName(guest),
                                                 detail::Nanoseconds(timeout), &session);
    slot = Slot(session);
    return Error(status);
}

inline Error Pipeline::OpenGuest(const DirectHost &host, const std::string &guest, uint32_t depth,
                                 Timeout timeout) {
    return Opened([&](void *hearing, sipc_pipeline **pipeline) {
        return sipc_pipeline_open_guest(host.Handle(), detail::GuestName(guest), depth,
                                        detail::Nanoseconds(timeout), Hearing::Completed, hearing,
                                        pipeline);
    });
}

} // namespace shm

#endif
