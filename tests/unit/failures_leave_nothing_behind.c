// SPDX-License-Identifier: Apache-2.0
// Promise: whatever the system refuses, at whatever point of a life, is the right status with a
// text, and nothing is left behind; the next try succeeds.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "left_behind.h"
#include "pair.h"

// ---- The system, which refuses the n-th call of one kind ---------------------------------------

enum kind {
    MEMORY,
    OPENING,
    MODE,
    ROOM,
    MAPPING,
    LOCKING,
    LOOKING,
    READING,
    CHANCE,
    BELL,
    THREAD,
    SEMAPHORE,
    HANDING // of a sealed region, from its host to its guest
};

static struct {
    bool armed;
    enum kind kind;
    unsigned left; // calls of that kind that still succeed
    bool refused;
    int error;
} system_fails;

// Only this thread's: a test's own, where all of the library's life begins and ends.
static _Thread_local bool is_tests_thread;

static bool refuses(enum kind kind) {
    if (!is_tests_thread || !system_fails.armed || system_fails.kind != kind) return false;
    if (system_fails.left-- > 0) return false;
    system_fails.armed = false;
    system_fails.refused = true;
    errno = system_fails.error;
    return true;
}

// The linker leads the library's calls here (--wrap).
void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
int __real_shm_open(const char *name, int flags, mode_t mode);
int __real_fchmod(int file, mode_t mode);
int __real_posix_fallocate(int file, off_t offset, off_t length);
void *__real_mmap(void *at, size_t size, int protection, int flags, int file, off_t offset);
int __real_fcntl(int file, int command, void *argument);
int __real_fstat(int file, struct stat *status);
ssize_t __real_pread(int file, void *to, size_t size, off_t offset);
ssize_t __real_getrandom(void *to, size_t size, unsigned flags);
int __real_eventfd(unsigned count, int flags);
int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
                          void *context);
sem_t *__real_sem_open(const char *name, int flags, mode_t mode, unsigned value);
int __real_open(const char *path, int flags, mode_t mode);
int __real_chmod(const char *path, mode_t mode);
int __real_lstat(const char *path, struct stat *status);
int __real_fstatfs(int file, struct statfs *status);
int __real_memfd_create(const char *name, unsigned flags);
int __real_flock(int file, int operation);
int __real_socket(int family, int type, int protocol);
int __real_bind(int file, const struct sockaddr *address, socklen_t size);
int __real_listen(int file, int queue);
int __real_connect(int file, const struct sockaddr *address, socklen_t size);
int __real_getsockopt(int file, int level, int name, void *value, socklen_t *size);
int __real_ppoll(struct pollfd *files, nfds_t count, const struct timespec *until,
                 const sigset_t *mask);
ssize_t __real_recvmsg(int file, struct msghdr *message, int flags);

void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
int __wrap_shm_open(const char *name, int flags, mode_t mode);
int __wrap_fchmod(int file, mode_t mode);
int __wrap_posix_fallocate(int file, off_t offset, off_t length);
void *__wrap_mmap(void *at, size_t size, int protection, int flags, int file, off_t offset);
int __wrap_fcntl(int file, int command, ...);
int __wrap_fstat(int file, struct stat *status);
ssize_t __wrap_pread(int file, void *to, size_t size, off_t offset);
ssize_t __wrap_getrandom(void *to, size_t size, unsigned flags);
int __wrap_eventfd(unsigned count, int flags);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
                          void *context);
sem_t *__wrap_sem_open(const char *name, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int __wrap_chmod(const char *path, mode_t mode);
int __wrap_lstat(const char *path, struct stat *status);
int __wrap_fstatfs(int file, struct statfs *status);
int __wrap_memfd_create(const char *name, unsigned flags);
int __wrap_flock(int file, int operation);
int __wrap_socket(int family, int type, int protocol);
int __wrap_bind(int file, const struct sockaddr *address, socklen_t size);
int __wrap_listen(int file, int queue);
int __wrap_connect(int file, const struct sockaddr *address, socklen_t size);
int __wrap_getsockopt(int file, int level, int name, void *value, socklen_t *size);
int __wrap_ppoll(struct pollfd *files, nfds_t count, const struct timespec *until,
                 const sigset_t *mask);
ssize_t __wrap_recvmsg(int file, struct msghdr *message, int flags);

void *__wrap_malloc(size_t size) {
    return refuses(MEMORY) ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size) {
    return refuses(MEMORY) ? NULL : __real_calloc(count, size);
}

int __wrap_shm_open(const char *name, int flags, mode_t mode) {
    return refuses(OPENING) ? -1 : __real_shm_open(name, flags, mode);
}

int __wrap_fchmod(int file, mode_t mode) {
    return refuses(MODE) ? -1 : __real_fchmod(file, mode);
}

int __wrap_posix_fallocate(int file, off_t offset, off_t length) {
    return refuses(ROOM) ? system_fails.error : __real_posix_fallocate(file, offset, length);
}

void *__wrap_mmap(void *at, size_t size, int protection, int flags, int file, off_t offset) {
    return refuses(MAPPING) ? MAP_FAILED : __real_mmap(at, size, protection, flags, file, offset);
}

int __wrap_fcntl(int file, int command, ...) {
    va_list arguments;
    va_start(arguments, command);
    void *argument = va_arg(arguments, void *);
    va_end(arguments);
    // Giving a lock back cannot fail.
    if (command == F_ADD_SEALS && refuses(HANDING)) return -1;
    bool locks = (command == F_OFD_SETLK && ((struct flock *)argument)->l_type != F_UNLCK) ||
                 command == F_OFD_GETLK;
    return locks && refuses(LOCKING) ? -1 : __real_fcntl(file, command, argument);
}

int __wrap_fstat(int file, struct stat *status) {
    return refuses(LOOKING) ? -1 : __real_fstat(file, status);
}

ssize_t __wrap_pread(int file, void *to, size_t size, off_t offset) {
    return refuses(READING) ? -1 : __real_pread(file, to, size, offset);
}

ssize_t __wrap_getrandom(void *to, size_t size, unsigned flags) {
    return refuses(CHANCE) ? -1 : __real_getrandom(to, size, flags);
}

int __wrap_eventfd(unsigned count, int flags) {
    return refuses(BELL) ? -1 : __real_eventfd(count, flags);
}

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
                          void *context) {
    return refuses(THREAD) ? system_fails.error
                           : __real_pthread_create(thread, attributes, run, context);
}

sem_t *__wrap_sem_open(const char *name, int flags, ...) {
    va_list arguments;
    va_start(arguments, flags);
    mode_t mode = (flags & O_CREAT) ? va_arg(arguments, mode_t) : 0;
    unsigned value = (flags & O_CREAT) ? va_arg(arguments, unsigned) : 0;
    va_end(arguments);
    return refuses(SEMAPHORE) ? SEM_FAILED : __real_sem_open(name, flags, mode, value);
}

int __wrap_open(const char *path, int flags, ...) {
    va_list arguments;
    va_start(arguments, flags);
    mode_t mode = (flags & O_CREAT) ? va_arg(arguments, mode_t) : 0;
    va_end(arguments);
    return refuses(OPENING) ? -1 : __real_open(path, flags, mode);
}

int __wrap_chmod(const char *path, mode_t mode) {
    return refuses(MODE) ? -1 : __real_chmod(path, mode);
}

int __wrap_lstat(const char *path, struct stat *status) {
    return refuses(LOOKING) ? -1 : __real_lstat(path, status);
}

int __wrap_fstatfs(int file, struct statfs *status) {
    return refuses(LOOKING) ? -1 : __real_fstatfs(file, status);
}

int __wrap_memfd_create(const char *name, unsigned flags) {
    return refuses(HANDING) ? -1 : __real_memfd_create(name, flags);
}

int __wrap_flock(int file, int operation) {
    return refuses(HANDING) ? -1 : __real_flock(file, operation);
}

int __wrap_socket(int family, int type, int protocol) {
    return refuses(HANDING) ? -1 : __real_socket(family, type, protocol);
}

int __wrap_bind(int file, const struct sockaddr *address, socklen_t size) {
    return refuses(HANDING) ? -1 : __real_bind(file, address, size);
}

int __wrap_listen(int file, int queue) {
    return refuses(HANDING) ? -1 : __real_listen(file, queue);
}

int __wrap_connect(int file, const struct sockaddr *address, socklen_t size) {
    return refuses(HANDING) ? -1 : __real_connect(file, address, size);
}

int __wrap_getsockopt(int file, int level, int name, void *value, socklen_t *size) {
    return refuses(HANDING) ? -1 : __real_getsockopt(file, level, name, value, size);
}

int __wrap_ppoll(struct pollfd *files, nfds_t count, const struct timespec *until,
                 const sigset_t *mask) {
    return refuses(HANDING) ? -1 : __real_ppoll(files, count, until, mask);
}

ssize_t __wrap_recvmsg(int file, struct msghdr *message, int flags) {
    return refuses(HANDING) ? -1 : __real_recvmsg(file, message, flags);
}

// ---- A life ------------------------------------------------------------------------------------

// Not NULL: the region is a sealed one.
static const char *folder;

static sipc_status live_as_guest(const char *name, sipc_host *host) {
    const sipc_guest_options options = {.attach_timeout_ns = folder ? 0 : 1,
                                        .sealed_folder = folder};
    sipc_guest *guest;
    sipc_status status = sipc_guest_attach(name, &options, &guest);
    if (status) return status;
    status = sipc_guest_start(guest, nod, NULL);
    for (uint32_t slot = 0; slot < 2 && !status; slot++) {
        sipc_call call = {.timeout_ns = SIPC_FOREVER};
        status = sipc_host_call_slot(host, slot, &call);
    }
    assert_int_equal(sipc_guest_detach(guest), SIPC_OK);
    return status;
}

static sipc_status live(void) {
    const char *name = fresh_name();
    const sipc_host_options options = {
        .backend = chosen_backend, .wait = sleeper, .sealed_folder = folder};
    sipc_host *host;
    sipc_status status = sipc_host_create(name, 2, 256, &options, &host);
    if (status) {
        assert_null(host);
        return status;
    }
    status = live_as_guest(name, host);
    sipc_host_close(host);
    return status;
}

static void assert_text_of(sipc_status status) {
    if (status) assert_true(strlen(sipc_error_text()) > 0);
}

// Lives once for each call of that kind, which is refused; the last life meets none.
static unsigned refuse_each(enum kind kind, int error, sipc_status expected) {
    bool seen = false;
    unsigned calls = 0;
    for (bool refused = true; refused; calls++) {
        void *state = NULL;
        note_what_exists(&state);
        memset(&system_fails, 0, sizeof system_fails);
        system_fails.kind = kind;
        system_fails.left = calls;
        system_fails.error = error;
        system_fails.armed = true;
        sipc_status status = live();
        system_fails.armed = false;
        refused = system_fails.refused;
        assert_text_of(status);
        // What the library can do without may be refused without harm.
        if (status != SIPC_OK && status != expected)
            fail_msg("call %u of kind %d refused: %s, \"%s\"", calls, (int)kind,
                     sipc_status_name(status), sipc_error_text());
        if (!refused) assert_int_equal(status, SIPC_OK);
        seen |= status == expected;
        if (folder) assert_int_equal(rmdir(folder), 0);
        if (folder) assert_int_equal(mkdir(folder, 0700), 0);
        if (nothing_is_left_behind(&state))
            fail_msg("call %u of kind %d refused: %s left something behind", calls, (int)kind,
                     sipc_status_name(status));
        assert_true(calls < 1000);
    }
    // At least one of the refusals was told.
    assert_true(seen || calls == 1);
    return calls - 1;
}

struct refusal {
    enum kind kind;
    int error;
    sipc_status expected;
};

static void refusals_are_told_and_leave_nothing(void **state) {
    const struct refusal *refusal = *state;
    unsigned refused = refuse_each(refusal->kind, refusal->error, refusal->expected);
    // Each kind is called at least once in a life, so each was refused.
    bool needed = refusal->kind == SEMAPHORE ? chosen_backend == SIPC_BACKEND_SEMAPHORE
                                             : refusal->kind != HANDING || folder;
    assert_int_equal(refused > 0, needed);
}

#define REFUSAL(kind, error, expected)                                                             \
    {                                                                                              \
#kind " refused by " #error " is " #expected, refusals_are_told_and_leave_nothing, NULL,   \
            NULL, &(struct refusal) {                                                              \
            kind, error, expected                                                                  \
        }                                                                                          \
    }

static void make_folder(void) {
    static char made[] = "/tmp/simpleipc-test-XXXXXX";
    folder = mkdtemp(made);
    assert_non_null(folder);
}

int main(int count, char **arguments) {
    bool sealed = count > 1 && strcmp(arguments[1], "sealed") == 0;
    if (!sealed) chosen_backend = backend_of_arguments(count, arguments);
    if (sealed) make_folder();
    is_tests_thread = true;
    const struct CMUnitTest tests[] = {
        REFUSAL(MEMORY, ENOMEM, SIPC_OUT_OF_MEMORY),
        REFUSAL(MAPPING, ENOMEM, SIPC_OUT_OF_MEMORY),
        REFUSAL(MAPPING, EPERM, SIPC_SYSTEM),
        REFUSAL(ROOM, ENOSPC, SIPC_NO_SPACE),
        REFUSAL(ROOM, EFBIG, SIPC_NO_SPACE),
        REFUSAL(ROOM, ENOMEM, SIPC_NO_SPACE),
        REFUSAL(ROOM, EINVAL, SIPC_SYSTEM),
        REFUSAL(SEMAPHORE, ENOSPC, SIPC_NO_SPACE),
        REFUSAL(SEMAPHORE, EMFILE, SIPC_SYSTEM),
        REFUSAL(OPENING, EMFILE, SIPC_SYSTEM),
        REFUSAL(MODE, EPERM, SIPC_SYSTEM),
        REFUSAL(LOCKING, ENOLCK, SIPC_SYSTEM),
        REFUSAL(LOOKING, EIO, SIPC_SYSTEM),
        REFUSAL(READING, EIO, SIPC_SYSTEM),
        REFUSAL(CHANCE, EIO, SIPC_SYSTEM),
        REFUSAL(BELL, EMFILE, SIPC_SYSTEM),
        REFUSAL(THREAD, EAGAIN, SIPC_SYSTEM),
        REFUSAL(HANDING, EMFILE, SIPC_SYSTEM),
        // These are only interrupted, and repeated.
        REFUSAL(ROOM, EINTR, SIPC_OK),
        REFUSAL(LOCKING, EINTR, SIPC_OK),
        REFUSAL(READING, EINTR, SIPC_OK),
        REFUSAL(CHANCE, EINTR, SIPC_OK),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    if (sealed) rmdir(folder);
    return failed;
}
