// SPDX-License-Identifier: Apache-2.0
// Row 18: handlers that panic, throw, or end their thread or goroutine. The caller gets an error at
// once, and the next call through the slot works.
#include <inttypes.h>
#include <string.h>

#include <simpleipc/simpleipc.h>

#include "../process/load.h"
#include "../process/message.h"
#include "row.h"

// An error comes within this, beside what the machine's load adds to calls that work.
#ifdef SLOW_BUILD
enum { KNOWN_US = 100000 };
#else
enum { KNOWN_US = 10000 };
#endif
enum { SLOTS = 2, MESSAGE_THROW_OTHER = 140 };

struct guest {
    const char *name, *program;
    struct ending {
        const char *how;
        uint32_t message_id;
        const char *text; // part of the error's text, as the response holds it
    } endings[3];
};

static const struct guest guests[] = {
    {"C guest", GUEST_C, {{"pthread_exit", MESSAGE_GOEXIT, ""}}},
    {"C++ guest",
     THROWING_GUEST,
     {{"exception", MESSAGE_PANIC, FAILURE_TEXT},
      {"other exception", MESSAGE_THROW_OTHER, "threw"},
      {"pthread_exit", MESSAGE_GOEXIT, ""}}},
    {"Go guest",
     GUEST_GO,
     {{"panic", MESSAGE_PANIC, FAILURE_TEXT}, {"Goexit", MESSAGE_GOEXIT, "Goexit"}}},
};

static void expect_error(sipc_host *host, uint32_t slot, const struct ending *ending,
                         struct samples *samples) {
    char text[200] = "";
    sipc_call call = {.message_id = ending->message_id,
                      .request = "fail",
                      .request_size = 4,
                      .response = text,
                      .response_capacity = sizeof text - 1};
    uint64_t load = load_of_thread_us(), began = row_now_us();
    sipc_status status = sipc_host_call_slot(host, slot, &call);
    uint64_t took = row_now_us() - began;
    samples_add(samples, load_taken_from(took, load_of_thread_us() - load));
    row_expect(status == SIPC_HANDLER_FAILED, "%s: the call ended with %s", ending->how,
               sipc_status_name(status));
    row_expect(strstr(text, ending->text) != NULL, "%s: the text is \"%s\"", ending->how, text);
}

static void expect_service(sipc_host *host, uint32_t slot, const struct ending *ending,
                           struct samples *samples) {
    char request[100] = "works", response[sizeof request];
    sipc_call call = {.request = request,
                      .request_size = slot ? sizeof request : 6,
                      .response = response,
                      .response_capacity = sizeof response};
    uint64_t load = load_of_thread_us(), began = row_now_us();
    sipc_status status = sipc_host_call_slot(host, slot, &call);
    uint64_t took = row_now_us() - began;
    samples_add(samples, load_taken_from(took, load_of_thread_us() - load));
    row_expect(status == SIPC_OK && memcmp(request, response, call.request_size) == 0,
               "%s: the next call ended with %s", ending->how, sipc_status_name(status));
}

static void end_handlers(sipc_host *host, const struct guest *guest, const struct peer *process,
                         const struct ending *ending) {
    unsigned times = row_times(200, 10000);
    struct samples errors = {0}, calls = {0};
    struct usage before = usage_of(process->pid);
    for (unsigned i = 0; i < times; i++) {
        expect_error(host, i % SLOTS, ending, &errors);
        expect_service(host, i % SLOTS, ending, &calls);
    }
    struct usage after = usage_of(process->pid);
    uint64_t p99 = samples_percentile(&errors, 99), max = samples_max(&errors);
    uint64_t of_machine = samples_max(&calls);
    row_result("%s, %s: %u handlers, the error came after p99 %.1f ms, max %.1f ms; each next "
               "call worked, after %.1f ms at most",
               guest->name, ending->how, times, (double)p99 / 1e3, (double)max / 1e3,
               (double)of_machine / 1e3);
    row_expect(p99 <= KNOWN_US + samples_percentile(&calls, 99),
               "errors came after %" PRIu64 " us (p99)", p99);
    row_expect(max <= KNOWN_US + of_machine,
               "an error came after %" PRIu64 " us, where good calls took %" PRIu64 " at most", max,
               of_machine);
    row_expect(after.descriptors <= before.descriptors + 4 && after.threads <= before.threads + 8,
               "%s: %u descriptors and %u threads before, %u and %u after", guest->name,
               before.descriptors, before.threads, after.descriptors, after.threads);
    samples_free(&errors);
    samples_free(&calls);
}

static void with_guest(const struct guest *guest) {
    sipc_host *host;
    struct peer process;
    row_expect(sipc_host_create(row_region(), SLOTS, 1024, NULL, &host) == SIPC_OK, "%s",
               sipc_error_text());
    peer_start(&process, guest->program, row_region(), NULL);
    peer_expect(&process, "attached 2");
    peer_expect(&process, "ready");
    for (int i = 0; i < 3 && guest->endings[i].how; i++)
        end_handlers(host, guest, &process, &guest->endings[i]);
    sipc_host_close(host);
    peer_finish(&process);
}

static void handlers_that_do_not_return_are_errors(void) {
    row_begin("18", "handlers that panic, throw or end their thread", 60, 900);
    load_watch();
    for (size_t i = 0; i < sizeof guests / sizeof guests[0]; i++) with_guest(&guests[i]);
    load_watch_end();
    row_end();
}

int main(void) {
    return row_main(handlers_that_do_not_return_are_errors);
}
