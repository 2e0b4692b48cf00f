// SPDX-License-Identifier: Apache-2.0
// A connection's way to its guest. Connections of one process to the same guest share one host,
// which lives as long as one of them; each has a slot of its own.
#ifndef SQLITE_UDF_LINK_H
#define SQLITE_UDF_LINK_H

#include <simpleipc/simpleipc.h>

// How many connections of a process may have the same guest.
#define LINK_SLOTS 64u
// What the values of one call, and of its result, may take at the most.
#define LINK_CAPACITY 65536u

struct shared_host;

// Used by one thread at a time, as the connection that owns it.
struct link {
    struct shared_host *shared;
    sipc_session *session; // NULL: to be acquired by the next call
    uint64_t timeout_ns;   // of a call
};

// Creates the host of this name unless another link has done so.
sipc_status link_open(struct link *link, const char *name);
void link_close(struct link *link);

// Where to write the next request: LINK_CAPACITY bytes, 64-byte aligned, valid until link_call()
// returns. NULL: none is to be had, and sipc_error_text() says why.
void *link_request(struct link *link);

// Calls with the request that was written there. The response, or the text with
// SIPC_HANDLER_FAILED, is valid until the next request. After a failure the next call does not
// wait for what is left of this one.
sipc_status link_call(struct link *link, uint32_t message_id, uint32_t request_size,
                      const void **response, uint32_t *response_size);

#endif
