// SPDX-License-Identifier: Apache-2.0
#include "internal/stream_intake.h"

#include <stdlib.h>
#include <string.h>

#include "internal/stream_layout.h"

#define FIRST_CAPACITY (UINT64_C(64) << 10)

void sipc_stream_intake_init(struct sipc_stream_intake *intake, uint64_t size, uint64_t limit,
                             uint32_t most_ahead) {
    *intake = (struct sipc_stream_intake){.size = size,
                                          .limit = limit,
                                          .announced = size != SIPC_STREAM_UNKNOWN_SIZE,
                                          .most_ahead = most_ahead};
}

static const char *check_against_kept(const struct sipc_stream_intake *intake, uint64_t offset,
                                      uint64_t end, bool last) {
    for (const struct sipc_stream_piece *kept = intake->first; kept; kept = kept->next) {
        if (offset < kept->offset + kept->size && kept->offset < end) return "bytes came twice";
        if (last && kept->offset + kept->size > end)
            return "the last piece ends before another one";
    }
    return NULL;
}

const char *sipc_stream_intake_check(const struct sipc_stream_intake *intake, uint64_t offset,
                                     uint32_t size, bool last) {
    if (size == 0 && !last) return "a piece is empty and not the last";
    if (offset > intake->limit || size > intake->limit - offset)
        return "there are more bytes than allowed";
    const uint64_t end = offset + size;
    if (intake->size != SIPC_STREAM_UNKNOWN_SIZE && end > intake->size)
        return "there are more bytes than announced";
    if (last && intake->size != SIPC_STREAM_UNKNOWN_SIZE && end != intake->size)
        return "there are fewer bytes than announced";
    if (intake->announced && !last && end == intake->size) return "the last piece does not say so";
    if (intake->last_seen && (last || offset == intake->size))
        return "something came after the last piece";
    if (offset < intake->taken) return "bytes came twice";
    if (offset > intake->taken && intake->ahead >= intake->most_ahead)
        return "too many pieces came before their turn";
    return check_against_kept(intake, offset, end, last);
}

void sipc_stream_intake_note(struct sipc_stream_intake *intake, uint64_t offset, uint32_t size,
                             bool last) {
    if (!last) return;
    intake->last_seen = true;
    intake->size = offset + size;
}

bool sipc_stream_intake_keep(struct sipc_stream_intake *intake, uint64_t offset, const void *bytes,
                             uint32_t size) {
    struct sipc_stream_piece *piece = malloc(sizeof *piece + size);
    if (!piece) return false;
    piece->offset = offset;
    piece->size = size;
    if (size) memcpy(piece->bytes, bytes, size);
    struct sipc_stream_piece **at = &intake->first;
    while (*at && (*at)->offset < offset) at = &(*at)->next;
    piece->next = *at;
    *at = piece;
    intake->ahead++;
    return true;
}

struct sipc_stream_piece *sipc_stream_intake_next(struct sipc_stream_intake *intake) {
    struct sipc_stream_piece *first = intake->first;
    if (!first || first->offset != intake->taken) return NULL;
    intake->first = first->next;
    intake->ahead--;
    return first;
}

void sipc_stream_intake_drop(struct sipc_stream_intake *intake) {
    while (intake->first) {
        struct sipc_stream_piece *piece = intake->first;
        intake->first = piece->next;
        free(piece);
    }
    intake->ahead = 0;
}

static bool make_room(struct sipc_stream_assembly *assembly, uint64_t needed, uint64_t expected) {
    if (needed <= assembly->capacity) return true;
    uint64_t capacity = 2 * assembly->capacity;
    if (capacity < FIRST_CAPACITY) capacity = FIRST_CAPACITY;
    if (capacity < needed) capacity = needed;
    if (capacity > expected && needed <= expected) capacity = expected;
    uint8_t *grown = realloc(assembly->bytes, capacity);
    if (!grown) return false;
    assembly->bytes = grown;
    assembly->capacity = capacity;
    return true;
}

bool sipc_stream_assemble(struct sipc_stream_assembly *assembly,
                          const struct sipc_stream_intake *intake, const uint8_t *piece,
                          uint32_t size) {
    if (!make_room(assembly, intake->taken + size, intake->size)) return false;
    memcpy(assembly->bytes + intake->taken, piece, size);
    return true;
}
