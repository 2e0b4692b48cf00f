// SPDX-License-Identifier: Apache-2.0
/**
 * @file DirectHandler.h
 * @brief Handlers in C++17, for guests and for hosts that serve.
 *
 * An exception that leaves a handler reaches the caller as SIPC_HANDLER_FAILED, with what() as its
 * text.
 */
#ifndef SIMPLEIPC_DIRECTHANDLER_H
#define SIMPLEIPC_DIRECTHANDLER_H

#include <algorithm>
#include <cstring>
#include <exception>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <unordered_map>
#include <utility>

#if defined(__GLIBCXX__)
#include <cxxabi.h>
/** What unwinds a thread that ends is caught by a reference to nothing, which UBSan minds. */
#define SIPC_CATCHES_FORCED_UNWIND __attribute__((no_sanitize("null")))
#else
/** Elsewhere what unwinds a thread that ends is not caught by `...`. */
#define SIPC_CATCHES_FORCED_UNWIND
#endif

#include "DirectError.h"
#include "simpleipc/pending.h"

namespace shm {

/** Answers one request; see sipc_handler. It may throw. */
using Handler = std::function<sipc_status(const sipc_request &request, sipc_response &response)>;

namespace detail {
/** Makes a text the response. One that does not fit is cut between two characters and ends with
 * "...". */
inline void WriteText(sipc_response &response, std::string_view text) {
    std::string_view end;
    response.size = 0;
    if (text.size() > response.capacity) {
        end = "...";
        if (response.capacity < end.size()) return;
        std::size_t size = response.capacity - end.size();
        while (size != 0 && (static_cast<unsigned char>(text[size]) & 0xC0) == 0x80) size--;
        text = text.substr(0, size);
    }
    auto *to = static_cast<char *>(response.data);
    std::copy(end.begin(), end.end(), std::copy(text.begin(), text.end(), to));
    response.size = static_cast<uint32_t>(text.size() + end.size());
}
/** The same for a handler that failed. Not if its request was taken: then the response is not its
 * own any more. */
inline void WriteFailure(const sipc_request &request, sipc_response &response,
                         std::string_view text) {
    if (!sipc_request_is_taken(&request)) WriteText(response, text);
}
/** Runs a handler. Exceptions must not pass through the C library, except what unwinds a thread. */
SIPC_CATCHES_FORCED_UNWIND
inline sipc_status Answer(void *context, const sipc_request *request, sipc_response *response) {
    sipc_response failure = *response; // the handler may leave anything in the other
    try {
        return (*static_cast<const Handler *>(context))(*request, *response);
#if defined(__GLIBCXX__)
    } catch (abi::__forced_unwind &) {
        throw;
#endif
    } catch (const std::exception &exception) {
        detail::WriteFailure(*request, failure, exception.what());
    } catch (...) {
        detail::WriteFailure(*request, failure, "the handler threw what is not a std::exception");
    }
    *response = failure;
    return SIPC_SYSTEM;
}

/** What is wrong with a request that is not a struct of that size. */
inline std::string WrongSize(const sipc_request &request, std::size_t expected) {
    return "a request with the message id " + std::to_string(request.message_id) + " has " +
           std::to_string(request.size) + " bytes, but its struct " + std::to_string(expected);
}
} // namespace detail

/**
 * A handler for each message id; itself a Handler. Copies are independent of each other. Filled
 * before it serves; then any number of threads at a time may use it.
 */
class Dispatcher {
public:
    /**
     * Names the handler of a message id, in the place of an earlier one.
     * @param msgId MSG_ID_NORMAL or from MSG_ID_USER on; SIPC_BAD_MESSAGE_ID otherwise.
     * @param handler what answers such requests; an empty one is SIPC_INVALID_ARGUMENT.
     */
    Error On(uint32_t msgId, Handler handler) {
        // The C API says what is wrong with a route.
        const sipc_route route{msgId, handler ? Accept : nullptr, nullptr};
        sipc_dispatcher *checked = nullptr;
        sipc_status status = sipc_dispatcher_create(&route, 1, &checked);
        sipc_dispatcher_free(checked);
        if (status == SIPC_OK) handlers_[msgId] = std::move(handler);
        return Error(status);
    }

    /**
     * The same for messages that are plain structs: handle(request, response) gets a copy of the
     * one, aligned, and fills the other, zeroed. A request of another size is an error at its
     * caller that says so, and so is a slot too small for the response.
     */
    template <class Request, class Response, class Handle> Error On(uint32_t msgId, Handle handle) {
        static_assert(std::is_trivially_copyable<Request>::value, "a request is copied as bytes");
        static_assert(std::is_trivially_copyable<Response>::value, "a response is copied as bytes");
        return On(msgId, [handle](const sipc_request &request, sipc_response &response) {
            Request asked;
            if (request.size != sizeof asked)
                throw std::length_error(detail::WrongSize(request, sizeof asked));
            std::memcpy(&asked, request.data, sizeof asked);
            Response filled{};
            handle(static_cast<const Request &>(asked), filled);
            response.size = sizeof filled; // more than the capacity is told to the caller
            if (sizeof filled <= response.capacity)
                std::memcpy(response.data, &filled, sizeof filled);
            return SIPC_OK;
        });
    }

    /** Hands a request to the handler of its message id; SIPC_UNKNOWN_MESSAGE if there is none. */
    sipc_status operator()(const sipc_request &request, sipc_response &response) const {
        auto found = handlers_.find(request.message_id);
        return found == handlers_.end() ? SIPC_UNKNOWN_MESSAGE : found->second(request, response);
    }

private:
    static sipc_status Accept(void *, const sipc_request *, sipc_response *) { return SIPC_OK; }

    std::unordered_map<uint32_t, Handler> handlers_;
};

} // namespace shm

#undef SIPC_CATCHES_FORCED_UNWIND

#endif
