// SPDX-License-Identifier: Apache-2.0
// Guests that die, stop or rest at their points while a host in this process calls, or whose host
// dies.
#define _POSIX_C_SOURCE 200809L
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <simpleipc/simpleipc.h>

#include "callers.h"
#include "visits.h"

enum { KNOWN_MAX_US = 100000, PATIENCE_US = 5000000, STOP_US = 10000 };
enum { SERVED_US = 15000 }; // of traffic before a victim that has not come to its point is ended
enum { SETTLE_US = 3000 };  // all threads of a guest that is ready have begun
enum { FOREVER_US = 1000000000 };

// ---- The victim's end --------------------------------------------------------------------------

// It stands still at its point: nobody takes it for dead. Then it dies there, and those whose
// request it would have answered know. That a guest came which died before it woke those who were
// waiting for one, nobody needs to know.
static void end_stopped(struct peer *victim, bool ready, const struct script *script,
                        const struct visit *visit) {
    row_sleep_us(STOP_US);
    note_requests();
    uint64_t killed = row_now_us();
    death_expected(killed);
    peer_kill(victim);
    while (ready && !requests_are_given_up()) {
        row_expect(row_now_us() - killed <= KNOWN_MAX_US,
                   "%s: after %d us callers still wait for a guest that died at \"%s\"",
                   script->name, KNOWN_MAX_US, visit->point);
        row_sleep_us(50);
    }
}

// Lets the victim live until it comes to its point, or for a while after it was ready; then its
// input ends. Returns whether it came there.
static bool outlive(struct peer *victim, const struct script *script, const struct visit *visit,
                    uint64_t served_us) {
    uint64_t began = row_now_us(), end_at = 0;
    bool ready = false, asked = false;
    for (;;) {
        enum end end = look_at(victim, &ready);
        uint64_t now = row_now_us();
        if (end == STOPPED) {
            end_stopped(victim, ready, script, visit);
            return true;
        }
        if (end == KILLED || end == ENDED_ITSELF) {
            char words[LINE_SIZE];
            snprintf(words, sizeof words, "%s", victim->pending);
            int status = peer_exit_status(victim);
            if (end == KILLED && visit->point) return true;
            row_expect(status == 0 || script->fails, "%s: the victim ended with status %d (%s): %s",
                       script->name, status, visit->point ? visit->point : "no point", words);
            return visit->fate == RESTS_THERE;
        }
        if (ready && !end_at) {
            end_at = now + served_us;
            // Not before: which thread of the victim's is its third would depend on who is faster.
            if (script->leaves) leaver_start();
        }
        if (end_at && now >= end_at && !asked) {
            end_input(victim);
            asked = true;
        }
        // Asleep on memory that nobody gives back it cannot be woken.
        if (script->way && strcmp(script->way, "spin") == 0 && now - began > PATIENCE_US / 10) {
            peer_kill(victim);
            return false;
        }
        row_expect(now - began < PATIENCE_US, "%s: the victim does not end (%s%s)", script->name,
                   ready ? "ready, " : "", visit->point ? visit->point : "no point");
        await_word_or_end(victim, 1);
    }
}

// False if it dies or stops before.
static bool becomes_ready(struct peer *peer) {
    bool ready = false;
    uint64_t began = row_now_us();
    for (;;) {
        enum end end = look_at(peer, &ready);
        if (ready || end != LIVES) return ready;
        row_expect(row_now_us() - began < PATIENCE_US, "a guest does not come");
        await_word_or_end(peer, 1);
    }
}

static void await_ready(struct peer *peer) {
    row_expect(becomes_ready(peer), "a guest ended before it served: %s", peer->pending);
}

static void start_plain(struct peer *peer, const struct script *script, const char *rules) {
    set_points(rules, NULL);
    peer_start(peer, script->program, host_region(), host_counts(), NULL);
    set_points(NULL, NULL);
}

// ---- A host that lives on ----------------------------------------------------------------------

static void expect_successor(const struct script *script, bool calling) {
    struct peer successor;
    start_plain(&successor, script, NULL);
    await_ready(&successor);
    if (calling) callers_stop();
    no_death_expected();
    expect_full_service();
    if (calling) audit();
    peer_finish(&successor);
}

// One that dies there while it serves a call of each slot, which nobody follows.
static void precede(const struct script *script) {
    struct peer predecessor;
    start_plain(&predecessor, script, script->predecessor);
    await_ready(&predecessor);
    call_once();
    row_expect(peer_exit_status(&predecessor) == 128 + SIGKILL, "a predecessor lives on");
}

static bool play_with_living_host(const struct script *script, const struct visit *visit) {
    struct peer victim;
    bool calling = !script->quiet;
    host_open(script->name, (sipc_backend)script->backend);
    if (script->predecessor) precede(script);
    if (visit->point && visit->fate == DIES_THERE) death_expected(0);
    note_words();
    start_victim(&victim, script, visit, host_region(), host_counts());
    if (calling) callers_start();
    unsigned served_us = script->quiet ? SETTLE_US : SERVED_US;
    if (script->leaves) served_us *= 3;
    bool reached = outlive(&victim, script, visit, served_us);
    expect_successor(script, calling);
    host_close();
    return reached;
}

// Another guest has all slots, until it leaves in order while calls flow.
static bool play_behind_another(const struct script *script, const struct visit *visit) {
    struct peer other, victim;
    host_open(script->name, (sipc_backend)script->backend);
    start_plain(&other, script, NULL);
    await_ready(&other);
    if (visit->point && visit->fate == DIES_THERE) death_expected(0);
    note_words();
    start_victim(&victim, script, visit, host_region(), host_counts());
    callers_start();
    row_sleep_us(20000);
    peer_finish(&other);
    bool reached = outlive(&victim, script, visit, SERVED_US);
    expect_successor(script, true);
    host_close();
    return reached;
}

// ---- A host that dies --------------------------------------------------------------------------

static void open_mortal_host(struct peer *host) {
    peer_start(host, HOST_C, NULL);
    peer_expect(host, "ready");
    const char *answer = peer_ask(host, "SIPC_OK", "open %s 2 4096 0 0", host_region());
    uint64_t took_us = number_in(answer, "took_us=");
    row_expect(took_us <= KNOWN_MAX_US, "a host took %" PRIu64 " us to start", took_us);
}

static void expect_next_pair(const struct script *script) {
    struct peer host, successor;
    open_mortal_host(&host);
    start_plain(&successor, script, NULL);
    await_ready(&successor);
    const char *tally = peer_ask(&host, "ok", "traffic callers=2 calls=20 way=own");
    row_expect(number_in(tally, "answered=") == 40, "%s", tally);
    peer_ask(&host, "SIPC_OK", "close");
    peer_finish(&host);
    peer_finish(&successor);
}

static bool play_with_killed_host(const struct script *script, const struct visit *visit) {
    struct peer host, victim;
    host_name_only(script->name);
    open_mortal_host(&host);
    start_victim(&victim, script, visit, host_region(), host_counts());
    becomes_ready(&victim);
    uint64_t killed = row_now_us();
    peer_kill(&host);
    bool reached = outlive(&victim, script, visit, FOREVER_US);
    uint64_t took_us = row_now_us() - killed;
    row_expect(reached || took_us <= KNOWN_MAX_US,
               "%s: the host's death ended the guest after %" PRIu64 " us", script->name, took_us);
    expect_next_pair(script);
    host_forget_name();
    return reached;
}

// The host stands still, so that it is the victim that meets the missing memory.
static bool play_with_truncation(const struct script *script, const struct visit *visit) {
    struct peer host, victim;
    host_name_only(script->name);
    open_mortal_host(&host);
    start_victim(&victim, script, visit, host_region(), host_counts());
    becomes_ready(&victim);
    peer_stop(&host);
    char path[192];
    snprintf(path, sizeof path, "/dev/shm/simpleipc.%s", host_region());
    row_expect(truncate(path, 0) == 0, "truncate of %s", path);
    bool reached = outlive(&victim, script, visit, SETTLE_US);
    peer_continue(&host);
    peer_ask(&host, "SIPC_OK", "close");
    peer_finish(&host);
    expect_next_pair(script);
    host_forget_name();
    return reached;
}

// ---- A host with many requests in flight -------------------------------------------------------

static bool play_with_pipelining_host(const struct script *script, const struct visit *visit) {
    struct peer host, victim, successor;
    host_name_only(script->name);
    peer_start(&host, PLAIN_PIPELINE_HOST, NULL);
    peer_expect(&host, "ready");
    peer_ask(&host, "SIPC_OK", "open %s 2 4096 0 0", host_region());
    start_victim(&victim, script, visit, host_region(), host_counts());
    peer_say(&host, "pipeline 30");
    bool reached = outlive(&victim, script, visit, SERVED_US);
    start_plain(&successor, script, NULL);
    await_ready(&successor);
    const char *tally = peer_expect(&host, "ok");
    row_expect(number_in(tally, "answered=") + number_in(tally, "ended=") == 30, "%s", tally);
    peer_ask(&host, "ok", "pipeline 10");
    peer_ask(&host, "SIPC_OK", "close");
    peer_finish(&host);
    peer_finish(&successor);
    host_forget_name();
    return reached;
}

// ---- Guests that call ---------------------------------------------------------------------------

static void start_server(struct peer *server) {
    peer_start(server, SERVER_C, host_region(), "2", "4096", NULL);
    peer_expect(server, "ready");
}

// Each guest slot serves the next guest.
static void expect_calls_answered(struct peer *server) {
    struct peer caller;
    peer_start(&caller, CALLER_C, NULL);
    peer_expect(&caller, "ready");
    peer_ask(&caller, "SIPC_OK", "open %s 2 0 0 0", host_region());
    const char *tally = peer_ask(&caller, "ok", "traffic callers=2 calls=20 way=session");
    row_expect(number_in(tally, "answered=") == 40, "%s", tally);
    peer_ask(&caller, "SIPC_OK", "close");
    peer_finish(&caller);
    peer_finish(server);
}

static bool play_with_serving_host(const struct script *script, const struct visit *visit) {
    struct peer server, victim;
    host_name_only(script->name);
    start_server(&server);
    start_victim(&victim, script, visit, host_region(), host_counts());
    bool reached = outlive(&victim, script, visit, SERVED_US);
    expect_calls_answered(&server);
    host_forget_name();
    return reached;
}

// The victim is the host: whoever calls it ends by itself, or finds the next.
static bool play_with_calling_guest(const struct script *script, const struct visit *visit) {
    struct peer victim, caller, server;
    host_name_only(script->name);
    peer_start(&caller, POINTS_GUEST, host_region(), host_counts(), "call", NULL);
    start_victim(&victim, script, visit, host_region(), host_counts());
    bool reached = outlive(&victim, script, visit, SERVED_US);
    start_server(&server);
    peer_expect(&caller, "ready");
    peer_finish(&caller);
    expect_calls_answered(&server);
    host_forget_name();
    return reached;
}

// ---- Guests in C -------------------------------------------------------------------------------

#define GUEST(how) .program = POINTS_GUEST, .play = play_with_##how
#define NO_PIDFD .rules = "watch.c:watch_process:syscall SYS_pidfd_open before#0=fail:38"
// Of the one before nothing is left but what it has written.
#define AFTER(point) .predecessor = point " after#1=kill", .quiet = true, .again = true

// Two threads find the same memory lost.
#define IN_TWO_THREADS "guard.c:grow:sipc_add_barrier &entry->in_vain"

static const struct script in_c[] = {
    {GUEST(living_host), .name = "lives"},
    {GUEST(living_host), .name = "succeeds-one-in-a-handler",
     AFTER("responder.c:serve_request:sipc_exchange_barrier &slot->owner->started")},
    {GUEST(living_host), .name = "succeeds-one-that-answered",
     AFTER("responder.c:answer_tiny:sipc_publish &line->tiny_state")},
    {GUEST(living_host), .name = "has-semaphores", .backend = SIPC_BACKEND_SEMAPHORE},
    {GUEST(living_host), .name = "lives-in-a-sealed-region", .sealed = true},
    {GUEST(living_host), .name = "leaves-without-pidfd", NO_PIDFD},
    {GUEST(living_host), .name = "has-handlers-that-leave", .leaves = true},
    {GUEST(living_host), .name = "cannot-replace-a-thread", .leaves = true,
     .rules = "thread.c:sipc_os_thread_start:pthread_create before#3=fail"},
    {GUEST(living_host), .name = "has-no-memory-to-poll",
     .rules = "watch.c:descriptors:malloc before#1=fail"},
    {GUEST(living_host), .name = "answers-later", .way = "later"},
    {GUEST(living_host), .name = "serves-from-a-loop", .way = "loop"},
    {GUEST(pipelining_host), .name = "serves-a-pipeline"},
    {GUEST(pipelining_host), .name = "serves-a-pipeline-with-one-worker", .way = "group"},
    {.program = POINTS_GUEST, .play = play_behind_another, .name = "is-a-spare", .way = "spare"},
    {GUEST(killed_host), .name = "outlives-its-host"},
    {GUEST(killed_host), .name = "outlives-its-host-without-pidfd", NO_PIDFD},
    {GUEST(truncation), .name = "loses-its-memory", .by_luck = IN_TWO_THREADS},
    {GUEST(truncation), .name = "loses-its-memory-for-good", .by_luck = IN_TWO_THREADS,
     .rules = "guard.c:grow:ftruncate before#0=fail", .way = "spin"},
    {GUEST(truncation), .name = "loses-its-memory-in-two-threads",
     .rules = "guard.c:grow:fstat before#1=delay:5000"},
    {GUEST(serving_host), .name = "calls-its-host", .way = "call"},
    {GUEST(serving_host), .name = "calls-its-host-asynchronously", .way = "async"},
    {GUEST(serving_host), .name = "keeps-its-host-busy", .way = "pipeline"},
    {GUEST(calling_guest), .name = "is-a-host-that-is-called", .way = "serve"},
    {GUEST(calling_guest), .name = "is-a-host-with-a-loop", .way = "serve-in-loop"},
    {GUEST(calling_guest), .name = "has-no-thread-to-serve", .way = "serve", .fails = true,
     .rules = "thread.c:sipc_os_thread_start:pthread_create before#2=fail"},
};

static const struct script failing_in_c[] = {
    {GUEST(living_host), .name = "cannot-attach", .quiet = true},
    {GUEST(living_host), .name = "cannot-attach-sealed", .quiet = true, .sealed = true},
};

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

const struct scripts c_guests = {"C guest", in_c, COUNT(in_c), failing_in_c, COUNT(failing_in_c)};

// ---- Guests in Go ------------------------------------------------------------------------------

#define GO_GUEST(how) .program = POINTS_GUEST_GO, .play = play_with_##how
#define GO_NO_PIDFD .rules = "os_watch_linux.go:openProcess:unix.PidfdOpen before#0=fail:38"

static const struct script in_go[] = {
    {GO_GUEST(living_host), .name = "lives"},
    {GO_GUEST(living_host), .name = "succeeds-one-in-a-handler",
     AFTER("responder.go:responder.begin:atomic.SwapUint32 &r.slot.owner.started")},
    {GO_GUEST(living_host), .name = "succeeds-one-that-answered",
     AFTER("responder.go:responder.answerInTurnLine:atomic.SwapUint32 &line.tinyState")},
    {.program = POINTS_GUEST_GO_CGO,
     .play = play_with_living_host,
     .name = "has-semaphores",
     .backend = SIPC_BACKEND_SEMAPHORE},
    {GO_GUEST(living_host), .name = "lives-in-a-sealed-region", .sealed = true},
    {GO_GUEST(living_host), .name = "leaves-without-pidfd", GO_NO_PIDFD},
    {GO_GUEST(living_host), .name = "has-handlers-that-leave", .leaves = true},
    {GO_GUEST(living_host), .name = "answers-later", .way = "later", .leaves = true},
    {GO_GUEST(pipelining_host), .name = "serves-a-pipeline"},
    {GO_GUEST(pipelining_host), .name = "serves-a-pipeline-with-one-worker", .way = "group"},
    {.program = POINTS_GUEST_GO, .play = play_behind_another, .name = "is-a-spare", .way = "spare"},
    {GO_GUEST(killed_host), .name = "outlives-its-host"},
    {GO_GUEST(killed_host), .name = "outlives-its-host-without-pidfd", GO_NO_PIDFD},
    {GO_GUEST(truncation), .name = "loses-its-memory"},
    {GO_GUEST(serving_host), .name = "calls-its-host", .way = "call"},
    {GO_GUEST(serving_host), .name = "keeps-its-host-busy", .way = "pipeline"},
};

static const struct script failing_in_go[] = {
    {GO_GUEST(living_host), .name = "cannot-attach", .quiet = true},
    {GO_GUEST(living_host), .name = "cannot-attach-sealed", .quiet = true, .sealed = true},
};

const struct scripts go_guests = {"Go guest", in_go, COUNT(in_go), failing_in_go,
                                  COUNT(failing_in_go)};
