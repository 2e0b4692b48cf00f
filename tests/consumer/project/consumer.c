// SPDX-License-Identifier: Apache-2.0
// A host and a guest of somebody else's program, in C: one call, one answer.
#include <simpleipc/simpleipc.h>
#include <stdio.h>
#include <string.h>

static sipc_status greet(void *context, const sipc_request *request, sipc_response *response) {
    (void)context;
    (void)request;
    memcpy(response->data, "hello", 5);
    response->size = 5;
    return SIPC_OK;
}

static int fail(const char *what) {
    fprintf(stderr, "%s: %s\n", what, sipc_error_text());
    return 1;
}

int main(int count, char **arguments) {
    const char *name = count > 1 ? arguments[1] : "consumer";
    sipc_host *host;
    if (sipc_host_create(name, 1, 64, NULL, &host)) return fail("create");
    sipc_guest *guest;
    if (sipc_guest_attach(name, NULL, &guest)) return fail("attach");
    if (sipc_guest_start(guest, greet, NULL)) return fail("start");
    char response[8] = "";
    sipc_call call = {.response = response, .response_capacity = sizeof response};
    if (sipc_host_call(host, &call)) return fail("call");
    sipc_host_close(host);
    sipc_guest_detach(guest);
    printf("%.*s from C, %s\n", (int)call.response_size, response, sipc_version());
    return 0;
}
