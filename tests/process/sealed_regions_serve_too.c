// SPDX-License-Identifier: Apache-2.0
// Sealed regions: between every pair of languages, through every death, for the users that were
// named and for nobody else, and between containers that share only the socket's folder.
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "load.h"
#include "promises.h"

enum {
    SLOTS = 4,
    DATA_SIZE = 8192,
    FOREIGN_USER = 4242,
    PROMPT_MS = 100,
    PROMPT_US = 100000,
    PATIENT_MS = 1000
};

// As read from another user namespace.
#define NOBODY "65534"

static char folder[sizeof "/tmp/sealed-XXXXXX"];

// Names in a folder that contain the text.
static unsigned names_in(const char *path, const char *text) {
    DIR *opened = opendir(path);
    assert_non_null(opened);
    unsigned count = 0;
    for (const struct dirent *entry; (entry = readdir(opened)) != NULL;)
        if (entry->d_name[0] != '.' && strstr(entry->d_name, text)) count++;
    closedir(opened);
    return count;
}

static void nothing_is_left(const struct run *run) {
    assert_int_equal(names_in(folder, run->region), 0);
    assert_int_equal(names_in("/dev/shm", run->region), 0);
}

static void end_sealed_pair(struct run *run) {
    end_pair(run);
    nothing_is_left(run);
}

// ---- Service -----------------------------------------------------------------------------------

static void service(struct run *run) {
    start_pair(run, SLOTS, DATA_SIZE);
    assert_int_equal(names_in(folder, run->region), 1);
    assert_int_equal(names_in("/dev/shm", run->region), 0);
    peer_ask(&run->host, "ok", "sizes 0 4096 31");
    full_service(&run->host, SLOTS);
    end_sealed_pair(run);
}

static void guest_first(struct run *run) {
    start_guest(run, &run->guest, "");
    start_host(run, &run->host);
    sleep_ms(30); // the guest looks and waits
    open_region(run, &run->host, SLOTS, DATA_SIZE, DEFAULT_BACKEND);
    assert_int_equal(guest_serves(&run->guest), SLOTS);
    full_service(&run->host, SLOTS);
    end_sealed_pair(run);
}

static void many_lives(struct run *run) {
    enum { ROUNDS = 20 };
    start_host(run, &run->host);
    start_guest(run, &run->guest, "--again");
    for (unsigned i = 0; i < ROUNDS; i++) {
        open_region(run, &run->host, SLOTS, DATA_SIZE, DEFAULT_BACKEND);
        guest_serves(&run->guest);
        full_service(&run->host, SLOTS);
        peer_ask(&run->host, "SIPC_OK", "close");
        assert_string_equal(peer_hear(&run->guest), "ended");
    }
    peer_kill(&run->guest);
    peer_finish(&run->host);
    nothing_is_left(run);
}

// ---- Deaths ------------------------------------------------------------------------------------

// It leaves its socket, which stands in nobody's way.
static void killed_host(struct run *run) {
    start_pair(run, SLOTS, DATA_SIZE);
    peer_ask(&run->host, "ok", "begin callers=4");
    sleep_ms(20);
    peer_kill(&run->host);
    struct moment began = moment_now();
    assert_string_equal(peer_hear(&run->guest), "ended SIPC_PEER_DIED");
    assert_in_range(us_since(began), 0, PROMPT_US);
    peer_finish(&run->guest);
    assert_int_equal(names_in(folder, run->region), 1);
    start_guest(run, &run->guest, "");
    start_host(run, &run->host);
    const char *opened =
        peer_ask(&run->host, "SIPC_OK", "open %s %u %u 0 0", run->region, SLOTS, DATA_SIZE);
    assert_in_range(number_in(opened, "took_us="), 0, PROMPT_US);
    assert_int_equal(guest_serves(&run->guest), SLOTS);
    full_service(&run->host, SLOTS);
    end_sealed_pair(run);
}

static void killed_guest(struct run *run) {
    enum { ANNOUNCE = 134, HANDLER_US = 10000000, TIMEOUT_US = 10000000 };
    start_pair(run, SLOTS, DATA_SIZE);
    peer_say(&run->host, "stamped 1 %d 40 %d %d", ANNOUNCE, TIMEOUT_US, HANDLER_US);
    peer_expect(&run->guest, "handling");
    struct moment began = moment_now();
    peer_kill(&run->guest);
    const char *told = peer_expect(&run->host, "SIPC_PEER_DIED_MAYBE_EXECUTED ");
    assert_in_range(us_since(began), 0, PROMPT_US);
    assert_int_equal(number_in(told, "fate="), MAYBE_EXECUTED);
    start_guest(run, &run->guest, "");
    assert_int_equal(guest_serves(&run->guest), SLOTS);
    full_service(&run->host, SLOTS);
    end_sealed_pair(run);
}

static void reconnecting_guest(struct run *run) {
    enum { ROUNDS = 6 };
    start_guest(run, &run->guest, "--reconnect");
    for (unsigned i = 0; i < ROUNDS; i++) {
        start_host(run, &run->host);
        open_region(run, &run->host, SLOTS, DATA_SIZE, DEFAULT_BACKEND);
        full_service(&run->host, SLOTS);
        if (i % 2 == 0) {
            peer_kill(&run->host);
        } else {
            peer_ask(&run->host, "SIPC_OK", "close");
            peer_finish(&run->host);
        }
    }
    guest_serves(&run->guest); // it said so once
    peer_say(&run->guest, "stop");
    guest_ends(&run->guest);
    nothing_is_left(run);
}

static void stopped_host(struct run *run) {
    start_host(run, &run->host);
    open_region(run, &run->host, SLOTS, DATA_SIZE, DEFAULT_BACKEND);
    peer_stop(&run->host);
    const uint64_t began_ms = now_ms();
    struct moment began = moment_now();
    start_guest(run, &run->guest, "--attach-ms 300");
    peer_expect(&run->guest, "failed ");
    assert_true(now_ms() - began_ms >= 300);
    assert_in_range(us_since(began), 0, 500000); // a process is started as well
    assert_int_equal(peer_exit_status(&run->guest), 1);
    start_guest(run, &run->guest, "");
    sleep_ms(100);
    peer_continue(&run->host);
    assert_int_equal(guest_serves(&run->guest), SLOTS);
    full_service(&run->host, SLOTS);
    end_sealed_pair(run);
}

// ---- The name ----------------------------------------------------------------------------------

static void two_hosts(struct run *run) {
    enum { ROUNDS = 100, KILLED_EVERY = 5 };
    struct peer *hosts[2] = {&run->host, &run->other};
    start_host(run, &run->host);
    start_host(run, &run->other);
    for (unsigned i = 0; i < ROUNDS; i++) {
        unsigned long long moment = (now_ms() + 2) * 1000000;
        for (int h = 0; h < 2; h++)
            peer_say(hosts[h], "open %s 2 4096 0 %llu", run->region, moment);
        bool first = strncmp(peer_hear(hosts[0]), "SIPC_OK ", 8) == 0;
        peer_expect(hosts[1], first ? "SIPC_EXISTS " : "SIPC_OK ");
        if (!first && strncmp(hosts[0]->line, "SIPC_EXISTS ", 12) != 0)
            fail_msg("the loser says \"%s\"", hosts[0]->line);
        struct peer *winner = hosts[first ? 0 : 1];
        if (i % KILLED_EVERY) {
            peer_ask(winner, "SIPC_OK", "close");
        } else {
            peer_kill(winner);
            start_host(run, winner);
        }
    }
    open_region(run, &run->host, SLOTS, DATA_SIZE, DEFAULT_BACKEND);
    start_guest(run, &run->guest, "");
    guest_serves(&run->guest);
    full_service(&run->host, SLOTS);
    peer_finish(&run->other);
    end_sealed_pair(run);
}

// ---- Users -------------------------------------------------------------------------------------

static void start_foreign_guest(struct run *run, bool any_owner) {
    char user[16];
    snprintf(user, sizeof user, "%d", FOREIGN_USER);
    setenv("GUEST_USER", user, 1);
    if (any_owner) setenv("ANY_OWNER", "1", 1);
    start_guest(run, &run->guest, "--attach-ms 5000");
    unsetenv("GUEST_USER");
    unsetenv("ANY_OWNER");
}

static void foreign_guest_is_refused(struct run *run, bool any_owner, const char *says) {
    uint64_t began = now_ms();
    start_foreign_guest(run, any_owner);
    const char *told = peer_expect(&run->guest, "failed ");
    if (!strstr(told, says)) fail_msg("no \"%s\" in \"%s\"", says, told);
    assert_in_range(now_ms() - began, 0, 2000); // not tried again and again
    assert_int_equal(peer_exit_status(&run->guest), 1);
}

static void open_for(struct run *run, const char *user) {
    setenv("SEALED_USER", user, 1);
    start_host(run, &run->host);
    unsetenv("SEALED_USER");
    open_region(run, &run->host, SLOTS, DATA_SIZE, DEFAULT_BACKEND);
}

static void own_guest_is_served(struct run *run) {
    start_guest(run, &run->guest, "");
    assert_int_equal(guest_serves(&run->guest), SLOTS);
    full_service(&run->host, SLOTS);
    end_sealed_pair(run);
}

static void foreign_users(struct run *run) {
    start_host(run, &run->host);
    open_region(run, &run->host, SLOTS, DATA_SIZE, DEFAULT_BACKEND);
    foreign_guest_is_refused(run, true, "may not reach");
    own_guest_is_served(run);
    // The socket lets everybody in when others are named; who they are decides.
    open_for(run, "4243");
    foreign_guest_is_refused(run, true, "does not admit");
    own_guest_is_served(run);
    open_for(run, "4242");
    foreign_guest_is_refused(run, false, "the host at"); // whom it does not trust
    start_foreign_guest(run, true);
    assert_int_equal(guest_serves(&run->guest), SLOTS);
    full_service(&run->host, SLOTS);
    peer_kill(&run->guest);
    start_foreign_guest(run, true);
    assert_int_equal(guest_serves(&run->guest), SLOTS);
    peer_kill(&run->host);
    assert_string_equal(peer_hear(&run->guest), "ended SIPC_PEER_DIED");
    peer_finish(&run->guest);
    open_for(run, "4242");
    own_guest_is_served(run);
}

// ---- Containers --------------------------------------------------------------------------------

// In namespaces of its own, without the others' shared memory.
static void start_apart(struct peer *peer, const char *program, const char *argument,
                        const char *option) {
    peer_start(peer, "/usr/bin/unshare", "--user", "--map-root-user", "--mount", "--pid", "--net",
               "--ipc", "--fork", "--mount-proc", "--kill-child", "/bin/sh", "-c",
               "mount -t tmpfs none /dev/shm && exec \"$0\" \"$@\"", program, argument, option,
               NULL);
}

static void start_guest_apart(struct run *run) {
    start_apart(&run->guest, run->guest_program, run->region, NULL);
    assert_int_equal(guest_serves(&run->guest), SLOTS);
}

static void start_host_apart(struct run *run) {
    start_apart(&run->host, run->pairing->host, NULL, NULL);
    peer_expect(&run->host, "ready");
    open_region(run, &run->host, SLOTS, DATA_SIZE, DEFAULT_BACKEND);
}

static void containers(struct run *run) {
    start_host_apart(run);
    start_guest_apart(run);
    peer_ask(&run->host, "ok", "sizes 0 2048 63");
    full_service(&run->host, SLOTS);
    // Deaths are known here too, though no process id of the other means anything.
    peer_say(&run->host, "stamped 1 134 40 10000000 10000000");
    peer_expect(&run->guest, "handling");
    peer_kill(&run->guest);
    struct moment began = moment_now();
    peer_expect(&run->host, "SIPC_PEER_DIED_MAYBE_EXECUTED ");
    assert_in_range(us_since(began), 0, PROMPT_US);
    start_guest_apart(run);
    full_service(&run->host, SLOTS);
    peer_kill(&run->host);
    began = moment_now();
    assert_string_equal(peer_hear(&run->guest), "ended SIPC_PEER_DIED");
    assert_in_range(us_since(began), 0, PROMPT_US);
    peer_finish(&run->guest);
    start_host_apart(run);
    start_guest_apart(run);
    full_service(&run->host, SLOTS);
    end_sealed_pair(run);
}

// A user who means nothing in the host's namespace reads as "nobody" there, and is none of those
// who were named so.
static void nobody_is_nobody(struct run *run) {
    setenv("SEALED_USER", NOBODY, 1);
    start_host_apart(run);
    unsetenv("SEALED_USER");
    foreign_guest_is_refused(run, true, "does not admit");
    own_guest_is_served(run);
}

// ---- Crowds ------------------------------------------------------------------------------------

struct crowd {
    pthread_t thread;
    struct sockaddr_un address;
    atomic_bool leaves;
    unsigned long connections;
};

// Connects as fast as it can, and keeps some of the connections without ever taking what comes.
static void *crowd_in(void *context) {
    enum { KEPT = 200 };
    struct crowd *crowd = context;
    int kept[KEPT];
    for (int i = 0; i < KEPT; i++) kept[i] = -1;
    while (!atomic_load_explicit(&crowd->leaves, memory_order_acquire)) {
        int *place = &kept[crowd->connections % KEPT];
        if (*place >= 0) close(*place);
        *place = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (connect(*place, (struct sockaddr *)&crowd->address, sizeof crowd->address) == 0)
            crowd->connections++;
    }
    for (int i = 0; i < KEPT; i++)
        if (kept[i] >= 0) close(kept[i]);
    return NULL;
}

// The crowd is one busy thread more: a single slow round may be the machine's.
static void a_crowd_at_the_socket(struct run *run) {
    struct crowd crowd = {.address = {.sun_family = AF_UNIX}};
    start_pair(run, SLOTS, DATA_SIZE);
    unsigned descriptors = usage_of(run->host.pid).descriptors;
    snprintf(crowd.address.sun_path, sizeof crowd.address.sun_path, "%s/simpleipc.%s", folder,
             run->region);
    assert_int_equal(pthread_create(&crowd.thread, NULL, crowd_in, &crowd), 0);
    full_service(&run->host, SLOTS);
    uint64_t fastest = UINT64_MAX;
    for (unsigned i = 0; i < 5; i++) {
        peer_say(&run->host, "stamped 1 134 40 10000000 10000000");
        peer_expect(&run->guest, "handling");
        uint64_t began = now_ms();
        peer_kill(&run->guest);
        peer_expect(&run->host, "SIPC_PEER_DIED_MAYBE_EXECUTED ");
        uint64_t took = now_ms() - began;
        if (took < fastest) fastest = took;
        assert_in_range(took, 0, PATIENT_MS);
        start_guest(run, &run->guest, "");
        assert_int_equal(guest_serves(&run->guest), SLOTS);
        full_service(&run->host, SLOTS);
        // The guest's connections, one of the crowd's, its region, the news; not the whole crowd.
        assert_in_range(usage_of(run->host.pid).descriptors, 0, descriptors + 4);
    }
    assert_in_range(fastest, 0, PROMPT_MS);
    atomic_store_explicit(&crowd.leaves, true, memory_order_release);
    pthread_join(crowd.thread, NULL);
    print_message("             %lu connections\n", crowd.connections);
    end_sealed_pair(run);
}

// ---- All of them -------------------------------------------------------------------------------

// Others must be able to enter the folder.
static bool make_folder(void) {
    snprintf(folder, sizeof folder, "/tmp/sealed-XXXXXX");
    return mkdtemp(folder) && chmod(folder, 0755) == 0 && setenv("SEALED_FOLDER", folder, 1) == 0;
}

// What a failed test has left goes too.
static void remove_folder(void) {
    char path[512];
    DIR *opened = opendir(folder);
    for (const struct dirent *entry; opened && (entry = readdir(opened)) != NULL;) {
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        if (entry->d_name[0] != '.') unlink(path);
    }
    if (opened) closedir(opened);
    rmdir(folder);
}

int main(void) {
    static const struct promise promises[] = {
        {"a sealed region serves, and has no name in shared memory", service, 20, EVERY_PAIRING},
        {"a guest may start before its host", guest_first, 20, EVERY_PAIRING},
        {"opening and closing again and again leaks nothing", many_lives, 30, EVERY_PAIRING},
        {"after SIGKILL of the host the next one starts at once", killed_host, 20, EVERY_PAIRING},
        {"a call in the handler of a killed guest ends at once", killed_guest, 20, EVERY_PAIRING},
        {"a guest that reconnects serves host after host", reconnecting_guest, 20, EVERY_PAIRING},
        {"a stopped host keeps a guest waiting to its deadline only", stopped_host, 20,
         EVERY_PAIRING},
        {"of two hosts exactly one gets the name, fresh or stale", two_hosts, 30, WITH_C_GUESTS},
        {"users that were not named are refused, those named are served", foreign_users, 20,
         EVERY_PAIRING},
        {"containers that share only the folder work together", containers, 30, EVERY_PAIRING},
        {"a user unknown in the host's namespace is not the one named nobody", nobody_is_nobody, 20,
         EVERY_PAIRING},
        {"a crowd at the socket delays no news of a death", a_crowd_at_the_socket, 30,
         EVERY_PAIRING},
    };
    if (!make_folder()) {
        perror(folder);
        return 1;
    }
    load_watch();
    int result = run_promises("sealed", GROUP_SECONDS, promises, COUNT_OF(promises));
    load_watch_end();
    remove_folder();
    return result;
}
