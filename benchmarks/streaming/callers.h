// SPDX-License-Identifier: Apache-2.0
// How a stream is called: by the C API or by shm::Stream.
#ifndef BENCH_STREAMING_CALLERS_H
#define BENCH_STREAMING_CALLERS_H

#include "../host/pair.h"
#include "windows.h"

#ifdef __cplusplus
extern "C" {
#endif

// One stream with so many bytes, of which each is copied from or into the message. False: see
// sipc_error_text().
typedef bool call_stream(struct pair *pair, struct message *message, bool gives, uint64_t total);

bool call_by_c(struct pair *pair, struct message *message, bool gives, uint64_t total);
bool call_by_cpp(struct pair *pair, struct message *message, bool gives, uint64_t total);

#ifdef __cplusplus
}
#endif

#endif
