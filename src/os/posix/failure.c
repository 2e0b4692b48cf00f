// SPDX-License-Identifier: Apache-2.0
#define _POSIX_C_SOURCE 200809L
#include "failure.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

sipc_status sipc_os_fail(sipc_status status, int error, const char *format, ...) {
    char what[256];
    char why[128];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(what, sizeof what, format, arguments);
    va_end(arguments);
    if (strerror_r(error, why, sizeof why) != 0) snprintf(why, sizeof why, "error %d", error);
    return sipc_fail(status, "%s failed: %s", what, why);
}
