// SPDX-License-Identifier: Apache-2.0
// A process that calls with streams and serves them.
//
//   streamer_X host NAME SLOTS DATA_SIZE         a region with as many guest slots
//   streamer_X guest NAME SLOTS_PER_WORKER
//
// It prints "ready", then answers each line of its standard input with one line:
//
//   stream ID known|unknown DEPTH SIZE ABORT_AFTER PAUSE_US
//                     STATUS fate= received= hash= text=
//   expect SIZE       plain= flipped= told=: the hashes of the pattern of this size, of its bytes
//                     flipped, and of what tells the first of them
//   ends              how many streams of others are open, and how the last one ended
//   memory            the most memory that the process ever had, in KiB
#define _POSIX_C_SOURCE 200809L
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "resources.h"
#include "streamer.h"

enum { LINE = 512, CHUNK = 1 << 16, PERIOD = 100003 };

// Of a prime number of bytes: no two pieces of a message are alike.
static uint8_t pattern[PERIOD];

static void make_pattern(void) {
    for (uint32_t i = 0; i < PERIOD; i++) pattern[i] = (uint8_t)(i * 7 + (i >> 8) * 13);
}

uint64_t hash_begin(void) {
    return UINT64_C(0xCBF29CE484222325);
}

uint64_t hash_add(uint64_t hash, const uint8_t *bytes, uint64_t size) {
    for (uint64_t i = 0; i < size; i++) hash = (hash ^ bytes[i]) * UINT64_C(0x100000001B3);
    return hash;
}

void pattern_fill(uint8_t *to, uint64_t offset, uint64_t size) {
    while (size > 0) {
        const uint64_t at = offset % PERIOD;
        const uint64_t some = size < PERIOD - at ? size : PERIOD - at;
        memcpy(to, pattern + at, some);
        to += some;
        offset += some;
        size -= some;
    }
}

static void run_stream(const char *line) {
    struct stream_job job = {.received = 0};
    char known[16];
    sscanf(line, "stream %" SCNu32 " %15s %" SCNu32 " %" SCNu64 " %" SCNu64 " %" SCNu32,
           &job.message_id, known, &job.depth, &job.size, &job.abort_after, &job.pause_us);
    job.known = strcmp(known, "known") == 0;
    sipc_status status = streamer_run(&job);
    printf("%s fate=%d received=%" PRIu64 " hash=%" PRIu64 " text=%s\n", sipc_status_name(status),
           (int)sipc_status_fate(status), job.received, job.hash, status ? sipc_error_text() : "");
}

static void tell_hashes(uint64_t size) {
    static uint8_t bytes[CHUNK];
    uint64_t plain = hash_begin(), flipped = hash_begin();
    for (uint64_t done = 0; done < size;) {
        uint64_t some = size - done < CHUNK ? size - done : CHUNK;
        pattern_fill(bytes, done, some);
        plain = hash_add(plain, bytes, some);
        // cppcheck-suppress knownConditionTrueFalse ; size is more than 0 here
        for (uint64_t i = 0; i < some; i++) bytes[i] = (uint8_t)~bytes[i];
        flipped = hash_add(flipped, bytes, some);
        done += some;
    }
    const uint64_t told[2] = {size, plain}; // as the answer to STREAM_HASH
    printf("plain=%" PRIu64 " flipped=%" PRIu64 " told=%" PRIu64 "\n", plain, flipped,
           hash_add(hash_begin(), (const uint8_t *)told, sizeof told));
}

static void answer(const char *line) {
    if (strncmp(line, "stream ", 7) == 0) {
        run_stream(line);
    } else if (strncmp(line, "expect ", 7) == 0) {
        tell_hashes(strtoull(line + 7, NULL, 10));
    } else if (strncmp(line, "ends", 4) == 0) {
        printf("open=%" PRIu32 " last=%s\n", streamer_open(),
               sipc_status_name(streamer_last_end()));
    } else {
        struct rusage usage;
        getrusage(RUSAGE_SELF, &usage);
        printf("peak=%ld\n", usage.ru_maxrss);
    }
}

int main(int count, char **words) {
    char line[LINE];
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (count < 4) return 2;
    make_pattern();
    resources_settle();
    struct resources before = resources_now();
    sipc_status status =
        strcmp(words[1], "host") == 0
            ? streamer_open_host(words[2], (uint32_t)atoi(words[3]), (uint32_t)atoi(words[4]))
            : streamer_open_guest(words[2], (uint32_t)atoi(words[3]));
    if (status) {
        printf("failed %s %s\n", sipc_status_name(status), sipc_error_text());
        return 1;
    }
    puts("ready");
    while (fgets(line, sizeof line, stdin)) answer(line);
    streamer_close();
    resources_expect(&before);
    puts("ended");
    return 0;
}
