// SPDX-License-Identifier: Apache-2.0
#ifndef SIPC_OS_POSIX_FAILURE_H
#define SIPC_OS_POSIX_FAILURE_H

#include "../../internal/errors.h"

// Leaves "WHAT failed: the system's text for this errno value" and returns the status.
sipc_status sipc_os_fail(sipc_status status, int error, const char *format, ...) SIPC_PRINTF(3, 4);

#endif
