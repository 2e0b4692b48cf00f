// SPDX-License-Identifier: Apache-2.0
// Row 4: the creator of a region is killed at every point of its creation, while a guest tries to
// attach. No guest attaches to half a region, the next host starts at once, and what it closes
// leaves nothing behind.
#include "points/callers.h"
#include "points/visits.h"

static void creators_killed_at_any_point_leave_nothing(void) {
    row_begin("4", "creator killed at every step", 60, 1800);
    struct tour tour = {.kills = 0};
    for (unsigned i = 0; i < c_creators.count; i++) visit_points(&tour, &c_creators.scripts[i]);
    for (unsigned i = 0; i < c_creators.failing_count; i++)
        visit_points_after_failures(&tour, &c_creators.failing[i]);
    row_result("%zu points, %u creators killed there, %u stopped and then killed, %u delayed; 0 "
               "guests in half a region, each next start within 100 ms",
               tour.seen.count, tour.kills, tour.stops, tour.rests);
    remove_sealed_folder();
    names_free(&tour.seen);
    samples_free(&figures.known);
    row_end();
}

int main(void) {
    return row_main(creators_killed_at_any_point_leave_nothing);
}
