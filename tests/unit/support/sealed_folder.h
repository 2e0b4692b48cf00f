// SPDX-License-Identifier: Apache-2.0
// A folder for the sockets of sealed regions, and hosts and guests by hand at such a socket.
#ifndef SIPC_TESTS_SEALED_FOLDER_H
#define SIPC_TESTS_SEALED_FOLDER_H

#include <stddef.h>
#include <stdint.h>

// Makes an empty folder of mode 0700, as a set-up that notes what exists; and removes it, as a
// tear-down that finds nothing left behind, in the folder either.
int make_sealed_folder(void **state);
int remove_sealed_folder(void **state);
extern char sealed_folder[64];

// The path of a name's socket; valid until the eighth next call.
const char *sealed_path(const char *name);

// A socket of that type that is bound to the path; listening if asked.
int socket_at(const char *path, int type, int listens);
// Connected to the path.
int connection_to(const char *path);
// Sends these bytes with these descriptors, from any thread; who is to receive them may have gone.
void send_with(int connection, const void *bytes, size_t size, const int *descriptors,
               unsigned count);
// Receives the handover of a region, waiting for it: the descriptor that came, -1 if none did.
int take_by_hand(int connection, uint32_t *answer);

// A memfd with these seals.
int memfd_by_hand(const void *bytes, size_t length, uint64_t size, int seals);

#endif
