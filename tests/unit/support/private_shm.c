// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "private_shm.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

static void give_up(const char *step) {
    fprintf(
        stderr,
        "FAILED: %s: %s\nThis test needs a mount namespace of its own: run it as root, or where "
        "unprivileged user namespaces are allowed.\n",
        step, strerror(errno));
    exit(EXIT_FAILURE);
}

static void write_to(const char *path, const char *text) {
    int file = open(path, O_WRONLY | O_CLOEXEC);
    if (file < 0 || write(file, text, strlen(text)) < 0) give_up(path);
    close(file);
}

// Who may not make a mount namespace may make one inside a user namespace, as root there.
static void become_root_of_a_user_namespace(void) {
    char map[64];
    unsigned user = getuid();
    unsigned group = getgid();
    if (unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) give_up("unshare");
    write_to("/proc/self/setgroups", "deny");
    snprintf(map, sizeof map, "0 %u 1", user);
    write_to("/proc/self/uid_map", map);
    snprintf(map, sizeof map, "0 %u 1", group);
    write_to("/proc/self/gid_map", map);
}

void enter_private_shm(const char *size) {
    char options[64];
    snprintf(options, sizeof options, "size=%s,mode=1777", size);
    if (unshare(CLONE_NEWNS) != 0) become_root_of_a_user_namespace();
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) give_up("making mounts private");
    if (mount("tmpfs", "/dev/shm", "tmpfs", 0, options) != 0) give_up("mounting /dev/shm");
}
