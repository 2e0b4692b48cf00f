// SPDX-License-Identifier: Apache-2.0
// Answers that come later: a handler that leaves its requests, and threads that answer them as
// handler.h does, each as soon as one has the time.
#ifndef PROCESS_LATER_H
#define PROCESS_LATER_H

#include <simpleipc/simpleipc.h>

// At most 16 threads; 0 does nothing.
void desk_open(unsigned threads);
// After the guest's end: all are answered.
void desk_close(void);

sipc_status leave_message(void *context, const sipc_request *request, sipc_response *response);

#endif
