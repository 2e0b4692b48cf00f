// SPDX-License-Identifier: Apache-2.0
// A host and a guest of somebody else's program, in C++: one call, one answer.
#include <DirectGuest.h>
#include <DirectHost.h>
#include <cstdio>
#include <cstring>

static sipc_status greet(const sipc_request &, sipc_response &response) {
    std::memcpy(response.data, "hello", 5);
    response.size = 5;
    return SIPC_OK;
}

int main(int count, char **arguments) {
    const char *name = count > 1 ? arguments[1] : "consumer";
    shm::DirectHost host;
    shm::DirectGuest guest;
    std::vector<uint8_t> resp;
    if (!host.Init(name, 1, 64) || !guest.Connect(name) || guest.Start(greet) ||
        host.Send(nullptr, 0, MSG_ID_NORMAL, resp) < 0) {
        std::fprintf(stderr, "%s\n", shm::DirectHost::LastError());
        return 1;
    }
    host.Shutdown();
    std::printf("%.*s from C++, %s\n", static_cast<int>(resp.size()),
                reinterpret_cast<const char *>(resp.data()), sipc_version());
    return 0;
}
