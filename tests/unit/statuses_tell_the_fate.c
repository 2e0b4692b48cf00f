// SPDX-License-Identifier: Apache-2.0
// Promise: every status has a value, a name, a message and a fate, and any other number is told
// from them.
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include <simpleipc/simpleipc.h>

#include "internal/errors.h"
#include "left_behind.h"

struct row {
    sipc_status status;
    int value;
    sipc_fate fate;
    const char *name;
    const char *message;
};

static const struct row rows[] = {
#define ROW(name, value, fate, message)                                                            \
    {SIPC_##name, value, SIPC_FATE_##fate, "SIPC_" #name, message},
    SIPC_STATUS_TABLE(ROW)
#undef ROW
};

#define ROWS (sizeof rows / sizeof rows[0])

static void every_status_has_its_name_message_and_fate(void **state) {
    (void)state;
    for (size_t i = 0; i < ROWS; i++) {
        assert_int_equal(rows[i].status, rows[i].value);
        assert_string_equal(sipc_status_name(rows[i].status), rows[i].name);
        assert_string_equal(sipc_status_message(rows[i].status), rows[i].message);
        assert_int_equal(sipc_status_fate(rows[i].status), rows[i].fate);
        assert_true(strlen(rows[i].message) > 0);
    }
}

static void success_is_0_and_every_error_is_negative(void **state) {
    (void)state;
    assert_int_equal(SIPC_OK, 0);
    for (size_t i = 0; i < ROWS; i++) assert_true(rows[i].status <= 0);
}

static void no_value_name_or_message_is_given_twice(void **state) {
    (void)state;
    for (size_t i = 0; i < ROWS; i++)
        for (size_t k = 0; k < i; k++) {
            assert_int_not_equal(rows[i].value, rows[k].value);
            assert_string_not_equal(rows[i].name, rows[k].name);
            assert_string_not_equal(rows[i].message, rows[k].message);
        }
}

static void what_the_name_says_maybe_executed_has_that_fate(void **state) {
    (void)state;
    for (size_t i = 0; i < ROWS; i++)
        if (strstr(rows[i].name, "MAYBE_EXECUTED"))
            assert_int_equal(rows[i].fate, SIPC_FATE_MAYBE_EXECUTED);
    assert_int_equal(sipc_status_fate(SIPC_TIMEOUT), SIPC_FATE_NOT_STARTED);
    assert_int_equal(sipc_status_fate(SIPC_CLOSED), SIPC_FATE_NOT_STARTED);
    assert_int_equal(sipc_status_fate(SIPC_PEER_DIED), SIPC_FATE_NOT_STARTED);
    // Nothing is known of a request whose answer cannot be believed.
    assert_int_equal(sipc_status_fate(SIPC_PROTOCOL_VIOLATED), SIPC_FATE_MAYBE_EXECUTED);
}

static void an_unknown_status_is_named_as_one_and_promises_nothing(void **state) {
    (void)state;
    const int unknown[] = {1, 2, INT_MAX, -(int)ROWS, -(int)ROWS - 1, INT_MIN + 1, INT_MIN};
    for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++) {
        sipc_status status = (sipc_status)unknown[i];
        assert_string_equal(sipc_status_name(status), "SIPC_UNKNOWN_STATUS");
        assert_string_equal(sipc_status_message(status), "not a status of this library");
        assert_int_equal(sipc_status_fate(status), SIPC_FATE_MAYBE_EXECUTED);
    }
}

static void the_version_is_that_of_the_header(void **state) {
    (void)state;
    char expected[32];
    snprintf(expected, sizeof expected, "%d.%d.%d", SIPC_VERSION_MAJOR, SIPC_VERSION_MINOR,
             SIPC_VERSION_PATCH);
    assert_string_equal(sipc_version(), expected);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        PROMISE(every_status_has_its_name_message_and_fate),
        PROMISE(success_is_0_and_every_error_is_negative),
        PROMISE(no_value_name_or_message_is_given_twice),
        PROMISE(what_the_name_says_maybe_executed_has_that_fate),
        PROMISE(an_unknown_status_is_named_as_one_and_promises_nothing),
        PROMISE(the_version_is_that_of_the_header),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
