// SPDX-License-Identifier: Apache-2.0
// SQL values as bytes. The same in guest/udf/values.go; both are checked against values.txt.
//
// A message is a list of values, little-endian:
//
//   count      uint32
//   types      count bytes: 0 NULL, 1 INTEGER, 2 REAL, 3 TEXT, 4 BLOB; then zeros to a multiple of
//   8 values     NULL: nothing
//              INTEGER: 8 bytes, two's complement
//              REAL: 8 bytes, IEEE 754
//              TEXT, BLOB: the size as uint64, the bytes, zeros to a multiple of 8
//
// and ends there: each value has one encoding only, and begins at a multiple of 8. Text is what
// SQLite takes for UTF-8; its bytes pass unchanged, and may contain zeros.
#ifndef SQLITE_UDF_VALUES_H
#define SQLITE_UDF_VALUES_H

#include <stdbool.h>
#include <stdint.h>

enum value_type { VALUE_NULL, VALUE_INTEGER, VALUE_REAL, VALUE_TEXT, VALUE_BLOB };

struct value {
    enum value_type type;
    int64_t integer;
    double real;
    const void *bytes; // of a text or a blob: in the message that is read; never NULL
    uint64_t size;     // of those bytes
};

// ---- Writing -----------------------------------------------------------------------------------

// Nothing is written beyond the capacity; what does not fit is still counted.
struct value_writer {
    uint8_t *message;
    uint64_t capacity;
    uint64_t size;    // of the message so far; it is whole if that is not more than the capacity
    uint32_t written; // values
};

// The message is 8-aligned. Exactly count values have to follow.
void values_begin(struct value_writer *writer, void *message, uint64_t capacity, uint32_t count);
void values_add_null(struct value_writer *writer);
void values_add_integer(struct value_writer *writer, int64_t integer);
void values_add_real(struct value_writer *writer, double real);
void values_add_bytes(struct value_writer *writer, enum value_type text_or_blob, const void *bytes,
                      uint64_t size);

// ---- Reading -----------------------------------------------------------------------------------

// Reads a message that others may be changing: each number is read once, checked, then used.
struct value_reader {
    const uint8_t *message;
    uint64_t size;
    uint64_t at; // where the next value begins
    uint32_t count;
    uint32_t taken;
    const char *problem; // why the last function said no
};

// The message is 8-aligned. False: it is no message.
bool values_open(struct value_reader *reader, const void *message, uint64_t size);
// False: the message is broken, or has no more values.
bool values_next(struct value_reader *reader, struct value *value);
// Whether all values were taken and nothing is left of the message.
bool values_close(struct value_reader *reader);

#endif
