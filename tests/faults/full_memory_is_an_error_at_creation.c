// SPDX-License-Identifier: Apache-2.0
// Row 12: in a /dev/shm of 64 KiB a region either has all its memory when it is created, or is
// refused and leaves nothing. What was created serves guests in C and Go to its last byte.
#include <inttypes.h>
#include <string.h>
#include <sys/statvfs.h>

#include <simpleipc/simpleipc.h>

#include "../process/promises.h"
#include "private_shm.h"
#include "row.h"

enum { MEMORY = 65536 };

static uint64_t free_bytes(void) {
    struct statvfs status;
    row_expect(statvfs("/dev/shm", &status) == 0, "statvfs of /dev/shm");
    return (uint64_t)status.f_bfree * status.f_frsize;
}

static uint64_t region_size(uint32_t slots, uint32_t capacity) {
    return 128 + slots * (UINT64_C(1280) + (capacity + 63) / 64 * 64 * UINT64_C(2));
}

// ---- Creation ----------------------------------------------------------------------------------

static unsigned created, refused;

static void create_once(uint32_t slots, uint32_t capacity, sipc_backend backend) {
    const sipc_host_options options = {
        .backend = backend, .request_capacity = capacity, .response_capacity = capacity};
    sipc_host *host;
    uint64_t size = region_size(slots, capacity);
    sipc_status status = sipc_host_create(row_region(), slots, 0, &options, &host);
    if (size > MEMORY)
        row_expect(status == SIPC_NO_SPACE, "a region of %" PRIu64 " bytes: %s", size,
                   sipc_status_name(status));
    else if (backend == SIPC_BACKEND_FUTEX)
        row_expect(status == SIPC_OK, "a region of %" PRIu64 " bytes: %s", size, sipc_error_text());
    else // each semaphore takes a page beside it
        row_expect(status == SIPC_OK || status == SIPC_NO_SPACE, "%s", sipc_error_text());
    created += status == SIPC_OK;
    refused += status != SIPC_OK;
    sipc_host_close(host);
    row_expect(free_bytes() == MEMORY, "%" PRIu64 " bytes are free after %s", free_bytes(),
               sipc_status_name(status));
}

// About as large as the memory, much larger, and beyond what any system has.
static void create_at_random(void) {
    static const uint32_t slots[] = {1, 2, 7, 60, 300, 65535};
    static const uint32_t capacities[] = {1,     64,    1000,    4000,       30000,
                                          32000, 33000, 1000000, 2147483584u};
    uint32_t count = slots[row_random(sizeof slots / sizeof slots[0])];
    uint32_t capacity = capacities[row_random(sizeof capacities / sizeof capacities[0])];
    // The names of 131,070 semaphores take seconds to remove.
    bool futex = count == 65535 || row_random(2);
    create_once(count, capacity, futex ? SIPC_BACKEND_FUTEX : SIPC_BACKEND_SEMAPHORE);
}

// ---- Service -----------------------------------------------------------------------------------

// The host's process fills every byte of every slot.
static void serve(const struct pairing *pairing) {
    struct peer host, guest;
    peer_start(&host, pairing->host, NULL);
    peer_expect(&host, "ready");
    peer_ask(&host, "SIPC_NO_SPACE", "open %s 4 65536 %d 0", row_region(), DEFAULT_BACKEND);
    peer_ask(&host, "SIPC_OK", "open %s 4 14000 %d 0", row_region(), DEFAULT_BACKEND);
    peer_start(&guest, pairing->guest, row_region(), NULL);
    peer_expect(&guest, "attached 4");
    peer_expect(&guest, "ready");
    for (unsigned slot = 0; slot < 4; slot++)
        peer_ask(&host, "SIPC_OK", "stamped %u %u 7000 0 0", slot, STAMPED(7000));
    peer_ask(&host, "SIPC_OK", "close");
    peer_finish(&guest);
    peer_finish(&host);
}

static void full_memory_is_an_error_at_creation(void) {
    enter_private_shm("64k");
    row_begin("12", "/dev/shm of 64 KiB", 30, 300);
    for (unsigned i = 0; i < row_times(200, 10000); i++) create_at_random();
    for (unsigned i = 0; i < PAIRINGS; i++) serve(&pairings[i]);
    row_result("%u regions created, %u refused with an error at creation, nothing left behind; "
               "full service in %d pairings",
               created, refused, PAIRINGS);
    row_expect(created > 0 && refused > 0, "%u created, %u refused", created, refused);
    row_end();
}

int main(void) {
    return row_main(full_memory_is_an_error_at_creation);
}
