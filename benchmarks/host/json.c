// SPDX-License-Identifier: Apache-2.0
#include "json.h"

#include <errno.h>
#include <string.h>

#include "failure.h"

void json_open(struct json *json, const char *path) {
    if (snprintf(json->path, sizeof json->path, "%s", path) >= (int)sizeof json->path)
        failure_exit(1, "the path of the results is longer than %zu bytes", sizeof json->path);
    json->file = fopen(path, "w");
    if (!json->file) failure_exit(1, "%s: %s", path, strerror(errno));
    json->first = true;
    json->depth = 0;
    json_begin(json, NULL, '{');
}

void json_close(struct json *json) {
    if (!json) return;
    json_end(json, '}');
    fputc('\n', json->file);
    bool bad = ferror(json->file) != 0;
    if (fclose(json->file) != 0 || bad)
        failure_exit(1, "%s: the results could not be written: %s", json->path, strerror(errno));
}

static void quote(struct json *json, const char *text) {
    fputc('"', json->file);
    for (; *text; text++) {
        unsigned char byte = (unsigned char)*text;
        if (byte < ' ')
            fprintf(json->file, "\\u%04x", byte);
        else
            fprintf(json->file, byte == '"' || byte == '\\' ? "\\%c" : "%c", byte);
    }
    fputc('"', json->file);
}

// The comma and the indentation before a member, and its key.
static void member(struct json *json, const char *key) {
    if (!json->first) fputc(',', json->file);
    if (json->depth) fprintf(json->file, "\n%*s", (int)json->depth, "");
    json->first = false;
    if (!key) return;
    quote(json, key);
    fputs(": ", json->file);
}

void json_begin(struct json *json, const char *key, char bracket) {
    if (!json) return;
    member(json, key);
    fputc(bracket, json->file);
    json->first = true;
    json->depth++;
}

void json_end(struct json *json, char bracket) {
    if (!json) return;
    json->depth--;
    fputc(bracket, json->file);
    json->first = false;
}

void json_text(struct json *json, const char *key, const char *value) {
    if (!json) return;
    member(json, key);
    quote(json, value);
}

void json_number(struct json *json, const char *key, double value) {
    if (!json) return;
    member(json, key);
    fprintf(json->file, "%.10g", value);
}

void json_numbers(struct json *json, const char *key, const struct numbers *numbers) {
    if (!json) return;
    member(json, key);
    fputc('[', json->file);
    for (size_t i = 0; i < numbers->count; i++) {
        if (i) fputc(',', json->file);
        fprintf(json->file, numbers->values[i] < 1000 ? "%.3g" : "%.0f", numbers->values[i]);
    }
    fputc(']', json->file);
}

void json_histogram(struct json *json, const char *key, const struct histogram *histogram) {
    if (!json) return;
    static const struct {
        const char *name;
        double share;
    } marks[] = {{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p99.9", 0.999}, {"p99.99", 0.9999}};
    json_begin(json, key, '{');
    json_number(json, "count", (double)histogram->total);
    for (size_t i = 0; i < sizeof marks / sizeof marks[0]; i++)
        json_number(json, marks[i].name, (double)histogram_percentile(histogram, marks[i].share));
    json_number(json, "max", (double)histogram->max);
    member(json, "buckets");
    const char *comma = "";
    uint32_t last = 0;
    fputc('[', json->file);
    for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        if (histogram->counts[i] == 0) continue;
        fprintf(json->file, "%s%u,%llu", comma, i - last, (unsigned long long)histogram->counts[i]);
        last = i;
        comma = ",";
    }
    fputc(']', json->file);
    json_end(json, '}');
}
