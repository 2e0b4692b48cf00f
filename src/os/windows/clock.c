// SPDX-License-Identifier: Apache-2.0
#include "../../internal/os.h"
#include "wait.h"
#include "windows.h"

#define NS_PER_SECOND UINT64_C(1000000000)

// The counter has no shorter name for "the same in all processes of this machine".
uint64_t sipc_os_now(void) {
    LARGE_INTEGER frequency;
    LARGE_INTEGER now;
    QueryPerformanceFrequency(&frequency);
    QueryPerformanceCounter(&now);
    uint64_t per_second = (uint64_t)frequency.QuadPart;
    uint64_t seconds = (uint64_t)now.QuadPart / per_second;
    uint64_t rest = (uint64_t)now.QuadPart % per_second;
    return seconds * NS_PER_SECOND + rest * NS_PER_SECOND / per_second;
}

void sipc_os_sleep(uint64_t nanoseconds) {
    const uint64_t until = sipc_os_now() + nanoseconds;
    while (sipc_os_wait_handle(NULL, until)) {
    }
}

void sipc_os_yield(void) {
    SwitchToThread();
}

bool sipc_os_counter_is_allowed(void) {
    return true;
}
