// SPDX-License-Identifier: Apache-2.0
// iceoryx: an untyped client and an untyped server, which look for messages without a pause for
// others, as Debian builds it. Its daemon, iox-roudi, must run.
#include <unistd.h>

#include <cstring>
#include <string>

#include "iceoryx_hoofs/log/logmanager.hpp"
#include "iceoryx_posh/popo/untyped_client.hpp"
#include "iceoryx_posh/popo/untyped_server.hpp"
#include "iceoryx_posh/runtime/posh_runtime.hpp"
#include "iceoryx_versions.hpp"
#include "peer.h"

namespace {

constexpr uint32_t kAlignment = 64;

void Pause() {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

iox::capro::ServiceDescription Service(const peer_place *place) {
    return {"simpleipc", "benchmark",
            iox::capro::IdString_t(iox::cxx::TruncateToCapacity, place->name)};
}

struct End {
    virtual ~End() = default;
    virtual void Send(const void *bytes, uint32_t size) = 0;
    virtual uint32_t Receive(void *bytes, uint32_t capacity) = 0;
};

uint32_t TakePayload(void *bytes, const void *payload, uint32_t capacity) {
    uint32_t size = iox::mepoo::ChunkHeader::fromUserPayload(payload)->userPayloadSize();
    if (size > capacity) peer_failed("receiving", "a message too large");
    std::memcpy(bytes, payload, size);
    return size;
}

// Looks until there is a message.
template <typename Port> const void *Await(Port &port) {
    for (;;) {
        auto taken = port.take();
        if (!taken.has_error()) return taken.value();
        Pause();
    }
}

class Caller : public End {
    iox::popo::UntypedClient client;

public:
    explicit Caller(const peer_place *place) : client(Service(place)) {
        while (client.getConnectionState() != iox::ConnectionState::CONNECTED) Pause();
    }
    void Send(const void *bytes, uint32_t size) override {
        auto loan = client.loan(size, kAlignment);
        if (loan.has_error()) peer_failed("loan", "no chunk is free");
        std::memcpy(loan.value(), bytes, size);
        if (client.send(loan.value()).has_error()) peer_failed("send", "the server is gone");
    }
    uint32_t Receive(void *bytes, uint32_t capacity) override {
        const void *payload = Await(client);
        uint32_t size = TakePayload(bytes, payload, capacity);
        client.releaseResponse(payload);
        return size;
    }
};

class Responder : public End {
    iox::popo::UntypedServer server;
    const void *request = nullptr; // the one to be answered

public:
    explicit Responder(const peer_place *place) : server(Service(place)) {}
    uint32_t Receive(void *bytes, uint32_t capacity) override {
        request = Await(server);
        return TakePayload(bytes, request, capacity);
    }
    void Send(const void *bytes, uint32_t size) override {
        auto loan = server.loan(iox::popo::RequestHeader::fromPayload(request), size, kAlignment);
        if (loan.has_error()) peer_failed("loan", "no chunk is free");
        std::memcpy(loan.value(), bytes, size);
        if (server.send(loan.value()).has_error()) peer_failed("send", "the client is gone");
        server.releaseRequest(request);
    }
};

void *Open(const peer_place *place, peer_role role) {
    iox::log::LogManager::GetLogManager().SetDefaultLogLevel(
        iox::log::LogLevel::kError, iox::log::LogLevelOutput::kHideLogLevel);
    // One for the whole life of the process, whatever places it sees.
    iox::runtime::PoshRuntime::initRuntime(iox::RuntimeName_t(
        iox::cxx::TruncateToCapacity, "simpleipc-peer-" + std::to_string(getpid())));
    if (role == PEER_CALLER) return static_cast<End *>(new Caller(place));
    return static_cast<End *>(new Responder(place));
}

void Close(void *end) {
    delete static_cast<End *>(end);
}

void Send(void *end, const void *bytes, uint32_t size) {
    static_cast<End *>(end)->Send(bytes, size);
}

uint32_t Receive(void *end, void *bytes, uint32_t capacity) {
    return static_cast<End *>(end)->Receive(bytes, capacity);
}

const char *Version() {
    return ICEORYX_LATEST_RELEASE_VERSION;
}

} // namespace

const struct peer_transport peer_transport = {"iceoryx", "polls", Version, nullptr, nullptr,
                                              Open,      Close,   Send,    Receive, nullptr};
