// SPDX-License-Identifier: Apache-2.0
/**
 * @file DirectAsync.h
 * @brief Asynchronous calls in C++17: futures and functions, over simpleipc/async.h.
 */
#ifndef SIMPLEIPC_DIRECTASYNC_H
#define SIMPLEIPC_DIRECTASYNC_H

#include <cstdint>
#include <functional>
#include <future>
#include <memory>
#include <utility>
#include <vector>

#include "DirectGuest.h"
#include "DirectHost.h"
#include "simpleipc/async.h"

namespace shm {

/** What a future of AsyncCaller holds. */
struct AsyncResult {
    Error error;            /**< As of a call; its Fate() tells what became of the request. */
    uint32_t messageId = 0; /**< The response's message id. */
    std::vector<uint8_t> response; /**< The response; with SIPC_HANDLER_FAILED the text. */
};

/** How long an asynchronous call may take. */
struct AsyncTimes {
    Timeout timeout = DefaultTimeout;   /**< Of the call, from its submission. */
    Timeout patience = Timeout::zero(); /**< How long to wait for room; zero: not at all. */
};

/**
 * Calls that complete on a thread of the library's; see simpleipc/async.h. Move-only; gives up
 * what is open when it ends. Must not outlive its host or guest. Open(), Close() and the
 * destructor must not run beside another use; Call() and Send() may, in any number of threads.
 */
class AsyncCaller {
public:
    /** Hears of a completion, on the library's thread. What it throws ends the process. */
    using Function = std::function<void(const Completion &completion)>;

    /** None is open. */
    AsyncCaller() = default;
    /** Moves it; the other is closed. */
    AsyncCaller(AsyncCaller &&other) noexcept : async_(std::exchange(other.async_, nullptr)) {}
    /** Moves it; the one held before is closed. */
    AsyncCaller &operator=(AsyncCaller &&other) noexcept {
        if (this != &other)
            sipc_async_close(std::exchange(async_, std::exchange(other.async_, nullptr)));
        return *this;
    }
    AsyncCaller(const AsyncCaller &) = delete;
    AsyncCaller &operator=(const AsyncCaller &) = delete;
    ~AsyncCaller() { sipc_async_close(async_); }

    /** Opens it on slots of a host; one that was open is closed. See sipc_async_open().
     * @param host a host. @param depth requests that are open at most.
     * @param timeout how long to wait for the slots. */
    Error Open(const DirectHost &host, uint32_t depth, Timeout timeout = DefaultTimeout) {
        *this = AsyncCaller();
        return Error(sipc_async_open(host.Handle(), depth, detail::Nanoseconds(timeout), &async_));
    }
    /** The same for a guest that calls its host; see sipc_guest_async_open(). */
    Error Open(const DirectGuest &guest, uint32_t depth, Timeout timeout = DefaultTimeout) {
        *this = AsyncCaller();
        return Error(
            sipc_guest_async_open(guest.Handle(), depth, detail::Nanoseconds(timeout), &async_));
    }

    /** @return whether it is open. */
    explicit operator bool() const { return async_ != nullptr; }

    /**
     * Submits a request; see sipc_async_submit().
     * @param data copied. @param size its bytes. @param msgId as in DirectHost::Call().
     * @param function hears of its end, unless this fails. It may call, without patience.
     * @param times how long it may take.
     */
    Error Call(const uint8_t *data, uint32_t size, uint32_t msgId, Function function,
               AsyncTimes times = AsyncTimes()) {
        auto kept = std::make_unique<Function>(std::move(function));
        const Error error = Submit(data, size, msgId, times, Tell, kept.get());
        if (!error) static_cast<void>(kept.release()); // Tell() owns it now
        return error;
    }

    /** The same with a future, which is always ready in the end: also after a refusal, at once. */
    std::future<AsyncResult> Send(const uint8_t *data, uint32_t size, uint32_t msgId,
                                  AsyncTimes times = AsyncTimes()) {
        auto promise = std::make_unique<std::promise<AsyncResult>>();
        std::future<AsyncResult> result = promise->get_future();
        const Error error = Submit(data, size, msgId, times, Keep, promise.get());
        if (error)
            promise->set_value(AsyncResult{error, 0, {}});
        else
            static_cast<void>(promise.release()); // Keep() owns it now
        return result;
    }

    /** @return requests that were submitted and not completed. */
    uint32_t OpenRequests() const { return sipc_async_open_requests(async_); }

    /** Gives up what is open, each of which completes before this returns; see sipc_async_close().
     */
    Error Close() {
        const sipc_status status = sipc_async_close(async_);
        if (status == SIPC_OK) async_ = nullptr;
        return Error(status);
    }

    /** @return the handle of the C API; nullptr if none is open. Owned by this object. */
    sipc_async *Handle() const { return async_; }

private:
    Error Submit(const uint8_t *data, uint32_t size, uint32_t msgId, const AsyncTimes &times,
                 sipc_completed completed, void *context) {
        sipc_async_call call{};
        call.message_id = msgId;
        call.request = data;
        call.request_size = size;
        call.timeout_ns = detail::Nanoseconds(times.timeout);
        call.patience_ns = detail::Nanoseconds(times.patience);
        call.completed = completed;
        call.context = context;
        return Error(sipc_async_submit(async_, &call));
    }

    // Exceptions must not pass through the C library.
    static void Tell(void *context, const sipc_completion *told) noexcept {
        const std::unique_ptr<Function> function(static_cast<Function *>(context));
        Completion completion;
        completion.tag = told->tag;
        completion.error = Error(told->status);
        completion.messageId = told->message_id;
        completion.response = {static_cast<const uint8_t *>(told->response), told->response_size};
        (*function)(completion);
    }

    static void Keep(void *context, const sipc_completion *told) noexcept {
        const std::unique_ptr<std::promise<AsyncResult>> promise(
            static_cast<std::promise<AsyncResult> *>(context));
        try {
            const auto *bytes = static_cast<const uint8_t *>(told->response);
            promise->set_value(AsyncResult{
                Error(told->status), told->message_id, {bytes, bytes + told->response_size}});
        } catch (...) {
            promise->set_exception(std::current_exception()); // no memory for the response
        }
    }

    sipc_async *async_ = nullptr;
};

} // namespace shm

#endif
