// SPDX-License-Identifier: Apache-2.0
#include "progress.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include "../common/system.h"

#define TERMINAL_EVERY_NS UINT64_C(100000000)
#define OTHERWISE_EVERY_NS UINT64_C(1000000000)

static uint64_t last_shown;
static bool line_stands;

void progress_show(const char *format, ...) {
    bool terminal = isatty(STDERR_FILENO);
    uint64_t now = system_clock_ns();
    if (now - last_shown < (terminal ? TERMINAL_EVERY_NS : OTHERWISE_EVERY_NS)) return;
    last_shown = now;
    va_list values;
    if (terminal) fprintf(stderr, "\r\033[K");
    va_start(values, format);
    vfprintf(stderr, format, values);
    va_end(values);
    fputs(terminal ? "" : "\n", stderr);
    fflush(stderr);
    line_stands = terminal;
}

void progress_clear(void) {
    if (line_stands) fprintf(stderr, "\r\033[K");
    line_stands = false;
    fflush(stderr);
}
