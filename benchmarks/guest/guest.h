// SPDX-License-Identifier: Apache-2.0
// The C guest of the benchmark: the library's workers, and beside them, on the same processor, a
// server of bare windows, which sleeps whenever the host measures something else.
#ifndef BENCH_GUEST_H
#define BENCH_GUEST_H

#include <stdint.h>

#include "simpleipc/simpleipc.h"

#ifdef __cplusplus
extern "C" {
#endif

struct bench_control;
struct payload;

// Who else serves in this process.
struct guest_company {
    void (*begin)(struct bench_control *control, const char *name, uint32_t capacity);
    void (*end)(void); // returns when nothing of it runs any more
};

// The language's face of the library.
struct guest_face {
    const char *name;
    // Attaches, and starts the workers. Not SIPC_OK: see sipc_error_text().
    sipc_status (*attach)(const char *region, const sipc_guest_options *options,
                          sipc_guest **guest);
    sipc_status (*start)(sipc_guest *guest, sipc_handler handler, void *context);
    sipc_status (*detach)(sipc_guest *guest);
    // Calls the host through any slot; a run_trips whose state is the guest.
    int (*call)(void *guest, const struct payload *payload, uint64_t trips);
};
extern const struct guest_face guest_face_c;

// What main() does. company may be NULL.
int guest_program(int count, char **values, const struct guest_face *face,
                  const struct guest_company *company);

#ifdef __cplusplus
}
#endif

#endif
