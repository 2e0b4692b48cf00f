// SPDX-License-Identifier: Apache-2.0
#include "hosts.h"

#include "left_behind.h"
#include "threads.h"

sipc_status try_host(const char *name, sipc_host **host) {
    const sipc_host_options options = {.backend = chosen_backend};
    return sipc_host_create(name, 2, 64, &options, host);
}

void assert_host_works(const char *name, sipc_host *host) {
    sipc_guest *guest = attach_guest(name, 0);
    assert_int_equal(sipc_guest_start(guest, nod, NULL), SIPC_OK);
    assert_int_equal(call_with(host, "x", 1, SIPC_FOREVER), SIPC_OK);
    sipc_guest_detach(guest);
}

#define RACERS 50

struct race {
    const char *name;
    sipc_host *hosts[RACERS];
    sipc_status statuses[RACERS];
};

static void race_for_the_name(void *context, unsigned index) {
    struct race *race = context;
    race->statuses[index] = try_host(race->name, &race->hosts[index]);
}

void assert_one_of_many_becomes_host(const char *name) {
    struct race race = {.name = name};
    run_together(RACERS, race_for_the_name, &race);
    sipc_host *winner = NULL;
    for (int i = 0; i < RACERS; i++) {
        if (race.statuses[i] == SIPC_OK) {
            assert_null(winner);
            winner = race.hosts[i];
        } else {
            assert_int_equal(race.statuses[i], SIPC_EXISTS);
        }
    }
    assert_non_null(winner);
    assert_host_works(name, winner);
    sipc_host_close(winner);
}
