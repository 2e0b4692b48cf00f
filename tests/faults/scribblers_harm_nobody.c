// SPDX-License-Identifier: Apache-2.0
// Row 8: a third process scribbles over a whole region during its traffic. Host and guest live on
// without a bad access, every call ends by its deadline, and their other region serves unharmed.
#include <inttypes.h>
#include <string.h>

#include "beset.h"

// After its deadline, not counting what its thread waited for a processor, and beside what calls
// take at the same time where nobody scribbles: it may wait for a thread that waits for a
// processor.
enum { LATE_US = 20000 };
// Threads and descriptors of a host that somebody lies to about the processes of its guests.
enum { MOST_THREADS = 64, MOST_DESCRIPTORS = 300 };

static const uint32_t hostile[] = {
    0,  1,   2,   3,   4,    5,    31,   44,   45,         48,         49,         63,
    64, 127, 128, 192, 1999, 2000, 2001, 2048, 0x7FFFFFFF, 0x80000000, 0xFFFFFFF8, 0xFFFFFFFF};

static uint32_t hostile_value(void) {
    uint32_t index = row_random(sizeof hostile / sizeof hostile[0] + 1);
    return index < sizeof hostile / sizeof hostile[0] ? hostile[index] : row_random(0);
}

// ---- Ways to scribble --------------------------------------------------------------------------

static void put(uint8_t *at, uint32_t value) {
    sipc_store_relaxed((sipc_word *)(void *)at, value);
}

static uint32_t any_word(void) {
    return row_random(65536) << 16 | row_random(65536);
}

static void anywhere(const struct beset *beset) {
    put(beset->base + row_random((uint32_t)beset->size / 4) * 4, any_word());
}

// The header's geometry was copied when they attached; its words are scribbled over with the rest.
static void lines(const struct beset *beset) {
    uint32_t slot = row_random(BESET_SLOTS);
    struct sipc_slot_tail *tail = beset_tail(beset, slot);
    uint8_t *lines[] = {beset->base, (uint8_t *)beset_slot(beset, slot), (uint8_t *)tail,
                        (uint8_t *)&tail->caller_counters.handler_failed,
                        (uint8_t *)&tail->responder_counters};
    put(lines[row_random(5)] + row_random(32) * 4, hostile_value());
}

// States that come near the right ones: another code or flag, the generation before or after.
static void states(const struct beset *beset) {
    uint32_t index = row_random(BESET_SLOTS);
    struct sipc_slot_header *slot = beset_slot(beset, index);
    sipc_word *const words[] = {&slot->turn.caller_state, &slot->turn.tiny_state,
                                &slot->responder.state, &slot->responder.waiting,
                                &beset_tail(beset, index)->annex.caller_waiting};
    sipc_word *word = words[row_random(5)];
    const uint32_t changes[] = {1, 2, 3, 4, 8, UINT32_MAX, (uint32_t)-8};
    put((uint8_t *)word, atomic_load_explicit(word, memory_order_relaxed) + changes[row_random(7)]);
}

static void fields(const struct beset *beset) {
    uint32_t index = row_random(BESET_SLOTS);
    struct sipc_slot_header *slot = beset_slot(beset, index);
    struct sipc_owner_line *owner = &beset_tail(beset, index)->owner;
    uint32_t *const words[] = {&slot->turn.size,
                               &slot->turn.message_id,
                               &slot->turn.flags,
                               &slot->turn.tiny_message_id,
                               (uint32_t *)&slot->turn.transport_id,
                               &slot->responder.size,
                               &slot->responder.message_id,
                               &slot->responder.status,
                               &slot->responder.flags,
                               (uint32_t *)&slot->responder.transport_id,
                               &owner->owner_pid,
                               (uint32_t *)&owner->owner_incarnation};
    put((uint8_t *)words[row_random(sizeof words / sizeof words[0])], hostile_value());
}

// Who serves a slot, which is watched before the caller sleeps.
static void owners(const struct beset *beset) {
    struct sipc_owner_line *owner = &beset_tail(beset, row_random(BESET_SLOTS))->owner;
    put((uint8_t *)&owner->owner_pid, row_random(2) ? row_random(40000) : hostile_value());
    put((uint8_t *)&owner->owner_incarnation, any_word());
    if (row_random(2)) put((uint8_t *)&owner->owner_pid_namespace, any_word());
}

static void everything(const struct beset *beset) {
    const int bytes[] = {0, 0xFF, 1, 0xA5};
    memset(beset->base, bytes[row_random(4)], beset->size);
}

static const struct way {
    const char *name;
    void (*scribble)(const struct beset *beset);
    uint32_t most_pause_us; // so long that some calls still work
} ways[] = {{"anywhere", anywhere, 20}, {"lines", lines, 200},   {"states", states, 200},
            {"fields", fields, 50},     {"owners", owners, 200}, {"everything", everything, 20000}};
enum { WAYS = sizeof ways / sizeof ways[0] };

// ---- The row -----------------------------------------------------------------------------------

static void scribble(const struct beset *beset, const struct way *way, uint32_t duration_ms) {
    uint64_t end = row_now_us() + duration_ms * UINT64_C(1000);
    while (row_now_us() < end) {
        way->scribble(beset);
        if (row_random(4) == 0) row_sleep_us(row_random(way->most_pause_us));
    }
}

static void expect_few_resources(const struct beset *beset) {
    const struct peer *const peers[] = {&beset->host, &beset->guest};
    for (int i = 0; i < 2; i++) {
        struct usage usage = usage_of(peers[i]->pid);
        row_expect(usage.threads <= MOST_THREADS && usage.descriptors <= MOST_DESCRIPTORS,
                   "the %s has %u threads and %u descriptors", i ? "guest" : "host", usage.threads,
                   usage.descriptors);
    }
}

// Each way begins with a sound region.
static void with_guest(bool go) {
    struct beset beset;
    struct beset_tally sum = {0};
    unsigned rounds = row_times(1, 30);
    uint32_t duration_ms = row_times(300, 1000);
    beset_start(&beset, go);
    for (unsigned round = 0; round < rounds; round++) {
        for (int way = 0; way < WAYS; way++) {
            beset_open(&beset);
            row_sleep_us(50000);
            scribble(&beset, &ways[way], duration_ms);
            expect_few_resources(&beset);
            struct beset_tally tally = beset_close(&beset);
            row_expect(tally.overrun_us <= LATE_US + tally.beside_longest_us,
                       "%s: a call missed its deadline by %" PRIu64
                       " us, while a call beside took up to %" PRIu64 " us",
                       ways[way].name, tally.overrun_us, tally.beside_longest_us);
            beset_add(&sum, &tally);
        }
    }
    beset_end(&beset);
    row_expect(sum.beside > 0, "no call in the region beside was answered");
    row_result("C host, %s guest: %u regions, %" PRIu64 " calls (%" PRIu64 " answered, %" PRIu64
               " found the protocol violated, %" PRIu64 " the region lost), each ended at most "
               "%.1f ms after its deadline; %" PRIu64 " calls beside, all right, longest %.1f ms",
               beset.language, rounds * WAYS, sum.calls, sum.answered, sum.violated, sum.lost,
               (double)sum.overrun_us / 1e3, sum.beside, (double)sum.beside_longest_us / 1e3);
}

static void scribblers_harm_nobody(void) {
    row_begin("8", "a third process scribbles over the whole region, ASan and UBSan", 60, 1200);
    with_guest(false);
    with_guest(true);
    row_end();
}

int main(void) {
    return row_main(scribblers_harm_nobody);
}
