// SPDX-License-Identifier: Apache-2.0
#define _POSIX_C_SOURCE 200809L
#include "beset.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CALLERS = 4, CLOSE_US = 1000000 };

static void expect_ready(struct peer *peer) {
    peer_expect(peer, "ready");
}

void beset_start(struct beset *beset, bool go) {
    char capacity[16], slots[16], callers[16], timeout[16];
    snprintf(capacity, sizeof capacity, "%d", BESET_CAPACITY);
    snprintf(slots, sizeof slots, "%d", BESET_SLOTS);
    snprintf(callers, sizeof callers, "%d", CALLERS);
    snprintf(timeout, sizeof timeout, "%d", BESET_TIMEOUT_US);
    *beset = (struct beset){.language = go ? "Go" : "C", .fd = -1};
    snprintf(beset->path, sizeof beset->path, "/dev/shm/simpleipc.%s", row_region());
    peer_start(&beset->host, BESET_HOST, row_region(), slots, capacity, callers, timeout, NULL);
    expect_ready(&beset->host);
    if (go)
        peer_start(&beset->guest, FAULTS_GUEST_GO, "beset", row_region(), capacity, NULL);
    else
        peer_start(&beset->guest, BESET_GUEST, row_region(), capacity, NULL);
    expect_ready(&beset->guest);
}

void beset_open(struct beset *beset) {
    peer_ask(&beset->host, "opened", "open");
    beset->fd = open(beset->path, O_RDWR | O_CLOEXEC);
    row_expect(beset->fd >= 0, "%s: %s", beset->path, strerror(errno));
    struct stat status;
    row_expect(fstat(beset->fd, &status) == 0, "fstat: %s", strerror(errno));
    beset->size = (uint64_t)status.st_size;
    beset->base = mmap(NULL, beset->size, PROT_READ | PROT_WRITE, MAP_SHARED, beset->fd, 0);
    row_expect(beset->base != MAP_FAILED, "mmap: %s", strerror(errno));
}

struct beset_tally beset_close(struct beset *beset) {
    const char *told = peer_ask(&beset->host, "closed", "close");
    munmap(beset->base, beset->size);
    close(beset->fd);
    struct beset_tally tally = {
        .calls = number_in(told, "calls="),
        .right = number_in(told, "right="),
        .answered = number_in(told, "answered="),
        .violated = number_in(told, "violated="),
        .lost = number_in(told, "lost="),
        .longest_us = number_in(told, "longest_us="),
        .overrun_us = number_in(told, "overrun_us="),
        .beside = number_in(told, "beside="),
        .beside_longest_us = number_in(told, "beside_longest_us="),
        .close_us = number_in(told, "close_us="),
    };
    row_expect(tally.close_us <= CLOSE_US, "closing took %" PRIu64 " us", tally.close_us);
    return tally;
}

void beset_end(struct beset *beset) {
    peer_finish(&beset->guest);
    peer_finish(&beset->host);
}

static void greater(uint64_t *sum, uint64_t one) {
    if (one > *sum) *sum = one;
}

void beset_add(struct beset_tally *sum, const struct beset_tally *one) {
    sum->calls += one->calls;
    sum->right += one->right;
    sum->answered += one->answered;
    sum->violated += one->violated;
    sum->lost += one->lost;
    sum->beside += one->beside;
    greater(&sum->longest_us, one->longest_us);
    greater(&sum->overrun_us, one->overrun_us);
    greater(&sum->beside_longest_us, one->beside_longest_us);
    greater(&sum->close_us, one->close_us);
}
