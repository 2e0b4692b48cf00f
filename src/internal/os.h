// SPDX-License-Identifier: Apache-2.0
// The contract with the operating system. Everything that differs between systems stands behind
// this header, one folder per system under src/os/. Nothing else makes a system call.
//
// A function that fails has left a text by sipc_fail() and has changed nothing.
#ifndef SIPC_INTERNAL_OS_H
#define SIPC_INTERNAL_OS_H

#include <stddef.h>

#include <simpleipc/simpleipc.h>

#include "atomics.h"

// ---- Time -------------------------------------------------------------------------------------

#define SIPC_NEVER UINT64_MAX

// Monotonic nanoseconds, comparable between processes of this machine.
uint64_t sipc_os_now(void);
void sipc_os_sleep(uint64_t nanoseconds);
// Lets another thread run.
void sipc_os_yield(void);

// ---- The shared object of a region ------------------------------------------------------------

struct sipc_os_object {
    intptr_t handle;
};

// Creates exclusively with exactly this mode. SIPC_EXISTS if the name is taken.
sipc_status sipc_os_object_create(const char *name, uint32_t mode, struct sipc_os_object *object);
// SIPC_NO_HOST if there is none of this name.
sipc_status sipc_os_object_open(const char *name, struct sipc_os_object *object);
// Gives back every claim made through this object.
void sipc_os_object_close(struct sipc_os_object *object);
// Whether the name that it was made with still leads to this object.
bool sipc_os_object_is_named(const struct sipc_os_object *object);
void sipc_os_object_remove_name(const char *name);
// Allocates memory, zeroed, so that none can be missing later. SIPC_NO_SPACE.
sipc_status sipc_os_object_allocate(struct sipc_os_object *object, uint64_t size);
sipc_status sipc_os_object_size(const struct sipc_os_object *object, uint64_t *size);
// Whether it belongs to the user of this process.
sipc_status sipc_os_object_is_mine(const struct sipc_os_object *object, bool *mine);
// Reads without mapping: a short object is an error, not a fault.
sipc_status sipc_os_object_read(const struct sipc_os_object *object, void *to, size_t size);
sipc_status sipc_os_object_map(const struct sipc_os_object *object, uint64_t size, void **base);
void sipc_os_unmap(void *base, uint64_t size);

// Claims (spec 9): exclusive, kept by the kernel, gone with the process however it ends.
// Also exclusive between two objects opened in one process.
sipc_status sipc_os_claim(const struct sipc_os_object *object, uint32_t claim, bool *won);
void sipc_os_unclaim(const struct sipc_os_object *object, uint32_t claim);
sipc_status sipc_os_claimed_by_another(const struct sipc_os_object *object, uint32_t claim,
                                       bool *claimed);

uint32_t sipc_os_process_id(void);
sipc_status sipc_os_random(uint64_t *value);

// ---- Events: how two processes wake each other (spec 7) ----------------------------------------

enum sipc_side { SIPC_SIDE_CALLER, SIPC_SIDE_RESPONDER };

struct sipc_event {
    const struct sipc_os_backend *backend;
    void *handle;
};

struct sipc_os_backend {
    uint32_t id;
    // Makes or finds the event that wakes one side of one slot. create: exclusive, stale ones
    // removed.
    sipc_status (*create)(const char *region, uint32_t slot, enum sipc_side side, void **handle);
    sipc_status (*open)(const char *region, uint32_t slot, enum sipc_side side, void **handle);
    void (*close)(void *handle);
    void (*remove)(const char *region, uint32_t slot, enum sipc_side side);
    // Sleeps until woken, if the word still has the expected value; spurious returns are allowed.
    // Returns false when the deadline passed.
    bool (*sleep)(void *handle, sipc_word *word, uint32_t expected, uint64_t deadline);
    void (*wake)(void *handle, sipc_word *word);
};

// NULL for a backend that this system does not have. SIPC_BACKEND_DEFAULT is the system's best.
const struct sipc_os_backend *sipc_os_backend(uint32_t id);

// ---- Threads of this process --------------------------------------------------------------------

struct sipc_os_thread {
    uintptr_t handle;
};

sipc_status sipc_os_thread_start(struct sipc_os_thread *thread, void (*run)(void *), void *context);
void sipc_os_thread_join(struct sipc_os_thread thread);

// Sleeps while the private word has this value. Returns false when the deadline passed.
bool sipc_os_park(sipc_word *word, uint32_t value, uint64_t deadline);
void sipc_os_unpark(sipc_word *word, uint32_t how_many);

#endif
