// SPDX-License-Identifier: Apache-2.0
#ifndef SIPC_OS_POSIX_SEMAPHORE_H
#define SIPC_OS_POSIX_SEMAPHORE_H

#include "../../internal/os.h"

extern const struct sipc_os_backend sipc_os_semaphore_backend;

#endif
