// SPDX-License-Identifier: Apache-2.0
// A guest in C++ whose handlers throw, or end their thread, as the message ids of message.h say.
//
//   throwing_guest NAME
#include <cstdio>
#include <cstring>
#include <stdexcept>

#include <pthread.h>

#include <DirectGuest.h>

#include "../../process/message.h"

namespace {

enum { MESSAGE_THROW_OTHER = 140 };

// Its end must run however the handler ends.
struct Busy {
    explicit Busy(int &count) : count_(count) { count_++; }
    ~Busy() { count_--; }
    Busy(const Busy &) = delete;
    Busy &operator=(const Busy &) = delete;
    int &count_;
};

thread_local int busy;

sipc_status Answer(const sipc_request &request, sipc_response &response) {
    Busy now(busy);
    if (busy != 1) return SIPC_SYSTEM; // a handler before this one was not left in order
    switch (request.message_id) {
    case MESSAGE_PANIC:
        throw std::runtime_error(FAILURE_TEXT);
    case MESSAGE_THROW_OTHER:
        throw 42;
    case MESSAGE_GOEXIT:
        pthread_exit(nullptr);
    default:
        response.size = request.size;
        std::memcpy(response.data, request.data, request.size);
        return SIPC_OK;
    }
}

} // namespace

int main(int count, char **words) {
    if (count != 2) return 2;
    shm::DirectGuest guest;
    if (!guest.Connect(words[1]) || guest.Start(Answer)) {
        std::printf("failed %s\n", shm::DirectGuest::LastError());
        return 1;
    }
    std::printf("attached %u\nready\n", guest.Slots());
    std::fflush(stdout);
    if (guest.Wait()) return 1;
    std::puts("ended");
    return 0;
}
