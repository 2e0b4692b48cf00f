// SPDX-License-Identifier: Apache-2.0
// The order of a stream's pieces as they come in: a request's at the responder, a response's at the
// caller (spec 13.3). Nothing is believed that was not checked here.
#ifndef SIPC_INTERNAL_STREAM_INTAKE_H
#define SIPC_INTERNAL_STREAM_INTAKE_H

#include <stdbool.h>
#include <stdint.h>

// A piece that came before its turn.
struct sipc_stream_piece {
    struct sipc_stream_piece *next;
    uint64_t offset;
    uint32_t size;
    uint8_t bytes[];
};

struct sipc_stream_intake {
    uint64_t size;       // of the message: as announced, or known since its last piece came
    uint64_t limit;      // the message has no more bytes than this
    uint64_t taken;      // bytes in order so far
    bool announced;      // the size was known from the start: the last piece says that it is it
    bool last_seen;      // the last piece came
    uint32_t most_ahead; // pieces before their turn at a time
    uint32_t ahead;
    struct sipc_stream_piece *first; // of these, by their offsets
};

void sipc_stream_intake_init(struct sipc_stream_intake *intake, uint64_t size, uint64_t limit,
                             uint32_t most_ahead);

// What is wrong with a piece, as a text; NULL: nothing. One that is right is next to be taken if
// its offset is taken, else to be kept.
const char *sipc_stream_intake_check(const struct sipc_stream_intake *intake, uint64_t offset,
                                     uint32_t size, bool last);

// A piece that was checked has come. It is taken by advancing past it, or kept.
void sipc_stream_intake_note(struct sipc_stream_intake *intake, uint64_t offset, uint32_t size,
                             bool last);
static inline void sipc_stream_intake_advance(struct sipc_stream_intake *intake, uint32_t size) {
    intake->taken += size;
}
// Copies a piece that came before its turn. False: there is no memory.
bool sipc_stream_intake_keep(struct sipc_stream_intake *intake, uint64_t offset, const void *bytes,
                             uint32_t size);
// The kept piece whose turn it is, to be taken and freed; NULL: none.
struct sipc_stream_piece *sipc_stream_intake_next(struct sipc_stream_intake *intake);

static inline bool sipc_stream_intake_is_whole(const struct sipc_stream_intake *intake) {
    return intake->last_seen && intake->taken == intake->size;
}

// Forgets what was kept.
void sipc_stream_intake_drop(struct sipc_stream_intake *intake);

// A message in memory, which grows as its bytes come: no peer reserves memory by its words alone.
struct sipc_stream_assembly {
    uint8_t *bytes; // NULL: nothing yet
    uint64_t capacity;
};

// Appends a piece at the intake's end of what was taken. False: there is no memory.
bool sipc_stream_assemble(struct sipc_stream_assembly *assembly,
                          const struct sipc_stream_intake *intake, const uint8_t *piece,
                          uint32_t size);

#endif
