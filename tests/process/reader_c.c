// SPDX-License-Identifier: Apache-2.0
// A third process, which reads a region's counters: reader_c NAME. One line with the sums over all
// slots.
#include <inttypes.h>
#include <simpleipc/counters.h>
#include <stdio.h>

static void print_samples(const char *name, const sipc_histogram *histogram) {
    printf(" %s=%" PRIu64, name, sipc_histogram_samples(histogram));
}

static void print(const sipc_counters *sum, uint64_t sampled) {
    const sipc_caller_counters *caller = &sum->caller;
    const sipc_responder_counters *responder = &sum->responder;
    printf("ok calls=%" PRIu64 " out=%" PRIu64 " in=%" PRIu64 " failed=%" PRIu64
           " timed_out=%" PRIu64 " peer_died=%" PRIu64 " closed=%" PRIu64 " maybe=%" PRIu64
           " violated=%" PRIu64,
           caller->calls, caller->request_bytes, caller->response_bytes, caller->handler_failed,
           caller->timed_out, caller->peer_died, caller->closed, caller->maybe_executed,
           caller->protocol_violated);
    printf(" requests=%" PRIu64 " taken=%" PRIu64 " given=%" PRIu64 " not_executed=%" PRIu64
           " inherited=%" PRIu64 " sampled=%" PRIu64,
           responder->requests, responder->request_bytes, responder->response_bytes,
           responder->not_executed, responder->inherited, sampled);
    print_samples("trips", &caller->round_trip);
    print_samples("wakes", &caller->wake);
    print_samples("queued", &responder->queue);
    print_samples("served", &responder->service);
    printf(" call_sleeps=%" PRIu64 " serve_sleeps=%" PRIu64 "\n", caller->waits.sleeps,
           responder->waits.sleeps);
}

int main(int count, char **arguments) {
    sipc_counters_reader *reader;
    if (count != 2 || sipc_counters_open(arguments[1], NULL, &reader)) {
        printf("%s\n", sipc_error_text());
        return 1;
    }
    uint32_t host_slots, guest_slots;
    sipc_counters_slots(reader, &host_slots, &guest_slots);
    sipc_counters sum = {.caller = {.calls = 0}, .responder = {.requests = 0}}, one;
    uint64_t sampled = 0;
    for (uint32_t i = 0; i < host_slots + guest_slots; i++) {
        if (sipc_counters_read(reader, i, &one)) return 1;
        sipc_counters_add(&sum, &one);
        sampled += one.caller.calls / 1024; // of a slot whose calls were all answered
    }
    print(&sum, sampled);
    sipc_counters_close(reader);
    return 0;
}
