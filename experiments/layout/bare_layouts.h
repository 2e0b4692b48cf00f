// SPDX-License-Identifier: Apache-2.0
// The bare layouts: sequence words and payload, nothing else. They give the limit L.
#ifndef LAYOUT_BARE_LAYOUTS_H
#define LAYOUT_BARE_LAYOUTS_H

#include "exchange.h"

// Offsets inside a variant's own area. Equal word offsets: one word, written by both sides in turn.
struct bare_shape {
    unsigned request_word;
    unsigned response_word;
    unsigned request;
    unsigned response;
    unsigned pauses;       // pause instructions between two looks
    unsigned inline_limit; // sizes up to this are copied by inlined moves, not by memcpy
};

static ALWAYS_INLINE void bare_call(struct side *side, const struct bare_shape *shape,
                                    const void *request, void *response, uint32_t size) {
    uint32_t turn = 2 * ++side->generation;
    copy_bytes(shape->inline_limit, side->area + shape->request, request, size);
    // Release: the payload is visible before the word; acquire on the way back, for the response.
    atomic_store_explicit(word_at(side, shape->request_word), turn - 1, memory_order_release);
    while (atomic_load_explicit(word_at(side, shape->response_word), memory_order_acquire) !=
           turn) {
        relax(shape->pauses);
    }
    copy_bytes(shape->inline_limit, response, side->area + shape->response, size);
}

static ALWAYS_INLINE void bare_serve(struct side *side, const struct bare_shape *shape,
                                     uint32_t size) {
    uint32_t turn = 2 * ++side->generation;
    while (atomic_load_explicit(word_at(side, shape->request_word), memory_order_acquire) !=
           turn - 1) {
        relax(shape->pauses);
    }
    copy_bytes(shape->inline_limit, side->request, side->area + shape->request, size);
    side->handler(side->request, side->response, size);
    copy_bytes(shape->inline_limit, side->area + shape->response, side->response, size);
    atomic_store_explicit(word_at(side, shape->response_word), turn, memory_order_release);
}

#endif
