// SPDX-License-Identifier: Apache-2.0
#include "internal/line_wait.h"

#include <stddef.h>

#include "internal/os.h"

#if defined(SIPC_HAS_LINE_WAITS)
#include <cpuid.h>

// Of the time stamp counter: between two looks at the clock, at whether somebody interrupts, and at
// a second line where the answer may stand.
#define REST_TICKS 20000u

// ---- UMWAIT: Intel -----------------------------------------------------------------------------

static void umonitor(const void *line) {
    __asm__ volatile("umonitor %0" : : "r"(line) : "memory");
}

// Into C0.1, out of which a processor comes soonest.
static void umwait(void) {
    const uint32_t state = 1;
    const uint64_t until = __builtin_ia32_rdtsc() + REST_TICKS;
    __asm__ volatile("umwait %0"
                     :
                     : "r"(state), "a"((uint32_t)until), "d"((uint32_t)(until >> 32))
                     : "memory", "cc");
}

const struct sipc_line_wait sipc_line_wait_umwait = {.watch = umonitor, .rest = umwait};

// ---- MWAITX: AMD -------------------------------------------------------------------------------

static void monitorx(const void *line) {
    const uint32_t extensions = 0, hints = 0;
    __asm__ volatile("monitorx" : : "a"(line), "c"(extensions), "d"(hints) : "memory");
}

// In C0, which is left soonest; ends by a timer too.
static void mwaitx(void) {
    const uint32_t state = 0xF0, timed = 2;
    __asm__ volatile("mwaitx" : : "a"(state), "b"(REST_TICKS), "c"(timed) : "memory");
}

const struct sipc_line_wait sipc_line_wait_mwaitx = {.watch = monitorx, .rest = mwaitx};

// ---- Which of them -----------------------------------------------------------------------------

#define EXTENDED UINT32_C(0x80000000)
#define FEATURES 7u
#define WAITPKG (UINT32_C(1) << 5) // of ecx
#define EXTENDED_FEATURES (EXTENDED + 1)
#define MONITORX (UINT32_C(1) << 29) // of ecx

// Leaves that a processor does not have say anything.
static uint32_t ecx_of(sipc_ask_processor *ask, uint32_t first, uint32_t leaf) {
    struct sipc_processor_says says;
    ask(first, &says);
    if (says.eax < leaf) return 0;
    ask(leaf, &says);
    return says.ecx;
}

const struct sipc_line_wait *sipc_line_wait_of(sipc_ask_processor *ask, bool counter_is_allowed) {
    if (counter_is_allowed && (ecx_of(ask, 0, FEATURES) & WAITPKG)) return &sipc_line_wait_umwait;
    if (ecx_of(ask, EXTENDED, EXTENDED_FEATURES) & MONITORX) return &sipc_line_wait_mwaitx;
    return NULL;
}

static void ask_this_processor(uint32_t leaf, struct sipc_processor_says *says) {
    __cpuid_count(leaf, 0, says->eax, says->ebx, says->ecx, says->edx);
}

const struct sipc_line_wait *sipc_line_wait(void) {
    // Asked once, or by several at once: in a virtual machine each question is an exit from it.
    enum { NOT_ASKED, NONE, UMWAIT, MWAITX };
    static sipc_word known;
    uint32_t found = sipc_load_relaxed(&known);
    if (found == NOT_ASKED) {
        const struct sipc_line_wait *wait =
            sipc_line_wait_of(ask_this_processor, sipc_os_counter_is_allowed());
        found = wait == &sipc_line_wait_umwait ? UMWAIT : wait ? MWAITX : NONE;
        sipc_store_relaxed(&known, found);
    }
    if (found == NONE) return NULL;
    return found == UMWAIT ? &sipc_line_wait_umwait : &sipc_line_wait_mwaitx;
}

#else

const struct sipc_line_wait *sipc_line_wait_of(sipc_ask_processor *ask, bool counter_is_allowed) {
    (void)ask;
    (void)counter_is_allowed;
    return NULL;
}

const struct sipc_line_wait *sipc_line_wait(void) {
    return NULL;
}

#endif
