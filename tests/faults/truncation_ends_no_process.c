// SPDX-License-Identifier: Apache-2.0
// Row 11: somebody truncates the region's object during calls, to nothing and to half. Host and
// guest get errors and live on; the next region of the name serves.
#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "beset.h"

static struct beset_tally truncate_once(struct beset *beset, uint64_t size) {
    beset_open(beset);
    row_sleep_us(5000 + row_random(20000));
    row_expect(ftruncate(beset->fd, (off_t)size) == 0, "ftruncate: %s", strerror(errno));
    row_sleep_us(1000 + row_random(20000));
    return beset_close(beset);
}

static void with_guest(bool go) {
    struct beset beset;
    struct beset_tally sum = {0};
    unsigned times = row_times(20, 1000), met = 0;
    uint64_t half = SIPC_SLOTS_OFFSET + BESET_SLOTS * beset_slot_size() / 2;
    beset_start(&beset, go);
    for (unsigned i = 0; i < times; i++) {
        struct beset_tally tally = truncate_once(&beset, i % 2 ? half : 0);
        met += tally.lost > 0;
        beset_add(&sum, &tally);
    }
    beset_end(&beset);
    row_expect(sum.beside > 0, "no call in the region beside was answered");
    row_result("C host, %s guest: %u truncations, of which %u met a call; %" PRIu64
               " calls answered, %" PRIu64 " told that the region is lost; %" PRIu64
               " calls beside, all right; no process died",
               beset.language, times, met, sum.answered, sum.lost, sum.beside);
    row_expect(met * 2 >= times, "%u of %u truncations met a call", met, times);
}

static void truncation_ends_no_process(void) {
    row_begin("11", "the file is truncated to 0 and to half during calls", 60, 1200);
    with_guest(false);
    with_guest(true);
    row_end();
}

int main(void) {
    return row_main(truncation_ends_no_process);
}
