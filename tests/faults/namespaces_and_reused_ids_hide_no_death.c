// SPDX-License-Identifier: Apache-2.0
// Row 20: as row 1, with guests in pid and user namespaces of their own, and with guests whose
// process id is soon another's: the next guest's, or that of a process that has no part in this.
// The row has a pid namespace of its own, in which it may choose ids.
#define _GNU_SOURCE
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../process/host_api.h"
#include "callers_under_kills.h"

#define UNSHARE "/usr/bin/unshare"

enum { PROMPT_US = 100000 };

static void hear_that_it_serves(struct peer *guest) {
    peer_expect(guest, "attached 4");
    peer_expect(guest, "ready");
}

static void read_text(const char *path, char *text, size_t size) {
    FILE *file = fopen(path, "r");
    row_expect(file != NULL, "cannot read %s", path);
    text[fread(text, 1, size - 1, file)] = '\0';
    fclose(file);
}

// ---- Namespaces --------------------------------------------------------------------------------

// The peer is unshare, whose only child is the guest.
static void start_apart(struct peer *guest, const char *program) {
    peer_start(guest, UNSHARE, "--user", "--map-root-user", "--pid", "--fork", "--kill-child",
               program, row_region(), NULL);
    hear_that_it_serves(guest);
}

static pid_t only_child(pid_t parent) {
    char path[64], text[64];
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)parent, (int)parent);
    read_text(path, text, sizeof text);
    int child = 0;
    row_expect(sscanf(text, "%d", &child) == 1, "%s: \"%s\"", path, text);
    return child;
}

// unshare ends when its child is gone, and complains.
static void await_end(struct peer *unshare) {
    row_expect(peer_exit_status(unshare) != 0, "a killed peer ended in order");
}

static void kill_apart(struct peer *guest) {
    pid_t child = only_child(guest->pid);
    kills_note();
    row_expect(kill(child, SIGKILL) == 0, "kill");
    await_end(guest);
}

static void guests_in_namespaces(const char *part, const char *program) {
    unsigned kills = row_times(20, 1000);
    struct peer guest;
    kills_open();
    start_apart(&guest, program);
    kills_start_callers();
    for (unsigned i = 0; i < kills; i++) {
        row_sleep_us(row_random(3000));
        kill_apart(&guest);
        start_apart(&guest, program);
        kills_await_progress();
    }
    kills_stop_callers();
    kills_expect_each_slot_to_serve();
    kills_close();
    row_expect(peer_exit_status(&guest) == 0, "the last guest did not end in order");
    kills_result(part, kills);
}

// ---- A host in namespaces ----------------------------------------------------------------------

static void host_in_namespaces(const char *part, const char *program) {
    unsigned kills = row_times(10, 300);
    struct samples known = {0};
    struct peer host, guest;
    peer_start(&guest, program, row_region(), "--again", NULL);
    for (unsigned i = 0; i < kills; i++) {
        peer_start(&host, UNSHARE, "--user", "--map-root-user", "--pid", "--fork", "--kill-child",
                   i % 2 ? HOST_CPP : HOST_C, NULL);
        peer_expect(&host, "ready");
        peer_ask(&host, "SIPC_OK ", "open %s 4 4096 0 0", row_region());
        hear_that_it_serves(&guest);
        peer_ask(&host, "ok", "begin callers=2");
        row_sleep_us(row_random(3000));
        pid_t child = only_child(host.pid);
        uint64_t killed = row_now_us();
        row_expect(kill(child, SIGKILL) == 0, "kill");
        const char *told = peer_hear(&guest);
        samples_add(&known, row_now_us() - killed);
        row_expect(strcmp(told, "ended SIPC_PEER_DIED") == 0, "a guest said \"%s\"", told);
        await_end(&host);
    }
    peer_kill(&guest);
    remove_leftovers(row_region()); // the last host's: nobody came after it
    row_result("%s: %u kills; the guest knew after p99 %.1f ms, max %.1f ms", part, kills,
               (double)samples_percentile(&known, 99) / 1e3, (double)samples_max(&known) / 1e3);
    row_expect(samples_max(&known) <= row_limit_us(PROMPT_US),
               "a death was known after %" PRIu64 " us", samples_max(&known));
    samples_free(&known);
}

// ---- Reused ids --------------------------------------------------------------------------------

static void choose_next_id(pid_t id) {
    FILE *file = fopen("/proc/sys/kernel/ns_last_pid", "w");
    row_expect(file && fprintf(file, "%d", (int)id - 1) > 0 && fclose(file) == 0,
               "cannot choose the next process id");
}

static void start_as(pid_t id, struct peer *peer, const char *program, const char *argument) {
    for (unsigned tries = 0; tries < 400; tries++) {
        choose_next_id(id);
        peer_start(peer, program, argument, NULL);
        if (peer->pid == id) return;
        // Another process was faster, or has the id for now.
        peer_kill(peer);
        row_sleep_us(5000);
    }
    row_expect(false, "no process gets the id %d", (int)id);
}

static void guests_with_the_same_id(const char *part, const char *program) {
    enum { ID = 20000 };
    unsigned kills = row_times(40, 2000);
    struct peer guest;
    kills_open();
    start_as(ID, &guest, program, row_region());
    hear_that_it_serves(&guest);
    kills_start_callers();
    for (unsigned i = 0; i < kills; i++) {
        row_sleep_us(row_random(3000));
        kills_note();
        peer_kill(&guest);
        start_as(ID, &guest, program, row_region());
        hear_that_it_serves(&guest);
        kills_await_progress();
    }
    kills_stop_callers();
    kills_expect_each_slot_to_serve();
    kills_close();
    row_expect(peer_exit_status(&guest) == 0, "the last guest did not end in order");
    kills_result(part, kills);
}

enum { BYSTANDER_ID = 21000, LONG_US = 5000000 };

struct telling {
    uint32_t slot;
    sipc_status status;
    uint64_t moment_us;
};

static void *call_until_told(void *context) {
    struct telling *telling = context;
    struct reply reply = {0};
    const struct request request = {.slot = telling->slot, .timeout_ns = LONG_US * UINT64_C(1000)};
    telling->status = api_call(&request, &reply);
    telling->moment_us = row_now_us();
    return NULL;
}

// The host has never looked at the guest when its id is the bystander's already.
static uint64_t told_by_the_first_call(struct peer *guest) {
    struct peer bystander;
    struct telling telling = {.slot = row_random(KILLS_SLOTS)};
    peer_kill(guest);
    start_as(BYSTANDER_ID, &bystander, "/bin/cat", NULL);
    uint64_t began = row_now_us();
    call_until_told(&telling);
    row_expect(telling.status == SIPC_PEER_DIED, "%s", sipc_status_name(telling.status));
    peer_finish(&bystander);
    return telling.moment_us - began;
}

// A call waits for the guest, which is stopped and then killed.
static uint64_t told_to_a_waiting_call(struct peer *guest) {
    struct peer bystander;
    pthread_t thread;
    struct telling telling = {.slot = row_random(KILLS_SLOTS)};
    peer_stop(guest);
    row_expect(pthread_create(&thread, NULL, call_until_told, &telling) == 0, "no thread");
    row_sleep_us(row_random(1000));
    uint64_t killed = row_now_us();
    peer_kill(guest);
    start_as(BYSTANDER_ID, &bystander, "/bin/cat", NULL);
    pthread_join(thread, NULL);
    row_expect(telling.status == SIPC_PEER_DIED, "%s", sipc_status_name(telling.status));
    peer_finish(&bystander);
    return telling.moment_us - killed;
}

static void bystander_with_a_guests_id(const char *part, const char *program) {
    unsigned kills = row_times(30, 1000);
    struct samples took = {0};
    struct peer guest;
    for (unsigned i = 0; i < kills; i++) {
        kills_open();
        start_as(BYSTANDER_ID, &guest, program, row_region());
        hear_that_it_serves(&guest);
        samples_add(&took, i % 2 ? told_to_a_waiting_call(&guest) : told_by_the_first_call(&guest));
        kills_close();
    }
    row_result("%s: %u kills; calls told it after p99 %.1f ms, max %.1f ms", part, kills,
               (double)samples_percentile(&took, 99) / 1e3, (double)samples_max(&took) / 1e3);
    row_expect(samples_max(&took) <= row_limit_us(PROMPT_US),
               "a death was told after %" PRIu64 " us", samples_max(&took));
    samples_free(&took);
}

// ---- The row -----------------------------------------------------------------------------------

static void namespaces_and_reused_ids_hide_no_death(void) {
    row_begin("20", "pid and user namespaces, reused process ids", 60, 900);
    guests_in_namespaces("C guest in namespaces of its own", GUEST_C);
    guests_in_namespaces("Go guest in namespaces of its own", GUEST_GO);
    host_in_namespaces("host in namespaces of its own, C guest", GUEST_C);
    host_in_namespaces("host in namespaces of its own, Go guest", GUEST_GO);
    guests_with_the_same_id("C guests, all with the same id", GUEST_C);
    guests_with_the_same_id("Go guests, all with the same id", GUEST_GO);
    bystander_with_a_guests_id("C guest, its id a bystander's", GUEST_C);
    bystander_with_a_guests_id("Go guest, its id a bystander's", GUEST_GO);
    row_end();
}

int main(int count, char **words) {
    if (count > 1 && strcmp(words[1], "inside") == 0)
        return row_main(namespaces_and_reused_ids_hide_no_death);
    execl(UNSHARE, UNSHARE, "--pid", "--fork", "--mount-proc", "--kill-child", words[0], "inside",
          (char *)NULL);
    perror(UNSHARE);
    return 1;
}
