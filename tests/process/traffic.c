// SPDX-License-Identifier: Apache-2.0
#define _POSIX_C_SOURCE 200809L
#include "traffic.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "host_api.h"
#include "message.h"

enum { MOST_CALLERS = COUNTED_CALLERS };

struct caller {
    pthread_t thread;
    uint32_t index;
    uint64_t random;
    uint32_t first_sequence;
    uint32_t calls;
    uint8_t fates[COUNTED_SEQUENCES]; // of the call with first_sequence and those after it
    uint8_t *request, *response, *expected;
    struct held *held;
    struct tally tally;
};

static struct plan plan;
static struct caller callers[MOST_CALLERS];
static _Atomic bool stopping;
static uint32_t sequences[MOST_CALLERS]; // of the callers' next calls; each used by one thread

uint64_t now_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

uint32_t next_sequence(uint32_t caller) {
    return sequences[caller]++;
}

static void *room(uint32_t size) {
    void *memory = malloc(size ? size : 1);
    if (!memory) abort();
    return memory;
}

// ---- What is right -----------------------------------------------------------------------------

static bool tells_a_fate(sipc_status status) {
    switch (status) {
    case SIPC_TIMEOUT:
    case SIPC_TIMEOUT_MAYBE_EXECUTED:
    case SIPC_ALL_SLOTS_BUSY:
    case SIPC_PEER_DIED:
    case SIPC_PEER_DIED_MAYBE_EXECUTED:
    case SIPC_CLOSED:
    case SIPC_CLOSED_MAYBE_EXECUTED:
        return true;
    default:
        return false;
    }
}

static uint32_t response_size_of(uint32_t message_id) {
    return message_id == MESSAGE_ANNOUNCE ? api_capacity() : message_id & MESSAGE_STAMPED_SIZE_BITS;
}

static bool response_is_right(const struct stamped *call, const uint8_t *request, uint8_t *expected,
                              const uint8_t *response, uint32_t size) {
    uint32_t wanted = response_size_of(call->message_id);
    message_fill_response(expected, wanted, request, call->request_size);
    if (size == wanted && memcmp(response, expected, wanted) == 0) return true;
    fprintf(stderr,
            "caller %u sequence %u: a request of %u bytes got %u bytes that are not its %u\n",
            call->caller, call->sequence, call->request_size, size, wanted);
    return false;
}

static bool outcome_is_right(const struct stamped *call, sipc_status status) {
    if (tells_a_fate(status)) return true;
    fprintf(stderr, "caller %u sequence %u: %s: %s\n", call->caller, call->sequence,
            sipc_status_name(status), api_error_text());
    return false;
}

// ---- One call ----------------------------------------------------------------------------------

static uint64_t timeout_ns_of(const struct stamped *call) {
    return call->timeout_us ? (uint64_t)call->timeout_us * 1000 : SIPC_DEFAULT_TIMEOUT;
}

static bool call_copied(const struct stamped *call, uint8_t *request, uint8_t *response,
                        uint8_t *expected, sipc_status *status) {
    message_fill_request(request, call->request_size, call->caller, call->sequence, call->sleep_us);
    struct reply reply = {.data = response, .capacity = api_capacity()};
    *status = api_call(&(struct request){.data = request,
                                         .size = call->request_size,
                                         .message_id = call->message_id,
                                         .slot = call->slot,
                                         .timeout_ns = timeout_ns_of(call)},
                       &reply);
    return *status == SIPC_OK ? response_is_right(call, request, expected, response, reply.size)
                              : outcome_is_right(call, *status);
}

bool stamped_call(const struct stamped *call, sipc_status *status) {
    uint32_t capacity = api_capacity();
    uint8_t *request = room(capacity), *response = room(capacity), *expected = room(capacity);
    bool right = call_copied(call, request, response, expected, status);
    free(request);
    free(response);
    free(expected);
    return right;
}

// In the held slot. The response is compared with a private copy of the request, since the guest
// could have written to the slot's.
static bool call_held(struct caller *caller, const struct stamped *call, sipc_status *status) {
    uint8_t *buffer = api_held_buffer(caller->held);
    if (!buffer) { // an earlier request is still in its handler
        *status = api_held_settle(caller->held, SIPC_FOREVER);
        if (*status) return outcome_is_right(call, *status);
        buffer = api_held_buffer(caller->held);
    }
    if (!buffer || (uintptr_t)buffer % 64 != 0) {
        fprintf(stderr, "the request buffer stands at %p\n", (void *)buffer);
        return false;
    }
    message_fill_request(buffer, call->request_size, call->caller, call->sequence, call->sleep_us);
    memcpy(caller->request, buffer, call->request_size);
    const uint8_t *response;
    uint32_t size;
    *status = api_held_call(caller->held, call->message_id, call->request_size, timeout_ns_of(call),
                            &response, &size);
    return *status == SIPC_OK
               ? response_is_right(call, caller->request, caller->expected, response, size)
               : outcome_is_right(call, *status);
}

static bool call_in_place(struct caller *caller, const struct stamped *call, sipc_status *status) {
    *status = api_hold(SIPC_ANY_SLOT, timeout_ns_of(call), &caller->held);
    if (*status) return outcome_is_right(call, *status);
    bool right = call_held(caller, call, status);
    api_release(caller->held);
    return right;
}

// What the guest counts; or a negative status.
static int count_of(enum message message, const void *data, uint32_t size) {
    uint32_t count = 0;
    struct reply reply = {.data = (uint8_t *)&count, .capacity = sizeof count};
    sipc_status status = api_call(
        &(struct request){.data = data, .size = size, .message_id = message, .slot = SIPC_ANY_SLOT},
        &reply);
    if (status) return status;
    return reply.size == sizeof count ? (int)count : SIPC_PROTOCOL_VIOLATED;
}

int executions_of(uint32_t caller, uint32_t sequence) {
    uint32_t stamp[2] = {caller, sequence};
    return count_of(MESSAGE_EXECUTIONS, stamp, sizeof stamp);
}

// ---- Sizes -------------------------------------------------------------------------------------

static uint32_t sweep_one(uint32_t request_size, uint32_t response_size) {
    sipc_status status;
    struct stamped call = {.message_id = MESSAGE_STAMPED + response_size,
                           .slot = SIPC_ANY_SLOT,
                           .request_size = request_size,
                           .sequence = next_sequence(0)};
    bool right = stamped_call(&call, &status);
    if (status)
        fprintf(stderr, "%u bytes to %u: %s\n", request_size, response_size,
                sipc_status_name(status));
    return right && status == SIPC_OK ? 0 : 1;
}

static uint32_t sweep_echo(uint32_t size) {
    uint8_t *request = room(size), *response = room(size);
    message_fill_request(request, size, 0, next_sequence(0), 0);
    struct reply reply = {.data = response, .capacity = size};
    sipc_status status = api_call(
        &(struct request){.data = size ? request : NULL, .size = size, .slot = SIPC_ANY_SLOT},
        &reply);
    bool right = status == SIPC_OK && reply.size == size && memcmp(request, response, size) == 0;
    if (!right) fprintf(stderr, "echo of %u bytes: %s\n", size, sipc_status_name(status));
    free(request);
    free(response);
    return right ? 0 : 1;
}

uint32_t sweep_sizes(uint32_t from, uint32_t to, uint32_t step) {
    const uint32_t tiny = 16, large = 4096 < api_capacity() ? 4096 : api_capacity();
    uint32_t wrong = 0;
    for (uint32_t size = from; size <= to; size += step) {
        wrong += sweep_echo(size);
        wrong += sweep_one(size, size) + sweep_one(size, tiny) + sweep_one(tiny, size);
        wrong += sweep_one(size, large) + sweep_one(large, size);
        wrong += sweep_one(size, 0) + sweep_one(0, size) + sweep_one(size, to - (size - from));
    }
    return wrong;
}

// ---- Many calls --------------------------------------------------------------------------------

static uint32_t random_below(struct caller *caller, uint32_t limit) {
    caller->random ^= caller->random << 13;
    caller->random ^= caller->random >> 7;
    caller->random ^= caller->random << 17;
    return limit ? (uint32_t)(caller->random >> 16) % limit : 0;
}

static uint32_t random_in(struct caller *caller, uint32_t least, uint32_t most) {
    return least + random_below(caller, most - least + 1);
}

// Half of all sizes are tiny or nearly, the rest anything.
static uint32_t random_size(struct caller *caller, uint32_t least, uint32_t most) {
    const uint32_t small = 64;
    bool near = random_below(caller, 2) == 0 && most - least > small;
    return random_in(caller, least, near ? least + small : most);
}

static void note(struct caller *caller, const struct stamped *call, sipc_status status, bool right,
                 uint64_t took_us) {
    struct tally *tally = &caller->tally;
    uint32_t at = call->sequence - caller->first_sequence;
    sipc_fate fate = sipc_status_fate(status);
    if (at < COUNTED_SEQUENCES) caller->fates[at] = (uint8_t)fate;
    caller->calls = at + 1;
    if (!right)
        tally->wrong++;
    else if (fate == SIPC_FATE_ANSWERED)
        tally->answered++;
    else if (fate == SIPC_FATE_MAYBE_EXECUTED)
        tally->maybe_executed++;
    else
        tally->not_started++;
    if (took_us > tally->longest_us) tally->longest_us = took_us;
    if (call->timeout_us == 0 || took_us <= call->timeout_us) return;
    uint64_t overrun_us = took_us - call->timeout_us;
    if (overrun_us > tally->overrun_us) tally->overrun_us = overrun_us;
    if (overrun_us > LATE_US) tally->late++;
}

static void pause_us(uint32_t microseconds) {
    if (microseconds) nanosleep(&(struct timespec){.tv_nsec = microseconds * 1000L}, NULL);
}

static uint32_t own_slot(const struct caller *caller) {
    return caller->index % api_slots();
}

static sipc_status make_call(struct caller *caller) {
    uint32_t response_size = random_size(caller, plan.response_min, plan.response_max);
    struct stamped call = {
        .message_id = MESSAGE_STAMPED + response_size,
        .slot = plan.way == WAY_OWN ? own_slot(caller) : SIPC_ANY_SLOT,
        .request_size = random_size(caller, plan.request_min, plan.request_max),
        .caller = caller->index,
        .sequence = next_sequence(caller->index),
        .timeout_us = random_in(caller, plan.timeout_min, plan.timeout_max),
        .sleep_us = random_in(caller, plan.sleep_min, plan.sleep_max),
    };
    pause_us(random_in(caller, plan.pause_min, plan.pause_max));
    sipc_status status;
    uint64_t began = now_us();
    bool right;
    if (plan.way == WAY_SESSION)
        right = call_held(caller, &call, &status);
    else if (plan.way == WAY_IN_PLACE)
        right = call_in_place(caller, &call, &status);
    else
        right = call_copied(&call, caller->request, caller->response, caller->expected, &status);
    note(caller, &call, status, right, now_us() - began);
    return status;
}

static void *run_caller(void *context) {
    struct caller *caller = context;
    if (plan.way == WAY_SESSION &&
        api_hold(own_slot(caller), SIPC_FOREVER, &caller->held) != SIPC_OK) {
        caller->tally.wrong++;
        return NULL;
    }
    for (uint32_t i = 0; plan.calls == 0 || i < plan.calls; i++) {
        if (atomic_load_explicit(&stopping, memory_order_acquire)) break;
        sipc_status status = make_call(caller);
        if (status == SIPC_CLOSED || status == SIPC_CLOSED_MAYBE_EXECUTED) break;
        if (caller->tally.wrong > 0) break;
    }
    if (plan.way == WAY_SESSION) api_release(caller->held);
    return NULL;
}

static void prepare(struct caller *caller, uint32_t index) {
    uint32_t capacity = api_capacity();
    caller->index = index;
    caller->random = 0x9E3779B97F4A7C15u * (index + 1u);
    caller->first_sequence = sequences[index];
    caller->calls = 0;
    caller->request = room(capacity);
    caller->response = room(capacity);
    caller->expected = room(capacity);
    caller->tally = (struct tally){0};
}

void traffic_start(const struct plan *given) {
    plan = *given;
    atomic_store_explicit(&stopping, false, memory_order_release);
    for (uint32_t i = 0; i < plan.callers; i++) {
        prepare(&callers[i], i);
        if (pthread_create(&callers[i].thread, NULL, run_caller, &callers[i]) != 0) abort();
    }
}

void traffic_stop(void) {
    atomic_store_explicit(&stopping, true, memory_order_release);
}

static void add(struct tally *sum, const struct tally *one) {
    sum->answered += one->answered;
    sum->not_started += one->not_started;
    sum->maybe_executed += one->maybe_executed;
    sum->wrong += one->wrong;
    sum->late += one->late;
    if (one->longest_us > sum->longest_us) sum->longest_us = one->longest_us;
    if (one->overrun_us > sum->overrun_us) sum->overrun_us = one->overrun_us;
}

struct tally traffic_join(void) {
    struct tally sum = {0};
    for (uint32_t i = 0; i < plan.callers; i++) {
        struct caller *caller = &callers[i];
        pthread_join(caller->thread, NULL);
        free(caller->request);
        free(caller->response);
        free(caller->expected);
        add(&sum, &caller->tally);
    }
    return sum;
}

// ---- The audit ---------------------------------------------------------------------------------

static bool fate_is_true(sipc_fate fate, int executions) {
    if (fate == SIPC_FATE_ANSWERED) return executions == 1;
    if (fate == SIPC_FATE_MAYBE_EXECUTED) return executions == 0 || executions == 1;
    return executions == 0;
}

static uint32_t audit_caller(const struct caller *caller) {
    uint32_t wrong = 0;
    for (uint32_t i = 0; i < caller->calls; i++) {
        uint32_t sequence = caller->first_sequence + i;
        sipc_fate fate = (sipc_fate)caller->fates[i];
        int executions = executions_of(caller->index, sequence);
        if (fate_is_true(fate, executions)) continue;
        fprintf(stderr, "caller %u sequence %u: fate %d, but %d executions\n", caller->index,
                sequence, (int)fate, executions);
        wrong++;
    }
    return wrong;
}

uint32_t traffic_audit(void) {
    uint32_t wrong = 0;
    for (uint32_t i = 0; i < plan.callers; i++) {
        if (sequences[i] > COUNTED_SEQUENCES) {
            fprintf(stderr, "%u sequences are more than the guest counts\n", sequences[i]);
            return UINT32_MAX;
        }
        wrong += audit_caller(&callers[i]);
    }
    int changed = count_of(MESSAGE_CHANGES, NULL, 0);
    if (changed != 0) fprintf(stderr, "requests that changed under their handler: %d\n", changed);
    return changed == 0 ? wrong : wrong + 1;
}
