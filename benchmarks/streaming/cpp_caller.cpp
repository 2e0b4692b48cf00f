// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstring>

#include "../host/direct_host_type.h"
#include "DirectStream.h"
#include "callers.h"

bool call_by_cpp(struct pair *pair, struct message *message, bool gives, uint64_t total) {
    uint64_t left = total;
    shm::Stream stream(gives ? STREAM_GIVE : STREAM_TAKE);
    if (gives)
        stream.Request(&total, sizeof total);
    else
        stream.Request(
            [&](uint8_t *buffer, std::size_t capacity, bool &last) {
                const auto size = static_cast<uint32_t>(std::min<uint64_t>(left, capacity));
                std::memcpy(buffer, message_next(message, size), size);
                left -= size;
                last = left == 0;
                return std::size_t{size};
            },
            total);
    stream.Response([&](const uint8_t *piece, std::size_t size) {
        std::memcpy(message_next(message, static_cast<uint32_t>(size)), piece, size);
        left -= size;
        return true;
    });
    return !stream.Call(pair->direct->host) && left == 0;
}
