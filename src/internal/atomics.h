// SPDX-License-Identifier: Apache-2.0
// Atomic accesses by name: the name says the memory order, the spec (4.2) why it suffices.
#ifndef SIPC_INTERNAL_ATOMICS_H
#define SIPC_INTERNAL_ATOMICS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

typedef _Atomic uint32_t sipc_word;

// ThreadSanitizer sees what a compiler makes, and no instruction of ours.
#if defined(__SANITIZE_THREAD__)
#define SIPC_THREADS_ARE_WATCHED
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define SIPC_THREADS_ARE_WATCHED
#endif
#endif

static inline uint32_t sipc_load_relaxed(const sipc_word *word) {
    return atomic_load_explicit(word, memory_order_relaxed);
}

static inline uint32_t sipc_load_acquire(const sipc_word *word) {
    return atomic_load_explicit(word, memory_order_acquire);
}

static inline void sipc_store_relaxed(sipc_word *word, uint32_t value) {
    atomic_store_explicit(word, value, memory_order_relaxed);
}

static inline void sipc_store_release(sipc_word *word, uint32_t value) {
    atomic_store_explicit(word, value, memory_order_release);
}

// After a sequentially consistent read-modify-write: no later load of this thread moves ahead of
// it. On x86 it is a full barrier by itself; elsewhere a load may overtake its store.
static inline void sipc_barrier_after_update(void) {
#if defined(__x86_64__) || defined(_M_X64)
    atomic_signal_fence(memory_order_seq_cst);
#else
    atomic_thread_fence(memory_order_seq_cst);
#endif
}

// No later load of this thread moves ahead of an earlier store.
static inline void sipc_barrier(void) {
#if defined(__x86_64__) && defined(__GNUC__)
    // What the compilers make of the fence waits for far more than that.
    __asm__ volatile("lock orl $0, -4(%%rsp)" ::: "memory", "cc");
#else
    atomic_thread_fence(memory_order_seq_cst);
#endif
}

// Release, then a barrier. Not an exchange: the processor makes that only when it has the line and
// all earlier stores are done, and a peer that looks meanwhile takes the line away in between. A
// plain store follows at the heels of those that it publishes.
static inline void sipc_publish(sipc_word *word, uint32_t value) {
    sipc_store_release(word, value);
    sipc_barrier();
}

static inline uint32_t sipc_exchange_barrier(sipc_word *word, uint32_t value) {
    uint32_t old = atomic_exchange_explicit(word, value, memory_order_seq_cst);
    sipc_barrier_after_update();
    return old;
}

static inline uint32_t sipc_exchange_acquire(sipc_word *word, uint32_t value) {
    return atomic_exchange_explicit(word, value, memory_order_acquire);
}

static inline uint32_t sipc_add_barrier(sipc_word *word, uint32_t value) {
    uint32_t old = atomic_fetch_add_explicit(word, value, memory_order_seq_cst);
    sipc_barrier_after_update();
    return old;
}

static inline uint32_t sipc_subtract_barrier(sipc_word *word, uint32_t value) {
    uint32_t old = atomic_fetch_sub_explicit(word, value, memory_order_seq_cst);
    sipc_barrier_after_update();
    return old;
}

static inline void sipc_set_bits(sipc_word *word, uint32_t bits) {
    atomic_fetch_or_explicit(word, bits, memory_order_seq_cst);
    sipc_barrier_after_update();
}

static inline void sipc_clear_bits(sipc_word *word, uint32_t bits) {
    atomic_fetch_and_explicit(word, ~bits, memory_order_seq_cst);
    sipc_barrier_after_update();
}

// Sequentially consistent; does not fail without cause.
// NOLINTNEXTLINE(readability-non-const-parameter): receives the word's value if it is another
static inline bool sipc_compare_exchange(sipc_word *word, uint32_t *expected, uint32_t value) {
    return atomic_compare_exchange_strong_explicit(word, expected, value, memory_order_seq_cst,
                                                   memory_order_seq_cst);
}

// A 64-bit counter with one writer, which others may read at any time. It orders nothing.
typedef _Atomic uint64_t sipc_counter;

static inline uint64_t sipc_counter_load(const sipc_counter *counter) {
    return atomic_load_explicit(counter, memory_order_relaxed);
}

static inline void sipc_counter_store(sipc_counter *counter, uint64_t value) {
    atomic_store_explicit(counter, value, memory_order_relaxed);
}

// By its writer. One instruction where there is one that loads and stores; it is not locked.
static inline void sipc_counter_add(sipc_counter *counter, uint64_t value) {
#if defined(__x86_64__) && defined(__GNUC__) && !defined(SIPC_THREADS_ARE_WATCHED)
    __asm__("addq %1, %0" : "+m"(*counter) : "er"(value) : "cc");
#else
    sipc_counter_store(counter, sipc_counter_load(counter) + value);
#endif
}

// A store to shared memory that is not atomic: an atomic one after it hands it over.
#define sipc_store_plain(place, value) ((place) = (value))

// Tells the core that this is a polling loop.
static inline void sipc_pause(void) {
#if defined(__x86_64__) || defined(_M_X64)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield" ::: "memory");
#endif
}

// Keeps the compiler from turning a branch between two addresses into arithmetic on what the peer
// wrote: behind a branch the processor loads the payload while the peer's word is still on its way.
#if defined(__GNUC__)
#define SIPC_KEEP_BRANCH(pointer) __asm__ volatile("" : "+r"(pointer))
#define SIPC_PREFETCH(address) __builtin_prefetch((address), 0, 3)
#define SIPC_LIKELY(condition) __builtin_expect(!!(condition), 1)
#define SIPC_UNLIKELY(condition) __builtin_expect(!!(condition), 0)
#define SIPC_SELDOM __attribute__((noinline, cold))
#define SIPC_ALWAYS_INLINE static inline __attribute__((always_inline))
#else
#define SIPC_KEEP_BRANCH(pointer) ((void)0)
#define SIPC_PREFETCH(address) ((void)0)
#define SIPC_LIKELY(condition) (condition)
#define SIPC_UNLIKELY(condition) (condition)
#define SIPC_SELDOM
#define SIPC_ALWAYS_INLINE static __forceinline
#endif

// A function that reads what may be written meanwhile, and whose result is used only if it was not.
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define SIPC_UNCHECKED_RACE static __attribute__((noinline, no_sanitize("thread")))
#endif
#endif
#ifndef SIPC_UNCHECKED_RACE
#define SIPC_UNCHECKED_RACE SIPC_ALWAYS_INLINE
#endif

// An order between two threads of this process that goes by way of the peer's words: one answers,
// the peer sees it and asks on, the other sees that. The thread sanitizer sees one process only.
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
void __tsan_acquire(void *address);
void __tsan_release(void *address);
#define SIPC_ORDER_GOES_BY_PEER(line) __tsan_release(line)
#define SIPC_ORDER_CAME_BY_PEER(line) __tsan_acquire(line)
#endif
#endif
#ifndef SIPC_ORDER_GOES_BY_PEER
#define SIPC_ORDER_GOES_BY_PEER(line) ((void)0)
#define SIPC_ORDER_CAME_BY_PEER(line) ((void)0)
#endif

#endif
