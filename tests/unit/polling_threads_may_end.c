// SPDX-License-Identifier: Apache-2.0
// Promise: a thread of the application's that polls may end in the handler where the system unwinds
// it: what it had begun is answered, and another thread may poll on.
#include <pthread.h>
#include <string.h>

#include "left_behind.h"
#include "pair.h"
#include "threads.h"

enum { EXIT = 129 };

static sipc_status leave_or_echo(void *context, const sipc_request *request,
                                 sipc_response *response) {
    if (request->message_id == EXIT) pthread_exit(NULL);
    return echo(context, request, response);
}

static void poll_until_it_leaves(void *guest) {
    while (sipc_guest_poll(guest, leave_or_echo, NULL, NULL) == SIPC_OK) {
    }
}

static sipc_status ask(sipc_host *host, uint32_t slot, uint32_t message_id, uint32_t size) {
    static const char request[100];
    sipc_call call = {.message_id = message_id,
                      .request = request,
                      .request_size = size,
                      .timeout_ns = SIPC_FOREVER};
    return sipc_host_call_slot(host, slot, &call);
}

static void the_caller_is_told_and_another_thread_polls_on(void **state) {
    (void)state;
    const char *name = fresh_name();
    sipc_host *host = open_host(name, 2, 512, NULL);
    sipc_guest *guest = attach_guest(name, 0);
    for (uint32_t slot = 0; slot < 2; slot++) {
        struct thread poller;
        thread_start(&poller, poll_until_it_leaves, guest);
        assert_int_equal(ask(host, slot, SIPC_MESSAGE_FIRST_USER, 0), SIPC_OK);
        assert_int_equal(ask(host, slot, EXIT, 100), SIPC_HANDLER_FAILED);
        thread_join(&poller);
    }
    assert_int_equal(sipc_guest_detach(guest), SIPC_OK);
    sipc_host_close(host);
}

int main(int count, char **arguments) {
    chosen_backend = backend_of_arguments(count, arguments);
    const struct CMUnitTest tests[] = {PROMISE(the_caller_is_told_and_another_thread_polls_on)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
