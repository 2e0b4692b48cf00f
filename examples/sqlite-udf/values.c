// SPDX-License-Identifier: Apache-2.0
#include "values.h"

#include <string.h>

enum { COUNT_SIZE = sizeof(uint32_t) };

static uint64_t rounded_up(uint64_t size) {
    return (size + 7) / 8 * 8;
}

// ---- Writing -----------------------------------------------------------------------------------

// Takes room of a multiple of 8 bytes. NULL: the message has become too large.
static uint8_t *take_room(struct value_writer *writer, uint64_t size) {
    uint64_t at = writer->size;
    writer->size += size;
    return writer->size <= writer->capacity ? writer->message + at : NULL;
}

static uint8_t *add(struct value_writer *writer, enum value_type type, uint64_t size) {
    uint8_t *room = take_room(writer, size);
    if (room) writer->message[COUNT_SIZE + writer->written] = (uint8_t)type;
    writer->written++;
    return room;
}

void values_begin(struct value_writer *writer, void *message, uint64_t capacity, uint32_t count) {
    *writer = (struct value_writer){.message = message, .capacity = capacity};
    uint64_t size = rounded_up(COUNT_SIZE + (uint64_t)count);
    uint8_t *head = take_room(writer, size);
    if (!head) return;
    memset(head, 0, size);
    memcpy(head, &count, sizeof count);
}

void values_add_null(struct value_writer *writer) {
    add(writer, VALUE_NULL, 0);
}

void values_add_integer(struct value_writer *writer, int64_t integer) {
    uint8_t *room = add(writer, VALUE_INTEGER, sizeof integer);
    if (room) memcpy(room, &integer, sizeof integer);
}

void values_add_real(struct value_writer *writer, double real) {
    uint8_t *room = add(writer, VALUE_REAL, sizeof real);
    if (room) memcpy(room, &real, sizeof real);
}

void values_add_bytes(struct value_writer *writer, enum value_type text_or_blob, const void *bytes,
                      uint64_t size) {
    uint64_t padded = rounded_up(size);
    uint8_t *room = add(writer, text_or_blob, sizeof size + padded);
    if (!room) return;
    memcpy(room, &size, sizeof size);
    if (size == 0) return;
    // The padding is zero, and the bytes may reach to its end.
    memset(room + padded, 0, sizeof(uint64_t));
    memcpy(room + sizeof size, bytes, size);
}

// ---- Reading -----------------------------------------------------------------------------------

static bool refuse(struct value_reader *reader, const char *problem) {
    reader->problem = problem;
    return false;
}

// Volatile: loaded once, so that what was checked is what is used.
static uint64_t load(const uint8_t *aligned) {
    return *(const volatile uint64_t *)(const void *)aligned;
}

static uint64_t left(const struct value_reader *reader) {
    return reader->size - reader->at;
}

// Whether the bytes from here to the next multiple of 8 are zero.
static bool is_padded(const struct value_reader *reader, uint64_t from) {
    for (; from % 8 != 0; from++)
        if (reader->message[from] != 0) return false;
    return true;
}

bool values_open(struct value_reader *reader, const void *message, uint64_t size) {
    *reader = (struct value_reader){.message = message, .size = size};
    if (size < 8 || size % 8 != 0) return refuse(reader, "its size is no multiple of 8, or 0");
    reader->count = (uint32_t)load(reader->message);
    uint64_t head = COUNT_SIZE + (uint64_t)reader->count;
    if (head > size) return refuse(reader, "it is shorter than the types of its values");
    if (!is_padded(reader, head)) return refuse(reader, "the bytes after its types are not zero");
    reader->at = rounded_up(head);
    return true;
}

static bool take_number(struct value_reader *reader, uint64_t *number) {
    if (left(reader) < sizeof *number) return refuse(reader, "it ends before its values do");
    *number = load(reader->message + reader->at);
    reader->at += sizeof *number;
    return true;
}

static bool take_bytes(struct value_reader *reader, struct value *value) {
    if (!take_number(reader, &value->size)) return false;
    if (value->size > left(reader)) return refuse(reader, "a size in it leads beyond its end");
    value->bytes = reader->message + reader->at;
    reader->at += value->size;
    if (!is_padded(reader, reader->at))
        return refuse(reader, "the bytes after a text or a blob are not zero");
    reader->at = rounded_up(reader->at); // not beyond the end: that is a multiple of 8
    return true;
}

bool values_next(struct value_reader *reader, struct value *value) {
    if (reader->taken == reader->count) return refuse(reader, "it has fewer values than expected");
    uint64_t number = 0;
    bool good = true;
    uint8_t type = *(const volatile uint8_t *)(reader->message + COUNT_SIZE + reader->taken++);
    *value = (struct value){.type = (enum value_type)type};
    switch (type) {
    case VALUE_NULL:
        break;
    case VALUE_INTEGER:
        good = take_number(reader, &number);
        value->integer = (int64_t)number;
        break;
    case VALUE_REAL:
        good = take_number(reader, &number);
        memcpy(&value->real, &number, sizeof number);
        break;
    case VALUE_TEXT:
    case VALUE_BLOB:
        return take_bytes(reader, value);
    default:
        return refuse(reader, "it has a value of an unknown type");
    }
    return good;
}

bool values_close(struct value_reader *reader) {
    if (reader->taken < reader->count) return refuse(reader, "it has more values than expected");
    if (left(reader) > 0) return refuse(reader, "it goes on after its last value");
    return true;
}
