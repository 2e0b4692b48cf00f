// SPDX-License-Identifier: Apache-2.0
// The guest of the bare ping-pong: serves windows until the host quits or ends.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bare.h"
#include "process.h"
#include "region_file.h"

static void echo(const void *request, void *response, uint32_t size) {
    memcpy(response, request, size);
}

static int usage(const char *problem, const char *value) {
    fprintf(stderr, "bare guest: %s '%s'\nusage: bare_guest --name NAME [--cpu N]\n", problem,
            value);
    return 2;
}

static int serve(void *region, const char *name) {
    static unsigned char request[BARE_MAX_SIZE], response[BARE_MAX_SIZE];
    // Touched before the first window: no page fault inside one.
    memset(request, 1, sizeof request);
    memset(response, 1, sizeof response);
    struct bare_guest guest;
    if (!bare_guest_init(&guest, region, echo, request, response, NULL, NULL)) {
        fprintf(stderr, "bare guest: region '%s' has another version or a guest already\n", name);
        return 1;
    }
    enum bare_served served;
    do {
        served = bare_window_serve(&guest);
    } while (served == BARE_SERVED);
    return served == BARE_QUIT ? 0 : 1;
}

int main(int count, char **values) {
    const char *name = NULL;
    long processor = -1;
    for (int i = 1; i < count; i += 2) {
        const char *value = i + 1 < count ? values[i + 1] : "";
        if (strcmp(values[i], "--name") == 0) {
            name = value;
        } else if (strcmp(values[i], "--cpu") != 0) {
            return usage("unknown option", values[i]);
        } else if (!parse_number(value, 0, 4095, &processor)) {
            return usage("--cpu is not a processor's number:", value);
        }
    }
    if (name == NULL || !region_name_is_valid(name)) {
        return usage("--name must have 1 to 200 bytes and no '/':", name == NULL ? "" : name);
    }
    void *region = region_attach(name, BARE_REGION_BYTES);
    if (region == NULL || !exit_with_peer((pid_t)((struct bare_control *)region)->host_pid) ||
        (processor >= 0 && !pin_to_processor((int)processor))) {
        return 1;
    }
    return serve(region, name);
}
