// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include <sys/prctl.h>

#include "../../internal/os.h"

bool sipc_os_counter_is_allowed(void) {
    int how = 0;
    return prctl(PR_GET_TSC, &how, 0, 0, 0) == 0 && how == PR_TSC_ENABLE;
}
