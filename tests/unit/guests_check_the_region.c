// SPDX-License-Identifier: Apache-2.0
// Promise: a guest believes a region only after its checks, tells what is not there yet from what
// is wrong, and reads the header once (spec 8 and 9). The host is played by hand.
#define _GNU_SOURCE
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "left_behind.h"
#include "pair.h"
#include "region_by_hand.h"
#include "threads.h"

// Asked by the library whose process this is; no test needs a second user.
static uid_t pretended_user;

uid_t geteuid(void) {
    return pretended_user;
}

static const char *name;
static struct sipc_exchange_header header;
static struct region_by_hand region;

static int begin(void **state) {
    note_what_exists(state);
    pretended_user = getuid();
    name = fresh_name();
    header = header_by_hand(2, 64, 64);
    return 0;
}

static void make_region(uint64_t size) {
    region_by_hand_make(&region, name, &header, sizeof header, size);
    region_by_hand_claim(&region, SIPC_CLAIM_HOST);
}

static sipc_status attach_within(uint64_t timeout, sipc_guest **guest) {
    const sipc_guest_options options = {.attach_timeout_ns = timeout};
    *guest = (sipc_guest *)guest;
    return sipc_guest_attach(name, &options, guest);
}

static void assert_says(const char *part) {
    if (!strstr(sipc_error_text(), part))
        fail_msg("\"%s\" does not say \"%s\"", sipc_error_text(), part);
}

// At once, however long it would wait for a host: what is wrong now will not get right.
static void assert_refused(sipc_status expected, const char *says) {
    make_region(header.region_size);
    sipc_guest *guest;
    assert_int_equal(attach_within(SIPC_FOREVER, &guest), expected);
    assert_null(guest);
    assert_says(says);
    region_by_hand_free(&region);
}

// ---- Not there yet -----------------------------------------------------------------------------

static void assert_not_there_yet(void) {
    sipc_guest *guest;
    assert_int_equal(attach_within(2000000, &guest), SIPC_NO_HOST);
    assert_null(guest);
    assert_says(name);
}

static void a_region_that_nobody_claims_is_stale_whatever_it_says(void **state) {
    (void)state;
    region_by_hand_make(&region, name, &header, sizeof header, header.region_size);
    assert_not_there_yet();
    assert_says("stale");
    region_by_hand_free(&region);
}

static void a_region_shorter_than_its_header_is_not_there_yet(void **state) {
    (void)state;
    const uint64_t lengths[] = {0, 1, 8, 12, 63, 64, 127};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        size_t length = lengths[i] < sizeof header ? lengths[i] : sizeof header;
        region_by_hand_make(&region, name, &header, length, lengths[i]);
        region_by_hand_claim(&region, SIPC_CLAIM_HOST);
        assert_not_there_yet();
        region_by_hand_free(&region);
    }
}

static void a_region_without_a_version_is_not_there_yet(void **state) {
    (void)state;
    header.version = 0;
    make_region(header.region_size);
    assert_not_there_yet();
    region_by_hand_free(&region);
}

static void finish_the_region(void *context) {
    struct sipc_exchange_header *shared = context;
    give_others_time();
    sipc_store_release(&shared->version, SIPC_PROTOCOL_VERSION);
}

static void a_guest_waits_until_the_region_is_complete(void **state) {
    (void)state;
    header.version = 0;
    make_region(header.region_size);
    struct sipc_exchange_header *shared = region_by_hand_map(&region);
    struct thread host;
    thread_start(&host, finish_the_region, shared);
    sipc_guest *guest;
    assert_int_equal(attach_within(SIPC_FOREVER, &guest), SIPC_OK);
    thread_join(&host);
    sipc_guest_detach(guest);
    munmap(shared, region.size);
    region_by_hand_free(&region);
}

static sipc_host *late_host;

static void create_late(void *context) {
    (void)context;
    give_others_time();
    const sipc_host_options options = {.backend = chosen_backend};
    if (sipc_host_create(name, 1, 64, &options, &late_host) != SIPC_OK) late_host = NULL;
}

static void a_guest_waits_for_its_host(void **state) {
    (void)state;
    struct thread host;
    thread_start(&host, create_late, NULL);
    sipc_guest *guest;
    assert_int_equal(attach_within(SIPC_FOREVER, &guest), SIPC_OK);
    thread_join(&host);
    assert_non_null(late_host);
    sipc_guest_detach(guest);
    sipc_host_close(late_host);
}

static void a_guest_waits_for_the_host_that_replaces_a_stale_region(void **state) {
    (void)state;
    region_by_hand_make(&region, name, &header, sizeof header, header.region_size);
    struct thread host;
    thread_start(&host, create_late, NULL);
    sipc_guest *guest;
    assert_int_equal(attach_within(SIPC_FOREVER, &guest), SIPC_OK);
    assert_int_equal(sipc_guest_slots(guest), 1);
    thread_join(&host);
    sipc_guest_detach(guest);
    sipc_host_close(late_host);
    region_by_hand_free(&region);
}

// ---- Wrong -------------------------------------------------------------------------------------

static void a_wrong_magic_is_not_a_region(void **state) {
    (void)state;
    header.magic ^= 1;
    assert_refused(SIPC_NOT_A_REGION, "4350494c504d4952");
    header.magic = 0;
    assert_refused(SIPC_NOT_A_REGION, name);
}

static void a_foreign_version_is_refused_with_both_versions(void **state) {
    (void)state;
    const struct {
        uint32_t version;
        const char *says;
    } cases[] = {{0x00020000, "2.0"},
                 {0x00000001, "0.1"},
                 {0x0000FFFF, "0.65535"},
                 {0xFFFFFFFF, "65535.65535"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        header.version = cases[i].version;
        assert_refused(SIPC_VERSION_MISMATCH, cases[i].says);
        header.version = cases[i].version;
        assert_refused(SIPC_VERSION_MISMATCH, "1.0");
    }
}

static void a_newer_minor_version_is_accepted(void **state) {
    (void)state;
    const uint32_t minors[] = {1, 2, 0xFFFF};
    for (int i = 0; i < 3; i++) {
        header.version = SIPC_PROTOCOL_VERSION + minors[i];
        make_region(header.region_size);
        sipc_guest *guest;
        assert_int_equal(attach_within(SIPC_FOREVER, &guest), SIPC_OK);
        sipc_guest_detach(guest);
        region_by_hand_free(&region);
    }
}

static void an_event_backend_that_is_not_here_is_refused(void **state) {
    (void)state;
    const struct {
        uint32_t backend;
        const char *says;
    } cases[] = {{0, " 0"}, {3, " 3"}, {4, " 4"}, {UINT32_MAX, "4294967295"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        header.event_backend = cases[i].backend;
        assert_refused(SIPC_BACKEND_UNSUPPORTED, cases[i].says);
    }
}

static void assert_header_refused(uint64_t size, const char *says) {
    make_region(size);
    sipc_guest *guest;
    assert_int_equal(attach_within(SIPC_FOREVER, &guest), SIPC_BAD_GEOMETRY);
    assert_null(guest);
    assert_says(says);
    region_by_hand_free(&region);
}

static void a_geometry_that_contradicts_itself_is_refused(void **state) {
    (void)state;
    const struct sipc_exchange_header good = header;
#define ASSERT_REFUSED_WITH(field, value, says)                                                    \
    (header = good, header.field = (value), assert_header_refused(good.region_size, says))
    ASSERT_REFUSED_WITH(host_slots, 0, "slots is 0");
    ASSERT_REFUSED_WITH(host_slots, 3, "tail offset");
    ASSERT_REFUSED_WITH(host_slots, UINT32_MAX, "4294967295");
    ASSERT_REFUSED_WITH(guest_slots, 65535, "65537");
    ASSERT_REFUSED_WITH(request_capacity, 0, "request capacity");
    ASSERT_REFUSED_WITH(request_capacity, UINT32_MAX, "4294967295");
    ASSERT_REFUSED_WITH(response_capacity, 65, "slot size");
    ASSERT_REFUSED_WITH(slots_offset, 64, "slots offset");
    ASSERT_REFUSED_WITH(slots_offset, 132, "132");
    ASSERT_REFUSED_WITH(slots_offset, UINT64_MAX, "18446744073709551615");
    ASSERT_REFUSED_WITH(slot_size, good.slot_size + 1, "slot size");
    ASSERT_REFUSED_WITH(tail_offset, good.slots_offset, "tail offset");
    ASSERT_REFUSED_WITH(tail_offset, UINT64_C(1) << 63, "9223372036854775808");
    ASSERT_REFUSED_WITH(region_size, good.region_size + 64, "size");
    ASSERT_REFUSED_WITH(region_size, 0, "size");
#undef ASSERT_REFUSED_WITH
}

static void a_region_beyond_its_file_is_refused(void **state) {
    (void)state;
    make_region(header.region_size - 1);
    sipc_guest *guest;
    assert_int_equal(attach_within(SIPC_FOREVER, &guest), SIPC_BAD_GEOMETRY);
    region_by_hand_free(&region);
    make_region(SIPC_SLOTS_OFFSET);
    assert_int_equal(attach_within(SIPC_FOREVER, &guest), SIPC_BAD_GEOMETRY);
    region_by_hand_free(&region);
}

static void a_region_of_another_user_is_refused_unless_it_is_trusted(void **state) {
    (void)state;
    pretended_user = getuid() + 1;
    assert_refused(SIPC_FORBIDDEN, "another user");
    make_region(header.region_size);
    const sipc_guest_options trusting = {.any_owner = 1};
    sipc_guest *guest;
    assert_int_equal(sipc_guest_attach(name, &trusting, &guest), SIPC_OK);
    sipc_guest_detach(guest);
    region_by_hand_free(&region);
}

// ---- Slots -------------------------------------------------------------------------------------

static void slots_that_others_serve_are_left_to_them(void **state) {
    (void)state;
    make_region(header.region_size);
    region_by_hand_claim(&region, SIPC_CLAIM_FIRST_SLOT + 1);
    sipc_guest *guest = attach_guest(name, 0);
    assert_int_equal(sipc_guest_slots(guest), 1);
    sipc_guest *second;
    assert_int_equal(attach_within(SIPC_FOREVER, &second), SIPC_NO_SLOT);
    assert_null(second);
    assert_says("all 2 slots");
    sipc_guest_detach(guest);
    region_by_hand_free(&region);
}

static void a_region_of_guest_slots_alone_has_none_to_serve(void **state) {
    (void)state;
    header.host_slots = 0;
    header.guest_slots = 2;
    assert_refused(SIPC_NO_SLOT, "slots");
}

static struct {
    sipc_word *words[2];
    sipc_word stop;
} flipper;

// A host whose calls give up at once: requests come and go.
static void flip_requests(void *context) {
    (void)context;
    for (uint32_t generation = 1; sipc_load_acquire(&flipper.stop) == 0; generation++)
        for (int i = 0; i < 2; i++) {
            uint32_t code = generation % 2 ? SIPC_CODE_REQUEST : SIPC_CODE_CANCELLED;
            sipc_store_release(flipper.words[i], sipc_state(generation, code));
        }
}

static void every_slot_is_claimed_once_while_requests_come_and_go(void **state) {
    (void)state;
    make_region(header.region_size);
    uint8_t *base = region_by_hand_map(&region);
    for (uint32_t i = 0; i < 2; i++)
        flipper.words[i] = (sipc_word *)(void *)(base + 128 + i * header.slot_size);
    sipc_store_release(&flipper.stop, 0);
    struct thread host;
    thread_start(&host, flip_requests, NULL);
    unsigned wrong = 0;
    for (int i = 0; i < 2000; i++) {
        sipc_guest *guest = attach_guest(name, 0);
        if (sipc_guest_slots(guest) != 2) wrong++;
        // Both claims are held, so nobody else gets a slot.
        sipc_guest *second;
        if (i % 100 == 0 && attach_within(1, &second) != SIPC_NO_SLOT) wrong++;
        sipc_guest_detach(guest);
    }
    sipc_store_release(&flipper.stop, 1);
    thread_join(&host);
    assert_int_equal(wrong, 0);
    munmap(base, region.size);
    region_by_hand_free(&region);
}

// ---- A host of another make --------------------------------------------------------------------

static void a_request_by_the_spec_is_answered_by_the_spec(void **state) {
    (void)state;
    make_region(header.region_size);
    uint8_t *base = region_by_hand_map(&region);
    sipc_guest *guest = attach_guest(name, 0);
    uint8_t *slot = base + 128 + header.slot_size;
    uint8_t *tail = base + header.tail_offset + 1152;
    // Slot 1: a tiny request of generation 1, every byte by its offset.
    const uint64_t id = UINT64_C(2) << 48 | 1 << 7;
    memcpy(slot + 8, &(uint64_t){id | 64 | 5}, 8);
    memcpy(slot + 60, &(uint32_t){300}, 4);
    memcpy(slot + 16, "tiny!", 5);
    sipc_store_release((sipc_word *)(void *)slot, 1 << 3 | 4 | 1);
    uint32_t served;
    assert_int_equal(sipc_guest_poll(guest, echo, NULL, &served), SIPC_OK);
    assert_int_equal(served, 1);
    uint32_t tiny_state = sipc_load_acquire((sipc_word *)(void *)(slot + 4));
    assert_int_equal(tiny_state, 1 << 3 | 1);
    const uint64_t complement = ~(id | 5);
    assert_memory_equal(slot + 8, &complement, 8);
    assert_memory_equal(slot + 16, "tiny!", 5);
    assert_memory_equal(tail, &(uint32_t){1 << 3}, 4);
    // And one that is not tiny, of generation 2.
    const uint64_t next = id + (1 << 7);
    memset(slot + 128, 'L', 49);
    memcpy(slot + 8, &next, 8);
    memcpy(slot + 16, &(uint32_t){49}, 4);
    memcpy(slot + 20, &(uint32_t){300}, 4);
    memcpy(slot + 24, &(uint32_t){0}, 4);
    sipc_store_release((sipc_word *)(void *)slot, 2 << 3 | 1);
    assert_int_equal(sipc_guest_poll(guest, echo, NULL, &served), SIPC_OK);
    assert_int_equal(served, 1);
    uint32_t own_state = sipc_load_acquire((sipc_word *)(void *)(slot + 64));
    assert_int_equal(own_state, 2 << 3 | 4 | 1);
    assert_memory_equal(slot + 72, &next, 8);
    assert_memory_equal(slot + 80, &(uint32_t){49}, 4);
    assert_memory_equal(slot + 84, &(uint32_t){300}, 4);
    assert_memory_equal(slot + 128 + 64, slot + 128, 49);
    sipc_guest_detach(guest);
    assert_int_equal(sipc_load_acquire((sipc_word *)(void *)(slot + 64)), 2 << 3 | 1);
    munmap(base, region.size);
    region_by_hand_free(&region);
}

static void the_header_is_not_read_again(void **state) {
    (void)state;
    sipc_host *host = open_host(name, 2, 256, NULL);
    sipc_guest *guest = attach_guest(name, 0);
    struct sipc_os_object object;
    char object_name[SIPC_OBJECT_NAME_SIZE];
    sipc_name_object(name, object_name);
    assert_int_equal(sipc_os_object_open(object_name, &object), SIPC_OK);
    const uint8_t scribble[64] = {0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF};
    assert_int_equal(pwrite((int)object.handle, scribble, sizeof scribble, 0), sizeof scribble);
    sipc_os_object_close(&object);
    assert_int_equal(sipc_guest_start(guest, nod, NULL), SIPC_OK);
    const uint8_t bytes[128] = {1};
    assert_int_equal(call_with(host, bytes, sizeof bytes, 0), SIPC_OK);
    sipc_host_close(host);
    sipc_guest_detach(guest);
}

#define BY_HAND(test) cmocka_unit_test_setup_teardown(test, begin, nothing_is_left_behind)

int main(void) {
    const struct CMUnitTest tests[] = {
        BY_HAND(a_region_that_nobody_claims_is_stale_whatever_it_says),
        BY_HAND(a_region_shorter_than_its_header_is_not_there_yet),
        BY_HAND(a_region_without_a_version_is_not_there_yet),
        BY_HAND(a_guest_waits_until_the_region_is_complete),
        BY_HAND(a_guest_waits_for_its_host),
        BY_HAND(a_guest_waits_for_the_host_that_replaces_a_stale_region),
        BY_HAND(a_wrong_magic_is_not_a_region),
        BY_HAND(a_foreign_version_is_refused_with_both_versions),
        BY_HAND(a_newer_minor_version_is_accepted),
        BY_HAND(an_event_backend_that_is_not_here_is_refused),
        BY_HAND(a_geometry_that_contradicts_itself_is_refused),
        BY_HAND(a_region_beyond_its_file_is_refused),
        BY_HAND(a_region_of_another_user_is_refused_unless_it_is_trusted),
        BY_HAND(slots_that_others_serve_are_left_to_them),
        BY_HAND(a_region_of_guest_slots_alone_has_none_to_serve),
        BY_HAND(every_slot_is_claimed_once_while_requests_come_and_go),
        BY_HAND(a_request_by_the_spec_is_answered_by_the_spec),
        BY_HAND(the_header_is_not_read_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
