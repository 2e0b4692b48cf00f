// SPDX-License-Identifier: Apache-2.0
// Promise: placement puts the two ends of a slot on two cores that share a cache, as close as there
// are, by what the system tells of its processors; where it might harm it does nothing. Only
// threads that were to be placed are.
#define _GNU_SOURCE
#include <errno.h>
#include <ftw.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <simpleipc/simpleipc.h>

#include "internal/placement.h"
#include "left_behind.h"
#include "os/linux/topology.h"
#include "threads.h"

// ---- A folder as /sys/devices/system/cpu
// ---------------------------------------------------------

static char folder[64];

static int make_folder(void **state) {
    strcpy(folder, "/tmp/simpleipc-cpus-XXXXXX");
    return mkdtemp(folder) ? note_what_exists(state) : -1;
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *walk) {
    (void)status;
    (void)kind;
    (void)walk;
    return remove(path);
}

static int remove_folder(void **state) {
    return nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS) == 0 ? nothing_is_left_behind(state)
                                                                  : -1;
}

#define TOPOLOGY(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)

static void write_file(uint32_t processor, const char *name, const char *text) {
    char path[160];
    snprintf(path, sizeof path, "%s/cpu%u/%s", folder, processor, name);
    for (char *slash = path + strlen(folder) + 1; (slash = strchr(slash, '/')) != NULL; slash++) {
        *slash = '\0';
        if (mkdir(path, 0700) != 0) assert_int_equal(errno, EEXIST);
        *slash = '/';
    }
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void write_cache(uint32_t processor, unsigned index, const char *level, const char *type,
                        const char *sharers) {
    char name[64];
    snprintf(name, sizeof name, "cache/index%u/level", index);
    write_file(processor, name, level);
    snprintf(name, sizeof name, "cache/index%u/type", index);
    write_file(processor, name, type);
    snprintf(name, sizeof name, "cache/index%u/shared_cpu_list", index);
    write_file(processor, name, sharers);
}

// A core's processors share its first two levels, those of l3 the third.
static void write_processor(uint32_t processor, const char *core, const char *l3) {
    write_file(processor, "topology/thread_siblings_list", core);
    write_cache(processor, 0, "1\n", "Data\n", core);
    write_cache(processor, 1, "1\n", "Instruction\n", "0-63\n");
    write_cache(processor, 2, "2\n", "Unified\n", core);
    write_cache(processor, 3, "3\n", "Unified\n", l3);
}

static void write_single_cores(uint32_t first, uint32_t last, const char *l3) {
    for (uint32_t i = first; i <= last; i++) {
        char core[16];
        snprintf(core, sizeof core, "%u\n", i);
        write_processor(i, core, l3);
    }
}

// The pairs among the processors of these ids, as "0+1 2+3", or "?" if the folder does not tell.
static const char *pairs_of(const uint32_t *ids, uint32_t count) {
    static char text[256];
    struct sipc_os_processor processors[16];
    struct sipc_neighbours pairs[SIPC_MOST_PLACES];
    for (uint32_t i = 0; i < count; i++) processors[i].id = ids[i];
    if (!sipc_topology_read(folder, processors, count)) return "?";
    uint32_t found = sipc_placement_pair(processors, count, pairs);
    text[0] = '\0';
    for (uint32_t i = 0; i < found; i++) {
        size_t length = strlen(text);
        snprintf(text + length, sizeof text - length, "%s%u+%u", i ? " " : "",
                 pairs[i].of[SIPC_SIDE_CALLER], pairs[i].of[SIPC_SIDE_RESPONDER]);
    }
    return text;
}

#define PAIRS(...)                                                                                 \
    pairs_of((const uint32_t[]){__VA_ARGS__}, sizeof((const uint32_t[]){__VA_ARGS__}) / 4)

static void two_cores_are_neighbours(void **state) {
    (void)state;
    write_single_cores(0, 1, "0-1\n");
    assert_string_equal(PAIRS(0, 1), "0+1");
}

// Two that spin on one core take it from each other.
static void the_two_threads_of_a_core_are_no_neighbours(void **state) {
    (void)state;
    write_processor(0, "0,4\n", "0-7\n");
    write_processor(1, "1,5\n", "0-7\n");
    write_processor(2, "2,6\n", "0-7\n");
    write_processor(3, "3,7\n", "0-7\n");
    for (uint32_t i = 4; i < 8; i++) {
        char core[16];
        snprintf(core, sizeof core, "%u,%u\n", i - 4, i);
        write_processor(i, core, "0-7\n");
    }
    assert_string_equal(PAIRS(0, 1, 2, 3, 4, 5, 6, 7), "0+1 2+3");
    assert_string_equal(PAIRS(0, 4), "");
    assert_string_equal(PAIRS(4, 5), "4+5");
}

static void neighbours_share_the_third_level(void **state) {
    (void)state;
    write_single_cores(0, 2, "0-2\n");
    write_single_cores(3, 5, "3-5\n");
    assert_string_equal(PAIRS(0, 1, 2, 3, 4, 5), "0+1 3+4");
}

// As where cores in clusters of four share a second level.
static void the_closest_cache_counts(void **state) {
    (void)state;
    write_single_cores(0, 3, "0-3\n");
    write_cache(0, 2, "2\n", "Unified\n", "0,2\n");
    write_cache(2, 2, "2\n", "Unified\n", "0,2\n");
    assert_string_equal(PAIRS(0, 1, 2, 3), "0+2 1+3");
}

static void only_what_the_process_may_use_is_paired(void **state) {
    (void)state;
    write_single_cores(0, 3, "0-3\n");
    write_single_cores(4, 7, "4-7\n");
    assert_string_equal(PAIRS(1, 3, 6), "1+3");
    assert_string_equal(PAIRS(3, 4), "");
}

static void one_processor_has_no_neighbour(void **state) {
    (void)state;
    write_single_cores(0, 0, "0\n");
    assert_string_equal(PAIRS(0), "");
}

static void what_the_system_does_not_tell_is_not_guessed(void **state) {
    (void)state;
    static const char *const broken[] = {"", "\n", "-1\n", "x\n", "1x\n", "99999999999999999999\n"};
    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) {
        write_single_cores(0, 1, "0-1\n");
        assert_string_equal(PAIRS(0, 1), "0+1");
        write_file(1, "topology/thread_siblings_list", broken[i]);
        assert_string_equal(PAIRS(0, 1), "?");
        write_single_cores(0, 1, broken[i]);
        assert_string_equal(PAIRS(0, 1), "?");
    }
    write_single_cores(0, 1, "0-1\n");
    write_file(0, "cache/index2/level", "5\n");
    assert_string_equal(PAIRS(0, 1), "?");
    write_file(0, "cache/index2/level", "0\n");
    assert_string_equal(PAIRS(0, 1), "?");
    assert_string_equal(PAIRS(7), "?");
    write_file(8, "topology/thread_siblings_list", "8\n");
    assert_string_equal(PAIRS(8), "?");
}

// ---- Places of slots
// -----------------------------------------------------------------------------

static const struct sipc_placement two_pairs = {
    .place = SIPC_PLACE_AUTO, .count = 2, .places = {{{0, 1}}, {{2, 3}}}};

static void the_ends_of_a_slot_are_neighbours(void **state) {
    (void)state;
    assert_int_equal(sipc_placement_of(&two_pairs, SIPC_SIDE_CALLER, 0, 2), 0);
    assert_int_equal(sipc_placement_of(&two_pairs, SIPC_SIDE_RESPONDER, 0, 2), 1);
    assert_int_equal(sipc_placement_of(&two_pairs, SIPC_SIDE_CALLER, 1, 2), 2);
    assert_int_equal(sipc_placement_of(&two_pairs, SIPC_SIDE_RESPONDER, 1, 2), 3);
}

static void more_workers_than_pairs_are_left_to_the_system(void **state) {
    (void)state;
    for (uint32_t worker = 0; worker < 3; worker++)
        assert_int_equal(sipc_placement_of(&two_pairs, SIPC_SIDE_RESPONDER, worker, 3),
                         SIPC_NO_PROCESSOR);
}

static void a_list_begins_anew_at_its_end(void **state) {
    (void)state;
    struct sipc_placement listed = two_pairs;
    listed.place = SIPC_PLACE_LIST;
    assert_int_equal(sipc_placement_of(&listed, SIPC_SIDE_CALLER, 3, 5), 2);
    assert_int_equal(sipc_placement_of(&listed, SIPC_SIDE_CALLER, 4, 5), 0);
}

static uint32_t first_allowed(void) {
    for (uint32_t i = 0;; i++)
        if (sipc_os_may_run_on(i)) return i;
}

static void a_place_that_cannot_be_is_refused(void **state) {
    (void)state;
    struct sipc_placement placement;
    const uint32_t here[] = {first_allowed()}, nowhere[] = {first_allowed(), 70000};
    assert_int_equal(sipc_placement_init(&placement, SIPC_PLACE_LIST, here, 1), SIPC_OK);
    assert_int_equal(sipc_placement_init(&placement, SIPC_PLACE_AUTO, NULL, 0), SIPC_OK);
    assert_int_equal(sipc_placement_init(&placement, SIPC_PLACE_LIST, nowhere, 2),
                     SIPC_INVALID_ARGUMENT);
    assert_non_null(strstr(sipc_error_text(), "70000"));
    assert_int_equal(sipc_placement_init(&placement, SIPC_PLACE_LIST, NULL, 1),
                     SIPC_INVALID_ARGUMENT);
    assert_int_equal(sipc_placement_init(&placement, SIPC_PLACE_LIST, here, 0),
                     SIPC_INVALID_ARGUMENT);
    assert_int_equal(sipc_placement_init(&placement, SIPC_PLACE_LIST, here, 257),
                     SIPC_INVALID_ARGUMENT);
    assert_int_equal(sipc_placement_init(&placement, SIPC_PLACE_AUTO, here, 1),
                     SIPC_INVALID_ARGUMENT);
    assert_int_equal(sipc_placement_init(&placement, (sipc_place)3, NULL, 0),
                     SIPC_INVALID_ARGUMENT);
    sipc_guest *guest;
    const sipc_guest_options bad_guest = {.place = SIPC_PLACE_LIST};
    assert_int_equal(sipc_guest_attach(fresh_name(), &bad_guest, &guest), SIPC_INVALID_ARGUMENT);
    sipc_host *host;
    const sipc_host_options bad_host = {.place = (sipc_place)3};
    assert_int_equal(sipc_host_create(fresh_name(), 1, 128, &bad_host, &host),
                     SIPC_INVALID_ARGUMENT);
}

// ---- Real threads
// --------------------------------------------------------------------------------

static cpu_set_t my_processors(void) {
    cpu_set_t set;
    assert_int_equal(sched_getaffinity(0, sizeof set, &set), 0);
    return set;
}

// Answers with the processors that its thread may run on.
static sipc_status tell_processors(void *context, const sipc_request *request,
                                   sipc_response *response) {
    (void)context;
    (void)request;
    cpu_set_t set = my_processors();
    memcpy(response->data, &set, sizeof set);
    response->size = sizeof set;
    return SIPC_OK;
}

static void call_from_its_place(void *context) {
    sipc_host *host = context;
    uint32_t processor;
    assert_int_equal(sipc_host_processor(host, 0, &processor), SIPC_OK);
    assert_int_equal(processor, first_allowed());
    assert_int_equal(sipc_host_place_caller(host, 0), SIPC_OK);
    cpu_set_t mine = my_processors(), worker;
    assert_int_equal(CPU_COUNT(&mine), 1);
    assert_true(CPU_ISSET(processor, &mine));
    sipc_call call = {.response = &worker, .response_capacity = sizeof worker};
    assert_int_equal(sipc_host_call(host, &call), SIPC_OK);
    assert_true(CPU_EQUAL(&mine, &worker));
}

static void those_that_were_to_be_placed_are_and_no_others(void **state) {
    (void)state;
    const char *name = fresh_name();
    const uint32_t list[] = {first_allowed()};
    const cpu_set_t before = my_processors();
    const sipc_host_options host_options = {
        .place = SIPC_PLACE_LIST, .processors = list, .processor_count = 1};
    const sipc_guest_options guest_options = {
        .place = SIPC_PLACE_LIST, .processors = list, .processor_count = 1};
    sipc_host *host;
    sipc_guest *guest;
    assert_int_equal(sipc_host_create(name, 1, 4096, &host_options, &host), SIPC_OK);
    assert_int_equal(sipc_guest_attach(name, &guest_options, &guest), SIPC_OK);
    assert_int_equal(sipc_guest_start(guest, tell_processors, NULL), SIPC_OK);
    struct thread thread;
    thread_start(&thread, call_from_its_place, host);
    thread_join(&thread);
    assert_int_equal(sipc_host_place_caller(host, 1), SIPC_INVALID_ARGUMENT);
    const cpu_set_t after = my_processors();
    assert_true(CPU_EQUAL(&before, &after));
    sipc_guest_detach(guest);
    sipc_host_close(host);
}

static void who_asks_for_no_place_is_not_moved(void **state) {
    (void)state;
    const cpu_set_t before = my_processors();
    sipc_host *host;
    uint32_t processor;
    assert_int_equal(sipc_host_create(fresh_name(), 1, 128, NULL, &host), SIPC_OK);
    assert_int_equal(sipc_host_processor(host, 0, &processor), SIPC_OK);
    assert_int_equal(processor, SIPC_NO_PROCESSOR);
    assert_int_equal(sipc_host_place_caller(host, 0), SIPC_OK);
    const cpu_set_t after = my_processors();
    assert_true(CPU_EQUAL(&before, &after));
    sipc_host_close(host);
}

static void a_move_leaves_a_thread_all_its_processors(void **state) {
    (void)state;
    const cpu_set_t before = my_processors();
    for (int i = 0; i < 10; i++) sipc_os_move();
    const cpu_set_t after = my_processors();
    assert_true(CPU_EQUAL(&before, &after));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TOPOLOGY(two_cores_are_neighbours),
        TOPOLOGY(the_two_threads_of_a_core_are_no_neighbours),
        TOPOLOGY(neighbours_share_the_third_level),
        TOPOLOGY(the_closest_cache_counts),
        TOPOLOGY(only_what_the_process_may_use_is_paired),
        TOPOLOGY(one_processor_has_no_neighbour),
        TOPOLOGY(what_the_system_does_not_tell_is_not_guessed),
        PROMISE(the_ends_of_a_slot_are_neighbours),
        PROMISE(more_workers_than_pairs_are_left_to_the_system),
        PROMISE(a_list_begins_anew_at_its_end),
        PROMISE(a_place_that_cannot_be_is_refused),
        PROMISE(those_that_were_to_be_placed_are_and_no_others),
        PROMISE(who_asks_for_no_place_is_not_moved),
        PROMISE(a_move_leaves_a_thread_all_its_processors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
