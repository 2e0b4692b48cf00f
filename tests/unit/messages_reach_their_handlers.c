// SPDX-License-Identifier: Apache-2.0
// Promise: a dispatcher hands each message to the handler of its id, and one of an unknown id is
// refused as that.
#include <stdbool.h>
#include <string.h>

#include "left_behind.h"
#include "pair.h"

// Answers with its context, a text.
static sipc_status tell(void *context, const sipc_request *request, sipc_response *response) {
    (void)request;
    response->size = (uint32_t)strlen(context);
    memcpy(response->data, context, response->size);
    return SIPC_OK;
}

static sipc_status ask(sipc_host *host, uint32_t message_id, char answer[32]) {
    sipc_call call = {.message_id = message_id, .response = answer, .response_capacity = 31};
    sipc_status status = sipc_host_call(host, &call);
    answer[call.response_size] = '\0';
    return status;
}

static void each_id_has_its_handler(void **state) {
    (void)state;
    const sipc_route routes[] = {{UINT32_MAX, tell, "last"},
                                 {128, tell, "first"},
                                 {SIPC_MESSAGE_NORMAL, tell, "normal"},
                                 {200, tell, "middle"}};
    sipc_dispatcher *dispatcher;
    assert_int_equal(sipc_dispatcher_create(routes, 4, &dispatcher), SIPC_OK);
    struct pair pair = {.name = "dispatch"};
    pair_open(&pair, 1, 256, NULL, sipc_dispatch, dispatcher);
    char answer[32];
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(ask(pair.host, routes[i].message_id, answer), SIPC_OK);
        assert_string_equal(answer, routes[i].context);
    }
    static const uint32_t unknown[] = {129, 199, 201, UINT32_MAX - 1};
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(ask(pair.host, unknown[i], answer), SIPC_UNKNOWN_MESSAGE);
    pair_close(&pair);
    sipc_dispatcher_free(dispatcher);
}

static void many_routes_are_found(void **state) {
    (void)state;
    enum { MANY = 1000 };
    static sipc_route routes[MANY];
    for (uint32_t i = 0; i < MANY; i++)
        routes[i] = (sipc_route){SIPC_MESSAGE_FIRST_USER + i * 7919 % MANY * 3, nod, NULL};
    sipc_dispatcher *dispatcher;
    assert_int_equal(sipc_dispatcher_create(routes, MANY, &dispatcher), SIPC_OK);
    for (uint32_t id = SIPC_MESSAGE_FIRST_USER - 1; id <= SIPC_MESSAGE_FIRST_USER + 3 * MANY;
         id++) {
        const sipc_request request = {.message_id = id};
        sipc_response response = {.size = 0};
        bool known = id >= SIPC_MESSAGE_FIRST_USER && (id - SIPC_MESSAGE_FIRST_USER) % 3 == 0 &&
                     id < SIPC_MESSAGE_FIRST_USER + 3 * MANY;
        assert_int_equal(sipc_dispatch(dispatcher, &request, &response),
                         known ? SIPC_OK : SIPC_UNKNOWN_MESSAGE);
    }
    sipc_dispatcher_free(dispatcher);
}

static void assert_refused(const sipc_route *routes, uint32_t count, sipc_status status,
                           const char *text) {
    sipc_dispatcher *dispatcher = (sipc_dispatcher *)&dispatcher;
    assert_int_equal(sipc_dispatcher_create(routes, count, &dispatcher), status);
    assert_null(dispatcher);
    assert_non_null(strstr(sipc_error_text(), text));
}

static void bad_routes_are_refused(void **state) {
    (void)state;
    const sipc_route twice[] = {{130, nod, NULL}, {129, nod, NULL}, {130, echo, NULL}};
    const sipc_route none = {130, NULL, NULL};
    const sipc_route reserved = {127, nod, NULL};
    const sipc_route heartbeat = {SIPC_MESSAGE_HEARTBEAT_REQUEST, nod, NULL};
    assert_refused(NULL, 1, SIPC_INVALID_ARGUMENT, "no route");
    assert_refused(twice, 0, SIPC_INVALID_ARGUMENT, "no route");
    assert_refused(twice, 3, SIPC_INVALID_ARGUMENT, "130");
    assert_refused(&none, 1, SIPC_INVALID_ARGUMENT, "130");
    assert_refused(&reserved, 1, SIPC_BAD_MESSAGE_ID, "127");
    assert_refused(&heartbeat, 1, SIPC_BAD_MESSAGE_ID, "1 ");
    assert_int_equal(sipc_dispatcher_create(twice, 1, NULL), SIPC_INVALID_ARGUMENT);
    sipc_dispatcher_free(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        PROMISE(each_id_has_its_handler),
        PROMISE(many_routes_are_found),
        PROMISE(bad_routes_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
