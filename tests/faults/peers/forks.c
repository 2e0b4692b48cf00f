// SPDX-License-Identifier: Apache-2.0
// A host or a guest that forks:
//
//   forks host NAME SLOTS | forks guest NAME
//
// It prints "ready". "call" makes the host call once through each slot and print a status. "fork"
// makes a child, or by "grandchild" one of a child's that has ended: it tries what it has
// inherited, prints "child PID" if all was refused, and sleeps with it until it is killed. "leave"
// closes in order and prints "left".
#define _POSIX_C_SOURCE 200809L
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <simpleipc/simpleipc.h>

// A child that nobody kills ends by itself.
enum { DATA_SIZE = 4096, LIFE_SECONDS = 60 };

static sipc_host *host;
static sipc_session *session; // of the host's last slot, while it forks
static sipc_guest *guest;

static sipc_status echo(void *context, const sipc_request *request, sipc_response *response) {
    (void)context;
    response->size = request->size < response->capacity ? request->size : response->capacity;
    memcpy(response->data, request->data, response->size);
    return SIPC_OK;
}

static void must(bool refused, const char *what) {
    if (refused) return;
    printf("child: %s was not refused: %s\n", what, sipc_error_text());
    fflush(stdout);
    _exit(1);
}

// ---- What a child may not do -------------------------------------------------------------------

static void use_the_host(void) {
    sipc_call call = {.timeout_ns = SIPC_FOREVER};
    sipc_session *other;
    must(sipc_host_call(host, &call) == SIPC_INVALID_ARGUMENT, "call");
    must(sipc_host_call_slot(host, 0, &call) == SIPC_INVALID_ARGUMENT, "call_slot");
    must(sipc_host_acquire(host, 0, SIPC_FOREVER, &other) == SIPC_INVALID_ARGUMENT, "acquire");
    must(sipc_session_call(session, 0, 0, SIPC_FOREVER, NULL, NULL) == SIPC_INVALID_ARGUMENT,
         "session_call");
    must(sipc_session_settle(session, SIPC_FOREVER) == SIPC_INVALID_ARGUMENT, "session_settle");
    sipc_session_release(session);
    sipc_host_shutdown(host);
    sipc_host_close(host);
}

static void use_the_guest(void) {
    must(sipc_guest_start(guest, echo, NULL) == SIPC_INVALID_ARGUMENT, "start");
    must(sipc_guest_poll(guest, echo, NULL, NULL) == SIPC_INVALID_ARGUMENT, "poll");
    must(sipc_guest_wait(guest) == SIPC_INVALID_ARGUMENT, "wait");
    sipc_guest_stop(guest);
    must(sipc_guest_detach(guest) == SIPC_INVALID_ARGUMENT, "detach");
}

static void live_as_a_child(void) {
    alarm(LIFE_SECONDS);
    if (host) use_the_host();
    if (guest) use_the_guest();
    printf("child %d\n", (int)getpid());
    fflush(stdout);
    for (;;) pause();
}

// ---- Commands ----------------------------------------------------------------------------------

static void make_child(bool grandchild) {
    if (host && sipc_host_acquire(host, sipc_host_slots(host) - 1, SIPC_FOREVER, &session)) exit(1);
    pid_t child = fork();
    if (child == 0) {
        if (!grandchild || fork() == 0) live_as_a_child();
        _exit(0);
    }
    if (grandchild) waitpid(child, NULL, 0);
    sipc_session_release(session);
    session = NULL;
}

static void call_through_each_slot(void) {
    for (uint32_t slot = 0; slot < sipc_host_slots(host); slot++) {
        char response[8];
        sipc_call call = {.request = "request",
                          .request_size = 8,
                          .response = response,
                          .response_capacity = sizeof response};
        sipc_status status = sipc_host_call_slot(host, slot, &call);
        if (!status && (call.response_size != 8 || memcmp(response, "request", 8) != 0))
            status = SIPC_PROTOCOL_VIOLATED;
        if (status == SIPC_OK) continue;
        printf("slot %u: %s: %s\n", slot, sipc_status_name(status), sipc_error_text());
        return;
    }
    puts("SIPC_OK");
}

static void leave(void) {
    sipc_host_close(host);
    host = NULL;
    sipc_guest_detach(guest);
    guest = NULL;
    puts("left");
}

static sipc_status begin(int count, char **words) {
    if (count == 4 && strcmp(words[1], "host") == 0)
        return sipc_host_create(words[2], (uint32_t)atoi(words[3]), DATA_SIZE, NULL, &host);
    if (count != 3 || strcmp(words[1], "guest") != 0) exit(2);
    sipc_status status = sipc_guest_attach(words[2], NULL, &guest);
    return status ? status : sipc_guest_start(guest, echo, NULL);
}

int main(int count, char **words) {
    sipc_status status = begin(count, words);
    printf(status ? "failed %s\n" : "ready\n", sipc_error_text());
    fflush(stdout);
    char line[64];
    while (!status && fgets(line, sizeof line, stdin)) {
        if (strcmp(line, "call\n") == 0)
            call_through_each_slot();
        else if (strcmp(line, "leave\n") == 0)
            leave();
        else
            make_child(strcmp(line, "grandchild\n") == 0);
        fflush(stdout);
    }
    leave();
    return status ? 1 : 0;
}
