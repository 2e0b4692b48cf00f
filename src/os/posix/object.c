// SPDX-License-Identifier: Apache-2.0
// The shared memory object of a region: shm_open, its mode, its memory, its mapping.
#define _POSIX_C_SOURCE 200809L
#define _DEFAULT_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../internal/os.h"
#include "failure.h"
#include "fork.h"
#include "guard.h"

static int descriptor(const struct sipc_os_object *object) {
    return (int)object->handle;
}

static sipc_status failed(const char *what, const char *name) {
    return sipc_os_fail(SIPC_SYSTEM, errno, "%s of \"%s\"", what, name);
}

// A forked child must not keep our claims alive.
static sipc_status keep(struct sipc_os_object *object, int fd) {
    sipc_status status = sipc_os_close_in_child(fd);
    if (status) close(fd);
    object->handle = fd;
    return status;
}

sipc_status sipc_os_object_create(const char *name, uint32_t mode, struct sipc_os_object *object) {
    int fd = shm_open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0 && errno == EEXIST)
        return sipc_fail(SIPC_EXISTS, "the shared memory object \"%s\" exists", name);
    if (fd < 0) return failed("shm_open", name);
    // Exactly the mode asked for: open() would have taken the umask's bits away.
    if (fchmod(fd, (mode_t)mode) != 0) {
        sipc_status status = failed("fchmod", name);
        shm_unlink(name);
        close(fd);
        return status;
    }
    sipc_status status = keep(object, fd);
    if (status) shm_unlink(name);
    return status;
}

static sipc_status open_object(const char *name, int access, struct sipc_os_object *object) {
    int fd = shm_open(name, access | O_CLOEXEC | O_NOFOLLOW, 0);
    if (fd < 0 && errno == ENOENT)
        return sipc_fail(SIPC_NO_HOST, "there is no shared memory object \"%s\"", name);
    if (fd < 0 && errno == EACCES)
        return sipc_fail(SIPC_FORBIDDEN, "this user may not open the shared memory object \"%s\"",
                         name);
    if (fd < 0) return failed("shm_open", name);
    struct stat status;
    if (fstat(fd, &status) != 0) {
        sipc_status failure = failed("fstat", name);
        close(fd);
        return failure;
    }
    if (!S_ISREG(status.st_mode)) {
        close(fd);
        return sipc_fail(SIPC_NOT_A_REGION, "\"%s\" is not a shared memory object", name);
    }
    return keep(object, fd);
}

sipc_status sipc_os_object_open(const char *name, struct sipc_os_object *object) {
    return open_object(name, O_RDWR, object);
}

sipc_status sipc_os_object_open_to_read(const char *name, struct sipc_os_object *object) {
    return open_object(name, O_RDONLY, object);
}

void sipc_os_object_close(struct sipc_os_object *object) {
    sipc_os_forget_in_child(descriptor(object));
    close(descriptor(object));
}

bool sipc_os_object_is_named(const struct sipc_os_object *object) {
    struct stat status;
    // If the system does not say, it does: who asks holds the claim, and only a holder takes a name
    // away.
    return fstat(descriptor(object), &status) != 0 || status.st_nlink > 0;
}

bool sipc_os_object_remove_name(struct sipc_os_object *object, const char *name) {
    (void)object;
    return shm_unlink(name) == 0 || errno == ENOENT;
}

sipc_status sipc_os_object_allocate(struct sipc_os_object *object, uint64_t size) {
    if (size > INT64_MAX)
        return sipc_fail(SIPC_NO_SPACE, "a region of %llu bytes is too large",
                         (unsigned long long)size);
    int error;
    do error = posix_fallocate(descriptor(object), 0, (off_t)size);
    while (error == EINTR);
    if (error == ENOSPC || error == EFBIG || error == ENOMEM)
        return sipc_fail(SIPC_NO_SPACE,
                         "there is no shared memory for a region of %llu bytes; free some, or use "
                         "fewer or smaller slots",
                         (unsigned long long)size);
    if (error)
        return sipc_os_fail(SIPC_SYSTEM, error, "posix_fallocate of %llu bytes",
                            (unsigned long long)size);
    return SIPC_OK;
}

sipc_status sipc_os_object_size(const struct sipc_os_object *object, uint64_t *size) {
    struct stat status;
    if (fstat(descriptor(object), &status) != 0)
        return sipc_os_fail(SIPC_SYSTEM, errno, "fstat of a region");
    *size = (uint64_t)status.st_size;
    return SIPC_OK;
}

sipc_status sipc_os_object_is_mine(const struct sipc_os_object *object, bool *mine) {
    struct stat status;
    if (fstat(descriptor(object), &status) != 0)
        return sipc_os_fail(SIPC_SYSTEM, errno, "fstat of a region");
    *mine = status.st_uid == geteuid();
    return SIPC_OK;
}

void sipc_os_object_touch(const struct sipc_os_object *object) {
    // Who may write to it may do this; if not, nobody is told.
    (void)futimens(descriptor(object), NULL);
}

sipc_status sipc_os_object_read(const struct sipc_os_object *object, void *to, size_t size) {
    return sipc_os_object_read_at(object, to, size, 0);
}

sipc_status sipc_os_object_read_at(const struct sipc_os_object *object, void *to, size_t size,
                                   uint64_t offset) {
    ssize_t got;
    do got = pread(descriptor(object), to, size, (off_t)offset);
    while (got < 0 && errno == EINTR);
    if (got < 0) return sipc_os_fail(SIPC_SYSTEM, errno, "pread of a region");
    if ((size_t)got < size)
        return sipc_fail(SIPC_BAD_GEOMETRY,
                         "the object has %zd bytes from offset %llu on, fewer than %zu", got,
                         (unsigned long long)offset, size);
    return SIPC_OK;
}

sipc_status sipc_os_object_map(const struct sipc_os_object *object, uint64_t size, void **base,
                               const sipc_word **lost) {
    void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor(object), 0);
    if (at == MAP_FAILED)
        return sipc_os_fail(errno == ENOMEM ? SIPC_OUT_OF_MEMORY : SIPC_SYSTEM, errno,
                            "mapping %llu bytes", (unsigned long long)size);
    // A mapping holds the object open, and with it our claims: a forked child must not have it.
    madvise(at, size, MADV_DONTFORK);
    sipc_status status = sipc_os_guard(descriptor(object), at, size, lost);
    if (status)
        munmap(at, size);
    else
        *base = at;
    return status;
}

void sipc_os_unmap(void *base, uint64_t size) {
    sipc_os_unguard(base);
    munmap(base, size);
}
