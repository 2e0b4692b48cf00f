// SPDX-License-Identifier: Apache-2.0
#ifndef SIPC_OS_POSIX_GUARD_H
#define SIPC_OS_POSIX_GUARD_H

#include <stddef.h>

#include "../../internal/atomics.h"
#include "../../internal/errors.h"

// A peer that may write a region may also cut its object short; the next access would end this
// process by SIGBUS. From here on such an access gives the object its size back, zeroed, and sets
// *lost.
sipc_status sipc_os_guard(int fd, void *base, size_t size, const sipc_word **lost);
void sipc_os_unguard(const void *base);

#endif
