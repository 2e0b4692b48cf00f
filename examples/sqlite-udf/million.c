// SPDX-License-Identifier: Apache-2.0
// What a call costs: a million rows through functions of the guest and through the same in this
// process. The guest runs already.
//
//   sqlite_million EXTENSION NAME [ROWS]
//
// The machine's mood changes within seconds, so the queries run in turn, on a part of the rows each
// time, and medians are compared. A call's cost is the query's time less that of the same query
// without a call.
#define _POSIX_C_SOURCE 200809L
#include <sqlite3.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "native.h"

enum { WINDOWS = 50, QUERIES = 6 };

struct query {
    const char *function;
    const char *where;
    const char *sum; // what it does with each row; the first of its three does no call
    sqlite3_stmt *statement;
    double total;
    double nanoseconds[WINDOWS]; // per row
};

static struct query queries[QUERIES] = {
    {.function = "upper", .where = "no call", .sum = "length(name)"},
    {.function = "upper", .where = "in process", .sum = "length(c_upper(name))"},
    {.function = "upper", .where = "Go guest", .sum = "length(go_upper(name))"},
    {.function = "geo_distance", .where = "no call", .sum = "a + b + c + d"},
    {.function = "geo_distance", .where = "in process", .sum = "c_geo_distance(a, b, c, d)"},
    {.function = "geo_distance", .where = "Go guest", .sum = "geo_distance(a, b, c, d)"},
};

static void end(const char *problem) {
    fprintf(stderr, "sqlite_million: %s\n", problem);
    exit(1); // NOLINT(concurrency-mt-unsafe): there is one thread
}

static void must(sqlite3 *database, int code) {
    if (code != SQLITE_OK) end(sqlite3_errmsg(database));
}

// Runs a statement with these two numbers. Returns the first column of its row; 0 if it has none.
static double run(sqlite3 *database, sqlite3_stmt *statement, int first, int second) {
    must(database, sqlite3_bind_int(statement, 1, first));
    must(database, sqlite3_bind_int(statement, 2, second));
    int code = sqlite3_step(statement);
    double number = code == SQLITE_ROW ? sqlite3_column_double(statement, 0) : 0;
    if (code != SQLITE_ROW && code != SQLITE_DONE) end(sqlite3_errmsg(database));
    must(database, sqlite3_reset(statement));
    return number;
}

static sqlite3_stmt *prepare(sqlite3 *database, const char *text) {
    sqlite3_stmt *statement;
    must(database, sqlite3_prepare_v2(database, text, -1, &statement, NULL));
    return statement;
}

static void attach(sqlite3 *database, const char *extension, const char *name) {
    char *error = NULL;
    must(database, sqlite3_db_config(database, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 1, NULL));
    if (sqlite3_load_extension(database, extension, NULL, &error) != SQLITE_OK) end(error);
    sqlite3_stmt *statement = prepare(database, "SELECT simpleipc_attach(?)");
    must(database, sqlite3_bind_text(statement, 1, name, -1, SQLITE_STATIC));
    if (sqlite3_step(statement) != SQLITE_ROW) end(sqlite3_errmsg(database));
    must(database, sqlite3_finalize(statement));
    must(database, native_add(database));
}

static void fill(sqlite3 *database, int rows) {
    must(database, sqlite3_exec(database,
                                "CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT, "
                                "a REAL, b REAL, c REAL, d REAL)",
                                NULL, NULL, NULL));
    sqlite3_stmt *statement = prepare(
        database, "WITH RECURSIVE n(i) AS (SELECT ?1 UNION ALL SELECT i + 1 FROM n WHERE i < ?2) "
                  "INSERT INTO t SELECT i, 'customer ' || i, i * 37 % 180 - 90.5, "
                  "i * 41 % 360 - 180.5, i * 43 % 180 - 90.5, i * 47 % 360 - 180.5 FROM n");
    run(database, statement, 1, rows);
    must(database, sqlite3_finalize(statement));
}

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static void measure(sqlite3 *database, int rows) {
    int part = rows / WINDOWS;
    for (int window = 0; window < WINDOWS; window++) {
        for (int i = 0; i < QUERIES; i++) {
            struct query *query = &queries[i];
            double began = now();
            query->total += run(database, query->statement, window * part + 1, part);
            query->nanoseconds[window] = (now() - began) / part;
        }
    }
}

static int compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

// The median over the windows of a query's time per row, or of what it takes longer than another.
static double median(const struct query *query, const struct query *without) {
    double sorted[WINDOWS];
    for (int i = 0; i < WINDOWS; i++)
        sorted[i] = query->nanoseconds[i] - (without ? without->nanoseconds[i] : 0);
    qsort(sorted, WINDOWS, sizeof *sorted, compare);
    return (sorted[WINDOWS / 2 - 1] + sorted[WINDOWS / 2]) / 2;
}

static void print(int rows) {
    printf("%d rows, medians of %d parts in turn\n", rows, (int)WINDOWS);
    printf("%-14s %-12s %12s %12s\n", "function", "where", "rows/s", "ns per call");
    for (int i = 0; i < QUERIES; i++) {
        const struct query *query = &queries[i], *without = &queries[i - i % 3];
        printf("%-14s %-12s %12.0f ", query->function, query->where, 1e9 / median(query, NULL));
        if (query == without)
            printf("%12s\n", "-");
        else
            printf("%12.0f\n", median(query, without));
    }
}

// Whether both sides computed the same: sines may differ in their last bits.
static bool agree(void) {
    double distance = queries[4].total - queries[5].total;
    return queries[1].total == queries[2].total && queries[4].total > 0 &&
           distance < 1e-9 * queries[4].total && -distance < 1e-9 * queries[4].total;
}

int main(int count, char **words) {
    int rows = count == 4 ? atoi(words[3]) : 1000000; // NOLINT(cert-err34-c): checked below
    if (count < 3 || count > 4 || rows < WINDOWS || rows % WINDOWS != 0) {
        fprintf(stderr, "usage: sqlite_million EXTENSION NAME [ROWS, a multiple of %d]\n",
                (int)WINDOWS);
        return 2;
    }
    sqlite3 *database;
    must(NULL, sqlite3_open(":memory:", &database));
    attach(database, words[1], words[2]);
    fill(database, rows);
    for (int i = 0; i < QUERIES; i++) {
        char text[160];
        snprintf(text, sizeof text, "SELECT sum(%s) FROM t WHERE id >= ?1 AND id < ?1 + ?2",
                 queries[i].sum);
        queries[i].statement = prepare(database, text);
    }
    measure(database, rows);
    print(rows);
    for (int i = 0; i < QUERIES; i++) must(database, sqlite3_finalize(queries[i].statement));
    must(database, sqlite3_close(database));
    if (!agree()) end("the guest and this process computed different results");
    return 0;
}
