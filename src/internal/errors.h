// SPDX-License-Identifier: Apache-2.0
#ifndef SIPC_INTERNAL_ERRORS_H
#define SIPC_INTERNAL_ERRORS_H

#include <simpleipc/simpleipc.h>

#if defined(__GNUC__)
#define SIPC_PRINTF(text, first) __attribute__((format(printf, text, first)))
#else
#define SIPC_PRINTF(text, first)
#endif

// Leaves the text for sipc_error_text() and returns the status, so that a failure is one line.
sipc_status sipc_fail(sipc_status status, const char *format, ...) SIPC_PRINTF(2, 3);

#endif
