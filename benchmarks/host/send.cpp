// SPDX-License-Identifier: Apache-2.0
// The contender of the C++ host: DirectHost::Send.
#include "DirectHost.h"
#include "contender.h"
#include "direct_host.h"
#include "pair.h"

struct direct_host {
    shm::DirectHost host;
};

direct_host *direct_host_create(const char *name, uint32_t slots, uint32_t data_size,
                                const sipc_host_options *options) {
    auto *created = new direct_host;
    shm::Options given;
    static_cast<sipc_host_options &>(given) = *options;
    if (created->host.Create(name, slots, data_size, given)) {
        delete created;
        return nullptr;
    }
    return created;
}

sipc_host *direct_host_handle(const direct_host *host) {
    return host->host.Handle();
}

void direct_host_close(direct_host *host) {
    delete host;
}

namespace {

struct Sender {
    shm::DirectHost &host;
    std::vector<uint8_t> response;
};

void *Open(struct pair *pair, uint32_t, const struct payload *) {
    return new Sender{pair->direct->host, {}};
}

void Close(void *state) {
    delete static_cast<Sender *>(state);
}

BENCH_ALWAYS_INLINE int Trip(void *state, const struct payload *payload, const uint8_t *request,
                             const uint8_t **response) {
    auto *sender = static_cast<Sender *>(state);
    int got = sender->host.Send(request, payload->size, payload->message_id, sender->response);
    *response = sender->response.data();
    return got;
}
BENCH_LOOPS(Send, Trip)

} // namespace

const struct contender contender_send = {"C++ Send", CONTENDER_LIBRARY, Open,
                                         Close,      Send_run,          Send_time};
