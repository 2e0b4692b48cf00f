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

// ---- Time --------------------------------------------------------------------------------------

#define SIPC_NEVER UINT64_MAX

// Monotonic nanoseconds, comparable between processes of this machine.
uint64_t sipc_os_now(void);
void sipc_os_sleep(uint64_t nanoseconds);
// Lets another thread run.
void sipc_os_yield(void);

// ---- Processors --------------------------------------------------------------------------------

#define SIPC_OS_MOST_PROCESSORS 1024u
#define SIPC_OS_CACHE_LEVELS 4u
#define SIPC_OS_NO_CACHE UINT32_MAX

// A processor, and what it shares with others: a name for its core and for its data cache of each
// level, the same for all that share it.
struct sipc_os_processor {
    uint32_t id;
    uint32_t core;
    uint32_t caches[SIPC_OS_CACHE_LEVELS]; // or SIPC_OS_NO_CACHE
};

// Those that the calling thread may run on, by their ids. Returns how many; 0: the system does not
// tell.
uint32_t sipc_os_processors(struct sipc_os_processor found[SIPC_OS_MOST_PROCESSORS]);
bool sipc_os_may_run_on(uint32_t processor);
// From here on the calling thread runs there, as do the threads that it starts.
// SIPC_INVALID_ARGUMENT.
sipc_status sipc_os_pin(uint32_t processor);
// Moves the calling thread to another one of those that it may run on, if there are any; it may run
// on all of them afterwards as before.
void sipc_os_move(void);

// Whether processes may read the processor's time stamp counter. Asked on x86 only.
bool sipc_os_counter_is_allowed(void);

// ---- The shared object of a region -------------------------------------------------------------

struct sipc_os_object {
    intptr_t handle;
};

// Creates exclusively with exactly this mode. SIPC_EXISTS if the name is taken.
sipc_status sipc_os_object_create(const char *name, uint32_t mode, struct sipc_os_object *object);
// SIPC_NO_HOST if there is none of this name.
sipc_status sipc_os_object_open(const char *name, struct sipc_os_object *object);
// The same for who only reads, and may claim nothing.
sipc_status sipc_os_object_open_to_read(const char *name, struct sipc_os_object *object);
// Gives back every claim made through this object.
void sipc_os_object_close(struct sipc_os_object *object);
// Whether the name that it was made with still leads to this object.
bool sipc_os_object_is_named(const struct sipc_os_object *object);
// Takes away the name that leads to this object. False: the system does not let this user. A name
// that is gone already is removed.
bool sipc_os_object_remove_name(struct sipc_os_object *object, const char *name);
// Allocates memory, zeroed, so that none can be missing later. SIPC_NO_SPACE.
sipc_status sipc_os_object_allocate(struct sipc_os_object *object, uint64_t size);
sipc_status sipc_os_object_size(const struct sipc_os_object *object, uint64_t *size);
// Whether it belongs to the user of this process.
sipc_status sipc_os_object_is_mine(const struct sipc_os_object *object, bool *mine);
// Tells those who watch its changes that something is new (spec 9.2).
void sipc_os_object_touch(const struct sipc_os_object *object);
// Reads without mapping: a short object is an error, not a fault.
sipc_status sipc_os_object_read(const struct sipc_os_object *object, void *to, size_t size);
// The same from an offset on.
sipc_status sipc_os_object_read_at(const struct sipc_os_object *object, void *to, size_t size,
                                   uint64_t offset);
// *lost becomes 1 when somebody has cut the object short and this process would have died of it.
sipc_status sipc_os_object_map(const struct sipc_os_object *object, uint64_t size, void **base,
                               const sipc_word **lost);
void sipc_os_unmap(void *base, uint64_t size);

// Sealed regions (spec 12): the object has no name; its host offers it at a socket in a folder.
struct sipc_os_offer;

// Where, and to whom beside the host's own user.
struct sipc_os_sealing {
    const char *folder; // NULL: the region is a named one
    const uint32_t *users;
    uint32_t user_count;
};

// Takes the name in the folder and makes the object, without memory yet. Guests wait until
// sipc_os_watch_offer(). SIPC_EXISTS if a host has the name; SIPC_FORBIDDEN if others could take
// it.
sipc_status sipc_os_offer_make(const char *name, const struct sipc_os_sealing *sealing,
                               struct sipc_os_object *object, struct sipc_os_offer **offer);
// As sipc_os_object_allocate(); from here on nobody changes the object's size.
sipc_status sipc_os_object_allocate_sealed(struct sipc_os_object *object, uint64_t size);
// Gives the name back; no guest gets the object any more. Twice does no harm.
void sipc_os_offer_withdraw(struct sipc_os_offer *offer);
// After the end of the watch that it was given to.
void sipc_os_offer_close(struct sipc_os_offer *offer);
// As a guest: one try to get the object from a host that is this user, or any. SIPC_NO_HOST if
// there is none yet, or it does not answer; that is waited for briefly, and hardly past the
// deadline.
sipc_status sipc_os_offer_fetch(const char *name, const char *folder, bool any_owner,
                                uint64_t deadline, struct sipc_os_object *object);

// Claims (spec 9): exclusive, kept by the kernel, gone with the process however it ends.
// Also exclusive between two objects opened in one process.
sipc_status sipc_os_claim(const struct sipc_os_object *object, uint32_t claim, bool *won);
void sipc_os_unclaim(const struct sipc_os_object *object, uint32_t claim);
sipc_status sipc_os_claimed_by_another(const struct sipc_os_object *object, uint32_t claim,
                                       bool *claimed);

// How many fork()s lie between this process and the one that was started: a handle of another
// process is useless here.
extern sipc_word sipc_os_fork_count;
static inline uint32_t sipc_os_forks(void) {
    return sipc_load_relaxed(&sipc_os_fork_count);
}

// Notices of death (spec 9). A watch is one blocked thread; it costs nothing while nobody dies.
struct sipc_os_watch;

// A process as others may know it: its id, and what tells whether the id means the same process
// here.
struct sipc_os_process {
    uint32_t id;
    uint64_t id_namespace;
};
struct sipc_os_process sipc_os_this_process(void);

// notice is called on the watch's thread, after a watched process has ended; it looks for itself
// who that was. May also be called when nobody has.
sipc_status sipc_os_watch_start(void (*notice)(void *), void *context,
                                struct sipc_os_watch **watch);
// Watches the process that holds this claim of the object. The process is a hint that may be wrong
// or gone by now: look at the claim after this. Watching what is watched already does nothing.
sipc_status sipc_os_watch_claim(struct sipc_os_watch *watch, const struct sipc_os_object *object,
                                uint32_t claim, const struct sipc_os_process *process);
// From here on notice is also called when a process has touched the object or has closed it. The
// close of one that ends comes a moment before its claims are free. False: the system does not
// tell.
bool sipc_os_watch_changes(struct sipc_os_watch *watch, const struct sipc_os_object *object);
// Hands an offer's object to those who connect, until it is withdrawn or the watch stops.
void sipc_os_watch_offer(struct sipc_os_watch *watch, struct sipc_os_offer *offer);
// No notice comes after this returns. NULL does nothing. Not to be called by notice.
void sipc_os_watch_stop(struct sipc_os_watch *watch);

sipc_status sipc_os_random(uint64_t *value);

// ---- Events: how two processes wake each other (spec 7) ----------------------------------------

enum sipc_side { SIPC_SIDE_CALLER, SIPC_SIDE_RESPONDER };

struct sipc_event {
    const struct sipc_os_backend *backend;
    void *handle;
};

struct sipc_os_backend {
    uint32_t id;
    // Makes or finds the event that wakes one side of one slot of the region of that name and
    // object. create: exclusive, stale ones removed.
    sipc_status (*create)(const struct sipc_os_object *object, const char *region, uint32_t slot,
                          enum sipc_side side, uint32_t mode, void **handle);
    sipc_status (*open)(const struct sipc_os_object *object, const char *region, uint32_t slot,
                        enum sipc_side side, void **handle);
    void (*close)(void *handle);
    void (*remove)(const char *region, uint32_t slot, enum sipc_side side);
    // Sleeps until woken, if the word still has the expected value; spurious returns are allowed.
    // Returns false when the deadline passed.
    bool (*sleep)(void *handle, sipc_word *word, uint32_t expected, uint64_t deadline);
    void (*wake)(void *handle, sipc_word *word);
};

// NULL for a backend that this system does not have. SIPC_BACKEND_DEFAULT is the system's best.
const struct sipc_os_backend *sipc_os_backend(uint32_t id);

// ---- Signals: what an application's own loop waits for -----------------------------------------

// On Linux a file descriptor, on Windows the handle of an event.
struct sipc_os_signal {
    intptr_t descriptor;
};

// Not set. A child of fork() does not have it.
sipc_status sipc_os_signal_make(struct sipc_os_signal *signal);
void sipc_os_signal_free(const struct sipc_os_signal *signal);
// From here on it is readable, until it is cleared. From any thread.
void sipc_os_signal_set(const struct sipc_os_signal *signal);
void sipc_os_signal_clear(const struct sipc_os_signal *signal);

// ---- Threads of this process -------------------------------------------------------------------

struct sipc_os_thread {
    uintptr_t handle;
};

// What a thread does: calls run, then ended; ended also if run does not return because something
// that it calls ends the thread, then perhaps on another thread.
struct sipc_os_work {
    void (*run)(void *context);
    void (*ended)(void *context);
    void *context;
};

// Starts a thread for this work, which stays where it is until ended was called. A thread that
// ended starts then joins this one. The thread itself neither allocates nor frees: its first use of
// the allocator would give it memory of its own for good.
sipc_status sipc_os_thread_start(const struct sipc_os_work *work);
struct sipc_os_thread sipc_os_this_thread(void);
void sipc_os_thread_join(struct sipc_os_thread thread);

// A variable whose function is called with its address when its scope is left: also by a C++
// exception, and where the system unwinds a thread that ends, by that.
#define SIPC_FINALLY(function) __attribute__((cleanup(function)))

// 1: who must not be overlooked makes the barrier for all threads of this process, and the others
// need none between a store and a load after it. 0: this system knows of no such thing.
extern sipc_word sipc_os_barrier_is_remote;
// Each thread of this process has executed a full barrier between this call and its return. False:
// the system refused it, which it may do from one moment to the next.
bool sipc_os_barrier_for_all(void);

// Sleeps while the private word has this value. Returns false when the deadline passed.
bool sipc_os_park(sipc_word *word, uint32_t value, uint64_t deadline);
void sipc_os_unpark(sipc_word *word, uint32_t how_many);

#endif
