// SPDX-License-Identifier: Apache-2.0
// The host of the README, whose lines stand here as they do there, and a look at the answer.
#include "DirectHost.h"

#include <cstdio>

int main() {
    // clang-format off
    shm::DirectHost host;
    if (!host.Init("MyIPC", 4)) { // 4 Worker Slots
        return -1;
    }

    std::vector<uint8_t> resp;
    // Send 4 bytes to any available slot
    // Note: This blocks until response is received.
    host.Send((const uint8_t*)"test", 4, MSG_ID_NORMAL, resp);
    // clang-format on

    if (resp.empty()) {
        std::fprintf(stderr, "%s\n", shm::DirectHost::LastError());
        return 1;
    }
    std::printf("response: %.*s\n", static_cast<int>(resp.size()),
                reinterpret_cast<const char *>(resp.data()));
    return 0;
}
