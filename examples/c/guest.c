// SPDX-License-Identifier: Apache-2.0
// Answers with upper case until its host ends:
//
//   guest NAME
#include <simpleipc/simpleipc.h>

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "messages.h"

// An error's text goes where the response would.
static sipc_status refuse(sipc_response *response, const char *why) {
    size_t size = strlen(why);
    response->size = size < response->capacity ? (uint32_t)size : response->capacity;
    memcpy(response->data, why, response->size);
    return SIPC_INVALID_ARGUMENT;
}

// Runs in a thread of its own for each slot.
static sipc_status handle(void *context, const sipc_request *request, sipc_response *response) {
    (void)context;
    if (request->message_id != MESSAGE_UPPER_CASE) return SIPC_UNKNOWN_MESSAGE;
    if (request->size == 0) return refuse(response, "there is no word");
    if (request->size > response->capacity) return refuse(response, "the word is too long");
    const unsigned char *from = request->data;
    unsigned char *to = response->data;
    for (uint32_t i = 0; i < request->size; i++) to[i] = (unsigned char)toupper(from[i]);
    response->size = request->size;
    return SIPC_OK;
}

int main(int count, char **words) {
    sipc_guest *guest;
    // Waits for the host if that starts later.
    sipc_status status = sipc_guest_attach(count > 1 ? words[1] : "example", NULL, &guest);
    if (status == SIPC_OK) {
        status = sipc_guest_start(guest, handle, NULL);
        if (status == SIPC_OK) status = sipc_guest_wait(guest);
        sipc_guest_detach(guest);
    }
    if (status != SIPC_OK) fprintf(stderr, "%s\n", sipc_error_text());
    return status == SIPC_OK ? 0 : 1;
}
