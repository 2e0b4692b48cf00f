// SPDX-License-Identifier: Apache-2.0
// The C++ guest of the benchmark: the C guest with the library seen through shm::DirectGuest.
#include "DirectGuest.h"
#include "errand.h"
#include "guest.h"

namespace {

shm::DirectGuest direct;

sipc_status Attach(const char *region, const sipc_guest_options *options, sipc_guest **guest) {
    shm::GuestOptions given;
    static_cast<sipc_guest_options &>(given) = *options;
    shm::Error error = direct.Attach(region, given);
    *guest = direct.Handle();
    return error.Status();
}

sipc_status Start(sipc_guest *, sipc_handler handler, void *context) {
    return direct
        .Start([handler, context](const sipc_request &request, sipc_response &response) {
            return handler(context, &request, &response);
        })
        .Status();
}

sipc_status Detach(sipc_guest *) {
    return direct.Detach().Status();
}

BENCH_ALWAYS_INLINE int CallTrip(void *state, const struct payload *payload, const uint8_t *request,
                                 const uint8_t **response) {
    auto *kept = static_cast<std::vector<uint8_t> *>(state);
    const shm::Error error = direct.Call(request, payload->size, payload->message_id, *kept);
    if (error) return error.Status();
    *response = kept->data();
    return static_cast<int>(kept->size());
}

int Call(void *, const struct payload *payload, uint64_t trips) {
    std::vector<uint8_t> response;
    return bench_run(CallTrip, &response, payload, trips);
}

} // namespace

int main(int count, char **values) {
    static const guest_face face = {"C++", Attach, Start, Detach, Call};
    return guest_program(count, values, &face, nullptr);
}
