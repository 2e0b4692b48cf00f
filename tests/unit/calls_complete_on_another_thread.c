// SPDX-License-Identifier: Apache-2.0
// Promise: a submitted call completes once, on the library's thread, with its response or its
// fate; who submits is told when there is no room, or waits for it; closing completes all.
#include <simpleipc/async.h>
#include <simpleipc/pending.h>
#include <stdatomic.h>
#include <string.h>

#include "internal/os.h"
#include "left_behind.h"
#include "pair.h"
#include "threads.h"

#define CAPACITY 300u
#define MILLISECOND UINT64_C(1000000)
#define MOST_STATUSES 64

// What completions have told.
struct log {
    _Atomic uint32_t told, wrong;
    _Atomic uint32_t of[MOST_STATUSES]; // by -status
    pthread_t caller;
};

static void note(void *context, const sipc_completion *completion) {
    struct log *log = context;
    if (pthread_equal(pthread_self(), log->caller)) log->wrong++;
    log->of[-completion->status]++;
    if (!completion->status) {
        const uint8_t *bytes = completion->response;
        if (completion->response_size != completion->tag % (CAPACITY + 1)) log->wrong++;
        for (uint32_t i = 0; i < completion->response_size; i++)
            if (bytes[i] != (uint8_t)completion->tag) log->wrong++;
    }
    log->told++;
}

static void log_make(struct log *log) {
    memset(log, 0, sizeof *log);
    log->caller = pthread_self();
}

// Its payload, and what comes back of it, follow from the tag.
static sipc_status submit(sipc_async *async, struct log *log, uint64_t tag, uint64_t timeout_ns,
                          uint64_t patience_ns) {
    uint8_t bytes[CAPACITY];
    const uint32_t size = (uint32_t)(tag % (CAPACITY + 1));
    memset(bytes, (int)(uint8_t)tag, size);
    const sipc_async_call call = {.message_id = tag % 2 ? SIPC_MESSAGE_FIRST_USER : 0,
                                  .request = bytes,
                                  .request_size = size,
                                  .timeout_ns = timeout_ns,
                                  .patience_ns = patience_ns,
                                  .completed = note,
                                  .context = log,
                                  .tag = tag};
    return sipc_async_submit(async, &call);
}

static void await(const struct log *log, uint32_t count) {
    while (atomic_load(&log->told) < count) sipc_os_yield();
}

static void open_pair(struct pair *pair, uint32_t slots, const sipc_wait_policy *wait,
                      sipc_handler handler, void *context) {
    pair_open(pair, slots, 2 * CAPACITY, wait, handler, context);
}

// ---- Completions -------------------------------------------------------------------------------

static void complete_many(const sipc_wait_policy *wait) {
    enum { CALLS = 1500 };
    struct log log;
    log_make(&log);
    struct pair pair;
    open_pair(&pair, 4, wait, echo, NULL);
    sipc_async *async;
    assert_int_equal(sipc_async_open(pair.host, 3, SIPC_FOREVER, &async), SIPC_OK);
    for (uint32_t i = 0; i < CALLS; i++) {
        assert_int_equal(submit(async, &log, i, SIPC_FOREVER, SIPC_FOREVER), SIPC_OK);
        if (i % 100 == 0) give_others_time(); // all fall asleep
    }
    await(&log, CALLS);
    assert_int_equal(log.of[0], CALLS);
    assert_int_equal(log.wrong, 0);
    assert_int_equal(sipc_async_open_requests(async), 0);
    assert_int_equal(sipc_async_close(async), SIPC_OK);
    pair_close(&pair);
}

static void each_call_completes_on_the_librarys_thread(void **state) {
    (void)state;
    complete_many(NULL);
    complete_many(&sleeper);
}

struct crowd {
    sipc_async *async;
    struct log log;
    _Atomic uint32_t refused;
};

static void submit_many(void *context, unsigned index) {
    struct crowd *crowd = context;
    for (uint32_t i = 0; i < 500; i++) {
        const uint64_t patience = i % 2 ? SIPC_FOREVER : 0;
        sipc_status status =
            submit(crowd->async, &crowd->log, i * 7 + index, SIPC_FOREVER, patience);
        if (status == SIPC_ALL_SLOTS_BUSY && !patience)
            crowd->refused++;
        else if (status)
            crowd->log.wrong++;
    }
}

static void any_number_of_threads_submits(void **state) {
    (void)state;
    struct crowd crowd = {.refused = 0};
    log_make(&crowd.log);
    struct pair pair;
    open_pair(&pair, 2, NULL, echo, NULL);
    assert_int_equal(sipc_async_open(pair.host, 2, SIPC_FOREVER, &crowd.async), SIPC_OK);
    run_together(4, submit_many, &crowd);
    await(&crowd.log, 2000 - atomic_load(&crowd.refused));
    assert_int_equal(crowd.log.wrong, 0);
    assert_int_equal(crowd.log.of[0], 2000 - crowd.refused);
    assert_int_equal(sipc_async_close(crowd.async), SIPC_OK);
    pair_close(&pair);
}

struct chain {
    sipc_async *async;
    _Atomic uint32_t left;
    _Atomic sipc_status closing;
};

static void submit_next(void *context, const sipc_completion *completion) {
    (void)completion;
    struct chain *chain = context;
    atomic_store(&chain->closing, sipc_async_close(chain->async));
    const sipc_async_call call = {
        .patience_ns = SIPC_FOREVER, .completed = submit_next, .context = chain};
    if (atomic_fetch_sub(&chain->left, 1) > 1) (void)sipc_async_submit(chain->async, &call);
}

static void a_completion_may_submit_but_not_close(void **state) {
    (void)state;
    struct pair pair;
    open_pair(&pair, 1, NULL, echo, NULL);
    struct chain chain = {.left = 200};
    assert_int_equal(sipc_async_open(pair.host, 1, SIPC_FOREVER, &chain.async), SIPC_OK);
    const sipc_async_call call = {.completed = submit_next, .context = &chain};
    assert_int_equal(sipc_async_submit(chain.async, &call), SIPC_OK);
    while (atomic_load(&chain.left) > 0) sipc_os_yield();
    assert_int_equal(atomic_load(&chain.closing), SIPC_BUSY);
    assert_int_equal(sipc_async_close(chain.async), SIPC_OK);
    pair_close(&pair);
}

static void a_guest_calls_its_host_so_too(void **state) {
    (void)state;
    struct log log;
    log_make(&log);
    const char *name = fresh_name();
    const sipc_host_options options = {.backend = chosen_backend, .guest_slots = 2};
    sipc_host *host;
    assert_int_equal(sipc_host_create(name, 1, 2 * CAPACITY, &options, &host), SIPC_OK);
    assert_int_equal(sipc_host_serve(host, NULL, echo, NULL), SIPC_OK);
    const sipc_guest_options calls = {.calls_only = 1, .call_slots = 2};
    sipc_guest *guest;
    assert_int_equal(sipc_guest_attach(name, &calls, &guest), SIPC_OK);
    sipc_async *async;
    assert_int_equal(sipc_guest_async_open(guest, 2, SIPC_FOREVER, &async), SIPC_OK);
    for (uint32_t i = 0; i < 200; i++)
        assert_int_equal(submit(async, &log, i, SIPC_FOREVER, SIPC_FOREVER), SIPC_OK);
    await(&log, 200);
    assert_int_equal(log.of[0], 200);
    assert_int_equal(log.wrong, 0);
    assert_int_equal(sipc_async_close(async), SIPC_OK);
    assert_int_equal(sipc_guest_detach(guest), SIPC_OK);
    sipc_host_close(host);
}

// ---- Ends without a response -------------------------------------------------------------------

// A handler that keeps its requests until they are let go.
static struct {
    sipc_pending kept[4];
    _Atomic uint32_t count;
    struct gate left; // opened for each
} desk;

static sipc_status keep(void *context, const sipc_request *request, sipc_response *response) {
    (void)context;
    (void)response;
    const uint32_t at = atomic_load(&desk.count);
    sipc_status status = sipc_request_take(request, &desk.kept[request->slot]);
    gate_open(&desk.left);
    atomic_store(&desk.count, at + 1);
    return status ? status : SIPC_PENDING;
}

static void let_go(void) {
    for (uint32_t i = 0; i < 4; i++) sipc_pending_abandon(desk.kept[i]);
    memset(desk.kept, 0, sizeof desk.kept);
    atomic_store(&desk.count, 0);
}

static void open_kept(struct pair *pair, uint32_t slots, uint32_t depth, sipc_async **async) {
    gate_make(&desk.left);
    pair->name = fresh_name();
    pair->host = open_host(pair->name, slots, 2 * CAPACITY, NULL);
    const sipc_guest_options options = {.slots_per_worker = slots};
    assert_int_equal(sipc_guest_attach(pair->name, &options, &pair->guest), SIPC_OK);
    assert_int_equal(sipc_guest_start(pair->guest, keep, NULL), SIPC_OK);
    assert_int_equal(sipc_async_open(pair->host, depth, SIPC_FOREVER, async), SIPC_OK);
}

static void close_kept(struct pair *pair) {
    pair_close(pair);
    gate_free(&desk.left);
}

static void without_room_it_is_refused_or_waits(void **state) {
    (void)state;
    struct log log;
    log_make(&log);
    struct pair pair;
    sipc_async *async;
    open_kept(&pair, 2, 2, &async);
    for (uint32_t i = 0; i < 2; i++)
        assert_int_equal(submit(async, &log, 1, SIPC_FOREVER, 0), SIPC_OK);
    assert_int_equal(submit(async, &log, 1, SIPC_FOREVER, 0), SIPC_ALL_SLOTS_BUSY);
    assert_int_equal(submit(async, &log, 1, SIPC_FOREVER, 5 * MILLISECOND), SIPC_ALL_SLOTS_BUSY);
    assert_int_equal(sipc_async_open_requests(async), 2);
    while (atomic_load(&desk.count) < 2) sipc_os_yield();
    let_go();
    await(&log, 2);
    assert_int_equal(log.of[-SIPC_HANDLER_FAILED], 2);
    assert_int_equal(sipc_async_close(async), SIPC_OK);
    close_kept(&pair);
}

struct brief {
    sipc_async *async;
    struct log *log;
};

static sipc_status submit_and_await(void *context, uint64_t timeout_ns) {
    const struct brief *brief = context;
    const uint32_t told = atomic_load(&brief->log->told);
    const uint32_t in_time = atomic_load(&brief->log->of[-SIPC_TIMEOUT]);
    const sipc_status status = submit(brief->async, brief->log, 1, timeout_ns, 0);
    if (status) return status;
    await(brief->log, told + 1);
    return brief->log->of[-SIPC_TIMEOUT] > in_time ? SIPC_TIMEOUT : SIPC_TIMEOUT_MAYBE_EXECUTED;
}

static void deadlines_and_the_end_of_the_host_are_told(void **state) {
    (void)state;
    struct log log;
    log_make(&log);
    struct pair pair;
    sipc_async *async;
    open_kept(&pair, 2, 2, &async);
    struct brief brief = {async, &log};
    give_up_in_handler(submit_and_await, &brief, 3 * MILLISECOND, &desk.left);
    assert_in_range(log.of[-SIPC_TIMEOUT_MAYBE_EXECUTED], 1, log.told);
    assert_int_equal(log.of[-SIPC_TIMEOUT_MAYBE_EXECUTED] + log.of[-SIPC_TIMEOUT], log.told);
    const uint32_t before = log.told;
    // One slot is out of use until its handler has ended: of two requests one finds none.
    assert_int_equal(submit(async, &log, 2, SIPC_FOREVER, 0), SIPC_OK);
    while (atomic_load(&desk.count) < 2) sipc_os_yield();
    assert_int_equal(submit(async, &log, 3, SIPC_FOREVER, 0), SIPC_OK);
    await(&log, before + 1);
    assert_int_equal(log.of[-SIPC_ALL_SLOTS_BUSY], 1);
    sipc_host_shutdown(pair.host);
    await(&log, before + 2);
    assert_int_equal(log.of[-SIPC_CLOSED_MAYBE_EXECUTED], 1);
    assert_int_equal(submit(async, &log, 4, SIPC_FOREVER, 0), SIPC_OK);
    await(&log, before + 3);
    assert_int_equal(log.of[-SIPC_CLOSED], 1);
    let_go();
    assert_int_equal(sipc_async_close(async), SIPC_OK);
    close_kept(&pair);
}

static void closing_completes_what_is_open(void **state) {
    (void)state;
    struct log log;
    log_make(&log);
    struct pair pair;
    sipc_async *async;
    open_kept(&pair, 2, 2, &async);
    for (uint32_t i = 0; i < 2; i++)
        assert_int_equal(submit(async, &log, i, SIPC_FOREVER, 0), SIPC_OK);
    while (atomic_load(&desk.count) < 2) sipc_os_yield();
    assert_int_equal(sipc_async_close(async), SIPC_OK);
    assert_int_equal(log.told, 2);
    assert_int_equal(log.of[-SIPC_CLOSED_MAYBE_EXECUTED], 2);
    let_go();
    close_kept(&pair);
}

// A completion that always calls again.
struct insistent {
    sipc_async *async;
    _Atomic uint32_t submitted, told, refused;
};

static void insist(void *context, const sipc_completion *completion) {
    (void)completion;
    struct insistent *insistent = context;
    insistent->told++;
    const sipc_async_call call = {
        .timeout_ns = SIPC_FOREVER, .completed = insist, .context = insistent};
    if (sipc_async_submit(insistent->async, &call) == SIPC_OK)
        insistent->submitted++;
    else
        insistent->refused++;
}

static void a_completion_that_calls_again_is_refused_while_closing(void **state) {
    (void)state;
    struct pair pair;
    struct insistent insistent = {.submitted = 2};
    open_kept(&pair, 2, 2, &insistent.async);
    const sipc_async_call call = {
        .timeout_ns = SIPC_FOREVER, .completed = insist, .context = &insistent};
    for (uint32_t i = 0; i < 2; i++)
        assert_int_equal(sipc_async_submit(insistent.async, &call), SIPC_OK);
    while (atomic_load(&desk.count) < 2) sipc_os_yield();
    assert_int_equal(sipc_async_close(insistent.async), SIPC_OK);
    assert_int_equal(insistent.told, insistent.submitted);
    assert_int_equal(insistent.refused, 2);
    let_go();
    pair_close(&pair);
}

static void bad_input_is_refused_at_once(void **state) {
    (void)state;
    struct log log;
    log_make(&log);
    struct pair pair;
    open_pair(&pair, 1, NULL, echo, NULL);
    sipc_async *async;
    assert_int_equal(sipc_async_open(pair.host, 2, 0, &async), SIPC_INVALID_ARGUMENT);
    assert_null(async);
    assert_int_equal(sipc_async_open(NULL, 1, 0, &async), SIPC_INVALID_ARGUMENT);
    assert_int_equal(sipc_async_open(pair.host, 1, 0, NULL), SIPC_INVALID_ARGUMENT);
    assert_int_equal(sipc_async_open(pair.host, 1, 0, &async), SIPC_OK);
    sipc_async_call call = {.completed = note, .context = &log, .message_id = 2};
    assert_int_equal(sipc_async_submit(async, &call), SIPC_BAD_MESSAGE_ID);
    call.message_id = 0;
    call.request_size = CAPACITY + 1;
    assert_int_equal(sipc_async_submit(async, &call), SIPC_INVALID_ARGUMENT);
    call.request = &call;
    assert_int_equal(sipc_async_submit(async, &call), SIPC_REQUEST_TOO_LARGE);
    call.request_size = 0;
    call.completed = NULL;
    assert_int_equal(sipc_async_submit(async, &call), SIPC_INVALID_ARGUMENT);
    assert_int_equal(sipc_async_submit(async, NULL), SIPC_INVALID_ARGUMENT);
    assert_int_equal(sipc_async_submit(NULL, &call), SIPC_INVALID_ARGUMENT);
    assert_int_equal(sipc_async_open_requests(async), 0);
    assert_int_equal(sipc_async_close(async), SIPC_OK);
    assert_int_equal(sipc_async_close(NULL), SIPC_OK);
    assert_int_equal(log.told, 0);
    pair_close(&pair);
}

int main(int count, char **arguments) {
    chosen_backend = backend_of_arguments(count, arguments);
    const struct CMUnitTest tests[] = {
        PROMISE(each_call_completes_on_the_librarys_thread),
        PROMISE(any_number_of_threads_submits),
        PROMISE(a_completion_may_submit_but_not_close),
        PROMISE(a_guest_calls_its_host_so_too),
        PROMISE(without_room_it_is_refused_or_waits),
        PROMISE(deadlines_and_the_end_of_the_host_are_told),
        PROMISE(closing_completes_what_is_open),
        PROMISE(a_completion_that_calls_again_is_refused_while_closing),
        PROMISE(bad_input_is_refused_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
