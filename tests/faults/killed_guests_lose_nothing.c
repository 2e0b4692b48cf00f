// SPDX-License-Identifier: Apache-2.0
// Row 1: guests are killed at random points while four callers call, again and again, also while
// they attach. Every call is answered rightly or tells its fate at once; the slots serve on.
#include "callers_under_kills.h"

static unsigned in_the_cradle;

static void start(struct peer *guest, const char *program) {
    peer_start(guest, program, row_region(), NULL);
}

static void start_and_serve(struct peer *guest, const char *program) {
    start(guest, program);
    peer_expect(guest, "attached 4");
    peer_expect(guest, "ready");
}

static void kill_it(struct peer *guest) {
    kills_note();
    peer_kill(guest);
}

static void kill_in_the_cradle(const char *program, uint32_t start_us) {
    struct peer guest;
    start(&guest, program);
    row_sleep_us(row_random(start_us));
    kill_it(&guest);
    in_the_cradle++;
}

static void kill_one(struct peer *guest, const char *program, uint32_t start_us) {
    row_sleep_us(row_random(3000));
    kill_it(guest);
    for (unsigned more = row_random(8); more > 5; more--) kill_in_the_cradle(program, start_us);
    start_and_serve(guest, program);
    kills_await_progress();
}

static void kill_guests(const char *part, const char *program, uint32_t start_us) {
    unsigned kills = row_times(50, 10000);
    struct peer guest;
    kills_open();
    start_and_serve(&guest, program);
    kills_start_callers();
    for (unsigned i = 0; i < kills; i++) kill_one(&guest, program, start_us);
    kills_stop_callers();
    kills_expect_each_slot_to_serve();
    kills_close();
    row_expect(peer_exit_status(&guest) == 0, "the last guest did not end in order");
    kills_result(part, kills);
}

static void killed_guests_lose_nothing(void) {
    row_begin("1", "SIGKILL of the guest at random points, 4 callers", 40, 1800);
    kill_guests("C guest", GUEST_C, 4000);
    kill_guests("Go guest", GUEST_GO, 15000);
    row_result("%u more killed while they attached", in_the_cradle);
    row_end();
}

int main(void) {
    return row_main(killed_guests_lose_nothing);
}
