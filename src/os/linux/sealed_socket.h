// SPDX-License-Identifier: Apache-2.0
// The socket of a sealed region (spec 12), as both sides see it.
#ifndef SIPC_OS_LINUX_SEALED_SOCKET_H
#define SIPC_OS_LINUX_SEALED_SOCKET_H

#include <stdbool.h>
#include <sys/un.h>

#include "../../internal/errors.h"

// The three seals that a region bears at the least.
#define SIPC_REGION_SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

// Its path in the folder. SIPC_BAD_NAME if that is too long.
sipc_status sipc_os_sealed_address(const char *folder, const char *name,
                                   struct sockaddr_un *address);

enum sipc_os_reached {
    SIPC_REACHED,        // *fd is connected
    SIPC_NOTHING_THERE,  // no socket at that path
    SIPC_NOBODY_LISTENS, // a socket whose host is gone, or not there yet
    SIPC_QUEUE_FULL      // a host that does not get round to it
};

// Connects; waits for a place in a full queue until then, 0: not at all. SIPC_NOT_A_REGION: what
// stands there is no socket, or another program's.
sipc_status sipc_os_sealed_connect(const struct sockaddr_un *address, uint64_t until, int *fd,
                                   enum sipc_os_reached *reached);

// Who connected, or who listens.
sipc_status sipc_os_sealed_peer(int fd, uint32_t *user);
// Whether they are the same user. An id that means nothing in this user namespace is nobody's.
bool sipc_os_is_user(uint32_t one, uint32_t other);

#endif
