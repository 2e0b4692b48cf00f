// SPDX-License-Identifier: Apache-2.0
// Where the two ends of a peer meet.
#ifndef BENCH_PEER_PLACE_H
#define BENCH_PEER_PLACE_H

#include "../common/control.h"
#include "peer.h"

// A request of this size ends a window; it is answered, too.
#define PEER_CLOSING_SIZE 1u
// As the number of a window: there will be no more.
#define PEER_QUIT UINT32_MAX

// The name and the folder are kept until the next call.
struct peer_place peer_place_of(struct bench_control *control, const char *name, uint32_t capacity);
// Private memory.
unsigned char *peer_buffer(uint32_t size);

// Of the place that was made last.
void peer_folder_make(void);
void peer_folder_remove(void);

#endif
