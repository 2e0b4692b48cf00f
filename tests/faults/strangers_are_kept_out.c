// SPDX-License-Identifier: Apache-2.0
// Row 13: names that somebody else has taken, by an object, a link or worse; regions of other
// users; and modes under any umask. Nobody is led astray or let in, and every refusal comes at
// once.
//
// Run by root: other users are processes that give that up.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <simpleipc/simpleipc.h>

#include "region_by_hand.h"
#include "row.h"

enum { ROOT = 0, VICTIM = 1, STRANGER = 65534, PATIENCE_S = 5 };

static unsigned cases;
static char region_name[100], path[160];

// ---- Being somebody else -----------------------------------------------------------------------

static bool become(uid_t user) {
    return user == ROOT || (setgroups(0, NULL) == 0 && setresgid(user, user, user) == 0 &&
                            setresuid(user, user, user) == 0);
}

// The program of a user who may not see its folder.
static int exec_as_stranger(char **words) {
    int program = open(words[0], O_RDONLY);
    if (program < 0 || !become(STRANGER)) return 3;
    fexecve(program, words, environ);
    perror(words[0]);
    return 3;
}

static void name_region(const char *name) {
    snprintf(region_name, sizeof region_name, "%s", name);
    snprintf(path, sizeof path, "/dev/shm/simpleipc.%s", name);
}

// ---- What they do ------------------------------------------------------------------------------

static sipc_status create_host(void) {
    sipc_host *host;
    sipc_status status = sipc_host_create(region_name, 1, 1024, NULL, &host);
    struct stat made;
    if (status == SIPC_OK && (stat(path, &made) != 0 || made.st_uid != geteuid() ||
                              (made.st_mode & 07777) != 0600 || !S_ISREG(made.st_mode)))
        status = SIPC_PROTOCOL_VIOLATED; // not what it should have created
    sipc_host_close(host);
    return status;
}

static sipc_status attach_with(uint32_t any_owner) {
    const sipc_guest_options options = {.attach_timeout_ns = 1, .any_owner = any_owner};
    sipc_guest *guest;
    sipc_status status = sipc_guest_attach(region_name, &options, &guest);
    sipc_guest_detach(guest);
    return status;
}

static sipc_status attach_plainly(void) {
    return attach_with(0);
}

static sipc_status attach_to_any(void) {
    return attach_with(1);
}

static const struct action {
    const char *name;
    sipc_status (*act)(void);
} create = {"create", create_host}, attach = {"attach", attach_plainly},
  attach_to_anybody = {"attach-to-anybody", attach_to_any};

// In a process of its own: act USER ACTION REGION. Its exit status is the negated status.
static int act(char **words) {
    static const struct action *const actions[] = {&create, &attach, &attach_to_anybody};
    alarm(PATIENCE_S);
    if (!become((uid_t)atoi(words[0]))) return 200;
    name_region(words[2]);
    for (int i = 0; i < 3; i++)
        if (strcmp(words[1], actions[i]->name) == 0) return -actions[i]->act();
    return 201;
}

// How that ends for a user.
static sipc_status as(uid_t user, const struct action *action, const char *what) {
    char id[16];
    snprintf(id, sizeof id, "%u", (unsigned)user);
    pid_t pid = fork();
    row_expect(pid >= 0, "fork: %s", strerror(errno));
    if (pid == 0) {
        execl("/proc/self/exe", "act", "act", id, action->name, region_name, (char *)NULL);
        _exit(202);
    }
    int status;
    row_expect(waitpid(pid, &status, 0) == pid, "waitpid: %s", strerror(errno));
    row_expect(WIFEXITED(status), "%s, user %u: still not done after %d s", what, (unsigned)user,
               PATIENCE_S);
    row_expect(WEXITSTATUS(status) < 100, "cannot act as the user %u (%d); run this as root",
               (unsigned)user, WEXITSTATUS(status));
    cases++;
    return (sipc_status)-WEXITSTATUS(status);
}

// ---- Foreign regions ---------------------------------------------------------------------------

static struct peer stranger_go;

static void expect_of_strangers(sipc_status expected, sipc_status expected_of_anybody,
                                unsigned mode) {
    sipc_status status = as(STRANGER, &attach, "attaching");
    row_expect(status == expected, "C, mode 0%o: %s", mode, sipc_status_name(status));
    status = as(STRANGER, &attach_to_anybody, "attaching");
    row_expect(status == expected_of_anybody, "C, any owner, mode 0%o: %s", mode,
               sipc_status_name(status));
    peer_ask(&stranger_go, sipc_status_name(expected), "%s", row_region());
    peer_ask(&stranger_go, sipc_status_name(expected_of_anybody), "%s any-owner", row_region());
    cases += 2;
}

static void foreign_regions(void) {
    static const unsigned modes[] = {0600, 0660, 0666};
    peer_start(&stranger_go, "/proc/self/exe", "as-stranger", FAULTS_GUEST_GO, "attach", NULL);
    peer_expect(&stranger_go, "ready");
    for (int i = 0; i < 3; i++) {
        const sipc_host_options options = {.mode = modes[i]};
        sipc_host *host;
        row_expect(sipc_host_create(row_region(), 1, 1024, &options, &host) == SIPC_OK, "%s",
                   sipc_error_text());
        bool open_to_all = modes[i] == 0666;
        expect_of_strangers(SIPC_FORBIDDEN, open_to_all ? SIPC_OK : SIPC_FORBIDDEN, modes[i]);
        row_expect(as(STRANGER, &create, "creating") != SIPC_OK, "a stranger took the name");
        row_expect(as(ROOT, &attach, "attaching") == SIPC_OK, "its own user was refused");
        sipc_host_close(host);
    }
    peer_finish(&stranger_go);
}

// ---- Names that were taken ---------------------------------------------------------------------

static struct region_by_hand squat;
static char precious[] = "/tmp/simpleipc-precious-XXXXXX";

static void squat_region(mode_t mode, bool claimed) {
    region_by_hand_make_good(&squat, row_region(), 1);
    if (claimed) region_by_hand_claim(&squat, SIPC_CLAIM_HOST);
    row_expect(fchown(squat.descriptor, STRANGER, STRANGER) == 0 &&
                   fchmod(squat.descriptor, mode) == 0,
               "%s", strerror(errno));
}

static void squat_private(void) {
    squat_region(0600, true);
}
static void squat_open(void) {
    squat_region(0666, true);
}
static void squat_open_unclaimed(void) {
    squat_region(0666, false);
}
static void squat_private_unclaimed(void) {
    squat_region(0600, false);
}

static void squat_link(void) {
    row_expect(symlink(precious, path) == 0 && lchown(path, STRANGER, STRANGER) == 0, "%s",
               strerror(errno));
}
static void squat_dangling_link(void) {
    row_expect(symlink("/tmp/simpleipc-is-not-there", path) == 0 &&
                   lchown(path, STRANGER, STRANGER) == 0,
               "%s", strerror(errno));
}
static void squat_folder(void) {
    row_expect(mkdir(path, 0777) == 0 && chown(path, STRANGER, STRANGER) == 0, "%s",
               strerror(errno));
}
static void squat_pipe(void) {
    row_expect(mkfifo(path, 0666) == 0 && chown(path, STRANGER, STRANGER) == 0 &&
                   chmod(path, 0666) == 0,
               "%s", strerror(errno));
}

static void leave_name(void) {
    if (squat.descriptor > 0) close(squat.descriptor);
    squat = (struct region_by_hand){.descriptor = 0};
    if (unlink(path) != 0) rmdir(path);
}

static const struct squat {
    const char *what;
    void (*take)(void);
    bool root_may_replace; // as stale: nobody claims it, and root may remove what is anybody's
} squats[] = {{"a claimed region, private", squat_private, false},
              {"a claimed region, open to all", squat_open, false},
              {"a stale region, open to all", squat_open_unclaimed, true},
              {"a stale region, private", squat_private_unclaimed, true},
              {"a link to a file", squat_link, false},
              {"a link to nothing", squat_dangling_link, false},
              {"a folder", squat_folder, false},
              {"a pipe", squat_pipe, false}};

static void expect_untouched(const char *what) {
    struct stat status;
    row_expect(stat(precious, &status) == 0 && status.st_size == 9, "%s: a file was written to",
               what);
    row_expect(access("/tmp/simpleipc-is-not-there", F_OK) != 0, "%s: a file was created", what);
}

static void taken_names(void) {
    for (size_t i = 0; i < sizeof squats / sizeof squats[0]; i++) {
        const struct squat *one = &squats[i];
        const uid_t users[] = {VICTIM, ROOT};
        for (int j = 0; j < 2; j++) {
            one->take();
            sipc_status status = as(users[j], &attach, one->what);
            row_expect(status != SIPC_OK, "%s: the user %u attached", one->what, users[j]);
            status = as(users[j], &create, one->what);
            bool replaced = users[j] == ROOT && one->root_may_replace;
            row_expect((status == SIPC_OK) == replaced && status != SIPC_PROTOCOL_VIOLATED,
                       "%s: the user %u created with %s", one->what, users[j],
                       sipc_status_name(status));
            expect_untouched(one->what);
            leave_name();
        }
    }
}

// ---- Modes -------------------------------------------------------------------------------------

static void exact_modes(void) {
    static const mode_t umasks[] = {0000, 0077, 0022, 0777};
    static const uint32_t modes[] = {0, 0600, 0640, 0660, 0644, 0666, 0700, 0777};
    mode_t before = umask(0);
    for (int i = 0; i < 4; i++) {
        for (int j = 0; j < 8; j++) {
            const sipc_host_options options = {.mode = modes[j]};
            sipc_host *host;
            struct stat made;
            umask(umasks[i]);
            row_expect(sipc_host_create(row_region(), 1, 1024, &options, &host) == SIPC_OK, "%s",
                       sipc_error_text());
            row_expect(stat(path, &made) == 0, "%s: %s", path, strerror(errno));
            mode_t asked = modes[j] ? modes[j] : 0600;
            row_expect((made.st_mode & 07777) == asked, "mode 0%o, umask 0%o: 0%o", asked,
                       umasks[i], made.st_mode & 07777);
            sipc_host_close(host);
            cases++;
        }
    }
    umask(before);
}

static void strangers_are_kept_out(void) {
    row_begin("13", "squatted name, symlink, foreign uid; umask 000 and 077", 60, 300);
    row_expect(geteuid() == ROOT, "run this as root: it becomes other users");
    name_region(row_region());
    int file = mkstemp(precious);
    row_expect(file >= 0 && write(file, "precious\n", 9) == 9, "%s", strerror(errno));
    row_expect(fchmod(file, 0666) == 0 && close(file) == 0, "%s", strerror(errno));
    for (unsigned i = 0; i < row_times(1, 20); i++) {
        foreign_regions();
        taken_names();
        exact_modes();
    }
    unlink(precious);
    row_result("%u attempts in C and Go: each refused or granted as it should be, within %d s; "
               "each mode exactly as asked for",
               cases, PATIENCE_S);
    row_end();
}

int main(int count, char **words) {
    if (count == 5 && strcmp(words[1], "act") == 0) return act(words + 2);
    if (count > 2 && strcmp(words[1], "as-stranger") == 0) return exec_as_stranger(words + 2);
    return row_main(strangers_are_kept_out);
}
