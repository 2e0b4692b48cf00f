// SPDX-License-Identifier: Apache-2.0
// The other event backend: POSIX named semaphores instead of futexes, chosen by the host.
#include <string.h>

#include "promises.h"

enum { SLOTS = 4, DATA_SIZE = 128 * 1024 };

static void start_semaphore_guest(struct run *run, struct peer *guest) {
    run->guest_program = run->pairing->semaphore_guest;
    start_guest(run, guest, "");
    assert_int_equal(guest_serves(guest), SLOTS);
}

static void start_semaphore_pair(struct run *run) {
    start_host(run, &run->host);
    open_region(run, &run->host, SLOTS, DATA_SIZE, SEMAPHORE_BACKEND);
    start_semaphore_guest(run, &run->guest);
}

static void exchanges(struct run *run) {
    start_semaphore_pair(run);
    peer_ask(&run->host, "ok", "sizes 0 70 1");
    for (unsigned way = 0; way < WAYS; way++) {
        const char *numbers = peer_ask(
            &run->host, "ok", "traffic callers=8 calls=50 way=%s request=0..4096 response=0..4096",
            ways[way]);
        assert_int_equal(number_in(numbers, "answered="), 400);
    }
    end_pair(run);
}

// Both sides sleep each time, so that every wake-up counts.
static void sleepers(struct run *run) {
    start_semaphore_pair(run);
    const char *numbers = peer_ask(&run->host, "ok", "traffic callers=4 calls=100 sleep=0..2000");
    assert_int_equal(number_in(numbers, "answered="), 400);
    end_pair(run);
}

static void timeouts(struct run *run) {
    start_semaphore_pair(run);
    const char *numbers =
        peer_ask(&run->host, "ok", "traffic callers=8 calls=50 timeout=1000 sleep=0..2500");
    assert_int_not_equal(number_in(numbers, "maybe_executed="), 0);
    peer_ask(&run->host, "ok", "audit");
    full_service(&run->host, SLOTS); // no slot is out of use any more
    peer_stop(&run->guest);
    peer_ask(&run->host, "SIPC_TIMEOUT ", "stamped 3 %u 40 20000 0", STAMPED(40));
    peer_continue(&run->guest);
    full_service(&run->host, SLOTS);
    end_pair(run);
}

static void killed_guest(struct run *run) {
    start_semaphore_pair(run);
    peer_ask(&run->host, "ok", "begin callers=3 timeout=5000000 sleep=0..500");
    sleep_ms(10);
    peer_kill(&run->guest);
    start_semaphore_guest(run, &run->guest);
    peer_ask(&run->host, "ok", "end");
    full_service(&run->host, SLOTS);
    end_pair(run);
}

// The next host has fewer slots: the semaphores of the others must go as well.
static void killed_host(struct run *run) {
    start_semaphore_pair(run);
    full_service(&run->host, SLOTS);
    peer_kill(&run->host);
    peer_kill(&run->guest);
    start_host(run, &run->host);
    open_region(run, &run->host, 1, DATA_SIZE, SEMAPHORE_BACKEND);
    start_guest(run, &run->guest, "");
    assert_int_equal(guest_serves(&run->guest), 1);
    full_service(&run->host, 1);
    end_pair(run);
}

static void refused_without_cgo(struct run *run) {
    start_host(run, &run->host);
    open_region(run, &run->host, SLOTS, DATA_SIZE, SEMAPHORE_BACKEND);
    run->guest_program = run->pairing->guest;
    start_guest(run, &run->guest, "");
    const char *told = peer_expect(&run->guest, "failed ");
    if (!strstr(told, "cgo")) fail_msg("no word of cgo in \"%s\"", told);
    assert_int_equal(peer_exit_status(&run->guest), 1);
    // Refusing has taken nothing from one that can.
    start_semaphore_guest(run, &run->guest);
    full_service(&run->host, SLOTS);
    end_pair(run);
}

int main(void) {
    static const struct promise promises[] = {
        {"semaphores: exchanges in every way", exchanges, 30, EVERY_PAIRING},
        {"semaphores: nobody who sleeps is forgotten", sleepers, 30, EVERY_PAIRING},
        {"semaphores: deadlines and fates", timeouts, 30, EVERY_PAIRING},
        {"semaphores: after SIGKILL of the guest the next one serves", killed_guest, 20,
         EVERY_PAIRING},
        {"semaphores: after SIGKILL of the host nothing is left in the end", killed_host, 20,
         EVERY_PAIRING},
        {"semaphores: a Go guest without cgo refuses and says why", refused_without_cgo, 20,
         WITH_GO_GUESTS},
    };
    return run_promises("semaphores", GROUP_SECONDS, promises, COUNT_OF(promises));
}
