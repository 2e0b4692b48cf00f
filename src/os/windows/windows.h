// SPDX-License-Identifier: Apache-2.0
// What the files of this folder share: the system's header, without what it would drag in.
#ifndef SIPC_OS_WINDOWS_WINDOWS_H
#define SIPC_OS_WINDOWS_WINDOWS_H

#ifndef WIN32_LEAN_AND_MEAN
#define WIN32_LEAN_AND_MEAN
#endif
#ifndef _WIN32_WINNT
#define _WIN32_WINNT 0x0602 // WaitOnAddress
#endif
#include <windows.h>

#include "../../internal/errors.h"

// Leaves "WHAT failed: the system's text for this error (number)" and returns the status.
sipc_status sipc_os_fail(sipc_status status, DWORD error, const char *format, ...)
    SIPC_PRINTF(3, 4);

#endif
