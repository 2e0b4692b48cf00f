// SPDX-License-Identifier: Apache-2.0
#include "pipeliner.h"

#include "DirectGuest.h"

namespace {

shm::DirectGuest guest;
shm::Pipeline pipeline; // ends first

const auto hear = [](const shm::Completion &completion) {
    pipeliner_told(completion.tag, completion.error.Status(), completion.response.data,
                   completion.response.size);
};

} // namespace

sipc_status pipeliner_open(const char *name, uint32_t depth) {
    shm::GuestOptions options;
    options.calls_only = 1;
    options.call_slots = depth;
    shm::Error error = guest.Attach(name, options);
    if (!error) error = pipeline.Open(guest, depth);
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
    return pipeline.Reap(hear).Status();
}

void pipeliner_close(void) {
    (void)pipeline.Close(hear);
    (void)guest.Detach();
}
