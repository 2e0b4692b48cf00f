// SPDX-License-Identifier: Apache-2.0
// The C++ host, for the C part of this program: the region is created by shm::DirectHost.
#ifndef BENCH_DIRECT_HOST_H
#define BENCH_DIRECT_HOST_H

#include "simpleipc/simpleipc.h"

#ifdef __cplusplus
extern "C" {
#endif

struct direct_host;

// NULL: see sipc_error_text().
struct direct_host *direct_host_create(const char *name, uint32_t slots, uint32_t data_size,
                                       const sipc_host_options *options);
// The C API's handle of the same host.
sipc_host *direct_host_handle(const struct direct_host *host);
void direct_host_close(struct direct_host *host);

#ifdef __cplusplus
}
#endif

#endif
