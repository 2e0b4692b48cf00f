// SPDX-License-Identifier: Apache-2.0
// The contenders of the bare limit, one for each layout of experiments/pingpong.
#include <stdlib.h>

#include "../../experiments/pingpong/bare.h"
#include "../common/control.h"
#include "contender.h"
#include "failure.h"
#include "pair.h"

static void *open_window(struct pair *pair, const struct payload *payload,
                         enum bare_layout layout) {
    bool in_place = payload->message_id == BENCH_MESSAGE_IN_PLACE;
    if (!bare_window_open(pair->bare, layout, payload->size, in_place))
        failure_exit(1, "a bare window of %u bytes in layout %d was refused", payload->size,
                     (int)layout);
    return pair->bare;
}

static void close_window(void *state) {
    bare_window_close(state);
}

BENCH_ALWAYS_INLINE int trip(void *state, const struct payload *payload, const uint8_t *request,
                             const uint8_t **response) {
    if (!bare_call(state, request, payload->response)) return SIPC_PEER_DIED;
    *response = payload->response;
    return (int)payload->size;
}
BENCH_LOOPS(bare, trip)

#define OPEN(layout)                                                                               \
    static void *open_##layout(struct pair *pair, uint32_t slot, const struct payload *payload) {  \
        (void)slot;                                                                                \
        return open_window(pair, payload, layout);                                                 \
    }
OPEN(BARE_ONE_LINE)
OPEN(BARE_OWN_LINES)
OPEN(BARE_NEIGHBOURS)
OPEN(BARE_FAR)

#define BARE(name_, layout)                                                                        \
    {                                                                                              \
        .name = (name_), .kind = CONTENDER_BARE, .open = open_##layout, .close = close_window,     \
        .run = bare_run, .time = bare_time,                                                        \
    }

// The one line comes first: it cannot be used in place.
const struct contender bare_contenders[BENCH_BARE_CONTENDERS] = {
    BARE("one line", BARE_ONE_LINE),
    BARE("own lines", BARE_OWN_LINES),
    BARE("neighbouring lines", BARE_NEIGHBOURS),
    BARE("far buffers", BARE_FAR),
};
static_assert(BENCH_BARE_CONTENDERS == BARE_LAYOUTS, "a contender for each bare layout");

struct bare_host *bare_host_create(void *region) {
    struct bare_host *host = must_allocate(1, sizeof *host);
    bare_host_init(host, region, NULL, NULL);
    return host;
}

void bare_host_end(struct bare_host *host) {
    bare_quit(host);
    free(host);
}

size_t bare_region_bytes(void) {
    return BARE_REGION_BYTES;
}
