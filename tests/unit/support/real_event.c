// SPDX-License-Identifier: Apache-2.0
#include "left_behind.h"
#include "system.h"

void make_real_event(const struct sipc_os_object *object, enum sipc_side side,
                     struct sipc_event *event) {
    event->backend = sipc_os_backend(SIPC_BACKEND_DEFAULT);
    assert_int_equal(event->backend->create(object, "by-hand", 0, side, 0600, &event->handle),
                     SIPC_OK);
}

void free_real_event(struct sipc_event *event) {
    if (event->backend == sipc_os_backend(SIPC_BACKEND_DEFAULT))
        event->backend->close(event->handle);
}
