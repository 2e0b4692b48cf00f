// SPDX-License-Identifier: Apache-2.0
// Processors and peer processes. Functions that fail say on standard error why.
#ifndef SIMPLEIPC_EXPERIMENTS_PROCESS_H
#define SIMPLEIPC_EXPERIMENTS_PROCESS_H

#include <stdbool.h>
#include <sys/types.h>

// Reads a whole decimal number from `least` to `most`.
bool parse_number(const char *text, long least, long most, long *number);

// The n-th processor (from 0) that this process may run on; -1 if there are not as many.
int allowed_processor(int n);

// Binds the calling thread to a processor.
bool pin_to_processor(int processor);

// Starts `program --name name --cpu processor`. -1: it could not be started.
pid_t start_guest(const char *program, const char *name, int processor);

// Ends a child if it still runs, and collects it.
void end_child(pid_t child);

// Ends this process with status 1 as soon as process `peer` has ended.
bool exit_with_peer(pid_t peer);

#endif
