// SPDX-License-Identifier: Apache-2.0
// What the guest's functions are compared with: the same work as ordinary functions of this
// process.
#ifndef SQLITE_UDF_NATIVE_H
#define SQLITE_UDF_NATIVE_H

#include <sqlite3.h>

// Adds c_upper(text), for ASCII, and c_geo_distance(latitude, longitude, latitude, longitude).
int native_add(sqlite3 *database);

#endif
