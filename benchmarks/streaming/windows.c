// SPDX-License-Identifier: Apache-2.0
#include "windows.h"

#include <stdlib.h>
#include <string.h>

#include "../common/system.h"

// More than the caches of most machines hold.
#define MESSAGE_BYTES (UINT64_C(64) << 20)

struct message message_make(void) {
    struct message message = {.bytes = malloc(MESSAGE_BYTES), .size = MESSAGE_BYTES};
    // Touched: no page fault inside a window.
    if (message.bytes) memset(message.bytes, 3, message.size);
    return message;
}

uint8_t *message_next(struct message *message, uint32_t size) {
    if (message->size - message->at < size) message->at = 0;
    uint8_t *bytes = message->bytes + message->at;
    message->at += size;
    return bytes;
}

static void rest_briefly(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb");
#endif
}

static void await(const uint32_t *word, uint32_t value) {
    // Acquire: what the other side did with the buffer comes before what is done here.
    while (__atomic_load_n(word, __ATOMIC_ACQUIRE) != value) rest_briefly();
}

// The bytes of the buffers in turn, each once it holds this word.
static void copy_all(struct windows *windows, const struct window_asked *asked,
                     struct message *message, bool gives) {
    uint32_t at = 0;
    for (uint64_t left = asked->total; left > 0; at = (at + 1) % asked->buffers) {
        const uint32_t size = left < asked->piece ? (uint32_t)left : asked->piece;
        uint8_t *own = message_next(message, size);
        await(&windows->buffers[at].full, gives ? 0 : 1);
        if (gives)
            memcpy(windows->bytes[at], own, size);
        else
            memcpy(own, windows->bytes[at], size);
        // Release: the copy comes before the word.
        __atomic_store_n(&windows->buffers[at].full, gives ? 1 : 0, __ATOMIC_RELEASE);
        left -= size;
    }
}

void windows_serve(struct windows *windows, const struct window_asked *asked,
                   struct message *message) {
    __atomic_fetch_add(&windows->begun, 1, __ATOMIC_RELEASE);
    copy_all(windows, asked, message, asked->gives != 0);
}

uint64_t windows_run(struct windows *windows, const struct window_asked *asked, uint32_t begun,
                     struct message *message) {
    await(&windows->begun, begun + 1);
    const uint64_t from = system_clock_ns();
    copy_all(windows, asked, message, asked->gives == 0);
    for (uint32_t i = 0; i < asked->buffers; i++) await(&windows->buffers[i].full, 0);
    return system_clock_ns() - from;
}
