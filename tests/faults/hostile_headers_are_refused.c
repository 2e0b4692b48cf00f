// SPDX-License-Identifier: Apache-2.0
// Row 9: each field of a region's header, and the size of its object, at the values where a
// careless reader goes wrong. Guests in C and Go give the same right verdict.
#define _POSIX_C_SOURCE 200809L
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <simpleipc/simpleipc.h>

#include "region_by_hand.h"
#include "row.h"

enum { SLOTS = 2, CAPACITY = 100 };

struct field {
    const char *name;
    size_t offset, size;
    sipc_status verdict; // of a value that is not good
};

#define FIELD(name, verdict)                                                                       \
    {                                                                                              \
#name, offsetof(struct sipc_exchange_header, name),                                        \
            sizeof(((struct sipc_exchange_header *)0)->name), verdict                              \
    }
static const struct field fields[] = {
    FIELD(magic, SIPC_NOT_A_REGION),
    FIELD(version, SIPC_VERSION_MISMATCH),
    FIELD(event_backend, SIPC_BACKEND_UNSUPPORTED),
    FIELD(host_slots, SIPC_BAD_GEOMETRY),
    FIELD(guest_slots, SIPC_BAD_GEOMETRY),
    FIELD(request_capacity, SIPC_BAD_GEOMETRY),
    FIELD(response_capacity, SIPC_BAD_GEOMETRY),
    FIELD(region_size, SIPC_BAD_GEOMETRY),
    FIELD(slots_offset, SIPC_BAD_GEOMETRY),
    FIELD(slot_size, SIPC_BAD_GEOMETRY),
    FIELD(tail_offset, SIPC_BAD_GEOMETRY),
};
enum { FIELDS = sizeof fields / sizeof fields[0] };

static const uint64_t boundaries[] = {0,
                                      1,
                                      2,
                                      3,
                                      63,
                                      64,
                                      65,
                                      127,
                                      128,
                                      129,
                                      4095,
                                      4096,
                                      65534,
                                      65535,
                                      65536,
                                      UINT64_C(0x7FFFFFBF),
                                      UINT64_C(0x7FFFFFC0),
                                      UINT64_C(0x7FFFFFC1),
                                      UINT64_C(0x7FFFFFFF),
                                      UINT64_C(0x80000000),
                                      UINT64_C(0xFFFFFFC0),
                                      UINT64_C(0xFFFFFFFF),
                                      UINT64_C(0x100000000),
                                      UINT64_C(0x100000001),
                                      UINT64_C(0x7FFFFFFFFFFFFFFF),
                                      UINT64_C(0x8000000000000000),
                                      UINT64_C(0xFFFFFFFFFFFFFFC0),
                                      UINT64_C(0xFFFFFFFFFFFFFFFF)};
// Added to the good value.
static const uint64_t neighbours[] = {
    (uint64_t)-4096,      (uint64_t)-128, (uint64_t)-64, (uint64_t)-1, 1, 64, 128,
    UINT64_C(0x100000000)};

static struct sipc_exchange_header good;
static struct region_by_hand region;
static struct sipc_exchange_header *shared;
static struct peer guest_go;
static unsigned cases;

// ---- Verdicts ----------------------------------------------------------------------------------

static uint64_t lines_of(uint64_t capacity) {
    return (capacity + 63) / 64;
}

// By the spec, said once more: an event backend of semaphores is known, and not made here.
static sipc_status verdict_of(const struct field *field, uint64_t value, uint64_t good_value) {
    if (value == good_value) return SIPC_OK;
    if (strcmp(field->name, "version") == 0) {
        if (value == 0) return SIPC_NO_HOST;
        if (value >> 16 == SIPC_PROTOCOL_MAJOR && value >= SIPC_PROTOCOL_VERSION) return SIPC_OK;
    }
    bool capacity = strcmp(field->name, "request_capacity") == 0 ||
                    strcmp(field->name, "response_capacity") == 0;
    if (capacity && value >= 1 && lines_of(value) == lines_of(good_value)) return SIPC_OK;
    return field->verdict;
}

static void expect_both(sipc_status expected, const char *what, uint64_t value) {
    const sipc_guest_options options = {.attach_timeout_ns = 1};
    sipc_guest *guest;
    sipc_status status = sipc_guest_attach(row_region(), &options, &guest);
    row_expect(status == expected, "C: %s of %" PRIu64 ": %s instead of %s", what, value,
               sipc_status_name(status), sipc_status_name(expected));
    row_expect((guest != NULL) == (status == SIPC_OK), "C: a guest in spite of an error");
    sipc_guest_detach(guest);
    peer_say(&guest_go, "%s", row_region());
    const char *told = peer_hear(&guest_go);
    const char *name = sipc_status_name(expected);
    row_expect(strncmp(told, name, strlen(name)) == 0 && told[strlen(name)] == ' ',
               "Go: %s of %" PRIu64 ": \"%s\" instead of %s", what, value, told, name);
    cases++;
}

// ---- Cases -------------------------------------------------------------------------------------

static void make_region(uint64_t size) {
    good = header_by_hand(SLOTS, CAPACITY, CAPACITY);
    region_by_hand_make(&region, row_region(), &good, sizeof good, size);
    region_by_hand_claim(&region, SIPC_CLAIM_HOST);
    shared = size >= sizeof good ? region_by_hand_map(&region) : NULL;
}

static void free_region(void) {
    if (shared) munmap(shared, region.size);
    region_by_hand_free(&region);
}

static void try_value(const struct field *field, uint64_t value) {
    uint64_t good_value = 0, written = 0;
    memcpy(&good_value, (const uint8_t *)&good + field->offset, field->size);
    memcpy(&written, &value, field->size); // little-endian
    bool semaphores =
        strcmp(field->name, "event_backend") == 0 && written == SIPC_BACKEND_SEMAPHORE;
    if (semaphores) return;
    memcpy(shared, &good, sizeof good);
    memcpy((uint8_t *)shared + field->offset, &value, field->size);
    expect_both(verdict_of(field, written, good_value), field->name, written);
}

static void each_field(void) {
    make_region(good.region_size);
    for (const struct field *field = fields; field < fields + FIELDS; field++) {
        uint64_t value = 0;
        memcpy(&value, (const uint8_t *)&good + field->offset, field->size);
        try_value(field, value);
        for (size_t i = 0; i < sizeof boundaries / sizeof boundaries[0]; i++)
            try_value(field, boundaries[i]);
        for (size_t i = 0; i < sizeof neighbours / sizeof neighbours[0]; i++)
            try_value(field, value + neighbours[i]);
        for (unsigned bit = 0; bit < field->size * 8; bit++)
            try_value(field, value ^ UINT64_C(1) << bit);
        for (unsigned i = 0; i < row_times(20, 20000); i++)
            try_value(field, (uint64_t)row_random(0) << 32 | row_random(0));
    }
    free_region();
}

// Sums and products that come out right in fewer bits than they need.
static void overflows(void) {
    make_region(good.region_size);
    const uint32_t counts[][2] = {{0x80000000, 0x80000002},
                                  {0xFFFFFFFF, 3},
                                  {3, 0xFFFFFFFF},
                                  {0xFFFF, 1},
                                  {1, 0xFFFF},
                                  {0, 0}};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        memcpy(shared, &good, sizeof good);
        shared->host_slots = counts[i][0];
        shared->guest_slots = counts[i][1];
        expect_both(SIPC_BAD_GEOMETRY, "host slots", counts[i][0]);
    }
    // Right in itself, and larger than any object.
    struct sipc_exchange_header largest =
        header_by_hand(SIPC_MAX_SLOTS, SIPC_MAX_CAPACITY, SIPC_MAX_CAPACITY);
    memcpy(shared, &largest, sizeof largest);
    expect_both(SIPC_BAD_GEOMETRY, "the largest region size", largest.region_size);
    free_region();
}

static void object_sizes(void) {
    const struct {
        uint64_t size;
        sipc_status verdict;
    } sizes[] = {{0, SIPC_NO_HOST},
                 {1, SIPC_NO_HOST},
                 {64, SIPC_NO_HOST},
                 {127, SIPC_NO_HOST},
                 {128, SIPC_BAD_GEOMETRY},
                 {good.tail_offset, SIPC_BAD_GEOMETRY},
                 {good.region_size - 1, SIPC_BAD_GEOMETRY},
                 {good.region_size, SIPC_OK},
                 {good.region_size + 1, SIPC_OK},
                 {good.region_size * 100, SIPC_OK}};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        // The header is written beyond the end of an object that is too short for it, and cut off.
        make_region(sizes[i].size);
        row_expect(ftruncate(region.descriptor, (off_t)sizes[i].size) == 0, "ftruncate");
        expect_both(sizes[i].verdict, "object size", sizes[i].size);
        free_region();
    }
}

static void hostile_headers_are_refused(void) {
    row_begin("9", "boundary values in every header field, at attach", 60, 900);
    good = header_by_hand(SLOTS, CAPACITY, CAPACITY);
    peer_start(&guest_go, FAULTS_GUEST_GO, "attach", NULL);
    peer_expect(&guest_go, "ready");
    each_field();
    overflows();
    object_sizes();
    peer_finish(&guest_go);
    row_result("%d fields, %u cases, each with the right verdict in C and in Go", FIELDS, cases);
    row_end();
}

int main(void) {
    return row_main(hostile_headers_are_refused);
}
