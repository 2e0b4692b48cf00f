// SPDX-License-Identifier: Apache-2.0
// A region's objects as this system has them (spec 14).
#ifndef SIPC_OS_WINDOWS_OBJECT_H
#define SIPC_OS_WINDOWS_OBJECT_H

#include "../../internal/name.h"
#include "../../internal/os.h"
#include "windows.h"

// Room for "Local\simpleipc." + name + "." + 16 digits + "." + what + its NUL.
#define SIPC_KERNEL_NAME_SIZE (SIPC_OBJECT_NAME_SIZE + 48u)

struct sipc_os_held_claim {
    struct sipc_os_held_claim *next;
    uint32_t claim;
    HANDLE event;
};

// What a handle of struct sipc_os_object points at.
struct sipc_os_windows_object {
    char name[SIPC_OBJECT_NAME_SIZE]; // of the region, without what stands before it
    uint64_t instance;                // tells this region from others that had its name
    HANDLE name_section;              // the host's; NULL elsewhere, and once the name is removed
    HANDLE section;                   // NULL: not there yet
    HANDLE gate;                      // a mutex: who looks for a claim or takes one
    SRWLOCK lock;                     // guards the list
    struct sipc_os_held_claim *held;
};

static inline struct sipc_os_windows_object *
sipc_os_windows_object(const struct sipc_os_object *object) {
    return (struct sipc_os_windows_object *)object->handle;
}

// The name of one of the region's objects.
void sipc_os_kernel_name(const struct sipc_os_windows_object *object, const char *what,
                         char name[SIPC_KERNEL_NAME_SIZE]);

// Gives back every claim.
void sipc_os_unclaim_all(struct sipc_os_windows_object *object);

#endif
