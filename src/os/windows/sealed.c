// SPDX-License-Identifier: Apache-2.0
// This system has no sealed regions; nor can a section be cut short.
#include "../../internal/errors.h"
#include "../../internal/os.h"

static sipc_status unsupported(void) {
    return sipc_fail(SIPC_INVALID_ARGUMENT,
                     "this system has no sealed regions; leave sealed_folder at NULL");
}

sipc_status sipc_os_offer_make(const char *name, const struct sipc_os_sealing *sealing,
                               struct sipc_os_object *object, struct sipc_os_offer **offer) {
    (void)name;
    (void)sealing;
    (void)object;
    (void)offer;
    return unsupported();
}

sipc_status sipc_os_object_allocate_sealed(struct sipc_os_object *object, uint64_t size) {
    (void)object;
    (void)size;
    return unsupported();
}

void sipc_os_offer_withdraw(struct sipc_os_offer *offer) {
    (void)offer;
}

void sipc_os_offer_close(struct sipc_os_offer *offer) {
    (void)offer;
}

sipc_status sipc_os_offer_fetch(const char *name, const char *folder, bool any_owner,
                                uint64_t deadline, struct sipc_os_object *object) {
    (void)name;
    (void)folder;
    (void)any_owner;
    (void)deadline;
    (void)object;
    return unsupported();
}
