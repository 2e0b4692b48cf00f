// SPDX-License-Identifier: Apache-2.0
// A host with four callers whose guests are killed. Each call must be answered rightly, or tell the
// guest's death soon after the kill, and none may take a second.
#ifndef FAULTS_CALLERS_UNDER_KILLS_H
#define FAULTS_CALLERS_UNDER_KILLS_H

#include "row.h"

enum { KILLS_SLOTS = 4 };

// Opens the region of row_region() with KILLS_SLOTS slots.
void kills_open(void);
void kills_start_callers(void);
// Notes the moment. What a call tells of a death counts from here.
void kills_note(void);
// Until the calls that the last kill has met have ended, so that the next kill's are told apart.
void kills_await_progress(void);
void kills_stop_callers(void);
// Each slot answers, and none is held.
void kills_expect_each_slot_to_serve(void);
void kills_close(void);
// A line of figures for this part of the row, which fails if a death was known too late or if the
// kills met too few calls.
void kills_result(const char *part, unsigned kills);

#endif
