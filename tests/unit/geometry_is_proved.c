// SPDX-License-Identifier: Apache-2.0
// Promise: a geometry is computed without overflow, and one that is read is believed only if every
// field is what the counts make it (spec 2.1).
#include <string.h>

#include "internal/region.h"
#include "left_behind.h"

static uint64_t round64(uint64_t size) {
    return (size + 63) & ~UINT64_C(63);
}

static void assert_follows_the_spec(const struct sipc_geometry *made, uint64_t slots,
                                    uint64_t request, uint64_t response) {
    assert_int_equal(made->host_slots + made->guest_slots, slots);
    assert_int_equal(made->request_capacity, request);
    assert_int_equal(made->response_capacity, response);
    assert_int_equal(made->slot_size, 128 + round64(request) + round64(response));
    assert_int_equal(made->tail_offset, 128 + slots * made->slot_size);
    assert_int_equal(made->region_size, made->tail_offset + slots * 1152);
}

static void every_boundary_in_range_makes_the_geometry_of_the_spec(void **state) {
    (void)state;
    const uint32_t counts[] = {1, 2, 65534, 65535};
    const uint32_t capacities[] = {1,  31,  32,  33,         63,         64,
                                   65, 127, 128, 0x7FFFFF7F, 0x7FFFFF80, SIPC_MAX_CAPACITY};
    for (size_t n = 0; n < sizeof counts / sizeof counts[0]; n++)
        for (size_t q = 0; q < sizeof capacities / sizeof capacities[0]; q++)
            for (size_t s = 0; s < sizeof capacities / sizeof capacities[0]; s++) {
                struct sipc_geometry made;
                assert_int_equal(
                    sipc_geometry_make(counts[n], 0, capacities[q], capacities[s], &made), SIPC_OK);
                assert_follows_the_spec(&made, counts[n], capacities[q], capacities[s]);
            }
}

static void host_and_guest_slots_count_together(void **state) {
    (void)state;
    struct sipc_geometry made;
    assert_int_equal(sipc_geometry_make(0, 1, 64, 64, &made), SIPC_OK);
    assert_follows_the_spec(&made, 1, 64, 64);
    assert_int_equal(sipc_geometry_make(65000, 535, 64, 64, &made), SIPC_OK);
    assert_follows_the_spec(&made, 65535, 64, 64);
    assert_int_equal(sipc_geometry_make(65000, 536, 64, 64, &made), SIPC_INVALID_ARGUMENT);
    // The sum of 32-bit counts does not wrap to a small one.
    assert_int_equal(sipc_geometry_make(UINT32_MAX, 2, 64, 64, &made), SIPC_INVALID_ARGUMENT);
}

static void what_is_out_of_range_is_refused_and_named(void **state) {
    (void)state;
    const struct {
        uint32_t slots, request, response;
        const char *value;
    } cases[] = {
        {0, 64, 64, "slots is 0"},
        {65536, 64, 64, "slots is 65536"},
        {UINT32_MAX, 64, 64, "slots is 4294967295"},
        {1, 0, 64, "request capacity is 0"},
        {1, SIPC_MAX_CAPACITY + 1, 64, "request capacity is 2147483585"},
        {1, UINT32_MAX, 64, "request capacity is 4294967295"},
        {1, 64, 0, "response capacity is 0"},
        {1, 64, SIPC_MAX_CAPACITY + 1, "response capacity is 2147483585"},
        {65535, UINT32_MAX, UINT32_MAX, "capacity is 4294967295"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct sipc_geometry made;
        assert_int_equal(
            sipc_geometry_make(cases[i].slots, 0, cases[i].request, cases[i].response, &made),
            SIPC_INVALID_ARGUMENT);
        if (!strstr(sipc_error_text(), cases[i].value))
            fail_msg("\"%s\" does not say \"%s\"", sipc_error_text(), cases[i].value);
    }
}

static struct sipc_exchange_header header_of(const struct sipc_geometry *made) {
    return (struct sipc_exchange_header){.host_slots = made->host_slots,
                                         .guest_slots = made->guest_slots,
                                         .request_capacity = made->request_capacity,
                                         .response_capacity = made->response_capacity,
                                         .region_size = made->region_size,
                                         .slots_offset = 128,
                                         .slot_size = made->slot_size,
                                         .tail_offset = made->tail_offset};
}

static struct sipc_exchange_header good_header(void) {
    struct sipc_geometry made;
    assert_int_equal(sipc_geometry_make(4, 2, 100, 200, &made), SIPC_OK);
    return header_of(&made);
}

static void a_geometry_that_was_made_is_accepted(void **state) {
    (void)state;
    struct sipc_exchange_header header = good_header();
    struct sipc_geometry checked;
    assert_int_equal(sipc_geometry_check(&header, header.region_size, &checked), SIPC_OK);
    assert_follows_the_spec(&checked, 6, 100, 200);
    assert_int_equal(checked.host_slots, 4);
    assert_int_equal(checked.guest_slots, 2);
}

static void the_object_may_be_larger_but_not_smaller_than_the_region(void **state) {
    (void)state;
    struct sipc_exchange_header header = good_header();
    struct sipc_geometry checked;
    assert_int_equal(sipc_geometry_check(&header, header.region_size + 4096, &checked), SIPC_OK);
    assert_int_equal(sipc_geometry_check(&header, header.region_size - 1, &checked),
                     SIPC_BAD_GEOMETRY);
    assert_int_equal(sipc_geometry_check(&header, 0, &checked), SIPC_BAD_GEOMETRY);
}

// Each 64-bit field in turn takes values next to the right one, misaligned, swapped with its
// neighbours, near every power of two.
static void a_field_that_differs_is_refused(void **state) {
    (void)state;
    const struct sipc_exchange_header good = good_header();
    const size_t fields[] = {offsetof(struct sipc_exchange_header, region_size),
                             offsetof(struct sipc_exchange_header, slots_offset),
                             offsetof(struct sipc_exchange_header, slot_size),
                             offsetof(struct sipc_exchange_header, tail_offset)};
    for (size_t f = 0; f < sizeof fields / sizeof fields[0]; f++) {
        for (int power = 0; power <= 64; power++) {
            for (int step = -1; step <= 1; step++) {
                uint64_t value = (power < 64 ? UINT64_C(1) << power : 0) + (uint64_t)step;
                struct sipc_exchange_header header = good;
                uint64_t right;
                memcpy(&right, (uint8_t *)&header + fields[f], 8);
                if (value == right) continue;
                memcpy((uint8_t *)&header + fields[f], &value, 8);
                struct sipc_geometry checked = {.region_size = 7};
                assert_int_equal(sipc_geometry_check(&header, UINT64_MAX, &checked),
                                 SIPC_BAD_GEOMETRY);
                assert_int_equal(checked.region_size, 7);
            }
        }
    }
}

static void swapped_offsets_are_refused(void **state) {
    (void)state;
    struct sipc_exchange_header header = good_header();
    uint64_t tail = header.tail_offset;
    header.tail_offset = header.slots_offset;
    header.slots_offset = tail;
    struct sipc_geometry checked;
    assert_int_equal(sipc_geometry_check(&header, UINT64_MAX, &checked), SIPC_BAD_GEOMETRY);
}

static void a_misaligned_slot_size_is_refused_even_if_all_else_follows_from_it(void **state) {
    (void)state;
    struct sipc_exchange_header header = good_header();
    header.slot_size += 4;
    header.tail_offset = 128 + 6 * header.slot_size;
    header.region_size = header.tail_offset + 6 * 128;
    struct sipc_geometry checked;
    assert_int_equal(sipc_geometry_check(&header, UINT64_MAX, &checked), SIPC_BAD_GEOMETRY);
}

static void counts_out_of_range_are_refused_as_bad_geometry(void **state) {
    (void)state;
    const struct {
        uint32_t host_slots, guest_slots, request, response;
    } cases[] = {
        {0, 0, 64, 64},
        {65536, 0, 64, 64},
        {1, 65535, 64, 64},
        {UINT32_MAX, 1, 64, 64},
        {UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX},
        {1, 0, 0, 64},
        {1, 0, 64, 0},
        {1, 0, SIPC_MAX_CAPACITY + 1, 64},
        {1, 0, 64, UINT32_MAX},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct sipc_exchange_header header = good_header();
        header.host_slots = cases[i].host_slots;
        header.guest_slots = cases[i].guest_slots;
        header.request_capacity = cases[i].request;
        header.response_capacity = cases[i].response;
        struct sipc_geometry checked;
        assert_int_equal(sipc_geometry_check(&header, UINT64_MAX, &checked), SIPC_BAD_GEOMETRY);
    }
}

static void the_refusal_names_the_field_and_its_value(void **state) {
    (void)state;
    struct sipc_exchange_header header = good_header();
    struct sipc_geometry checked;
    header.slot_size = 4711;
    assert_int_equal(sipc_geometry_check(&header, UINT64_MAX, &checked), SIPC_BAD_GEOMETRY);
    assert_non_null(strstr(sipc_error_text(), "slot size"));
    assert_non_null(strstr(sipc_error_text(), "4711"));
    header = good_header();
    assert_int_equal(sipc_geometry_check(&header, 1711, &checked), SIPC_BAD_GEOMETRY);
    assert_non_null(strstr(sipc_error_text(), "1711"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        PROMISE(every_boundary_in_range_makes_the_geometry_of_the_spec),
        PROMISE(host_and_guest_slots_count_together),
        PROMISE(what_is_out_of_range_is_refused_and_named),
        PROMISE(a_geometry_that_was_made_is_accepted),
        PROMISE(the_object_may_be_larger_but_not_smaller_than_the_region),
        PROMISE(a_field_that_differs_is_refused),
        PROMISE(swapped_offsets_are_refused),
        PROMISE(a_misaligned_slot_size_is_refused_even_if_all_else_follows_from_it),
        PROMISE(counts_out_of_range_are_refused_as_bad_geometry),
        PROMISE(the_refusal_names_the_field_and_its_value),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
