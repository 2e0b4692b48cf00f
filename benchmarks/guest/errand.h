// SPDX-License-Identifier: Apache-2.0
// Calls of the host that the guest makes because the host asks for them (common/control.h).
#ifndef BENCH_ERRAND_H
#define BENCH_ERRAND_H

#include "../host/contender.h"

#ifdef __cplusplus
extern "C" {
#endif

// Makes the calls and tells how long they took.
sipc_status errand_run(sipc_guest *guest, run_trips *call, const sipc_request *request,
                       sipc_response *response);

// Any free slot, by the C API: the state is the guest.
int errand_call(void *guest, const struct payload *payload, uint64_t trips);

#ifdef __cplusplus
}
#endif

#endif
