// SPDX-License-Identifier: Apache-2.0
/**
 * @file DirectStream.h
 * @brief Streams for C++17: requests and responses that are larger than a slot; see
 * simpleipc/stream.h and docs/streams.md.
 *
 * An exception that leaves a function of a handler reaches the caller as SIPC_HANDLER_FAILED, with
 * what() as its text; one that leaves a source, sink or progress function of a call aborts the
 * stream, and reaches who made the call.
 */
#ifndef SIMPLEIPC_DIRECTSTREAM_H
#define SIMPLEIPC_DIRECTSTREAM_H

#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "DirectGuest.h"
#include "DirectHost.h"
#include "simpleipc/stream.h"

namespace shm {

/** As a size: not known yet. */
constexpr uint64_t UnknownSize = SIPC_STREAM_UNKNOWN_SIZE;

/**
 * A stream to call. What is not set is empty: the request, and where the response goes. Used for
 * one call at a time; Abort() may be called from any thread.
 */
class Stream {
public:
    /** Writes up to capacity bytes, returns how many; sets last with the last piece. */
    using Source = std::function<std::size_t(uint8_t *buffer, std::size_t capacity, bool &last)>;
    /** Takes a piece of the response, in its order; false aborts the stream. */
    using Sink = std::function<bool(const uint8_t *piece, std::size_t size)>;
    /** Hears how far the stream is; false aborts it. */
    using Progress = std::function<bool(uint64_t sent, uint64_t received, uint64_t response_size)>;

    /** @param msgId MSG_ID_NORMAL or from MSG_ID_USER on. */
    explicit Stream(uint32_t msgId) { call_.message_id = msgId; }
    Stream(const Stream &) = delete;
    Stream &operator=(const Stream &) = delete;
    ~Stream() { sipc_stream_free(&call_); }

    /** The whole request, which stays where it is until the call has ended. */
    Stream &Request(const void *data, uint64_t size) {
        call_.request = data;
        call_.request_size = size;
        source_ = nullptr;
        return *this;
    }
    /** A function that produces the request, of that size. */
    Stream &Request(Source source, uint64_t size = UnknownSize) {
        source_ = std::move(source);
        call_.request_size = size;
        return *this;
    }
    /** A function that takes the response. */
    Stream &Response(Sink sink, uint64_t limit = 0) {
        sink_ = std::move(sink);
        call_.response_limit = limit;
        return *this;
    }
    /** The response is assembled, up to this limit; 0: 16 MiB. See Data(). */
    Stream &Assemble(uint64_t limit) {
        sink_ = nullptr;
        call_.response_limit = limit;
        return *this;
    }
    /** Slots to use at most; 0: 4. */
    Stream &Depth(uint32_t depth) {
        call_.depth = depth;
        return *this;
    }
    /** How long each piece may take; not the whole stream. */
    Stream &PieceTimeout(Timeout timeout) {
        call_.timeout_ns = detail::Nanoseconds(timeout);
        return *this;
    }
    /** Who hears how far it is. */
    Stream &OnProgress(Progress progress) {
        progress_ = std::move(progress);
        return *this;
    }

    /** Calls a guest and returns when the stream has ended; see sipc_host_stream(). */
    Error Call(DirectHost &host) {
        return Run([&] { return sipc_host_stream(host.Handle(), &call_); });
    }
    /** Calls the host and returns when the stream has ended; see sipc_guest_stream(). */
    Error Call(DirectGuest &guest) {
        return Run([&] { return sipc_guest_stream(guest.Handle(), &call_); });
    }

    /** Ends the call, from any thread; see sipc_stream_abort(). */
    void Abort() { sipc_stream_abort(&call_); }

    /** @return the assembled response; valid until the next call. */
    const uint8_t *Data() const { return static_cast<const uint8_t *>(call_.response); }
    /** @return bytes of the response that came. */
    uint64_t Size() const { return call_.response_size; }

private:
    template <class Work> Error Run(Work work) {
        sipc_stream_free(&call_);
        thrown_ = nullptr;
        call_.context = this;
        call_.source = source_ ? Produce : nullptr;
        call_.sink = sink_ ? Take : nullptr;
        call_.progress = progress_ ? Hear : nullptr;
        Error error(work());
        // Set by the callbacks of the work.
        // cppcheck-suppress knownConditionTrueFalse
        if (thrown_) std::rethrow_exception(thrown_);
        return error;
    }

    // Exceptions must not pass through the C library.
    template <class Work> static sipc_status Guard(void *context, Work work) {
        auto *stream = static_cast<Stream *>(context);
        try {
            return work(*stream) ? SIPC_OK : SIPC_STREAM_ABORTED;
        } catch (...) {
            stream->thrown_ = std::current_exception();
            return SIPC_STREAM_ABORTED;
        }
    }
    static sipc_status Produce(void *context, void *buffer, uint32_t capacity, uint32_t *size,
                               uint32_t *last) {
        return Guard(context, [&](Stream &stream) {
            bool at_end = false;
            *size = static_cast<uint32_t>(
                stream.source_(static_cast<uint8_t *>(buffer), capacity, at_end));
            *last = at_end;
            return true;
        });
    }
    static sipc_status Take(void *context, const void *piece, uint32_t size) {
        return Guard(context, [&](Stream &stream) {
            return stream.sink_(static_cast<const uint8_t *>(piece), size);
        });
    }
    static sipc_status Hear(void *context, uint64_t sent, uint64_t received, uint64_t size) {
        return Guard(context,
                     [&](Stream &stream) { return stream.progress_(sent, received, size); });
    }

    sipc_stream_call call_{};
    Source source_;
    Sink sink_;
    Progress progress_;
    std::exception_ptr thrown_;
};

/**
 * Handles one stream: derive from it. Its functions are called one at a time, in the order in which
 * the bytes were sent. Any but End() may throw, which fails the stream.
 */
class StreamHandler {
public:
    virtual ~StreamHandler() = default;
    /** The next piece of the request, in shared memory mostly; valid until it returns. */
    virtual void Take(const uint8_t *piece, std::size_t size) = 0;
    /** The request is whole. */
    virtual void Complete() {}
    /**
     * Writes the next piece of the response; also called before the request is whole, and may write
     * nothing then.
     * @param buffer where to. @param capacity bytes there. @param last to be set with the last one.
     * @return bytes written.
     */
    virtual std::size_t Give(uint8_t *buffer, std::size_t capacity, bool &last) {
        (void)buffer;
        (void)capacity;
        last = IsComplete();
        return 0;
    }
    /** The stream has ended; see sipc_stream_handler. @param status how. @param text why. */
    virtual void End(sipc_status status, const char *text) noexcept {
        (void)status;
        (void)text;
    }

    /** @return whether the request is whole. */
    bool IsComplete() const { return complete_; }
    /** Takes no more of the request; see sipc_stream_enough(). From Take() or Give(). */
    void Enough() { sipc_stream_enough(stream_); }
    /** Says how large the response will be; see sipc_stream_announce(). Before the first piece. */
    Error Announce(uint64_t size) { return Error(sipc_stream_announce(stream_, size)); }

private:
    friend class Streams;
    sipc_stream *stream_ = nullptr;
    bool complete_ = false;
};

/** Handlers of streams for guests and hosts. Outlives both. */
class Streams {
public:
    /** Makes a handler of a stream that begins; it may throw to refuse the stream. */
    using Factory = std::function<std::unique_ptr<StreamHandler>(const sipc_stream_info &info)>;
    /** Answers an assembled request with a whole response; it may throw. */
    using Whole = std::function<std::vector<uint8_t>(const uint8_t *request, std::size_t size)>;

    Streams() = default;
    Streams(const Streams &) = delete;
    Streams &operator=(const Streams &) = delete;
    ~Streams() { sipc_streams_free(streams_); }

    /** Names who handles streams of a message id. Before Serve(). */
    void On(uint32_t msgId, Factory factory, uint64_t requestLimit = 0) {
        sipc_stream_handler handler = HandlerOf(msgId, requestLimit);
        handler.take = Take;
        handler.complete = Complete;
        handler.give = Give;
        Add(handler, std::move(factory), nullptr);
    }
    /** The same for requests that are assembled, up to this limit; 0: 16 MiB. */
    void OnWhole(uint32_t msgId, Whole whole, uint64_t requestLimit = 0) {
        sipc_stream_handler handler = HandlerOf(msgId, requestLimit);
        handler.complete = Answer;
        Add(handler, nullptr, std::move(whole));
    }

    /** Serves them beside a guest's handler, before its Start(). */
    Error Serve(const DirectGuest &guest) {
        sipc_status status = Make();
        return Error(status ? status : sipc_guest_serve_streams(guest.Handle(), streams_));
    }
    /** Serves them beside a host's handler, before its Serve(). */
    Error Serve(const DirectHost &host) {
        sipc_status status = Make();
        return Error(status ? status : sipc_host_serve_streams(host.Handle(), streams_));
    }

    /** Bounds of what is open; see sipc_streams_options. Before Serve(). */
    // NOLINTNEXTLINE(misc-non-private-member-variables-in-classes): settings
    sipc_streams_options options{};

    /** @return how many streams are open. */
    uint32_t Open() const { return streams_ ? sipc_streams_open(streams_) : 0; }

private:
    struct Entry {
        Factory factory;
        Whole whole;
    };
    struct State {
        Entry *entry = nullptr;
        sipc_stream *stream = nullptr;
        std::unique_ptr<StreamHandler> handler;
        std::vector<uint8_t> response;
    };

    static sipc_stream_handler HandlerOf(uint32_t msgId, uint64_t limit) {
        sipc_stream_handler handler{};
        handler.message_id = msgId;
        handler.request_limit = limit;
        handler.begin = Begin;
        handler.end = End;
        return handler;
    }
    void Add(sipc_stream_handler handler, Factory factory, Whole whole) {
        entries_.push_back(std::make_unique<Entry>(Entry{std::move(factory), std::move(whole)}));
        handler.context = entries_.back().get();
        handlers_.push_back(handler);
    }
    sipc_status Make() {
        if (streams_) return SIPC_OK;
        return sipc_streams_create(handlers_.data(), static_cast<uint32_t>(handlers_.size()),
                                   &options, &streams_);
    }

    // Exceptions must not pass through the C library.
    template <class Work> static sipc_status Guard(sipc_stream *stream, Work work) {
        try {
            return work();
        } catch (const std::exception &exception) {
            sipc_stream_explain(stream, exception.what());
        } catch (...) {
            sipc_stream_explain(stream, "the handler threw what is not a std::exception");
        }
        return SIPC_SYSTEM;
    }
    static State &Of(void *state) { return *static_cast<State *>(state); }

    static sipc_status Begin(void *context, sipc_stream *stream, const sipc_stream_info *info,
                             void **made) {
        return Guard(stream, [&] {
            auto state = std::make_unique<State>();
            state->entry = static_cast<Entry *>(context);
            state->stream = stream;
            if (state->entry->factory) {
                state->handler = state->entry->factory(*info);
                state->handler->stream_ = stream;
            }
            *made = state.release();
            return SIPC_OK;
        });
    }
    static sipc_status Take(void *state, sipc_stream *stream, const void *piece, uint32_t size) {
        return Guard(stream, [&] {
            Of(state).handler->Take(static_cast<const uint8_t *>(piece), size);
            return SIPC_OK;
        });
    }
    static sipc_status Complete(void *state, sipc_stream *stream, const void *, uint64_t) {
        return Guard(stream, [&] {
            Of(state).handler->complete_ = true;
            Of(state).handler->Complete();
            return SIPC_OK;
        });
    }
    static sipc_status Give(void *state, sipc_stream *stream, void *buffer, uint32_t capacity,
                            uint32_t *size, uint32_t *last) {
        return Guard(stream, [&] {
            bool at_end = false;
            *size = static_cast<uint32_t>(
                Of(state).handler->Give(static_cast<uint8_t *>(buffer), capacity, at_end));
            *last = at_end;
            return SIPC_OK;
        });
    }
    static sipc_status Answer(void *state, sipc_stream *stream, const void *request,
                              uint64_t size) {
        return Guard(stream, [&] {
            State &own = Of(state);
            own.response = own.entry->whole(static_cast<const uint8_t *>(request),
                                            static_cast<std::size_t>(size));
            return sipc_stream_respond(stream, own.response.data(), own.response.size(), nullptr,
                                       nullptr);
        });
    }
    static void End(void *state, sipc_status status, const char *text) {
        std::unique_ptr<State> own(static_cast<State *>(state));
        if (own->handler) own->handler->End(status, text);
    }

    std::vector<std::unique_ptr<Entry>> entries_;
    std::vector<sipc_stream_handler> handlers_;
    sipc_streams *streams_ = nullptr;
};

} // namespace shm

#endif
