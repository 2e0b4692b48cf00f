// SPDX-License-Identifier: Apache-2.0
#include "../../internal/os.h"
#include "windows.h"

#include <bcrypt.h>

sipc_status sipc_os_random(uint64_t *value) {
    do {
        NTSTATUS status =
            BCryptGenRandom(NULL, (PUCHAR)value, sizeof *value, BCRYPT_USE_SYSTEM_PREFERRED_RNG);
        if (status < 0)
            return sipc_fail(SIPC_SYSTEM, "BCryptGenRandom failed: status 0x%08lx",
                             (unsigned long)status);
    } while (*value == 0);
    return SIPC_OK;
}
