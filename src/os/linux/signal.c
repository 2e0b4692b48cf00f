// SPDX-License-Identifier: Apache-2.0
// Signals to an application's own loop: event descriptors.
#define _GNU_SOURCE
#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "../../internal/os.h"
#include "../posix/failure.h"
#include "../posix/fork.h"

sipc_status sipc_os_signal_make(struct sipc_os_signal *signal) {
    const int made = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (made < 0) return sipc_os_fail(SIPC_SYSTEM, errno, "eventfd");
    sipc_status status = sipc_os_close_in_child(made);
    if (status)
        close(made);
    else
        signal->descriptor = made;
    return status;
}

void sipc_os_signal_free(const struct sipc_os_signal *signal) {
    sipc_os_forget_in_child((int)signal->descriptor);
    close((int)signal->descriptor);
}

void sipc_os_signal_set(const struct sipc_os_signal *signal) {
    const uint64_t one = 1;
    // Fails by overflow of the counter at most, and then it is readable all the same.
    ssize_t written;
    do written = write((int)signal->descriptor, &one, sizeof one);
    while (written < 0 && errno == EINTR);
}

void sipc_os_signal_clear(const struct sipc_os_signal *signal) {
    uint64_t count;
    // Fails where it was clear already.
    ssize_t got;
    do got = read((int)signal->descriptor, &count, sizeof count);
    while (got < 0 && errno == EINTR);
}
