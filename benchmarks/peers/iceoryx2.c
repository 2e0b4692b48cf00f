// SPDX-License-Identifier: Apache-2.0
// iceoryx2, from its crate: see iceoryx2/src/lib.rs.
#include "peer.h"

void *peer_iceoryx2_open(const char *name, uint32_t capacity, bool calls);
void peer_iceoryx2_close(void *end);
void peer_iceoryx2_send(void *end, const void *bytes, uint32_t size);
uint32_t peer_iceoryx2_receive(void *end, void *bytes, uint32_t capacity);

static void *open_end(const struct peer_place *place, enum peer_role role) {
    return peer_iceoryx2_open(place->name, place->capacity, role == PEER_CALLER);
}

static const char *version(void) {
    return PEER_VERSION;
}

const struct peer_transport peer_transport = {.name = "iceoryx2",
                                              .waiting = "polls",
                                              .version = version,
                                              .open = open_end,
                                              .close = peer_iceoryx2_close,
                                              .send = peer_iceoryx2_send,
                                              .receive = peer_iceoryx2_receive};
