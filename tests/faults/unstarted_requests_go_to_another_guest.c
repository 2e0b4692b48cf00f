// SPDX-License-Identifier: Apache-2.0
// Row 1, its options: a request that was not started when its guest was killed is answered by
// another guest if the call asks for that, and by nobody if not.
#include <pthread.h>
#include <string.h>

#include <simpleipc/simpleipc.h>

#include "row.h"

enum { SLOTS = 2, DATA_SIZE = 256 };

struct calling {
    sipc_host *host;
    sipc_call call;
    sipc_status status;
};

static void *call(void *context) {
    struct calling *calling = context;
    calling->status = sipc_host_call(calling->host, &calling->call);
    return NULL;
}

static void start_guest(struct peer *guest, const char *program) {
    peer_start(guest, program, row_region(), "--workers", "1", NULL);
    peer_expect(guest, "attached 1");
    peer_expect(guest, "ready");
}

// Until somebody has the only slot that is served; and a little longer, until the request stands
// there.
static void await_request(sipc_host *host) {
    sipc_session *session;
    while (sipc_host_acquire(host, 0, 1, &session) == SIPC_OK) {
        sipc_session_release(session);
        row_sleep_us(1000);
    }
    row_sleep_us(30000);
}

// The first guest is stopped, so it does not begin the request; then it is killed. The second one
// serves the other slot.
static sipc_status call_of_a_killed_guest(const char *program, bool by_host, bool by_call) {
    struct peer doomed, other;
    sipc_host_options options = {.resend = by_host};
    struct calling calling = {.call = {.request = "unstarted",
                                       .request_size = 9,
                                       .resend = by_call,
                                       .timeout_ns = UINT64_C(1000000000)}};
    row_expect(sipc_host_create(row_region(), SLOTS, DATA_SIZE, &options, &calling.host) == SIPC_OK,
               "%s", sipc_error_text());
    start_guest(&doomed, program);
    peer_stop(&doomed);
    pthread_t thread;
    row_expect(pthread_create(&thread, NULL, call, &calling) == 0, "pthread_create");
    await_request(calling.host);
    start_guest(&other, program);
    peer_kill(&doomed);
    pthread_join(thread, NULL);
    sipc_host_close(calling.host);
    peer_finish(&other);
    return calling.status;
}

static void with_guests(const char *program, const char *name) {
    unsigned times = row_times(3, 300);
    for (unsigned i = 0; i < times; i++) {
        sipc_status status = call_of_a_killed_guest(program, false, false);
        row_expect(status == SIPC_PEER_DIED, "without resend: %s", sipc_status_name(status));
        status = call_of_a_killed_guest(program, i % 2 == 0, i % 2 == 1);
        // It was answered; there was no room for what came.
        row_expect(sipc_status_fate(status) == SIPC_FATE_ANSWERED, "with resend: %s",
                   sipc_status_name(status));
    }
    row_result("%s: %u requests answered by another guest, %u told as not started", name, times,
               times);
}

static void unstarted_requests_go_to_another_guest(void) {
    row_begin("1", "SIGKILL of a guest that has not begun its request", 30, 300);
    with_guests(GUEST_C, "C guests");
    with_guests(GUEST_GO, "Go guests");
    row_end();
}

int main(void) {
    return row_main(unstarted_requests_go_to_another_guest);
}
