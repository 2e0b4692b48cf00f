// SPDX-License-Identifier: Apache-2.0
/**
 * @file DirectFlatBuffers.h
 * @brief FlatBuffers that are built and read in their slot, for C++17. Include it where FlatBuffers
 * (flatbuffers/flatbuffers.h, version 2 or later) is there; nothing else here needs it.
 *
 * A builder grows from the end of the slot's buffer, and the message is sent from there: no byte of
 * it is copied, and nothing is allocated for it. One that outgrows the buffer goes on in private
 * memory; when it is sent, it is copied if it fits after all (a builder needs some room beside its
 * message), and otherwise an error before anything is sent.
 *
 * Trust: a builder reads back what it wrote, and a reader follows offsets that it reads from the
 * message. FlatBufferIn() checks all of them first, which guards against a peer that sends
 * nonsense. Nothing in place guards against one that changes the bytes while they are read or
 * built: from such a peer take a FlatBufferCopy(), and build for it in private memory.
 * docs/zero-copy.md.
 */
#ifndef SIMPLEIPC_DIRECTFLATBUFFERS_H
#define SIMPLEIPC_DIRECTFLATBUFFERS_H

#include <flatbuffers/flatbuffers.h>

#include <cstring>
#include <utility>
#include <vector>

#include "DirectInPlace.h"

namespace shm {

/** Gives a builder the room of a buffer, once at a time, and private memory for all that is larger.
 */
class FlatBufferAllocator final : public flatbuffers::Allocator {
public:
    /** @param room the beginning of the room; may be nullptr. @param size its bytes. */
    FlatBufferAllocator(uint8_t *room, size_t size) : room_(room), size_(size) {}

    /** @param size bytes. @return the room if that is just what is asked for, else private memory.
     */
    uint8_t *allocate(size_t size) override {
        if (size != size_ || !room_ || given_) return new uint8_t[size];
        given_ = true;
        return room_;
    }
    /** @param memory of allocate(). */
    void deallocate(uint8_t *memory, size_t) override {
        if (memory == room_)
            given_ = false;
        else
            delete[] memory;
    }

private:
    uint8_t *room_;
    size_t size_;
    bool given_ = false;
};

namespace detail {
/** A builder in the room of a buffer. */
class SlotBuilder {
public:
    /** @param data the buffer, nullptr: none. @param capacity its capacity. */
    SlotBuilder(uint8_t *data, uint32_t capacity)
        : end_(static_cast<uint8_t *>(sipc_room_end(data, capacity))), capacity_(capacity),
          allocator_(data, sipc_room(capacity)),
          builder_(data ? sipc_room(capacity) : 1024, &allocator_) {}

    /** @return the builder. */
    flatbuffers::FlatBufferBuilder &Builder() { return builder_; }

    /** The message stands at the end of the room then, if it fits there. From here on who kept the
     * builder writes to private memory. @return bytes of the message. */
    uint32_t Finish() {
        const uint32_t size = builder_.GetSize();
        const uint8_t *message = builder_.GetBufferPointer();
        if (end_ && size <= capacity_ && message != end_ - size)
            std::memcpy(end_ - size, message, size);
        builder_ = flatbuffers::FlatBufferBuilder();
        return size;
    }

private:
    uint8_t *end_;
    uint32_t capacity_;
    FlatBufferAllocator allocator_;
    flatbuffers::FlatBufferBuilder builder_;
};
} // namespace detail

/** A request that is a FlatBuffer, built in its slot. Neither copied nor moved; releases the slot
 * when it ends. */
class FlatBufferRequest {
public:
    /** Takes the buffer over. @param buffer where to build; it is empty then. */
    explicit FlatBufferRequest(RequestBuffer &&buffer)
        : buffer_(std::move(buffer)), slot_(buffer_.Data(), buffer_.Capacity()) {}
    FlatBufferRequest(const FlatBufferRequest &) = delete;
    FlatBufferRequest &operator=(const FlatBufferRequest &) = delete;

    /** @return the builder; after Send() an empty one in private memory. */
    flatbuffers::FlatBufferBuilder &Builder() { return slot_.Builder(); }

    /**
     * Sends the message, which Builder().Finish() has completed, and waits for the response. Takes
     * the slot away, whatever comes of it.
     * @param msgId its message id. @param response receives the response.
     * @param timeout as of Slot::Call().
     * @return as RequestBuffer::Send(); SIPC_REQUEST_TOO_LARGE if it outgrew the slot.
     */
    Error Send(uint32_t msgId, ResponseView &response, Timeout timeout = DefaultTimeout) && {
        if (!buffer_) return std::move(buffer_).Send(0, msgId, response, timeout); // sent before
        return std::move(buffer_).SendAtEnd(slot_.Finish(), msgId, response, timeout);
    }

private:
    RequestBuffer buffer_;
    detail::SlotBuilder slot_;
};

/** A response that is a FlatBuffer, built in its slot. Neither copied nor moved; ends with its
 * handler. */
class FlatBufferResponse {
public:
    /** @param buffer the handler's; to be used through this from here on. */
    explicit FlatBufferResponse(ResponseBuffer &&buffer)
        : buffer_(buffer), slot_(buffer.Data(), buffer.Capacity()) {}
    FlatBufferResponse(const FlatBufferResponse &) = delete;
    FlatBufferResponse &operator=(const FlatBufferResponse &) = delete;

    /** @return the builder; after Send() an empty one in private memory. */
    flatbuffers::FlatBufferBuilder &Builder() { return slot_.Builder(); }

    /** Answers with the message, which Builder().Finish() has completed. One that outgrew the slot
     * is SIPC_RESPONSE_TOO_LARGE at the caller. @return what the handler returns. */
    Answer Send() && {
        if (!buffer_.Data()) return std::move(buffer_).Send(0); // sent before
        return std::move(buffer_).SendAtEnd(slot_.Finish());
    }

private:
    ResponseBuffer &buffer_;
    detail::SlotBuilder slot_;
};

/**
 * A received FlatBuffer where it stands, all its offsets and sizes checked.
 * @param message a RequestView, a ResponseView, or what else has Data() and Size().
 * @param identifier the schema's file_identifier, to be checked too; nullptr: none.
 * @return its root, valid as long as the message; nullptr if it is no sound FlatBuffer of that
 * type.
 */
template <class Root, class Message>
const Root *FlatBufferIn(const Message &message, const char *identifier = nullptr) {
    const uint8_t *data = message.Data();
    if (!data || reinterpret_cast<uintptr_t>(data) % sizeof(flatbuffers::uoffset_t) != 0)
        return nullptr;
    flatbuffers::Verifier verifier(data, message.Size());
    return verifier.VerifyBuffer<Root>(identifier) ? flatbuffers::GetRoot<Root>(data) : nullptr;
}

/** A copy of a received FlatBuffer: what its sender changes meanwhile does not matter. */
template <class Root> class FlatBufferCopy {
public:
    /** @param message as in FlatBufferIn(). @param identifier as in FlatBufferIn(). */
    template <class Message>
    explicit FlatBufferCopy(const Message &message, const char *identifier = nullptr)
        : bytes_(message.Data(), message.Data() + message.Size()),
          root_(FlatBufferIn<Root>(*this, identifier)) {}
    FlatBufferCopy(const FlatBufferCopy &) = delete;
    FlatBufferCopy &operator=(const FlatBufferCopy &) = delete;

    /** @return the first byte. */
    const uint8_t *Data() const { return bytes_.data(); }
    /** @return how many bytes. */
    uint32_t Size() const { return static_cast<uint32_t>(bytes_.size()); }
    /** @return its root, valid as long as this; nullptr if it is no sound FlatBuffer of that type.
     */
    const Root *Get() const { return root_; }

private:
    std::vector<uint8_t> bytes_;
    const Root *root_;
};

} // namespace shm

#endif
