// SPDX-License-Identifier: Apache-2.0
// A guest in C++ that answers later, as guest_c does with --later:
//
//   guest_cpp NAME --later SLOTS
#include <unistd.h>

#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

#include <DirectGuest.h>
#include <DirectPending.h>

#include "handler.h"

namespace {

// What was left, and threads that answer it.
class Desk {
public:
    explicit Desk(unsigned threads) {
        for (unsigned i = 0; i < threads; i++) threads_.emplace_back([this] { Work(); });
    }
    ~Desk() {
        {
            const std::lock_guard<std::mutex> guard(mutex_);
            ended_ = true;
        }
        changed_.notify_all();
        for (auto &thread : threads_) thread.join();
    }
    void Leave(shm::PendingResponse &&pending) {
        const std::lock_guard<std::mutex> guard(mutex_);
        left_.push_back(std::move(pending));
        changed_.notify_one();
    }

private:
    shm::PendingResponse Take() {
        std::unique_lock<std::mutex> lock(mutex_);
        changed_.wait(lock, [this] { return ended_ || !left_.empty(); });
        if (left_.empty()) return {};
        shm::PendingResponse last = std::move(left_.back());
        left_.pop_back();
        return last;
    }
    void Work() {
        while (shm::PendingResponse pending = Take()) {
            sipc_response response{};
            response.data = pending.Response();
            response.capacity = pending.Capacity();
            const sipc_status status = handle_message(nullptr, pending.Request(), &response);
            if (pending.Respond(response.data, response.size, status)) std::abort();
        }
    }

    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<shm::PendingResponse> left_;
    bool ended_ = false;
    std::vector<std::thread> threads_;
};

int Live(const char *name, unsigned slots) {
    Desk desk(slots); // outlives the guest, which waits for its answers
    shm::DirectGuest guest;
    shm::GuestOptions options;
    options.slots_per_worker = slots;
    shm::Error error = guest.Attach(name, options);
    if (!error)
        error = guest.Start(shm::Later(
            [&desk](shm::PendingResponse &&pending) { desk.Leave(std::move(pending)); }));
    if (error) {
        std::printf("failed %s %s\n", error.Name(), error.Text());
        return 1;
    }
    std::printf("attached %u\n", guest.Slots());
    say("ready");
    std::thread listener([&guest] {
        char byte;
        while (read(STDIN_FILENO, &byte, 1) < 0) {
        }
        guest.Stop();
    });
    error = guest.Wait();
    say(error ? error.Name() : "ended");
    listener.join(); // the test ends the input in any case
    return error ? 1 : 0;
}

} // namespace

int main(int count, char **words) {
    if (count != 4 || std::strcmp(words[2], "--later") != 0) {
        std::fprintf(stderr, "usage: guest_cpp NAME --later SLOTS\n");
        return 2;
    }
    return Live(words[1], static_cast<unsigned>(std::atoi(words[3])));
}
