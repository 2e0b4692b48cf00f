// SPDX-License-Identifier: Apache-2.0
// The host of the README: sends four bytes to a guest and prints the answer.
#include <cstdio>
#include <cstring>

#include "DirectHost.h"

int main() {
    shm::DirectHost host;
    if (!host.Init("MyIPC", 4)) { // 4 Worker Slots
        std::fprintf(stderr, "%s\n", shm::DirectHost::LastError());
        return 1;
    }

    std::vector<uint8_t> resp;
    // Send 4 bytes to any available slot
    // Note: This blocks until response is received.
    int size = host.Send((const uint8_t *)"test", 4, MSG_ID_NORMAL, resp);
    if (size < 0) {
        std::fprintf(stderr, "%s\n", shm::DirectHost::LastError());
        return 1;
    }
    std::printf("response: %.*s\n", size, (const char *)resp.data());
    return 0;
}
