// SPDX-License-Identifier: Apache-2.0
/**
 * @file DirectPending.h
 * @brief Later answers in C++17: RAII over simpleipc/pending.h, with no logic of its own.
 */
#ifndef SIMPLEIPC_DIRECTPENDING_H
#define SIMPLEIPC_DIRECTPENDING_H

#include <cstdint>
#include <exception>
#include <functional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include "DirectHandler.h"

namespace shm {

/**
 * A request that is to be answered once, by whoever holds this, from any thread. Move-only. When it
 * ends without an answer the caller gets SIPC_HANDLER_FAILED. Must not outlive its guest or host,
 * which wait for it when they end. One thread at a time, but for IsCancelled().
 */
class PendingResponse {
public:
    /** None. */
    PendingResponse() = default;
    /** Moves the request; the other holds none. */
    PendingResponse(PendingResponse &&other) noexcept
        : pending_(std::exchange(other.pending_, sipc_pending{})) {}
    /** Moves the request; the one held before is dropped. */
    PendingResponse &operator=(PendingResponse &&other) noexcept {
        if (this != &other) {
            sipc_pending_abandon(pending_);
            pending_ = std::exchange(other.pending_, sipc_pending{});
        }
        return *this;
    }
    PendingResponse(const PendingResponse &) = delete;
    PendingResponse &operator=(const PendingResponse &) = delete;
    ~PendingResponse() { sipc_pending_abandon(pending_); }

    /** Takes the request out of its handler, which then returns SIPC_PENDING; see
     * sipc_request_take(). One that was held before is dropped. */
    Error Take(const sipc_request &request) {
        sipc_pending taken{};
        const sipc_status status = sipc_request_take(&request, &taken);
        if (status == SIPC_OK) {
            sipc_pending_abandon(pending_);
            pending_ = taken;
        }
        return Error(status);
    }

    /** @return whether it holds a request that is not answered. */
    explicit operator bool() const { return Request() != nullptr; }
    /** @return the request, valid until the answer; nullptr if it was answered. */
    const sipc_request *Request() const { return sipc_pending_request(pending_); }
    /** @return the response buffer, to be written in place; nullptr if it was answered. */
    uint8_t *Response() const {
        return static_cast<uint8_t *>(sipc_pending_response(pending_, nullptr));
    }
    /** @return its size in bytes; 0 if it was answered. */
    uint32_t Capacity() const {
        uint32_t capacity = 0;
        sipc_pending_response(pending_, &capacity);
        return capacity;
    }
    /** @return when the caller gives up; see sipc_request_deadline(). */
    uint64_t Deadline() const { return sipc_pending_deadline(pending_); }
    /** @return whether nobody waits for the answer any more. Any thread. */
    bool IsCancelled() const { return sipc_pending_is_cancelled(pending_) != 0; }

    /** Answers; see sipc_pending_respond(). @param data copied, unless it stands in Response().
     * @param size its bytes. @param status SIPC_OK, or what else a handler would return. */
    Error Respond(const void *data, uint32_t size, sipc_status status = SIPC_OK) {
        return Error(
            sipc_pending_respond(std::exchange(pending_, sipc_pending{}), status, data, size));
    }
    /** The same with the bytes of a text. */
    Error Respond(std::string_view text) {
        return Respond(text.data(), static_cast<uint32_t>(text.size()));
    }
    /** Answers with SIPC_HANDLER_FAILED and this text, cut if there is no room for it. */
    Error Fail(std::string_view text) {
        sipc_response response{};
        response.data = sipc_pending_response(pending_, &response.capacity);
        detail::WriteText(response, text);
        return Respond(response.data, response.size, SIPC_SYSTEM);
    }

private:
    sipc_pending pending_{};
};

/** Gets a request and answers it whenever it likes: it moves it away, or answers at once. */
using LaterHandler = std::function<void(PendingResponse &&pending)>;

/**
 * Makes a Handler of a LaterHandler. What the function throws is the answer's text, if it has
 * not moved the request away; one that it neither moves away nor answers is dropped.
 * @param handler the function. @return the handler, for DirectGuest, DirectHost and Dispatcher.
 */
inline Handler Later(LaterHandler handler) {
    return [handler = std::move(handler)](const sipc_request &request, sipc_response &) {
        PendingResponse pending;
        if (pending.Take(request)) throw std::runtime_error(sipc_error_text());
        try {
            handler(std::move(pending));
        } catch (const std::exception &exception) {
            if (pending) (void)pending.Fail(exception.what());
        }
        return SIPC_PENDING;
    };
}

} // namespace shm

#endif
