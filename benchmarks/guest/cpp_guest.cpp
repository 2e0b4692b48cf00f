// SPDX-License-Identifier: Apache-2.0
// The C++ guest of the benchmark: the C guest with the library seen through shm::DirectGuest.
#include "DirectGuest.h"
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

} // namespace

int main(int count, char **values) {
    static const guest_face face = {"C++", Attach, Start, Detach};
    return guest_program(count, values, &face, nullptr);
}
