// SPDX-License-Identifier: Apache-2.0
// Long jobs for one worker: each goes to a thread of its own, which answers when the job is done.
//
//   guest NAME
#include <DirectGuest.h>
#include <DirectPending.h>

#include <chrono>
#include <cstdio>
#include <cstring>
#include <stdexcept>
#include <string>
#include <thread>

#include "jobs.h"

static void work(shm::PendingResponse pending, uint32_t milliseconds) {
    using std::chrono::steady_clock;
    const auto end = steady_clock::now() + std::chrono::milliseconds(milliseconds);
    while (steady_clock::now() < end) {
        if (pending.IsCancelled()) {
            std::puts("a job was given up");
            std::fflush(stdout);
            return; // dropped: nobody waits for it
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    (void)pending.Respond("done after " + std::to_string(milliseconds) + " ms");
}

// In the worker: returns at once.
static void begin(shm::PendingResponse &&pending) {
    Job job;
    if (pending.Request()->size != sizeof job) throw std::length_error("that is no job");
    std::memcpy(&job, pending.Request()->data, sizeof job);
    std::thread(work, std::move(pending), job.milliseconds).detach();
}

int main(int count, char **words) {
    shm::DirectGuest guest;
    shm::GuestOptions options;
    options.slots_per_worker = kSlots; // one thread for all of them
    shm::Error error = guest.Attach(count > 1 ? words[1] : "later", options);
    if (!error) error = guest.Start(shm::Later(begin));
    if (!error) error = guest.Wait(); // also for the answers of all jobs
    if (error) std::fprintf(stderr, "%s\n", error.Text());
    return error ? 1 : 0;
}
