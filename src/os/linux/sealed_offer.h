// SPDX-License-Identifier: Apache-2.0
// What the watch's thread does for a sealed region's host.
#ifndef SIPC_OS_LINUX_SEALED_OFFER_H
#define SIPC_OS_LINUX_SEALED_OFFER_H

#include "../../internal/os.h"

enum sipc_os_offered {
    SIPC_OFFER_STANDS,
    SIPC_OFFER_RESTS, // the system is short of something: not at once again
    SIPC_OFFER_ENDED  // it was withdrawn
};

// Readable when a guest has connected.
int sipc_os_offer_descriptor(const struct sipc_os_offer *offer);
// Answers one guest that has connected, if any. Never waits.
enum sipc_os_offered sipc_os_offer_answer(struct sipc_os_offer *offer);

#endif
