// SPDX-License-Identifier: Apache-2.0
// Asks each of the guests named for its name, then keeps all of them busy until Enter is pressed:
//
//   host NAME GUEST...
//
// Restart guests meanwhile, in order and one after the other: no call fails.
#define _POSIX_C_SOURCE 200809L
#include <simpleipc/guests.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>

enum { SLOTS = 4, CALLERS = 3, MOST_NAME = 64 };

// With the name of a guest that one answers, waiting for it to come; else any.
static sipc_status ask(sipc_host *host, const char *guest, char answer[MOST_NAME]) {
    sipc_call call = {.guest = guest, .response = answer, .response_capacity = MOST_NAME - 1};
    sipc_status status = sipc_host_call(host, &call);
    answer[status == SIPC_OK ? call.response_size : 0] = '\0';
    return status;
}

static void show_who_serves(const sipc_host *host) {
    sipc_guest_info guests[SLOTS];
    uint32_t count = 0;
    sipc_host_guests(host, guests, SLOTS, &count);
    for (uint32_t i = 0; i < count && i < SLOTS; i++)
        printf("slot %u: %s\n", guests[i].slot, guests[i].attended ? guests[i].name : "nobody");
}

struct calling {
    sipc_host *host;
    _Atomic unsigned answered, failed;
    atomic_bool ends;
};

static void *call_on(void *context) {
    struct calling *calling = context;
    char answer[MOST_NAME];
    while (!atomic_load_explicit(&calling->ends, memory_order_relaxed)) {
        _Atomic unsigned *count =
            ask(calling->host, NULL, answer) == SIPC_OK ? &calling->answered : &calling->failed;
        atomic_fetch_add_explicit(count, 1, memory_order_relaxed);
    }
    return NULL;
}

static void keep_busy(sipc_host *host) {
    struct calling calling = {.host = host};
    pthread_t callers[CALLERS];
    unsigned started = 0;
    while (started < CALLERS && pthread_create(&callers[started], NULL, call_on, &calling) == 0)
        started++;
    printf("calling\n");
    fflush(stdout);
    (void)getchar();
    atomic_store_explicit(&calling.ends, true, memory_order_relaxed);
    while (started > 0) pthread_join(callers[--started], NULL);
    printf("%s calls answered, %u failed\n", calling.answered ? "all" : "no", calling.failed);
}

int main(int count, char **words) {
    sipc_host *host;
    sipc_status status =
        sipc_host_create(count > 1 ? words[1] : "example", SLOTS, 256, NULL, &host);
    if (status != SIPC_OK) {
        fprintf(stderr, "%s\n", sipc_error_text());
        return 1;
    }
    for (int i = 2; i < count && status == SIPC_OK; i++) {
        char answer[MOST_NAME];
        status = ask(host, words[i], answer);
        if (status == SIPC_OK)
            printf("%s answers\n", answer);
        else
            fprintf(stderr, "%s\n", sipc_error_text());
    }
    show_who_serves(host);
    if (status == SIPC_OK) keep_busy(host);
    sipc_host_close(host);
    return status == SIPC_OK ? 0 : 1;
}
