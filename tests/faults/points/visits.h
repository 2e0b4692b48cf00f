// SPDX-License-Identifier: Apache-2.0
// Victims sent to every point that a script leads them to.
#ifndef SIPC_FAULT_VISITS_H
#define SIPC_FAULT_VISITS_H

#include "victim.h"

// What happens to a victim at its point.
enum fate_there {
    DIES_THERE,
    STOPS_THERE, // for a while, then dies there
    RESTS_THERE  // a delay, and goes on
};

struct visit {
    const char *point; // NULL: none; the victim runs to its end
    unsigned hit;
    enum fate_there fate;
    bool half_built; // a region that the victim creates is not complete there
};

struct script {
    const char *name;
    const char *program;
    const char *rules; // what else happens at its points; NULL: nothing
    const char
        *by_luck; // beginning of points that it hardly comes to, and others surely; may be NULL
    // Plays it once. Returns whether the victim came to its point.
    bool (*play)(const struct script *script, const struct visit *visit);
    int backend;
    bool again;  // its points are visited even if they were in another script
    bool fails;  // what the rules do keeps the victim from its work
    bool sealed; // the region is offered in sealed_folder()

    // Guests:
    const char *predecessor; // rules for one that dies before; NULL: nobody does
    bool quiet;              // nobody calls meanwhile
    const char *way;         // of waiting, as guest.c takes it; NULL: the usual
    bool leaves;             // handlers end their threads

    // Hosts:
    const char *const *lines; // what they are told
    bool stale;               // they find the region of another that was killed
};

struct tour {
    struct point_names seen; // in scripts so far
    bool seen_all_scripts;   // at least once
    unsigned kills, stops, rests;
};

// Plays the script once to see its points, then once for each of them that is new.
void visit_points(struct tour *tour, const struct script *script);

// Plays the script once for each of its allocations and system calls, which fails then, and visits
// the points that this leads to.
void visit_points_after_failures(struct tour *tour, const struct script *script);

// Starts a victim of the script with the rules for its visit.
void start_victim(struct peer *victim, const struct script *script, const struct visit *visit,
                  const char *name, const char *second);

struct scripts {
    const char *role;
    const struct script *scripts;
    unsigned count;
    const struct script *failing; // their calls fail
    unsigned failing_count;
};
extern const struct scripts c_guests, go_guests, c_hosts, c_creators;

// A folder of this process's own for sealed regions; and its end, when nothing may be left there.
const char *sealed_folder(void);
void remove_sealed_folder(void);

#endif
