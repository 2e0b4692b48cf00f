// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "victim.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

// ---- Names -------------------------------------------------------------------------------------

bool names_have(const struct point_names *names, const char *name) {
    for (size_t i = 0; i < names->count; i++)
        if (strcmp(names->names[i], name) == 0) return true;
    return false;
}

void names_add(struct point_names *names, const char *name) {
    if (names_have(names, name)) return;
    if (names->count == names->room) {
        names->room = names->room ? names->room * 2 : 256;
        names->names = realloc(names->names, names->room * sizeof *names->names);
        row_expect(names->names != NULL, "no memory for %zu names", names->room);
    }
    snprintf(names->names[names->count++], POINT_NAME_SIZE, "%s", name);
}

void names_add_file(struct point_names *names, const char *path) {
    FILE *file = fopen(path, "r");
    row_expect(file != NULL, "%s: %s", path, strerror(errno));
    char line[POINT_NAME_SIZE + 2];
    while (fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = '\0';
        names_add(names, line);
    }
    fclose(file);
    unlink(path);
}

void names_free(struct point_names *names) {
    free(names->names);
    *names = (struct point_names){0};
}

void names_of_program(struct point_names *names, const char *program) {
    struct peer peer;
    setenv("SIMPLEIPC_POINTS_LIST", list_path(), 1);
    peer_start(&peer, program, NULL);
    unsetenv("SIMPLEIPC_POINTS_LIST");
    peer_finish(&peer);
    names_add_file(names, list_path());
}

const char *list_path(void) {
    static char path[64];
    snprintf(path, sizeof path, "/tmp/simpleipc-points-%d", (int)getpid());
    return path;
}

// ---- Victims -----------------------------------------------------------------------------------

static void set_or_clear(const char *name, const char *value) {
    if (value)
        setenv(name, value, 1);
    else
        unsetenv(name);
}

void set_points(const char *rules, const char *seen_path) {
    set_or_clear("SIMPLEIPC_POINT", rules);
    set_or_clear("SIMPLEIPC_POINTS_SEEN", seen_path);
}

static void read_words(struct peer *peer, bool *heard_ready) {
    struct pollfd readable = {.fd = peer->from, .events = POLLIN};
    while (poll(&readable, 1, 0) == 1 && (readable.revents & POLLIN)) {
        row_expect(peer->filled < LINE_SIZE - 1, "a victim says too much");
        ssize_t got = read(peer->from, peer->pending + peer->filled, LINE_SIZE - 1 - peer->filled);
        if (got <= 0) break;
        peer->filled += (size_t)got;
    }
    peer->pending[peer->filled] = '\0';
    if (strstr(peer->pending, "ready")) *heard_ready = true;
}

enum end look_at(struct peer *peer, bool *heard_ready) {
    siginfo_t info = {.si_pid = 0};
    row_expect(waitid(P_PID, (id_t)peer->pid, &info, WEXITED | WSTOPPED | WNOHANG | WNOWAIT) == 0,
               "waitid: %s", strerror(errno));
    read_words(peer, heard_ready);
    if (info.si_pid == 0) return LIVES;
    if (info.si_code == CLD_STOPPED) return STOPPED;
    if (info.si_code == CLD_KILLED && info.si_status == SIGKILL) return KILLED;
    return ENDED_ITSELF;
}

void end_input(struct peer *peer) {
    close(peer->to);
    peer->to = open("/dev/null", O_WRONLY | O_CLOEXEC); // the harness closes it
}

void await_word_or_end(struct peer *peer, unsigned milliseconds) {
    struct pollfd readable = {.fd = peer->from, .events = POLLIN};
    poll(&readable, 1, (int)milliseconds);
    if (readable.revents == POLLHUP) row_sleep_us(100); // it is on its way out
}
