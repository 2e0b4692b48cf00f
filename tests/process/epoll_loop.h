// SPDX-License-Identifier: Apache-2.0
// The loops of the process tests' peers, over epoll.
#ifndef PROCESS_EPOLL_LOOP_H
#define PROCESS_EPOLL_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// One loop per process, which waits for this descriptor.
void epoll_loop_open(intptr_t descriptor);
// And for the standard input as well.
void epoll_loop_add_input(void);
// Waits until one of them is readable. False: it was the standard input.
bool epoll_loop_wait(void);
void epoll_loop_close(void);

#ifdef __cplusplus
}
#endif

#endif
