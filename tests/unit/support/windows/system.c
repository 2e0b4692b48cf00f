// SPDX-License-Identifier: Apache-2.0
#include "../system.h"

#include <malloc.h>
#include <stdio.h>
#include <string.h>

#include "os/windows/windows.h"

#include <tlhelp32.h>

#include "../descriptor.h"
#include "../left_behind.h"
#include "../pair.h"
#include "../private_shm.h"
#include "../threads.h"

static unsigned threads_of_this_process(void) {
    HANDLE snapshot = CreateToolhelp32Snapshot(TH32CS_SNAPTHREAD, 0);
    assert_true(snapshot != INVALID_HANDLE_VALUE);
    THREADENTRY32 entry = {.dwSize = sizeof entry};
    unsigned count = 0;
    for (BOOL more = Thread32First(snapshot, &entry); more; more = Thread32Next(snapshot, &entry))
        if (entry.th32OwnerProcessID == GetCurrentProcessId()) count++;
    CloseHandle(snapshot);
    return count;
}

// Names are gone with the last handle, which is counted.
struct inventory take_inventory(const char *text) {
    (void)text;
    DWORD handles = 0;
    assert_true(GetProcessHandleCount(GetCurrentProcess(), &handles));
    return (struct inventory){.handles = handles, .threads = threads_of_this_process()};
}

static void CALLBACK never_called(void *context, BOOLEAN timed_out) {
    (void)context;
    (void)timed_out;
}

// Those of the pool that waits for handles end some seconds after the last wait, unless there is
// one that lasts.
void let_system_threads_start(void) {
    HANDLE never = CreateEventA(NULL, TRUE, FALSE, NULL);
    HANDLE registration;
    assert_non_null(never);
    assert_true(RegisterWaitForSingleObject(&registration, never, never_called, NULL, INFINITE,
                                            WT_EXECUTEONLYONCE));
}

static uint64_t number_of(const FILETIME *time) {
    return (uint64_t)time->dwHighDateTime << 32 | time->dwLowDateTime;
}

// The system counts 100 ns.
uint64_t unrest_so_far(void) {
    FILETIME began, ended, kernel, user;
    assert_true(GetProcessTimes(GetCurrentProcess(), &began, &ended, &kernel, &user));
    return (number_of(&kernel) + number_of(&user)) / 1000;
}

sipc_backend other_backend(void) {
    return SIPC_BACKEND_WINDOWS_EVENT;
}

bool threads_are_unwound(void) {
    return false;
}

// A name is of this session, and no other test has the sample's.
void enter_private_shm(const char *size) {
    (void)size;
}

void *allocate_lines(size_t size) {
    void *memory = _aligned_malloc(size, SIPC_LINE_SIZE);
    assert_non_null(memory);
    memset(memory, 0, size);
    return memory;
}

void free_lines(void *memory) {
    _aligned_free(memory);
}

void open_nameless_twice(struct sipc_os_object *one, struct sipc_os_object *other) {
    // Here an object has a name: one that nobody else has.
    char name[80];
    snprintf(name, sizeof name, "/simpleipc.%s", fresh_name());
    assert_int_equal(sipc_os_object_create(name, 0600, one), SIPC_OK);
    assert_int_equal(sipc_os_object_open(name, other), SIPC_OK);
}

void close_nameless(struct sipc_os_object *object) {
    sipc_os_object_close(object);
}

bool descriptor_is_ready(intptr_t descriptor, int milliseconds) {
    const DWORD limit = milliseconds == WITHOUT_END ? INFINITE : (DWORD)milliseconds;
    return WaitForSingleObject((HANDLE)descriptor, limit) == WAIT_OBJECT_0;
}
