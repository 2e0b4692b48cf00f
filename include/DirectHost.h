// SPDX-License-Identifier: Apache-2.0
/**
 * @file DirectHost.h
 * @brief The host for C++17: RAII over simpleipc.h, with no logic of its own.
 *
 * No function throws, but for std::bad_alloc of a std::vector or std::string given by the
 * application.
 */
#ifndef SIMPLEIPC_DIRECTHOST_H
#define SIMPLEIPC_DIRECTHOST_H

#include <cstdint>
#include <exception>
#include <memory>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include "DirectError.h"
#include "DirectHandler.h"
#include "simpleipc/in_place.h"

namespace shm {

namespace detail {
/** Makes room for the response. Exceptions must not pass through the C library. */
inline void *Reserve(void *context, uint32_t size) noexcept {
    auto *resp = static_cast<std::vector<uint8_t> *>(context);
    try {
        resp->resize(size);
    } catch (...) {
        resp->clear();
        return nullptr;
    }
    return resp->data();
}

/** A call whose response becomes the content of a vector; one of no bytes leaves it as it is. */
inline sipc_call CallInto(std::vector<uint8_t> &resp, const uint8_t *data, uint32_t size,
                          uint32_t msgId, Timeout timeout) {
    sipc_call call{};
    call.message_id = msgId;
    call.request = data;
    call.request_size = size;
    call.timeout_ns = Nanoseconds(timeout);
    call.reserve = Reserve;
    call.reserve_context = &resp;
    return call;
}
} // namespace detail

/** Bytes that stand in a slot. Valid until the slot's next call or its release. */
struct Bytes {
    const uint8_t *data = nullptr; /**< The first byte. */
    uint32_t size = 0;             /**< How many. */
};

/**
 * A slot held by one caller, written and read in place. Move-only; releases the slot when it ends.
 * Must not outlive its host. One thread at a time.
 */
class Slot {
public:
    /** No slot. */
    Slot() = default;
    /** Takes over a session. @param session may be nullptr. */
    explicit Slot(sipc_session *session) : session_(session) {}
    /** Moves the slot; the other holds none. */
    Slot(Slot &&other) noexcept : session_(std::exchange(other.session_, nullptr)) {}
    /** Moves the slot; the one held before is released. */
    Slot &operator=(Slot &&other) noexcept {
        if (this != &other) {
            Release();
            session_ = std::exchange(other.session_, nullptr);
        }
        return *this;
    }
    Slot(const Slot &) = delete;
    Slot &operator=(const Slot &) = delete;
    ~Slot() { Release(); }

    /** @return whether it holds a slot. */
    explicit operator bool() const { return session_ != nullptr; }
    /** @return the request buffer, or nullptr: see sipc_session_request(). */
    uint8_t *Request() { return static_cast<uint8_t *>(sipc_session_request(session_, nullptr)); }
    /** @return its size in bytes. */
    uint32_t Capacity() const {
        uint32_t capacity = 0;
        sipc_session_request(session_, &capacity);
        return capacity;
    }
    /** @return the slot's index. */
    uint32_t Index() const { return sipc_session_slot(session_); }

    /** @return the message id of the last response. */
    uint32_t MessageId() const { return sipc_session_message_id(session_); }

    /** Calls with the first size bytes of Request(); see sipc_session_call(). */
    Error Call(uint32_t size, uint32_t msgId, Bytes &response, Timeout timeout = DefaultTimeout) {
        return CallBy(sipc_session_call, size, msgId, response, timeout);
    }
    /** Calls with the last size bytes of the room of Request(); see sipc_session_call_at_end(). */
    Error CallAtEnd(uint32_t size, uint32_t msgId, Bytes &response,
                    Timeout timeout = DefaultTimeout) {
        return CallBy(sipc_session_call_at_end, size, msgId, response, timeout);
    }
    /** Waits until an earlier call that was given up has left its handler; see
     * sipc_session_settle(). */
    Error Settle(Timeout timeout = DefaultTimeout) {
        return Error(sipc_session_settle(session_, detail::Nanoseconds(timeout)));
    }
    /** Gives the slot back. */
    void Release() { sipc_session_release(std::exchange(session_, nullptr)); }

private:
    template <typename Function>
    Error CallBy(Function call, uint32_t size, uint32_t msgId, Bytes &response, Timeout timeout) {
        const void *data = nullptr;
        sipc_status status =
            call(session_, msgId, size, detail::Nanoseconds(timeout), &data, &response.size);
        response.data = static_cast<const uint8_t *>(data);
        return Error(status);
    }

    sipc_session *session_ = nullptr;
};

/** Options of a host; see sipc_host_options. */
struct Options : sipc_host_options {
    Options() : sipc_host_options{} {}
};

/** How a host serves its guests; see sipc_serve_options. */
struct ServeOptions : sipc_serve_options {
    ServeOptions() : sipc_serve_options{} {}
};

/**
 * A host. Any number of threads may call at a time.
 *
 * Init(), Shutdown() and the destructor must not run beside another use of the same object, but
 * Shutdown() may run beside calls: it ends them.
 */
class DirectHost {
public:
    DirectHost() = default;
    DirectHost(const DirectHost &) = delete;
    DirectHost &operator=(const DirectHost &) = delete;
    /** Closes the region. Not from a handler of this host. */
    ~DirectHost() { sipc_host_close(host_); }

    /**
     * Creates the region.
     * @param name see sipc_host_create().
     * @param slots number of slots.
     * @param dataSize payload bytes of a slot, half for each direction.
     * @return whether it succeeded; LastError() tells why not.
     */
    bool Init(const std::string &name, uint32_t slots, uint32_t dataSize = 1024 * 1024) {
        return !Create(name, slots, dataSize, Options());
    }

    /** The same with options. A host that was shut down may be created again. */
    Error Create(const std::string &name, uint32_t slots, uint32_t dataSize,
                 const Options &options) {
        sipc_host *created = nullptr;
        // A name with a NUL byte inside would be cut off there: an empty one is refused in its
        // stead.
        const char *text = name.find('\0') == std::string::npos ? name.c_str() : "";
        sipc_status status = sipc_host_create(text, slots, dataSize, &options, &created);
        if (status == SIPC_OK) {
            sipc_host_close(std::exchange(host_, created));
            handler_.reset();
        }
        return Error(status);
    }

    /** Answers what guests call, with threads of its own, until Shutdown(); see sipc_host_serve().
     */
    Error Serve(Handler handler, const ServeOptions &options = ServeOptions()) {
        if (!handler) return Error(sipc_host_serve(host_, &options, nullptr, nullptr));
        auto kept = std::make_unique<Handler>(std::move(handler));
        sipc_status status = sipc_host_serve(host_, &options, detail::Answer, kept.get());
        if (status == SIPC_OK) handler_ = std::move(kept);
        return Error(status);
    }

    /** Answers what guests have called, without waiting; see sipc_host_poll(). */
    Error Poll(const Handler &handler, uint32_t *served = nullptr) {
        return Error(sipc_host_poll(host_, handler ? detail::Answer : nullptr,
                                    const_cast<Handler *>(&handler), served));
    }

    /**
     * Sends a request to any free slot and waits for the response.
     * @return bytes of the response, or a negative sipc_status. With SIPC_HANDLER_FAILED resp holds
     * the handler's text.
     */
    int Send(const uint8_t *data, uint32_t size, uint32_t msgId, std::vector<uint8_t> &resp) {
        return Result(Call(SIPC_ANY_SLOT, data, size, msgId, resp), resp);
    }

    /** The same through a given slot. */
    int SendToSlot(uint32_t slot, const uint8_t *data, uint32_t size, uint32_t msgId,
                   std::vector<uint8_t> &resp) {
        if (slot == SIPC_ANY_SLOT) slot--; // which does not exist either
        return Result(Call(slot, data, size, msgId, resp), resp);
    }

    /** The same with a timeout and a typed error; slot may be SIPC_ANY_SLOT. */
    Error Call(uint32_t slot, const uint8_t *data, uint32_t size, uint32_t msgId,
               std::vector<uint8_t> &resp, Timeout timeout = DefaultTimeout) {
        sipc_call call = detail::CallInto(resp, data, size, msgId, timeout);
        Error error(slot == SIPC_ANY_SLOT ? sipc_host_call(host_, &call)
                                          : sipc_host_call_slot(host_, slot, &call));
        // Not cleared before: a vector that keeps its size need not be filled with zeros.
        if (call.response_size == 0) resp.clear();
        return error;
    }

    /** Acquires a slot to write and read in place; see sipc_host_acquire(). */
    Error Acquire(Slot &slot, uint32_t index = SIPC_ANY_SLOT, Timeout timeout = DefaultTimeout) {
        sipc_session *session = nullptr;
        sipc_status status =
            sipc_host_acquire(host_, index, detail::Nanoseconds(timeout), &session);
        slot = Slot(session);
        return Error(status);
    }

    /** @return what was wrong in this thread's last failure, and what to do. */
    static const char *LastError() { return sipc_error_text(); }

    /** Closes the region; calls in flight end. Later calls fail with SIPC_CLOSED. */
    void Shutdown() {
        if (host_) sipc_host_shutdown(host_);
    }

    /** @return the handle of the C API; nullptr before Init(). Owned by this object. */
    sipc_host *Handle() const { return host_; }

private:
    static int Result(const Error &error, const std::vector<uint8_t> &resp) {
        return error ? static_cast<int>(error.Status()) : static_cast<int>(resp.size());
    }

    std::unique_ptr<Handler> handler_; // of the workers
    sipc_host *host_ = nullptr;
};

/** What became of one request of a pipeline; see sipc_completion. */
struct Completion {
    uint64_t tag = 0;       /**< As given to Pipeline::Submit(). */
    shm::Error error;       /**< As of a call. Its Text() is of the last one that failed. */
    uint32_t messageId = 0; /**< The response's message id. */
    Bytes response;         /**< Valid until the function that hears of it returns. */
};

/** One request of several; see sipc_submission. */
using Submission = sipc_submission;

/** What became of one request, as Pipeline::ReapInto() writes it; see sipc_completion. */
using Outcome = sipc_completion;

class DirectGuest;

/**
 * Several requests in flight from one thread; see sipc_pipeline_open(). Move-only; gives up what is
 * in flight when it ends. Must not outlive its host or guest. One thread at a time.
 *
 * Each request completes once: Reap() or Close() calls a function with its Completion. That may
 * submit, but not reap or close. What it throws is thrown on after the others were told.
 */
class Pipeline {
public:
    /** None is open. */
    Pipeline() = default;
    /** Moves the pipeline; the other is closed. */
    Pipeline(Pipeline &&other) noexcept
        : hearing_(std::move(other.hearing_)), pipeline_(std::exchange(other.pipeline_, nullptr)) {}
    /** Moves the pipeline; the one held before is closed, and nobody hears of its requests. */
    Pipeline &operator=(Pipeline &&other) noexcept {
        if (this != &other) {
            sipc_pipeline_close(std::exchange(pipeline_, std::exchange(other.pipeline_, nullptr)));
            hearing_ = std::move(other.hearing_);
        }
        return *this;
    }
    Pipeline(const Pipeline &) = delete;
    Pipeline &operator=(const Pipeline &) = delete;
    ~Pipeline() { sipc_pipeline_close(pipeline_); }

    /**
     * Opens it; one that was open is closed. See sipc_pipeline_open().
     * @param host a host. @param depth requests in flight at most.
     * @param firstSlot the first of so many slots. @param timeout how long to wait for them.
     */
    Error Open(const DirectHost &host, uint32_t depth, uint32_t firstSlot = SIPC_ANY_SLOT,
               Timeout timeout = DefaultTimeout) {
        return Opened([&](void *hearing, sipc_pipeline **pipeline) {
            return sipc_pipeline_open(host.Handle(), firstSlot, depth, detail::Nanoseconds(timeout),
                                      Hearing::Completed, hearing, pipeline);
        });
    }
    /**
     * The same through slots that a guest of this name serves; needs DirectGuests.h. See
     * sipc_pipeline_open_guest().
     * @param host a host. @param guest its name. @param depth requests in flight at most.
     * @param timeout how long to wait for the slots.
     */
    Error OpenGuest(const DirectHost &host, const std::string &guest, uint32_t depth,
                    Timeout timeout = DefaultTimeout);
    /**
     * The same for requests to the host of a guest; needs DirectGuest.h. See
     * sipc_guest_pipeline_open().
     * @param guest a guest that does not reconnect; it must outlive the pipeline.
     * @param depth requests in flight at most. @param timeout how long to wait for so many slots.
     */
    Error Open(const DirectGuest &guest, uint32_t depth, Timeout timeout = DefaultTimeout);

    /** @return whether it is open. */
    explicit operator bool() const { return pipeline_ != nullptr; }
    /** @return where the next request may be written, to be submitted from there; nullptr if as
     * many as the depth are in flight. Valid until the next submit or reap. */
    uint8_t *Request() { return static_cast<uint8_t *>(sipc_pipeline_request(pipeline_, nullptr)); }

    /** Sends a request and does not wait; see sipc_pipeline_submit(). data may be Request(). With
     * SIPC_ALL_SLOTS_BUSY it is the time to reap. */
    Error Submit(const uint8_t *data, uint32_t size, uint32_t msgId, uint64_t tag,
                 Timeout timeout = DefaultTimeout) {
        return Error(
            sipc_pipeline_submit(pipeline_, msgId, data, size, detail::Nanoseconds(timeout), tag));
    }
    /** Sends several, in this order, for less than one by one; see sipc_pipeline_submit_many().
     * submitted becomes how many were sent. */
    Error SubmitMany(const Submission *submissions, uint32_t count, uint32_t &submitted,
                     Timeout timeout = DefaultTimeout) {
        return Error(sipc_pipeline_submit_many(pipeline_, submissions, count,
                                               detail::Nanoseconds(timeout), &submitted));
    }

    /**
     * Calls completed(const Completion &) for what can be completed; see sipc_pipeline_reap().
     * @param completed any function. @param most how many at most; 0: all.
     * @param wait how long to wait if there is none; zero: not at all.
     * @param reaped receives how many it was called for; may be nullptr.
     */
    template <typename Function>
    Error Reap(Function &&completed, uint32_t most = 0, Timeout wait = Forever,
               uint32_t *reaped = nullptr) {
        return Heard(completed, [&] {
            return sipc_pipeline_reap(pipeline_, most, detail::Nanoseconds(wait), reaped);
        });
    }

    /**
     * Writes what can be completed to an array, and calls nothing; see sipc_pipeline_reap_into().
     * @param outcomes receives it; the responses are valid until the next submit or Close().
     * @param capacity how many at most; 1 at least. @param reaped receives how many there are.
     * @param wait how long to wait if there is none; zero: not at all.
     */
    Error ReapInto(Outcome *outcomes, uint32_t capacity, uint32_t &reaped, Timeout wait = Forever) {
        return Error(sipc_pipeline_reap_into(pipeline_, outcomes, capacity,
                                             detail::Nanoseconds(wait), &reaped));
    }

    /** @return requests that were submitted and not completed. */
    uint32_t InFlight() const { return pipeline_ ? sipc_pipeline_in_flight(pipeline_) : 0; }

    /** Gives up what is in flight, calls completed(const Completion &) for each, and closes; see
     * sipc_pipeline_close(). */
    template <typename Function> Error Close(Function &&completed) {
        return Heard(completed, [&] {
            sipc_status status = sipc_pipeline_close(pipeline_);
            if (status == SIPC_OK) pipeline_ = nullptr;
            return status;
        });
    }

    /** @return the handle of the C API; nullptr if none is open. Owned by this object. */
    sipc_pipeline *Handle() const { return pipeline_; }

private:
    // Who hears of completions at the moment. It stays where it is when the pipeline moves.
    struct Hearing {
        void (*tell)(void *function, const Completion &completion) = nullptr; // nobody
        void *function = nullptr;
        std::exception_ptr thrown;

        // Exceptions must not pass through the C library.
        static void Completed(void *context, const sipc_completion *told) noexcept {
            auto *hearing = static_cast<Hearing *>(context);
            if (!hearing->tell) return;
            Completion completion;
            completion.tag = told->tag;
            completion.error = Error(told->status);
            completion.messageId = told->message_id;
            completion.response = {static_cast<const uint8_t *>(told->response),
                                   told->response_size};
            try {
                hearing->tell(hearing->function, completion);
            } catch (...) {
                if (!hearing->thrown) hearing->thrown = std::current_exception();
            }
        }
    };

    // Closes what was open, then opens by the C call.
    template <typename Call> Error Opened(Call call) {
        *this = Pipeline();
        std::unique_ptr<Hearing> hearing(new (std::nothrow) Hearing);
        if (!hearing) return Error(SIPC_OUT_OF_MEMORY);
        sipc_status status = call(hearing.get(), &pipeline_);
        if (status == SIPC_OK) hearing_ = std::move(hearing);
        return Error(status);
    }

    // The C call, while the function hears of completions. From inside a completion the C call
    // refuses, and the function that hears stays the same.
    template <typename Function, typename Call> Error Heard(Function &completed, Call call) {
        if (!hearing_ || hearing_->tell) return Error(call());
        hearing_->function =
            const_cast<void *>(static_cast<const void *>(std::addressof(completed)));
        hearing_->tell = [](void *function, const Completion &completion) {
            (*static_cast<Function *>(function))(completion);
        };
        const Error error(call());
        hearing_->tell = nullptr;
        if (hearing_->thrown) std::rethrow_exception(std::exchange(hearing_->thrown, nullptr));
        return error;
    }

    std::unique_ptr<Hearing> hearing_;
    sipc_pipeline *pipeline_ = nullptr;
};

} // namespace shm

#endif
