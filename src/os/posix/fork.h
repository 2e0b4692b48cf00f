// SPDX-License-Identifier: Apache-2.0
#ifndef SIPC_OS_POSIX_FORK_H
#define SIPC_OS_POSIX_FORK_H

#include "../../internal/errors.h"

// A child made by fork() shares our open file descriptions and would keep our claims after our
// death: it closes these.
sipc_status sipc_os_close_in_child(int fd);
void sipc_os_forget_in_child(int fd);

// Between these two no child is made by fork(): for descriptions that a child must not even share
// for a moment. Only brief work that does not wait; of the above only the one that says so.
void sipc_os_fork_lock(void);
void sipc_os_fork_unlock(void);
sipc_status sipc_os_close_in_child_locked(int fd);

#endif
