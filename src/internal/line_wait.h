// SPDX-License-Identifier: Apache-2.0
// Resting until a line is written: the processor watches the line and does nothing meanwhile,
// instead of looking at it again and again (UMONITOR and UMWAIT, or MONITORX and MWAITX). Not every
// processor has that, and a system may forbid it.
#ifndef SIPC_INTERNAL_LINE_WAIT_H
#define SIPC_INTERNAL_LINE_WAIT_H

#include "atomics.h"

struct sipc_line_wait {
    // A write to the line after this ends the next rest; so look at the line in between.
    void (*watch)(const void *line);
    // Ends by that, by an interrupt of the processor, after some 10 us, or for no reason.
    void (*rest)(void);
};

// What this processor and this system have, or NULL.
const struct sipc_line_wait *sipc_line_wait(void);

// ---- How that is found -------------------------------------------------------------------------

// Where the instructions are built in at all.
#if defined(__x86_64__) && defined(__GNUC__)
#define SIPC_HAS_LINE_WAITS
#endif

extern const struct sipc_line_wait sipc_line_wait_umwait, sipc_line_wait_mwaitx;

// What a processor says of itself: the registers after CPUID.
struct sipc_processor_says {
    uint32_t eax, ebx, ecx, edx;
};
typedef void sipc_ask_processor(uint32_t leaf, struct sipc_processor_says *says);

// Of a processor that answers so. UMWAIT ends by the time stamp counter, which a system may keep
// from its processes.
const struct sipc_line_wait *sipc_line_wait_of(sipc_ask_processor *ask, bool counter_is_allowed);

#endif
