// SPDX-License-Identifier: Apache-2.0
// A host and a guest in this process.
#ifndef SIPC_TESTS_PAIR_H
#define SIPC_TESTS_PAIR_H

#include <simpleipc/simpleipc.h>

#include "threads.h"

#ifdef __cplusplus
extern "C" {
#endif

// As the program's first argument names it: "futex" or "semaphore"; the default without one.
sipc_backend backend_of_arguments(int count, char **arguments);
// The one that was named.
extern sipc_backend chosen_backend;

// One that the system has beside its default, or the only one.
sipc_backend other_backend(void);

// Sleeps at once: every wait needs its wake.
extern const sipc_wait_policy sleeper;

struct pair {
    const char *name;
    sipc_host *host;
    sipc_guest *guest;
};

// With the chosen backend, and the handler on every slot. A wait of NULL is the default policy.
void pair_open(struct pair *pair, uint32_t slots, uint32_t data_size, const sipc_wait_policy *wait,
               sipc_handler handler, void *context);
void pair_close(struct pair *pair);

// A host alone; a guest alone, without workers.
sipc_host *open_host(const char *name, uint32_t slots, uint32_t data_size,
                     const sipc_wait_policy *wait);
sipc_guest *attach_guest(const char *name, uint32_t workers);

// A call of these bytes without a response, of the normal message id.
sipc_status call_with(sipc_host *host, const void *request, uint32_t size, uint64_t timeout_ns);

// Gives up a call whose request is in its handler, which opens that gate: the attempt, a call with
// the timeout that it is given, is made again with twice the time until that is so. One that was
// not started may be sent again; so may one that was withdrawn just before its handler.
void give_up_in_handler(sipc_status (*attempt)(void *context, uint64_t timeout_ns), void *context,
                        uint64_t first_timeout_ns, struct gate *entered);

// The response is the request; and the response is empty.
sipc_status echo(void *context, const sipc_request *request, sipc_response *response);
sipc_status nod(void *context, const sipc_request *request, sipc_response *response);

#ifdef __cplusplus
}
#endif

#endif
