// SPDX-License-Identifier: Apache-2.0
// Prints what each slot of a region has carried, in a table: counters NAME [SEALED-FOLDER].
// The region's host and guests go on meanwhile and do not notice.
#include <inttypes.h>
#include <simpleipc/counters.h>
#include <stdio.h>

static double microseconds(uint64_t nanoseconds) {
    return (double)nanoseconds / 1e3;
}

// A time that this share of the samples stayed below.
static double below(const sipc_histogram *histogram, double share) {
    uint64_t ns = sipc_histogram_percentile(histogram, share);
    return ns == UINT64_MAX ? 1e9 : microseconds(ns);
}

static uint64_t caller_errors(const sipc_caller_counters *caller) {
    return caller->handler_failed + caller->response_too_large + caller->unknown_message +
           caller->timed_out + caller->peer_died + caller->closed + caller->protocol_violated;
}

static uint64_t responder_errors(const sipc_responder_counters *responder) {
    return responder->handler_failed + responder->response_too_large + responder->unknown_message +
           responder->bad_request + responder->not_executed + responder->inherited;
}

static void print_row(const char *slot, const sipc_counters *counters) {
    const sipc_caller_counters *caller = &counters->caller;
    const sipc_responder_counters *responder = &counters->responder;
    printf("%5s %10" PRIu64 " %12" PRIu64 " %12" PRIu64 " %6" PRIu64 " %6" PRIu64 " %8" PRIu64
           " %9.2f %9.2f | %10" PRIu64 " %12" PRIu64 " %12" PRIu64 " %6" PRIu64 " %8" PRIu64
           " %9.2f %9.2f\n",
           slot, caller->calls, caller->request_bytes, caller->response_bytes,
           caller_errors(caller), caller->maybe_executed, caller->waits.sleeps,
           below(&caller->round_trip, 0.5), below(&caller->round_trip, 0.99), responder->requests,
           responder->request_bytes, responder->response_bytes, responder_errors(responder),
           responder->waits.sleeps, below(&responder->queue, 0.99),
           below(&responder->service, 0.99));
}

static int print_table(const sipc_counters_reader *reader) {
    uint32_t host_slots, guest_slots;
    sipc_counters_slots(reader, &host_slots, &guest_slots);
    printf("%5s %10s %12s %12s %6s %6s %8s %9s %9s | %10s %12s %12s %6s %8s %9s %9s\n", "slot",
           "calls", "bytes out", "bytes in", "errors", "maybe", "sleeps", "50% us", "99% us",
           "requests", "bytes in", "bytes out", "errors", "sleeps", "queue99", "service99");
    sipc_counters sum = {.caller = {.calls = 0}, .responder = {.requests = 0}};
    for (uint32_t slot = 0; slot < host_slots + guest_slots; slot++) {
        sipc_counters one;
        if (sipc_counters_read(reader, slot, &one)) {
            fprintf(stderr, "slot %u: %s\n", slot, sipc_error_text());
            return 1;
        }
        char name[16];
        snprintf(name, sizeof name, "%u%s", slot, slot < host_slots ? "" : "g");
        print_row(name, &one);
        sipc_counters_add(&sum, &one);
    }
    print_row("all", &sum);
    return 0;
}

int main(int count, char **arguments) {
    if (count < 2) {
        fprintf(stderr, "usage: %s NAME [SEALED-FOLDER]\n", arguments[0]);
        return 2;
    }
    sipc_counters_reader *reader;
    if (sipc_counters_open(arguments[1], count > 2 ? arguments[2] : NULL, &reader)) {
        fprintf(stderr, "%s\n", sipc_error_text());
        return 1;
    }
    int result = print_table(reader);
    sipc_counters_close(reader);
    return result;
}
