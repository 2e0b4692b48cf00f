// SPDX-License-Identifier: Apache-2.0
// Promise: many guests share a host's slots. A call that names one reaches that one or nobody; a
// request whose guest has left goes to another; who waits for a guest or for slots hears of them.
// Where a wait has no deadline, nobody's word means that the test hangs.
#include <simpleipc/guests.h>
#include <string.h>

#include "internal/os.h"
#include "left_behind.h"
#include "pair.h"
#include "threads.h"

// The response is the context, a guest's own text; and how often it was asked.
struct told {
    const char *text;
    sipc_word asked;
};

static sipc_status tell(void *context, const sipc_request *request, sipc_response *response) {
    (void)request;
    struct told *told = context;
    sipc_add_barrier(&told->asked, 1);
    response->size = (uint32_t)strlen(told->text);
    memcpy(response->data, told->text, response->size);
    return SIPC_OK;
}

static sipc_guest *attach(const char *region, const char *name, uint32_t workers) {
    const sipc_guest_options options = {.name = name, .workers = workers, .wait = sleeper};
    sipc_guest *guest;
    assert_int_equal(sipc_guest_attach(region, &options, &guest), SIPC_OK);
    return guest;
}

static sipc_guest *serve(const char *region, uint32_t workers, struct told *told) {
    sipc_guest *guest = attach(region, told->text, workers);
    assert_int_equal(sipc_guest_start(guest, tell, told), SIPC_OK);
    return guest;
}

struct asking {
    sipc_host *host;
    const char *guest;
    uint64_t timeout_ns;
    char answer[64];
    sipc_status status;
    struct thread thread;
};

static void ask(void *context) {
    struct asking *asking = context;
    sipc_call call = {.guest = asking->guest,
                      .response = asking->answer,
                      .response_capacity = sizeof asking->answer - 1,
                      .timeout_ns = asking->timeout_ns};
    asking->status = sipc_host_call(asking->host, &call);
    asking->answer[asking->status == SIPC_OK ? call.response_size : 0] = '\0';
}

static void start_asking(struct asking *asking, sipc_host *host, const char *guest) {
    *asking = (struct asking){.host = host, .guest = guest, .timeout_ns = SIPC_FOREVER};
    thread_start(&asking->thread, ask, asking);
}

static void assert_told(struct asking *asking, const char *text) {
    thread_join(&asking->thread);
    assert_int_equal(asking->status, SIPC_OK);
    assert_string_equal(asking->answer, text);
}

static sipc_status ask_now(sipc_host *host, const char *guest, const char *text) {
    struct asking asking = {
        .host = host,
        .guest = guest,
    };
    asking.timeout_ns = text ? SIPC_FOREVER : 3000000;
    ask(&asking);
    if (asking.status == SIPC_OK) assert_string_equal(asking.answer, text);
    return asking.status;
}

// ---- Names -------------------------------------------------------------------------------------

static void a_call_reaches_the_guest_that_it_names(void **state) {
    (void)state;
    const char *region = fresh_name();
    sipc_host *host = open_host(region, 4, 128, &sleeper);
    struct told one = {.text = "one"}, other = {.text = "other"};
    sipc_guest *guests[] = {serve(region, 2, &one), serve(region, 2, &other)};
    for (unsigned i = 0; i < 200; i++) {
        struct asking asking = {.host = host, .guest = i % 3 ? "one" : "other"};
        asking.timeout_ns = SIPC_FOREVER;
        ask(&asking);
        assert_int_equal(asking.status, SIPC_OK);
        assert_string_equal(asking.answer, asking.guest);
        asking.guest = NULL;
        ask(&asking);
        assert_int_equal(asking.status, SIPC_OK);
    }
    for (unsigned i = 0; i < 2; i++) sipc_guest_detach(guests[i]);
    sipc_host_close(host);
}

static void a_name_that_nobody_has_is_waited_for_until_the_deadline(void **state) {
    (void)state;
    const char *region = fresh_name();
    sipc_host *host = open_host(region, 2, 128, &sleeper);
    struct told one = {.text = "one"};
    assert_int_equal(ask_now(host, "one", NULL), SIPC_NO_GUEST);
    assert_int_equal(sipc_status_fate(SIPC_NO_GUEST), SIPC_FATE_NOT_STARTED);
    sipc_guest *guest = serve(region, 1, &one);
    assert_int_equal(ask_now(host, "on", NULL), SIPC_NO_GUEST);
    assert_non_null(strstr(sipc_error_text(), "\"on\""));
    assert_int_equal(sipc_guest_detach(guest), SIPC_OK);
    assert_int_equal(ask_now(host, "one", NULL), SIPC_NO_GUEST);
    sipc_host_close(host);
}

static void a_guest_that_comes_is_heard_of(void **state) {
    (void)state;
    for (unsigned round = 0; round < 10; round++) {
        const char *region = fresh_name();
        sipc_host *host = open_host(region, 3, 128, &sleeper);
        struct told one = {.text = "one"}, other = {.text = "other"};
        sipc_guest *first = serve(region, round % 3 + 1, &one);
        struct asking asking[3];
        for (unsigned i = 0; i < 3; i++) start_asking(&asking[i], host, "other");
        if (round % 2 == 0) give_others_time();
        if (round % 3 == 2) { // it had all slots
            sipc_guest_detach(first);
            first = NULL;
        }
        sipc_guest *second = serve(region, 1, &other);
        for (unsigned i = 0; i < 3; i++) assert_told(&asking[i], "other");
        assert_int_equal(one.asked, 0);
        sipc_guest_detach(first);
        sipc_guest_detach(second);
        sipc_host_close(host);
    }
}

static void names_are_checked(void **state) {
    (void)state;
    const char *region = fresh_name();
    sipc_host *host = open_host(region, 1, 128, NULL);
    static const char long_name[] = "12345678901234567890123456789012345678901";
    static const char *const bad[] = {"", ".one", "a/b", "a b", long_name};
    for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        const sipc_guest_options options = {.name = bad[i]};
        sipc_guest *guest;
        sipc_session *session;
        assert_int_equal(sipc_guest_attach(region, &options, &guest), SIPC_BAD_NAME);
        assert_int_equal(ask_now(host, bad[i], NULL), SIPC_BAD_NAME);
        assert_int_equal(sipc_host_acquire_guest(host, bad[i], 1, &session), SIPC_BAD_NAME);
    }
    sipc_session *session;
    assert_int_equal(sipc_host_acquire_guest(host, NULL, 1, &session), SIPC_BAD_NAME);
    sipc_call call = {.guest = "one"};
    assert_int_equal(sipc_host_call_slot(host, 0, &call), SIPC_INVALID_ARGUMENT);
    const sipc_guest_options calls_only = {.calls_only = 1, .name = "one"};
    sipc_guest *guest;
    assert_int_equal(sipc_guest_attach(region, &calls_only, &guest), SIPC_INVALID_ARGUMENT);
    struct told whole = {.text = long_name + 1}; // 40 bytes
    guest = serve(region, 1, &whole);
    assert_int_equal(ask_now(host, long_name + 1, long_name + 1), SIPC_OK);
    assert_int_equal(sipc_guest_detach(guest), SIPC_OK);
    sipc_host_close(host);
}

static void it_is_told_who_serves(void **state) {
    (void)state;
    const char *region = fresh_name();
    sipc_host *host = open_host(region, 3, 128, NULL);
    sipc_guest_info guests[3];
    uint32_t count;
    sipc_guest *one = attach(region, "one", 1), *nameless = attach(region, NULL, 1);
    assert_int_equal(sipc_host_guests(host, guests, 3, &count), SIPC_OK);
    assert_int_equal(count, 3);
    assert_string_equal(guests[0].name, "one");
    assert_string_equal(guests[1].name, "");
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(guests[i].slot, i);
        assert_int_equal(guests[i].attended, i < 2);
        assert_int_equal(guests[i].process_id, i < 2 ? sipc_os_this_process().id : 0);
    }
    assert_int_equal(sipc_guest_detach(one), SIPC_OK);
    assert_int_equal(sipc_host_guests(host, guests, 1, &count), SIPC_OK);
    assert_int_equal(guests[0].attended, 0);
    one = attach(region, NULL, 1);
    assert_int_equal(sipc_host_guests(host, guests, 1, &count), SIPC_OK);
    assert_string_equal(guests[0].name, "");
    assert_int_equal(sipc_host_guests(host, NULL, 1, &count), SIPC_INVALID_ARGUMENT);
    assert_int_equal(sipc_host_guests(host, guests, 1, NULL), SIPC_INVALID_ARGUMENT);
    sipc_guest_detach(one);
    sipc_guest_detach(nameless);
    sipc_host_close(host);
}

// ---- What is addressed to one guest ------------------------------------------------------------

static void a_session_of_a_guest_ends_with_it(void **state) {
    (void)state;
    const char *region = fresh_name();
    sipc_host *host = open_host(region, 1, 128, &sleeper);
    struct told one = {.text = "one"}, other = {.text = "other"};
    sipc_guest *guest = serve(region, 1, &one);
    sipc_session *session;
    assert_int_equal(sipc_host_acquire_guest(host, "one", SIPC_FOREVER, &session), SIPC_OK);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(sipc_session_call(session, 0, 0, SIPC_FOREVER, NULL, NULL), SIPC_OK);
    assert_int_equal(sipc_guest_detach(guest), SIPC_OK);
    sipc_status status = sipc_session_call(session, 0, 0, SIPC_FOREVER, NULL, NULL);
    assert_int_equal(status, SIPC_PEER_DIED);
    guest = serve(region, 1, &other);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(sipc_session_call(session, 0, 0, SIPC_FOREVER, NULL, NULL),
                         SIPC_PEER_DIED);
    assert_int_equal(other.asked, 0);
    sipc_session_release(session);
    assert_int_equal(ask_now(host, NULL, "other"), SIPC_OK); // the slot is anybody's again
    sipc_guest_detach(guest);
    sipc_host_close(host);
}

static void count_completion(void *context, const sipc_completion *completion) {
    unsigned *counts = context;
    if (completion->status == SIPC_OK) counts[0]++;
    if (completion->status == SIPC_PEER_DIED) counts[1]++;
}

// The guest leaves requests behind; its successor does not touch them.
static void a_pipeline_of_a_guest_reaches_no_other(void **state) {
    (void)state;
    const char *region = fresh_name();
    sipc_host *host = open_host(region, 4, 128, &sleeper);
    struct told one = {.text = "one"}, other = {.text = "other"};
    sipc_guest *guests[] = {serve(region, 2, &one), attach(region, "two", 2)};
    unsigned counts[2] = {0};
    sipc_pipeline *pipeline;
    assert_int_equal(
        sipc_pipeline_open_guest(host, "none", 2, 1, count_completion, counts, &pipeline),
        SIPC_NO_GUEST);
    assert_int_equal(
        sipc_pipeline_open_guest(host, "two", 2, SIPC_FOREVER, count_completion, counts, &pipeline),
        SIPC_OK);
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(sipc_pipeline_submit(pipeline, 0, NULL, 0, SIPC_FOREVER, i), SIPC_OK);
    assert_int_equal(sipc_guest_detach(guests[1]), SIPC_OK);
    guests[1] = serve(region, 2, &other);
    while (counts[1] < 2)
        assert_int_equal(sipc_pipeline_reap(pipeline, 0, SIPC_FOREVER, NULL), SIPC_OK);
    assert_int_equal(one.asked + other.asked + counts[0], 0);
    assert_int_equal(sipc_pipeline_close(pipeline), SIPC_OK);
    for (unsigned i = 0; i < 2; i++) sipc_guest_detach(guests[i]);
    sipc_host_close(host);
}

// ---- Guests that leave -------------------------------------------------------------------------

// The first guest has its slot, but never serves.
static void a_request_moves_on_when_its_guest_leaves(void **state) {
    (void)state;
    for (unsigned round = 0; round < 10; round++) {
        const char *region = fresh_name();
        sipc_host *host = open_host(region, 2, 128, &sleeper);
        struct told other = {.text = "other"};
        sipc_guest *idle = attach(region, "idle", 1);
        struct asking asking;
        start_asking(&asking, host, NULL);
        if (round % 2 == 0) give_others_time();
        sipc_guest *serving = serve(region, 1, &other);
        assert_int_equal(sipc_guest_detach(idle), SIPC_OK);
        assert_told(&asking, "other");
        assert_int_equal(other.asked, 1);
        sipc_guest_detach(serving);
        sipc_host_close(host);
    }
}

// Two requests stand where nobody serves any more, and the next guest has one slot only.
static void requests_left_behind_reach_a_guest_that_takes_another_slot(void **state) {
    (void)state;
    for (unsigned round = 0; round < 10; round++) {
        const char *region = fresh_name();
        sipc_host *host = open_host(region, 3, 128, &sleeper);
        struct told other = {.text = "other"};
        sipc_guest *idle = attach(region, NULL, 3);
        struct asking asking[3];
        for (unsigned i = 0; i < 3; i++) start_asking(&asking[i], host, NULL);
        if (round % 2 == 0) give_others_time();
        assert_int_equal(sipc_guest_detach(idle), SIPC_OK);
        if (round % 3 == 0) give_others_time();
        sipc_guest *serving = serve(region, 1, &other);
        for (unsigned i = 0; i < 3; i++) assert_told(&asking[i], "other");
        assert_int_equal(other.asked, 3);
        sipc_guest_detach(serving);
        sipc_host_close(host);
    }
}

// ---- Guests that wait for slots ----------------------------------------------------------------

struct spare {
    const char *region;
    uint32_t workers;
    sipc_status status;
    sipc_guest *guest;
    struct thread thread;
};

static void attach_spare(void *context) {
    struct spare *spare = context;
    const sipc_guest_options options = {.wait_for_slots = 1,
                                        .workers = spare->workers,
                                        .attach_timeout_ns = UINT64_C(100000000000)};
    spare->status = sipc_guest_attach(spare->region, &options, &spare->guest);
}

static void a_spare_guest_takes_the_slots_of_one_that_leaves(void **state) {
    (void)state;
    const char *region = fresh_name();
    sipc_host *host = open_host(region, 2, 128, NULL);
    struct told told = {.text = "one"};
    for (unsigned round = 0; round < 6; round++) {
        sipc_guest *first = serve(region, 2, &told);
        struct spare spare = {.region = region, .workers = round % 3};
        thread_start(&spare.thread, attach_spare, &spare);
        if (round % 2 == 0) give_others_time();
        assert_int_equal(sipc_guest_detach(first), SIPC_OK);
        thread_join(&spare.thread);
        assert_int_equal(spare.status, SIPC_OK);
        if (spare.workers) assert_int_equal(sipc_guest_slots(spare.guest), spare.workers);
        assert_int_equal(sipc_guest_detach(spare.guest), SIPC_OK);
    }
    sipc_host_close(host);
}

// It is not detached yet, and its workers leave at the same moment.
static void a_spare_guest_hears_of_a_guest_that_was_stopped(void **state) {
    (void)state;
    const char *region = fresh_name();
    sipc_host *host = open_host(region, 2, 128, NULL);
    struct told told = {.text = "one"};
    for (unsigned round = 0; round < 6; round++) {
        sipc_guest *first = serve(region, 2, &told);
        struct spare spare = {.region = region, .workers = 2};
        thread_start(&spare.thread, attach_spare, &spare);
        // Until it looks for slots no more of its own accord.
        for (unsigned i = 0; i < 8 && round % 2 == 0; i++) give_others_time();
        sipc_guest_stop(first);
        thread_join(&spare.thread);
        assert_int_equal(spare.status, SIPC_OK);
        assert_int_equal(sipc_guest_slots(spare.guest), 2);
        assert_int_equal(sipc_guest_detach(first), SIPC_OK);
        assert_int_equal(sipc_guest_detach(spare.guest), SIPC_OK);
    }
    sipc_host_close(host);
}

static void a_spare_guest_waits_until_its_deadline(void **state) {
    (void)state;
    const char *region = fresh_name();
    sipc_host *host = open_host(region, 2, 128, NULL);
    sipc_guest *first = attach(region, NULL, 2), *second;
    const sipc_guest_options options = {
        .wait_for_slots = 1, .workers = 2, .attach_timeout_ns = 3000000};
    assert_int_equal(sipc_guest_attach(region, &options, &second), SIPC_NO_SLOT);
    assert_int_equal(sipc_guest_detach(first), SIPC_OK);
    first = attach(region, NULL, 1);
    assert_int_equal(sipc_guest_attach(region, &options, &second), SIPC_OK);
    assert_int_equal(sipc_guest_slots(second), 1); // what there is
    sipc_guest_detach(first);
    sipc_guest_detach(second);
    sipc_host_close(host);
}

int main(int count, char **arguments) {
    chosen_backend = backend_of_arguments(count, arguments);
    const struct CMUnitTest tests[] = {
        PROMISE(a_call_reaches_the_guest_that_it_names),
        PROMISE(a_name_that_nobody_has_is_waited_for_until_the_deadline),
        PROMISE(a_guest_that_comes_is_heard_of),
        PROMISE(names_are_checked),
        PROMISE(it_is_told_who_serves),
        PROMISE(a_session_of_a_guest_ends_with_it),
        PROMISE(a_pipeline_of_a_guest_reaches_no_other),
        PROMISE(a_request_moves_on_when_its_guest_leaves),
        PROMISE(requests_left_behind_reach_a_guest_that_takes_another_slot),
        PROMISE(a_spare_guest_takes_the_slots_of_one_that_leaves),
        PROMISE(a_spare_guest_hears_of_a_guest_that_was_stopped),
        PROMISE(a_spare_guest_waits_until_its_deadline),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
