// SPDX-License-Identifier: Apache-2.0
// The bare limit: two processes exchange a request and a response through shared memory with one
// word and one payload for each direction and nothing else. No ids, no sizes, no sleeping, no
// recovery: what is left is what the machine charges for moving the lines.
//
// Made to be interleaved with another measurement in the same two processes:
//
//     host                                          guest, in a thread of its own
//     bare_host_init(&host, region, alive, 0)       bare_guest_init(&guest, region, ...)
//     bare_window_open(&host, layout, size, false)  while (bare_window_serve(&guest) ==
//     bare_call(&host, request, response)  N times          BARE_SERVED) {}
//     bare_window_close(&host)
//     ... the other measurement ...                 sleeps on a futex between windows
//     bare_quit(&host)                              BARE_QUIT
//
// The region is BARE_REGION_BYTES of zeroed shared memory, aligned to a page. C11 and C++; Linux.
#ifndef SIMPLEIPC_EXPERIMENTS_BARE_H
#define SIMPLEIPC_EXPERIMENTS_BARE_H

#include <limits.h>
#include <linux/futex.h>
#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define BARE_INLINE static inline __attribute__((always_inline))

// Where state and payload stand. L of a size is the layout with the best median at that size.
enum bare_layout {
    BARE_ONE_LINE,   // one word and one buffer for both directions, payload in the word's line
    BARE_OWN_LINES,  // a word for each writer, payload in the word's line
    BARE_NEIGHBOURS, // a word for each writer, payload from the line after it
    BARE_FAR,        // both words in one header of two lines, payloads far away
    BARE_LAYOUTS
};

#define BARE_MAX_SIZE (1024u * 1024u)
#define BARE_MAGIC 0x45524142u // "BARE"
#define BARE_VERSION 1u
#define BARE_WINDOW_QUIT 0xffffffffu

// Two lines, each with one writer. Go: go/region.go has the same offsets.
struct bare_control {
    uint32_t magic; // written last by the host, with release
    uint32_t version;
    uint32_t host_pid;
    uint32_t window; // number of the open window; the guest sleeps on it
    uint32_t layout;
    uint32_t size;
    uint32_t in_place;
    uint32_t depth; // of pipeline.h's windows
    uint32_t unused_host[8];
    uint32_t guest_pid; // not 0: a guest is there; the host sleeps on it
    uint32_t asleep;
    uint32_t finished; // number of the last window that the guest has left
    uint32_t unused_guest[13];
};

// A block holds a word's line and a payload. Blocks are a page and some lines apart beyond their
// payload: the same offset in two blocks never shares a set of the cache or the low address bits.
#define BARE_BLOCK_BYTES (BARE_MAX_SIZE + 4096u + 17u * 64u)
#define BARE_FIRST_BLOCK 4096u
#define BARE_SECOND_BLOCK (BARE_FIRST_BLOCK + BARE_BLOCK_BYTES)
#define BARE_FAR_REQUEST (BARE_SECOND_BLOCK + BARE_BLOCK_BYTES)
#define BARE_FAR_RESPONSE (BARE_FAR_REQUEST + BARE_BLOCK_BYTES)
#define BARE_REGION_BYTES ((BARE_FAR_RESPONSE + BARE_BLOCK_BYTES + 4095u) / 4096u * 4096u)

// A word counts in 31 bits: odd for a request, even for its response. The top bit closes a window.
#define BARE_TURN_MASK 0x7fffffffu
#define BARE_CLOSE 0x80000000u

struct bare_path {
    uint32_t *request_word;
    uint32_t *response_word;
    unsigned char *request;
    unsigned char *response;
};

typedef void bare_handler(const void *request, void *response, uint32_t size);
typedef bool bare_alive(void *context); // is the peer still there? Asked now and then while waiting

struct bare_end {
    struct bare_control *control;
    struct bare_path path;
    bare_alive *alive;
    void *context;
    uint32_t turn; // of the last response; equal on both sides between two exchanges
    uint32_t size;
    uint32_t window;
};

struct bare_host {
    struct bare_end end;
};

struct bare_guest {
    struct bare_end end;
    bare_handler *handler;
    unsigned char *request; // private: BARE_MAX_SIZE bytes each
    unsigned char *response;
};

enum bare_served { BARE_SERVED, BARE_QUIT, BARE_HOST_LOST };

// ---- machine -----------------------------------------------------------------------------------

BARE_INLINE void bare_relax(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb");
#endif
}

// A clock read that costs a few nanoseconds; bare_ticks_per_ns tells its unit.
BARE_INLINE uint64_t bare_ticks(void) {
#if defined(__x86_64__)
    return __builtin_ia32_rdtsc();
#elif defined(__aarch64__)
    uint64_t ticks;
    __asm__ volatile("mrs %0, cntvct_el0" : "=r"(ticks));
    return ticks;
#else
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
#endif
}

static inline uint64_t bare_now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

// Takes 50 milliseconds.
static inline double bare_ticks_per_ns(void) {
    uint64_t start_ns = bare_now_ns(), start = bare_ticks(), end_ns;
    do {
        end_ns = bare_now_ns();
    } while (end_ns - start_ns < 50000000u);
    return (double)(bare_ticks() - start) / (double)(end_ns - start_ns);
}

BARE_INLINE uint32_t bare_load(const uint32_t *word) {
    return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

// NOLINTNEXTLINE(readability-non-const-parameter): the builtin writes through it.
BARE_INLINE void bare_store(uint32_t *word, uint32_t value) {
    __atomic_store_n(word, value, __ATOMIC_RELEASE);
}

// Short blocks by two overlapping moves that the compiler inlines, others by memcpy.
BARE_INLINE void bare_copy(void *to_bytes, const void *from_bytes, uint32_t size) {
    unsigned char *to = (unsigned char *)to_bytes;
    const unsigned char *from = (const unsigned char *)from_bytes;
    unsigned char head[32], tail[32];
    if (size >= 64 || size < 8) {
        // The compiler must not know a bound of size, or it would make this a slow `rep movs`.
        __asm__("" : "+r"(size));
        memcpy(to, from, size);
    } else if (size > 32) {
        memcpy(head, from, 32);
        memcpy(tail, from + size - 32, 32);
        memcpy(to, head, 32);
        memcpy(to + size - 32, tail, 32);
    } else if (size >= 16) {
        memcpy(head, from, 16);
        memcpy(tail, from + size - 16, 16);
        memcpy(to, head, 16);
        memcpy(to + size - 16, tail, 16);
    } else {
        memcpy(head, from, 8);
        memcpy(tail, from + size - 8, 8);
        memcpy(to, head, 8);
        memcpy(to + size - 8, tail, 8);
    }
}

static inline void bare_futex_wait(uint32_t *word, uint32_t seen, const struct timespec *timeout) {
    (void)syscall(SYS_futex, word, FUTEX_WAIT, seen, timeout, NULL, 0);
}

static inline void bare_futex_wake(uint32_t *word) {
    (void)syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

// ---- both sides --------------------------------------------------------------------------------

static inline struct bare_path bare_path_of(void *region, enum bare_layout layout) {
    unsigned char *base = (unsigned char *)region;
    uint32_t payload = layout == BARE_NEIGHBOURS ? 64 : 8;
    uint32_t first = BARE_FIRST_BLOCK;
    uint32_t second = layout == BARE_ONE_LINE ? BARE_FIRST_BLOCK
                      : layout == BARE_FAR    ? BARE_FIRST_BLOCK + 64
                                              : BARE_SECOND_BLOCK;
    struct bare_path path;
    path.request_word = (uint32_t *)(void *)(base + first);
    path.response_word = (uint32_t *)(void *)(base + second);
    path.request = base + (layout == BARE_FAR ? BARE_FAR_REQUEST : first + payload);
    path.response = base + (layout == BARE_FAR ? BARE_FAR_RESPONSE : second + payload);
    return path;
}

BARE_INLINE uint32_t bare_next_turn(uint32_t turn) {
    return (turn + 1) & BARE_TURN_MASK;
}

// Called after many vain looks: lets others run, and says whether waiting still makes sense.
static inline bool bare_peer_there(const struct bare_end *end) {
    sched_yield();
    return end->alive == NULL || end->alive(end->context);
}

// Spins until the word holds `wanted` or closes the window. False: closed, or the peer is gone.
BARE_INLINE bool bare_await(const struct bare_end *end, const uint32_t *word, uint32_t wanted,
                            bool *lost) {
    for (uint32_t looks = 1;; looks++) {
        uint32_t seen = bare_load(word);
        if (__builtin_expect(seen == wanted, 1)) {
            return true;
        }
        if ((seen & BARE_CLOSE) != 0) {
            return false;
        }
        // One pause between two looks: without it the reader takes the line from the writer.
        bare_relax();
        if ((looks & 0xffffu) == 0 && !bare_peer_there(end)) {
            *lost = true;
            return false;
        }
    }
}

// ---- host --------------------------------------------------------------------------------------

// `alive` may be NULL: wait for ever.
static inline void bare_host_init(struct bare_host *host, void *region, bare_alive *alive,
                                  void *context) {
    memset(host, 0, sizeof *host);
    host->end.control = (struct bare_control *)region;
    host->end.alive = alive;
    host->end.context = context;
    host->end.control->version = BARE_VERSION;
    host->end.control->host_pid = (uint32_t)getpid();
    bare_store(&host->end.control->magic, BARE_MAGIC);
}

// Waits until a guest is there; false after timeout_ns.
static inline bool bare_await_guest(struct bare_host *host, uint64_t timeout_ns) {
    uint64_t until = bare_now_ns() + timeout_ns;
    uint32_t *guest = &host->end.control->guest_pid;
    while (bare_load(guest) == 0) {
        uint64_t now = bare_now_ns();
        if (now >= until) {
            return false;
        }
        struct timespec left = {(time_t)((until - now) / 1000000000u),
                                (long)((until - now) % 1000000000u)};
        bare_futex_wait(guest, 0, &left);
    }
    return true;
}

static inline void bare_announce(struct bare_host *host, uint32_t window) {
    struct bare_control *control = host->end.control;
    // Sequentially consistent with the guest's `asleep`: one of the two sees the other's write.
    __atomic_store_n(&control->window, window, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&control->asleep, __ATOMIC_SEQ_CST) != 0) {
        bare_futex_wake(&control->window);
    }
}

// Waits until the guest has left the last window. False: it is gone.
static inline bool bare_window_rest(const struct bare_host *host) {
    const struct bare_end *end = &host->end;
    while (bare_load(&end->control->finished) != end->window) {
        if (!bare_peer_there(end)) {
            return false;
        }
    }
    return true;
}

// Tells the guest of a new window of end.size bytes, when the words stand as it shall find them.
static inline void bare_window_announce(struct bare_host *host, uint32_t layout, bool in_place) {
    struct bare_end *end = &host->end;
    end->control->layout = layout;
    end->control->size = end->size;
    end->control->in_place = in_place;
    end->window = end->window + 1 == BARE_WINDOW_QUIT ? 1 : end->window + 1;
    bare_announce(host, end->window);
}

// Opens a window: the guest wakes and serves until bare_window_close. The first exchanges include
// the wake; do some before measuring. `in_place`: the guest's handler reads and writes the region
// itself. False: size or layout is out of range, or the guest is gone.
static inline bool bare_window_open(struct bare_host *host, enum bare_layout layout, uint32_t size,
                                    bool in_place) {
    struct bare_end *end = &host->end;
    if ((unsigned)layout >= BARE_LAYOUTS || size > BARE_MAX_SIZE ||
        (in_place && layout == BARE_ONE_LINE) || !bare_window_rest(host)) {
        return false;
    }
    end->path = bare_path_of(end->control, layout);
    end->size = size;
    bare_store(end->path.request_word, end->turn);
    bare_store(end->path.response_word, end->turn);
    bare_window_announce(host, (uint32_t)layout, in_place);
    return true;
}

// One exchange of what stands in the buffers. False: the guest is gone.
BARE_INLINE bool bare_exchange(struct bare_host *host) {
    struct bare_end *end = &host->end;
    uint32_t request = bare_next_turn(end->turn);
    bool lost = false;
    end->turn = bare_next_turn(request);
    // Release: the payload is visible before the word.
    bare_store(end->path.request_word, request);
    return bare_await(end, end->path.response_word, end->turn, &lost);
}

// One exchange, copied in and out. False: the guest is gone.
BARE_INLINE bool bare_call(struct bare_host *host, const void *request, void *response) {
    bare_copy(host->end.path.request, request, host->end.size);
    if (!bare_exchange(host)) {
        return false;
    }
    bare_copy(response, host->end.path.response, host->end.size);
    return true;
}

static inline void bare_window_close(struct bare_host *host) {
    bare_store(host->end.path.request_word, BARE_CLOSE | host->end.turn);
}

// Ends the guest's thread; between windows only.
static inline void bare_quit(struct bare_host *host) {
    bare_announce(host, BARE_WINDOW_QUIT);
}

// ---- guest -------------------------------------------------------------------------------------

// False: no bare region of this version stands there, or another guest is attached. `request` and
// `response` are private buffers of BARE_MAX_SIZE bytes.
static inline bool bare_guest_init(struct bare_guest *guest, void *region, bare_handler *handler,
                                   unsigned char *request, unsigned char *response,
                                   bare_alive *alive, void *context) {
    struct bare_control *control = (struct bare_control *)region;
    uint32_t nobody = 0;
    memset(guest, 0, sizeof *guest);
    if (bare_load(&control->magic) != BARE_MAGIC || control->version != BARE_VERSION ||
        !__atomic_compare_exchange_n(&control->guest_pid, &nobody, (uint32_t)getpid(), false,
                                     __ATOMIC_ACQ_REL, __ATOMIC_RELAXED)) {
        return false;
    }
    guest->end.control = control;
    guest->end.alive = alive;
    guest->end.context = context;
    guest->handler = handler;
    guest->request = request;
    guest->response = response;
    bare_futex_wake(&control->guest_pid);
    return true;
}

// Serves until the window closes. False: the host is gone.
static inline bool bare_serve(struct bare_guest *guest, bool in_place) {
    struct bare_end *end = &guest->end;
    const struct bare_path path = end->path;
    uint32_t size = end->size;
    bare_handler *volatile handler = guest->handler; // an indirect call, as in a library
    bool lost = false;
    for (;;) {
        uint32_t request = bare_next_turn(end->turn);
        if (!bare_await(end, path.request_word, request, &lost)) {
            return !lost;
        }
        end->turn = bare_next_turn(request);
        if (in_place) {
            handler(path.request, path.response, size);
        } else {
            bare_copy(guest->request, path.request, size);
            handler(guest->request, guest->response, size);
            bare_copy(path.response, guest->response, size);
        }
        bare_store(path.response_word, end->turn);
    }
}

static inline uint32_t bare_await_window(struct bare_guest *guest) {
    struct bare_control *control = guest->end.control;
    for (;;) {
        uint32_t window = bare_load(&control->window);
        if (window != guest->end.window) {
            return window;
        }
        // Sequentially consistent with the host's `window`: see bare_announce.
        __atomic_store_n(&control->asleep, 1, __ATOMIC_SEQ_CST);
        if (__atomic_load_n(&control->window, __ATOMIC_SEQ_CST) == window) {
            bare_futex_wait(&control->window, window, NULL);
        }
        bare_store(&control->asleep, 0);
    }
}

// Sleeps until the next window, serves it to its end.
static inline enum bare_served bare_window_serve(struct bare_guest *guest) {
    struct bare_end *end = &guest->end;
    uint32_t window = bare_await_window(guest);
    uint32_t layout = end->control->layout;
    uint32_t size = end->control->size;
    if (window == BARE_WINDOW_QUIT) {
        return BARE_QUIT;
    }
    if (layout >= BARE_LAYOUTS || size > BARE_MAX_SIZE) {
        return BARE_HOST_LOST;
    }
    end->window = window;
    end->size = size;
    end->path = bare_path_of(end->control, (enum bare_layout)layout);
    bool served = bare_serve(guest, end->control->in_place != 0);
    bare_store(&end->control->finished, window);
    return served ? BARE_SERVED : BARE_HOST_LOST;
}

#endif
