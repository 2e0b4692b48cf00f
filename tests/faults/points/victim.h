// SPDX-License-Identifier: Apache-2.0
// Processes that a row makes die, stop or stumble at a point, and the names of all points.
#ifndef SIPC_FAULT_VICTIM_H
#define SIPC_FAULT_VICTIM_H

#include <stdbool.h>
#include <stddef.h>

#include "../row.h"

enum { POINT_NAME_SIZE = 256 };

struct point_names {
    char (*names)[POINT_NAME_SIZE];
    size_t count, room;
};

bool names_have(const struct point_names *names, const char *name);
// Adds those lines of the file that are not there yet and removes the file.
void names_add_file(struct point_names *names, const char *path);
void names_add(struct point_names *names, const char *name);
void names_free(struct point_names *names);
// The names of all points that were compiled into a program.
void names_of_program(struct point_names *names, const char *program);

// What a process that is started from here on does at its points, and where it says which it has
// seen; NULL: nothing.
void set_points(const char *rules, const char *seen_path);
// A path of this process's own for lists of names.
const char *list_path(void);

enum end { LIVES, STOPPED, KILLED, ENDED_ITSELF };

// Looks at a peer without waiting; what it says is read, and heard_ready tells whether that held
// the word "ready".
enum end look_at(struct peer *peer, bool *heard_ready);
// Closes its standard input.
void end_input(struct peer *peer);
// Waits for a change at most that long.
void await_word_or_end(struct peer *peer, unsigned milliseconds);

#endif
