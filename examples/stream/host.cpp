// SPDX-License-Identifier: Apache-2.0
// Sends eight million letters to a guest in another process, has as many sent back, and changes
// its mind in the middle of a third transfer. No slot holds more than 64 KiB:
//
//   host NAME
#include <DirectStream.h>

#include <cinttypes>
#include <cstdio>
#include <string>

#include "transfer.h"

namespace {

constexpr uint64_t kLetters = uint64_t{8} << 20;
constexpr uint32_t kSlotBytes = 128 << 10; // for request and response

// Says how far it is at each quarter.
class Progress {
public:
    explicit Progress(const char *what) : what_(what) {}
    void At(uint64_t bytes) {
        for (; quarter_ < 4 && bytes >= kLetters / 4 * (quarter_ + 1); quarter_++)
            std::printf("%s %" PRIu64 " %%\n", what_, 25 * (quarter_ + 1));
    }

private:
    const char *what_;
    uint64_t quarter_ = 0;
};

// Each piece is written where it is sent from.
shm::Stream::Source Letters(uint64_t &done) {
    return [&done](uint8_t *buffer, std::size_t capacity, bool &) {
        letters_after(done, buffer, capacity);
        done += capacity;
        return capacity;
    };
}

shm::Error Upload(shm::DirectHost &host) {
    uint64_t done = 0;
    Progress progress("sent");
    shm::Stream stream(UPLOAD);
    stream.Request(Letters(done), kLetters).Assemble(256);
    stream.OnProgress([&](uint64_t sent, uint64_t, uint64_t) {
        progress.At(sent);
        return true;
    });
    shm::Error error = stream.Call(host);
    if (!error)
        std::printf("the guest says: %.*s\n", static_cast<int>(stream.Size()),
                    reinterpret_cast<const char *>(stream.Data()));
    return error;
}

shm::Error Download(shm::DirectHost &host) {
    uint64_t sum = SUM_OF_NOTHING;
    Progress progress("received");
    shm::Stream stream(DOWNLOAD);
    stream.Request(&kLetters, sizeof kLetters);
    stream.Response([&](const uint8_t *piece, std::size_t size) {
        sum = sum_on(sum, piece, size);
        return true;
    });
    stream.OnProgress([&](uint64_t, uint64_t received, uint64_t) {
        progress.At(received);
        return true;
    });
    shm::Error error = stream.Call(host);
    if (!error) std::printf("%" PRIu64 " letters came, sum %016" PRIx64 "\n", stream.Size(), sum);
    return error;
}

// True: it ended as it shall.
bool ChangeOnesMind(shm::DirectHost &host) {
    uint64_t done = 0;
    shm::Stream stream(UPLOAD);
    stream.Request(Letters(done), kLetters);
    stream.OnProgress([](uint64_t sent, uint64_t, uint64_t) { return sent < kLetters / 2; });
    shm::Error error = stream.Call(host);
    std::printf("%s\n", error.Text());
    return error.Status() == SIPC_STREAM_ABORTED;
}

} // namespace

int main(int count, char **words) {
    shm::DirectHost host;
    if (!host.Init(count > 1 ? words[1] : "stream", SLOTS, kSlotBytes)) {
        std::fprintf(stderr, "%s\n", shm::DirectHost::LastError());
        return 1;
    }
    shm::Error error = Upload(host);
    if (!error) error = Download(host);
    if (error) std::fprintf(stderr, "%s: %s\n", error.Name(), error.Text());
    return !error && ChangeOnesMind(host) ? 0 : 1;
}
