// SPDX-License-Identifier: Apache-2.0
/**
 * @file DirectGuest.h
 * @brief The guest for C++17: RAII over simpleipc.h, with no logic of its own.
 *
 * An exception that leaves a handler reaches the caller as SIPC_HANDLER_FAILED, with what() as its
 * text. No function throws, but for std::bad_alloc.
 */
#ifndef SIMPLEIPC_DIRECTGUEST_H
#define SIMPLEIPC_DIRECTGUEST_H

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "DirectHost.h"

namespace shm {

/** Options of a guest; see sipc_guest_options. */
struct GuestOptions : sipc_guest_options {
    GuestOptions() : sipc_guest_options{} {}
};

/**
 * A guest: the slots of a region that this process serves, with one handler.
 *
 * Attach(), Start(), Detach() and the destructor must not run beside another use of the same
 * object. Wait(), Stop() and Slots() may be called by any number of threads at a time.
 */
class DirectGuest {
public:
    DirectGuest() = default;
    DirectGuest(const DirectGuest &) = delete;
    DirectGuest &operator=(const DirectGuest &) = delete;
    /** Detaches. Not from a handler of this guest. */
    ~DirectGuest() { sipc_guest_detach(guest_); }

    /**
     * Attaches to the region of this name, as soon as there is one, and claims every slot that
     * nobody serves.
     * @return whether it succeeded; LastError() tells why not.
     */
    bool Connect(const std::string &name) { return !Attach(name, GuestOptions()); }

    /** The same with options. A guest that was attached before is detached if this succeeds. */
    Error Attach(const std::string &name, const GuestOptions &options) {
        sipc_guest *attached = nullptr;
        // A name with a NUL byte inside would be cut off there: an empty one is refused in its
        // stead.
        const char *text = name.find('\0') == std::string::npos ? name.c_str() : "";
        sipc_status status = sipc_guest_attach(text, &options, &attached);
        if (status == SIPC_OK) sipc_guest_detach(std::exchange(guest_, attached));
        return Error(status);
    }

    /** Starts one worker thread for each claimed slot; see sipc_guest_start(). */
    Error Start(Handler handler) {
        if (!handler) return Error(sipc_guest_start(guest_, nullptr, nullptr));
        auto kept = std::make_unique<Handler>(std::move(handler));
        sipc_status status = sipc_guest_start(guest_, detail::Answer, kept.get());
        if (status == SIPC_OK) handler_ = std::move(kept);
        return Error(status);
    }

    /** Waits until every worker has ended; see sipc_guest_wait(). */
    Error Wait() { return Error(sipc_guest_wait(guest_)); }

    /** Answers what stands ready, without waiting; see sipc_guest_poll(). */
    Error Poll(const Handler &handler, uint32_t *served = nullptr) {
        return Error(sipc_guest_poll(guest_, handler ? detail::Answer : nullptr,
                                     const_cast<Handler *>(&handler), served));
    }

    /**
     * Calls the host and waits for the response, also from a handler; see sipc_guest_call().
     * With SIPC_HANDLER_FAILED resp holds the handler's text.
     */
    Error Call(const uint8_t *data, uint32_t size, uint32_t msgId, std::vector<uint8_t> &resp,
               Timeout timeout = DefaultTimeout) {
        sipc_call call = detail::CallInto(resp, data, size, msgId, timeout);
        Error error(sipc_guest_call(guest_, &call));
        if (call.response_size == 0) resp.clear();
        return error;
    }

    /** Acquires a guest slot to call the host in place; see sipc_guest_acquire(). */
    Error Acquire(Slot &slot, Timeout timeout = DefaultTimeout) {
        sipc_session *session = nullptr;
        sipc_status status = sipc_guest_acquire(guest_, detail::Nanoseconds(timeout), &session);
        slot = Slot(session);
        return Error(status);
    }

    /** @return how many calls of the host it can make at a time; 0 before Attach(). */
    uint32_t CallSlots() const { return guest_ ? sipc_guest_call_slots(guest_) : 0; }

    /** Tells all workers to end, from any thread or handler; see sipc_guest_stop(). */
    void Stop() { sipc_guest_stop(guest_); }

    /** Stops, waits for the workers and gives the slots back; see sipc_guest_detach(). */
    Error Detach() {
        sipc_status status = sipc_guest_detach(guest_);
        if (status == SIPC_OK) guest_ = nullptr;
        return Error(status);
    }

    /** @return the number of slots that it claimed; 0 before Attach(). */
    uint32_t Slots() const { return guest_ ? sipc_guest_slots(guest_) : 0; }

    /** @return what was wrong in this thread's last failure, and what to do. */
    static const char *LastError() { return sipc_error_text(); }

    /** @return the handle of the C API; nullptr before Attach(). Owned by this object. */
    sipc_guest *Handle() const { return guest_; }

private:
    std::unique_ptr<Handler> handler_; // of the workers
    sipc_guest *guest_ = nullptr;
};

inline Error Pipeline::Open(const DirectGuest &guest, uint32_t depth, Timeout timeout) {
    return Opened([&](void *hearing, sipc_pipeline **pipeline) {
        return sipc_guest_pipeline_open(guest.Handle(), depth, detail::Nanoseconds(timeout),
                                        Hearing::Completed, hearing, pipeline);
    });
}

} // namespace shm

#endif
