// SPDX-License-Identifier: Apache-2.0
// A guest attaches to a region whose every byte is the host's to choose, serves it, and leaves.
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <simpleipc/simpleipc.h>

#include "left_behind.h"
#include "region_by_hand.h"
#include "writes.h"

static struct region_by_hand region;
static const char *name;

static void remove_region(void) {
    shm_unlink(region.object);
}

// A sound region of two slots, with room to spare behind it.
static void make_region(void) {
    if (name) return;
    name = fresh_name();
    struct sipc_exchange_header header = header_by_hand(2, 100, 100);
    region_by_hand_make(&region, name, &header, sizeof header, header.region_size);
    region_by_hand_claim(&region, SIPC_CLAIM_HOST);
    atexit(remove_region);
}

static uint32_t sum;

// Reads and writes all that it was given.
static sipc_status use_everything(void *context, const sipc_request *request,
                                  sipc_response *response) {
    (void)context;
    // A header may claim any capacity that ends in the same line as the true one.
    must_hold(request->size <= 128, "the request has its room");
    must_hold(response->capacity <= 128, "the response has its room");
    for (uint32_t i = 0; i < request->size; i++)
        sum += ((const volatile uint8_t *)request->data)[i];
    memset(response->data, (int)sum, response->capacity);
    response->size = request->message_id % 200;
    return request->message_id % 3 ? SIPC_OK : SIPC_SYSTEM;
}

static void attach_and_serve(struct writes *writes, const struct part *parts) {
    const sipc_guest_options options = {.attach_timeout_ns = 1};
    sipc_guest *guest;
    sipc_status status = sipc_guest_attach(name, &options, &guest);
    must_hold((status == SIPC_OK) == (guest != NULL), "a guest only if it is attached");
    must_hold(status == SIPC_OK || *sipc_error_text(), "an error has a text");
    if (status) return;
    must_hold(sipc_guest_slots(guest) >= 1 && sipc_guest_slots(guest) <= 2, "as many slots as fit");
    do sipc_guest_poll(guest, use_everything, NULL, NULL);
    while (next_write(writes, parts, 2));
    sipc_guest_detach(guest);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size) {
    make_region();
    struct writes writes = {.input = input, .left = size};
    uint8_t *base =
        mmap(NULL, region.size, PROT_READ | PROT_WRITE, MAP_SHARED, region.descriptor, 0);
    if (base == MAP_FAILED) return 0;
    struct sipc_exchange_header header = header_by_hand(2, 100, 100);
    memset(base, 0, region.size);
    memcpy(base, &header, sizeof header);
    // The header first, then what is in the slots, then both while the guest serves.
    const struct part parts[] = {{base, sizeof header}, {base + 128, region.size - 128}};
    uint32_t plan = next_number(&writes);
    for (uint32_t i = 0; i < plan % 4; i++) next_write(&writes, &parts[0], 1);
    for (uint32_t i = 0; i < plan / 4 % 16; i++) next_write(&writes, &parts[1], 1);
    attach_and_serve(&writes, parts);
    munmap(base, region.size);
    return 0;
}
