// SPDX-License-Identifier: Apache-2.0
// A guest of beset_host: serves both its regions, each again whenever it has ended, until the end
// of its standard input.
//
//   beset_guest NAME CAPACITY
//
// The handlers echo. They touch every byte that they were given, and expect no more than the
// capacity.
#define _POSIX_C_SOURCE 200809L
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <simpleipc/simpleipc.h>

#include "../../process/resources.h"

static uint32_t capacity;
static _Atomic bool stopping;

struct service {
    char name[110];
    pthread_t thread;
    unsigned lives;
    _Atomic unsigned long long served;
    pthread_mutex_t lock;
    sipc_guest *guest; // guarded by the lock
};

static sipc_status echo(void *context, const sipc_request *request, sipc_response *response) {
    struct service *service = context;
    if (request->size > capacity || response->capacity != capacity) {
        fprintf(stderr, "beset_guest: a handler got %u bytes and room for %u\n", request->size,
                response->capacity);
        abort();
    }
    // By way of memory of exactly this size.
    uint8_t *copy = malloc(request->size + 1);
    if (!copy) abort();
    uint32_t size = request->size;
    memcpy(copy + 1, request->data, size);
    memset(response->data, 0, size % 3 ? 0 : response->capacity);
    memcpy(response->data, copy + 1, size);
    response->size = size;
    free(copy);
    atomic_fetch_add_explicit(&service->served, 1, memory_order_relaxed);
    return SIPC_OK;
}

// Returns false if the guest is to stop at once.
static bool set_guest(struct service *service, sipc_guest *guest) {
    pthread_mutex_lock(&service->lock);
    service->guest = guest;
    pthread_mutex_unlock(&service->lock);
    return !atomic_load_explicit(&stopping, memory_order_acquire);
}

static void live_once(struct service *service) {
    const sipc_guest_options options = {.attach_timeout_ns = 20000000};
    sipc_guest *guest;
    if (sipc_guest_attach(service->name, &options, &guest) != SIPC_OK) return;
    service->lives++;
    if (set_guest(service, guest) && sipc_guest_start(guest, echo, service) == SIPC_OK)
        sipc_guest_wait(guest);
    set_guest(service, NULL);
    sipc_guest_detach(guest);
}

static void *serve(void *context) {
    struct service *service = context;
    while (!atomic_load_explicit(&stopping, memory_order_acquire)) live_once(service);
    return NULL;
}

static void stop(struct service *service) {
    pthread_mutex_lock(&service->lock);
    if (service->guest) sipc_guest_stop(service->guest);
    pthread_mutex_unlock(&service->lock);
}

int main(int count, char **words) {
    if (count != 3) return 2;
    static struct service services[2];
    capacity = (uint32_t)atoi(words[2]);
    resources_settle();
    struct resources before = resources_now();
    for (int i = 0; i < 2; i++) {
        snprintf(services[i].name, sizeof services[i].name, "%s%s", words[1], i ? "beside" : "");
        pthread_mutex_init(&services[i].lock, NULL);
        if (pthread_create(&services[i].thread, NULL, serve, &services[i]) != 0) return 2;
    }
    puts("ready");
    fflush(stdout);
    char line[64];
    while (read(STDIN_FILENO, line, sizeof line) > 0) {
    }
    atomic_store_explicit(&stopping, true, memory_order_release);
    for (int i = 0; i < 2; i++) stop(&services[i]);
    for (int i = 0; i < 2; i++) pthread_join(services[i].thread, NULL);
    resources_expect(&before);
    printf("ended lives=%u served=%llu\n", services[0].lives, services[0].served);
    return 0;
}
