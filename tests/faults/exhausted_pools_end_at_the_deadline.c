// SPDX-License-Identifier: Apache-2.0
// Row 23: with all slots in use, and with calls nested deeper than there are slots, a call ends
// with an error at its deadline; then everything is served again.
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "../process/host_api.h"
#include "../process/load.h"
#include "../process/message.h"
#include "../process/traffic.h"
#include "row.h"

enum { SLOTS = 2, DATA_SIZE = 4096, LATE_BY_US = 10000 };

static struct samples overruns;

// The load's microseconds are those of the same time.
static void expect_at_the_deadline(uint64_t took_us, uint64_t timeout_us, uint64_t load) {
    row_expect(took_us >= timeout_us, "a timeout of %" PRIu64 " us ended after %" PRIu64 " us",
               timeout_us, took_us);
    uint64_t overrun_us = load_taken_from(took_us - timeout_us, load);
    row_expect(overrun_us <= row_limit_us(LATE_BY_US),
               "a timeout of %" PRIu64 " us ended after %" PRIu64 " us, %" PRIu64
               " of them the load's",
               timeout_us, took_us, load);
    samples_add(&overruns, overrun_us);
}

// ---- All slots in use --------------------------------------------------------------------------

static void expect_busy(uint32_t slot, uint32_t timeout_us) {
    sipc_status status;
    const struct stamped call = {.message_id = MESSAGE_STAMPED + 100,
                                 .slot = slot,
                                 .request_size = 40,
                                 .caller = 9,
                                 .sequence = next_sequence(9),
                                 .timeout_us = timeout_us};
    uint64_t load = load_of_thread_us(), began = row_now_us();
    row_expect(stamped_call(&call, &status), "a wrong response");
    uint64_t took = row_now_us() - began;
    row_expect(status == SIPC_ALL_SLOTS_BUSY, "a call ended with %s", sipc_status_name(status));
    expect_at_the_deadline(took, timeout_us, load_of_thread_us() - load);
}

static void expect_all_busy(void) {
    for (unsigned i = 0; i < row_times(5, 500); i++) {
        expect_busy(SIPC_ANY_SLOT, 500 + row_random(10000));
        expect_busy(row_random(SLOTS), 500 + row_random(10000));
    }
}

static void full_service(void) {
    for (uint32_t slot = 0; slot < SLOTS; slot++) {
        sipc_status status;
        const struct stamped call = {.message_id = MESSAGE_STAMPED + 100,
                                     .slot = slot,
                                     .request_size = 40,
                                     .caller = 9,
                                     .sequence = next_sequence(9)};
        row_expect(stamped_call(&call, &status) && status == SIPC_OK, "slot %u: %s", slot,
                   sipc_status_name(status));
    }
}

static void held_slots(void) {
    struct held *held[SLOTS];
    for (uint32_t slot = 0; slot < SLOTS; slot++)
        row_expect(api_hold(SIPC_ANY_SLOT, SIPC_FOREVER, &held[slot]) == SIPC_OK, "%s",
                   api_error_text());
    expect_all_busy();
    for (uint32_t slot = 0; slot < SLOTS; slot++) api_release(held[slot]);
    full_service();
}

// Gives up a call whose request is in its handler, for a while from then on: tried again with twice
// the time if the guest did not begin it.
static void give_up_in_handler(uint32_t slot) {
    enum { WHILE_US = 1000000 };
    sipc_status status = SIPC_TIMEOUT;
    for (uint32_t timeout = 5000; status == SIPC_TIMEOUT; timeout *= 2) {
        const struct stamped call = {.message_id = MESSAGE_STAMPED + 100,
                                     .slot = slot,
                                     .request_size = STAMP_WITH_SLEEP_SIZE,
                                     .caller = 9,
                                     .sequence = next_sequence(9),
                                     .timeout_us = timeout,
                                     .sleep_us = WHILE_US};
        row_expect(stamped_call(&call, &status), "a wrong response");
    }
    row_expect(status == SIPC_TIMEOUT_MAYBE_EXECUTED, "a call ended with %s",
               sipc_status_name(status));
}

// Each slot stands in one long handler, whose caller has given up.
static void slots_in_their_handlers(void) {
    for (uint32_t slot = 0; slot < SLOTS; slot++) give_up_in_handler(slot);
    for (int i = 0; i < 5; i++) expect_busy(SIPC_ANY_SLOT, 500 + row_random(10000));
    full_service();
}

static void exhaust(const char *language, const char *program) {
    struct peer guest;
    row_expect(api_open(row_region(), SLOTS, DATA_SIZE, SIPC_BACKEND_DEFAULT) == SIPC_OK, "%s",
               api_error_text());
    peer_start(&guest, program, row_region(), NULL);
    peer_expect(&guest, "attached 2");
    peer_expect(&guest, "ready");
    held_slots();
    slots_in_their_handlers();
    api_close();
    peer_expect(&guest, "ended");
    peer_finish(&guest);
    row_result("%s guest, %d slots in use: %zu calls ended at their deadline, at most %.1f ms "
               "after it",
               language, SLOTS, overruns.count, (double)samples_max(&overruns) / 1e3);
    samples_free(&overruns);
}

// ---- Nested calls ------------------------------------------------------------------------------

static void start_nest(struct peer *nest, const char *own, const char *other) {
    char slots[8];
    snprintf(slots, sizeof slots, "%d", SLOTS);
    peer_start(nest, NESTS, own, other, slots, NULL);
    peer_expect(nest, "open");
}

// As deep as there are slots: each of the two processes calls through all of its own.
static void expect_nested_service(struct peer *nest) {
    for (unsigned depth = 0; depth < 2 * SLOTS; depth++) {
        const char *told = peer_ask(nest, "SIPC_OK", "call %u 2000000 0", depth);
        row_expect(number_in(told, "levels=") == depth + 1, "\"%s\"", told);
    }
}

// The innermost call has the nearest deadline; what it says comes out through all handlers.
static void expect_the_innermost_to_end(struct peer *nest, unsigned depth) {
    uint64_t load = load_us();
    const char *told = peer_ask(nest, "SIPC_HANDLER_FAILED", "call %u 200000 30000", depth);
    row_expect(strstr(told, "text=SIPC_ALL_SLOTS_BUSY") != NULL, "\"%s\"", told);
    expect_at_the_deadline(number_in(told, "after_us="), number_in(told, "timeout_us="),
                           load_us() - load);
}

// The outermost call has the nearest deadline. The handlers behind it end later, and by themselves.
static void expect_the_outermost_to_end(struct peer *nest, unsigned depth) {
    enum { TIMEOUT_US = 200000 };
    uint64_t load = load_us();
    const char *told =
        peer_ask(nest, "SIPC_TIMEOUT_MAYBE_EXECUTED", "call %u %d -20000", depth, TIMEOUT_US);
    expect_at_the_deadline(number_in(told, "took_us="), TIMEOUT_US, load_us() - load);
    expect_nested_service(nest);
}

static void nest_too_deep(void) {
    struct peer left, right;
    char names[2][80];
    for (int i = 0; i < 2; i++) snprintf(names[i], sizeof names[i], "%s%d", row_region(), i);
    start_nest(&left, names[0], names[1]);
    start_nest(&right, names[1], names[0]);
    peer_ask(&left, "ready", "attach");
    peer_ask(&right, "ready", "attach");
    unsigned times = row_times(2, 50);
    expect_nested_service(&left);
    for (unsigned i = 0; i < times; i++) {
        expect_the_innermost_to_end(&left, 2 * SLOTS);
        expect_the_innermost_to_end(&right, 2 * SLOTS);
        expect_the_outermost_to_end(&left, 2 * SLOTS);
        expect_nested_service(&right);
    }
    peer_finish(&left);
    peer_finish(&right);
    row_result("C guests that are hosts, calls nested one deeper than the %d slots: %zu ended at "
               "their deadline, at most %.1f ms after it",
               2 * SLOTS, overruns.count, (double)samples_max(&overruns) / 1e3);
    samples_free(&overruns);
}

static void exhausted_pools_end_at_the_deadline(void) {
    row_begin("23", "no slot left; calls nested deeper than there are slots", 60, 300);
    load_watch();
    exhaust("C", GUEST_C);
    exhaust("Go", GUEST_GO);
    nest_too_deep();
    load_watch_end();
    row_end();
}

int main(void) {
    return row_main(exhausted_pools_end_at_the_deadline);
}
