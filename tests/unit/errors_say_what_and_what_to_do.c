// SPDX-License-Identifier: Apache-2.0
// Promise: a failure leaves a text for the thread that met it: what was wrong, with which value,
// and what to do.
#include <string.h>

#include "internal/errors.h"
#include "internal/layout.h"
#include "left_behind.h"
#include "threads.h"

static void assert_says(const char *part) {
    if (!strstr(sipc_error_text(), part))
        fail_msg("\"%s\" does not say \"%s\"", sipc_error_text(), part);
}

static void a_failure_returns_its_status_and_leaves_its_text(void **state) {
    (void)state;
    assert_int_equal(sipc_fail(SIPC_TIMEOUT, "slot %u waited %d times", 7u, 3), SIPC_TIMEOUT);
    assert_string_equal(sipc_error_text(), "slot 7 waited 3 times");
    (void)sipc_fail(SIPC_CLOSED, "the next");
    assert_string_equal(sipc_error_text(), "the next");
}

static char text_of_thread[2][64];

static void note_text(void *context, unsigned index) {
    (void)context;
    strcpy(text_of_thread[index], sipc_error_text());
    (void)sipc_fail(SIPC_SYSTEM, "of another thread");
}

static void each_thread_has_its_own_text_which_is_empty_at_first(void **state) {
    (void)state;
    (void)sipc_fail(SIPC_SYSTEM, "of this thread");
    run_together(2, note_text, NULL);
    assert_string_equal(text_of_thread[0], "");
    assert_string_equal(text_of_thread[1], "");
    assert_string_equal(sipc_error_text(), "of this thread");
}

static void success_leaves_the_text_of_the_last_failure(void **state) {
    (void)state;
    (void)sipc_fail(SIPC_SYSTEM, "the last failure");
    sipc_host *host;
    assert_int_equal(sipc_host_create(fresh_name(), 1, 64, NULL, &host), SIPC_OK);
    assert_string_equal(sipc_error_text(), "the last failure");
    sipc_host_close(host);
    assert_string_equal(sipc_error_text(), "the last failure");
}

static void a_bad_name_is_shown_with_what_is_bad_in_it(void **state) {
    (void)state;
    sipc_host *host;
    assert_int_equal(sipc_host_create("a/b", 1, 64, NULL, &host), SIPC_BAD_NAME);
    assert_says("0x2f");
    assert_says("position 1");
    assert_says("A-Z a-z 0-9 . _ -");
    assert_int_equal(sipc_host_create(".hidden", 1, 64, NULL, &host), SIPC_BAD_NAME);
    assert_says(".hidden");
    assert_int_equal(sipc_host_create("", 1, 64, NULL, &host), SIPC_BAD_NAME);
    assert_says("empty");
}

static void a_request_too_large_is_told_with_both_sizes(void **state) {
    (void)state;
    sipc_host *host;
    assert_int_equal(sipc_host_create(fresh_name(), 1, 64, NULL, &host), SIPC_OK);
    sipc_call call = {.request = "0123456789012345678901234567890123456789", .request_size = 40};
    assert_int_equal(sipc_host_call(host, &call), SIPC_REQUEST_TOO_LARGE);
    assert_says("40");
    assert_says("32");
    sipc_host_close(host);
}

static void a_living_host_is_named(void **state) {
    (void)state;
    const char *name = fresh_name();
    sipc_host *host;
    sipc_host *second;
    assert_int_equal(sipc_host_create(name, 1, 64, NULL, &host), SIPC_OK);
    assert_int_equal(sipc_host_create(name, 1, 64, NULL, &second), SIPC_EXISTS);
    assert_says(name);
    sipc_host_close(host);
}

// The longest name and the advice behind it both fit.
static void the_longest_text_is_not_cut_off(void **state) {
    (void)state;
    char name[SIPC_MAX_NAME + 1];
    memset(name, 'n', sizeof name);
    name[SIPC_MAX_NAME] = 0;
    sipc_guest *guest;
    const sipc_guest_options at_once = {.attach_timeout_ns = 1};
    assert_int_equal(sipc_guest_attach(name, &at_once, &guest), SIPC_NO_HOST);
    assert_says(name);
    assert_says("start the host or wait longer");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        PROMISE(a_failure_returns_its_status_and_leaves_its_text),
        PROMISE(each_thread_has_its_own_text_which_is_empty_at_first),
        PROMISE(success_leaves_the_text_of_the_last_failure),
        PROMISE(a_bad_name_is_shown_with_what_is_bad_in_it),
        PROMISE(a_request_too_large_is_told_with_both_sizes),
        PROMISE(a_living_host_is_named),
        PROMISE(the_longest_text_is_not_cut_off),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
