// SPDX-License-Identifier: Apache-2.0
#include "region_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

bool region_name_is_valid(const char *name) {
    return name[0] != '\0' && strlen(name) <= 200 && strchr(name, '/') == NULL;
}

static void *complain(const char *what, const char *name, int error) {
    fprintf(stderr, "bare: cannot %s region '%s': %s\n", what, name, strerror(error));
    errno = error;
    return NULL;
}

static int open_region(const char *name, int flags) {
    char path[256];
    snprintf(path, sizeof path, "/%s", name);
    return shm_open(path, flags, 0600);
}

static void *map(int file, size_t bytes) {
    void *region = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, file, 0);
    return region == MAP_FAILED ? NULL : region;
}

void *region_create(const char *name, size_t bytes) {
    int file = open_region(name, O_CREAT | O_EXCL | O_RDWR);
    if (file < 0) {
        complain("create", name, errno);
        if (errno == EEXIST) {
            fprintf(stderr,
                    "bare: another host uses it, or one was killed before its guest "
                    "attached; choose another name, or remove /dev/shm/%s\n",
                    name);
        }
        return NULL;
    }
    // Allocated now: a full /dev/shm is an error here and not a SIGBUS later.
    int error = posix_fallocate(file, 0, (off_t)bytes);
    void *region = error == 0 ? map(file, bytes) : NULL;
    if (region == NULL) {
        complain("allocate", name, error != 0 ? error : errno);
        region_remove(name);
    }
    close(file);
    return region;
}

void *region_attach(const char *name, size_t bytes) {
    struct stat state;
    int file = open_region(name, O_RDWR);
    if (file < 0) {
        return complain("open", name, errno);
    }
    void *region = NULL;
    if (fstat(file, &state) != 0 || (size_t)state.st_size != bytes) {
        fprintf(stderr, "bare: region '%s' is not %zu bytes large: not a region of this version\n",
                name, bytes);
    } else if ((region = map(file, bytes)) == NULL) {
        complain("map", name, errno);
    }
    close(file);
    return region;
}

void region_remove(const char *name) {
    char path[256];
    snprintf(path, sizeof path, "/%s", name);
    shm_unlink(path);
}
