// SPDX-License-Identifier: Apache-2.0
#include "writes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

uint32_t next_number(struct writes *writes) {
    uint8_t bytes[4] = {0};
    size_t size = writes->left < 4 ? writes->left : 4;
    memcpy(bytes, writes->input, size);
    writes->input += size;
    writes->left -= size;
    return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 |
           (uint32_t)bytes[3] << 24;
}

// One byte says which part, one where in it in steps of 4, one how many bytes; then they follow.
bool next_write(struct writes *writes, const struct part *parts, size_t count) {
    if (writes->left < 4) return false;
    const struct part *part = &parts[writes->input[0] % count];
    size_t at = (size_t)writes->input[1] * 4 % part->size;
    size_t size = 1u << writes->input[2] % 4;
    writes->input += 3;
    writes->left -= 3;
    if (size > writes->left) size = writes->left;
    if (size > part->size - at) size = part->size - at;
    memcpy((uint8_t *)part->at + at, writes->input, size);
    writes->input += size;
    writes->left -= size;
    return true;
}

void must_hold(bool promise, const char *which) {
    if (promise) return;
    fprintf(stderr, "BROKEN: %s\n", which);
    abort();
}
