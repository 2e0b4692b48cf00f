// SPDX-License-Identifier: Apache-2.0
#include "native.h"

#include <math.h>
#include <stddef.h>

static void upper(sqlite3_context *context, int count, sqlite3_value **arguments) {
    (void)count;
    if (sqlite3_value_type(arguments[0]) == SQLITE_NULL) return;
    const unsigned char *from = sqlite3_value_text(arguments[0]);
    int size = sqlite3_value_bytes(arguments[0]);
    char *to = from ? sqlite3_malloc64((sqlite3_uint64)size + 1) : NULL;
    if (!to) {
        sqlite3_result_error_nomem(context);
        return;
    }
    for (int i = 0; i < size; i++)
        to[i] = (char)(from[i] >= 'a' && from[i] <= 'z' ? from[i] - ('a' - 'A') : from[i]);
    sqlite3_result_text(context, to, size, sqlite3_free);
}

static void geo_distance(sqlite3_context *context, int count, sqlite3_value **arguments) {
    static const double RADIUS = 6371.0088, DEGREE = 3.14159265358979323846 / 180;
    double at[4];
    (void)count;
    for (int i = 0; i < 4; i++) {
        if (sqlite3_value_type(arguments[i]) == SQLITE_NULL) return;
        at[i] = sqlite3_value_double(arguments[i]) * DEGREE;
    }
    double north = sin((at[2] - at[0]) / 2), east = sin((at[3] - at[1]) / 2);
    double h = north * north + cos(at[0]) * cos(at[2]) * east * east;
    sqlite3_result_double(context, 2 * RADIUS * asin(sqrt(h < 1 ? h : 1)));
}

int native_add(sqlite3 *database) {
    static const int FLAGS = SQLITE_UTF8 | SQLITE_DETERMINISTIC;
    int code =
        sqlite3_create_function_v2(database, "c_upper", 1, FLAGS, NULL, upper, NULL, NULL, NULL);
    if (code != SQLITE_OK) return code;
    return sqlite3_create_function_v2(database, "c_geo_distance", 4, FLAGS, NULL, geo_distance,
                                      NULL, NULL, NULL);
}
