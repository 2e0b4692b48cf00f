// SPDX-License-Identifier: Apache-2.0
// Promise: who cuts a region's object short gets its users an error, not their death.
#define _XOPEN_SOURCE 700
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "left_behind.h"
#include "pair.h"
#include "region_by_hand.h"

// cmocka puts a handler of its own in the place of the library's for each test.
static struct sigaction handler_of_the_library;

static void learn_the_handler(void) {
    sipc_host *host = open_host(fresh_name(), 1, 64, NULL);
    assert_int_equal(sigaction(SIGBUS, NULL, &handler_of_the_library), 0);
    sipc_host_close(host);
}

static void mind_bus_errors(void) {
    assert_int_equal(sigaction(SIGBUS, &handler_of_the_library, NULL), 0);
}

static void cut(const char *name, off_t size) {
    char path[200];
    snprintf(path, sizeof path, "/dev/shm/simpleipc.%s", name);
    assert_int_equal(truncate(path, size), 0);
}

// What came before it is written as lost, and every later call is refused before it starts.
static void assert_calls_fail(sipc_host *host) {
    sipc_status first = call_with(host, "x", 1, 50000000);
    if (first != SIPC_REGION_LOST && first != SIPC_REGION_LOST_MAYBE_EXECUTED)
        fail_msg("the first call: %s", sipc_status_name(first));
    assert_int_equal(call_with(host, "x", 1, SIPC_FOREVER), SIPC_REGION_LOST);
    assert_non_null(strstr(sipc_error_text(), "short"));
    assert_int_equal(sipc_status_fate(SIPC_REGION_LOST), SIPC_FATE_NOT_STARTED);
}

static void a_host_gets_an_error_and_closes_in_order(void **state) {
    (void)state;
    mind_bus_errors();
    const off_t sizes[] = {0, 4096};
    for (int i = 0; i < 2; i++) {
        const char *name = fresh_name();
        sipc_host *host = open_host(name, 2, 65536, NULL);
        cut(name, sizes[i]);
        const char far[30000] = {1};
        sipc_call call = {.request = far, .request_size = sizeof far, .timeout_ns = 1000000};
        // The second slot lies wholly beyond what is left.
        sipc_status status = sipc_host_call_slot(host, 1, &call);
        if (status != SIPC_REGION_LOST && status != SIPC_REGION_LOST_MAYBE_EXECUTED)
            fail_msg("the call: %s", sipc_status_name(status));
        assert_calls_fail(host);
        sipc_host_close(host);
    }
}

static void a_name_whose_region_was_cut_may_be_used_again(void **state) {
    (void)state;
    mind_bus_errors();
    const char *name = fresh_name();
    sipc_host *host = open_host(name, 1, 64, NULL);
    cut(name, 0);
    assert_calls_fail(host);
    sipc_host_close(host);
    host = open_host(name, 1, 64, NULL);
    sipc_guest *guest = attach_guest(name, 0);
    assert_int_equal(sipc_guest_start(guest, nod, NULL), SIPC_OK);
    assert_int_equal(call_with(host, "x", 1, SIPC_FOREVER), SIPC_OK);
    sipc_host_close(host);
    sipc_guest_detach(guest);
}

static void another_region_of_the_process_is_unharmed(void **state) {
    (void)state;
    mind_bus_errors();
    struct pair sound;
    pair_open(&sound, 1, 64, NULL, echo, NULL);
    const char *name = fresh_name();
    sipc_host *host = open_host(name, 1, 64, NULL);
    cut(name, 0);
    assert_calls_fail(host);
    sipc_host_close(host);
    char response[4];
    sipc_call call = {
        .request = "safe", .request_size = 4, .response = response, .response_capacity = 4};
    assert_int_equal(sipc_host_call(sound.host, &call), SIPC_OK);
    assert_memory_equal(response, "safe", 4);
    pair_close(&sound);
}

static void a_polling_guest_is_told(void **state) {
    (void)state;
    mind_bus_errors();
    const char *name = fresh_name();
    sipc_host *host = open_host(name, 1, 64, NULL);
    sipc_guest *guest = attach_guest(name, 0);
    cut(name, 0);
    assert_int_equal(sipc_guest_poll(guest, nod, NULL, NULL), SIPC_REGION_LOST);
    assert_int_equal(sipc_guest_detach(guest), SIPC_OK);
    sipc_host_close(host);
}

// The host is played by hand: nobody but the guest finds that something is amiss.
static void workers_end_and_the_wait_for_them_tells_why(void **state) {
    (void)state;
    mind_bus_errors();
    const char *name = fresh_name();
    struct region_by_hand region;
    region_by_hand_make_good(&region, name, 2);
    region_by_hand_claim(&region, SIPC_CLAIM_HOST);
    sipc_guest *guest = attach_guest(name, 0);
    assert_int_equal(sipc_guest_start(guest, nod, NULL), SIPC_OK);
    cut(name, 0);
    sipc_guest_stop(guest);
    assert_int_equal(sipc_guest_wait(guest), SIPC_REGION_LOST);
    assert_int_equal(sipc_guest_detach(guest), SIPC_OK);
    region_by_hand_free(&region);
}

#define ANSWER 100u

static sipc_status answer_and_cut(void *context, const sipc_request *request,
                                  sipc_response *response) {
    (void)request;
    memset(response->data, 'A', ANSWER);
    response->size = ANSWER;
    cut(context, 0);
    return SIPC_OK;
}

// What stood in the region is gone: a response that says otherwise would be believed.
static void a_response_that_was_cut_away_is_not_delivered_as_a_success(void **state) {
    (void)state;
    mind_bus_errors();
    char name[64];
    strcpy(name, fresh_name());
    sipc_host *host = open_host(name, 1, 1024, NULL);
    sipc_guest *guest = attach_guest(name, 0);
    assert_int_equal(sipc_guest_start(guest, answer_and_cut, name), SIPC_OK);
    uint8_t response[ANSWER];
    uint8_t right[ANSWER];
    memset(right, 'A', ANSWER);
    // Nothing was cut by a request that was not started.
    sipc_status status = SIPC_TIMEOUT;
    for (uint64_t timeout = UINT64_C(100000000); status == SIPC_TIMEOUT; timeout *= 2) {
        sipc_call call = {.response = response, .response_capacity = ANSWER, .timeout_ns = timeout};
        status = sipc_host_call(host, &call);
    }
    if (status == SIPC_OK) assert_memory_equal(response, right, ANSWER);
    assert_int_not_equal(sipc_status_fate(status), SIPC_FATE_NOT_STARTED);
    sipc_host_close(host);
    assert_int_equal(sipc_guest_detach(guest), SIPC_OK);
}

int main(int count, char **arguments) {
    chosen_backend = backend_of_arguments(count, arguments);
    learn_the_handler();
    const struct CMUnitTest tests[] = {
        PROMISE(a_host_gets_an_error_and_closes_in_order),
        PROMISE(a_name_whose_region_was_cut_may_be_used_again),
        PROMISE(another_region_of_the_process_is_unharmed),
        PROMISE(a_polling_guest_is_told),
        PROMISE(workers_end_and_the_wait_for_them_tells_why),
        PROMISE(a_response_that_was_cut_away_is_not_delivered_as_a_success),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
