// SPDX-License-Identifier: Apache-2.0
// The bare limit of a stream: two processes that copy pieces into shared buffers and out of them,
// with nothing but a word for each buffer between them. go/streaming/windows.go has the guest's end
// in Go, with the same offsets.
#ifndef BENCH_STREAMING_WINDOWS_H
#define BENCH_STREAMING_WINDOWS_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define WINDOWS_BUFFERS 4u
#define WINDOWS_PIECE (1u << 20) // bytes at most
#define WINDOWS_PAGE 4096u

// Message ids: a bare window, whose request is a window_asked; a stream of which the guest takes
// the request; a stream that asks for so many bytes, a uint64_t.
enum { WINDOWS_MESSAGE = 130, STREAM_TAKE = 200, STREAM_GIVE = 201 };

struct window_asked {
    uint64_t total;   // bytes
    uint32_t piece;   // bytes of each but the last
    uint32_t buffers; // that are used in turn
    uint32_t gives;   // 1: the guest gives and the host takes
    uint32_t unused;
};

// In shared memory, at a page (host/pair.h). The words by __atomic_ functions.
struct windows {
    uint32_t begun; // windows that the guest has begun
    uint32_t unused[15];
    struct {
        uint32_t full; // 1: the taker's
        uint32_t unused[15];
    } buffers[WINDOWS_BUFFERS];
    uint8_t rest_of_page[WINDOWS_PAGE - 64 * (1 + WINDOWS_BUFFERS)];
    uint8_t bytes[WINDOWS_BUFFERS][WINDOWS_PIECE];
};

static_assert(offsetof(struct windows, buffers) == 64, "windows");
static_assert(offsetof(struct windows, bytes) == WINDOWS_PAGE, "windows");
static_assert(sizeof(struct window_asked) == 24, "windows");

// A message that is larger than the memory behind it: the bytes come round.
struct message {
    uint8_t *bytes;
    uint64_t size;
    uint64_t at;
};

// No bytes: there is no memory.
struct message message_make(void);
// Where the next bytes stand, so many in one piece.
uint8_t *message_next(struct message *message, uint32_t size);

// One window, by the guest, from its handler.
void windows_serve(struct windows *windows, const struct window_asked *asked,
                   struct message *message);
// The host's end, once the guest was asked. Returns nanoseconds, from the moment when both have
// begun to that when the last byte was taken.
uint64_t windows_run(struct windows *windows, const struct window_asked *asked, uint32_t begun,
                     struct message *message);

#ifdef __cplusplus
}
#endif

#endif
