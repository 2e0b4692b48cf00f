// SPDX-License-Identifier: Apache-2.0
// Promise: an event loop can wait for a pipeline, for a guest that polls and for a host that polls:
// each has a descriptor that is readable from when something is ready until it was taken, if it was
// armed; one that is not armed costs no wake on either side. No wake is lost.
#include <simpleipc/event_loop.h>
#include <stdlib.h>
#include <string.h>

#include "descriptor.h"
#include "internal/host.h"
#include "left_behind.h"
#include "pair.h"
#include "system.h"
#include "threads.h"

#define DEPTH 4u
#define SOON UINT64_C(20000000)
#define ROUNDS 4000u
#define RANDOM_ROUNDS 20000u

// ---- A host with a pipeline, and a guest that answers when it is polled ------------------------

static struct {
    struct pair pair;
    sipc_pipeline *pipeline;
    intptr_t descriptor;
    unsigned told;
    sipc_status last;
    uint64_t last_tag;
} loop;

static void take_note(void *context, const sipc_completion *completion) {
    (void)context;
    loop.told++;
    loop.last = completion->status;
    loop.last_tag = completion->tag;
}

static void open_pipeline(void) {
    assert_int_equal(sipc_pipeline_open(loop.pair.host, SIPC_ANY_SLOT, DEPTH, SIPC_FOREVER,
                                        take_note, NULL, &loop.pipeline),
                     SIPC_OK);
    assert_int_equal(sipc_pipeline_descriptor(loop.pipeline, &loop.descriptor), SIPC_OK);
    loop.told = 0;
}

static void open_loop(void) {
    loop.pair.name = fresh_name();
    loop.pair.host = open_host(loop.pair.name, DEPTH, 256, NULL);
    loop.pair.guest = attach_guest(loop.pair.name, 0);
    open_pipeline();
}

static void close_loop(void) {
    assert_int_equal(sipc_pipeline_close(loop.pipeline), SIPC_OK);
    pair_close(&loop.pair);
}

static void submit(uint64_t tag, uint64_t timeout_ns) {
    assert_int_equal(sipc_pipeline_submit(loop.pipeline, 0, &tag, sizeof tag, timeout_ns, tag),
                     SIPC_OK);
}

static void arm(void) {
    assert_int_equal(sipc_pipeline_arm(loop.pipeline), SIPC_OK);
}

static bool readable_now(void) {
    return descriptor_is_ready(loop.descriptor, 0);
}

// A wake that is lost hangs the test here.
static void wait_until_readable(void) {
    assert_true(descriptor_is_ready(loop.descriptor, WITHOUT_END));
}

static void answer(uint32_t expected) {
    uint32_t served;
    assert_int_equal(sipc_guest_poll(loop.pair.guest, echo, NULL, &served), SIPC_OK);
    assert_int_equal(served, expected);
}

static uint32_t reap(uint32_t most) {
    uint32_t reaped;
    assert_int_equal(sipc_pipeline_reap(loop.pipeline, most, 0, &reaped), SIPC_OK);
    return reaped;
}

// ---- Pipelines ---------------------------------------------------------------------------------

static void what_stands_already_is_readable_at_once(void **state) {
    (void)state;
    open_loop();
    assert_false(readable_now());
    submit(1, SIPC_FOREVER);
    answer(1);
    assert_false(readable_now()); // nobody has armed it
    arm();
    assert_true(readable_now());
    assert_int_equal(reap(0), 1);
    assert_false(readable_now());
    close_loop();
}

static void what_comes_later_makes_it_readable(void **state) {
    (void)state;
    open_loop();
    for (uint64_t tag = 0; tag < 50; tag++) {
        submit(tag, SIPC_FOREVER);
        arm();
        assert_false(readable_now());
        if (tag % 2) give_others_time();
        answer(1);
        wait_until_readable();
        assert_int_equal(reap(0), 1);
        assert_int_equal(loop.last_tag, tag);
    }
    close_loop();
}

static void it_is_readable_until_all_was_taken(void **state) {
    (void)state;
    open_loop();
    for (uint64_t tag = 0; tag < 3; tag++) submit(tag, SIPC_FOREVER);
    arm();
    answer(3);
    wait_until_readable();
    assert_int_equal(reap(1), 1);
    assert_true(readable_now());
    arm();
    assert_int_equal(reap(1), 1);
    assert_true(readable_now());
    arm();
    assert_int_equal(reap(1), 1);
    assert_false(readable_now());
    close_loop();
}

static void what_is_submitted_while_armed_is_waited_for(void **state) {
    (void)state;
    open_loop();
    arm();
    submit(7, SIPC_FOREVER);
    answer(1);
    wait_until_readable();
    assert_int_equal(reap(0), 1);
    assert_int_equal(loop.last_tag, 7);
    close_loop();
}

static void a_loop_that_was_woken_by_others_arms_again(void **state) {
    (void)state;
    open_loop();
    submit(1, SIPC_FOREVER);
    for (unsigned i = 0; i < 20; i++) {
        arm();
        assert_int_equal(reap(0), 0);
    }
    submit(2, SIPC_FOREVER);
    arm();
    give_others_time();
    answer(2);
    wait_until_readable();
    assert_int_equal(reap(0), 2);
    close_loop();
}

static void deadlines_make_it_readable(void **state) {
    (void)state;
    open_loop();
    submit(1, SOON);
    arm();
    wait_until_readable();
    assert_int_equal(reap(0), 1);
    assert_int_equal(loop.last, SIPC_TIMEOUT);
    // An earlier one than what is slept for already.
    submit(2, 1000 * SOON);
    arm();
    give_others_time();
    submit(3, SOON);
    wait_until_readable();
    assert_int_equal(reap(0), 1);
    assert_int_equal(loop.last_tag, 3);
    assert_int_equal(loop.last, SIPC_TIMEOUT);
    close_loop();
}

static void a_shutdown_makes_it_readable(void **state) {
    (void)state;
    open_loop();
    submit(1, SIPC_FOREVER);
    arm();
    give_others_time();
    sipc_host_shutdown(loop.pair.host);
    wait_until_readable();
    uint32_t reaped;
    assert_int_equal(sipc_pipeline_reap(loop.pipeline, 0, 0, &reaped), SIPC_OK);
    assert_int_equal(reaped, 1);
    assert_int_equal(loop.last, SIPC_CLOSED);
    assert_true(readable_now()); // until it is closed
    arm();
    assert_int_equal(sipc_pipeline_reap(loop.pipeline, 0, 0, &reaped), SIPC_CLOSED);
    close_loop();
}

static void shut_down_later(void *context) {
    (void)context;
    give_others_time();
    sipc_host_shutdown(loop.pair.host);
}

static void a_shutdown_rouses_a_loop_without_requests(void **state) {
    (void)state;
    open_loop();
    struct thread thread;
    thread_start(&thread, shut_down_later, NULL);
    arm();
    wait_until_readable();
    assert_int_equal(sipc_pipeline_reap(loop.pipeline, 0, 0, NULL), SIPC_CLOSED);
    thread_join(&thread);
    close_loop();
}

static void answer_later(void *context) {
    (void)context;
    give_others_time();
    sipc_guest_poll(loop.pair.guest, echo, NULL, NULL);
}

// The relay does not take its wake.
static void a_reap_that_waits_takes_the_wait_over(void **state) {
    (void)state;
    open_loop();
    for (uint64_t tag = 0; tag < 20; tag++) {
        struct thread thread;
        submit(tag, SIPC_FOREVER);
        arm();
        if (tag % 2) assert_int_equal(reap(0), 0);
        if (tag % 3) give_others_time();
        thread_start(&thread, answer_later, NULL);
        uint32_t reaped;
        assert_int_equal(sipc_pipeline_reap(loop.pipeline, 0, SIPC_FOREVER, &reaped), SIPC_OK);
        assert_int_equal(reaped, 1);
        thread_join(&thread);
    }
    close_loop();
}

static void it_may_be_closed_while_armed(void **state) {
    (void)state;
    open_loop();
    for (unsigned i = 0; i < 50; i++) {
        submit(i, SIPC_FOREVER);
        arm();
        if (i % 2) give_others_time();
        assert_int_equal(sipc_pipeline_close(loop.pipeline), SIPC_OK);
        open_pipeline();
    }
    close_loop();
}

static uint32_t bell_of(const struct sipc_slot *slot) {
    return sipc_load_relaxed(&slot->annex->caller_bell) +
           sipc_load_relaxed(&slot->annex->responder_bell);
}

// Nobody rings where nobody sleeps, and there is no thread to sleep.
static void work_that_is_found_without_waiting_costs_no_wake(void **state) {
    (void)state;
    open_loop();
    const struct sipc_slot *slots = loop.pair.host->region.slots;
    const unsigned threads = take_inventory("").threads;
    uint32_t before = 0, after = 0;
    for (unsigned i = 0; i < DEPTH; i++) before += bell_of(&slots[i]);
    for (uint64_t tag = 0; tag < 1000; tag++) {
        submit(tag, SIPC_FOREVER);
        answer(1);
        // Found ready when it arms.
        if (tag % 2) arm();
        assert_int_equal(reap(0), 1);
    }
    for (unsigned i = 0; i < DEPTH; i++) after += bell_of(&slots[i]);
    assert_int_equal(after, before);
    assert_int_equal(take_inventory("").threads, threads);
    // Also after it has slept once.
    arm();
    reap(0);
    for (uint64_t tag = 0; tag < 1000; tag++) {
        submit(tag, SIPC_FOREVER);
        answer(1);
        assert_int_equal(reap(0), 1);
    }
    for (unsigned i = 0; i < DEPTH; i++) after -= bell_of(&slots[i]);
    assert_int_equal(after, 0);
    close_loop();
}

static void pipelines_refuse_what_makes_no_sense(void **state) {
    (void)state;
    open_loop();
    intptr_t descriptor, again;
    assert_int_equal(sipc_pipeline_descriptor(NULL, &descriptor), SIPC_INVALID_ARGUMENT);
    assert_int_equal(sipc_pipeline_descriptor(loop.pipeline, NULL), SIPC_INVALID_ARGUMENT);
    assert_int_equal(sipc_pipeline_arm(NULL), SIPC_INVALID_ARGUMENT);
    assert_int_equal(sipc_pipeline_descriptor(loop.pipeline, &again), SIPC_OK);
    assert_true(again == loop.descriptor);
    assert_int_equal(sipc_pipeline_close(loop.pipeline), SIPC_OK);
    assert_int_equal(sipc_pipeline_open(loop.pair.host, SIPC_ANY_SLOT, DEPTH, SIPC_FOREVER,
                                        take_note, NULL, &loop.pipeline),
                     SIPC_OK);
    assert_int_equal(sipc_pipeline_arm(loop.pipeline), SIPC_INVALID_ARGUMENT);
    close_loop();
}

// ---- Guests and hosts that poll ----------------------------------------------------------------

struct poller {
    sipc_guest *guest; // or
    sipc_host *host;
    intptr_t descriptor;
};

static sipc_status poll_once(const struct poller *poller, uint32_t *served) {
    return poller->guest ? sipc_guest_poll(poller->guest, nod, NULL, served)
                         : sipc_host_poll(poller->host, nod, NULL, served);
}

static void arm_poller(const struct poller *poller) {
    assert_int_equal(poller->guest ? sipc_guest_arm(poller->guest) : sipc_host_arm(poller->host),
                     SIPC_OK);
}

// Serves until it has answered so many, and sleeps in between.
static void serve_in_loop(const struct poller *poller, unsigned count) {
    for (unsigned answered = 0; answered < count;) {
        uint32_t served;
        assert_int_equal(poll_once(poller, &served), SIPC_OK);
        answered += served;
        if (served || answered == count) continue;
        arm_poller(poller);
        assert_true(descriptor_is_ready(poller->descriptor, WITHOUT_END));
    }
}

struct calls {
    sipc_host *host; // or
    sipc_guest *guest;
    unsigned count;
    bool pauses;
    unsigned failures;
};

static void call_many(void *context) {
    struct calls *calls = context;
    for (unsigned i = 0; i < calls->count; i++) {
        sipc_call call = {.request = &i, .request_size = sizeof i, .timeout_ns = SIPC_FOREVER};
        calls->failures += (calls->host ? sipc_host_call(calls->host, &call)
                                        : sipc_guest_call(calls->guest, &call)) != SIPC_OK;
        if (calls->pauses && i % 16 == 0) give_others_time();
    }
}

static void serve_calls(const struct poller *poller, struct calls calls, unsigned callers) {
    struct calls each[4];
    struct thread threads[4];
    for (unsigned i = 0; i < callers; i++) {
        each[i] = calls;
        thread_start(&threads[i], call_many, &each[i]);
    }
    serve_in_loop(poller, callers * calls.count);
    for (unsigned i = 0; i < callers; i++) {
        thread_join(&threads[i]);
        assert_int_equal(each[i].failures, 0);
    }
    uint32_t served;
    assert_int_equal(poll_once(poller, &served), SIPC_OK);
    assert_false(descriptor_is_ready(poller->descriptor, 0));
}

static void a_guest_serves_from_a_loop(void **state) {
    (void)state;
    struct pair pair = {.name = fresh_name()};
    pair.host = open_host(pair.name, DEPTH, 256, NULL);
    pair.guest = attach_guest(pair.name, 0);
    struct poller poller = {.guest = pair.guest};
    assert_int_equal(sipc_guest_descriptor(pair.guest, &poller.descriptor), SIPC_OK);
    serve_calls(&poller, (struct calls){.host = pair.host, .count = 200, .pauses = true}, 1);
    serve_calls(&poller, (struct calls){.host = pair.host, .count = ROUNDS}, 3);
    pair_close(&pair);
}

static void a_host_serves_from_a_loop(void **state) {
    (void)state;
    const char *name = fresh_name();
    const sipc_host_options options = {.backend = chosen_backend, .guest_slots = DEPTH};
    sipc_host *host;
    assert_int_equal(sipc_host_create(name, 1, 256, &options, &host), SIPC_OK);
    struct poller poller = {.host = host};
    assert_int_equal(sipc_host_descriptor(host, &poller.descriptor), SIPC_OK);
    sipc_guest *guest;
    const sipc_guest_options calls_only = {.calls_only = 1, .call_slots = DEPTH};
    assert_int_equal(sipc_guest_attach(name, &calls_only, &guest), SIPC_OK);
    serve_calls(&poller, (struct calls){.guest = guest, .count = 200, .pauses = true}, 1);
    serve_calls(&poller, (struct calls){.guest = guest, .count = ROUNDS}, 3);
    // The end of what it serves.
    arm_poller(&poller);
    sipc_host_shutdown(host);
    assert_true(descriptor_is_ready(poller.descriptor, WITHOUT_END));
    assert_int_equal(poll_once(&poller, NULL), SIPC_CLOSED);
    sipc_host_close(host);
    assert_int_equal(sipc_guest_detach(guest), SIPC_OK);
}

static void the_end_of_a_guest_makes_it_readable(void **state) {
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        struct pair pair = {.name = fresh_name()};
        pair.host = open_host(pair.name, 2, 256, NULL);
        pair.guest = attach_guest(pair.name, 0);
        struct poller poller = {.guest = pair.guest};
        assert_int_equal(sipc_guest_descriptor(pair.guest, &poller.descriptor), SIPC_OK);
        arm_poller(&poller);
        assert_false(descriptor_is_ready(poller.descriptor, 0));
        if (i % 2) give_others_time();
        if (i < 2)
            sipc_guest_stop(pair.guest);
        else
            sipc_host_shutdown(pair.host);
        assert_true(descriptor_is_ready(poller.descriptor, WITHOUT_END));
        assert_int_equal(poll_once(&poller, NULL), SIPC_CLOSED);
        pair_close(&pair);
    }
}

static void pollers_refuse_what_makes_no_sense(void **state) {
    (void)state;
    struct pair pair;
    pair_open(&pair, 1, 64, NULL, nod, NULL);
    intptr_t descriptor;
    assert_int_equal(sipc_guest_descriptor(pair.guest, &descriptor), SIPC_BUSY);
    assert_int_equal(sipc_guest_descriptor(pair.guest, NULL), SIPC_INVALID_ARGUMENT);
    assert_int_equal(sipc_guest_descriptor(NULL, &descriptor), SIPC_INVALID_ARGUMENT);
    assert_int_equal(sipc_guest_arm(pair.guest), SIPC_INVALID_ARGUMENT);
    assert_int_equal(sipc_host_descriptor(pair.host, &descriptor), SIPC_INVALID_ARGUMENT);
    pair_close(&pair);
    const char *name = fresh_name();
    const sipc_host_options options = {.backend = chosen_backend, .guest_slots = 1};
    sipc_host *host;
    assert_int_equal(sipc_host_create(name, 1, 64, &options, &host), SIPC_OK);
    assert_int_equal(sipc_host_descriptor(host, NULL), SIPC_INVALID_ARGUMENT);
    assert_int_equal(sipc_host_arm(host), SIPC_INVALID_ARGUMENT);
    assert_int_equal(sipc_host_serve(host, NULL, nod, NULL), SIPC_OK);
    assert_int_equal(sipc_host_descriptor(host, &descriptor), SIPC_BUSY);
    sipc_guest *guest = attach_guest(name, 0);
    assert_int_equal(sipc_guest_descriptor(guest, &descriptor), SIPC_OK);
    assert_int_equal(sipc_guest_start(guest, nod, NULL), SIPC_BUSY);
    sipc_host_close(host);
    assert_int_equal(sipc_guest_detach(guest), SIPC_OK);
}

// ---- Many rounds -------------------------------------------------------------------------------

static void spin(unsigned polls) {
    for (; polls > 0; polls--) sipc_pause();
}

static unsigned next_random(unsigned *seed) {
    *seed = *seed * 1103515245u + 12345u;
    return *seed >> 16;
}

// As if by chance, the response comes before, while and after the loop arms.
static void no_wake_is_lost(void **state) {
    (void)state;
    loop.pair.name = fresh_name();
    loop.pair.host = open_host(loop.pair.name, DEPTH, 256, NULL);
    const sipc_guest_options options = {.slots_per_worker = 2, .wait = sleeper};
    assert_int_equal(sipc_guest_attach(loop.pair.name, &options, &loop.pair.guest), SIPC_OK);
    assert_int_equal(sipc_guest_start(loop.pair.guest, echo, NULL), SIPC_OK);
    open_pipeline();
    unsigned seed = 1, sent = 0;
    while (loop.told < RANDOM_ROUNDS) {
        const unsigned chance = next_random(&seed);
        for (unsigned i = 0; i <= chance % DEPTH; i++)
            if (sipc_pipeline_in_flight(loop.pipeline) < DEPTH) submit(sent++, 100 * SOON);
        spin(chance % 509);
        arm();
        wait_until_readable();
        spin(chance % 127);
        reap(chance % 3);
    }
    close_loop();
}

int main(int count, char **arguments) {
    chosen_backend = backend_of_arguments(count, arguments);
    const struct CMUnitTest tests[] = {
        PROMISE(what_stands_already_is_readable_at_once),
        PROMISE(what_comes_later_makes_it_readable),
        PROMISE(it_is_readable_until_all_was_taken),
        PROMISE(what_is_submitted_while_armed_is_waited_for),
        PROMISE(a_loop_that_was_woken_by_others_arms_again),
        PROMISE(deadlines_make_it_readable),
        PROMISE(a_shutdown_makes_it_readable),
        PROMISE(a_shutdown_rouses_a_loop_without_requests),
        PROMISE(a_reap_that_waits_takes_the_wait_over),
        PROMISE(it_may_be_closed_while_armed),
        PROMISE(work_that_is_found_without_waiting_costs_no_wake),
        PROMISE(pipelines_refuse_what_makes_no_sense),
        PROMISE(a_guest_serves_from_a_loop),
        PROMISE(a_host_serves_from_a_loop),
        PROMISE(the_end_of_a_guest_makes_it_readable),
        PROMISE(pollers_refuse_what_makes_no_sense),
        PROMISE(no_wake_is_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
