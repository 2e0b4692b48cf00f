// SPDX-License-Identifier: Apache-2.0
// A streamer over DirectStream.h.
#include "DirectStream.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <deque>
#include <optional>
#include <stdexcept>
#include <thread>

#include "streamer.h"

namespace {

std::optional<shm::DirectHost> host;
std::optional<shm::DirectGuest> guest;
std::optional<shm::Streams> streams;
std::atomic<int> last_end{SIPC_OK};

class Ending : public shm::StreamHandler {
public:
    void End(sipc_status status, const char *) noexcept override { last_end = status; }
};

class Hash : public Ending {
public:
    void Take(const uint8_t *piece, std::size_t size) override {
        hash_ = hash_add(hash_, piece, size);
        taken_ += size;
    }
    std::size_t Give(uint8_t *buffer, std::size_t, bool &last) override {
        if (!IsComplete()) return 0;
        std::memcpy(buffer, &taken_, sizeof taken_);
        std::memcpy(buffer + sizeof taken_, &hash_, sizeof hash_);
        last = true;
        return sizeof taken_ + sizeof hash_;
    }

private:
    uint64_t taken_ = 0, hash_ = hash_begin();
};

class Producer : public Ending {
public:
    void Take(const uint8_t *piece, std::size_t size) override {
        asked_.insert(asked_.end(), piece, piece + size);
    }
    void Complete() override {
        if (asked_.size() != sizeof wanted_) throw std::length_error("ask for a size");
        std::memcpy(&wanted_, asked_.data(), sizeof wanted_);
        if (wanted_ % 2 == 0 && Announce(wanted_)) throw std::length_error("it does not fit");
    }
    std::size_t Give(uint8_t *buffer, std::size_t capacity, bool &last) override {
        if (!IsComplete()) return 0;
        const std::size_t size = std::min<uint64_t>(capacity, wanted_ - given_);
        pattern_fill(buffer, given_, size);
        given_ += size;
        last = given_ == wanted_;
        return size;
    }

private:
    std::vector<uint8_t> asked_;
    uint64_t wanted_ = 0, given_ = 0;
};

class Flipper : public Ending {
public:
    void Take(const uint8_t *piece, std::size_t size) override {
        for (std::size_t i = 0; i < size; i++) bytes_.push_back(static_cast<uint8_t>(~piece[i]));
    }
    std::size_t Give(uint8_t *buffer, std::size_t capacity, bool &last) override {
        const std::size_t size = std::min(capacity, bytes_.size());
        const auto end = bytes_.begin() + static_cast<std::ptrdiff_t>(size);
        std::copy(bytes_.begin(), end, buffer);
        bytes_.erase(bytes_.begin(), end);
        last = IsComplete() && bytes_.empty();
        return size;
    }

private:
    std::deque<uint8_t> bytes_;
};

template <class Handler> std::unique_ptr<shm::StreamHandler> make(const sipc_stream_info &) {
    return std::make_unique<Handler>();
}

void make_streams() {
    streams.emplace();
    streams->options.idle_ns = 60000000000;
    streams->On(STREAM_HASH, make<Hash>);
    streams->On(STREAM_PRODUCE, make<Producer>);
    streams->On(STREAM_FLIP, make<Flipper>);
    streams->OnWhole(
        STREAM_WHOLE,
        [](const uint8_t *request, std::size_t size) {
            return std::vector<uint8_t>(request, request + size);
        },
        1 << 20);
}

sipc_status refuse(const sipc_request &, sipc_response &) {
    return SIPC_UNKNOWN_MESSAGE;
}

} // namespace

sipc_status streamer_open_host(const char *name, uint32_t slots, uint32_t data_size) {
    shm::Options options;
    options.guest_slots = slots;
    host.emplace();
    make_streams();
    shm::Error error = host->Create(name, slots, data_size, options);
    if (!error) error = streams->Serve(*host);
    if (!error) error = host->Serve(refuse);
    return error.Status();
}

sipc_status streamer_open_guest(const char *name, uint32_t slots_per_worker) {
    shm::GuestOptions options;
    options.slots_per_worker = slots_per_worker;
    guest.emplace();
    make_streams();
    shm::Error error = guest->Attach(name, options);
    if (!error) error = streams->Serve(*guest);
    if (!error) error = guest->Start(refuse);
    return error.Status();
}

uint32_t streamer_open(void) {
    return streams->Open();
}

sipc_status streamer_last_end(void) {
    return static_cast<sipc_status>(last_end.load());
}

void streamer_close(void) {
    host.reset();
    guest.reset();
    streams.reset();
}

sipc_status streamer_run(struct stream_job *job) {
    // cppcheck-suppress variableScope ; it is there as long as the source
    uint64_t sent = 0;
    shm::Stream stream(job->message_id);
    job->hash = hash_begin();
    if (job->message_id == STREAM_PRODUCE)
        stream.Request(&job->size, sizeof job->size);
    else
        stream.Request(
            [&](uint8_t *buffer, std::size_t capacity, bool &last) {
                std::this_thread::sleep_for(std::chrono::microseconds(job->pause_us));
                const std::size_t size = std::min<uint64_t>(capacity, job->size - sent);
                pattern_fill(buffer, sent, size);
                sent += size;
                last = sent == job->size;
                return size;
            },
            job->known ? job->size : shm::UnknownSize);
    stream.Response([&](const uint8_t *piece, std::size_t size) {
        job->hash = hash_add(job->hash, piece, size);
        job->received += size;
        return true;
    });
    stream.OnProgress([&](uint64_t there, uint64_t back, uint64_t) {
        return !job->abort_after || there + back < job->abort_after;
    });
    stream.Depth(job->depth);
    return (host ? stream.Call(*host) : stream.Call(*guest)).Status();
}
