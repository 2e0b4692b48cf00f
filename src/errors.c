// SPDX-License-Identifier: Apache-2.0
// Statuses: their names, messages and fates, and the text of a thread's last failure.
#include "internal/errors.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static _Thread_local char last_error[512];

static const struct {
    sipc_status status;
    sipc_fate fate;
    const char *name;
    const char *message;
} statuses[] = {
#define ROW(name, value, fate, message) {SIPC_##name, SIPC_FATE_##fate, "SIPC_" #name, message},
    SIPC_STATUS_TABLE(ROW)
#undef ROW
};

#define STATUS_COUNT ((int)(sizeof statuses / sizeof statuses[0]))

// The table's values run 0, -1, -2, ...: a status is its own index.
static int index_of(sipc_status status) {
    if (status > 0 || status <= -STATUS_COUNT) return -1;
    return -(int)status;
}

sipc_fate sipc_status_fate(sipc_status status) {
    int index = index_of(status);
    return index < 0 ? SIPC_FATE_MAYBE_EXECUTED : statuses[index].fate;
}

const char *sipc_status_name(sipc_status status) {
    int index = index_of(status);
    return index < 0 ? "SIPC_UNKNOWN_STATUS" : statuses[index].name;
}

const char *sipc_status_message(sipc_status status) {
    int index = index_of(status);
    return index < 0 ? "not a status of this library" : statuses[index].message;
}

const char *sipc_error_text(void) {
    return last_error;
}

#define TEXT(number) #number
#define VERSION_TEXT(major, minor, patch) TEXT(major) "." TEXT(minor) "." TEXT(patch)

const char *sipc_version(void) {
    return VERSION_TEXT(SIPC_VERSION_MAJOR, SIPC_VERSION_MINOR, SIPC_VERSION_PATCH);
}

void sipc_note_failure(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(last_error, sizeof last_error, format, arguments);
    va_end(arguments);
    if (length >= (int)sizeof last_error) memcpy(last_error + sizeof last_error - 4, "...", 4);
}
