// SPDX-License-Identifier: Apache-2.0
// A guest of the process tests that keeps requests to its host in flight: pipeliner_c.c is it over
// the C API, pipeliner_cpp.cpp over DirectGuest.h. One per process.
#ifndef PROCESS_PIPELINER_H
#define PROCESS_PIPELINER_H

#include <stdint.h>

#include <simpleipc/simpleipc.h>

#ifdef __cplusplus
extern "C" {
#endif

// Hears what became of a request.
void pipeliner_told(uint64_t tag, sipc_status status, const void *response, uint32_t size);

sipc_status pipeliner_open(const char *name, uint32_t depth);
sipc_status pipeliner_submit(uint32_t message_id, const void *request, uint32_t size, uint64_t tag);
uint32_t pipeliner_in_flight(void);
// Waits for one completion at least.
sipc_status pipeliner_reap(void);
void pipeliner_close(void);

#ifdef __cplusplus
}
#endif

#endif
