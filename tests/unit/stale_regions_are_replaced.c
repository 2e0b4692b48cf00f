// SPDX-License-Identifier: Apache-2.0
// Promise: a stale region, whatever is in it, is replaced by one host; and the region has exactly
// the mode that was asked for (spec 9).
#define _GNU_SOURCE
#include <fcntl.h>
#include <semaphore.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hosts.h"
#include "left_behind.h"
#include "pair.h"
#include "region_by_hand.h"

static void of_50_threads_exactly_one_replaces_a_stale_region(void **state) {
    (void)state;
    for (int round = 0; round < 20; round++) {
        const char *name = fresh_name();
        struct region_by_hand stale;
        region_by_hand_make_good(&stale, name, 2);
        assert_one_of_many_becomes_host(name);
        region_by_hand_free(&stale);
    }
}

// ---- Stale regions -----------------------------------------------------------------------------

static void assert_replaced(const void *bytes, size_t length, uint64_t size) {
    const char *name = fresh_name();
    struct region_by_hand stale;
    region_by_hand_make(&stale, name, bytes, length, size);
    sipc_host *host;
    assert_int_equal(try_host(name, &host), SIPC_OK);
    assert_host_works(name, host);
    sipc_host_close(host);
    region_by_hand_free(&stale);
}

static void a_region_half_built_to_any_length_is_replaced(void **state) {
    (void)state;
    const struct sipc_exchange_header header = header_by_hand(2, 64, 64);
    for (uint64_t size = 0; size <= 130; size++)
        assert_replaced(&header, size < sizeof header ? size : sizeof header, size);
    assert_replaced(&header, sizeof header, 4095);
    assert_replaced(&header, sizeof header, header.region_size - 1);
    assert_replaced(&header, sizeof header, header.region_size);
}

static void an_object_with_anything_in_it_is_replaced_if_nobody_claims_it(void **state) {
    (void)state;
    uint8_t anything[4096];
    for (size_t i = 0; i < sizeof anything; i++) anything[i] = (uint8_t)(i * 193 + 7);
    assert_replaced(anything, sizeof anything, sizeof anything);
    memset(anything, 0xFF, sizeof anything);
    assert_replaced(anything, sizeof anything, sizeof anything);
}

static void a_half_built_region_whose_host_lives_is_not_replaced(void **state) {
    (void)state;
    const char *name = fresh_name();
    struct region_by_hand half;
    region_by_hand_make(&half, name, NULL, 0, 0);
    region_by_hand_claim(&half, SIPC_CLAIM_HOST);
    sipc_host *host;
    assert_int_equal(try_host(name, &host), SIPC_EXISTS);
    region_by_hand_free(&half);
}

static void a_guest_of_a_stale_region_is_not_its_host(void **state) {
    (void)state;
    const char *name = fresh_name();
    struct region_by_hand stale;
    region_by_hand_make_good(&stale, name, 2);
    region_by_hand_claim(&stale, SIPC_CLAIM_FIRST_SLOT);
    sipc_host *host;
    assert_int_equal(try_host(name, &host), SIPC_OK);
    sipc_host_close(host);
    region_by_hand_free(&stale);
}

// A stale region with more slots than the new one has, and their semaphores.
static void what_a_dead_host_left_of_its_semaphores_goes_with_its_region(void **state) {
    (void)state;
    const char *name = fresh_name();
    struct sipc_exchange_header header = header_by_hand(4, 64, 64);
    header.event_backend = SIPC_BACKEND_SEMAPHORE;
    struct region_by_hand stale;
    region_by_hand_make(&stale, name, &header, sizeof header, header.region_size);
    for (unsigned slot = 0; slot < 4; slot++)
        for (int side = 0; side < 2; side++) {
            char semaphore[200];
            snprintf(semaphore, sizeof semaphore, "/simpleipc.%s.%u.%c", name, slot, "cr"[side]);
            sem_t *made = sem_open(semaphore, O_CREAT | O_EXCL, 0600, 0);
            assert_true(made != SEM_FAILED);
            sem_close(made);
        }
    sipc_host *host;
    assert_int_equal(try_host(name, &host), SIPC_OK);
    assert_host_works(name, host);
    sipc_host_close(host);
    region_by_hand_free(&stale);
}

static void a_name_that_leads_elsewhere_is_an_error(void **state) {
    (void)state;
    const char *name = fresh_name();
    char path[200];
    snprintf(path, sizeof path, "/dev/shm/simpleipc.%s", name);
    assert_int_equal(symlink("/dev/null", path), 0);
    sipc_host *host;
    assert_int_equal(try_host(name, &host), SIPC_SYSTEM);
    sipc_guest *guest;
    const sipc_guest_options at_once = {.attach_timeout_ns = 1};
    assert_int_equal(sipc_guest_attach(name, &at_once, &guest), SIPC_SYSTEM);
    assert_int_equal(unlink(path), 0);
}

static void a_name_that_is_no_object_is_not_a_region(void **state) {
    (void)state;
    const char *name = fresh_name();
    char path[200];
    snprintf(path, sizeof path, "/dev/shm/simpleipc.%s", name);
    assert_int_equal(mkfifo(path, 0600), 0);
    sipc_host *host;
    assert_int_equal(try_host(name, &host), SIPC_NOT_A_REGION);
    sipc_guest *guest;
    const sipc_guest_options at_once = {.attach_timeout_ns = 1};
    assert_int_equal(sipc_guest_attach(name, &at_once, &guest), SIPC_NOT_A_REGION);
    assert_int_equal(unlink(path), 0);
}

// ---- The mode ----------------------------------------------------------------------------------

static mode_t mode_of(const char *pattern, const char *name) {
    char path[200];
    snprintf(path, sizeof path, pattern, name);
    struct stat status;
    assert_int_equal(stat(path, &status), 0);
    return status.st_mode & 07777;
}

static void assert_mode(uint32_t asked, mode_t expected, mode_t mask) {
    const char *name = fresh_name();
    const sipc_host_options options = {.backend = chosen_backend, .mode = asked};
    sipc_host *host;
    assert_int_equal(sipc_host_create(name, 1, 64, &options, &host), SIPC_OK);
    assert_int_equal(mode_of("/dev/shm/simpleipc.%s", name), expected);
    if (chosen_backend == SIPC_BACKEND_SEMAPHORE) {
        assert_int_equal(mode_of("/dev/shm/sem.simpleipc.%s.0.c", name), expected & ~mask);
        assert_int_equal(mode_of("/dev/shm/sem.simpleipc.%s.0.r", name), expected & ~mask);
    }
    sipc_host_close(host);
}

// That of the region. From those of named semaphores the umask takes bits away.
static void the_mode_is_what_was_asked_for_under_any_umask(void **state) {
    (void)state;
    const mode_t masks[] = {000, 022, 077, 0777};
    const uint32_t modes[] = {0600, 0640, 0660, 0666, 0644, 0777, 0400};
    mode_t before = umask(0);
    for (size_t m = 0; m < sizeof masks / sizeof masks[0]; m++) {
        umask(masks[m]);
        assert_mode(0, 0600, masks[m]);
        for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++)
            assert_mode(modes[i], modes[i], masks[m]);
    }
    umask(before);
}

int main(int count, char **arguments) {
    chosen_backend = backend_of_arguments(count, arguments);
    const struct CMUnitTest tests[] = {
        PROMISE(of_50_threads_exactly_one_replaces_a_stale_region),
        PROMISE(a_region_half_built_to_any_length_is_replaced),
        PROMISE(an_object_with_anything_in_it_is_replaced_if_nobody_claims_it),
        PROMISE(a_half_built_region_whose_host_lives_is_not_replaced),
        PROMISE(a_guest_of_a_stale_region_is_not_its_host),
        PROMISE(what_a_dead_host_left_of_its_semaphores_goes_with_its_region),
        PROMISE(a_name_that_leads_elsewhere_is_an_error),
        PROMISE(a_name_that_is_no_object_is_not_a_region),
        PROMISE(the_mode_is_what_was_asked_for_under_any_umask),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
