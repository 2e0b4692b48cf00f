// SPDX-License-Identifier: Apache-2.0
// Writes numbers where the guest reads them, without a copy, and tells errors apart:
//
//   host NAME
#include "DirectHost.h"

#include <cstdio>
#include <cstring>

namespace {

constexpr uint32_t kMean = MSG_ID_USER;
constexpr uint32_t kNobodyKnows = MSG_ID_USER + 1;

// What an application can do about an error depends on what became of its request.
void Explain(const shm::Error &error, const shm::Bytes &response) {
    if (error == SIPC_HANDLER_FAILED) {
        std::printf("the guest says: %.*s\n", static_cast<int>(response.size),
                    reinterpret_cast<const char *>(response.data));
        return;
    }
    switch (error.Fate()) {
    case shm::Fate::NotStarted:
        std::printf("not started, may be sent again: %s\n", error.Message());
        break;
    case shm::Fate::MaybeExecuted:
        std::printf("maybe executed, look before you repeat: %s\n", error.Message());
        break;
    case shm::Fate::Answered:
        std::printf("answered: %s\n", error.Message());
        break;
    }
}

// The mean of the numbers from 1 to count.
shm::Error Ask(shm::DirectHost &host, uint32_t messageId, uint32_t count) {
    shm::Slot slot; // given back at the end of the scope
    shm::Bytes response;
    shm::Error error = host.Acquire(slot);
    if (!error) {
        uint8_t *to = slot.Request();
        for (uint32_t i = 0; i < count; i++) {
            const double number = i + 1;
            std::memcpy(to + i * sizeof number, &number, sizeof number);
        }
        error = slot.Call(static_cast<uint32_t>(count * sizeof(double)), messageId, response,
                          std::chrono::seconds(5));
    }
    if (error) {
        Explain(error, response);
    } else if (response.size == sizeof(double)) {
        double mean;
        std::memcpy(&mean, response.data, sizeof mean);
        std::printf("the mean of 1 to %u is %g\n", count, mean);
    }
    return error;
}

} // namespace

int main(int count, char **words) {
    shm::DirectHost host;
    shm::Options options;
    options.response_capacity = 256; // the requests are the larger ones here
    if (shm::Error error = host.Create(count > 1 ? words[1] : "example", 2, 128 * 1024, options)) {
        std::fprintf(stderr, "%s\n", error.Text());
        return 1;
    }
    if (Ask(host, kMean, 5000)) return 1;
    return Ask(host, kMean, 0) == SIPC_HANDLER_FAILED &&
                   Ask(host, kNobodyKnows, 1) == SIPC_UNKNOWN_MESSAGE
               ? 0
               : 1;
}
