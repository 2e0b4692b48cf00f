// SPDX-License-Identifier: Apache-2.0
#include "message.h"

#include <string.h>

enum { HEAD_SIZE = 16 };

// FNV-1a.
uint64_t message_hash(const uint8_t *data, uint32_t size) {
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (uint32_t i = 0; i < size; i++) hash = (hash ^ data[i]) * UINT64_C(0x100000001b3);
    return hash;
}

static uint32_t at_most(uint32_t size, uint32_t most) {
    return size < most ? size : most;
}

static void fill_pattern(uint8_t *to, uint32_t from, uint32_t size, uint64_t seed) {
    for (uint32_t i = from; i < size; i++)
        to[i] = (uint8_t)((seed >> (i % 8 * 8)) + i * UINT64_C(31));
}

void message_fill_request(uint8_t *to, uint32_t size, uint32_t caller, uint32_t sequence,
                          uint32_t sleep_us) {
    uint32_t head[] = {caller, sequence, sleep_us};
    memcpy(to, head, at_most(size, sizeof head));
    fill_pattern(to, sizeof head, size, message_hash((const uint8_t *)head, sizeof head));
}

void message_fill_response(uint8_t *to, uint32_t size, const uint8_t *request,
                           uint32_t request_size) {
    uint8_t head[HEAD_SIZE] = {0};
    uint64_t hash = message_hash(request, request_size);
    memcpy(head, request, at_most(request_size, STAMP_SIZE));
    memcpy(head + STAMP_SIZE, &hash, sizeof hash);
    memcpy(to, head, at_most(size, HEAD_SIZE));
    fill_pattern(to, HEAD_SIZE, size, hash);
}
