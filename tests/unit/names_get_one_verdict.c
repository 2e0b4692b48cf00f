// SPDX-License-Identifier: Apache-2.0
// Promise: a region's name gets the verdict of tests/conformance/names.txt, in C as in every other
// language.
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal/name.h"
#include "left_behind.h"

#define LONGEST_LINE 8192

struct verdict {
    bool ok;
    char name[LONGEST_LINE];
    bool has_zero; // which a C string cannot carry
};

static int hex_digit(char digit) {
    const char *digits = "0123456789abcdefABCDEF";
    const char *found = digit ? strchr(digits, digit) : NULL;
    if (!found) fail_msg("'%c' is not a hexadecimal digit", digit);
    int value = (int)(found - digits);
    return value > 15 ? value - 6 : value;
}

// Reads one escape at *text, behind its backslash.
static char unescape(const char **text) {
    char kind = *(*text)++;
    if (kind == '\\' || kind == '"') return kind;
    if (kind != 'x') fail_msg("there is no escape \\%c in names.txt", kind);
    int high = hex_digit(*(*text)++);
    return (char)(high << 4 | hex_digit(*(*text)++));
}

static void parse(const char *line, struct verdict *verdict) {
    *verdict = (struct verdict){.ok = strncmp(line, "ok \"", 4) == 0};
    if (!verdict->ok && strncmp(line, "bad \"", 5) != 0) fail_msg("not a verdict: %s", line);
    const char *text = strchr(line, '"') + 1;
    size_t length = 0;
    while (*text != '"') {
        if (!*text) fail_msg("no quote at the end: %s", line);
        char byte = *text++;
        if (byte == '\\') byte = unescape(&text);
        verdict->has_zero |= byte == 0;
        verdict->name[length++] = byte;
    }
    verdict->name[length] = 0;
    if (text[1] != '\n') fail_msg("something stands behind the name: %s", line);
}

static void every_name_of_the_shared_table_gets_its_verdict(void **state) {
    (void)state;
    FILE *file = fopen(SIPC_SOURCE_FOLDER "/tests/conformance/names.txt", "r");
    if (!file) fail_msg("tests/conformance/names.txt cannot be opened");
    static char line[LONGEST_LINE];
    static struct verdict verdict;
    unsigned good = 0;
    unsigned bad = 0;
    while (fgets(line, sizeof line, file)) {
        if (line[0] == '#' || line[0] == '\n') continue;
        parse(line, &verdict);
        if (verdict.has_zero) continue;
        sipc_status status = sipc_name_check(verdict.name);
        if (status != (verdict.ok ? SIPC_OK : SIPC_BAD_NAME))
            fail_msg("\"%s\" is %s", verdict.name, sipc_status_name(status));
        good += verdict.ok;
        bad += !verdict.ok;
    }
    fclose(file);
    assert_true(good > 0 && bad > 0);
}

static void every_single_byte_is_good_only_if_it_is_in_the_alphabet(void **state) {
    (void)state;
    const char *alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    for (int byte = 1; byte < 256; byte++) {
        const char name[] = {'x', (char)byte, 0};
        sipc_status expected = strchr(alphabet, byte) ? SIPC_OK : SIPC_BAD_NAME;
        if (sipc_name_check(name) != expected) fail_msg("the byte 0x%02x", byte);
    }
}

static void the_longest_name_has_128_bytes(void **state) {
    (void)state;
    char name[SIPC_MAX_NAME + 2];
    memset(name, 'n', sizeof name);
    name[SIPC_MAX_NAME + 1] = 0;
    assert_int_equal(sipc_name_check(name), SIPC_BAD_NAME);
    name[SIPC_MAX_NAME] = 0;
    assert_int_equal(sipc_name_check(name), SIPC_OK);
    name[1] = 0;
    assert_int_equal(sipc_name_check(name), SIPC_OK);
    name[0] = 0;
    assert_int_equal(sipc_name_check(name), SIPC_BAD_NAME);
}

// Nobody has promised that the bytes behind the longest name are there.
static void no_byte_behind_the_longest_name_is_read(void **state) {
    (void)state;
    char *name = malloc(SIPC_MAX_NAME + 1);
    assert_non_null(name);
    memset(name, 'n', SIPC_MAX_NAME + 1);
    assert_int_equal(sipc_name_check(name), SIPC_BAD_NAME);
    free(name);
}

static void null_is_a_bad_name(void **state) {
    (void)state;
    assert_int_equal(sipc_name_check(NULL), SIPC_BAD_NAME);
}

// Host and guest agree, and before anything is made or waited for.
static void host_and_guest_refuse_the_same_names(void **state) {
    (void)state;
    const char *bad[] = {NULL, "", ".hidden", "a/b", "../a", "a b", "caf\xC3\xA9"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        sipc_host *host = (sipc_host *)&host;
        assert_int_equal(sipc_host_create(bad[i], 1, 64, NULL, &host), SIPC_BAD_NAME);
        assert_null(host);
        sipc_guest *guest = (sipc_guest *)&guest;
        const sipc_guest_options patient = {.attach_timeout_ns = SIPC_FOREVER};
        assert_int_equal(sipc_guest_attach(bad[i], &patient, &guest), SIPC_BAD_NAME);
        assert_null(guest);
    }
}

static void the_object_of_a_name_carries_the_librarys_prefix(void **state) {
    (void)state;
    char object[SIPC_OBJECT_NAME_SIZE];
    sipc_name_object("MyIPC", object);
    assert_string_equal(object, "/simpleipc.MyIPC");
    char name[SIPC_MAX_NAME + 1];
    memset(name, 'n', sizeof name);
    name[SIPC_MAX_NAME] = 0;
    sipc_name_object(name, object);
    assert_int_equal(strlen(object), strlen("/simpleipc.") + SIPC_MAX_NAME);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        PROMISE(every_name_of_the_shared_table_gets_its_verdict),
        PROMISE(every_single_byte_is_good_only_if_it_is_in_the_alphabet),
        PROMISE(the_longest_name_has_128_bytes),
        PROMISE(no_byte_behind_the_longest_name_is_read),
        PROMISE(null_is_a_bad_name),
        PROMISE(host_and_guest_refuse_the_same_names),
        PROMISE(the_object_of_a_name_carries_the_librarys_prefix),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
