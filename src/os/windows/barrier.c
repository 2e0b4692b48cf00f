// SPDX-License-Identifier: Apache-2.0
#include "../../internal/os.h"
#include "windows.h"

sipc_word sipc_os_barrier_is_remote = 1;

bool sipc_os_barrier_for_all(void) {
    FlushProcessWriteBuffers();
    return true;
}
