// SPDX-License-Identifier: Apache-2.0
#include "link.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct shared_host {
    struct shared_host *next;
    sipc_host *host;
    unsigned links;
    char name[]; // ends with a NUL byte
};

// ---- The hosts of this process -----------------------------------------------------------------

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct shared_host *hosts; // guarded by it

static struct shared_host *find(const char *name) {
    struct shared_host *shared = hosts;
    while (shared && strcmp(shared->name, name) != 0) shared = shared->next;
    return shared;
}

static sipc_status create(const char *name, struct shared_host **made) {
    size_t size = strlen(name) + 1;
    struct shared_host *shared = calloc(1, sizeof *shared + size);
    if (!shared) return SIPC_OUT_OF_MEMORY;
    memcpy(shared->name, name, size);
    // A call that was not started when its guest died waits for the next guest until its deadline.
    const sipc_host_options options = {.resend = 1};
    sipc_status status =
        sipc_host_create(name, LINK_SLOTS, 2 * LINK_CAPACITY, &options, &shared->host);
    if (status != SIPC_OK) {
        free(shared);
        return status;
    }
    shared->next = hosts;
    hosts = shared;
    *made = shared;
    return SIPC_OK;
}

static void destroy(struct shared_host *shared) {
    struct shared_host **at = &hosts;
    while (*at != shared) at = &(*at)->next;
    *at = shared->next;
    sipc_host_close(shared->host);
    free(shared);
}

// ---- Links -------------------------------------------------------------------------------------

sipc_status link_open(struct link *link, const char *name) {
    *link = (struct link){.timeout_ns = SIPC_DEFAULT_TIMEOUT};
    sipc_status status = SIPC_OK;
    pthread_mutex_lock(&mutex);
    struct shared_host *shared = find(name);
    if (!shared) status = create(name, &shared);
    if (status == SIPC_OK) {
        shared->links++;
        link->shared = shared;
    }
    pthread_mutex_unlock(&mutex);
    return status;
}

void link_close(struct link *link) {
    sipc_session_release(link->session);
    pthread_mutex_lock(&mutex);
    if (--link->shared->links == 0) destroy(link->shared);
    pthread_mutex_unlock(&mutex);
}

void *link_request(struct link *link) {
    if (!link->session && sipc_host_acquire(link->shared->host, SIPC_ANY_SLOT, link->timeout_ns,
                                            &link->session) != SIPC_OK)
        return NULL;
    return sipc_session_request(link->session, NULL);
}

sipc_status link_call(struct link *link, uint32_t message_id, uint32_t request_size,
                      const void **response, uint32_t *response_size) {
    sipc_status status = sipc_session_call(link->session, message_id, request_size,
                                           link->timeout_ns, response, response_size);
    // The slot may be out of use until a handler returns, and its guest gone: others may be better.
    if (status != SIPC_OK && sipc_status_fate(status) != SIPC_FATE_ANSWERED) {
        sipc_session_release(link->session);
        link->session = NULL;
    }
    return status;
}
