// SPDX-License-Identifier: Apache-2.0
#include "bare_limit.h"

#include "pipeline.h"

static struct bare_pipeline pipeline;
static struct bare_host *const host = &pipeline.host;
static struct bare_guest guest;

void bare_limit_begin_host(void *region) {
    bare_host_init(host, region, NULL, NULL);
}

bool bare_limit_begin_guest(void *region) {
    static unsigned char request[LARGEST_PAYLOAD], response[LARGEST_PAYLOAD];
    return bare_guest_init(&guest, region, bare_pipeline_echo, request, response, NULL, NULL);
}

bool bare_limit_open_one_line(struct side *side) {
    return bare_window_open(host, BARE_ONE_LINE, side->column.size, false);
}

bool bare_limit_open_neighbours(struct side *side) {
    return bare_window_open(host, BARE_NEIGHBOURS, side->column.size, false);
}

bool bare_limit_host(struct side *side, uint32_t trips) {
    bool right = true;
    for (uint32_t i = 0; i < trips; i++) {
        const unsigned char *request = side->requests[i % REQUESTS];
        right &= bare_call(host, request, side->response) && is_echo(request, side->response);
    }
    return right;
}

bool bare_limit_guest(struct side *side, uint32_t trips) {
    (void)side; // the host closes the window
    (void)trips;
    return bare_window_serve(&guest) == BARE_SERVED;
}

bool bare_limit_close(struct side *side) {
    (void)side;
    bare_window_close(host);
    return true;
}

bool bare_pipeline_open_one_line(struct side *side) {
    return bare_pipeline_open(&pipeline, BARE_PIPELINE_ONE_LINE, side->column.size,
                              side->column.depth);
}

bool bare_pipeline_open_two_lines(struct side *side) {
    return bare_pipeline_open(&pipeline, BARE_PIPELINE_TWO_LINES, side->column.size,
                              side->column.depth);
}

bool bare_pipeline_open_rings(struct side *side) {
    return bare_pipeline_open(&pipeline, BARE_PIPELINE_RINGS, side->column.size,
                              side->column.depth);
}

bool bare_pipeline_host(struct side *side, uint32_t trips) {
    bool right = true;
    for (uint32_t n = 0; n < side->column.depth; n++) {
        bare_pipeline_submit(&pipeline, side->requests[n % REQUESTS]);
    }
    for (uint32_t n = 0; n < trips; n++) {
        right &= bare_pipeline_reap(&pipeline, side->response) &&
                 is_echo(side->requests[n % REQUESTS], side->response);
        if (n + side->column.depth < trips) {
            bare_pipeline_submit(&pipeline, side->requests[(n + side->column.depth) % REQUESTS]);
        }
    }
    return right;
}

bool bare_pipeline_guest(struct side *side, uint32_t trips) {
    (void)side; // the host closes the window
    (void)trips;
    return bare_pipeline_serve_window(&guest) == BARE_SERVED;
}

bool bare_pipeline_end(struct side *side) {
    (void)side;
    bare_pipeline_close(&pipeline);
    return true;
}
