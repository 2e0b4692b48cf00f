// SPDX-License-Identifier: Apache-2.0
// Asks a guest for the upper case of each word on the command line:
//
//   host NAME WORD...
#include <simpleipc/simpleipc.h>

#include <stdio.h>
#include <string.h>

#include "messages.h"

static sipc_status ask(sipc_host *host, const char *word) {
    char answer[64] = "";
    sipc_call call = {
        .message_id = MESSAGE_UPPER_CASE,
        .request = word,
        .request_size = (uint32_t)strlen(word),
        .response = answer,
        .response_capacity = sizeof answer,
    };
    sipc_status status = sipc_host_call(host, &call);
    if (status == SIPC_OK)
        printf("%.*s\n", (int)call.response_size, answer);
    else if (status == SIPC_HANDLER_FAILED)
        printf("the guest says: %.*s\n", (int)call.response_size, answer);
    else
        fprintf(stderr, "%s: %s\n", sipc_status_name(status), sipc_error_text());
    return status;
}

int main(int count, char **words) {
    sipc_host *host;
    if (sipc_host_create(count > 1 ? words[1] : "example", 1, 128, NULL, &host) != SIPC_OK) {
        fprintf(stderr, "%s\n", sipc_error_text());
        return 1;
    }
    sipc_status status = SIPC_OK;
    for (int i = 2; i < count && (status == SIPC_OK || status == SIPC_HANDLER_FAILED); i++)
        status = ask(host, words[i]);
    sipc_host_close(host);
    return status == SIPC_OK || status == SIPC_HANDLER_FAILED ? 0 : 1;
}
