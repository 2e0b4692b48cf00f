// SPDX-License-Identifier: Apache-2.0
// Writes the results of a run as JSON.
#ifndef BENCH_JSON_H
#define BENCH_JSON_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "histogram.h"
#include "numbers.h"

// All functions take a NULL json and then do nothing: no file was asked for.
struct json {
    FILE *file;
    bool first; // in the object or list that is open
    unsigned depth;
    char path[4096];
};

// Opens a file; ends the process if that fails.
void json_open(struct json *json, const char *path);
void json_close(struct json *json);

// A key is NULL inside a list.
void json_begin(struct json *json, const char *key, char bracket);
void json_end(struct json *json, char bracket);
void json_text(struct json *json, const char *key, const char *value);
void json_number(struct json *json, const char *key, double value);
// Each with three digits at the least.
void json_numbers(struct json *json, const char *key, const struct numbers *numbers);
// Total, percentiles, maximum, and the buckets that are not empty, in one list: how far each one is
// from the one before it, and its count.
void json_histogram(struct json *json, const char *key, const struct histogram *histogram);

#endif
