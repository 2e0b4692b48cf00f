// SPDX-License-Identifier: Apache-2.0
// Promise: a name has one living host, whoever races for it (spec 9).
#include <stdio.h>

#include "hosts.h"
#include "left_behind.h"
#include "pair.h"

static void a_second_host_is_refused_while_the_first_lives(void **state) {
    (void)state;
    const char *name = fresh_name();
    sipc_host *first = open_host(name, 2, 64, NULL);
    sipc_host *second = first;
    assert_int_equal(try_host(name, &second), SIPC_EXISTS);
    assert_null(second);
    assert_host_works(name, first);
    sipc_host_close(first);
}

static void the_name_is_free_after_a_shutdown_and_after_a_close(void **state) {
    (void)state;
    const char *name = fresh_name();
    sipc_host *first = open_host(name, 2, 64, NULL);
    sipc_host_shutdown(first);
    sipc_host *second;
    assert_int_equal(try_host(name, &second), SIPC_OK);
    assert_host_works(name, second);
    // The first one's end takes nothing from the second.
    sipc_host_close(first);
    assert_host_works(name, second);
    sipc_host *third;
    assert_int_equal(try_host(name, &third), SIPC_EXISTS);
    sipc_host_close(second);
    assert_int_equal(try_host(name, &third), SIPC_OK);
    assert_host_works(name, third);
    sipc_host_close(third);
}

static void names_that_begin_alike_do_not_meet(void **state) {
    (void)state;
    char longer[128];
    const char *name = fresh_name();
    snprintf(longer, sizeof longer, "%s.0", name);
    sipc_host *host = open_host(name, 2, 64, NULL);
    sipc_host *other = open_host(longer, 2, 64, NULL);
    assert_host_works(name, host);
    assert_host_works(longer, other);
    sipc_host_close(host);
    assert_host_works(longer, other);
    sipc_host_close(other);
}

static void of_50_threads_exactly_one_becomes_host(void **state) {
    (void)state;
    for (int round = 0; round < 20; round++) {
        assert_one_of_many_becomes_host(fresh_name());
    }
}

int main(int count, char **arguments) {
    chosen_backend = backend_of_arguments(count, arguments);
    const struct CMUnitTest tests[] = {
        PROMISE(a_second_host_is_refused_while_the_first_lives),
        PROMISE(the_name_is_free_after_a_shutdown_and_after_a_close),
        PROMISE(names_that_begin_alike_do_not_meet),
        PROMISE(of_50_threads_exactly_one_becomes_host),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
