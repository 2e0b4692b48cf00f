// SPDX-License-Identifier: Apache-2.0
// Row 2: guests and hosts are killed at every fault point, before and after each store to shared
// memory, compare-and-swap, allocation and system call. Each point was visited by somebody, here or
// in the row that is named for it.
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "points/callers.h"
#include "points/visits.h"

enum { MOST_ROUNDS = 20 };

// Where the points are visited that no script of this row leads to. The text is a beginning.
static const struct {
    const char *point, *visited;
} elsewhere[] = {
    {"dispatch.c:sipc_dispatcher_create:malloc", "unit.messages_reach_their_handlers"},
    {"fork.c:in_child:", "row 15 and unit.children_do_not_share_handles"},
    {"os_changes_linux.go:object.watchChanges:unix.Close",
     "nowhere: an object that is open cannot be watched"},
    {"watch.c:notifier_of:close", "nowhere: an object that is open cannot be watched"},
    {"wait.c:rest_at_line:", "unit.waiting_rests_at_a_line: few processors can"},
    {"guard.c:on_bus_error:sigaction", "unit.regions_cut_short_are_an_error"},
    {"counters.c:sipc_counters_open:calloc", "unit.counters_are_exact_at_rest"},
    {"responder.c:sample_end:", "unit.counters_are_exact_at_rest: a thousand calls to one guest"},
    {"object.c:open_object:close 2", "row 13: a name that leads to no object"},
    {"sealed_fetch.c:check_host:geteuid 2", "process.sealed_regions_serve_too: another user"},
    {"sealed_fetch.c:check_message:geteuid", "process.sealed_regions_serve_too: another user"},
    {"sealed_socket.c:every_user_is_known:", "process.sealed_regions_serve_too: user namespaces"},
    {"sealed_offer.c:check_folder:geteuid", "process.sealed_regions_serve_too: another user"},
    {"sealed_offer.c:remove_stale:close", "process.sealed_regions_serve_too: two hosts"},
    {"semaphore_backend.c:make:shm_unlink", "unit.failures_leave_nothing_behind.semaphore"},
    {"sealed_offer.c:make_memfd:memfd_create 2", "nowhere: kernels before 6.3"},
    {"sealed_offer.c:make_socket:close", "nowhere: no memory for the 17th descriptor"},
    // What streams store is private; the shared stores are those of pipelines and responders.
    {"stream_intake.c:make_room:realloc", "unit.streams_carry_more_than_a_slot"},
    {"stream_intake.c:sipc_stream_intake_keep:malloc", "unit.streams_carry_more_than_a_slot"},
    {"streams.c:add:sipc_add_barrier &streams->open", "unit.streams_carry_more_than_a_slot"},
    {"streams.c:answer_open:calloc", "unit.streams_carry_more_than_a_slot"},
    {"streams.c:enter:sipc_exchange_acquire &stream->lock", "unit.streams_carry_more_than_a_slot"},
    {"streams.c:finish:sipc_subtract_barrier &streams->open",
     "unit.streams_carry_more_than_a_slot"},
    {"streams.c:ring:sipc_add_barrier &streams->alarm", "unit.streams_carry_more_than_a_slot"},
    {"streams.c:sipc_streams_create:calloc", "unit.streams_carry_more_than_a_slot"},
    {"streams.c:sipc_streams_create:malloc", "unit.streams_carry_more_than_a_slot"},
    {"streams.c:sipc_streams_free:sipc_store_release &streams->stopping",
     "unit.streams_carry_more_than_a_slot"},
    {"streams.c:sipc_streams_look:sipc_store_release &streams->suspicious",
     "unit.streams_carry_more_than_a_slot"},
    {"streams.c:start_watching:sipc_store_release &streams->running",
     "unit.streams_carry_more_than_a_slot"},
    {"streams.c:watch:sipc_exchange_acquire &streams->suspicious",
     "unit.streams_carry_more_than_a_slot"},
    {"streams.c:watch_ended:sipc_store_release &streams->running",
     "unit.streams_carry_more_than_a_slot"},
    {"caller.go:caller.preparePiece:copy(c.slot.request", "process.streams_carry_everything"},
    {"stream_call.go:Stream.readPiece:copy(to, piece.bytes", "process.streams_carry_everything"},
    {"stream_serve.go:ServedStream.Read:copy(to, piece.bytes", "process.streams_carry_everything"},
    {"stream_serve.go:ServedStream.writeSome:copy(room", "process.streams_carry_everything"},
    {"streams.go:streamTable.freshNumber:rand.Read", "process.streams_carry_everything"},
    {"stream_direct.go:ServedStream.copy:copy(to, from)", "go test: streams"},
    {"relay.c:run:sipc_exchange_barrier &relay->state", "unit.loops_wait_for_endpoints"},
    {"signal.c:sipc_os_signal_make:close", "nowhere: no memory for the 17th descriptor"},
    {"topology.c:", "unit.neighbours_share_a_cache: before there is a region"},
    {"mux.go:HandleStruct:", "go test: structs"},
    {"counting.go:note:", "go test: counters of sampled exchanges"},
    {"counting.go:waiter.spinEnded:", "go test: counters of sampled exchanges"},
    {"counting.go:caller.sampleRequest:", "go test: counters of sampled exchanges"},
    {"counting.go:responder.sampleEnd:", "go test: counters of sampled exchanges"},
    {"os_linux.go:namedSemaphore.sleepFor:", "go test: semaphores"},
    {"handler.go:writeText:copy(buffer, truncated)", "go test: handlers with little room"},
    {"pipeline.go:Pipeline.leaveRegion:", "go test: pipelines in a region cut short"},
    {"os_linux.go:monotonicNow:unix.ClockGettime", "go test: deadlines of requests"},
    {"os_sealed_linux.go:checkSealedHost:unix.Geteuid 2", "process.sealed_regions_serve_too"},
    {"os_sealed_linux.go:checkHandover:unix.Geteuid", "process.sealed_regions_serve_too"},
};

static bool is_visited_elsewhere(const char *point) {
    for (size_t i = 0; i < sizeof elsewhere / sizeof elsewhere[0]; i++)
        if (strncmp(point, elsewhere[i].point, strlen(elsewhere[i].point)) == 0) return true;
    return false;
}

static size_t count_missed(const struct point_names *all, const struct point_names *seen,
                           bool told) {
    size_t missed = 0;
    for (size_t i = 0; i < all->count; i++) {
        if (names_have(seen, all->names[i]) || is_visited_elsewhere(all->names[i])) continue;
        if (told) fprintf(stderr, "never visited: %s\n", all->names[i]);
        missed++;
    }
    return missed;
}

static size_t count_elsewhere(const struct point_names *all) {
    size_t count = 0;
    for (size_t i = 0; i < all->count; i++) count += is_visited_elsewhere(all->names[i]);
    return count;
}

static void report(const char *role, struct tour *tour) {
    row_result("%s: %u killed at a point, %u stopped there and then killed, %u delayed; %" PRIu64
               " calls answered, %" PRIu64 " not started, %" PRIu64 " maybe executed, 0 wrong; "
               "death known after %.1f ms at most, longest call %.0f ms",
               role, tour->kills, tour->stops, tour->rests, figures.answered, figures.not_started,
               figures.maybe_executed, (double)samples_max(&figures.known) / 1e3,
               (double)figures.longest_us / 1e3);
    tour->kills = tour->stops = tour->rests = 0;
    samples_free(&figures.known);
    figures = (struct figures){.answered = 0};
}

// Not every play of a script meets every point of it: those that are missing are waited for.
static void visit_all(const char *library, const struct point_names *all,
                      const struct scripts *all_scripts, unsigned count) {
    struct tour tour = {.kills = 0};
    size_t missed = all->count;
    for (unsigned round = 0; missed > 0 && round < MOST_ROUNDS; round++) {
        for (unsigned i = 0; i < count; i++) {
            const struct scripts *scripts = &all_scripts[i];
            for (unsigned j = 0; j < scripts->count; j++) visit_points(&tour, &scripts->scripts[j]);
            for (unsigned j = 0; j < scripts->failing_count && round == 0; j++)
                visit_points_after_failures(&tour, &scripts->failing[j]);
            if (round == 0) report(scripts->role, &tour);
        }
        tour.seen_all_scripts = true;
        missed = count_missed(all, &tour.seen, round + 1 == MOST_ROUNDS);
    }
    row_expect(missed == 0, "%zu of %zu points were never visited", missed, all->count);
    row_result("%s: all %zu points visited, %zu of them by other tests", library, all->count,
               count_elsewhere(all));
    names_free(&tour.seen);
}

static void deaths_at_any_point_lose_nothing(void) {
    row_begin("2", "SIGKILL at every fault point, both roles", 100, 3600);
    const struct scripts in_c[] = {c_guests, c_hosts, c_creators};
    struct point_names all = {0};
    names_of_program(&all, POINTS_GUEST);
    names_of_program(&all, POINTS_HOST);
    visit_all("C library", &all, in_c, 3);
    names_free(&all);
    names_of_program(&all, POINTS_GUEST_GO);
    visit_all("Go package", &all, &go_guests, 1);
    names_free(&all);
    remove_sealed_folder();
    row_end();
}

int main(void) {
    return row_main(deaths_at_any_point_lose_nothing);
}
