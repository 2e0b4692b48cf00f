// SPDX-License-Identifier: Apache-2.0
// Row 15: a host and a guest fork, the child may use nothing of theirs and sleeps, and the parent
// is killed or leaves. Its death is known, its name and its slots are taken over, while the child
// lives.
#define _GNU_SOURCE
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "../process/load.h"
#include "row.h"

enum { SLOTS = 2, DATA_SIZE = 4096, PROMPT_US = 100000 };

static struct samples known;

// ---- Peers -------------------------------------------------------------------------------------

static void start_forking_host(struct peer *host) {
    peer_start(host, FORKS, "host", row_region(), "2", NULL);
    peer_expect(host, "ready");
}

static void start_forking_guest(struct peer *guest) {
    peer_start(guest, FORKS, "guest", row_region(), NULL);
    peer_expect(guest, "ready");
}

static pid_t fork_in(struct peer *parent) {
    const char *command = row_random(2) ? "fork" : "grandchild";
    return (pid_t)number_in(peer_ask(parent, "child ", "%s", command), "child ");
}

static void expect_alive(pid_t child) {
    row_expect(kill(child, 0) == 0, "the child %d is gone", (int)child);
}

static void kill_child(pid_t child) {
    expect_alive(child);
    kill(child, SIGKILL);
}

// Its parent has ended, so that it is this process's.
static void reap_child(pid_t child) {
    row_expect(waitpid(child, NULL, 0) == child, "the child %d is not this process's", (int)child);
}

static void expect_service(struct peer *host) {
    row_expect(strcmp(peer_ask(host, "SIPC_OK", "call"), "SIPC_OK") == 0, "\"%s\"", host->line);
}

static void start_serving(struct peer *guest, const char *program) {
    peer_start(guest, program, row_region(), NULL);
    peer_expect(guest, "attached 2");
    peer_expect(guest, "ready");
}

// ---- The guest forks ---------------------------------------------------------------------------

static void kill_a_forked_guest(const char *successor_program) {
    struct peer host, guest, successor;
    start_forking_host(&host);
    start_forking_guest(&guest);
    expect_service(&host);
    pid_t child = fork_in(&guest);
    expect_service(&host);
    // The call waits in a slot whose guest is stopped, and then killed.
    peer_stop(&guest);
    peer_say(&host, "call");
    row_sleep_us(row_random(3000));
    struct moment killed = moment_now();
    peer_kill(&guest);
    const char *told = peer_expect(&host, "slot 0: ");
    samples_add(&known, us_since(killed));
    row_expect(strstr(told, "SIPC_PEER_DIED") != NULL, "\"%s\"", told);
    start_serving(&successor, successor_program);
    expect_alive(child);
    expect_service(&host);
    kill_child(child);
    reap_child(child);
    expect_service(&host);
    peer_finish(&host);
    peer_expect(&successor, "ended");
    peer_finish(&successor);
}

// ---- The host forks ----------------------------------------------------------------------------

static void kill_a_forked_host(const char *guest_program) {
    struct peer host, guest, next;
    peer_start(&next, HOST_C, NULL);
    peer_expect(&next, "ready");
    start_forking_host(&host);
    start_serving(&guest, guest_program);
    expect_service(&host);
    pid_t child = fork_in(&host);
    expect_service(&host);
    struct moment killed = moment_now();
    peer_kill(&host);
    row_expect(strcmp(peer_hear(&guest), "ended SIPC_PEER_DIED") == 0, "\"%s\"", guest.line);
    samples_add(&known, us_since(killed));
    expect_alive(child);
    peer_finish(&guest);
    peer_ask(&next, "SIPC_OK ", "open %s %d %d 0 0", row_region(), SLOTS, DATA_SIZE);
    start_serving(&guest, guest_program);
    peer_ask(&next, "ok", "traffic callers=2 calls=20");
    kill_child(child);
    reap_child(child);
    peer_ask(&next, "SIPC_OK", "close");
    peer_expect(&guest, "ended");
    peer_finish(&guest);
    peer_finish(&next);
}

// ---- Both leave in order -----------------------------------------------------------------------

static void leave_in_order(void) {
    struct peer host, guest, other;
    start_forking_host(&host);
    start_forking_guest(&guest);
    pid_t children[] = {fork_in(&host), fork_in(&guest)};
    peer_ask(&guest, "left", "leave");
    start_serving(&other, GUEST_C);
    expect_service(&host);
    peer_ask(&host, "left", "leave");
    peer_expect(&other, "ended");
    peer_finish(&other);
    peer_start(&other, HOST_C, NULL);
    peer_expect(&other, "ready");
    peer_ask(&other, "SIPC_OK ", "open %s %d %d 0 0", row_region(), SLOTS, DATA_SIZE);
    peer_ask(&other, "SIPC_OK", "close");
    peer_finish(&other);
    for (int i = 0; i < 2; i++) kill_child(children[i]);
    peer_finish(&guest);
    peer_finish(&host);
    for (int i = 0; i < 2; i++) reap_child(children[i]);
}

static void report(const char *what, unsigned times) {
    row_result("%s: %u times; the death was known after p99 %.1f ms, max %.1f ms", what, times,
               (double)samples_percentile(&known, 99) / 1e3, (double)samples_max(&known) / 1e3);
    row_expect(samples_max(&known) <= row_limit_us(PROMPT_US),
               "a death was known after %" PRIu64 " us", samples_max(&known));
    samples_free(&known);
}

static void children_keep_nobody_alive(void) {
    row_begin("15", "fork, the child sleeps, the parent dies", 60, 600);
    row_expect(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0, "cannot adopt children");
    unsigned times = row_times(10, 300);
    load_watch();
    for (unsigned i = 0; i < times; i++) kill_a_forked_guest(i % 2 ? GUEST_C : GUEST_GO);
    report("C guest", times);
    for (unsigned i = 0; i < times; i++) kill_a_forked_host(i % 2 ? GUEST_C : GUEST_GO);
    report("C host", times);
    for (unsigned i = 0; i < times; i++) leave_in_order();
    load_watch_end();
    row_result("a host and a guest that leave in order: %u times; both succeeded at once", times);
    row_end();
}

int main(void) {
    return row_main(children_keep_nobody_alive);
}
