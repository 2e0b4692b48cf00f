// SPDX-License-Identifier: Apache-2.0
// Promise: a handler that ends its thread is an error at its caller, and the slot serves on.
#define _GNU_SOURCE
#include <pthread.h>
#include <string.h>

#include "internal/atomics.h"
#include "left_behind.h"
#include "no_threads.h"
#include "pair.h"
#include "threads.h"

#define TEXT "the handler did not return"

enum { ECHO = 128, EXIT, CANCEL };

static sipc_status leave_or_echo(void *context, const sipc_request *request,
                                 sipc_response *response) {
    if (request->message_id == EXIT) {
        // What stands here when it leaves does not reach the caller.
        memset(response->data, 'x', response->capacity);
        response->size = response->capacity;
        pthread_exit(NULL);
    }
    if (request->message_id == CANCEL) {
        pthread_cancel(pthread_self());
        pthread_testcancel();
    }
    return echo(context, request, response);
}

static void ask(sipc_host *host, uint32_t slot, uint32_t message_id, uint32_t size,
                sipc_status expected, const char *text) {
    char request[256] = {0};
    char response[256];
    memset(request, 'q', size);
    sipc_call call = {.message_id = message_id,
                      .request = request,
                      .request_size = size,
                      .response = response,
                      .response_capacity = sizeof response,
                      .timeout_ns = SIPC_FOREVER};
    assert_int_equal(sipc_host_call_slot(host, slot, &call), expected);
    assert_int_equal(call.response_size, strlen(text));
    assert_memory_equal(response, text, call.response_size);
    assert_int_equal(call.response_message_id, message_id);
}

// Tiny requests and others, each followed by an ordinary one.
static void the_caller_is_told_and_the_next_call_works(void **state) {
    (void)state;
    struct pair pair;
    pair_open(&pair, 2, 512, NULL, leave_or_echo, NULL);
    for (uint32_t i = 0; i < 200; i++) {
        uint32_t slot = i % 2;
        uint32_t leaves = i % 3 == 0 ? CANCEL : EXIT;
        ask(pair.host, slot, leaves, i % 4 < 2 ? 4 : 200, SIPC_HANDLER_FAILED, TEXT);
        ask(pair.host, slot, ECHO, 3, SIPC_OK, "qqq");
        ask(pair.host, slot, ECHO, 40, SIPC_OK, "qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq");
    }
    pair_close(&pair);
}

static void a_sleeping_caller_is_woken(void **state) {
    (void)state;
    struct pair pair;
    pair_open(&pair, 1, 512, &sleeper, leave_or_echo, NULL);
    for (uint32_t i = 0; i < 50; i++)
        ask(pair.host, 0, EXIT, i % 2 ? 4 : 200, SIPC_HANDLER_FAILED, TEXT);
    ask(pair.host, 0, ECHO, 1, SIPC_OK, "q");
    pair_close(&pair);
}

static void without_room_for_the_text_there_is_none(void **state) {
    (void)state;
    struct pair pair;
    pair_open(&pair, 1, 2 * (sizeof TEXT - 2), NULL, leave_or_echo, NULL);
    ask(pair.host, 0, EXIT, 1, SIPC_HANDLER_FAILED, "");
    ask(pair.host, 0, ECHO, 1, SIPC_OK, "q");
    pair_close(&pair);
}

static void leave_from_many(void *context, unsigned index) {
    struct pair *pair = context;
    for (int i = 0; i < 50; i++) {
        sipc_call call = {.message_id = i % 2 ? EXIT : ECHO, .timeout_ns = SIPC_FOREVER};
        sipc_status status = sipc_host_call_slot(pair->host, index, &call);
        if (status != (i % 2 ? SIPC_HANDLER_FAILED : SIPC_OK)) pair->name = "wrong";
    }
}

static void stopping_meanwhile_ends_all(void **state) {
    (void)state;
    for (int i = 0; i < 5; i++) {
        struct pair pair;
        pair_open(&pair, 4, 64, NULL, leave_or_echo, NULL);
        run_together(4, leave_from_many, &pair);
        assert_string_not_equal(pair.name, "wrong");
        ask(pair.host, 0, EXIT, 0, SIPC_HANDLER_FAILED, TEXT);
        pair_close(&pair); // while the worker is replaced
    }
}

static void a_worker_that_cannot_be_replaced_ends_the_guest_with_an_error(void **state) {
    (void)state;
    struct pair pair;
    pair_open(&pair, 2, 64, &sleeper, leave_or_echo, NULL);
    sipc_exchange_barrier(&no_threads, 1);
    ask(pair.host, 1, EXIT, 0, SIPC_HANDLER_FAILED, TEXT);
    sipc_status status = sipc_guest_wait(pair.guest);
    sipc_exchange_barrier(&no_threads, 0);
    assert_int_equal(status, SIPC_SYSTEM);
    assert_non_null(strstr(sipc_error_text(), pair.name));
    pair_close(&pair);
}

int main(int count, char **arguments) {
    chosen_backend = backend_of_arguments(count, arguments);
    const struct CMUnitTest tests[] = {
        PROMISE(the_caller_is_told_and_the_next_call_works),
        PROMISE(a_sleeping_caller_is_woken),
        PROMISE(without_room_for_the_text_there_is_none),
        PROMISE(stopping_meanwhile_ends_all),
        PROMISE(a_worker_that_cannot_be_replaced_ends_the_guest_with_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
