// SPDX-License-Identifier: Apache-2.0
// The host of the process tests over DirectHost.h.
#include <cstring>
#include <memory>

#include "DirectHost.h"
#include "host_api.h"

struct held {
    shm::Slot slot;
};

namespace {

std::unique_ptr<shm::DirectHost> host;

shm::Timeout TimeoutOf(uint64_t nanoseconds) {
    if (nanoseconds == SIPC_DEFAULT_TIMEOUT) return shm::DefaultTimeout;
    if (nanoseconds == SIPC_FOREVER) return shm::Forever;
    return shm::Timeout(static_cast<int64_t>(nanoseconds));
}

// By the plain functions where they can say it, else by the one with a timeout and a typed error.
sipc_status Send(const request &asked, std::vector<uint8_t> &response) {
    if (asked.timeout_ns != SIPC_DEFAULT_TIMEOUT)
        return host
            ->Call(asked.slot, asked.data, asked.size, asked.message_id, response,
                   TimeoutOf(asked.timeout_ns))
            .Status();
    int result =
        asked.slot == SIPC_ANY_SLOT
            ? host->Send(asked.data, asked.size, asked.message_id, response)
            : host->SendToSlot(asked.slot, asked.data, asked.size, asked.message_id, response);
    if (result < 0) return static_cast<sipc_status>(result);
    return static_cast<size_t>(result) == response.size() ? SIPC_OK : SIPC_PROTOCOL_VIOLATED;
}

} // namespace

sipc_status api_open(const char *name, uint32_t slots, uint32_t data_size, sipc_backend backend) {
    auto opened = std::make_unique<shm::DirectHost>();
    shm::Options options;
    options.backend = backend;
    seal_as_told(&options);
    pass_deadlines_as_told(&options);
    shm::Error error = opened->Create(name, slots, data_size, options);
    if (!error) host = std::move(opened);
    return error.Status();
}

uint32_t api_capacity(void) {
    return sipc_host_request_capacity(host->Handle());
}

uint32_t api_slots(void) {
    return sipc_host_slots(host->Handle());
}

sipc_status api_call(const request *asked, reply *answer) {
    std::vector<uint8_t> response;
    sipc_status status = Send(*asked, response);
    answer->size = static_cast<uint32_t>(response.size());
    if (response.size() > answer->capacity) return SIPC_BUFFER_TOO_SMALL;
    if (!response.empty()) std::memcpy(answer->data, response.data(), response.size());
    return status;
}

// DirectHost does not tell the response's message id; the handle beneath it does.
sipc_status api_call_for_id(const request *asked, reply *answer, uint32_t *message_id) {
    sipc_call call{};
    call.message_id = asked->message_id;
    call.request = asked->data;
    call.request_size = asked->size;
    call.response = answer->data;
    call.response_capacity = answer->capacity;
    call.timeout_ns = asked->timeout_ns;
    call.guest = asked->guest;
    sipc_status status = sipc_host_call(host->Handle(), &call);
    answer->size = call.response_size;
    *message_id = call.response_message_id;
    return status;
}

const char *api_error_text(void) {
    return shm::DirectHost::LastError();
}

sipc_status api_hold(uint32_t slot, uint64_t timeout_ns, held **taken) {
    auto made = std::make_unique<held>();
    shm::Error error = host->Acquire(made->slot, slot, TimeoutOf(timeout_ns));
    *taken = error ? nullptr : made.release();
    return error.Status();
}

uint32_t api_held_slot(const held *taken) {
    return taken->slot.Index();
}

uint8_t *api_held_buffer(held *taken) {
    return taken->slot.Capacity() == api_capacity() ? taken->slot.Request() : nullptr;
}

sipc_status api_held_call(held *taken, uint32_t message_id, uint32_t size, uint64_t timeout_ns,
                          const uint8_t **response, uint32_t *response_size) {
    shm::Bytes bytes;
    shm::Error error = taken->slot.Call(size, message_id, bytes, TimeoutOf(timeout_ns));
    *response = bytes.data;
    *response_size = bytes.size;
    return error.Status();
}

sipc_status api_held_settle(held *taken, uint64_t timeout_ns) {
    return taken->slot.Settle(TimeoutOf(timeout_ns)).Status();
}

void api_release(held *taken) {
    delete taken;
}

void api_shutdown(void) {
    host->Shutdown();
}

void api_close(void) {
    host.reset();
}
