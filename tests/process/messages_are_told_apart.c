// SPDX-License-Identifier: Apache-2.0
// Message ids: the application's reach the handler and come back, the library answers its own, the
// rest is refused. Failures of a handler are answers too.
#include <string.h>

#include "promises.h"

enum { SLOTS = 4, DATA_SIZE = 8192, PROMPT_US = 1000000 };

static void user_ids(struct run *run) {
    static const unsigned ids[] = {128, 1000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF};
    start_pair(run, SLOTS, DATA_SIZE);
    for (unsigned i = 0; i < COUNT_OF(ids); i++) {
        const char *who = peer_ask(&run->host, "ok", "reveal %u %u", ANY_SLOT, ids[i]);
        assert_int_equal(number_in(who, " id="), ids[i]);
        assert_int_equal(number_in(who, "answered_id="), ids[i]);
        who = peer_ask(&run->host, "ok", "reveal %u %u", i % SLOTS, ids[i]);
        assert_int_equal(number_in(who, " id="), ids[i]);
    }
    const char *normal = peer_ask(&run->host, "SIPC_OK", "id 0");
    assert_int_equal(number_in(normal, "answered_id="), 0);
    end_pair(run);
}

static void heartbeat(struct run *run) {
    start_pair(run, SLOTS, DATA_SIZE);
    const char *beat = peer_ask(&run->host, "SIPC_OK", "id 1");
    assert_int_equal(number_in(beat, "answered_id="), 2);
    assert_int_equal(number_in(beat, "size="), 0);
    for (unsigned slot = 0; slot < SLOTS; slot++) {
        beat = peer_ask(&run->host, "SIPC_OK", "plain %u 1 100 0", slot);
        assert_int_equal(number_in(beat, "size="), 0);
    }
    full_service(&run->host, SLOTS);
    end_pair(run);
}

static void reserved_ids(struct run *run) {
    static const unsigned reserved[] = {2, 4, 5, 64, 127};
    start_pair(run, SLOTS, DATA_SIZE);
    const char *before = peer_ask(&run->host, "ok", "reveal 0 128");
    uint64_t last = number_in(before, "transport=") >> 7;
    for (unsigned i = 0; i < COUNT_OF(reserved); i++) {
        const char *refused =
            peer_ask(&run->host, "SIPC_BAD_MESSAGE_ID", "plain 0 %u 4 0", reserved[i]);
        assert_int_equal(number_in(refused, "fate="), NOT_STARTED);
    }
    // Nothing was written: the slot's next exchange is the next one.
    const char *after = peer_ask(&run->host, "ok", "reveal 0 128");
    assert_int_equal(number_in(after, "transport=") >> 7, last + 1);
    end_pair(run);
}

static void unknown_id(struct run *run) {
    start_pair(run, SLOTS, DATA_SIZE);
    for (unsigned slot = 0; slot < SLOTS; slot++) {
        const char *unknown =
            peer_ask(&run->host, "SIPC_UNKNOWN_MESSAGE", "plain %u 133 4 0", slot);
        assert_int_equal(number_in(unknown, "size="), 0);
    }
    full_service(&run->host, SLOTS);
    end_pair(run);
}

// The guest's process ends by itself, having answered; another one can take its place.
static void shutdown_message(struct run *run) {
    start_pair(run, SLOTS, DATA_SIZE);
    full_service(&run->host, SLOTS);
    const char *answer = peer_ask(&run->host, "SIPC_OK", "id 3");
    assert_int_equal(number_in(answer, "answered_id="), 3);
    assert_int_equal(number_in(answer, "size="), 0);
    guest_ends(&run->guest);
    start_guest(run, &run->guest, "");
    assert_int_equal(guest_serves(&run->guest), SLOTS);
    full_service(&run->host, SLOTS);
    end_pair(run);
}

// The error reaches the caller at once with the handler's text, and the same slot goes on.
static void failing(struct run *run, unsigned message_id, const char *status, const char *text) {
    enum { ROUNDS = 10 };
    for (unsigned i = 0; i < ROUNDS * SLOTS; i++) {
        unsigned slot = i % SLOTS;
        const char *failed = peer_ask(&run->host, status, "plain %u %u 40 0", slot, message_id);
        assert_in_range(number_in(failed, "took_us="), 0, PROMPT_US);
        if (!strstr(failed, text)) fail_msg("no \"%s\" in \"%s\"", text, failed);
        peer_ask(&run->host, "SIPC_OK", "stamped %u %u 40 0 0", slot, STAMPED(40));
    }
    full_service(&run->host, SLOTS);
}

static void handler_error(struct run *run) {
    start_pair(run, SLOTS, DATA_SIZE);
    failing(run, 129, "SIPC_HANDLER_FAILED", "answer=refused by the handler");
    end_pair(run);
}

static void handler_panic(struct run *run) {
    start_pair(run, SLOTS, DATA_SIZE);
    failing(run, 130, "SIPC_HANDLER_FAILED", "refused by the handler");
    end_pair(run);
}

static void handler_without_return(struct run *run) {
    start_pair(run, SLOTS, DATA_SIZE);
    failing(run, 131, "SIPC_HANDLER_FAILED", run->pairing->go ? "Goexit" : "did not return");
    end_pair(run);
}

static void oversize(struct run *run) {
    start_pair(run, SLOTS, DATA_SIZE);
    failing(run, 132, "SIPC_RESPONSE_TOO_LARGE", "size=0");
    end_pair(run);
}

int main(void) {
    static const struct promise promises[] = {
        {"an id of the application reaches the handler and comes back", user_ids, 15,
         EVERY_PAIRING},
        {"a heartbeat is answered by the library", heartbeat, 15, EVERY_PAIRING},
        {"a reserved id is refused before anything is written", reserved_ids, 15, EVERY_PAIRING},
        {"an id that the handler does not know is told", unknown_id, 15, EVERY_PAIRING},
        {"a shutdown ends the guest", shutdown_message, 15, EVERY_PAIRING},
        {"a handler's error reaches the caller, the next call works", handler_error, 15,
         EVERY_PAIRING},
        {"a handler's panic reaches the caller, the next call works", handler_panic, 15,
         WITH_GO_GUESTS},
        {"a handler that ends its thread reaches the caller, the next call works",
         handler_without_return, 15, EVERY_PAIRING},
        {"an answer too large reaches the caller as such, the next call works", oversize, 15,
         EVERY_PAIRING},
    };
    return run_promises("messages", GROUP_SECONDS, promises, COUNT_OF(promises));
}
