// SPDX-License-Identifier: Apache-2.0
// Who may open what this process creates: its own user, and nobody else.
#ifndef SIPC_OS_WINDOWS_SECURITY_H
#define SIPC_OS_WINDOWS_SECURITY_H

#include <stdbool.h>

#include "windows.h"

// Attributes for objects that only this process's user may open. To be freed by
// sipc_os_security_free().
sipc_status sipc_os_security_own(SECURITY_ATTRIBUTES *attributes);
void sipc_os_security_free(SECURITY_ATTRIBUTES *attributes);

// Whether this object's owner is the user of this process.
sipc_status sipc_os_security_is_mine(HANDLE object, bool *mine);

#endif
