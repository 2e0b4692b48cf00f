// SPDX-License-Identifier: Apache-2.0
// Starts jobs in the guest and hears of each when it is done, whatever their order:
//
//   host NAME
#include <DirectAsync.h>

#include <chrono>
#include <cstdio>
#include <future>
#include <string>
#include <vector>

#include "jobs.h"

static std::string textOf(const shm::AsyncResult &result) {
    return {result.response.begin(), result.response.end()};
}

int main(int count, char **words) {
    shm::DirectHost host;
    shm::AsyncCaller caller;
    if (!host.Init(count > 1 ? words[1] : "later", kSlots, 4096) || caller.Open(host, kSlots)) {
        std::fprintf(stderr, "%s\n", shm::DirectHost::LastError());
        return 1;
    }
    // The longest first; each is told when it is done, on the library's thread.
    for (const uint32_t milliseconds : {700u, 400u, 100u}) {
        const Job job{milliseconds};
        const shm::Error error =
            caller.Call(reinterpret_cast<const uint8_t *>(&job), sizeof job, kJob,
                        [](const shm::Completion &completion) {
                            std::printf("%.*s\n", static_cast<int>(completion.response.size),
                                        reinterpret_cast<const char *>(completion.response.data));
                            std::fflush(stdout);
                        });
        if (error) std::puts(error.Text());
    }
    // A future for one that nobody wants to wait for so long.
    const Job endless{3600 * 1000};
    shm::AsyncTimes soon;
    soon.timeout = std::chrono::milliseconds(1000);
    const shm::AsyncResult given_up =
        caller.Send(reinterpret_cast<const uint8_t *>(&endless), sizeof endless, kJob, soon).get();
    std::printf("%s%s\n", given_up.error.Message(), textOf(given_up).c_str());
    // And one for what is no job.
    const shm::AsyncResult refused = caller.Send(nullptr, 0, kJob).get();
    std::printf("the guest says: %s\n", textOf(refused).c_str());
    return refused.error == SIPC_HANDLER_FAILED ? 0 : 1;
}
