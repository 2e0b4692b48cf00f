// SPDX-License-Identifier: Apache-2.0
// What the streamers of the process tests do, in C and in C++: streamer_main.c reads the commands,
// streamer_c.c and streamer_cpp.cpp make and serve the streams.
//
//   200  the response is 16 bytes: how many bytes came, and their hash
//   201  the request is a size of 8 bytes, or that and a byte at which to fail; the response so
//        many bytes of the pattern
//   202  each byte comes back with all its bits flipped, while more are on their way
//   203  the response is the request, assembled, of 1 MiB at most
#ifndef PROCESS_STREAMER_H
#define PROCESS_STREAMER_H

#include <stdbool.h>
#include <stdint.h>

#include <simpleipc/simpleipc.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { STREAM_HASH = 200, STREAM_PRODUCE = 201, STREAM_FLIP = 202, STREAM_WHOLE = 203 };

// The bytes of each message, and a hash of bytes.
uint64_t hash_begin(void);
uint64_t hash_add(uint64_t hash, const uint8_t *bytes, uint64_t size);
void pattern_fill(uint8_t *to, uint64_t offset, uint64_t size);

// One stream, as it is asked for, and what became of it.
struct stream_job {
    uint32_t message_id;
    bool known; // the request's size is announced
    uint32_t depth;
    uint64_t size;        // of the request, pattern; of STREAM_PRODUCE what it asks for
    uint64_t abort_after; // bytes sent or received; 0: not
    uint32_t pause_us;    // before each piece of the source
    uint64_t received, hash;
};

// As a host with guest slots, or as a guest that serves and calls. Both serve streams.
sipc_status streamer_open_host(const char *name, uint32_t slots, uint32_t data_size);
sipc_status streamer_open_guest(const char *name, uint32_t slots_per_worker);
sipc_status streamer_run(struct stream_job *job);
// How many streams of others are open, and the status with which the last one ended.
uint32_t streamer_open(void);
sipc_status streamer_last_end(void);
void streamer_close(void);

#ifdef __cplusplus
}
#endif

#endif
