// SPDX-License-Identifier: Apache-2.0
// Sends words in capitals, eight in flight at a time, to the guest in C:
//
//   pipeline NAME WORD...
#include "DirectHost.h"

#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "../c/messages.h"

int main(int count, char **words) {
    constexpr uint32_t kDepth = 8;
    shm::DirectHost host;
    shm::Pipeline pipeline;
    if (!host.Init(count > 1 ? words[1] : "example", kDepth, 4096) || pipeline.Open(host, kDepth)) {
        std::fprintf(stderr, "%s\n", shm::DirectHost::LastError());
        return 1;
    }
    // Answers may come in any order: the tag tells whose each is.
    std::vector<std::string> answers(static_cast<size_t>(count));
    auto keep = [&](const shm::Completion &done) {
        answers[done.tag] = done.error
                                ? done.error.Message()
                                : std::string(reinterpret_cast<const char *>(done.response.data),
                                              done.response.size);
    };
    // Fills it, and when it is full waits for at least one answer.
    for (int next = 2; next < count || pipeline.InFlight() > 0;) {
        shm::Error error;
        while (next < count && !error) {
            const auto *word = reinterpret_cast<const uint8_t *>(words[next]);
            error = pipeline.Submit(word, static_cast<uint32_t>(std::strlen(words[next])),
                                    MESSAGE_UPPER_CASE, static_cast<uint64_t>(next));
            if (!error) next++;
        }
        if (!error || error == SIPC_ALL_SLOTS_BUSY) error = pipeline.Reap(keep);
        if (error) {
            std::fprintf(stderr, "%s\n", error.Text());
            return 1;
        }
    }
    for (int i = 2; i < count; i++) std::puts(answers[static_cast<size_t>(i)].c_str());
    return 0;
}
