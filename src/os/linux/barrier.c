// SPDX-License-Identifier: Apache-2.0
// A barrier for all threads of this process. By number, since the C library has no function for it
// and may be older than the call.
#define _GNU_SOURCE
#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../../internal/os.h"

sipc_word sipc_os_barrier_is_remote;

// While there is one thread yet: with several it takes a grace period of the kernel, some 10 ms.
__attribute__((constructor)) static void ask_for_barriers(void) {
    long result = syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0);
    sipc_store_release(&sipc_os_barrier_is_remote, result == 0);
}

bool sipc_os_barrier_for_all(void) {
    return syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0) == 0;
}
