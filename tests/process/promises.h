// SPDX-License-Identifier: Apache-2.0
// Promises: tests that run once for every pairing of a host and a guest. Each has a region name and
// a time limit of its own, and must leave nothing behind: no process, no object in shared memory,
// no descriptor.
#ifndef PROCESS_PROMISES_H
#define PROCESS_PROMISES_H

#include "cmocka_includes.h"
#include "harness.h"

// As in simpleipc.h, which the tests do not include: they see the processes only.
#define ANY_SLOT 4294967295u
enum { DEFAULT_BACKEND = 0, FUTEX_BACKEND = 1, SEMAPHORE_BACKEND = 2 };
enum { NOT_STARTED = 0, MAYBE_EXECUTED = 1 };
// How the host's callers get their slots, as in its commands.
enum { WAYS = 4 };
extern const char *const ways[WAYS];

struct pairing {
    const char *name;
    const char *host; // programs
    const char *guest;
    const char *semaphore_guest; // in Go one built with cgo
    bool go;                     // the guest is in Go
};

enum { PAIRINGS = 4 };
extern const struct pairing pairings[PAIRINGS];

// One run of a promise.
struct run {
    const struct promise *promise;
    const struct pairing *pairing;
    const char *guest_program; // the pairing's, unless the promise says otherwise
    char region[64];
    struct peer host;
    struct peer guest;
    struct peer other; // a second host or guest
    unsigned descriptors;
    bool kept;
};

enum audience {
    EVERY_PAIRING,
    WITH_C_GUESTS,
    WITH_GO_GUESTS,
    ONCE // with the first pairing, or with whatever it chooses
};

struct promise {
    const char *name;
    void (*keep)(struct run *run);
    unsigned seconds; // its time limit
    enum audience audience;
};

// Starts the host's process and creates the region.
void start_host(struct run *run, struct peer *host);
void open_region(struct run *run, struct peer *host, unsigned slots, unsigned data_size,
                 unsigned backend);
// Starts a guest's process; the arguments after its name, separated by spaces, at most five.
void start_guest(struct run *run, struct peer *guest, const char *arguments);
// Hears that it serves. Returns the number of its slots.
unsigned guest_serves(struct peer *guest);
// A host with this many slots and a guest that serves them all.
void start_pair(struct run *run, unsigned slots, unsigned data_size);
// Hears that the guest has ended in order, and sees its process end.
void guest_ends(struct peer *guest);
// Closes the region; the guest must end by itself, then the host at the end of its input. Both
// check that they hold no more than before.
void end_pair(struct run *run);
// The message id of a stamped request for a response of this size.
#define STAMPED(size) (0x10000000u + (size))
// The host calls through each slot, and from 1 and 4 threads at once: all is answered.
void full_service(struct peer *host, unsigned slots);

// Runs each promise for its audience, all of them within these seconds. Returns main's result.
int run_promises(const char *group, unsigned seconds, const struct promise *promises,
                 unsigned count);

#define COUNT_OF(array) ((unsigned)(sizeof(array) / sizeof(array)[0]))

#endif
