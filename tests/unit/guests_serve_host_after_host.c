// SPDX-License-Identifier: Apache-2.0
// Promise: a guest that reconnects serves host after host of its name with the same handler, until
// it is told to stop, and keeps nothing of those that have gone.
#include <stdio.h>
#include <string.h>

#include "internal/atomics.h"
#include "left_behind.h"
#include "pair.h"
#include "threads.h"

enum { COUNT = 128, STOP };

// A guest that reconnects, and the thread that waits for its end.
struct follower {
    const char *name;
    sipc_guest *guest;
    struct thread waiter;
    sipc_status waited;
    sipc_word ended;
    uint32_t counted; // by the handler; one slot is asked at a time
};

static sipc_status count_or_stop(void *context, const sipc_request *request,
                                 sipc_response *response) {
    struct follower *follower = context;
    if (request->message_id == STOP) sipc_guest_stop(follower->guest);
    follower->counted++;
    memcpy(response->data, &follower->counted, sizeof follower->counted);
    response->size = sizeof follower->counted;
    return SIPC_OK;
}

static void wait_for_end(void *context) {
    struct follower *follower = context;
    follower->waited = sipc_guest_wait(follower->guest);
    sipc_store_release(&follower->ended, 1);
}

// To the host that there is.
static void follow(struct follower *follower, const char *name, uint32_t workers) {
    *follower = (struct follower){.name = name};
    const sipc_guest_options options = {.workers = workers, .reconnect = 1, .wait = sleeper};
    assert_int_equal(sipc_guest_attach(name, &options, &follower->guest), SIPC_OK);
    assert_int_equal(sipc_guest_start(follower->guest, count_or_stop, follower), SIPC_OK);
    thread_start(&follower->waiter, wait_for_end, follower);
}

static void end_follower(struct follower *follower, sipc_status expected) {
    thread_join(&follower->waiter);
    assert_int_equal(follower->waited, expected);
    assert_int_equal(sipc_guest_detach(follower->guest), SIPC_OK);
}

static sipc_host *host_of(const char *name, uint32_t slots) {
    return open_host(name, slots, 64, &sleeper);
}

static void ask(sipc_host *host, uint32_t slot, uint32_t message_id, uint32_t expected) {
    uint32_t counted = 0;
    sipc_call call = {.message_id = message_id,
                      .response = &counted,
                      .response_capacity = sizeof counted,
                      .timeout_ns = SIPC_FOREVER};
    assert_int_equal(sipc_host_call_slot(host, slot, &call), SIPC_OK);
    assert_int_equal(counted, expected);
}

// ---- One host after the other ------------------------------------------------------------------

static void the_next_host_is_served_with_the_same_handler(void **state) {
    (void)state;
    const char *name = fresh_name();
    sipc_host *host = host_of(name, 2);
    struct follower follower;
    follow(&follower, name, 0);
    for (uint32_t i = 1; i <= 20; i++) {
        ask(host, i % 2, COUNT, i);
        sipc_host_close(host);
        host = host_of(name, 2);
    }
    sipc_guest_stop(follower.guest);
    end_follower(&follower, SIPC_OK);
    sipc_host_close(host);
}

static void the_number_of_slots_is_that_of_the_last_host(void **state) {
    (void)state;
    const char *name = fresh_name();
    sipc_host *host = host_of(name, 2);
    struct follower follower;
    follow(&follower, name, 0);
    assert_int_equal(sipc_guest_slots(follower.guest), 2);
    sipc_host_close(host);
    host = host_of(name, 5);
    ask(host, 4, COUNT, 1);
    assert_int_equal(sipc_guest_slots(follower.guest), 5);
    sipc_guest_stop(follower.guest);
    end_follower(&follower, SIPC_OK);
    sipc_host_close(host);
}

static unsigned mapped_regions(void) {
    FILE *maps = fopen("/proc/self/maps", "r");
    assert_non_null(maps);
    unsigned count = 0;
    char line[512];
    while (fgets(line, sizeof line, maps))
        if (strstr(line, "/dev/shm/")) count++;
    fclose(maps);
    return count;
}

static void a_thousand_hosts_leave_nothing_behind(void **state) {
    enum { HOSTS = 1000 };
    (void)state;
    const char *name = fresh_name();
    sipc_host *host = host_of(name, 2);
    struct follower follower;
    follow(&follower, name, 0);
    ask(host, 0, COUNT, 1);
    const unsigned mapped = mapped_regions(); // the host's and the guest's
    for (uint32_t i = 2; i <= HOSTS; i++) {
        sipc_host_close(host);
        host = host_of(name, 2);
        ask(host, 1, COUNT, i);
        // Of the host before this one nothing is mapped any more.
        if (i % 100 == 0) assert_int_equal(mapped_regions(), mapped);
    }
    sipc_guest_stop(follower.guest);
    end_follower(&follower, SIPC_OK);
    sipc_host_close(host);
    assert_int_equal(mapped_regions(), 0);
}

// ---- The end -----------------------------------------------------------------------------------

static void stopping_ends_the_wait_for_a_host(void **state) {
    (void)state;
    for (int i = 0; i < 20; i++) {
        const char *name = fresh_name();
        sipc_host *host = host_of(name, 1);
        struct follower follower;
        follow(&follower, name, 0);
        sipc_host_close(host);
        if (i % 2 == 0) give_others_time();
        sipc_guest_stop(follower.guest);
        end_follower(&follower, SIPC_OK);
    }
}

static void detaching_ends_the_wait_for_a_host(void **state) {
    (void)state;
    for (int i = 0; i < 20; i++) {
        const char *name = fresh_name();
        sipc_host *host = host_of(name, 1);
        struct follower follower;
        follow(&follower, name, 0);
        sipc_host_close(host);
        // A second host is served: so the other thread is in its wait, and stays there.
        host = host_of(name, 1);
        ask(host, 0, COUNT, 1);
        sipc_host_close(host);
        if (i % 2 == 0) give_others_time();
        assert_int_equal(sipc_guest_slots(follower.guest), 1);
        assert_int_equal(sipc_guest_detach(follower.guest), SIPC_OK);
        thread_join(&follower.waiter);
        assert_int_equal(follower.waited, SIPC_OK);
    }
}

static void a_handler_may_stop_it_also_for_the_next_host(void **state) {
    (void)state;
    const char *name = fresh_name();
    sipc_host *host = host_of(name, 3);
    struct follower follower;
    follow(&follower, name, 0);
    ask(host, 0, COUNT, 1);
    sipc_host_close(host);
    host = host_of(name, 3);
    ask(host, 2, STOP, 2);
    end_follower(&follower, SIPC_OK);
    sipc_host_close(host);
}

static void a_shutdown_message_ends_it(void **state) {
    (void)state;
    for (int i = 0; i < 10; i++) {
        const char *name = fresh_name();
        sipc_host *host = host_of(name, 3);
        struct follower follower;
        follow(&follower, name, 0);
        sipc_call call = {.message_id = SIPC_MESSAGE_SHUTDOWN, .timeout_ns = SIPC_FOREVER};
        assert_int_equal(sipc_host_call(host, &call), SIPC_OK);
        sipc_host_close(host); // at once: the message counts all the same
        end_follower(&follower, SIPC_OK);
    }
}

static void several_threads_may_wait(void **state) {
    (void)state;
    const char *name = fresh_name();
    sipc_host *host = host_of(name, 2);
    struct follower follower;
    follow(&follower, name, 0);
    struct follower others[2];
    for (int i = 0; i < 2; i++) {
        others[i] = (struct follower){.guest = follower.guest};
        thread_start(&others[i].waiter, wait_for_end, &others[i]);
    }
    for (uint32_t i = 1; i <= 5; i++) {
        ask(host, 1, COUNT, i);
        assert_int_equal(sipc_load_acquire(&others[0].ended), 0);
        sipc_host_close(host);
        host = host_of(name, 2);
    }
    ask(host, 1, COUNT, 6);
    sipc_guest_stop(follower.guest);
    for (int i = 0; i < 2; i++) {
        thread_join(&others[i].waiter);
        assert_int_equal(others[i].waited, SIPC_OK);
    }
    end_follower(&follower, SIPC_OK);
    sipc_host_close(host);
}

// ---- What it is not for ------------------------------------------------------------------------

static void a_host_that_does_not_fit_is_an_error(void **state) {
    (void)state;
    const char *name = fresh_name();
    sipc_host *host = host_of(name, 2);
    struct follower follower;
    follow(&follower, name, 2);
    ask(host, 1, COUNT, 1);
    sipc_host_close(host);
    host = host_of(name, 1);
    thread_join(&follower.waiter);
    assert_int_equal(follower.waited, SIPC_INVALID_ARGUMENT);
    sipc_host_close(host);
    // Who waits again, waits for the next one.
    thread_start(&follower.waiter, wait_for_end, &follower);
    host = host_of(name, 2);
    ask(host, 1, COUNT, 2);
    sipc_guest_stop(follower.guest);
    end_follower(&follower, SIPC_OK);
    sipc_host_close(host);
}

static void without_the_option_the_hosts_end_ends_it(void **state) {
    (void)state;
    struct pair pair;
    pair_open(&pair, 1, 64, &sleeper, nod, NULL);
    sipc_host_close(pair.host);
    pair.host = host_of(pair.name, 1);
    assert_int_equal(sipc_guest_wait(pair.guest), SIPC_OK);
    assert_int_equal(sipc_guest_wait(pair.guest), SIPC_OK);
    pair_close(&pair);
}

static void a_polling_guest_ends_with_its_host(void **state) {
    (void)state;
    const char *name = fresh_name();
    sipc_host *host = host_of(name, 1);
    const sipc_guest_options options = {.reconnect = 1};
    sipc_guest *guest;
    assert_int_equal(sipc_guest_attach(name, &options, &guest), SIPC_OK);
    sipc_host_close(host);
    host = host_of(name, 1);
    assert_int_equal(sipc_guest_poll(guest, nod, NULL, NULL), SIPC_CLOSED);
    assert_int_equal(sipc_guest_detach(guest), SIPC_OK);
    sipc_host_close(host);
}

int main(int count, char **arguments) {
    chosen_backend = backend_of_arguments(count, arguments);
    const struct CMUnitTest tests[] = {
        PROMISE(the_next_host_is_served_with_the_same_handler),
        PROMISE(the_number_of_slots_is_that_of_the_last_host),
        PROMISE(a_thousand_hosts_leave_nothing_behind),
        PROMISE(stopping_ends_the_wait_for_a_host),
        PROMISE(detaching_ends_the_wait_for_a_host),
        PROMISE(a_handler_may_stop_it_also_for_the_next_host),
        PROMISE(a_shutdown_message_ends_it),
        PROMISE(several_threads_may_wait),
        PROMISE(a_host_that_does_not_fit_is_an_error),
        PROMISE(without_the_option_the_hosts_end_ends_it),
        PROMISE(a_polling_guest_ends_with_its_host),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
