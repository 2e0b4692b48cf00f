// SPDX-License-Identifier: Apache-2.0
// A host as the process tests use it: host_c.c is it over the C API, host_cpp.cpp over
// DirectHost.h. One host per process. Statuses are those of sipc_status.
#ifndef PROCESS_HOST_API_H
#define PROCESS_HOST_API_H

#include <stdint.h>
#include <stdlib.h>

#include <simpleipc/simpleipc.h>

#ifdef __cplusplus
extern "C" {
#endif

struct request {
    const uint8_t *data;
    uint32_t size;
    uint32_t message_id;
    uint32_t slot;       // or SIPC_ANY_SLOT
    uint64_t timeout_ns; // or SIPC_DEFAULT_TIMEOUT
    const char *guest;   // NULL: whoever serves
};

struct reply {
    uint8_t *data; // room of the caller's
    uint32_t capacity;
    uint32_t size;
};

// As the environment says: SEALED_FOLDER, where the region is offered, and SEALED_USER, the one
// other user who may attach.
static inline void seal_as_told(sipc_host_options *options) {
    static uint32_t user;
    const char *told = getenv("SEALED_USER");
    options->sealed_folder = getenv("SEALED_FOLDER");
    if (!told) return;
    char *end;
    user = (uint32_t)strtoul(told, &end, 10);
    options->guest_users = &user;
    options->guest_user_count = 1;
}

// PASS_DEADLINES, whose presence lets handlers see them.
static inline void pass_deadlines_as_told(sipc_host_options *options) {
    options->pass_deadlines = getenv("PASS_DEADLINES") ? 1 : 0;
}

sipc_status api_open(const char *name, uint32_t slots, uint32_t data_size, sipc_backend backend);
// Payload bytes of a request, and of a response.
uint32_t api_capacity(void);
uint32_t api_slots(void);
sipc_status api_call(const struct request *request, struct reply *reply);
// The same; also tells the response's message id.
sipc_status api_call_for_id(const struct request *request, struct reply *reply,
                            uint32_t *message_id);
// What the last failure in this thread was about.
const char *api_error_text(void);

// A slot held by one caller.
struct held;
sipc_status api_hold(uint32_t slot, uint64_t timeout_ns, struct held **held);
uint32_t api_held_slot(const struct held *held);
uint8_t *api_held_buffer(struct held *held);
sipc_status api_held_call(struct held *held, uint32_t message_id, uint32_t size,
                          uint64_t timeout_ns, const uint8_t **response, uint32_t *response_size);
sipc_status api_held_settle(struct held *held, uint64_t timeout_ns);
void api_release(struct held *held);

void api_shutdown(void);
// Shuts down and frees; api_open() may follow.
void api_close(void);

#ifdef __cplusplus
}
#endif

#endif
