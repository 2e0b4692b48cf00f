// SPDX-License-Identifier: Apache-2.0
// Fault points, included by force before each source of a second build of the library.
//
// Every store to shared memory, every compare-and-swap, every allocation and every system call gets
// a point before and after it, where the process can be killed, stopped or delayed, and where a
// call can be made to fail (points.c). The sources know nothing of it: they name all of these, and
// here the names become macros around what they named.
//
// A point is named FILE:FUNCTION:WHAT MOMENT, as in
//   responder.c:serve_request:sipc_exchange_barrier &slot->owner->started before
#ifndef SIPC_FAULT_POINTS_H
#define SIPC_FAULT_POINTS_H

#define _GNU_SOURCE

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "internal/atomics.h"
#include "internal/copy.h"

// ---- The runtime -------------------------------------------------------------------------------

enum fault_moment { FAULT_BEFORE, FAULT_MIDDLE, FAULT_AFTER, FAULT_MOMENTS };

// One place in the sources. A header's places stand in many objects: the first one counts for all.
struct fault_site {
    const char *file;
    const char *function;
    const char *what;
    int line;
    int error;       // with which it fails if asked to and no other is given; 0: it cannot fail
    bool in_pieces;  // has a point in the middle
    uint32_t number; // among those of the same file, function and text; 0 if there is one only
    struct fault_site *first;
    _Atomic uint32_t hits[FAULT_MOMENTS];
};

// Returns the errno value with which a call that may fail is to do so, 0 if it is to be made.
int fault_point(struct fault_site *site, enum fault_moment moment, bool may_fail);
// Whether these calls can fail at all: fcntl() unless it gives a lock back, syscall() unless it
// wakes.
bool fault_fcntl_may_fail(int command, ...);
bool fault_syscall_may_fail(long number, ...);

// __func__ is an array with a place of its own: its address is a constant.
#define FAULT_SITE(text, errors, pieces)                                                           \
    static struct fault_site fault_site = {.file = __FILE__,                                       \
                                           .function = __func__,                                   \
                                           .what = (text),                                         \
                                           .line = __LINE__,                                       \
                                           .error = (errors),                                      \
                                           .in_pieces = (pieces)};                                 \
    static struct fault_site *fault_site_at __attribute__((section("fault_sites"), used)) =        \
        &fault_site

// ---- Stores ------------------------------------------------------------------------------------

#define FAULT_STORE(text, store)                                                                   \
    do {                                                                                           \
        FAULT_SITE(text, 0, false);                                                                \
        fault_point(&fault_site, FAULT_BEFORE, false);                                             \
        store;                                                                                     \
        fault_point(&fault_site, FAULT_AFTER, false);                                              \
    } while (0)

#define FAULT_UPDATE(text, update)                                                                 \
    __extension__({                                                                                \
        FAULT_SITE(text, 0, false);                                                                \
        fault_point(&fault_site, FAULT_BEFORE, false);                                             \
        __typeof__(update) fault_result = (update);                                                \
        fault_point(&fault_site, FAULT_AFTER, false);                                              \
        fault_result;                                                                              \
    })

#undef sipc_store_plain
#define sipc_store_plain(place, value) FAULT_STORE("sipc_store_plain " #place, (place) = (value))
#define sipc_store_relaxed(word, value)                                                            \
    FAULT_STORE("sipc_store_relaxed " #word, sipc_store_relaxed(word, value))
#define sipc_store_release(word, value)                                                            \
    FAULT_STORE("sipc_store_release " #word, sipc_store_release(word, value))
#define sipc_set_bits(word, bits) FAULT_STORE("sipc_set_bits " #word, sipc_set_bits(word, bits))
#define sipc_clear_bits(word, bits)                                                                \
    FAULT_STORE("sipc_clear_bits " #word, sipc_clear_bits(word, bits))
#define sipc_counter_store(counter, value)                                                         \
    FAULT_STORE("sipc_counter_store " #counter, sipc_counter_store(counter, value))
#define sipc_counter_add(counter, value)                                                           \
    FAULT_STORE("sipc_counter_add " #counter, sipc_counter_add(counter, value))
#define sipc_publish(word, value) FAULT_STORE("sipc_publish " #word, sipc_publish(word, value))
#define sipc_exchange_barrier(word, value)                                                         \
    FAULT_UPDATE("sipc_exchange_barrier " #word, sipc_exchange_barrier(word, value))
#define sipc_exchange_acquire(word, value)                                                         \
    FAULT_UPDATE("sipc_exchange_acquire " #word, sipc_exchange_acquire(word, value))
#define sipc_add_barrier(word, value)                                                              \
    FAULT_UPDATE("sipc_add_barrier " #word, sipc_add_barrier(word, value))
#define sipc_subtract_barrier(word, value)                                                         \
    FAULT_UPDATE("sipc_subtract_barrier " #word, sipc_subtract_barrier(word, value))
#define sipc_compare_exchange(word, expected, value)                                               \
    FAULT_UPDATE("sipc_compare_exchange " #word, sipc_compare_exchange(word, expected, value))

// Many stores: with a point where only half of them are done.
#define FAULT_COPY(name, to, from, size)                                                           \
    do {                                                                                           \
        FAULT_SITE(#name " " #to, 0, true);                                                        \
        uint8_t *fault_to = (uint8_t *)(to);                                                       \
        const uint8_t *fault_from = (const uint8_t *)(from);                                       \
        uint32_t fault_size = (size), fault_half = fault_size / 2;                                 \
        fault_point(&fault_site, FAULT_BEFORE, false);                                             \
        name(fault_to, fault_from, fault_half);                                                    \
        fault_point(&fault_site, FAULT_MIDDLE, false);                                             \
        name(fault_size ? fault_to + fault_half : fault_to,                                        \
             fault_size ? fault_from + fault_half : fault_from, fault_size - fault_half);          \
        fault_point(&fault_site, FAULT_AFTER, false);                                              \
    } while (0)

#define sipc_copy(to, from, size) FAULT_COPY(sipc_copy, to, from, size)
#define sipc_copy_small(to, from, size) FAULT_COPY(sipc_copy_small, to, from, size)

// ---- Allocations and system calls --------------------------------------------------------------

// may_fail: whether this very call can; failed: what it then returns, with errno set.
#define FAULT_CALL(text, errors, may_fail, failed, call)                                           \
    __extension__({                                                                                \
        FAULT_SITE(text, errors, false);                                                           \
        int fault_error = fault_point(&fault_site, FAULT_BEFORE, may_fail);                        \
        __typeof__(call) fault_result = (failed);                                                  \
        errno = fault_error ? fault_error : errno;                                                 \
        if (fault_error == 0) fault_result = (call);                                               \
        fault_point(&fault_site, FAULT_AFTER, false);                                              \
        fault_result;                                                                              \
    })

#define FAULT_CAN(name, error, ...) FAULT_CALL(#name, error, true, -1, name(__VA_ARGS__))
#define FAULT_CANNOT(name, ...) FAULT_CALL(#name, 0, false, 0, name(__VA_ARGS__))
#define FAULT_POINTER(name, error, failed, ...)                                                    \
    FAULT_CALL(#name, error, true, failed, name(__VA_ARGS__))
// Those that return an errno value.
#define FAULT_NUMBER(name, error, ...)                                                             \
    FAULT_CALL(#name, error, true, fault_error, name(__VA_ARGS__))

#define malloc(...) FAULT_POINTER(malloc, ENOMEM, NULL, __VA_ARGS__)
#define calloc(...) FAULT_POINTER(calloc, ENOMEM, NULL, __VA_ARGS__)
#define realloc(...) FAULT_POINTER(realloc, ENOMEM, NULL, __VA_ARGS__)

// What only src/os/ calls: elsewhere a structure has members of these names.
#ifdef FAULT_POINTS_OF_SYSTEM_CALLS

#define accept(...) FAULT_CAN(accept, ECONNABORTED, __VA_ARGS__)
#define accept4(...) FAULT_CAN(accept4, ECONNABORTED, __VA_ARGS__)
#define bind(...) FAULT_CAN(bind, EACCES, __VA_ARGS__)
#define chmod(...) FAULT_CAN(chmod, EPERM, __VA_ARGS__)
#define connect(...) FAULT_CAN(connect, ECONNREFUSED, __VA_ARGS__)
#define eventfd(...) FAULT_CAN(eventfd, EMFILE, __VA_ARGS__)
#define fallocate(...) FAULT_CAN(fallocate, ENOSPC, __VA_ARGS__)
#define fchmod(...) FAULT_CAN(fchmod, EPERM, __VA_ARGS__)
#define fchmodat(...) FAULT_CAN(fchmodat, EPERM, __VA_ARGS__)
#define flock(...) FAULT_CAN(flock, ENOLCK, __VA_ARGS__)
#define fstat(...) FAULT_CAN(fstat, EIO, __VA_ARGS__)
#define fstatat(...) FAULT_CAN(fstatat, EACCES, __VA_ARGS__)
#define ftruncate(...) FAULT_CAN(ftruncate, EIO, __VA_ARGS__)
#define futimens(...) FAULT_CAN(futimens, EPERM, __VA_ARGS__)
#define getrandom(...) FAULT_CAN(getrandom, EIO, __VA_ARGS__)
#define getsockopt(...) FAULT_CAN(getsockopt, ENOBUFS, __VA_ARGS__)
#define inotify_init1(...) FAULT_CAN(inotify_init1, EMFILE, __VA_ARGS__)
#define inotify_add_watch(...) FAULT_CAN(inotify_add_watch, ENOSPC, __VA_ARGS__)
#define listen(...) FAULT_CAN(listen, EADDRINUSE, __VA_ARGS__)
#define lstat(...) FAULT_CAN(lstat, EACCES, __VA_ARGS__)
#define memfd_create(...) FAULT_CAN(memfd_create, EMFILE, __VA_ARGS__)
#define open(...) FAULT_CAN(open, EMFILE, __VA_ARGS__)
#define openat(...) FAULT_CAN(openat, EMFILE, __VA_ARGS__)
#define poll(...) FAULT_CAN(poll, ENOMEM, __VA_ARGS__)
#define pread(...) FAULT_CAN(pread, EIO, __VA_ARGS__)
#define read(...) FAULT_CAN(read, EINTR, __VA_ARGS__)
#define recvmsg(...) FAULT_CAN(recvmsg, ECONNRESET, __VA_ARGS__)
#define sem_clockwait(...) FAULT_CAN(sem_clockwait, EINTR, __VA_ARGS__)
#define sem_wait(...) FAULT_CAN(sem_wait, EINTR, __VA_ARGS__)
#define sendmsg(...) FAULT_CAN(sendmsg, EPIPE, __VA_ARGS__)
#define setsockopt(...) FAULT_CAN(setsockopt, ENOBUFS, __VA_ARGS__)
#define shm_open(...) FAULT_CAN(shm_open, EMFILE, __VA_ARGS__)
#define sigaction(...) FAULT_CAN(sigaction, EINVAL, __VA_ARGS__)
#define socket(...) FAULT_CAN(socket, EMFILE, __VA_ARGS__)
#define stat(...) FAULT_CAN(stat, EACCES, __VA_ARGS__)
#define mmap(...) FAULT_POINTER(mmap, ENOMEM, MAP_FAILED, __VA_ARGS__)
#define sem_open(...) FAULT_POINTER(sem_open, EMFILE, SEM_FAILED, __VA_ARGS__)
#define posix_fallocate(...) FAULT_NUMBER(posix_fallocate, ENOSPC, __VA_ARGS__)
#define pthread_create(...) FAULT_NUMBER(pthread_create, EAGAIN, __VA_ARGS__)
#define pthread_atfork(...) FAULT_NUMBER(pthread_atfork, ENOMEM, __VA_ARGS__)
#define fcntl(file, ...)                                                                           \
    FAULT_CALL("fcntl " #__VA_ARGS__, ENOLCK, fault_fcntl_may_fail(__VA_ARGS__), -1,               \
               fcntl(file, __VA_ARGS__))
#define syscall(number, ...)                                                                       \
    FAULT_CALL("syscall " #number, EINTR, fault_syscall_may_fail(number, __VA_ARGS__), -1,         \
               syscall(number, __VA_ARGS__))

// These cannot fail, or what came of them cannot be told from success.
#define close(...) FAULT_CANNOT(close, __VA_ARGS__)
#define geteuid(...) FAULT_CANNOT(geteuid, __VA_ARGS__)
#define getpid(...) FAULT_CANNOT(getpid, __VA_ARGS__)
#define madvise(...) FAULT_CANNOT(madvise, __VA_ARGS__)
#define munmap(...) FAULT_CANNOT(munmap, __VA_ARGS__)
#define nanosleep(...) FAULT_CANNOT(nanosleep, __VA_ARGS__)
#define pthread_cancel(...) FAULT_CANNOT(pthread_cancel, __VA_ARGS__)
#define pthread_join(...) FAULT_CANNOT(pthread_join, __VA_ARGS__)
#define sched_yield(...) FAULT_CANNOT(sched_yield, __VA_ARGS__)
#define sem_close(...) FAULT_CANNOT(sem_close, __VA_ARGS__)
#define sem_post(...) FAULT_CANNOT(sem_post, __VA_ARGS__)
#define sem_unlink(...) FAULT_CANNOT(sem_unlink, __VA_ARGS__)
#define shm_unlink(...) FAULT_CANNOT(shm_unlink, __VA_ARGS__)
#define shutdown(...) FAULT_CANNOT(shutdown, __VA_ARGS__)
#define unlink(...) FAULT_CANNOT(unlink, __VA_ARGS__)
#define unlinkat(...) FAULT_CANNOT(unlinkat, __VA_ARGS__)
#define write(...) FAULT_CANNOT(write, __VA_ARGS__)

// Always the one that fills a buffer, whatever the source has asked for.
int __xpg_strerror_r(int error, char *text, size_t size);
#define strerror_r __xpg_strerror_r

#endif

#endif
