// SPDX-License-Identifier: Apache-2.0
// Measures triangles, which it reads where the host has written them:
//
//   guest NAME
#include <stdio.h>

#include <simpleipc/in_place.h>

#include "triangle.h"

static sipc_status measure(void *context, const sipc_request *request, sipc_response *response) {
    (void)context;
    const struct triangle *triangle = SIPC_REQUEST_AS(struct triangle, request);
    if (!triangle) return SIPC_INVALID_ARGUMENT; // an error at the host
    struct measures *measures = SIPC_RESPONSE_AS(struct measures, response);
    if (!measures) return SIPC_OK; // the host is told that its slots are too small
    const struct point *at = triangle->corners;
    // Of corners in the order of the clock's hands it is negative.
    measures->area =
        ((at[1].x - at[0].x) * (at[2].y - at[0].y) - (at[2].x - at[0].x) * (at[1].y - at[0].y)) / 2;
    for (int i = 0; i < 3; i++) {
        measures->centre.x += at[i].x / 3;
        measures->centre.y += at[i].y / 3;
    }
    measures->number = triangle->number;
    return SIPC_OK;
}

int main(int count, char **words) {
    sipc_guest *guest;
    sipc_status status = sipc_guest_attach(count > 1 ? words[1] : "example", NULL, &guest);
    if (!status) status = sipc_guest_start(guest, measure, NULL);
    if (!status) status = sipc_guest_wait(guest);
    if (status) fprintf(stderr, "%s\n", sipc_error_text());
    sipc_guest_detach(guest);
    return status ? 1 : 0;
}
