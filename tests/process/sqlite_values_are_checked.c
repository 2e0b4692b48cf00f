// SPDX-License-Identifier: Apache-2.0
// The messages of examples/sqlite-udf: what a good one holds, and that a bad one is refused. Go
// checks the same table.
#include <ctype.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmocka_includes.h"
#include "values.h"

enum { MOST_TEXT = 1024, LEAST_SAMPLES = 50 };

// ---- The table ---------------------------------------------------------------------------------

struct sample {
    char what[MOST_TEXT];
    uint8_t *message; // exactly so large, that a sanitizer sees who reads on
    size_t size;
};

static uint8_t *exactly(const void *bytes, size_t size) {
    uint8_t *copy = malloc(size ? size : 1);
    assert_non_null(copy);
    if (size) memcpy(copy, bytes, size);
    return copy;
}

static void parse(char *line, struct sample *sample) {
    uint8_t bytes[MOST_TEXT];
    char *middle = strstr(line, " = ");
    if (!middle) fail_msg("\"%s\" is no line of the table", line);
    *middle = '\0';
    snprintf(sample->what, sizeof sample->what, "%s", line);
    const char *at = middle + 3;
    for (sample->size = 0; isxdigit((unsigned char)*at); at += 2) {
        unsigned byte;
        assert_int_equal(sscanf(at, "%2x", &byte), 1);
        assert_true(sample->size < sizeof bytes);
        bytes[sample->size++] = (uint8_t)byte;
    }
    sample->message = exactly(bytes, sample->size);
}

static void for_each_sample(void (*check)(const struct sample *sample)) {
    FILE *table = fopen(VALUES_TABLE, "r");
    assert_non_null(table);
    char line[MOST_TEXT];
    unsigned count = 0;
    while (fgets(line, sizeof line, table)) {
        if (line[0] == '#') continue;
        struct sample sample = {.size = 0};
        parse(line, &sample);
        check(&sample);
        free(sample.message);
        count++;
    }
    fclose(table);
    assert_true(count >= LEAST_SAMPLES);
}

// ---- Reading all of a message ------------------------------------------------------------------

static void append(char *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void append(char *text, const char *format, ...) {
    size_t size = strlen(text);
    va_list list;
    va_start(list, format);
    int added = vsnprintf(text + size, MOST_TEXT - size, format, list);
    va_end(list);
    assert_in_range(added, 0, MOST_TEXT - 1 - size);
}

static void describe_value(char *text, const struct value *value) {
    static const char *const names[] = {"N", "I:", "R:", "T:", "B:"};
    uint64_t bits;
    append(text, "%s%s", *text ? " " : "", names[value->type]);
    if (value->type == VALUE_INTEGER) append(text, "%" PRId64, value->integer);
    if (value->type == VALUE_REAL) {
        memcpy(&bits, &value->real, sizeof bits);
        append(text, "%016" PRIx64, bits);
    }
    if (value->type != VALUE_TEXT && value->type != VALUE_BLOB) return;
    assert_non_null(value->bytes);
    for (uint64_t i = 0; i < value->size; i++)
        append(text, "%02x", ((const uint8_t *)value->bytes)[i]);
}

static void write_value(struct value_writer *writer, const struct value *value) {
    switch (value->type) {
    case VALUE_NULL:
        values_add_null(writer);
        break;
    case VALUE_INTEGER:
        values_add_integer(writer, value->integer);
        break;
    case VALUE_REAL:
        values_add_real(writer, value->real);
        break;
    case VALUE_TEXT:
    case VALUE_BLOB:
    default:
        values_add_bytes(writer, value->type, value->bytes, value->size);
    }
}

// Reads a message, and writes it anew with this capacity. False: it is bad.
static bool read_and_write(struct value_reader *reader, const void *message, size_t size,
                           char *text, struct value_writer *writer, void *anew, size_t capacity) {
    if (!values_open(reader, message, size)) return false;
    values_begin(writer, anew, capacity, reader->count);
    struct value value;
    while (reader->taken < reader->count) {
        if (!values_next(reader, &value)) return false;
        describe_value(text, &value);
        write_value(writer, &value);
    }
    return values_close(reader);
}

// A message that is accepted has no other form.
static void expect_canonical(const void *message, size_t size, char *text) {
    struct value_reader reader;
    struct value_writer writer;
    uint8_t *copy = exactly(message, size), *anew = exactly(message, size);
    memset(anew, 0xff, size);
    if (read_and_write(&reader, copy, size, text, &writer, anew, size)) {
        assert_int_equal(writer.size, size);
        assert_memory_equal(anew, message, size);
        if (!*text) append(text, "empty");
    } else {
        *text = '\0';
        append(text, "bad: %s", reader.problem);
    }
    free(copy);
    free(anew);
}

// ---- The tests ---------------------------------------------------------------------------------

static void check_meaning(const struct sample *sample) {
    char text[MOST_TEXT] = "";
    expect_canonical(sample->message, sample->size, text);
    assert_string_equal(text, sample->what);
}

static void messages_mean_what_the_table_says(void **state) {
    (void)state;
    for_each_sample(check_meaning);
}

static void check_damaged(const struct sample *sample) {
    for (size_t size = 0; size < sample->size; size++) {
        char text[MOST_TEXT] = "";
        expect_canonical(sample->message, size, text);
    }
    for (size_t bit = 0; bit < 8 * sample->size; bit++) {
        char text[MOST_TEXT] = "";
        sample->message[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        expect_canonical(sample->message, sample->size, text);
        sample->message[bit / 8] ^= (uint8_t)(1u << (bit % 8));
    }
}

static void damaged_messages_are_refused_or_canonical(void **state) {
    (void)state;
    for_each_sample(check_damaged);
}

// Written into too little room: nothing beyond it, and the size that it takes is told.
static void check_room(const struct sample *sample) {
    if (strncmp(sample->what, "bad", 3) == 0) return;
    for (size_t capacity = 0; capacity < sample->size; capacity += 8) {
        char text[MOST_TEXT] = "";
        struct value_reader reader;
        struct value_writer writer;
        uint8_t *anew = malloc(capacity ? capacity : 1);
        assert_non_null(anew);
        assert_true(
            read_and_write(&reader, sample->message, sample->size, text, &writer, anew, capacity));
        assert_int_equal(writer.size, sample->size);
        free(anew);
    }
}

static void too_little_room_is_not_exceeded(void **state) {
    (void)state;
    for_each_sample(check_room);
}

static void other_numbers_of_values_are_refused(void **state) {
    (void)state;
    uint64_t message[4];
    struct value_writer writer;
    values_begin(&writer, message, sizeof message, 1);
    values_add_integer(&writer, 7);
    struct value_reader reader;
    struct value value;
    assert_true(values_open(&reader, message, writer.size));
    assert_false(values_close(&reader));
    assert_string_equal(reader.problem, "it has more values than expected");
    assert_true(values_next(&reader, &value));
    assert_true(values_close(&reader));
    assert_false(values_next(&reader, &value));
    assert_string_equal(reader.problem, "it has fewer values than expected");
}

int main(void) {
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_mean_what_the_table_says),
        cmocka_unit_test(damaged_messages_are_refused_or_canonical),
        cmocka_unit_test(too_little_room_is_not_exceeded),
        cmocka_unit_test(other_numbers_of_values_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
