// SPDX-License-Identifier: Apache-2.0
// The bare limit with several requests in flight: one caller thread, one responder thread, as many
// slots as requests in flight, used in turn. A slot has a word and a payload for each direction and
// nothing else; each request gets its own response, copied in and out, and a handler is called,
// which writes the response where it goes.
// A processor then waits for the other's lines once for many requests instead of once for each.
//
//     host                                              guest, in a thread of its own
//     bare_host_init(&pipeline.host, region, alive, 0)  bare_guest_init(&guest, region, ...)
//     bare_pipeline_open(&pipeline, layout, size, 16)   while (bare_pipeline_serve_window(&guest)
//     bare_pipeline_submit(&pipeline, request)                 == BARE_SERVED) {}
//     bare_pipeline_reap(&pipeline, response)
//     bare_pipeline_close(&pipeline)
//     bare_quit(&pipeline.host)
//
// The region is as in bare.h, and is used by nobody else meanwhile.
#ifndef SIMPLEIPC_EXPERIMENTS_PIPELINE_H
#define SIMPLEIPC_EXPERIMENTS_PIPELINE_H

#include "bare.h"

// Where the slots stand. L of a size and a depth is the layout with the best median at both.
enum bare_pipeline_layout {
    BARE_PIPELINE_ONE_LINE,  // one word and one buffer for both directions
    BARE_PIPELINE_TWO_LINES, // a word and a buffer for each writer, request and response neighbours
    BARE_PIPELINE_RINGS,     // the same, all requests in a row and all responses in a row
    BARE_PIPELINE_LAYOUTS
};

// In the control block these windows have numbers that a guest of the others refuses.
#define BARE_PIPELINE_FIRST_LAYOUT 0x100u
#define BARE_PIPELINE_MAX_DEPTH 1024u
// The payload stands in the word's line as far as it fits.
#define BARE_PIPELINE_PAYLOAD 8u
#define BARE_PIPELINE_BYTES (BARE_REGION_BYTES - BARE_FIRST_BLOCK)

// The words of slot 0, and how far it is to those of the next one.
struct bare_slots {
    unsigned char *requests;
    unsigned char *responses;
    size_t stride;
    size_t end; // of the last slot: depth * stride
};

struct bare_pipeline {
    struct bare_host host; // its turn is the last reaped response's
    struct bare_slots slots;
    size_t submit_at; // offsets of the next slots
    size_t reap_at;
    uint32_t submitted; // turn of the last request's response
};

static inline size_t bare_slots_bytes(enum bare_pipeline_layout layout, uint32_t size,
                                      uint32_t depth) {
    size_t lines = ((size_t)size + BARE_PIPELINE_PAYLOAD + 63u) / 64u * 64u;
    return (layout == BARE_PIPELINE_ONE_LINE ? lines : 2 * lines) * depth + 17u * 64u;
}

static inline struct bare_slots bare_slots_of(void *region, enum bare_pipeline_layout layout,
                                              uint32_t size, uint32_t depth) {
    struct bare_slots slots;
    size_t lines = ((size_t)size + BARE_PIPELINE_PAYLOAD + 63u) / 64u * 64u;
    slots.stride = layout == BARE_PIPELINE_TWO_LINES ? 2 * lines : lines;
    slots.end = slots.stride * depth;
    slots.requests = (unsigned char *)region + BARE_FIRST_BLOCK;
    slots.responses = slots.requests;
    if (layout == BARE_PIPELINE_TWO_LINES) {
        slots.responses += lines;
    } else if (layout == BARE_PIPELINE_RINGS) {
        slots.responses += slots.end + 17u * 64u; // not in the same sets of the cache
    }
    return slots;
}

BARE_INLINE uint32_t *bare_slot_word(unsigned char *slot) {
    return (uint32_t *)(void *)slot;
}

BARE_INLINE size_t bare_next_slot(const struct bare_slots *slots, size_t at) {
    return at + slots->stride == slots->end ? 0 : at + slots->stride;
}

// ---- host --------------------------------------------------------------------------------------

// As bare_window_open. False: an argument is out of range, or the guest is gone.
static inline bool bare_pipeline_open(struct bare_pipeline *pipeline,
                                      enum bare_pipeline_layout layout, uint32_t size,
                                      uint32_t depth) {
    struct bare_end *end = &pipeline->host.end;
    if ((unsigned)layout >= BARE_PIPELINE_LAYOUTS || size > BARE_MAX_SIZE || depth == 0 ||
        depth > BARE_PIPELINE_MAX_DEPTH ||
        bare_slots_bytes(layout, size, depth) > BARE_PIPELINE_BYTES ||
        !bare_window_rest(&pipeline->host)) {
        return false;
    }
    pipeline->slots = bare_slots_of(end->control, layout, size, depth);
    pipeline->submit_at = pipeline->reap_at = 0;
    pipeline->submitted = end->turn;
    for (size_t at = 0; at < pipeline->slots.end; at += pipeline->slots.stride) {
        bare_store(bare_slot_word(pipeline->slots.requests + at), end->turn);
        bare_store(bare_slot_word(pipeline->slots.responses + at), end->turn);
    }
    end->size = size;
    end->control->depth = depth;
    bare_window_announce(&pipeline->host, BARE_PIPELINE_FIRST_LAYOUT + (uint32_t)layout, false);
    return true;
}

// Sends a request. Fewer than the depth are in flight.
BARE_INLINE void bare_pipeline_submit(struct bare_pipeline *pipeline, const void *request) {
    unsigned char *slot = pipeline->slots.requests + pipeline->submit_at;
    uint32_t turn = bare_next_turn(pipeline->submitted);
    pipeline->submitted = bare_next_turn(turn);
    pipeline->submit_at = bare_next_slot(&pipeline->slots, pipeline->submit_at);
    bare_copy(slot + BARE_PIPELINE_PAYLOAD, request, pipeline->host.end.size);
    // Release: the payload is visible before the word.
    bare_store(bare_slot_word(slot), turn);
}

// Waits for the oldest request's response. False: the guest is gone.
BARE_INLINE bool bare_pipeline_reap(struct bare_pipeline *pipeline, void *response) {
    struct bare_end *end = &pipeline->host.end;
    unsigned char *slot = pipeline->slots.responses + pipeline->reap_at;
    uint32_t turn = bare_next_turn(bare_next_turn(end->turn));
    bool lost = false;
    if (!bare_await(end, bare_slot_word(slot), turn, &lost)) {
        return false;
    }
    end->turn = turn;
    pipeline->reap_at = bare_next_slot(&pipeline->slots, pipeline->reap_at);
    bare_copy(response, slot + BARE_PIPELINE_PAYLOAD, end->size);
    return true;
}

// Nothing is in flight: the guest waits at the slot that would be used next.
static inline void bare_pipeline_close(struct bare_pipeline *pipeline) {
    bare_store(bare_slot_word(pipeline->slots.requests + pipeline->submit_at),
               BARE_CLOSE | pipeline->host.end.turn);
}

// ---- guest -------------------------------------------------------------------------------------

// As the handler: in moves of the same widths as those by which the request came. A load that spans
// two stores waits until both are in the cache, behind all that was stored before them.
static inline void bare_pipeline_echo(const void *request, void *response, uint32_t size) {
    bare_copy(response, request, size);
}

// Serves until the window closes. False: the host is gone.
static inline bool bare_pipeline_serve(struct bare_guest *guest, const struct bare_slots *slots) {
    struct bare_end *end = &guest->end;
    const struct bare_slots own = *slots;
    uint32_t size = end->size;
    bare_handler *volatile handler = guest->handler; // an indirect call, as in a library
    bool lost = false;
    for (size_t at = 0;; at = bare_next_slot(&own, at)) {
        unsigned char *request = own.requests + at, *response = own.responses + at;
        uint32_t turn = bare_next_turn(end->turn);
        if (!bare_await(end, bare_slot_word(request), turn, &lost)) {
            return !lost;
        }
        end->turn = bare_next_turn(turn);
        bare_copy(guest->request, request + BARE_PIPELINE_PAYLOAD, size);
        handler(guest->request, response + BARE_PIPELINE_PAYLOAD, size);
        bare_store(bare_slot_word(response), end->turn);
    }
}

// Sleeps until the next window, serves it to its end.
static inline enum bare_served bare_pipeline_serve_window(struct bare_guest *guest) {
    struct bare_end *end = &guest->end;
    uint32_t window = bare_await_window(guest);
    if (window == BARE_WINDOW_QUIT) {
        return BARE_QUIT;
    }
    uint32_t layout = end->control->layout - BARE_PIPELINE_FIRST_LAYOUT;
    uint32_t size = end->control->size, depth = end->control->depth;
    if (layout >= BARE_PIPELINE_LAYOUTS || size > BARE_MAX_SIZE || depth == 0 ||
        depth > BARE_PIPELINE_MAX_DEPTH ||
        bare_slots_bytes((enum bare_pipeline_layout)layout, size, depth) > BARE_PIPELINE_BYTES) {
        return BARE_HOST_LOST;
    }
    end->window = window;
    end->size = size;
    struct bare_slots slots =
        bare_slots_of(end->control, (enum bare_pipeline_layout)layout, size, depth);
    bool served = bare_pipeline_serve(guest, &slots);
    bare_store(&end->control->finished, window);
    return served ? BARE_SERVED : BARE_HOST_LOST;
}

#endif
