// SPDX-License-Identifier: Apache-2.0
// looper_c.c over DirectHost.h: a host that waits for its guests in a loop of epoll.
#include "DirectEventLoop.h"

#include <optional>

#include "epoll_loop.h"
#include "pipeliner.h"

namespace {

std::optional<shm::DirectHost> host;
shm::Pipeline pipeline; // ends first

const auto hear = [](const shm::Completion &completion) {
    pipeliner_told(completion.tag, completion.error.Status(), completion.response.data,
                   completion.response.size);
};

} // namespace

sipc_status pipeliner_open(const char *name, uint32_t depth) {
    intptr_t descriptor = -1;
    host.emplace();
    shm::Error error = host->Create(name, depth, 8192, shm::Options());
    if (!error) error = pipeline.Open(*host, depth, 0);
    if (!error) error = shm::GetDescriptor(pipeline, descriptor);
    if (!error) epoll_loop_open(descriptor);
    return error.Status();
}

sipc_status pipeliner_submit(uint32_t message_id, const void *request, uint32_t size,
                             uint64_t tag) {
    return pipeline.Submit(static_cast<const uint8_t *>(request), size, message_id, tag).Status();
}

uint32_t pipeliner_in_flight(void) {
    return pipeline.InFlight();
}

sipc_status pipeliner_reap(void) {
    uint32_t reaped = 0;
    shm::Error error;
    while (!error && reaped == 0 && pipeline.InFlight() > 0) {
        error = shm::Arm(pipeline);
        if (error) break;
        epoll_loop_wait();
        error = pipeline.Reap(hear, 0, shm::Timeout::zero(), &reaped);
    }
    return error.Status();
}

void pipeliner_close(void) {
    (void)pipeline.Close(hear);
    host.reset();
    epoll_loop_close();
}
