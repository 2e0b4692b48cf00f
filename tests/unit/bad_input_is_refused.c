// SPDX-License-Identifier: Apache-2.0
// Promise: bad input gets a clear error, before anything is done or claimed, and nothing is lost.
#include <string.h>

#include "internal/layout.h"
#include "left_behind.h"
#include "pair.h"
#include "system.h"

static void assert_says(const char *part) {
    if (!strstr(sipc_error_text(), part))
        fail_msg("\"%s\" does not say \"%s\"", sipc_error_text(), part);
}

// ---- Making a host -----------------------------------------------------------------------------

static void assert_no_host(sipc_status expected, uint32_t slots, uint32_t data_size,
                           const sipc_host_options *options) {
    sipc_host *host = (sipc_host *)&host;
    assert_int_equal(sipc_host_create(fresh_name(), slots, data_size, options, &host), expected);
    assert_null(host);
    assert_int_equal(names_in_shared_memory(), 0);
}

static void a_host_needs_a_slot(void **state) {
    (void)state;
    assert_no_host(SIPC_INVALID_ARGUMENT, 0, 1024, NULL);
    assert_says("slots is 0");
}

static void a_host_has_at_most_65535_slots(void **state) {
    (void)state;
    assert_no_host(SIPC_INVALID_ARGUMENT, 65536, 1024, NULL);
    assert_says("65536");
    assert_no_host(SIPC_INVALID_ARGUMENT, UINT32_MAX, 1024, NULL);
    assert_says("4294967295");
}

static void a_slot_needs_room_in_both_directions(void **state) {
    (void)state;
    assert_no_host(SIPC_INVALID_ARGUMENT, 1, 0, NULL);
    assert_no_host(SIPC_INVALID_ARGUMENT, 1, 1, NULL);
    const sipc_host_options one_way = {.request_capacity = 64};
    assert_no_host(SIPC_INVALID_ARGUMENT, 1, 0, &one_way);
}

static void a_capacity_beyond_the_largest_is_refused_with_its_value(void **state) {
    (void)state;
    const sipc_host_options request = {.request_capacity = SIPC_MAX_CAPACITY + 1};
    assert_no_host(SIPC_INVALID_ARGUMENT, 1, 64, &request);
    assert_says("2147483585");
    const sipc_host_options response = {.response_capacity = UINT32_MAX};
    assert_no_host(SIPC_INVALID_ARGUMENT, 1, 64, &response);
    assert_says("4294967295");
}

// Slots times their size is more than any machine has, and does not wrap to less.
static void sizes_whose_product_overflows_are_refused(void **state) {
    (void)state;
    assert_no_host(SIPC_NO_SPACE, 65535, 2 * SIPC_MAX_CAPACITY, NULL);
    const sipc_host_options largest = {.request_capacity = SIPC_MAX_CAPACITY,
                                       .response_capacity = SIPC_MAX_CAPACITY};
    assert_no_host(SIPC_NO_SPACE, 65535, 64, &largest);
    assert_no_host(SIPC_INVALID_ARGUMENT, UINT32_MAX, UINT32_MAX, NULL);
}

static void options_out_of_range_are_refused(void **state) {
    (void)state;
    const sipc_host_options cut_off = {.struct_size = sizeof(sipc_host_options) - 1};
    assert_no_host(SIPC_INVALID_ARGUMENT, 1, 64, &cut_off);
    const sipc_host_options odd_mode = {.mode = 01600};
    assert_no_host(SIPC_INVALID_ARGUMENT, 1, 64, &odd_mode);
    assert_says("01600");
    const sipc_host_options odd_wait = {
        .wait = {.preset = SIPC_WAIT_CUSTOM, .spin_min = 2, .spin_max = 1}};
    assert_no_host(SIPC_INVALID_ARGUMENT, 1, 64, &odd_wait);
}

static void a_backend_that_this_system_does_not_have_is_refused(void **state) {
    (void)state;
    // No system has both.
    const bool events = sipc_os_backend(SIPC_BACKEND_WINDOWS_EVENT) != NULL;
    const sipc_host_options others = {.backend = events ? SIPC_BACKEND_SEMAPHORE
                                                        : SIPC_BACKEND_WINDOWS_EVENT};
    assert_no_host(SIPC_BACKEND_UNSUPPORTED, 1, 64, &others);
    const sipc_host_options unknown = {.backend = (sipc_backend)17};
    assert_no_host(SIPC_BACKEND_UNSUPPORTED, 1, 64, &unknown);
    assert_says("17");
}

static void a_handle_needs_a_place(void **state) {
    (void)state;
    assert_int_equal(sipc_host_create(fresh_name(), 1, 64, NULL, NULL), SIPC_INVALID_ARGUMENT);
    assert_int_equal(sipc_guest_attach(fresh_name(), NULL, NULL), SIPC_INVALID_ARGUMENT);
}

static void the_full_size_of_the_options_is_accepted(void **state) {
    (void)state;
    const sipc_host_options options = {.struct_size = sizeof options};
    sipc_host *host;
    assert_int_equal(sipc_host_create(fresh_name(), 1, 64, &options, &host), SIPC_OK);
    assert_int_equal(sipc_host_slots(host), 1);
    assert_int_equal(sipc_host_request_capacity(host), 32);
    assert_int_equal(sipc_host_response_capacity(host), 32);
    sipc_host_close(host);
}

static void each_direction_may_have_its_own_size(void **state) {
    (void)state;
    const sipc_host_options options = {.request_capacity = 1, .response_capacity = 100};
    sipc_host *host;
    assert_int_equal(sipc_host_create(fresh_name(), 2, 0, &options, &host), SIPC_OK);
    assert_int_equal(sipc_host_request_capacity(host), 1);
    assert_int_equal(sipc_host_response_capacity(host), 100);
    sipc_host_close(host);
}

// ---- Calling -----------------------------------------------------------------------------------

static void a_call_needs_a_host_and_a_call(void **state) {
    (void)state;
    sipc_call call = {.request_size = 0};
    assert_int_equal(sipc_host_call(NULL, &call), SIPC_INVALID_ARGUMENT);
    assert_int_equal(sipc_host_call_slot(NULL, 0, &call), SIPC_INVALID_ARGUMENT);
    assert_int_equal(sipc_session_call(NULL, 0, 0, 0, NULL, NULL), SIPC_INVALID_ARGUMENT);
    sipc_host *host = open_host(fresh_name(), 1, 64, NULL);
    assert_int_equal(sipc_host_call(host, NULL), SIPC_INVALID_ARGUMENT);
    assert_int_equal(sipc_host_call_slot(host, 0, NULL), SIPC_INVALID_ARGUMENT);
    assert_int_equal(sipc_host_acquire(host, 0, 0, NULL), SIPC_INVALID_ARGUMENT);
    sipc_session *session = (sipc_session *)&session;
    assert_int_equal(sipc_host_acquire(NULL, 0, 0, &session), SIPC_INVALID_ARGUMENT);
    assert_null(session);
    sipc_host_close(host);
}

static void null_with_a_size_is_refused(void **state) {
    (void)state;
    struct pair pair;
    pair_open(&pair, 1, 64, NULL, echo, NULL);
    sipc_call call = {.request = NULL, .request_size = 4};
    assert_int_equal(sipc_host_call(pair.host, &call), SIPC_INVALID_ARGUMENT);
    assert_says("4");
    call = (sipc_call){.response = NULL, .response_capacity = 8};
    assert_int_equal(sipc_host_call(pair.host, &call), SIPC_INVALID_ARGUMENT);
    assert_says("8");
    assert_int_equal(sipc_host_call_slot(pair.host, 0, &call), SIPC_INVALID_ARGUMENT);
    assert_int_equal(call_with(pair.host, NULL, 0, 0), SIPC_OK);
    pair_close(&pair);
}

static void a_slot_that_does_not_exist_is_refused(void **state) {
    (void)state;
    struct pair pair;
    pair_open(&pair, 2, 64, NULL, echo, NULL);
    const uint32_t wrong[] = {2, 3, UINT32_MAX - 1, SIPC_ANY_SLOT};
    for (int i = 0; i < 4; i++) {
        sipc_call call = {.request_size = 0};
        assert_int_equal(sipc_host_call_slot(pair.host, wrong[i], &call), SIPC_INVALID_ARGUMENT);
        if (wrong[i] == SIPC_ANY_SLOT) continue;
        assert_says("0 to 1");
        sipc_session *session = (sipc_session *)&session;
        assert_int_equal(sipc_host_acquire(pair.host, wrong[i], 0, &session),
                         SIPC_INVALID_ARGUMENT);
        assert_null(session);
    }
    pair_close(&pair);
}

// Refused at once although every slot is held: nothing was waited for and nothing claimed.
static void what_no_slot_could_take_is_refused_before_one_is_claimed(void **state) {
    (void)state;
    struct pair pair;
    pair_open(&pair, 1, 128, NULL, echo, NULL);
    sipc_session *session;
    assert_int_equal(sipc_host_acquire(pair.host, 0, 0, &session), SIPC_OK);
    const uint8_t bytes[65] = {0};
    assert_int_equal(call_with(pair.host, bytes, 65, SIPC_FOREVER), SIPC_REQUEST_TOO_LARGE);
    sipc_call reserved = {.message_id = 4, .timeout_ns = SIPC_FOREVER};
    assert_int_equal(sipc_host_call(pair.host, &reserved), SIPC_BAD_MESSAGE_ID);
    sipc_session_release(session);
    // And the slot is free: to be had without waiting.
    assert_int_equal(sipc_host_acquire(pair.host, 0, 1, &session), SIPC_OK);
    assert_int_equal(sipc_session_call(session, 0, 65, 0, NULL, NULL), SIPC_REQUEST_TOO_LARGE);
    assert_int_equal(sipc_session_call(session, 127, 0, 0, NULL, NULL), SIPC_BAD_MESSAGE_ID);
    assert_int_equal(sipc_session_call(session, 0, 64, 0, NULL, NULL), SIPC_OK);
    sipc_session_release(session);
    assert_int_equal(call_with(pair.host, bytes, 0, 0), SIPC_OK);
    pair_close(&pair);
}

static void reserved_message_ids_are_refused(void **state) {
    (void)state;
    struct pair pair;
    pair_open(&pair, 1, 64, NULL, nod, NULL);
    for (uint32_t id = 0; id < 140; id++) {
        if (id == SIPC_MESSAGE_SHUTDOWN) continue;
        sipc_call call = {.message_id = id};
        assert_int_equal(sipc_host_call(pair.host, &call),
                         id <= 1 || id >= 128 ? SIPC_OK : SIPC_BAD_MESSAGE_ID);
    }
    pair_close(&pair);
}

static void all_slots_busy_until_the_deadline_is_told(void **state) {
    (void)state;
    struct pair pair;
    pair_open(&pair, 2, 64, NULL, echo, NULL);
    sipc_session *held[2];
    for (uint32_t i = 0; i < 2; i++)
        assert_int_equal(sipc_host_acquire(pair.host, SIPC_ANY_SLOT, 0, &held[i]), SIPC_OK);
    sipc_session *session = (sipc_session *)&session;
    assert_int_equal(sipc_host_acquire(pair.host, SIPC_ANY_SLOT, 2000000, &session),
                     SIPC_ALL_SLOTS_BUSY);
    assert_null(session);
    assert_says("all 2 slots");
    assert_int_equal(sipc_host_acquire(pair.host, 1, 2000000, &session), SIPC_ALL_SLOTS_BUSY);
    assert_says("slot 1");
    assert_int_equal(call_with(pair.host, "x", 1, 2000000), SIPC_ALL_SLOTS_BUSY);
    assert_int_equal(sipc_status_fate(SIPC_ALL_SLOTS_BUSY), SIPC_FATE_NOT_STARTED);
    sipc_session_release(held[0]);
    assert_int_equal(sipc_host_acquire(pair.host, SIPC_ANY_SLOT, 1, &session), SIPC_OK);
    sipc_session_release(session);
    sipc_session_release(held[1]);
    pair_close(&pair);
}

static void ending_what_does_not_exist_does_nothing(void **state) {
    (void)state;
    sipc_host_close(NULL);
    sipc_session_release(NULL);
    sipc_guest_stop(NULL);
    assert_int_equal(sipc_guest_detach(NULL), SIPC_OK);
}

// ---- Being a guest -----------------------------------------------------------------------------

static void a_guest_without_a_host_gives_up_at_the_deadline(void **state) {
    (void)state;
    const char *name = fresh_name();
    const sipc_guest_options options = {.attach_timeout_ns = 5000000};
    sipc_guest *guest = (sipc_guest *)&guest;
    assert_int_equal(sipc_guest_attach(name, &options, &guest), SIPC_NO_HOST);
    assert_null(guest);
    assert_says(name);
}

static void guest_options_out_of_range_are_refused(void **state) {
    (void)state;
    const char *name = fresh_name();
    sipc_host *host = open_host(name, 2, 64, NULL);
    sipc_guest *guest = (sipc_guest *)&guest;
    const sipc_guest_options cut_off = {.struct_size = sizeof cut_off - 1};
    assert_int_equal(sipc_guest_attach(name, &cut_off, &guest), SIPC_INVALID_ARGUMENT);
    assert_null(guest);
    const sipc_guest_options odd_wait = {.wait = {.preset = (sipc_wait_preset)9}};
    assert_int_equal(sipc_guest_attach(name, &odd_wait, &guest), SIPC_INVALID_ARGUMENT);
    const sipc_guest_options too_many = {.workers = 3};
    assert_int_equal(sipc_guest_attach(name, &too_many, &guest), SIPC_INVALID_ARGUMENT);
    assert_null(guest);
    assert_says("3 workers");
    // The refused ones hold no slot.
    guest = attach_guest(name, 2);
    assert_int_equal(sipc_guest_slots(guest), 2);
    sipc_guest_detach(guest);
    sipc_host_close(host);
}

static void serving_needs_a_guest_and_a_handler(void **state) {
    (void)state;
    const char *name = fresh_name();
    sipc_host *host = open_host(name, 1, 64, NULL);
    sipc_guest *guest = attach_guest(name, 0);
    uint32_t served = 7;
    assert_int_equal(sipc_guest_start(guest, NULL, NULL), SIPC_INVALID_ARGUMENT);
    assert_int_equal(sipc_guest_start(NULL, echo, NULL), SIPC_INVALID_ARGUMENT);
    assert_int_equal(sipc_guest_poll(guest, NULL, NULL, &served), SIPC_INVALID_ARGUMENT);
    assert_int_equal(served, 0);
    assert_int_equal(sipc_guest_poll(NULL, echo, NULL, NULL), SIPC_INVALID_ARGUMENT);
    assert_int_equal(sipc_guest_wait(NULL), SIPC_INVALID_ARGUMENT);
    assert_int_equal(sipc_guest_wait(guest), SIPC_INVALID_ARGUMENT);
    assert_says("start");
    sipc_guest_detach(guest);
    sipc_host_close(host);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        PROMISE(a_host_needs_a_slot),
        PROMISE(a_host_has_at_most_65535_slots),
        PROMISE(a_slot_needs_room_in_both_directions),
        PROMISE(a_capacity_beyond_the_largest_is_refused_with_its_value),
        PROMISE(sizes_whose_product_overflows_are_refused),
        PROMISE(options_out_of_range_are_refused),
        PROMISE(a_backend_that_this_system_does_not_have_is_refused),
        PROMISE(a_handle_needs_a_place),
        PROMISE(the_full_size_of_the_options_is_accepted),
        PROMISE(each_direction_may_have_its_own_size),
        PROMISE(a_call_needs_a_host_and_a_call),
        PROMISE(null_with_a_size_is_refused),
        PROMISE(a_slot_that_does_not_exist_is_refused),
        PROMISE(what_no_slot_could_take_is_refused_before_one_is_claimed),
        PROMISE(reserved_message_ids_are_refused),
        PROMISE(all_slots_busy_until_the_deadline_is_told),
        PROMISE(ending_what_does_not_exist_does_nothing),
        PROMISE(a_guest_without_a_host_gives_up_at_the_deadline),
        PROMISE(guest_options_out_of_range_are_refused),
        PROMISE(serving_needs_a_guest_and_a_handler),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
