// SPDX-License-Identifier: Apache-2.0
// A fuzzer's input as a list of writes: where to, how many bytes, which. An empty one changes
// nothing, so what is fuzzed begins as a sound one and needs no folder of examples.
#ifndef SIPC_TESTS_FUZZ_WRITES_H
#define SIPC_TESTS_FUZZ_WRITES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct writes {
    const uint8_t *input;
    size_t left;
};

// A part of the memory that is written to.
struct part {
    void *at;
    size_t size;
};

// The next number of the input; 0 at its end.
uint32_t next_number(struct writes *writes);
// Makes the next write of the list; false at its end.
bool next_write(struct writes *writes, const struct part *parts, size_t count);

// Ends the process with a report if a promise was broken.
void must_hold(bool promise, const char *which);

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

#endif
