// SPDX-License-Identifier: Apache-2.0
// The contenders of the C++ host: DirectHost::Send, and Pipeline in batches.
#include "contender.h"
#include "direct_host_type.h"
#include "pair.h"
#include "pipeline_loop.h"

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

// ---- A pipeline
// ----------------------------------------------------------------------------------

struct Pipelined {
    pipeline_loop loop;
    shm::Pipeline pipeline;
};

void *OpenPipeline(struct pair *pair, uint32_t, const struct payload *payload) {
    auto *opened = new Pipelined{};
    opened->loop.payload = payload;
    opened->loop.depth = pair->slots;
    opened->loop.halves = true;
    if (!opened->pipeline.Open(pair->direct->host, pair->slots, 0)) return opened;
    delete opened;
    return nullptr;
}

void ClosePipeline(void *state) {
    delete static_cast<Pipelined *>(state);
}

BENCH_ALWAYS_INLINE int SubmitMany(void *state, uint32_t count) {
    auto *opened = static_cast<Pipelined *>(state);
    uint32_t submitted;
    pipeline_prepare(&opened->loop, count);
    return opened->pipeline.SubmitMany(opened->loop.batch, count, submitted).Status();
}

BENCH_ALWAYS_INLINE int Reap(void *state) {
    auto *opened = static_cast<Pipelined *>(state);
    return opened->pipeline
        .Reap([opened](const shm::Completion &completion) {
            pipeline_note(&opened->loop, completion.tag, completion.error.Status(),
                          completion.response.data, completion.response.size);
        })
        .Status();
}

int RunPipeline(void *state, const struct payload *, uint64_t trips) {
    return pipeline_trips(SubmitMany, Reap, state, trips, nullptr);
}

} // namespace

const struct contender contender_send = {"C++ Send", CONTENDER_LIBRARY, false,     false,  Open,
                                         Close,      Send_run,          Send_time, nullptr};
const struct contender contender_pipeline_cpp = {"C++ pipeline", CONTENDER_LIBRARY, true,
                                                 false,          OpenPipeline,      ClosePipeline,
                                                 RunPipeline,    nullptr,           nullptr};
