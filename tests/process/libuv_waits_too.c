// SPDX-License-Identifier: Apache-2.0
// The example with loops of libuv: requests of a host are in flight while its timers go on, and a
// guest of one thread has several of them open at a time.
#include "promises.h"

// The first words are sent before there is a guest.
static void a_pair_in_loops_of_libuv(struct run *run) {
    static const char *const answers[] = {
        "A", "FEW", "WORDS", "IN", "A", "LOOP", "OF", "LIBUV", "several at a time"};
    for (unsigned round = 0; round < 5; round++) {
        peer_start(&run->host, LIBUV_HOST, run->region, "a", "few", "words", "in", "a", "loop",
                   "of", "libuv", NULL);
        sleep_ms(10 * round);
        peer_start(&run->guest, LIBUV_GUEST, run->region, NULL);
        for (unsigned i = 0; i < COUNT_OF(answers); i++)
            assert_string_equal(peer_hear(&run->host), answers[i]);
        peer_finish(&run->host);
        peer_finish(&run->guest);
    }
}

int main(void) {
    static const struct promise promises[] = {
        {"a pair in loops of libuv", a_pair_in_loops_of_libuv, 30, ONCE},
    };
    return run_promises("libuv waits, too", GROUP_SECONDS, promises, COUNT_OF(promises));
}
