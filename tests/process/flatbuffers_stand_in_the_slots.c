// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
// The example of FlatBuffers: a host and its guests place orders with each other, and each order
// and each receipt stands at the end of its slot's buffer, where it was built.
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "promises.h"

#define HOST EXAMPLES_BUILD "/flatbuffers/flatbuffers_host"
#define CPP_GUEST EXAMPLES_BUILD "/flatbuffers/flatbuffers_guest"
#define GO_GUEST EXAMPLES_BUILD "/flatbuffers/flatbuffers_go_guest"

// ---- What stands in the region -----------------------------------------------------------------

// Of the region's header and of a slot, by the spec.
enum {
    REQUEST_CAPACITY = 24,
    RESPONSE_CAPACITY = 28,
    FIRST_SLOT = 128,
    SLOT_HEADER = 128,
    TURN_SIZE = 16,
    TURN_FLAGS = 24,
    RESPONSE_SIZE = 80,
    RESPONSE_FLAGS = 92,
    AT_END = 1
};

static uint32_t number_at(const uint8_t *at) {
    uint32_t number;
    memcpy(&number, at, sizeof number);
    return number;
}

static uint32_t room_at(const uint8_t *capacity) {
    return (number_at(capacity) + 63) / 64 * 64;
}

// The last bytes of the room that ends there say that: a FlatBuffer's strings end with a NUL.
static void expect_message(const uint8_t *end, uint32_t size, const char *text) {
    assert_in_range(size, strlen(text) + 1, 1024);
    if (!memmem(end - size, size, text, strlen(text) + 1))
        fail_msg("\"%s\" does not stand in the message of %u bytes", text, size);
}

// In slot 0 the host has called, in slot 1 the guest.
static void expect_in_slot(const char *region, unsigned slot, const char *ordered,
                           const char *dearest) {
    char path[128];
    snprintf(path, sizeof path, "/dev/shm/simpleipc.%s", region);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    struct stat status;
    assert_true(file >= 0 && fstat(file, &status) == 0);
    const size_t size = (size_t)status.st_size;
    const uint8_t *base = mmap(NULL, size, PROT_READ, MAP_SHARED, file, 0);
    close(file);
    assert_ptr_not_equal(base, MAP_FAILED);
    const uint32_t requests = room_at(base + REQUEST_CAPACITY);
    const uint32_t responses = room_at(base + RESPONSE_CAPACITY);
    const uint8_t *header = base + FIRST_SLOT + slot * (SLOT_HEADER + requests + responses);
    const uint8_t *response_end = header + SLOT_HEADER + responses;
    assert_int_equal(number_at(header + TURN_FLAGS), AT_END);
    expect_message(response_end + requests, number_at(header + TURN_SIZE), ordered);
    assert_int_equal(number_at(header + RESPONSE_FLAGS), AT_END);
    expect_message(response_end, number_at(header + RESPONSE_SIZE), dearest);
    munmap((void *)base, size);
}

// ---- The pairs ---------------------------------------------------------------------------------

static void orders_in_both_directions(struct run *run) {
    peer_start(&run->host, HOST, run->region, NULL);
    peer_start(&run->guest, run->guest_program, run->region, NULL);
    assert_string_equal(peer_ask(&run->host, "2 items", "%s", "milk 1.20 1 tea 3.50 2"),
                        "2 items, 8.20 in all, the dearest is tea");
    expect_in_slot(run->region, 0, "milk", "tea");
    assert_string_equal(peer_ask(&run->guest, "1 items", "%s", "coffee 4.25 10"),
                        "1 items, 42.50 in all, the dearest is coffee");
    expect_in_slot(run->region, 1, "coffee", "coffee");
    // The slots are used again, by orders of other sizes.
    for (unsigned i = 0; i < 20; i++) {
        peer_ask(&run->host, "3 items, 6.00", "one 1 1 two 1 2 three 1 %u", 3);
        peer_ask(&run->guest, "2 items, 2.00", "%s", "a 1 1 b 1 1");
    }
    peer_finish(&run->guest);
    peer_finish(&run->host);
}

static void say_large_order(struct peer *peer, unsigned items) {
    char order[LINE_SIZE - 2] = "";
    size_t filled = 0;
    for (unsigned i = 0; i < items; i++)
        filled += (size_t)snprintf(order + filled, sizeof order - filled, "item%03u 1 1 ", i);
    peer_say(peer, "%s", order);
}

// The slots' buffers have 4 KiB; an item takes some 50 bytes.
static void what_does_not_fit_is_not_sent(struct run *run) {
    peer_start(&run->host, HOST, run->region, NULL);
    peer_start(&run->guest, run->guest_program, run->region, NULL);
    struct peer *const peers[] = {&run->host, &run->guest};
    for (unsigned i = 0; i < COUNT_OF(peers); i++) {
        say_large_order(peers[i], 60);
        peer_expect(peers[i], "60 items, 60.00 in all");
        say_large_order(peers[i], 200);
        peer_expect(peers[i], "SIPC_REQUEST_TOO_LARGE");
        assert_string_equal(peer_ask(peers[i], "refused", "%s", ""),
                            "refused: an order of nothing");
        peer_ask(peers[i], "1 items, 1.00", "%s", "last 1 1");
    }
    peer_finish(&run->guest);
    peer_finish(&run->host);
}

static void cpp_orders(struct run *run) {
    run->guest_program = CPP_GUEST;
    orders_in_both_directions(run);
}

static void cpp_large_orders(struct run *run) {
    run->guest_program = CPP_GUEST;
    what_does_not_fit_is_not_sent(run);
}

static void go_orders(struct run *run) {
    run->guest_program = GO_GUEST;
    orders_in_both_directions(run);
}

static void go_large_orders(struct run *run) {
    run->guest_program = GO_GUEST;
    what_does_not_fit_is_not_sent(run);
}

int main(void) {
    static const struct promise promises[] = {
        {"the guest in C++: orders in both directions", cpp_orders, 20, ONCE},
        {"the guest in C++: what does not fit is not sent", cpp_large_orders, 20, ONCE},
        {"the guest in Go: orders in both directions", go_orders, 20, ONCE},
        {"the guest in Go: what does not fit is not sent", go_large_orders, 20, ONCE},
    };
    return run_promises("FlatBuffers", GROUP_SECONDS, promises, COUNT_OF(promises));
}
