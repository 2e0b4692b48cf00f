// SPDX-License-Identifier: Apache-2.0
#define _POSIX_C_SOURCE 200809L
#include "visits.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "callers.h"

enum { MOST_TURNS = 50 };

// From here on guests may attach to what is created.
#define COMPLETE "->version after"

enum { RULES_SIZE = 1024 };

static void rule_of(const struct visit *visit, char rule[RULES_SIZE]) {
    static const char *const actions[] = {"kill", "stop", "delay:2000"};
    *rule = '\0';
    if (visit->point)
        snprintf(rule, RULES_SIZE, "%s#%u=%s", visit->point, visit->hit, actions[visit->fate]);
}

void start_victim(struct peer *victim, const struct script *script, const struct visit *visit,
                  const char *name, const char *second) {
    char rules[RULES_SIZE];
    rule_of(visit, rules);
    if (script->rules) {
        size_t size = strlen(rules);
        snprintf(rules + size, sizeof rules - size, "%s%s", size ? ";" : "", script->rules);
    }
    set_points(*rules ? rules : NULL, list_path());
    peer_start(victim, script->program, name, second, script->way, NULL);
    set_points(NULL, NULL);
}

static char folder[64];

const char *sealed_folder(void) {
    if (folder[0]) return folder;
    snprintf(folder, sizeof folder, "/tmp/simpleipc-sealed-XXXXXX");
    row_expect(mkdtemp(folder) != NULL, "mkdtemp: %s", strerror(errno));
    return folder;
}

void remove_sealed_folder(void) {
    if (folder[0]) row_expect(rmdir(folder) == 0, "%s: %s", folder, strerror(errno));
    folder[0] = '\0';
}

// Hosts and guests of the tests look at it.
static void set_sealed(bool sealed) {
    if (sealed)
        setenv("SEALED_FOLDER", sealed_folder(), 1);
    else
        unsetenv("SEALED_FOLDER");
}

static bool play_once(const struct script *script, const struct visit *visit) {
    char rule[RULES_SIZE];
    rule_of(visit, rule);
    set_sealed(script->sealed);
    callers_told(script->name, visit->point ? rule : script->rules);
    return script->play(script, visit);
}

// Which of its points a process comes to depends on who is faster: then it takes some turns.
static void play(struct tour *tour, const struct script *script, const struct visit *visit) {
    bool reached = false;
    unsigned turns = visit->hit == 1 ? MOST_TURNS : 1;
    for (unsigned i = 0; i < turns && !reached; i++) reached = play_once(script, visit);
    row_expect(reached || turns == 1, "%s: in %u turns nobody came to \"%s\"", script->name, turns,
               visit->point);
    unsigned *count = visit->fate == DIES_THERE    ? &tour->kills
                      : visit->fate == STOPS_THERE ? &tour->stops
                                                   : &tour->rests;
    if (reached) *count += 1;
}

static bool ends_with(const char *text, const char *end) {
    size_t size = strlen(text);
    return size >= strlen(end) && strcmp(text + size - strlen(end), end) == 0;
}

// In the short form each point has one death, some of them after a stop, and those after a store or
// a call have none: mostly the next one is before another, and the memory is the same there.
static void visit_point_once(struct tour *tour, const struct script *script,
                             const struct visit *visit, unsigned turn) {
    struct visit this_one = *visit;
    if (ends_with(visit->point, " after")) return;
    if (turn % 4 == 0) this_one.fate = STOPS_THERE;
    play(tour, script, &this_one);
}

static void visit_point(struct tour *tour, const struct script *script, const struct visit *visit) {
    struct visit this_one = *visit;
    play(tour, script, &this_one);
    this_one.fate = STOPS_THERE;
    play(tour, script, &this_one);
    this_one.fate = RESTS_THERE;
    play(tour, script, &this_one);
    this_one.fate = DIES_THERE;
    this_one.half_built = false; // the creation may be over when it comes there again
    for (this_one.hit = 2; this_one.hit <= 20; this_one.hit = this_one.hit * 2 + 1)
        play(tour, script, &this_one);
}

// One that it saw once, and may not see again, is left to the script that is made for it.
static bool is_by_luck(const struct script *script, const char *point) {
    return script->by_luck && strncmp(point, script->by_luck, strlen(script->by_luck)) == 0;
}

void visit_points(struct tour *tour, const struct script *script) {
    struct point_names seen = {0};
    bool half_built = true;
    play_once(script, &(struct visit){.point = NULL});
    names_add_file(&seen, list_path());
    for (size_t i = 0; i < seen.count; i++) {
        half_built &= strstr(seen.names[i], COMPLETE) == NULL;
        bool again = script->again && !tour->seen_all_scripts;
        if (is_by_luck(script, seen.names[i])) continue;
        if (names_have(&tour->seen, seen.names[i]) && !again) continue;
        const struct visit visit = {
            .point = seen.names[i], .hit = 1, .fate = DIES_THERE, .half_built = half_built};
        if (row_form() == ROW_LONG)
            visit_point(tour, script, &visit);
        else
            visit_point_once(tour, script, &visit, (unsigned)i);
    }
    for (size_t i = 0; i < seen.count; i++)
        if (!is_by_luck(script, seen.names[i])) names_add(&tour->seen, seen.names[i]);
    names_free(&seen);
    remove(list_path());
}

// A store cannot fail; a call that cannot is made all the same.
static bool may_fail(const char *point) {
    return !strstr(point, ":sipc_store") && !strstr(point, "_barrier ") &&
           ends_with(point, " before");
}

void visit_points_after_failures(struct tour *tour, const struct script *script) {
    struct point_names seen = {0};
    play_once(script, &(struct visit){.point = NULL});
    names_add_file(&seen, list_path());
    for (size_t i = 0; i < seen.count; i++) {
        char rules[POINT_NAME_SIZE + 16];
        struct script failing = *script;
        if (!may_fail(seen.names[i])) continue;
        snprintf(rules, sizeof rules, "%s#1=fail", seen.names[i]);
        failing.rules = rules;
        failing.fails = true;
        visit_points(tour, &failing);
    }
    names_free(&seen);
}
