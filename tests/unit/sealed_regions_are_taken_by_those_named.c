// SPDX-License-Identifier: Apache-2.0
// Promise: a sealed region is the one host's of its name, leaves nothing behind, goes to the guests
// of the users that were named and to nobody else, and cannot be cut short (spec 12).
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "left_behind.h"
#include "pair.h"
#include "region_by_hand.h"
#include "sealed_folder.h"
#include "threads.h"

// Asked by the library whose process this is; no test needs a second user.
static uid_t pretended_user;

uid_t geteuid(void) {
    return pretended_user;
}

static const char *name;

static int begin(void **state) {
    pretended_user = getuid();
    name = fresh_name();
    return make_sealed_folder(state);
}

static sipc_status create(const char *of_name, sipc_host **host) {
    const sipc_host_options options = {.sealed_folder = sealed_folder};
    return sipc_host_create(of_name, 2, 4096, &options, host);
}

static sipc_host *created(void) {
    sipc_host *host;
    if (create(name, &host) != SIPC_OK) fail_msg("%s", sipc_error_text());
    return host;
}

static sipc_status attach_within(uint64_t timeout, sipc_guest **guest) {
    const sipc_guest_options options = {.attach_timeout_ns = timeout,
                                        .sealed_folder = sealed_folder};
    *guest = (sipc_guest *)guest;
    return sipc_guest_attach(name, &options, guest);
}

static sipc_guest *attached(void) {
    sipc_guest *guest;
    if (attach_within(0, &guest) != SIPC_OK) fail_msg("%s", sipc_error_text());
    return guest;
}

static void assert_says(const char *part) {
    if (!strstr(sipc_error_text(), part))
        fail_msg("\"%s\" does not say \"%s\"", sipc_error_text(), part);
}

static void assert_works(sipc_host *host) {
    sipc_guest *guest = attached();
    assert_int_equal(sipc_guest_slots(guest), 2);
    assert_int_equal(sipc_guest_start(guest, echo, NULL), SIPC_OK);
    char request[1000] = "both sides see it", response[1000];
    for (uint32_t slot = 0; slot < 2; slot++) {
        sipc_call call = {.request = request,
                          .request_size = sizeof request,
                          .response = response,
                          .response_capacity = sizeof response};
        assert_int_equal(sipc_host_call_slot(host, slot, &call), SIPC_OK);
        assert_memory_equal(request, response, sizeof request);
    }
    assert_int_equal(sipc_guest_detach(guest), SIPC_OK);
}

// ---- One host ----------------------------------------------------------------------------------

static void a_sealed_region_has_no_name_in_shared_memory(void **state) {
    (void)state;
    unsigned before = names_in_shared_memory();
    sipc_host *host = created();
    assert_int_equal(names_in_shared_memory(), before);
    assert_works(host);
    assert_works(host);
    sipc_host_close(host);
    assert_int_equal(access(sealed_path(name), F_OK), -1);
}

static void a_second_host_is_refused_while_the_first_lives(void **state) {
    (void)state;
    sipc_host *first = created();
    sipc_host *second = first;
    assert_int_equal(create(name, &second), SIPC_EXISTS);
    assert_null(second);
    assert_works(first);
    sipc_host_close(first);
}

static void the_name_is_free_after_a_shutdown(void **state) {
    (void)state;
    sipc_host *first = created();
    sipc_host_shutdown(first);
    sipc_guest *guest;
    assert_int_equal(attach_within(1, &guest), SIPC_NO_HOST);
    sipc_host *second = created();
    assert_works(second);
    sipc_host_close(first); // takes nothing from the second
    assert_works(second);
    sipc_host_close(second);
}

static void named_and_sealed_regions_do_not_meet(void **state) {
    (void)state;
    sipc_host *sealed = created();
    sipc_host *named = open_host(name, 2, 64, NULL);
    assert_works(sealed);
    sipc_host_close(named);
    assert_works(sealed);
    sipc_host_close(sealed);
}

#define RACERS 50

static struct {
    sipc_host *hosts[RACERS];
    sipc_status statuses[RACERS];
} race;

static void race_for_the_name(void *context, unsigned index) {
    (void)context;
    race.statuses[index] = create(name, &race.hosts[index]);
}

static void of_50_threads_exactly_one_becomes_host(void **state) {
    (void)state;
    for (int round = 0; round < 20; round++) {
        name = fresh_name();
        if (round % 2) close(socket_at(sealed_path(name), SOCK_SEQPACKET, 1)); // a stale one
        run_together(RACERS, race_for_the_name, NULL);
        sipc_host *winner = NULL;
        for (int i = 0; i < RACERS; i++) {
            if (race.statuses[i] == SIPC_OK) {
                assert_null(winner);
                winner = race.hosts[i];
            } else {
                assert_int_equal(race.statuses[i], SIPC_EXISTS);
            }
        }
        assert_non_null(winner);
        assert_works(winner);
        sipc_host_close(winner);
    }
}

// ---- What stands at the path -------------------------------------------------------------------

static void a_stale_socket_is_no_host_and_is_replaced(void **state) {
    (void)state;
    for (int listened = 0; listened < 2; listened++) {
        close(socket_at(sealed_path(name), SOCK_SEQPACKET, listened));
        sipc_guest *guest;
        assert_int_equal(attach_within(1, &guest), SIPC_NO_HOST);
        assert_says("nobody listens");
        sipc_host *host = created();
        assert_works(host);
        sipc_host_close(host);
    }
}

static void assert_squatted(const char *says) {
    sipc_host *host;
    sipc_guest *guest;
    assert_int_equal(create(name, &host), SIPC_NOT_A_REGION);
    assert_says(says);
    assert_int_equal(attach_within(SIPC_FOREVER, &guest), SIPC_NOT_A_REGION);
    assert_says(says);
}

static void what_is_not_a_socket_is_refused_and_left_alone(void **state) {
    (void)state;
    const char *path = sealed_path(name);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_squatted("not a socket");
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(mknod(path, S_IFREG | 0600, 0), 0);
    assert_squatted("not a socket");
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_squatted("not a socket");
    assert_int_equal(unlink(path), 0);
    assert_int_equal(symlink("/nowhere", path), 0);
    assert_squatted("not a socket");
    assert_int_equal(unlink(path), 0);
}

// Though it leads to a good one.
static void a_symbolic_link_is_not_followed(void **state) {
    (void)state;
    sipc_host *host = created();
    const char *target = sealed_path(name);
    name = fresh_name();
    const char *path = sealed_path(name);
    assert_int_equal(symlink(target, path), 0);
    assert_squatted("not a socket");
    assert_int_equal(unlink(path), 0);
    sipc_host_close(host);
}

static void another_programs_socket_is_refused_and_left_alone(void **state) {
    (void)state;
    const char *path = sealed_path(name);
    const int types[] = {SOCK_STREAM, SOCK_DGRAM};
    for (int i = 0; i < 2; i++) {
        int other = socket_at(path, types[i], types[i] == SOCK_STREAM);
        assert_squatted("another program");
        close(other);
        assert_int_equal(unlink(path), 0);
    }
}

// ---- The folder --------------------------------------------------------------------------------

static void assert_create_fails(sipc_status expected, const char *says) {
    sipc_host *host = (sipc_host *)&host;
    assert_int_equal(create(name, &host), expected);
    assert_null(host);
    assert_says(says);
}

static void a_folder_in_which_others_may_write_is_refused_unless_sticky(void **state) {
    (void)state;
    const struct {
        mode_t mode;
        int good;
    } cases[] = {{0700, 1}, {0755, 1}, {0770, 0}, {0777, 0}, {0702, 0}, {01777, 1}, {01770, 1}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(chmod(sealed_folder, cases[i].mode), 0);
        if (cases[i].good)
            sipc_host_close(created());
        else
            assert_create_fails(SIPC_FORBIDDEN, sealed_folder);
    }
}

static void a_folder_of_another_user_is_refused(void **state) {
    (void)state;
    // Root can give it away, others can only be somebody else.
    if (getuid() == 0)
        assert_int_equal(chown(sealed_folder, 4242, 0), 0);
    else
        pretended_user++;
    assert_create_fails(SIPC_FORBIDDEN, "belongs to user");
}

static void a_folder_that_is_not_there_is_an_error(void **state) {
    (void)state;
    sipc_host *host;
    sipc_host_options options = {.sealed_folder = "/nowhere"};
    assert_int_equal(sipc_host_create(name, 1, 64, &options, &host), SIPC_SYSTEM);
    assert_says("/nowhere");
    options.sealed_folder = "/dev/null";
    assert_int_equal(sipc_host_create(name, 1, 64, &options, &host), SIPC_SYSTEM);
    // A guest waits for it.
    sipc_guest *guest;
    const sipc_guest_options at_once = {.attach_timeout_ns = 1, .sealed_folder = "/nowhere"};
    assert_int_equal(sipc_guest_attach(name, &at_once, &guest), SIPC_NO_HOST);
}

static void a_folder_that_somebody_keeps_locked_is_an_error_and_no_hang(void **state) {
    (void)state;
    int folder = open(sealed_folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(flock(folder, LOCK_EX), 0);
    assert_create_fails(SIPC_BUSY, "locked");
    close(folder);
    sipc_host_close(created());
}

static void a_path_too_long_for_a_socket_is_refused_by_both_sides(void **state) {
    (void)state;
    char longest[128];
    size_t room = 107 - strlen(sealed_folder) - strlen("/simpleipc.");
    memset(longest, 'n', room + 1);
    longest[room] = '\0';
    name = longest;
    sipc_host *host = created();
    assert_works(host);
    sipc_host_close(host);
    longest[room] = 'n';
    longest[room + 1] = '\0';
    assert_create_fails(SIPC_BAD_NAME, "108 bytes");
    sipc_guest *guest;
    assert_int_equal(attach_within(SIPC_FOREVER, &guest), SIPC_BAD_NAME);
    assert_null(guest);
    char folder[300];
    memset(folder, 'f', sizeof folder - 1);
    folder[sizeof folder - 1] = '\0';
    const sipc_guest_options far_away = {.sealed_folder = folder};
    assert_int_equal(sipc_guest_attach("x", &far_away, &guest), SIPC_BAD_NAME);
    assert_says("299");
}

static void options_that_contradict_each_other_are_refused(void **state) {
    (void)state;
    const uint32_t users[] = {1};
    const sipc_host_options wrong[] = {
        {.sealed_folder = ""},
        {.sealed_folder = sealed_folder, .mode = 0600},
        {.sealed_folder = sealed_folder, .guest_user_count = 1},
        {.guest_users = users, .guest_user_count = 1},
    };
    sipc_host *host;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_int_equal(sipc_host_create(name, 1, 64, &wrong[i], &host), SIPC_INVALID_ARGUMENT);
    const sipc_host_options semaphores = {.sealed_folder = sealed_folder,
                                          .backend = SIPC_BACKEND_SEMAPHORE};
    assert_int_equal(sipc_host_create(name, 1, 64, &semaphores, &host), SIPC_BACKEND_UNSUPPORTED);
    sipc_guest *guest;
    const sipc_guest_options nowhere = {.sealed_folder = ""};
    assert_int_equal(sipc_guest_attach(name, &nowhere, &guest), SIPC_INVALID_ARGUMENT);
}

static void a_region_larger_than_the_machine_is_an_error(void **state) {
    (void)state;
    const sipc_host_options options = {.sealed_folder = sealed_folder};
    sipc_host *host;
    assert_int_equal(sipc_host_create(name, 65535, 1u << 31, &options, &host), SIPC_NO_SPACE);
    assert_int_equal(access(sealed_path(name), F_OK), -1);
}

// ---- Users -------------------------------------------------------------------------------------

static sipc_host *created_for(const uint32_t *users, uint32_t count) {
    const sipc_host_options options = {
        .sealed_folder = sealed_folder, .guest_users = users, .guest_user_count = count};
    sipc_host *host;
    if (sipc_host_create(name, 2, 4096, &options, &host) != SIPC_OK)
        fail_msg("%s", sipc_error_text());
    return host;
}

static mode_t mode_of_the_socket(void) {
    struct stat status;
    assert_int_equal(stat(sealed_path(name), &status), 0);
    return status.st_mode & 07777;
}

static void the_sockets_mode_follows_the_users_under_any_umask(void **state) {
    (void)state;
    const mode_t masks[] = {000, 022, 077, 0777};
    const uint32_t other = 4242;
    mode_t before = umask(0);
    for (size_t i = 0; i < sizeof masks / sizeof masks[0]; i++) {
        umask(masks[i]);
        sipc_host *host = created_for(NULL, 0);
        assert_int_equal(mode_of_the_socket(), 0600);
        sipc_host_close(host);
        host = created_for(&other, 1);
        assert_int_equal(mode_of_the_socket(), 0666);
        sipc_host_close(host);
    }
    umask(before);
}

// The host takes itself for another user than the one that its guests are.
static void a_guest_of_a_user_that_was_not_named_is_refused(void **state) {
    (void)state;
    const uint32_t others[] = {getuid() + 2, getuid() + 3};
    pretended_user = getuid() + 1;
    assert_int_equal(chmod(sealed_folder, 01700), 0);
    if (getuid() == 0) assert_int_equal(chown(sealed_folder, 0, 0), 0);
    sipc_host *host = created_for(others, 2);
    pretended_user = getuid();
    sipc_guest *guest;
    assert_int_equal(attach_within(SIPC_FOREVER, &guest), SIPC_FORBIDDEN);
    assert_null(guest);
    assert_says("does not admit");
    int connection = connection_to(sealed_path(name));
    uint32_t answer;
    assert_int_equal(take_by_hand(connection, &answer), -1);
    assert_int_equal(answer, SIPC_HANDOVER_REFUSED);
    close(connection);
    sipc_host_close(host);
}

static void a_guest_of_a_user_that_was_named_is_admitted(void **state) {
    (void)state;
    const uint32_t others[] = {getuid() + 2, getuid()};
    pretended_user = getuid() + 1;
    sipc_host *host = created_for(others, 2);
    pretended_user = getuid();
    assert_works(host);
    sipc_host_close(host);
}

static void a_host_of_another_user_is_refused_unless_any_will_do(void **state) {
    (void)state;
    sipc_host *host = created();
    pretended_user = getuid() + 1;
    sipc_guest *guest;
    assert_int_equal(attach_within(SIPC_FOREVER, &guest), SIPC_FORBIDDEN);
    assert_says("any_owner");
    const sipc_guest_options options = {.sealed_folder = sealed_folder, .any_owner = 1};
    assert_int_equal(sipc_guest_attach(name, &options, &guest), SIPC_OK);
    sipc_guest_detach(guest);
    sipc_host_close(host);
}

// ---- The object --------------------------------------------------------------------------------

static int fetched_by_hand(void) {
    int connection = connection_to(sealed_path(name));
    uint32_t answer;
    int object = take_by_hand(connection, &answer);
    assert_int_equal(answer, SIPC_HANDOVER_GIVEN);
    assert_true(object >= 0);
    close(connection);
    return object;
}

static int lock_of(int object, int command, short type, uint32_t claim) {
    struct flock flock = {.l_type = type, .l_whence = SEEK_SET, .l_start = claim, .l_len = 1};
    if (fcntl(object, command, &flock) != 0) return -1;
    return command == F_OFD_GETLK ? flock.l_type : 0;
}

static void nobody_can_change_its_size(void **state) {
    (void)state;
    sipc_host *host = created();
    int object = fetched_by_hand();
    struct stat before, after;
    assert_int_equal(fstat(object, &before), 0);
    const off_t sizes[] = {0, 1, 4096, before.st_size - 1, before.st_size + 1, INT64_MAX};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        assert_int_equal(ftruncate(object, sizes[i]), -1);
        assert_true(errno == EPERM || (sizes[i] == INT64_MAX && errno == EFBIG));
    }
    assert_int_equal(posix_fallocate(object, 0, before.st_size * 2), EPERM);
    assert_int_equal(fcntl(object, F_ADD_SEALS, F_SEAL_WRITE), -1);
    assert_int_equal(errno, EPERM);
    assert_int_equal(fstat(object, &after), 0);
    assert_int_equal(after.st_size, before.st_size);
    // All of it is there already.
    assert_true((uint64_t)after.st_blocks * 512 >= (uint64_t)after.st_size);
    close(object);
    assert_works(host);
    sipc_host_close(host);
}

static void a_guest_cannot_give_its_hosts_claim_back(void **state) {
    (void)state;
    sipc_host *host = created();
    int one = fetched_by_hand(), other = fetched_by_hand();
    assert_int_equal(lock_of(one, F_OFD_SETLK, F_UNLCK, SIPC_CLAIM_HOST), 0);
    assert_int_equal(lock_of(one, F_OFD_SETLK, F_WRLCK, SIPC_CLAIM_HOST), -1);
    // Nor another guest's.
    assert_int_equal(lock_of(one, F_OFD_SETLK, F_WRLCK, SIPC_CLAIM_FIRST_SLOT), 0);
    assert_int_equal(lock_of(other, F_OFD_SETLK, F_UNLCK, SIPC_CLAIM_FIRST_SLOT), 0);
    assert_int_equal(lock_of(other, F_OFD_GETLK, F_WRLCK, SIPC_CLAIM_FIRST_SLOT), F_WRLCK);
    // Its own goes with its last descriptor: the host has kept none.
    close(one);
    assert_int_equal(lock_of(other, F_OFD_GETLK, F_WRLCK, SIPC_CLAIM_FIRST_SLOT), F_UNLCK);
    close(other);
    assert_works(host);
    sipc_host_close(host);
}

// ---- Hostile guests ----------------------------------------------------------------------------

static int descriptors_now(void) {
    int count = 0;
    for (int fd = 0; fd < 1024; fd++) count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

// A limit of open files that leaves room for so many more, wherever the numbers have gaps.
static rlim_t room_for(unsigned more) {
    int taken[4], last = 0;
    for (unsigned i = 0; i < more; i++) last = taken[i] = dup(0);
    for (unsigned i = 0; i < more; i++) close(taken[i]);
    return (rlim_t)last + 1;
}

// They connect and do nothing, or send what nobody wants: none of them costs the host a descriptor
// or keeps it from the next.
static void a_crowd_that_takes_nothing_keeps_nobody_out(void **state) {
    (void)state;
    enum { CROWD = 300 };
    int crowd[CROWD];
    sipc_host *host = created();
    int before = descriptors_now();
    for (int i = 0; i < CROWD; i++) {
        crowd[i] = connection_to(sealed_path(name));
        if (i % 3 == 0) send(crowd[i], "unasked", 7, MSG_NOSIGNAL | MSG_DONTWAIT);
    }
    assert_works(host);
    // The host closes what it accepted, the last one a moment after that was served. It may have
    // kept one more, to learn of the guest's death.
    while (descriptors_now() > before + CROWD + 1) give_others_time();
    assert_in_range(descriptors_now(), before + CROWD, before + CROWD + 1);
    for (int i = 0; i < CROWD; i++) close(crowd[i]);
    assert_works(host);
    sipc_host_close(host);
}

static void a_host_without_descriptors_serves_later(void **state) {
    (void)state;
    sipc_host *host = created();
    int own = descriptors_now();
    struct rlimit before, none;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    // Both the accepting and the opening can be what fails: then it is not accepted yet, or
    // accepted and closed.
    for (unsigned left = 0; left < 2; left++) {
        // The host may not have closed yet what it used for the last one.
        while (descriptors_now() > own) give_others_time();
        none.rlim_cur = room_for(1 + left);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
        int connection = connection_to(sealed_path(name));
        char byte;
        if (left == 0) give_others_time();
        ssize_t got = recv(connection, &byte, 1, left == 0 ? MSG_PEEK | MSG_DONTWAIT : MSG_PEEK);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
        assert_int_equal(got, left == 0 ? -1 : 0);
        if (left == 0) {
            uint32_t answer;
            int object = take_by_hand(connection, &answer);
            assert_true(object >= 0);
            close(object);
        }
        close(connection);
    }
    assert_works(host);
    sipc_host_close(host);
}

// ---- Hostile hosts -----------------------------------------------------------------------------

// What a host by hand does with each connection.
struct fake {
    int listener;
    struct sipc_handover message;
    size_t size; // of the message; 0: closes at once
    int descriptors[20];
    unsigned count;
};

// Until the listener is shut down. A guest that found a busy machine slow comes again.
static void answer_all(void *context) {
    const struct fake *fake = context;
    for (int guest; (guest = accept(fake->listener, NULL, NULL)) >= 0; close(guest))
        if (fake->size)
            send_with(guest, &fake->message, fake->size, fake->descriptors, fake->count);
}

static struct fake good_fake(void) {
    return (struct fake){.message = {.magic = SIPC_MAGIC}, .size = sizeof(struct sipc_handover)};
}

static void assert_fake_refused(struct fake *fake, sipc_status expected, const char *says) {
    struct thread host;
    sipc_guest *guest;
    fake->listener = socket_at(sealed_path(name), SOCK_SEQPACKET, 1);
    thread_start(&host, answer_all, fake);
    // What is wrong is told at once; what is not there yet when the time is up.
    uint64_t timeout = expected == SIPC_NO_HOST ? 1 : SIPC_FOREVER;
    do assert_int_equal(attach_within(timeout, &guest), expected);
    while (expected == SIPC_NO_HOST &&
           (strstr(sipc_error_text(), "in time") || strstr(sipc_error_text(), "too many wait")));
    assert_null(guest);
    assert_says(says);
    assert_int_equal(shutdown(fake->listener, SHUT_RDWR), 0);
    thread_join(&host);
    close(fake->listener);
    assert_int_equal(unlink(sealed_path(name)), 0);
    for (unsigned i = 0; i < fake->count; i++) close(fake->descriptors[i]);
}

static void a_message_that_is_not_a_handover_is_refused(void **state) {
    (void)state;
    struct fake fake = good_fake();
    fake.size = 0;
    assert_fake_refused(&fake, SIPC_NO_HOST, "closed the connection");
    for (size_t size = 1; size < sizeof fake.message; size += 5) {
        fake = good_fake();
        fake.size = size;
        assert_fake_refused(&fake, SIPC_NOT_A_REGION, "not a SimpleIPC host");
    }
    fake = good_fake();
    fake.message.magic ^= 1;
    assert_fake_refused(&fake, SIPC_NOT_A_REGION, "not a SimpleIPC host");
    fake = good_fake();
    fake.message.answer = 2;
    assert_fake_refused(&fake, SIPC_NOT_A_REGION, "not a SimpleIPC host");
    fake = good_fake();
    fake.message.answer = SIPC_HANDOVER_REFUSED;
    fake.descriptors[fake.count++] = memfd_by_hand(NULL, 0, 4096, 0);
    assert_fake_refused(&fake, SIPC_FORBIDDEN, "does not admit");
}

// Each is closed again, which the tear-down sees.
static void any_number_of_descriptors_but_one_is_refused(void **state) {
    (void)state;
    struct fake fake = good_fake();
    assert_fake_refused(&fake, SIPC_NOT_A_REGION, "0 descriptors");
    const unsigned counts[] = {2, 3, 8, 9, 20};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        fake = good_fake();
        while (fake.count < counts[i]) fake.descriptors[fake.count++] = dup(0);
        assert_fake_refused(&fake, counts[i] <= 8 ? SIPC_NOT_A_REGION : SIPC_SYSTEM, "descriptors");
    }
}

static void assert_object_refused(int object, sipc_status expected, const char *says) {
    struct fake fake = good_fake();
    fake.descriptors[fake.count++] = object;
    assert_fake_refused(&fake, expected, says);
}

enum { EVERY_SEAL = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL };

static void what_is_not_a_sealed_memfd_is_refused(void **state) {
    (void)state;
    const struct sipc_exchange_header header = header_by_hand(2, 64, 64);
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    close(ends[0]);
    assert_object_refused(ends[1], SIPC_NOT_A_REGION, "seals 0x0");
    assert_object_refused(open("/dev/null", O_RDWR | O_CLOEXEC), SIPC_NOT_A_REGION, "seals");
    assert_object_refused(open("/tmp", O_PATH | O_CLOEXEC), SIPC_NOT_A_REGION, "seals");
    const int seals[] = {F_SEAL_SHRINK,
                         F_SEAL_GROW,
                         F_SEAL_SEAL,
                         EVERY_SEAL & ~F_SEAL_SHRINK,
                         EVERY_SEAL & ~F_SEAL_GROW,
                         EVERY_SEAL & ~F_SEAL_SEAL};
    for (size_t i = 0; i < sizeof seals / sizeof seals[0]; i++)
        assert_object_refused(memfd_by_hand(&header, sizeof header, header.region_size, seals[i]),
                              SIPC_NOT_A_REGION, "seals");
}

// Where a host that frees a page takes its guest's memory away. A machine without huge pages to
// spare makes such an object all the same.
static void huge_pages_are_refused(void **state) {
    (void)state;
    int object = memfd_create("huge", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_HUGETLB);
    if (object < 0 && (errno == ENODEV || errno == ENOSYS || errno == EINVAL)) {
        print_message("this kernel has no huge pages: nothing to refuse\n");
        return;
    }
    assert_true(object >= 0);
    assert_int_equal(fcntl(object, F_ADD_SEALS, EVERY_SEAL), 0);
    assert_object_refused(object, SIPC_NOT_A_REGION, "ordinary pages");
}

static int good_object(uint64_t size) {
    const struct sipc_exchange_header header = header_by_hand(2, 64, 64);
    return memfd_by_hand(&header, size < sizeof header ? size : sizeof header, size, EVERY_SEAL);
}

static int another_description(int object, int flags) {
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", object);
    int made = open(path, flags | O_CLOEXEC);
    assert_true(made >= 0);
    return made;
}

// The object's own checks are those of a named region.
static void a_sealed_object_is_checked_as_any_region(void **state) {
    (void)state;
    struct sipc_exchange_header header = header_by_hand(2, 64, 64);
    assert_object_refused(good_object(header.region_size), SIPC_NO_HOST, "stale");
    // The host's own description: what it has claimed looks free to the guest.
    int shared = good_object(header.region_size);
    assert_int_equal(lock_of(shared, F_OFD_SETLK, F_WRLCK, SIPC_CLAIM_HOST), 0);
    assert_object_refused(shared, SIPC_NO_HOST, "stale");
    header.event_backend = SIPC_BACKEND_SEMAPHORE;
    int claimed = memfd_by_hand(&header, sizeof header, header.region_size, EVERY_SEAL);
    assert_int_equal(lock_of(claimed, F_OFD_SETLK, F_WRLCK, SIPC_CLAIM_HOST), 0);
    assert_object_refused(another_description(claimed, O_RDWR), SIPC_BACKEND_UNSUPPORTED,
                          "sealed region");
    close(claimed);
    // One that is not to be written to, or not to be read.
    claimed = good_object(header.region_size);
    assert_int_equal(lock_of(claimed, F_OFD_SETLK, F_WRLCK, SIPC_CLAIM_HOST), 0);
    assert_object_refused(another_description(claimed, O_RDONLY), SIPC_SYSTEM, "");
    assert_object_refused(another_description(claimed, O_WRONLY), SIPC_SYSTEM, "");
    close(claimed);
}

static void a_host_that_never_answers_costs_no_more_than_the_timeout(void **state) {
    (void)state;
    int listener = socket_at(sealed_path(name), SOCK_SEQPACKET, 1);
    sipc_guest *guest;
    assert_int_equal(attach_within(200000000, &guest), SIPC_NO_HOST);
    assert_says("did not hand out");
    // It is a living one all the same.
    assert_create_fails(SIPC_EXISTS, "listens");
    close(listener);
    assert_int_equal(unlink(sealed_path(name)), 0);
}

// ---- Waiting, and the end ----------------------------------------------------------------------

static sipc_host *late_host;

static void create_late(void *context) {
    (void)context;
    give_others_time();
    if (create(name, &late_host) != SIPC_OK) late_host = NULL;
}

static void a_guest_waits_for_its_host(void **state) {
    (void)state;
    struct thread host;
    thread_start(&host, create_late, NULL);
    sipc_guest *guest;
    assert_int_equal(attach_within(SIPC_FOREVER, &guest), SIPC_OK);
    thread_join(&host);
    assert_non_null(late_host);
    sipc_guest_detach(guest);
    sipc_host_close(late_host);
}

// A host that dies while a child of it lives: the child holds neither the socket nor a claim.
static void a_forked_child_does_not_keep_the_name(void **state) {
    (void)state;
    int ends[2], ready[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
    pid_t host_process = fork();
    assert_true(host_process >= 0);
    if (host_process == 0) {
        sipc_host *host;
        sipc_guest *guest;
        bool made = create(name, &host) == SIPC_OK && attach_within(0, &guest) == SIPC_OK;
        if (fork() == 0) {
            char byte = made ? 1 : 0;
            close(ends[1]);
            if (write(ready[1], &byte, 1) != 1) _exit(1);
            _exit(read(ends[0], &byte, 1) == 0 ? 0 : 1);
        }
        _exit(0);
    }
    assert_int_equal(waitpid(host_process, NULL, 0), host_process);
    char made = 0;
    assert_int_equal(read(ready[0], &made, 1), 1);
    assert_int_equal(made, 1);
    sipc_guest *guest;
    assert_int_equal(attach_within(1, &guest), SIPC_NO_HOST);
    assert_says("nobody listens");
    sipc_host *host = created();
    assert_works(host);
    sipc_host_close(host);
    close(ends[1]);
    close(ends[0]);
    close(ready[0]);
    close(ready[1]);
}

#define SEALED(test) cmocka_unit_test_setup_teardown(test, begin, remove_sealed_folder)

int main(int count, char **arguments) {
    const struct CMUnitTest tests[] = {
        SEALED(a_sealed_region_has_no_name_in_shared_memory),
        SEALED(a_second_host_is_refused_while_the_first_lives),
        SEALED(the_name_is_free_after_a_shutdown),
        SEALED(named_and_sealed_regions_do_not_meet),
        SEALED(of_50_threads_exactly_one_becomes_host),
        SEALED(a_stale_socket_is_no_host_and_is_replaced),
        SEALED(what_is_not_a_socket_is_refused_and_left_alone),
        SEALED(a_symbolic_link_is_not_followed),
        SEALED(another_programs_socket_is_refused_and_left_alone),
        SEALED(a_folder_in_which_others_may_write_is_refused_unless_sticky),
        SEALED(a_folder_of_another_user_is_refused),
        SEALED(a_folder_that_is_not_there_is_an_error),
        SEALED(a_folder_that_somebody_keeps_locked_is_an_error_and_no_hang),
        SEALED(a_path_too_long_for_a_socket_is_refused_by_both_sides),
        SEALED(options_that_contradict_each_other_are_refused),
        SEALED(a_region_larger_than_the_machine_is_an_error),
        SEALED(the_sockets_mode_follows_the_users_under_any_umask),
        SEALED(a_guest_of_a_user_that_was_not_named_is_refused),
        SEALED(a_guest_of_a_user_that_was_named_is_admitted),
        SEALED(a_host_of_another_user_is_refused_unless_any_will_do),
        SEALED(nobody_can_change_its_size),
        SEALED(a_guest_cannot_give_its_hosts_claim_back),
        SEALED(a_crowd_that_takes_nothing_keeps_nobody_out),
        SEALED(a_host_without_descriptors_serves_later),
        SEALED(a_message_that_is_not_a_handover_is_refused),
        SEALED(what_is_not_a_sealed_memfd_is_refused),
        SEALED(huge_pages_are_refused),
        SEALED(a_sealed_object_is_checked_as_any_region),
        SEALED(a_host_that_never_answers_costs_no_more_than_the_timeout),
        SEALED(a_guest_waits_for_its_host),
    };
    // Apart, since they want of the system what not every emulator has.
    const struct CMUnitTest apart[] = {
        SEALED(any_number_of_descriptors_but_one_is_refused),
        SEALED(a_forked_child_does_not_keep_the_name),
    };
    if (count > 1 && strcmp(arguments[1], "apart") == 0)
        return cmocka_run_group_tests(apart, NULL, NULL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
