// SPDX-License-Identifier: Apache-2.0
// What the C peers of the process tests answer, as message.h says. Guests and hosts alike.
#ifndef PROCESS_HANDLER_H
#define PROCESS_HANDLER_H

#include <simpleipc/simpleipc.h>

#ifdef __cplusplus
extern "C" {
#endif

sipc_status handle_message(void *context, const sipc_request *request, sipc_response *response);

// One line on the standard output, at once.
void say(const char *line);

#ifdef __cplusplus
}
#endif

#endif
