// SPDX-License-Identifier: Apache-2.0
#include "wait.h"

#include "windows.h"

#ifndef CREATE_WAITABLE_TIMER_HIGH_RESOLUTION
#define CREATE_WAITABLE_TIMER_HIGH_RESOLUTION 0x00000002
#endif

// The system counts timers in units of 100 ns; a negative time is one from now.
#define TIMER_UNIT_NS 100u
// Longer waits are made of several.
#define LONGEST_WAIT_NS UINT64_C(3600000000000)

static HANDLE make_timer(void) {
    HANDLE timer =
        CreateWaitableTimerExW(NULL, NULL, CREATE_WAITABLE_TIMER_HIGH_RESOLUTION, TIMER_ALL_ACCESS);
    // Systems before Windows 10 1803 have none of high resolution.
    return timer ? timer : CreateWaitableTimerExW(NULL, NULL, 0, TIMER_ALL_ACCESS);
}

// Without a timer the system's ticks have to do: late, but not lost.
static void wait_by_ticks(HANDLE handle, uint64_t left) {
    DWORD milliseconds = (DWORD)((left + 999999) / 1000000);
    if (handle)
        WaitForSingleObject(handle, milliseconds);
    else
        Sleep(milliseconds);
}

static void wait_at_most(HANDLE handle, uint64_t left) {
    if (left > LONGEST_WAIT_NS) left = LONGEST_WAIT_NS;
    HANDLE timer = make_timer();
    LARGE_INTEGER due = {.QuadPart = -(LONGLONG)(left / TIMER_UNIT_NS + 1)};
    if (!timer || !SetWaitableTimer(timer, &due, 0, NULL, NULL, FALSE)) {
        wait_by_ticks(handle, left);
    } else if (handle) {
        HANDLE both[] = {handle, timer};
        WaitForMultipleObjects(2, both, FALSE, INFINITE);
    } else {
        WaitForSingleObject(timer, INFINITE);
    }
    if (timer) CloseHandle(timer);
}

bool sipc_os_wait_handle(void *handle, uint64_t deadline) {
    if (deadline == SIPC_NEVER) {
        WaitForSingleObject(handle, INFINITE);
        return true;
    }
    uint64_t now = sipc_os_now();
    // An event that is set already must be seen even at the deadline.
    if (now >= deadline) return handle && WaitForSingleObject(handle, 0) == WAIT_OBJECT_0;
    wait_at_most(handle, deadline - now);
    return sipc_os_now() < deadline;
}
