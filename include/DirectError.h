// SPDX-License-Identifier: Apache-2.0
/**
 * @file DirectError.h
 * @brief What DirectHost.h and DirectGuest.h have in common: message ids, errors, timeouts.
 */
#ifndef SIMPLEIPC_DIRECTERROR_H
#define SIMPLEIPC_DIRECTERROR_H

#include <chrono>
#include <cstdint>

#include "simpleipc/simpleipc.h"

/** An ordinary request. */
constexpr uint32_t MSG_ID_NORMAL = SIPC_MESSAGE_NORMAL;
/** Answered by the guest's library. */
constexpr uint32_t MSG_ID_HEARTBEAT_REQ = SIPC_MESSAGE_HEARTBEAT_REQUEST;
/** What a heartbeat is answered with. */
constexpr uint32_t MSG_ID_HEARTBEAT_RESP = SIPC_MESSAGE_HEARTBEAT_RESPONSE;
/** Ends the guest's workers. */
constexpr uint32_t MSG_ID_SHUTDOWN = SIPC_MESSAGE_SHUTDOWN;
/** The first id that is the application's own. */
constexpr uint32_t MSG_ID_USER = SIPC_MESSAGE_FIRST_USER;

namespace shm {

/** What became of a request: see sipc_fate. */
enum class Fate {
    NotStarted = SIPC_FATE_NOT_STARTED,
    MaybeExecuted = SIPC_FATE_MAYBE_EXECUTED,
    Answered = SIPC_FATE_ANSWERED
};

/** Outcome of an operation. Converts to true when it failed, as std::error_code does. */
class [[nodiscard]] Error {
public:
    /** Success. */
    Error() = default;
    /** @param status a status of the C API, made in this thread just now. */
    explicit Error(sipc_status status) : status_(status) {}

    /** @return true if the operation failed. */
    explicit operator bool() const { return status_ != SIPC_OK; }
    /** @return the status, to be compared with SIPC_TIMEOUT and the like. */
    sipc_status Status() const { return status_; }
    /** @return its name, as "SIPC_TIMEOUT". */
    const char *Name() const { return sipc_status_name(status_); }
    /** @return its message in plain English. */
    const char *Message() const { return sipc_status_message(status_); }
    /** @return what was wrong and what to do, as of this thread's last failure. */
    const char *Text() const { return status_ == SIPC_OK ? "" : sipc_error_text(); }
    /** @return what became of the request. */
    shm::Fate Fate() const { return static_cast<shm::Fate>(sipc_status_fate(status_)); }
    /** Compares with a status. */
    friend bool operator==(const Error &error, sipc_status status) {
        return error.status_ == status;
    }
    /** Compares with a status. */
    friend bool operator!=(const Error &error, sipc_status status) {
        return error.status_ != status;
    }

private:
    sipc_status status_ = SIPC_OK;
};

/** A timeout; Default is the host's own, Forever is none. */
using Timeout = std::chrono::nanoseconds;
/** The host's default timeout. */
constexpr Timeout DefaultTimeout = Timeout::zero();
/** No timeout. */
constexpr Timeout Forever = Timeout::max();

namespace detail {
/** Nanoseconds for the C API; a negative timeout has passed already. */
inline uint64_t Nanoseconds(Timeout timeout) {
    if (timeout == Forever) return SIPC_FOREVER;
    return timeout < Timeout::zero() ? 1 : static_cast<uint64_t>(timeout.count());
}
} // namespace detail

} // namespace shm

#endif
