// SPDX-License-Identifier: Apache-2.0
#ifndef SIPC_INTERNAL_NAME_H
#define SIPC_INTERNAL_NAME_H

#include "errors.h"
#include "layout.h"

// Room for "/simpleipc." + name + ".65535.c" and its NUL.
#define SIPC_OBJECT_NAME_SIZE (11u + SIPC_MAX_NAME + 8u + 1u)

// The verdict on a region's name, the same in every language (spec 9).
sipc_status sipc_name_check(const char *name);
// The verdict on a guest's name, and its bytes padded with zeros (spec 9.2). SIPC_BAD_NAME.
sipc_status sipc_name_of_guest(const char *name, uint8_t bytes[SIPC_MAX_GUEST_NAME]);
// The name of the shared memory object: "/simpleipc.NAME". The name was checked.
void sipc_name_object(const char *name, char object[SIPC_OBJECT_NAME_SIZE]);

// The path of a sealed region's socket in its folder (spec 12). SIPC_BAD_NAME if it is too long.
#define SIPC_SOCKET_PATH_SIZE (SIPC_MAX_SOCKET_PATH + 1)
sipc_status sipc_name_socket(const char *folder, const char *name,
                             char path[SIPC_SOCKET_PATH_SIZE]);

#endif
