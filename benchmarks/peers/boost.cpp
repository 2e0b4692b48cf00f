// SPDX-License-Identifier: Apache-2.0
// Boost.Interprocess: a message_queue for each direction, in shared memory.
#include <boost/interprocess/ipc/message_queue.hpp>
#include <boost/version.hpp>
#include <memory>
#include <string>

#include "peer.h"

namespace ipc = boost::interprocess;

namespace {

struct End {
    std::unique_ptr<ipc::message_queue> in, out;
};

std::string QueueName(const peer_place *place, const char *what) {
    return std::string(place->name) + "." + what;
}

// What the library throws ends the process.
template <typename Action> auto Must(const char *what, Action action) -> decltype(action()) {
    try {
        return action();
    } catch (const std::exception &exception) {
        peer_failed(what, exception.what());
    }
}

void Prepare(const peer_place *place) {
    Must("creating the queues", [place] {
        for (const char *what : {"request", "response"})
            ipc::message_queue(ipc::create_only, QueueName(place, what).c_str(), 1, place->capacity,
                               ipc::permissions(0600));
    });
}

void *Open(const peer_place *place, peer_role role) {
    auto open = [place](const char *what) {
        return std::make_unique<ipc::message_queue>(ipc::open_only, QueueName(place, what).c_str());
    };
    bool calls = role == PEER_CALLER;
    return Must("opening the queues", [&] {
        return new End{open(calls ? "response" : "request"), open(calls ? "request" : "response")};
    });
}

void Close(void *end) {
    delete static_cast<End *>(end);
}

void Send(void *end, const void *bytes, uint32_t size) {
    Must("sending", [=] { static_cast<End *>(end)->out->send(bytes, size, 0); });
}

uint32_t Receive(void *end, void *bytes, uint32_t capacity) {
    return Must("receiving", [=] {
        ipc::message_queue::size_type size = 0;
        unsigned priority = 0;
        static_cast<End *>(end)->in->receive(bytes, capacity, size, priority);
        return static_cast<uint32_t>(size);
    });
}

void Remove(const peer_place *place) {
    for (const char *what : {"request", "response"})
        ipc::message_queue::remove(QueueName(place, what).c_str());
}

const char *Version() {
    static const std::string text = std::to_string(BOOST_VERSION / 100000) + "." +
                                    std::to_string(BOOST_VERSION / 100 % 1000) + "." +
                                    std::to_string(BOOST_VERSION % 100);
    return text.c_str();
}

} // namespace

const struct peer_transport peer_transport = {"Boost queue", "sleeps", Version, nullptr, Prepare,
                                              Open,          Close,    Send,    Receive, Remove};
