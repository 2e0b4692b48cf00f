// SPDX-License-Identifier: Apache-2.0
// A guest over DirectGuest.h that says and obeys the same as guest_c:
//
//   named_guest_cpp NAME [--workers N] [--name NAME] [--spare]
#include "DirectGuest.h"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>

#include "handler.h"

namespace {

bool read_options(int count, char **words, shm::GuestOptions &options) {
    for (int i = 2; i < count; i++) {
        if (std::strcmp(words[i], "--spare") == 0)
            options.wait_for_slots = 1;
        else if (std::strcmp(words[i], "--name") == 0 && i + 1 < count)
            options.name = words[++i];
        else if (std::strcmp(words[i], "--workers") == 0 && i + 1 < count)
            options.workers = static_cast<uint32_t>(std::atoi(words[++i]));
        else
            return false;
    }
    return count >= 2;
}

int fail(const shm::Error &error) {
    std::printf("failed %s %s\n", error.Name(), error.Text());
    return 1;
}

} // namespace

int main(int count, char **words) {
    shm::GuestOptions options;
    if (!read_options(count, words, options)) {
        std::fprintf(stderr, "usage: named_guest_cpp NAME [--workers N] [--name NAME] [--spare]\n");
        return 2;
    }
    shm::DirectGuest guest;
    shm::Error error = guest.Attach(words[1], options);
    if (error) return fail(error);
    std::printf("attached %u\n", guest.Slots());
    error = guest.Start([](const sipc_request &request, sipc_response &response) {
        return handle_message(nullptr, &request, &response);
    });
    if (error) return fail(error);
    say("ready");
    std::thread listener([&guest] {
        char line[64];
        while (read(STDIN_FILENO, line, sizeof line) < 0) {
        }
        guest.Stop();
    });
    error = guest.Wait();
    std::printf(error ? "ended %s\n" : "ended\n", error.Name());
    std::fflush(stdout);
    listener.join(); // its input ends when it was heard
    return 0;
}
