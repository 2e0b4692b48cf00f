// SPDX-License-Identifier: Apache-2.0
// Streams between processes, host to guest and guest to host: what is sent arrives, whatever its
// size; memory stays bounded; an abort and a death are known on the other side, which keeps
// nothing.
#define _POSIX_C_SOURCE 200809L
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "promises.h"

enum { HASH = 200, PRODUCE = 201, FLIP = 202, WHOLE = 203 };
enum { SLOTS = 4, DATA_SIZE = 131072, PIECE = DATA_SIZE / 2 - 64, MIB = 1 << 20 };
#define LARGE (UINT64_C(100) * MIB)

static const struct pair_of_programs {
    const char *host, *guest;
    const char *slots_per_worker;
} programs[] = {
    {STREAMER_C, STREAMER_C, "1"},   {STREAMER_C, STREAMER_CPP, "4"},
    {STREAMER_CPP, STREAMER_C, "4"}, {STREAMER_CPP, STREAMER_CPP, "1"},
    {STREAMER_C, STREAMER_GO, "4"},  {STREAMER_CPP, STREAMER_GO, "1"},
};

static void start(struct run *run, const struct pair_of_programs *pair) {
    char slots[16], data_size[16];
    snprintf(slots, sizeof slots, "%d", SLOTS);
    snprintf(data_size, sizeof data_size, "%d", DATA_SIZE);
    peer_start(&run->host, pair->host, "host", run->region, slots, data_size, NULL);
    peer_expect(&run->host, "ready");
    peer_start(&run->guest, pair->guest, "guest", run->region, pair->slots_per_worker, NULL);
    peer_expect(&run->guest, "ready");
}

static void end_peer(struct peer *peer) {
    assert_int_equal(number_in(peer_ask(peer, "open=", "ends"), "open="), 0);
    peer_finish(peer);
}

static void end(struct run *run) {
    end_peer(&run->guest);
    end_peer(&run->host);
}

static uint64_t hash_of(struct peer *peer, uint64_t size, const char *key) {
    return number_in(peer_ask(peer, "plain=", "expect %" PRIu64, size), key);
}

static void send(struct peer *caller, unsigned id, const char *known, unsigned depth,
                 uint64_t size) {
    const uint64_t expected = hash_of(caller, size,
                                      id == HASH   ? "told="
                                      : id == FLIP ? "flipped="
                                                   : "plain=");
    const char *line =
        peer_ask(caller, "SIPC_OK", "stream %u %s %u %" PRIu64 " 0 0", id, known, depth, size);
    assert_int_equal(number_in(line, "received="), id == HASH ? 16 : size);
    assert_int_equal(number_in(line, "hash="), expected);
}

static void every_size_passes(struct run *run) {
    static const uint64_t sizes[] = {0, 1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE + 11};
    for (unsigned i = 0; i < COUNT_OF(programs); i++) {
        start(run, &programs[i]);
        struct peer *const callers[] = {&run->host, &run->guest};
        for (unsigned j = 0; j < COUNT_OF(sizes); j++)
            for (unsigned caller = 0; caller < 2; caller++) {
                send(callers[caller], HASH, "known", j % 5, sizes[j]);
                send(callers[caller], HASH, "unknown", j % 5, sizes[j]);
                send(callers[caller], PRODUCE, "known", j % 5, sizes[j]);
                send(callers[caller], FLIP, "unknown", j % 5, sizes[j]);
                send(callers[caller], WHOLE, "known", j % 5, sizes[j]);
            }
        end(run);
    }
}

static void much_passes_in_little_memory(struct run *run) {
    for (unsigned i = 1; i < COUNT_OF(programs); i += 2) {
        start(run, &programs[i]);
        send(&run->host, HASH, "unknown", 0, MIB);
        const uint64_t host_before = number_in(peer_ask(&run->host, "peak=", "memory"), "peak=");
        const uint64_t guest_before = number_in(peer_ask(&run->guest, "peak=", "memory"), "peak=");
        send(i == 1 ? &run->host : &run->guest, PRODUCE, "known", 0, LARGE + i);
        send(i == 1 ? &run->guest : &run->host, HASH, "unknown", 0, LARGE + i);
        uint64_t host_after = number_in(peer_ask(&run->host, "peak=", "memory"), "peak=");
        uint64_t guest_after = number_in(peer_ask(&run->guest, "peak=", "memory"), "peak=");
        // A third of what passed: a sanitizer keeps some of what was freed.
        assert_in_range(host_after - host_before, 0, 32768);
        assert_in_range(guest_after - guest_before, 0, 32768);
        end(run);
    }
}

static void expect_last_end(struct peer *peer, const char *status) {
    for (;;) {
        const char *line = peer_ask(peer, "open=", "ends");
        if (number_in(line, "open=") == 0 && strstr(line, status)) return;
        sleep_ms(5); // the time limit ends it
    }
}

// Until a stream is served there.
static void await_begin(struct peer *peer) {
    while (number_in(peer_ask(peer, "open=", "ends"), "open=") == 0) sleep_ms(1);
}

static void an_abort_is_known(struct run *run) {
    for (unsigned i = 0; i < COUNT_OF(programs); i++) {
        start(run, &programs[i]);
        peer_ask(&run->host, "SIPC_STREAM_ABORTED", "stream %d known 0 %" PRIu64 " %d 0", HASH,
                 LARGE, 3 * MIB);
        expect_last_end(&run->guest, "SIPC_STREAM_ABORTED");
        peer_ask(&run->guest, "SIPC_STREAM_ABORTED", "stream %d known 0 %" PRIu64 " %d 0", PRODUCE,
                 LARGE, 3 * MIB);
        expect_last_end(&run->host, "SIPC_STREAM_ABORTED");
        peer_ask(&run->host, "SIPC_REQUEST_TOO_LARGE", "stream %d known 0 %d 0 0", WHOLE, 2 * MIB);
        peer_ask(&run->host, "SIPC_HANDLER_FAILED", "stream %d unknown 0 %d 0 0", WHOLE, 2 * MIB);
        peer_ask(&run->host, "SIPC_UNKNOWN_MESSAGE", "stream 999 known 0 1 0 0");
        send(&run->host, FLIP, "unknown", 0, MIB);
        end(run);
    }
}

// In the middle: a source that pauses before each piece.
static void a_killed_guest_is_known(struct run *run) {
    for (unsigned i = 0; i < COUNT_OF(programs); i++) {
        start(run, &programs[i]);
        peer_say(&run->host, "stream %d known 0 %" PRIu64 " 0 2000", HASH, LARGE);
        await_begin(&run->guest);
        sleep_ms(20 + 7 * i);
        peer_kill(&run->guest);
        const char *told = peer_expect(&run->host, "SIPC_PEER_DIED_MAYBE_EXECUTED");
        assert_int_equal(number_in(told, "fate="), MAYBE_EXECUTED);
        // The next guest serves the next stream.
        peer_start(&run->guest, programs[i].guest, "guest", run->region, "1", NULL);
        peer_expect(&run->guest, "ready");
        send(&run->host, HASH, "known", 0, MIB);
        // Its own calls of the host end with it, and not by the time of idle ones, which is a
        // minute.
        peer_say(&run->guest, "stream %d known 0 %" PRIu64 " 0 2000", FLIP, LARGE);
        await_begin(&run->host);
        sleep_ms(20);
        peer_kill(&run->guest);
        expect_last_end(&run->host, "SIPC_PEER_DIED_MAYBE_EXECUTED");
        end_peer(&run->host);
    }
}

static void a_killed_host_is_known(struct run *run) {
    for (unsigned i = 0; i < COUNT_OF(programs); i++) {
        start(run, &programs[i]);
        peer_say(&run->host, "stream %d known 0 %" PRIu64 " 0 2000", FLIP, LARGE);
        await_begin(&run->guest);
        sleep_ms(20 + 7 * i);
        peer_kill(&run->host);
        expect_last_end(&run->guest, "SIPC_PEER_DIED_MAYBE_EXECUTED");
        const char *told = peer_ask(&run->guest, "SIPC_PEER_DIED", "stream %d known 0 1 0 0", HASH);
        assert_int_equal(number_in(told, "fate="), NOT_STARTED);
        end_peer(&run->guest);
    }
    // The name is the next host's.
    start(run, &programs[0]);
    end(run);
}

// A sanitizer keeps what was freed, by default more than this test allows: the processes inherit
// that it keeps little.
static void let_sanitizers_keep_little(void) {
    const char *options = getenv("ASAN_OPTIONS");
    char all[512];
    snprintf(all, sizeof all, "%s:quarantine_size_mb=1", options ? options : "");
    assert_int_equal(setenv("ASAN_OPTIONS", all, 1), 0);
}

int main(void) {
    let_sanitizers_keep_little();
    static const struct promise promises[] = {
        {"every size passes, in both directions", every_size_passes, 40, ONCE},
        {"much passes in little memory", much_passes_in_little_memory, 60, ONCE},
        {"an abort is known on the other side", an_abort_is_known, 20, ONCE},
        {"a killed guest is known in the middle of a stream", a_killed_guest_is_known, 20, ONCE},
        {"a killed host is known in the middle of a stream", a_killed_host_is_known, 20, ONCE},
    };
    return run_promises("streams", 120, promises, COUNT_OF(promises));
}
