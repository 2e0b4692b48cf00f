// SPDX-License-Identifier: Apache-2.0
// The examples run and print what they shall; those of the README are what the README shows.
#define _POSIX_C_SOURCE 200809L
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "promises.h"

#define README_HOST EXAMPLES_BUILD "/readme_host"
#define README_GUEST EXAMPLES_BUILD "/readme_guest"

// ---- The pairs ---------------------------------------------------------------------------------

// The README's name is the same for everybody on this machine.
static void readme_pair(struct run *run, bool guest_first) {
    lock_fixed_names();
    if (guest_first) peer_start(&run->guest, README_GUEST, NULL);
    peer_start(&run->host, README_HOST, NULL);
    if (!guest_first) peer_start(&run->guest, README_GUEST, NULL);
    assert_string_equal(peer_hear(&run->host), "response: test");
    peer_finish(&run->host);
    peer_finish(&run->guest);
    assert_int_equal(remove_leftovers("simpleipc.MyIPC"), 0);
    unlock_fixed_names();
}

static void readme_pair_runs(struct run *run) {
    for (unsigned i = 0; i < 4; i++) readme_pair(run, i % 2 == 0);
}

static void c_pair(struct run *run) {
    peer_start(&run->guest, EXAMPLES_BUILD "/example_c_guest", run->region, NULL);
    peer_start(&run->host, EXAMPLES_BUILD "/example_c_host", run->region, "one", "", "Two", NULL);
    assert_string_equal(peer_hear(&run->host), "ONE");
    assert_string_equal(peer_hear(&run->host), "the guest says: there is no word");
    assert_string_equal(peer_hear(&run->host), "TWO");
    peer_finish(&run->host);
    peer_finish(&run->guest);
}

static void pipeline_in_cpp(struct run *run) {
    peer_start(&run->guest, EXAMPLES_BUILD "/example_c_guest", run->region, NULL);
    peer_start(&run->host, EXAMPLES_BUILD "/example_cpp_pipeline", run->region, "a", "few", "words",
               "more", "than", "are", "in", "flight", "at", "a", "time", NULL);
    static const char *const answers[] = {"A",  "FEW",    "WORDS", "MORE", "THAN", "ARE",
                                          "IN", "FLIGHT", "AT",    "A",    "TIME"};
    for (unsigned i = 0; i < COUNT_OF(answers); i++)
        assert_string_equal(peer_hear(&run->host), answers[i]);
    peer_finish(&run->host);
    peer_finish(&run->guest);
}

static void cpp_and_go_pair(struct run *run) {
    peer_start(&run->host, EXAMPLES_BUILD "/example_cpp_host", run->region, NULL);
    peer_start(&run->guest, EXAMPLES_BUILD "/example_go_guest", run->region, NULL);
    assert_string_equal(peer_hear(&run->host), "the mean of 1 to 5000 is 2500.5");
    assert_string_equal(peer_hear(&run->host), "the guest says: there are no numbers");
    assert_string_equal(peer_hear(&run->host), "not started, may be sent again: "
                                               "the guest does not handle this message id");
    peer_finish(&run->host);
    peer_finish(&run->guest);
}

// Each asks the other, several deep.
static void guest_that_calls_back(struct run *run) {
    peer_start(&run->guest, EXAMPLES_BUILD "/example_prices_guest", run->region, NULL);
    peer_start(&run->host, EXAMPLES_BUILD "/example_prices_host", run->region, "apple",
               "pear basket", "hamper", "hamper moon", NULL);
    assert_string_equal(peer_hear(&run->host), "apple: 0.50");
    assert_string_equal(peer_hear(&run->host), "pear basket: 2.50");
    assert_string_equal(peer_hear(&run->host), "hamper: 12.50");
    assert_string_equal(peer_hear(&run->host), "hamper moon: nobody sells a moon");
    peer_finish(&run->host);
    peer_finish(&run->guest);
}

static void jobs_answered_later_by(struct run *run, const char *guest) {
    peer_start(&run->guest, guest, run->region, NULL);
    peer_start(&run->host, EXAMPLES_BUILD "/example_later_host", run->region, NULL);
    assert_string_equal(peer_hear(&run->host), "done after 100 ms");
    assert_string_equal(peer_hear(&run->host), "done after 400 ms");
    assert_string_equal(peer_hear(&run->host), "done after 700 ms");
    assert_string_equal(peer_hear(&run->host),
                        "the deadline passed; the request may have been executed");
    assert_string_equal(peer_hear(&run->host), "the guest says: that is no job");
    assert_string_equal(peer_hear(&run->guest), "a job was given up");
    peer_finish(&run->host);
    peer_finish(&run->guest);
}

static void jobs_that_are_answered_later(struct run *run) {
    jobs_answered_later_by(run, EXAMPLES_BUILD "/example_later_guest");
    jobs_answered_later_by(run, EXAMPLES_BUILD "/example_later_guest_go");
}

static void start_named(struct run *run, struct peer *guest, const char *name) {
    peer_start(guest, EXAMPLES_BUILD "/example_many_guests_guest", run->region, name, NULL);
}

// A third guest takes the slots of the first, which is told to end while calls flow.
static void many_guests(struct run *run) {
    struct peer spare;
    peer_start(&run->host, EXAMPLES_BUILD "/example_many_guests_host", run->region, "red", "green",
               NULL);
    start_named(run, &run->guest, "red");
    assert_string_equal(peer_hear(&run->guest), "red serves 2 slots");
    start_named(run, &run->other, "green");
    assert_string_equal(peer_hear(&run->host), "red answers");
    assert_string_equal(peer_hear(&run->host), "green answers");
    static const char *const slots[] = {"slot 0: red", "slot 1: red", "slot 2: green",
                                        "slot 3: green"};
    for (unsigned i = 0; i < COUNT_OF(slots); i++)
        assert_string_equal(peer_hear(&run->host), slots[i]);
    assert_string_equal(peer_hear(&run->host), "calling");
    start_named(run, &spare, "blue");
    sleep_ms(50);
    kill(run->guest.pid, SIGTERM);
    peer_finish(&run->guest);
    assert_string_equal(peer_hear(&spare), "blue serves 2 slots");
    sleep_ms(50);
    peer_say(&run->host, "enough");
    assert_string_equal(peer_hear(&run->host), "all calls answered, 0 failed");
    peer_finish(&run->host);
    peer_finish(&run->other);
    peer_finish(&spare);
}

static void structs_pair(struct run *run, const char *guest) {
    peer_start(&run->host, EXAMPLES_BUILD "/example_structs_host", run->region, NULL);
    peer_start(&run->guest, guest, run->region, NULL);
    assert_string_equal(peer_hear(&run->host), "area 6, centre 1.33333 1");
    assert_string_equal(peer_hear(&run->host), "area 24, centre 2.66667 2");
    assert_string_equal(peer_hear(&run->host), "area 54, centre 4 3");
    peer_finish(&run->host);
    peer_finish(&run->guest);
}

static void structs_with_c(struct run *run) {
    structs_pair(run, EXAMPLES_BUILD "/example_structs_guest");
}

static void structs_with_go(struct run *run) {
    structs_pair(run, EXAMPLES_BUILD "/example_structs_go_guest");
}

// Sums are those of the same letters on both sides, so that nothing is lost and nothing comes
// twice.
static void streams_with(struct run *run, const char *guest) {
    static const char *const told[] = {"sent 25 %",
                                       "sent 50 %",
                                       "sent 75 %",
                                       "sent 100 %",
                                       "the guest says: 8388608 letters came, sum c615571c594674e9",
                                       "received 25 %",
                                       "received 50 %",
                                       "received 75 %",
                                       "received 100 %",
                                       "8388608 letters came, sum c615571c594674e9",
                                       "the stream's progress function aborted it"};
    peer_start(&run->guest, guest, run->region, NULL);
    peer_start(&run->host, EXAMPLES_BUILD "/example_stream_host", run->region, NULL);
    for (unsigned i = 0; i < COUNT_OF(told); i++)
        assert_string_equal(peer_hear(&run->host), told[i]);
    const char *early = peer_hear(&run->guest);
    assert_non_null(strstr(early, "a transfer has ended early: "));
    assert_non_null(strstr(early, "the stream's progress function aborted it"));
    peer_finish(&run->host);
    peer_finish(&run->guest);
}

static void streams_with_c(struct run *run) {
    streams_with(run, EXAMPLES_BUILD "/example_stream_guest");
}

static void streams_with_go(struct run *run) {
    streams_with(run, EXAMPLES_BUILD "/example_stream_go_guest");
}

// ---- The README --------------------------------------------------------------------------------

struct text {
    char *bytes;
    char **lines; // without the blanks around them, and without empty ones
    unsigned count;
};

static void add_line(struct text *text, char *line) {
    line += strspn(line, " \t");
    size_t size = strlen(line);
    while (size > 0 && strchr(" \t\r", line[size - 1])) line[--size] = '\0';
    if (size > 0) text->lines[text->count++] = line;
}

static struct text read_text(const char *path) {
    enum { MOST_BYTES = 1 << 20 };
    struct text text = {.bytes = calloc(1, MOST_BYTES + 1)};
    FILE *file = fopen(path, "r");
    if (!file || !text.bytes) fail_msg("cannot read %s", path);
    size_t size = fread(text.bytes, 1, MOST_BYTES, file);
    fclose(file);
    assert_in_range(size, 1, MOST_BYTES - 1);
    text.lines = calloc(size + 1, sizeof *text.lines);
    assert_non_null(text.lines);
    for (char *at = text.bytes, *end; at; at = end) {
        end = strchr(at, '\n');
        if (end) *end++ = '\0';
        add_line(&text, at);
    }
    return text;
}

static void free_text(struct text *text) {
    free(text->bytes);
    free(text->lines);
}

// The block of this language in which this line stands: from its first line to the one after its
// last.
static unsigned find_block(const struct text *readme, const char *language, const char *line,
                           unsigned *end) {
    for (unsigned i = 0; i < readme->count; i++) {
        if (strncmp(readme->lines[i], "```", 3) != 0) continue;
        bool wanted = strncmp(readme->lines[i] + 3, language, strlen(language)) == 0;
        unsigned begin = ++i;
        bool found = false;
        for (; i < readme->count && strncmp(readme->lines[i], "```", 3) != 0; i++)
            found = found || strstr(readme->lines[i], line) != NULL;
        *end = i;
        if (wanted && found) return begin;
    }
    fail_msg("README.md has no block of %s with \"%s\"", language, line);
    return 0;
}

// Each line of the block stands in the file, in the same order, with nothing but lines of the
// file's own before, between the includes and the rest, and after.
static void expect_shown(const char *path, const char *language, const char *line) {
    struct text readme = read_text(README_FILE), file = read_text(path);
    unsigned at = 0, end = 0;
    for (unsigned i = find_block(&readme, language, line, &end); i < end; i++) {
        while (at < file.count && strcmp(file.lines[at], readme.lines[i]) != 0) at++;
        if (at++ == file.count)
            fail_msg("\"%s\" of README.md is not in its place in %s", readme.lines[i], path);
    }
    free_text(&readme);
    free_text(&file);
}

static void readme_shows_the_examples(struct run *run) {
    (void)run;
    expect_shown(EXAMPLES_FOLDER "/readme/host.cpp", "cpp", "host.Send((const uint8_t*)\"test\"");
    expect_shown(EXAMPLES_FOLDER "/readme/guest/main.go", "go", "shm.Connect(\"MyIPC\")");
}

int main(void) {
    static const struct promise promises[] = {
        {"the README's pair runs as it stands", readme_pair_runs, 30, ONCE},
        {"the README shows its examples", readme_shows_the_examples, 10, ONCE},
        {"the pair in C", c_pair, 20, ONCE},
        {"the pipeline in C++ and the guest in C", pipeline_in_cpp, 20, ONCE},
        {"many guests, one of which is replaced under load", many_guests, 20, ONCE},
        {"plain structs in place, the guest in C", structs_with_c, 20, ONCE},
        {"plain structs in place, the guest in Go", structs_with_go, 20, ONCE},
        {"streams with progress and an abort, the guest in C", streams_with_c, 20, ONCE},
        {"streams with progress and an abort, the guest in Go", streams_with_go, 20, ONCE},
        {"the host in C++ and the guest in Go", cpp_and_go_pair, 20, ONCE},
        {"the guest in Go that calls its host in C++ back", guest_that_calls_back, 20, ONCE},
        {"jobs that are answered later, in C++ and Go", jobs_that_are_answered_later, 20, ONCE},
    };
    return run_promises("examples", GROUP_SECONDS, promises, COUNT_OF(promises));
}
