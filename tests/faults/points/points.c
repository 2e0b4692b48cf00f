// SPDX-License-Identifier: Apache-2.0
// What happens at the points, as the environment says when the process starts:
//
//   SIMPLEIPC_POINT=RULE;RULE...   what shall happen where
//   SIMPLEIPC_POINTS_SEEN=FILE     the name of each point that is reached is appended, once
//   SIMPLEIPC_POINTS_LIST=FILE     all names are appended, and the process ends at once
//
// A rule is NAME#HIT=ACTION: at the HIT-th time that the point is reached, counted from 1, or each
// time if HIT is 0, or at each HIT-th time if a + follows HIT. ACTION is kill, stop,
// delay:MICROSECONDS, fail (as such a call typically does) or fail:ERRNO. NAME may be *: then HIT
// counts all calls that can fail, wherever they stand.
//
// A point may lie in a signal handler: nothing here allocates or locks.
#ifdef FAULT_POINTS_OF_SYSTEM_CALLS
#error "what happens at a point must not come to points"
#endif

#include "points.h"

#include <linux/futex.h>
#include <stdarg.h>
#include <stdio.h>

#include "control.h"

enum { NAME_SIZE = 256, MOST_RULES = 8 };

enum action { ACT_KILL, ACT_STOP, ACT_DELAY, ACT_FAIL };

struct rule {
    struct fault_site *site; // NULL: any that can fail
    enum fault_moment moment;
    uint32_t hit;
    bool repeated;
    enum action action;
    int number; // microseconds, or an errno value; 0: the site's own
};

static struct rule rules[MOST_RULES];
static _Atomic uint32_t rule_count;
static _Atomic uint32_t calls_that_can_fail;
static _Atomic uint32_t acts;
static _Atomic(struct fault_site *) acted_at;
static char acted_name[NAME_SIZE];
static int seen_file = -1;

// The linker's names for both ends of the section that FAULT_SITE fills.
extern struct fault_site *__start_fault_sites[];
extern struct fault_site *__stop_fault_sites[];

static size_t count_sites(void) {
    return ((uintptr_t)__stop_fault_sites - (uintptr_t)__start_fault_sites) /
           sizeof(struct fault_site *);
}

static struct fault_site *site_at(size_t index) {
    return __start_fault_sites[index];
}

// ---- Names -------------------------------------------------------------------------------------

static const char *const moment_names[FAULT_MOMENTS] = {"before", "middle", "after"};

static const char *last_part(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static bool same_text(const struct fault_site *one, const struct fault_site *other) {
    return strcmp(one->what, other->what) == 0 && strcmp(one->function, other->function) == 0 &&
           strcmp(last_part(one->file), last_part(other->file)) == 0;
}

static bool same_place(const struct fault_site *one, const struct fault_site *other) {
    return one->line == other->line && same_text(one, other);
}

// Whether an object before has a copy of it.
static bool is_copy(size_t index) {
    for (size_t i = 0; i < index; i++)
        if (same_place(site_at(i), site_at(index))) return true;
    return false;
}

// Those of the same text in a function are numbered in the order of their lines.
static void number_site(struct fault_site *site) {
    uint32_t before = 0, after = 0;
    site->first = NULL;
    for (size_t i = 0; i < count_sites(); i++) {
        struct fault_site *other = site_at(i);
        if (!same_text(site, other)) continue;
        if (other->line == site->line && !site->first) site->first = other;
        if (is_copy(i)) continue;
        before += other->line < site->line;
        after += other->line > site->line;
    }
    site->number = before + after > 0 ? before + 1 : 0;
}

static void name_point(const struct fault_site *site, enum fault_moment moment,
                       char name[NAME_SIZE]) {
    char number[16] = "";
    if (site->number) snprintf(number, sizeof number, " %u", site->number);
    snprintf(name, NAME_SIZE, "%s:%s:%s%s %s", last_part(site->file), site->function, site->what,
             number, moment_names[moment]);
}

static bool has_moment(const struct fault_site *site, enum fault_moment moment) {
    return moment != FAULT_MIDDLE || site->in_pieces;
}

static void append_name(int file, const struct fault_site *site, enum fault_moment moment) {
    char line[NAME_SIZE + 1];
    name_point(site, moment, line);
    size_t size = strlen(line);
    line[size] = '\n';
    ssize_t written = write(file, line, size + 1);
    (void)written;
}

// ---- Rules -------------------------------------------------------------------------------------

static _Noreturn void refuse(const char *what, const char *text) {
    dprintf(STDERR_FILENO, "fault points: %s: \"%s\"\n", what, text);
    _exit(97);
}

static bool find_moment(const char *name, struct fault_site *site, struct rule *rule) {
    for (int moment = 0; moment < FAULT_MOMENTS; moment++) {
        char this_name[NAME_SIZE];
        if (!has_moment(site, (enum fault_moment)moment)) continue;
        name_point(site, (enum fault_moment)moment, this_name);
        if (strcmp(name, this_name) != 0) continue;
        rule->site = site;
        rule->moment = (enum fault_moment)moment;
        return true;
    }
    return false;
}

static void find_point(const char *name, struct rule *rule) {
    if (strcmp(name, "*") == 0) return;
    for (size_t i = 0; i < count_sites(); i++)
        if (site_at(i)->first == site_at(i) && find_moment(name, site_at(i), rule)) return;
    refuse("there is no such point", name);
}

static void read_action(const char *text, struct rule *rule) {
    static const char *const names[] = {"kill", "stop", "delay", "fail"};
    size_t size = strcspn(text, ":");
    for (int action = ACT_KILL; action <= ACT_FAIL; action++) {
        if (strlen(names[action]) != size || strncmp(text, names[action], size) != 0) continue;
        rule->action = (enum action)action;
        rule->number = text[size] ? atoi(text + size + 1) : 0;
        return;
    }
    refuse("there is no such action", text);
}

static bool add_rule(char *text) {
    uint32_t count = atomic_load_explicit(&rule_count, memory_order_relaxed);
    char *hit = strrchr(text, '#');
    char *action = hit ? strchr(hit, '=') : NULL;
    if (!hit || !action || count == MOST_RULES) return false;
    struct rule *rule = &rules[count];
    *rule = (struct rule){.hit = (uint32_t)atoi(hit + 1), .repeated = action[-1] == '+'};
    *action = *hit = '\0';
    find_point(text, rule);
    read_action(action + 1, rule);
    atomic_store_explicit(&rule_count, count + 1, memory_order_release);
    return true;
}

void fault_rules(const char *given) {
    char text[1024];
    if ((size_t)snprintf(text, sizeof text, "%s", given) >= sizeof text) refuse("too long", given);
    atomic_store_explicit(&rule_count, 0, memory_order_release);
    atomic_store_explicit(&calls_that_can_fail, 0, memory_order_relaxed);
    atomic_store_explicit(&acts, 0, memory_order_relaxed);
    atomic_store_explicit(&acted_at, NULL, memory_order_relaxed);
    for (size_t i = 0; i < count_sites(); i++)
        for (int moment = 0; moment < FAULT_MOMENTS; moment++)
            atomic_store_explicit(&site_at(i)->hits[moment], 0, memory_order_relaxed);
    char *rest = NULL;
    for (char *rule = strtok_r(text, ";", &rest); rule; rule = strtok_r(NULL, ";", &rest))
        if (!add_rule(rule)) refuse("not a rule", given);
}

uint32_t fault_calls(void) {
    return atomic_load_explicit(&calls_that_can_fail, memory_order_acquire);
}

uint32_t fault_acts(void) {
    return atomic_load_explicit(&acts, memory_order_acquire);
}

const char *fault_acted_at(void) {
    const struct fault_site *site = atomic_load_explicit(&acted_at, memory_order_acquire);
    acted_name[0] = '\0';
    if (site) name_point(site, FAULT_BEFORE, acted_name);
    return acted_name;
}

static void list_points(const char *path) {
    int file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (file < 0) refuse("cannot write", path);
    for (size_t i = 0; i < count_sites(); i++) {
        for (int moment = 0; moment < FAULT_MOMENTS; moment++)
            if (site_at(i)->first == site_at(i) &&
                has_moment(site_at(i), (enum fault_moment)moment))
                append_name(file, site_at(i), (enum fault_moment)moment);
    }
    _exit(0);
}

// Before anything else of this process: its other constructors may come to a point.
__attribute__((constructor(101))) static void begin(void) {
    for (size_t i = 0; i < count_sites(); i++) number_site(site_at(i));
    const char *list = getenv("SIMPLEIPC_POINTS_LIST");
    const char *seen = getenv("SIMPLEIPC_POINTS_SEEN");
    const char *wanted = getenv("SIMPLEIPC_POINT");
    if (list) list_points(list);
    if (seen) seen_file = open(seen, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (seen && seen_file < 0) refuse("cannot write", seen);
    if (wanted) fault_rules(wanted);
}

// ---- At a point --------------------------------------------------------------------------------

static int act(const struct rule *rule, struct fault_site *site) {
    atomic_store_explicit(&acted_at, site, memory_order_relaxed);
    atomic_fetch_add_explicit(&acts, 1, memory_order_release);
    switch (rule->action) {
    case ACT_KILL:
        kill(getpid(), SIGKILL);
        for (;;) pause();
    case ACT_STOP:
        raise(SIGSTOP); // this thread first, so that it goes no further
        return 0;
    case ACT_DELAY:
        nanosleep(&(struct timespec){.tv_sec = rule->number / 1000000,
                                     .tv_nsec = rule->number % 1000000 * 1000L},
                  NULL);
        return 0;
    default:
        return rule->number ? rule->number : site->error;
    }
}

static bool is_meant(const struct rule *rule, uint32_t hit) {
    if (rule->hit == 0) return true;
    return rule->repeated ? hit % rule->hit == 0 : hit == rule->hit;
}

static int follow_rules(struct fault_site *site, enum fault_moment moment, uint32_t hit,
                        bool may_fail) {
    uint32_t count = atomic_load_explicit(&rule_count, memory_order_acquire);
    uint32_t call = 0;
    if (may_fail)
        call = atomic_fetch_add_explicit(&calls_that_can_fail, 1, memory_order_relaxed) + 1;
    int error = 0;
    for (uint32_t i = 0; i < count; i++) {
        const struct rule *rule = &rules[i];
        bool here = rule->site ? rule->site == site && rule->moment == moment : may_fail;
        if (!here || !is_meant(rule, rule->site ? hit : call)) continue;
        if (rule->action == ACT_FAIL && !may_fail) continue;
        int asked = act(rule, site);
        if (asked) error = asked;
    }
    return error;
}

int fault_point(struct fault_site *site, enum fault_moment moment, bool may_fail) {
    int kept = errno;
    site = site->first;
    uint32_t hit = atomic_fetch_add_explicit(&site->hits[moment], 1, memory_order_relaxed) + 1;
    if (hit == 1 && seen_file >= 0) append_name(seen_file, site, moment);
    int error = follow_rules(site, moment, hit, may_fail);
    errno = kept;
    return error;
}

bool fault_fcntl_may_fail(int command, ...) {
    if (command != F_OFD_SETLK) return true;
    va_list list;
    va_start(list, command);
    const struct flock *lock = va_arg(list, const struct flock *);
    va_end(list);
    return lock->l_type != F_UNLCK;
}

bool fault_syscall_may_fail(long number, ...) {
    if (number != SYS_futex) return true;
    va_list list;
    va_start(list, number);
    (void)va_arg(list, void *);
    int operation = va_arg(list, int);
    va_end(list);
    return (operation & FUTEX_CMD_MASK) != FUTEX_WAKE;
}
