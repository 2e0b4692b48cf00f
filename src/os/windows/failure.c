// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "windows.h"

sipc_status sipc_os_fail(sipc_status status, DWORD error, const char *format, ...) {
    char what[256];
    char why[128];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(what, sizeof what, format, arguments);
    va_end(arguments);
    DWORD size = FormatMessageA(FORMAT_MESSAGE_FROM_SYSTEM | FORMAT_MESSAGE_IGNORE_INSERTS, NULL,
                                error, 0, why, sizeof why, NULL);
    // The system ends its texts with a full stop and a line break.
    while (size > 0 && (strchr("\r\n. ", why[size - 1]))) size--;
    why[size] = 0;
    return sipc_fail(status, "%s failed: %s (%lu)", what, why, (unsigned long)error);
}
