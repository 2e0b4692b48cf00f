// SPDX-License-Identifier: Apache-2.0
// Callers of a host in this process, which goes on while its guests die: what they were told about
// each call must fit how often guests have begun it.
#ifndef SIPC_FAULT_CALLERS_H
#define SIPC_FAULT_CALLERS_H

#include <simpleipc/simpleipc.h>

#include "../row.h"

enum { HOST_SLOTS = 2 };

// Creates the region row_region() + suffix, the file of counts for its guests, and looks into the
// region beside the host.
void host_open(const char *suffix, sipc_backend backend);
void host_close(void);
// The name and the file only, for a host in another process.
void host_name_only(const char *suffix);
void host_forget_name(void);
const char *host_region(void);
const char *host_counts(void);

// Callers: one of each slot, and one of any. Calls take up to a second, and some much less. None of
// them may find its guest dead but after death_expected(), and that within 0.1 s.
void callers_start(void);
// One more, whose requests make handlers fail or end their threads. Before callers_stop().
void leaver_start(void);
void callers_stop(void);
// From here on a call may end because of a death at that time; 0: its time is not known.
void death_expected(uint64_t at_us);
// What a failure tells of the time in which it happened.
void callers_told(const char *script, const char *point);
// No guest is about to die from here on.
void no_death_expected(void);

// Takes note of the words of all slots.
void note_words(void);
// Takes note of the requests that have come since then to a guest that says that it serves the
// slot, and stand there unanswered.
void note_requests(void);
// Whether the callers of those requests have left them.
bool requests_are_given_up(void);

// One short call through the first slot, whatever becomes of it.
void call_once(void);
// Every slot takes a call, then all of them are held at once.
void expect_full_service(void);
// What became of each call is what it was told. Calls must have ended.
void audit(void);

struct figures {
    uint64_t answered, not_started, maybe_executed, timed_out;
    uint64_t longest_us;
    struct samples known; // from a death to the return of a call that it ended
};
extern struct figures figures;

#endif
