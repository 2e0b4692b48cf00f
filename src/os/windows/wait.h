// SPDX-License-Identifier: Apache-2.0
// Waiting for one handle until a deadline to the microsecond, which the system's own timeouts, in
// ticks of up to 16 ms, do not keep.
#ifndef SIPC_OS_WINDOWS_WAIT_H
#define SIPC_OS_WINDOWS_WAIT_H

#include "../../internal/os.h"

// Returns false when the deadline passed. handle NULL: waits for the deadline alone. May return
// true for no reason.
bool sipc_os_wait_handle(void *handle, uint64_t deadline);

#endif
