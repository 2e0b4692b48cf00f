// SPDX-License-Identifier: Apache-2.0
#include "guest.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "../../experiments/pingpong/bare.h"
#include "../common/control.h"
#include "../common/echo.h"
#include "../common/system.h"
#include "errand.h"
#include "simpleipc/simpleipc.h"

// Whom errands are run for, and by what.
static sipc_guest *attached;
static run_trips *way_to_call;

static sipc_status answer(void *context, const sipc_request *request, sipc_response *response) {
    if (request->message_id == BENCH_MESSAGE_ERRAND)
        return errand_run(attached, way_to_call, request, response);
    return echo_answer(context, request, response);
}

static int failed(const char *what, const char *why) {
    fprintf(stderr, "simpleipc-bench-guest: %s: %s\n", what, why);
    return 1;
}

static int serve_bare_windows(void *region) {
    static struct bare_guest guest;
    const struct echo_buffers own = echo_private_buffers();
    if (!own.request) return failed("the bare server", "out of memory");
    if (!bare_guest_init(&guest, region, echo_copy, own.request, own.response, NULL, NULL))
        return failed("the bare server", "the host's bare region is not of this version");
    enum bare_served served;
    do served = bare_window_serve(&guest);
    while (served == BARE_SERVED);
    return served == BARE_QUIT ? 0 : failed("the bare server", "the host is gone");
}

static int serve(const struct guest_face *face, sipc_guest *guest, struct bench_control *control) {
    snprintf(control->guest_name, sizeof control->guest_name, "%s", face->name);
    // Release: the name is complete.
    atomic_store_explicit(&control->ready, 1, memory_order_release);
    int result = serve_bare_windows((unsigned char *)control + BENCH_BARE_OFFSET);
    if (result != 0) return result;
    if (sipc_guest_wait(guest) != SIPC_OK) return failed("waiting", sipc_error_text());
    if (face->detach(guest) != SIPC_OK) return failed("detaching", sipc_error_text());
    return 0;
}

const struct guest_face guest_face_c = {.name = "C",
                                        .attach = sipc_guest_attach,
                                        .start = sipc_guest_start,
                                        .detach = sipc_guest_detach,
                                        .call = errand_call};

// Attaches and starts the workers, and tells what that took.
static int attach(const struct guest_face *face, const char *name,
                  const sipc_guest_options *options, struct bench_start *told, sipc_guest **guest) {
    uint64_t anonymous = system_anonymous_bytes(), began = system_clock_ns();
    if (face->attach(name, options, guest) != SIPC_OK)
        return failed("attaching", sipc_error_text());
    told->attach_ns = system_clock_ns() - began;
    told->attached_anonymous = system_anonymous_bytes() - anonymous;
    attached = *guest;
    way_to_call = face->call;
    began = system_clock_ns();
    if (face->start(*guest, answer, NULL) != SIPC_OK)
        return failed("starting the workers", sipc_error_text());
    told->workers_ns = system_clock_ns() - began;
    told->started_anonymous = system_anonymous_bytes() - anonymous;
    return 0;
}

int guest_program(int count, char **values, const struct guest_face *face,
                  const struct guest_company *company) {
    if (count != 6) {
        fprintf(stderr,
                "usage: %s REGION DESCRIPTOR WAIT_PRESET CAPACITY SLOTS_PER_WORKER\n"
                "It is started by the host of the benchmark.\n",
                values[0]);
        return 2;
    }
    struct bench_control *control =
        system_map(atoi(values[2]), BENCH_BARE_OFFSET + BARE_REGION_BYTES);
    if (!control) return failed("the benchmark's shared block", strerror(errno));
    if (control->magic != BENCH_CONTROL_MAGIC)
        return failed("the benchmark's shared block", "host and guest are of different versions");
    echo_write_through(control->writes_through != 0);
    sipc_guest *guest;
    sipc_guest_options options = {.wait = {.preset = (sipc_wait_preset)atoi(values[3])},
                                  .slots_per_worker = (uint32_t)atoi(values[5])};
    int result = attach(face, values[1], &options, &control->start, &guest);
    if (result != 0) return result;
    if (company) company->begin(control, values[1], (uint32_t)atoi(values[4]));
    result = serve(face, guest, control);
    if (company) company->end();
    return result;
}
