// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "callers.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../process/host_api.h"
#include "../../process/message.h"
#include "../../process/traffic.h"
#include "counts.h"
#include "internal/layout.h"

enum { CALLERS = 3, DATA_SIZE = 512, LONGEST_US = 1000000, KNOWN_MAX_US = 100000 };

struct figures figures;

static struct {
    char region[128];
    char counts_path[64];
    int counts_file;
    struct execution_counts *counts;
    uint8_t *memory; // the region, as anybody may see it
    size_t size;
    uint32_t words[HOST_SLOTS];
} host;

static struct caller {
    pthread_t thread;
    uint32_t index;
    uint32_t first, last; // sequences
    struct figures figures;
} callers[CALLERS];

static uint8_t fates[CALLERS][COUNTED_CALLS];
static _Atomic bool stopping;
static _Atomic bool deaths;                              // a call may end by one
static _Atomic uint64_t death_at_us;                     // 0: not known
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; // of figures

// ---- The host ----------------------------------------------------------------------------------

static void look_into_region(void) {
    char path[160];
    snprintf(path, sizeof path, "/dev/shm/simpleipc.%s", host.region);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    struct stat status;
    row_expect(file >= 0 && fstat(file, &status) == 0, "%s: %s", path, strerror(errno));
    host.size = (size_t)status.st_size;
    host.memory = mmap(NULL, host.size, PROT_READ, MAP_SHARED, file, 0);
    row_expect(host.memory != MAP_FAILED, "mmap: %s", strerror(errno));
    close(file);
}

static void make_counts(void) {
    host.counts_file = memfd_create("counts", MFD_CLOEXEC);
    row_expect(host.counts_file >= 0 && ftruncate(host.counts_file, sizeof *host.counts) == 0,
               "memfd: %s", strerror(errno));
    host.counts =
        mmap(NULL, sizeof *host.counts, PROT_READ | PROT_WRITE, MAP_SHARED, host.counts_file, 0);
    row_expect(host.counts != MAP_FAILED, "mmap: %s", strerror(errno));
    snprintf(host.counts_path, sizeof host.counts_path, "/proc/%d/fd/%d", (int)getpid(),
             host.counts_file);
}

void host_name_only(const char *suffix) {
    snprintf(host.region, sizeof host.region, "%s%s", row_region(), suffix);
    make_counts();
}

void host_forget_name(void) {
    munmap(host.counts, sizeof *host.counts);
    close(host.counts_file);
}

void host_open(const char *suffix, sipc_backend backend) {
    host_name_only(suffix);
    row_expect(api_open(host.region, HOST_SLOTS, DATA_SIZE, backend) == SIPC_OK, "open: %s",
               api_error_text());
    if (!getenv("SEALED_FOLDER")) look_into_region();
}

void host_close(void) {
    if (host.memory) munmap(host.memory, host.size);
    host.memory = NULL;
    host_forget_name();
    uint64_t began = row_now_us();
    api_close();
    row_expect(row_now_us() - began <= LONGEST_US, "closing took more than a second");
}

const char *host_region(void) {
    return host.region;
}

const char *host_counts(void) {
    return host.counts_path;
}

// ---- What stands in the slots ------------------------------------------------------------------

static const struct sipc_slot_header *slot_header(uint32_t slot) {
    const struct sipc_exchange_header *header = (const void *)host.memory;
    return (const void *)(host.memory + header->slots_offset + slot * header->slot_size);
}

static uint32_t caller_word(uint32_t slot) {
    return sipc_load_acquire(&slot_header(slot)->turn.caller_state);
}

void note_words(void) {
    if (!host.memory) return;
    for (uint32_t slot = 0; slot < HOST_SLOTS; slot++) host.words[slot] = caller_word(slot);
}

// A slot without such a request has the word 0 from here on: nobody waits for that to change.
void note_requests(void) {
    if (!host.memory) return;
    for (uint32_t slot = 0; slot < HOST_SLOTS; slot++) {
        const struct sipc_slot_header *header = slot_header(slot);
        uint32_t word = caller_word(slot), own = sipc_load_acquire(&header->responder.state);
        uint32_t response = sipc_state(sipc_state_generation(word), SIPC_CODE_RESPONSE);
        bool stands = sipc_state_code(word) == SIPC_CODE_REQUEST && word != host.words[slot] &&
                      (own & SIPC_FLAG_ATTENDED) && sipc_state_unattended(own) != response &&
                      sipc_load_acquire(&header->turn.tiny_state) != response;
        host.words[slot] = stands ? word : 0;
    }
}

bool requests_are_given_up(void) {
    if (!host.memory) return true;
    for (uint32_t slot = 0; slot < HOST_SLOTS; slot++)
        if (host.words[slot] && caller_word(slot) == host.words[slot]) return false;
    return true;
}

// ---- Callers -----------------------------------------------------------------------------------

static char occasion[512];

void callers_told(const char *script, const char *point) {
    snprintf(occasion, sizeof occasion, "%s, %s", script, point ? point : "no point");
}

void death_expected(uint64_t at_us) {
    atomic_store_explicit(&death_at_us, at_us, memory_order_release);
    atomic_store_explicit(&deaths, true, memory_order_release);
}

void no_death_expected(void) {
    atomic_store_explicit(&deaths, false, memory_order_release);
}

static void note_death(struct caller *caller, sipc_status status, uint64_t now_us) {
    row_expect(atomic_load_explicit(&deaths, memory_order_acquire),
               "a call ended with %s, but no guest has died (%s)", sipc_status_name(status),
               occasion);
    uint64_t at_us = atomic_load_explicit(&death_at_us, memory_order_acquire);
    if (at_us && now_us > at_us) samples_add(&caller->figures.known, now_us - at_us);
    *(status == SIPC_PEER_DIED ? &caller->figures.not_started : &caller->figures.maybe_executed) +=
        1;
}

static void note(struct caller *caller, const struct stamped *call, sipc_status status,
                 uint64_t took_us, uint64_t now_us) {
    struct figures *mine = &caller->figures;
    fates[caller->index][call->sequence % COUNTED_CALLS] = (uint8_t)sipc_status_fate(status);
    if (took_us > mine->longest_us) mine->longest_us = took_us;
    switch (status) {
    case SIPC_OK:
        mine->answered++;
        break;
    case SIPC_PEER_DIED:
    case SIPC_PEER_DIED_MAYBE_EXECUTED:
        note_death(caller, status, now_us);
        break;
    case SIPC_TIMEOUT:
    case SIPC_TIMEOUT_MAYBE_EXECUTED:
    case SIPC_ALL_SLOTS_BUSY:
        mine->timed_out++;
        row_expect(call->timeout_us < LONGEST_US, "a call of a second ended with %s: %s (%s)",
                   sipc_status_name(status), api_error_text(), occasion);
        break;
    default:
        row_expect(false, "a call ended with %s: %s", sipc_status_name(status), api_error_text());
    }
    row_expect(took_us <= LONGEST_US, "a call of %u us took %" PRIu64 " us and ended with %s (%s)",
               call->timeout_us, took_us, sipc_status_name(status), occasion);
}

static void *run_caller(void *context) {
    struct caller *caller = context;
    while (!atomic_load_explicit(&stopping, memory_order_acquire)) {
        bool hasty = caller->index == 1 && row_random(4) == 0;
        const struct stamped call = {
            .message_id = MESSAGE_STAMPED + row_random(row_random(2) ? 30 : DATA_SIZE / 2),
            .slot = caller->index < HOST_SLOTS ? caller->index : SIPC_ANY_SLOT,
            .request_size = STAMP_WITH_SLEEP_SIZE + row_random(row_random(2) ? 20 : 200),
            .caller = caller->index,
            .sequence = next_sequence(caller->index),
            .timeout_us = hasty ? 1 + row_random(300) : LONGEST_US,
            .sleep_us = hasty ? row_random(300) : 0,
        };
        sipc_status status;
        uint64_t began = row_now_us();
        row_expect(stamped_call(&call, &status), "caller %u: a wrong response", caller->index);
        uint64_t now = row_now_us();
        caller->last = call.sequence;
        note(caller, &call, status, now - began, now);
        // Some of the time both sides sleep.
        if (row_random(4) == 0) row_sleep_us(row_random(600));
    }
    return NULL;
}

void callers_start(void) {
    atomic_store_explicit(&stopping, false, memory_order_release);
    for (uint32_t i = 0; i < CALLERS; i++) {
        uint32_t next = next_sequence(i);
        callers[i] = (struct caller){.index = i, .first = next, .last = next};
        fates[i][next % COUNTED_CALLS] = SIPC_FATE_NOT_STARTED;
        row_expect(pthread_create(&callers[i].thread, NULL, run_caller, &callers[i]) == 0,
                   "no thread for caller %u", i);
    }
}

static pthread_t leaver;
static bool has_leaver;

// The handler has failed or left its thread, or the guest has died or stopped.
static bool may_end_so(sipc_status status) {
    return status == SIPC_HANDLER_FAILED || status == SIPC_PEER_DIED ||
           status == SIPC_PEER_DIED_MAYBE_EXECUTED || status == SIPC_TIMEOUT ||
           status == SIPC_TIMEOUT_MAYBE_EXECUTED || status == SIPC_ALL_SLOTS_BUSY;
}

static void *run_leaver(void *unused) {
    for (unsigned i = 0; !atomic_load_explicit(&stopping, memory_order_acquire); i++) {
        uint8_t room[DATA_SIZE / 2];
        struct reply reply = {.data = room, .capacity = sizeof room};
        const struct request request = {.message_id = i % 2 ? MESSAGE_FAIL : MESSAGE_GOEXIT,
                                        .slot = SIPC_ANY_SLOT,
                                        .timeout_ns = UINT64_C(100000000)};
        sipc_status status = api_call(&request, &reply);
        row_expect(may_end_so(status), "a handler that failed ended a call with %s: %s",
                   sipc_status_name(status), api_error_text());
        row_sleep_us(500);
    }
    return unused;
}

void leaver_start(void) {
    has_leaver = true;
    row_expect(pthread_create(&leaver, NULL, run_leaver, NULL) == 0, "no thread");
}

static void add_figures(const struct figures *mine) {
    pthread_mutex_lock(&lock);
    figures.answered += mine->answered;
    figures.not_started += mine->not_started;
    figures.maybe_executed += mine->maybe_executed;
    figures.timed_out += mine->timed_out;
    if (mine->longest_us > figures.longest_us) figures.longest_us = mine->longest_us;
    for (size_t i = 0; i < mine->known.count; i++)
        samples_add(&figures.known, mine->known.values[i]);
    pthread_mutex_unlock(&lock);
}

void callers_stop(void) {
    atomic_store_explicit(&stopping, true, memory_order_release);
    if (has_leaver) pthread_join(leaver, NULL);
    has_leaver = false;
    for (uint32_t i = 0; i < CALLERS; i++) {
        pthread_join(callers[i].thread, NULL);
        uint64_t known_us = samples_max(&callers[i].figures.known);
        row_expect(known_us <= KNOWN_MAX_US, "a death was known after %" PRIu64 " us", known_us);
        add_figures(&callers[i].figures);
        samples_free(&callers[i].figures.known);
    }
}

// ---- Afterwards --------------------------------------------------------------------------------

static sipc_status call_slot(uint32_t slot, uint32_t size) {
    const struct stamped call = {.message_id = MESSAGE_STAMPED + size,
                                 .slot = slot,
                                 .request_size = size,
                                 .caller = CALLERS,
                                 .timeout_us = LONGEST_US,
                                 .sequence = next_sequence(CALLERS)};
    sipc_status status;
    row_expect(stamped_call(&call, &status), "slot %u: a wrong response", slot);
    return status;
}

void call_once(void) {
    call_slot(0, 20);
}

void expect_full_service(void) {
    struct held *held[HOST_SLOTS];
    for (uint32_t slot = 0; slot < HOST_SLOTS; slot++) {
        for (uint32_t size = 20; size <= 200; size += 180) {
            sipc_status status = call_slot(slot, size);
            row_expect(status == SIPC_OK, "slot %u: %s", slot, sipc_status_name(status));
        }
    }
    for (uint32_t slot = 0; slot < HOST_SLOTS; slot++) {
        sipc_status status = api_hold(slot, UINT64_C(1000000000), &held[slot]);
        row_expect(status == SIPC_OK && api_held_buffer(held[slot]), "slot %u is not free: %s",
                   slot, sipc_status_name(status));
    }
    for (uint32_t slot = 0; slot < HOST_SLOTS; slot++) api_release(held[slot]);
}

void audit(void) {
    for (uint32_t i = 0; i < CALLERS; i++) {
        for (uint32_t sequence = callers[i].first + 1; sequence <= callers[i].last; sequence++) {
            uint8_t fate = fates[i][sequence % COUNTED_CALLS];
            unsigned begun = atomic_load_explicit(&host.counts->of[i][sequence % COUNTED_CALLS],
                                                  memory_order_relaxed);
            bool right = fate == SIPC_FATE_ANSWERED      ? begun == 1
                         : fate == SIPC_FATE_NOT_STARTED ? begun == 0
                                                         : begun <= 1;
            row_expect(right, "caller %u, sequence %u: fate %u, but begun %u times", i, sequence,
                       fate, begun);
        }
    }
}
