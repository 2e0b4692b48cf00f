// SPDX-License-Identifier: Apache-2.0
#ifndef SIPC_INTERNAL_ERRORS_H
#define SIPC_INTERNAL_ERRORS_H

#include <simpleipc/simpleipc.h>

#if defined(__clang__)
#define SIPC_PRINTF(text, first) __attribute__((format(printf, text, first)))
#elif defined(__GNUC__)
// The C standard's formats, also where the system's own differ.
#define SIPC_PRINTF(text, first) __attribute__((format(gnu_printf, text, first)))
#else
#define SIPC_PRINTF(text, first)
#endif

// Leaves the text for sipc_error_text(); one that is too long ends with "...".
void sipc_note_failure(const char *format, ...) SIPC_PRINTF(1, 2);

// A failure in one line: leaves the text and is the status.
#define sipc_fail(status, ...) (sipc_note_failure(__VA_ARGS__), (status))

#endif
