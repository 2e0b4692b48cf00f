// SPDX-License-Identifier: Apache-2.0
/**
 * @file DirectInPlace.h
 * @brief Messages that are built and read in their slot, for C++17: who owns the slot says the
 * type.
 *
 * A caller writes into a RequestBuffer; sending it takes it away and gives a ResponseView, which
 * releases the slot when it ends. A handler reads a RequestView and writes into a ResponseBuffer;
 * sending that takes it away and gives the Answer that the handler returns. What was sent or
 * released is empty: its buffer is nullptr. Sending is only possible from an rvalue
 * (std::move(request).Send(...)), so that it shows in the source.
 *
 * Pointers into a slot that were kept are as any dangling pointer: they are not to be used after
 * the object that gave them. The peer is another process with the same memory: what is read twice
 * may differ. docs/zero-copy.md.
 */
#ifndef SIMPLEIPC_DIRECTINPLACE_H
#define SIMPLEIPC_DIRECTINPLACE_H

#include <cstddef>
#include <cstdint>
#include <functional>
#include <new>
#include <string_view>
#include <type_traits>
#include <utility>

#include "DirectHost.h"
#include "simpleipc/in_place.h"

namespace shm {

namespace detail {
/** A small message stands at a multiple of 16 only. */
template <class T> constexpr void CheckPlain() {
    static_assert(std::is_trivially_copyable<T>::value, "a struct in place is its bytes");
    static_assert(alignof(T) <= 16, "a message is aligned to 16");
}
/** A zeroed struct in a buffer; nullptr if it does not fit. */
template <class T> T *StructFor(void *data, uint32_t capacity) {
    CheckPlain<T>();
    return data && sizeof(T) <= capacity ? ::new (data) T() : nullptr;
}
/** The struct that a message is; nullptr if its size or alignment is another. */
template <class T> const T *StructIn(const void *data, uint32_t size) {
    CheckPlain<T>();
    return static_cast<const T *>(sipc_struct_in(data, size, sizeof(T), alignof(T)));
}
} // namespace detail

class RequestBuffer;

/** A response where it stands, and its slot. Move-only; releases the slot when it ends. Must not
 * outlive its host or guest. One thread at a time. */
class ResponseView {
public:
    /** None. */
    ResponseView() = default;
    /** Moves the response; the other is empty. */
    ResponseView(ResponseView &&other) noexcept
        : slot_(std::move(other.slot_)), bytes_(std::exchange(other.bytes_, Bytes())) {}
    /** Moves the response; the slot held before is released. */
    ResponseView &operator=(ResponseView &&other) noexcept {
        slot_ = std::move(other.slot_);
        bytes_ = std::exchange(other.bytes_, Bytes());
        return *this;
    }
    ResponseView(const ResponseView &) = delete;
    ResponseView &operator=(const ResponseView &) = delete;
    ~ResponseView() = default;

    /** @return whether it holds a response. */
    explicit operator bool() const { return bytes_.data != nullptr; }
    /** @return the first byte; nullptr after Release(). */
    const uint8_t *Data() const { return bytes_.data; }
    /** @return how many bytes; 0 after Release(). */
    uint32_t Size() const { return bytes_.size; }
    /** @return the response's message id. */
    uint32_t MessageId() const { return slot_ ? slot_.MessageId() : 0; }
    /** @return the bytes as a text, as that of SIPC_HANDLER_FAILED. */
    std::string_view Text() const {
        return {reinterpret_cast<const char *>(bytes_.data), bytes_.size};
    }
    /** @return the bytes as a plain struct; nullptr if its size or alignment is another. */
    template <class T> const T *As() const { return detail::StructIn<T>(bytes_.data, bytes_.size); }
    /** @return the slot's buffer for the next request; the response is gone. */
    RequestBuffer Reuse() &&;
    /** Gives the slot back; the response is gone. */
    void Release() { *this = ResponseView(); }

private:
    friend class RequestBuffer;
    ResponseView(Slot slot, Bytes bytes) : slot_(std::move(slot)), bytes_(bytes) {}

    Slot slot_;
    Bytes bytes_;
};

/** The request buffer of a slot, to be written. Move-only; releases the slot when it ends. Must not
 * outlive its host or guest. One thread at a time. */
class RequestBuffer {
public:
    /** None. */
    RequestBuffer() = default;
    /** Takes over a slot. @param slot as of DirectHost::Acquire() or DirectGuest::Acquire(). */
    explicit RequestBuffer(Slot slot) : slot_(std::move(slot)) {}

    /** @return whether it holds a slot; not after it was sent. */
    explicit operator bool() const { return static_cast<bool>(slot_); }
    /** @return the first byte of its room, 64-byte aligned; nullptr after it was sent, or while an
     * earlier request of this slot may still be in its handler. */
    uint8_t *Data() { return slot_ ? slot_.Request() : nullptr; }
    /** @return bytes that a request may have; 0 after it was sent. */
    uint32_t Capacity() const { return slot_ ? slot_.Capacity() : 0; }
    /** @return one past the last byte of its room, 64-byte aligned; nullptr as Data(). */
    uint8_t *End() { return static_cast<uint8_t *>(sipc_room_end(Data(), Capacity())); }
    /** Begins a request that is a plain struct. @return it, zeroed; nullptr if it does not fit. */
    template <class T> T *As() { return detail::StructFor<T>(Data(), Capacity()); }

    /**
     * Sends the first bytes of the room and waits for the response. Takes the slot away, whatever
     * comes of it: with the response it is the ResponseView's, without one it is released.
     * @param size bytes of the request. @param msgId its message id.
     * @param response receives the response, also the handler's text with SIPC_HANDLER_FAILED;
     * empty without one. @param timeout as of Slot::Call().
     * @return as sipc_session_call(); SIPC_INVALID_ARGUMENT if it was sent before.
     */
    Error Send(uint32_t size, uint32_t msgId, ResponseView &response,
               Timeout timeout = DefaultTimeout) && {
        return Exchange(&Slot::Call, size, msgId, response, timeout);
    }
    /** The same of the last bytes of the room: those before End(). @param size bytes of the
     * request.
     * @param msgId its message id. @param response receives the response. @param timeout as of
     * Slot::Call(). */
    Error SendAtEnd(uint32_t size, uint32_t msgId, ResponseView &response,
                    Timeout timeout = DefaultTimeout) && {
        return Exchange(&Slot::CallAtEnd, size, msgId, response, timeout);
    }
    /** Gives the slot back without sending. */
    void Release() { slot_.Release(); }

private:
    Error Exchange(Error (Slot::*call)(uint32_t, uint32_t, Bytes &, Timeout), uint32_t size,
                   uint32_t msgId, ResponseView &response, Timeout timeout) {
        response.Release();
        Slot slot = std::move(slot_);
        Bytes bytes;
        Error error = (slot.*call)(size, msgId, bytes, timeout);
        if (bytes.data) response = ResponseView(std::move(slot), bytes);
        return error;
    }

    Slot slot_;
};

inline RequestBuffer ResponseView::Reuse() && {
    bytes_ = Bytes();
    return RequestBuffer(std::move(slot_));
}

/** What became of a request in its handler: only a ResponseBuffer makes one. */
class Answer {
private:
    friend class ResponseBuffer;
    friend class InPlaceCall;
    explicit Answer(sipc_status status) : status_(status) {}

    sipc_status status_;
};

/** A request where it stands. It cannot be copied, and ends with its handler. */
class RequestView {
public:
    RequestView(const RequestView &) = delete;
    RequestView &operator=(const RequestView &) = delete;

    /** @return the first byte. */
    const uint8_t *Data() const { return static_cast<const uint8_t *>(request_.data); }
    /** @return how many bytes. */
    uint32_t Size() const { return request_.size; }
    /** @return its message id. */
    uint32_t MessageId() const { return request_.message_id; }
    /** @return the bytes as a plain struct; nullptr if its size or alignment is another. */
    template <class T> const T *As() const {
        return detail::StructIn<T>(request_.data, request_.size);
    }
    /** @return all that the C API says of it. */
    const sipc_request &Request() const { return request_; }

private:
    friend class InPlaceCall;
    explicit RequestView(const sipc_request &request) : request_(request) {}

    const sipc_request &request_;
};

/** A handler's response buffer, to be written. It can neither be copied nor moved, and ends with
 * its handler. */
class ResponseBuffer {
public:
    ResponseBuffer(const ResponseBuffer &) = delete;
    ResponseBuffer &operator=(const ResponseBuffer &) = delete;

    /** @return the first byte of its room, 64-byte aligned; nullptr after it was sent. */
    uint8_t *Data() { return response_ ? static_cast<uint8_t *>(response_->data) : nullptr; }
    /** @return bytes that a response may have; 0 after it was sent. */
    uint32_t Capacity() const { return response_ ? response_->capacity : 0; }
    /** @return one past the last byte of its room, 64-byte aligned; nullptr after it was sent. */
    uint8_t *End() { return static_cast<uint8_t *>(sipc_room_end(Data(), Capacity())); }
    /** Begins a response that is a plain struct. @return it, zeroed; nullptr if it does not fit. */
    template <class T> T *As() { return detail::StructFor<T>(Data(), Capacity()); }

    /** Answers with the first bytes of the room. @param size how many; more than Capacity() is
     * SIPC_RESPONSE_TOO_LARGE at the caller. @return what the handler returns. */
    Answer Send(uint32_t size) && { return Sent(SIPC_OK, size, 0); }
    /** The same with the last ones. @param size how many. @return what the handler returns. */
    Answer SendAtEnd(uint32_t size) && { return Sent(SIPC_OK, size, 1); }
    /** Answers SIPC_HANDLER_FAILED. @param text comes with it. @return what the handler returns. */
    Answer Fail(std::string_view text) && {
        if (response_) detail::WriteText(*response_, text);
        return Sent(SIPC_SYSTEM, response_ ? response_->size : 0, 0);
    }
    /** Answers SIPC_UNKNOWN_MESSAGE. @return what the handler returns. */
    Answer RefuseMessage() && { return Sent(SIPC_UNKNOWN_MESSAGE, 0, 0); }

private:
    friend class InPlaceCall;
    explicit ResponseBuffer(sipc_response &response) : response_(&response) {}

    // What was sent before counts: a second answer is a failure, and changes nothing of the first.
    Answer Sent(sipc_status status, uint32_t size, uint32_t atEnd) {
        sipc_response *response = std::exchange(response_, nullptr);
        if (!response) return Answer(SIPC_INVALID_ARGUMENT);
        response->size = size;
        response->at_end = atEnd;
        return Answer(status);
    }

    sipc_response *response_;
};

/** Answers one request in place. It may throw, as a Handler. */
using InPlaceHandler = std::function<Answer(const RequestView &request, ResponseBuffer &&response)>;

/** A Handler that gives an InPlaceHandler its request and response: for DirectGuest::Start(),
 * DirectHost::Serve() and Dispatcher::On(). */
class InPlaceCall {
public:
    /** @param handler not empty. */
    explicit InPlaceCall(InPlaceHandler handler) : handler_(std::move(handler)) {}

    /** Answers a request. @param request the request. @param response the response. @return what
     * the C API takes from a handler. */
    sipc_status operator()(const sipc_request &request, sipc_response &response) const {
        const RequestView view(request);
        return handler_(view, ResponseBuffer(response)).status_;
    }

private:
    InPlaceHandler handler_;
};

/** Makes a Handler of one that reads and writes in place. @param handler an empty one gives an
 * empty Handler, which is refused where it is handed in. @return the Handler. */
inline Handler InPlace(InPlaceHandler handler) {
    if (!handler) return Handler();
    return Handler(InPlaceCall(std::move(handler)));
}

} // namespace shm

#endif
