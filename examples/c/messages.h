// SPDX-License-Identifier: Apache-2.0
#ifndef EXAMPLE_MESSAGES_H
#define EXAMPLE_MESSAGES_H

#include <simpleipc/simpleipc.h>

// An application's message ids begin at SIPC_MESSAGE_FIRST_USER.
#define MESSAGE_UPPER_CASE (SIPC_MESSAGE_FIRST_USER + 0u)

#endif
