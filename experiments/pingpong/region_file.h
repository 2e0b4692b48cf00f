// SPDX-License-Identifier: Apache-2.0
// The named piece of shared memory that the two processes meet in. All functions say on standard
// error what went wrong.
#ifndef SIMPLEIPC_EXPERIMENTS_REGION_FILE_H
#define SIMPLEIPC_EXPERIMENTS_REGION_FILE_H

#include <stdbool.h>
#include <stddef.h>

// Not empty, at most 200 bytes, no '/'.
bool region_name_is_valid(const char *name);

// A new region, zeroed and allocated, mode 0600. NULL: it exists already, or there is no room.
void *region_create(const char *name, size_t bytes);

// NULL: there is none, or it has another size.
void *region_attach(const char *name, size_t bytes);

// Only the name goes; who has the region mapped keeps it.
void region_remove(const char *name);

#endif
