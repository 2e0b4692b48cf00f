// SPDX-License-Identifier: Apache-2.0
// server_c over DirectHost.h, with the same arguments and lines.
#include "DirectEventLoop.h"
#include "DirectHost.h"

#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "epoll_loop.h"
#include "handler.h"
#include "resources.h"

namespace {

sipc_status handle(const sipc_request &request, sipc_response &response) {
    return handle_message(nullptr, &request, &response);
}

int fail(const shm::Error &error) {
    std::printf("failed %s %s\n", error.Name(), error.Text());
    return 1;
}

shm::Error poll_until_told(shm::DirectHost &host) {
    char byte;
    shm::Error error;
    const shm::Handler handler = handle;
    fcntl(STDIN_FILENO, F_SETFL, O_NONBLOCK);
    say("ready");
    while (!error && read(STDIN_FILENO, &byte, 1) < 0) {
        error = host.Poll(handler);
        sched_yield();
    }
    return error;
}

shm::Error loop_until_told(shm::DirectHost &host) {
    intptr_t descriptor = -1;
    const shm::Handler handler = handle;
    shm::Error error = shm::GetDescriptor(host, descriptor);
    if (error) return error;
    epoll_loop_open(descriptor);
    epoll_loop_add_input();
    say("ready");
    while (!error) {
        error = shm::Arm(host);
        if (error || !epoll_loop_wait()) break;
        error = host.Poll(handler);
    }
    epoll_loop_close();
    return error;
}

shm::Error serve_until_told(shm::DirectHost &host) {
    char byte;
    shm::Error error = host.Serve(handle);
    if (error) return error;
    say("ready");
    while (read(STDIN_FILENO, &byte, 1) < 0) {
    }
    return shm::Error();
}

} // namespace

int main(int count, char **words) {
    const bool polls = count == 5 && std::strcmp(words[4], "--poll") == 0;
    const bool loops = count == 5 && std::strcmp(words[4], "--loop") == 0;
    if (count != 4 && !polls && !loops) {
        std::fprintf(stderr, "usage: server_cpp NAME GUEST_SLOTS DATA_SIZE [--poll | --loop]\n");
        return 2;
    }
    resources_settle();
    struct resources before = resources_now();
    {
        shm::Options options;
        options.guest_slots = static_cast<uint32_t>(std::atoi(words[2]));
        shm::DirectHost host;
        shm::Error error =
            host.Create(words[1], 1, static_cast<uint32_t>(std::atoi(words[3])), options);
        if (error) return fail(error);
        error = polls   ? poll_until_told(host)
                : loops ? loop_until_told(host)
                        : serve_until_told(host);
        if (error) return fail(error);
    }
    resources_expect(&before);
    say("ended");
    return 0;
}
