// SPDX-License-Identifier: Apache-2.0
// Promise: a region that /dev/shm has no room for is an error when it is created, not a death
// later, and leaves nothing behind.
#include <string.h>
#include <sys/statvfs.h>

#include "left_behind.h"
#include "pair.h"
#include "private_shm.h"

static unsigned long free_blocks(void) {
    struct statvfs status;
    assert_int_equal(statvfs("/dev/shm", &status), 0);
    return status.f_bfree;
}

static void assert_no_space(uint32_t slots, uint32_t data_size, sipc_backend backend) {
    unsigned long before = free_blocks();
    const sipc_host_options options = {.backend = backend};
    sipc_host *host = (sipc_host *)&host;
    assert_int_equal(sipc_host_create(fresh_name(), slots, data_size, &options, &host),
                     SIPC_NO_SPACE);
    assert_null(host);
    assert_non_null(strstr(sipc_error_text(), "use fewer or smaller slots"));
    assert_int_equal(names_in_shared_memory(), 0);
    assert_int_equal(free_blocks(), before);
}

static void a_region_that_does_not_fit_is_refused_and_leaves_nothing(void **state) {
    (void)state;
    for (uint32_t backend = SIPC_BACKEND_FUTEX; backend <= SIPC_BACKEND_SEMAPHORE; backend++) {
        assert_no_space(1, 65536, (sipc_backend)backend);
        assert_no_space(4, 1024 * 1024, (sipc_backend)backend);
        assert_no_space(65535, 1024 * 1024, (sipc_backend)backend);
        assert_no_space(300, 64, (sipc_backend)backend);
    }
}

// The region fits and its semaphores, of which each takes a page, do not.
static void semaphores_that_do_not_fit_are_an_error_and_leave_nothing(void **state) {
    (void)state;
    unsigned long before = free_blocks();
    const sipc_host_options options = {.backend = SIPC_BACKEND_SEMAPHORE};
    sipc_host *host = (sipc_host *)&host;
    assert_int_equal(sipc_host_create(fresh_name(), 60, 64, &options, &host), SIPC_NO_SPACE);
    assert_null(host);
    assert_int_equal(names_in_shared_memory(), 0);
    assert_int_equal(free_blocks(), before);
}

static void a_region_that_fits_works(void **state) {
    (void)state;
    struct pair pair;
    pair_open(&pair, 4, 4096, NULL, echo, NULL);
    const char request[2048] = "every page of it";
    char response[2048];
    for (uint32_t slot = 0; slot < 4; slot++) {
        sipc_call call = {.request = request,
                          .request_size = sizeof request,
                          .response = response,
                          .response_capacity = sizeof response};
        assert_int_equal(sipc_host_call_slot(pair.host, slot, &call), SIPC_OK);
        assert_memory_equal(response, request, sizeof request);
    }
    pair_close(&pair);
}

static void a_refused_host_does_not_keep_the_next_one_from_its_name(void **state) {
    (void)state;
    const char *name = fresh_name();
    sipc_host *host;
    assert_int_equal(sipc_host_create(name, 1, 1024 * 1024, NULL, &host), SIPC_NO_SPACE);
    assert_int_equal(sipc_host_create(name, 1, 1024, NULL, &host), SIPC_OK);
    sipc_host_close(host);
}

int main(void) {
    enter_private_shm("64k");
    const struct CMUnitTest tests[] = {
        PROMISE(a_region_that_does_not_fit_is_refused_and_leaves_nothing),
        PROMISE(semaphores_that_do_not_fit_are_an_error_and_leave_nothing),
        PROMISE(a_region_that_fits_works),
        PROMISE(a_refused_host_does_not_keep_the_next_one_from_its_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
