// SPDX-License-Identifier: Apache-2.0
// Hosts that die, stop or rest at their points while a guest in another process serves them. It
// attaches again to whatever host comes.
#define _POSIX_C_SOURCE 200809L
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "callers.h"
#include "visits.h"

enum { KNOWN_MAX_US = 100000, PATIENCE_US = 5000000, STOP_US = 10000, MOST_LINES = 12 };

// What the host is told, line by line, and what happens beside it.
#define GUEST_COMES "(the guest serves)"
#define GUEST_DIES "(the guest dies, another comes)"

static const char *const lines_of_calls[] = {
    "open",
    GUEST_COMES,
    "traffic callers=1 calls=3 way=any request=12..20 response=0..20",
    "traffic callers=4 calls=20 way=any pause=0..300",
    "traffic callers=4 calls=10 way=own sleep=0..100",
    "traffic callers=2 calls=5 way=session pause=0..300",
    "traffic callers=4 calls=10 way=any timeout=100..400 sleep=0..500",
    "traffic callers=4 calls=10 way=in-place timeout=100..400 sleep=0..500",
    "close",
    NULL};
static const char *const lines_of_death[] = {
    "open", GUEST_COMES, "begin callers=4 way=any sleep=0..200", GUEST_DIES, "end", "close", NULL};
static const char *const lines_of_life[] = {"open", GUEST_COMES, "close", NULL};
static const char *const lines_of_a_crowd[] = {
    "open", GUEST_COMES, "traffic callers=8 calls=10 way=any sleep=2000..9000", "close", NULL};
// So many that some are sampled.
static const char *const lines_of_samples[] = {"open", GUEST_COMES, "traffic callers=1 calls=1100",
                                               "close", NULL};
static const char *const lines_of_pipelines[] = {"open", GUEST_COMES, "pipeline 30", "close", NULL};
static const char *const lines_of_loops[] = {"open", GUEST_COMES, "looped 30", "close", NULL};
#define NOBODY "named nobody"
// And any guest after one by its name.
static const char *const lines_of_names[] = {"open",
                                             GUEST_COMES,
                                             "named points 2000000",
                                             "traffic callers=1 calls=3 way=any",
                                             "named nobody 3000",
                                             "close",
                                             NULL};
static const char *const lines_of_failure[] = {"open", NULL};

struct pair {
    const struct script *script;
    const struct visit *visit;
    char region[128];
    struct peer host, guest;
    unsigned attached, served, ended; // how often the guest said so
    bool dead;                        // the host has come to its point
    bool closing;                     // it was told to
};

// ---- The guest ---------------------------------------------------------------------------------

static unsigned times(const char *text, const char *word) {
    unsigned count = 0;
    for (const char *at = text; (at = strstr(at, word)) != NULL; at += strlen(word)) count++;
    return count;
}

static void listen_to_guest(struct pair *pair) {
    bool ready = false;
    row_expect(look_at(&pair->guest, &ready) == LIVES, "the guest ended: %s", pair->guest.pending);
    pair->attached = times(pair->guest.pending, "attached ");
    pair->served = times(pair->guest.pending, "ready\n");
    pair->ended = times(pair->guest.pending, "ended");
}

// In both languages by turns.
static const char *next_guest(const struct script *script) {
    static unsigned turn;
    if (turn++ % 2 == 0) return GUEST_C;
    return script->backend == SIPC_BACKEND_SEMAPHORE ? GUEST_GO_CGO : GUEST_GO;
}

static void start_guest(struct pair *pair) {
    pair->attached = pair->served = pair->ended = 0;
    peer_start(&pair->guest, next_guest(pair->script), pair->region, "--again", "--name", "points",
               NULL);
}

// ---- The host's end ----------------------------------------------------------------------------

// Whoever served the host knows at once that it has died.
static void see_death_known(struct pair *pair, uint64_t killed_us) {
    while (listen_to_guest(pair), pair->served > pair->ended) {
        row_expect(row_now_us() - killed_us <= KNOWN_MAX_US,
                   "after %d us the guest still serves a dead host", KNOWN_MAX_US);
        await_word_or_end(&pair->guest, 1);
    }
    samples_add(&figures.known, row_now_us() - killed_us);
}

static void see_stopped_alive(struct pair *pair) {
    listen_to_guest(pair);
    unsigned ended = pair->ended;
    row_sleep_us(STOP_US);
    listen_to_guest(pair);
    row_expect(pair->ended == ended || pair->closing, "a stopped host was taken for dead");
}

// Whether the host has come to its point; it is dead then.
static bool has_died(struct pair *pair) {
    bool ready = false;
    enum end end = look_at(&pair->host, &ready);
    if (end == LIVES) return false;
    row_expect(end != ENDED_ITSELF, "the host ended by itself: %s", pair->host.pending);
    row_expect(pair->visit->point != NULL, "the host was killed by somebody else");
    if (end == STOPPED) see_stopped_alive(pair);
    uint64_t killed_us = row_now_us();
    peer_kill(&pair->host);
    pair->dead = true;
    see_death_known(pair, killed_us);
    // A stale region is whole: a guest may take it for that of the host that is removing it.
    row_expect(!pair->visit->half_built || pair->script->stale || pair->attached == 0,
               "a guest attached to a half-built region of a host that died at \"%s\"",
               pair->visit->point);
    return true;
}

// ---- The script --------------------------------------------------------------------------------

static bool hear_host(struct pair *pair, char line[LINE_SIZE]) {
    uint64_t began = row_now_us();
    while (!has_died(pair)) {
        char *end = strchr(pair->host.pending, '\n');
        if (pair->host.filled && end) {
            *end = '\0';
            snprintf(line, LINE_SIZE, "%s", pair->host.pending);
            pair->host.filled = 0;
            pair->host.pending[0] = '\0';
            return true;
        }
        row_expect(row_now_us() - began < PATIENCE_US, "the host does not answer");
        await_word_or_end(&pair->host, 1);
    }
    return false;
}

static bool tell_host(struct pair *pair, const char *line) {
    char text[256], answer[LINE_SIZE] = "";
    bool opens = strcmp(line, "open") == 0;
    pair->closing = strcmp(line, "close") == 0;
    if (opens)
        snprintf(text, sizeof text, "open %s %d 4096 %d 0", pair->region, HOST_SLOTS,
                 pair->script->backend);
    // Without a check: it may die at any time.
    dprintf(pair->host.to, "%s\n", opens ? text : line);
    if (!hear_host(pair, answer)) return false;
    bool right = strncmp(answer, "ok", 2) == 0 || strncmp(answer, "SIPC_OK", 7) == 0;
    right = right || (strncmp(line, NOBODY, sizeof NOBODY - 1) == 0 &&
                      strncmp(answer, "SIPC_NO_GUEST", 13) == 0);
    row_expect(right || pair->script->fails, "%s: %s", line, answer);
    return true;
}

// False if the host dies before.
static bool await_guest(struct pair *pair) {
    uint64_t began = row_now_us();
    while (listen_to_guest(pair), pair->served == pair->ended) {
        if (has_died(pair)) return false;
        row_expect(row_now_us() - began < PATIENCE_US, "%s: the guest does not come (%s): %s",
                   pair->script->name, pair->visit->point ? pair->visit->point : "no point",
                   pair->guest.pending);
        await_word_or_end(&pair->guest, 1);
    }
    return !has_died(pair);
}

static bool act(struct pair *pair, const char *line) {
    if (strcmp(line, GUEST_COMES) == 0) return await_guest(pair);
    if (strcmp(line, GUEST_DIES) == 0) {
        row_sleep_us(1000);
        if (has_died(pair)) return false;
        peer_kill(&pair->guest);
        start_guest(pair);
        return true;
    }
    return tell_host(pair, line);
}

// The name is free at once, whatever the dead host has left, and its guest serves the next one.
static void expect_next_host(struct pair *pair) {
    pair->visit = &(struct visit){.point = NULL};
    peer_start(&pair->host, HOST_C, NULL);
    peer_expect(&pair->host, "ready");
    const char *answer = peer_ask(&pair->host, "SIPC_OK", "open %s 2 4096 %d 0", pair->region,
                                  pair->script->backend);
    uint64_t took_us = number_in(answer, "took_us=");
    row_expect(took_us <= KNOWN_MAX_US, "the next host took %" PRIu64 " us to start", took_us);
    await_guest(pair);
    for (unsigned slot = 0; slot < HOST_SLOTS; slot++)
        peer_ask(&pair->host, "ok", "reveal %u 200", slot);
    const char *tally = peer_ask(&pair->host, "ok", "traffic callers=2 calls=10 way=own");
    row_expect(number_in(tally, "answered=") == 20, "%s", tally);
    peer_ask(&pair->host, "SIPC_OK", "close");
    peer_finish(&pair->host);
}

// A host of the same kind that was killed has left all that it made.
static void leave_stale_region(struct pair *pair) {
    peer_start(&pair->host, HOST_C, NULL);
    peer_expect(&pair->host, "ready");
    peer_ask(&pair->host, "SIPC_OK", "open %s 2 4096 %d 0", pair->region, pair->script->backend);
    peer_kill(&pair->host);
}

static void end_in_order(struct pair *pair) {
    bool ready = false;
    end_input(&pair->host);
    while (look_at(&pair->host, &ready) == LIVES) await_word_or_end(&pair->host, 1);
    if (look_at(&pair->host, &ready) == ENDED_ITSELF)
        peer_finish(&pair->host);
    else
        has_died(pair);
}

static bool play_host(const struct script *script, const struct visit *visit) {
    struct pair pair = {.script = script, .visit = visit};
    snprintf(pair.region, sizeof pair.region, "%s%s", row_region(), script->name);
    if (script->stale) leave_stale_region(&pair);
    start_guest(&pair);
    start_victim(&pair.host, script, visit, NULL, NULL);
    char line[LINE_SIZE];
    bool lives = hear_host(&pair, line); // "ready"
    for (unsigned i = 0; lives && script->lines[i]; i++) lives = act(&pair, script->lines[i]);
    if (lives) end_in_order(&pair);
    bool reached = pair.dead || visit->fate == RESTS_THERE;
    expect_next_host(&pair);
    peer_kill(&pair.guest);
    unsigned left = remove_leftovers(pair.region);
    row_expect(left == 0, "%s: %u names are left in shared memory after a host that died at \"%s\"",
               script->name, left, visit->point ? visit->point : "no point");
    return reached;
}

#define NO_PIDFD "watch.c:watch_process:syscall SYS_pidfd_open before#0=fail:38"
#define HOST .program = POINTS_HOST, .play = play_host

#define NO_BARRIER "barrier.c:sipc_os_barrier_for_all:syscall SYS_membarrier before#0=fail:1"

#define STALE(kind) .name = "finds-a-stale-region-of-" kind, .lines = lines_of_life, .stale = true
#define SEALED .sealed = true, .backend = SIPC_BACKEND_FUTEX

static const struct script scripts[] = {
    {HOST, .name = "calls", .lines = lines_of_calls},
    {HOST, .name = "sampled-calls", .lines = lines_of_samples},
    {HOST, .name = "calls-by-semaphores", .lines = lines_of_calls,
     .backend = SIPC_BACKEND_SEMAPHORE},
    {HOST, .name = "calls-in-a-sealed-region", .lines = lines_of_calls, SEALED},
    {HOST, .name = "has-a-crowd-of-callers", .lines = lines_of_a_crowd},
    {HOST, .name = "has-a-crowd-and-no-barrier", .lines = lines_of_a_crowd, .rules = NO_BARRIER},
    {HOST, .name = "calls-guests-by-name", .lines = lines_of_names},
    {HOST, .name = "loses-its-guest", .lines = lines_of_death},
    {.program = POINTS_PIPELINE_HOST,
     .play = play_host,
     .name = "has-many-requests-in-flight",
     .lines = lines_of_pipelines},
    {.program = POINTS_PIPELINE_HOST,
     .play = play_host,
     .name = "has-requests-in-flight-in-a-loop",
     .lines = lines_of_loops},
    {HOST, .name = "loses-its-guest-without-pidfd", .lines = lines_of_death, .rules = NO_PIDFD},
};
const struct scripts c_hosts = {"C host", scripts, sizeof scripts / sizeof scripts[0], NULL, 0};

static const struct script creations[] = {
    {HOST, .name = "is-created", .lines = lines_of_life},
    {HOST, STALE("futexes")},
    {HOST, STALE("semaphores"), .backend = SIPC_BACKEND_SEMAPHORE},
    {HOST, .name = "is-created-sealed", .lines = lines_of_life, SEALED},
    {HOST, STALE("a-sealed-host"), SEALED},
};

static const struct script failing[] = {
    {HOST, .name = "cannot-be-created", .lines = lines_of_failure},
    {HOST, .name = "cannot-be-created-anew", .lines = lines_of_failure, .stale = true},
    {HOST, .name = "cannot-be-created-sealed", .lines = lines_of_failure, SEALED},
};

const struct scripts c_creators = {"C creator", creations, sizeof creations / sizeof creations[0],
                                   failing, sizeof failing / sizeof failing[0]};
