// SPDX-License-Identifier: Apache-2.0
// examples/sqlite-udf: this process is SQLite with the extension, and another one the guest in Go.
#define _POSIX_C_SOURCE 200809L
#include <pthread.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

#include "promises.h"

enum { MOST_ANSWER = 1024, THREADS = 4 };

static const char *const ALL =
    "go_upper(1), geo_distance(4), go_echo(1), go_count(...), go_repeat(2), "
    "go_fail(1), go_panic(1), go_sleep(1), go_pid(0)";

// ---- Asking SQLite -----------------------------------------------------------------------------

struct answer {
    char text[MOST_ANSWER]; // the first column of the first row, or the error after "error: "
};

static struct answer step(sqlite3 *database, sqlite3_stmt *statement) {
    struct answer answer;
    int code = sqlite3_step(statement);
    const char *text =
        code == SQLITE_ROW ? (const char *)sqlite3_column_text(statement, 0) : "no row";
    if (code != SQLITE_ROW && code != SQLITE_DONE)
        snprintf(answer.text, sizeof answer.text, "error: %s", sqlite3_errmsg(database));
    else
        snprintf(answer.text, sizeof answer.text, "%s", text ? text : "NULL");
    return answer;
}

static struct answer ask(sqlite3 *database, const char *sql) {
    struct answer answer;
    sqlite3_stmt *statement = NULL;
    if (sqlite3_prepare_v2(database, sql, -1, &statement, NULL) == SQLITE_OK)
        answer = step(database, statement);
    else
        snprintf(answer.text, sizeof answer.text, "error: %s", sqlite3_errmsg(database));
    sqlite3_finalize(statement);
    return answer;
}

static void expect(sqlite3 *database, const char *sql, const char *wanted) {
    struct answer answer = ask(database, sql);
    if (strcmp(answer.text, wanted) != 0)
        fail_msg("%s: expected \"%s\", got \"%s\"", sql, wanted, answer.text);
}

static void expect_beginning(sqlite3 *database, const char *sql, const char *beginning) {
    struct answer answer = ask(database, sql);
    if (strncmp(answer.text, beginning, strlen(beginning)) != 0)
        fail_msg("%s: expected \"%s...\", got \"%s\"", sql, beginning, answer.text);
}

static struct answer attach_by(sqlite3 *database, const char *region, double seconds) {
    char sql[160];
    snprintf(sql, sizeof sql, "SELECT simpleipc_attach('%s', %g)", region, seconds);
    return ask(database, sql);
}

// ---- Both sides --------------------------------------------------------------------------------

// NULL: the reason was printed. For any thread.
static sqlite3 *open_database(void) {
    sqlite3 *database = NULL;
    char *error = NULL;
    if (sqlite3_open(":memory:", &database) == SQLITE_OK &&
        sqlite3_db_config(database, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 1, NULL) == SQLITE_OK &&
        sqlite3_load_extension(database, EXTENSION, NULL, &error) == SQLITE_OK)
        return database;
    print_error("%s: %s\n", EXTENSION, error ? error : sqlite3_errmsg(database));
    sqlite3_free(error);
    sqlite3_close(database);
    return NULL;
}

static void start_functions(struct run *run) {
    peer_start(&run->guest, SQLITE_GUEST, run->region, NULL);
}

static sqlite3 *open_attached(struct run *run, double seconds) {
    sqlite3 *database = open_database();
    assert_non_null(database);
    assert_string_equal(attach_by(database, run->region, seconds).text, ALL);
    return database;
}

static sqlite3 *open_pair(struct run *run) {
    start_functions(run);
    return open_attached(run, 10);
}

static void end_guest(struct peer *guest) {
    assert_int_equal(kill(guest->pid, SIGTERM), 0);
    peer_finish(guest);
}

static void close_pair(struct run *run, sqlite3 *database) {
    assert_int_equal(sqlite3_close(database), SQLITE_OK);
    end_guest(&run->guest);
}

// ---- Values ------------------------------------------------------------------------------------

static void values_pass_both_ways(struct run *run) {
    static const char *const values[] = {
        "NULL",
        "0",
        "-1",
        "9223372036854775807",
        "-9223372036854775808",
        "0.5",
        "-0.0",
        "1e308",
        "5e-324",
        "9e999",
        "''",
        "'a'",
        "'\u00e9\u4e2d\U0001f600'",
        "'a' || char(0) || 'b'",
        "x''",
        "x'00'",
        "x'fffe00'",
        "CAST(x'fffe' AS TEXT)",
        "zeroblob(65000)",
    };
    sqlite3 *database = open_pair(run);
    for (unsigned i = 0; i < COUNT_OF(values); i++) {
        char sql[256];
        snprintf(sql, sizeof sql,
                 "WITH v(x) AS (SELECT %s), e(x, y) AS MATERIALIZED (SELECT x, go_echo(x) FROM v) "
                 "SELECT x IS y AND typeof(x) = typeof(y) AND hex(x) = hex(y) FROM e",
                 values[i]);
        expect(database, sql, "1");
    }
    expect(database, "SELECT go_count()", "0");
    expect(database, "SELECT go_count(1, NULL, 'three', x'04')", "4");
    expect(database, "SELECT go_upper('caf\u00e9 ' || 7)", "CAF\u00c9 7");
    expect(database, "SELECT go_upper(NULL)", "NULL");
    expect(database, "SELECT round(geo_distance(52.52, 13.405, 48.8566, 2.3522), 3)", "877.465");
    expect(database, "SELECT length(go_repeat('ab', 30000))", "60000");
    close_pair(run, database);
}

// ---- Errors ------------------------------------------------------------------------------------

static void errors_are_sql_errors(struct run *run) {
    sqlite3 *database = open_pair(run);
    expect(database, "SELECT go_fail('no such luck')", "error: go_fail: no such luck");
    expect(database, "SELECT go_fail('')", "error: go_fail: ");
    expect(database, "SELECT go_panic('oops')", "error: go_panic: panic: oops");
    expect(database, "SELECT go_upper(5)", "error: go_upper: the argument is INTEGER; give TEXT");
    expect(database, "SELECT go_upper('a', 'b')",
           "error: wrong number of arguments to function go_upper()");
    expect(database, "SELECT go_echo(zeroblob(65536))",
           "error: go_echo: the arguments take 65552 bytes; the limit is 65536");
    assert_int_equal(sqlite3_errcode(database), SQLITE_TOOBIG);
    expect(database, "SELECT length(go_echo(zeroblob(65520)))", "65520");
    expect(database, "SELECT go_repeat('x', 65521)",
           "error: go_repeat: the result takes more than 65536 bytes, which is the limit");
    assert_int_equal(sqlite3_errcode(database), SQLITE_TOOBIG);
    expect(database, "SELECT length(go_repeat('x', 65520))", "65520");
    close_pair(run, database);
}

static void bad_attachments_are_errors(struct run *run) {
    sqlite3 *database = open_database();
    assert_non_null(database);
    expect_beginning(database, "SELECT simpleipc_attach('.dot')", "error: simpleipc_attach: ");
    expect_beginning(database, "SELECT simpleipc_attach(NULL)", "error: simpleipc_attach: ");
    expect(database, "SELECT simpleipc_attach('a', 0)",
           "error: simpleipc_attach: the timeout is no number of seconds from 0.001 to 86400");
    sqlite3_exec(database, "CREATE VIEW v AS SELECT simpleipc_attach('a')", NULL, NULL, NULL);
    expect(database, "SELECT * FROM v", "error: unsafe use of simpleipc_attach()");
    // Nobody is there. One who comes later is found by the next attempt, and by one more.
    static const char nobody[] = "error: simpleipc_attach: not started: ";
    assert_memory_equal(attach_by(database, run->region, 0.2).text, nobody, sizeof nobody - 1);
    start_functions(run);
    for (int i = 0; i < 2; i++) assert_string_equal(attach_by(database, run->region, 10).text, ALL);
    // Another process cannot take the same name.
    peer_start(&run->other, SQLITE_MILLION, EXTENSION, run->region, "100", NULL);
    assert_int_equal(peer_exit_status(&run->other), 1);
    expect(database, "SELECT go_pid() > 1", "1");
    close_pair(run, database);
}

static void be_one(sqlite3_context *context, int count, sqlite3_value **arguments) {
    (void)count;
    (void)arguments;
    sqlite3_result_int(context, 1);
}

static int add_own(sqlite3 *database, const char *name) {
    return sqlite3_create_function_v2(database, name, 1, SQLITE_UTF8, NULL, be_one, NULL, NULL,
                                      NULL);
}

// A guest replaces none of the application's functions; the application may replace the guest's.
static void other_functions_are_left_alone(struct run *run) {
    start_functions(run);
    sqlite3 *database = open_database();
    assert_non_null(database);
    assert_int_equal(add_own(database, "GO_Echo"), SQLITE_OK);
    struct answer answer = attach_by(database, run->region, 10);
    assert_non_null(strstr(answer.text, "cannot add go_echo(1) of the guest"));
    expect(database, "SELECT go_echo('x')", "1");
    assert_int_equal(sqlite3_close(database), SQLITE_OK);
    database = open_attached(run, 10);
    assert_int_equal(add_own(database, "go_echo"), SQLITE_OK);
    expect(database, "SELECT go_echo('x')", "1");
    expect(database, "SELECT go_upper('x')", "X");
    close_pair(run, database);
}

static void other_guests_are_told_apart(struct run *run) {
    peer_start(&run->guest, EXAMPLES_BUILD "/example_c_guest", run->region, NULL);
    sqlite3 *database = open_database();
    assert_non_null(database);
    static const char broken[] = "error: simpleipc_attach: the guest \"";
    struct answer answer = attach_by(database, run->region, 10);
    assert_memory_equal(answer.text, broken, sizeof broken - 1);
    assert_non_null(strstr(answer.text, "sent a broken message: a function's name is no text"));
    assert_int_equal(sqlite3_close(database), SQLITE_OK);
    peer_finish(&run->guest);
}

// ---- Deaths ------------------------------------------------------------------------------------

#define ROWS(count)                                                                                \
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT " count ") "

static void kill_guest(sqlite3_context *context, int count, sqlite3_value **arguments) {
    struct run *run = sqlite3_user_data(context);
    (void)count;
    (void)arguments;
    peer_kill(&run->guest);
}

static void restart_guest(sqlite3_context *context, int count, sqlite3_value **arguments) {
    kill_guest(context, count, arguments);
    start_functions(sqlite3_user_data(context));
}

static void add_killer(sqlite3 *database, struct run *run, const char *name,
                       void (*killer)(sqlite3_context *, int, sqlite3_value **)) {
    assert_int_equal(
        sqlite3_create_function_v2(database, name, 0, SQLITE_UTF8, run, killer, NULL, NULL, NULL),
        SQLITE_OK);
}

static void expect_service(sqlite3 *database) {
    expect(database, ROWS("1000") "SELECT count(*) FROM n WHERE go_upper('r' || i) = 'R' || i",
           "1000");
}

// The next call waits for a guest as long as its timeout says.
static void guests_killed_between_calls(struct run *run) {
    start_functions(run);
    sqlite3 *database = open_attached(run, 0.5);
    add_killer(database, run, "kill_guest", kill_guest);
    for (int i = 0; i < 3; i++) {
        expect_beginning(database,
                         ROWS("100000") "SELECT sum(length(go_upper('row ' || i))), "
                                        "sum(CASE i WHEN 5000 THEN kill_guest() END) FROM n",
                         "error: go_upper: not started: ");
        start_functions(run);
        assert_string_equal(attach_by(database, run->region, 10).text, ALL);
        expect_service(database);
        assert_string_equal(attach_by(database, run->region, 0.5).text, ALL);
    }
    close_pair(run, database);
}

static void queries_outlive_a_restart_between_calls(struct run *run) {
    sqlite3 *database = open_pair(run);
    add_killer(database, run, "restart_guest", restart_guest);
    expect(database,
           ROWS("2000") "SELECT sum(go_upper('r' || i) = 'R' || i AND "
                        "CASE i WHEN 500 THEN restart_guest() END IS NULL) FROM n",
           "2000");
    close_pair(run, database);
}

struct killer {
    pid_t guest;
    unsigned after_ms;
    pthread_t thread;
};

static void *kill_later(void *context) {
    const struct killer *killer = context;
    sleep_ms(killer->after_ms);
    kill(killer->guest, SIGKILL);
    return NULL;
}

// The query's error, when the guest is killed so much later.
static struct answer ask_and_kill(struct run *run, sqlite3 *database, const char *sql,
                                  unsigned after_ms) {
    struct killer killer = {.guest = run->guest.pid, .after_ms = after_ms};
    assert_int_equal(pthread_create(&killer.thread, NULL, kill_later, &killer), 0);
    struct answer answer = ask(database, sql);
    pthread_join(killer.thread, NULL);
    peer_kill(&run->guest); // it is dead: reaps it
    return answer;
}

static void guests_killed_in_a_call(struct run *run) {
    static const char error[] = "error: go_sleep: maybe executed: ";
    sqlite3 *database = open_pair(run);
    struct answer answer =
        ask_and_kill(run, database, ROWS("100") "SELECT sum(go_sleep(30)) FROM n", 1000);
    assert_memory_equal(answer.text, error, sizeof error - 1);
    start_functions(run);
    expect_service(database);
    close_pair(run, database);
}

static void guests_killed_at_any_time(struct run *run) {
    start_functions(run);
    sqlite3 *database = open_attached(run, 10);
    for (unsigned i = 0; i < 10; i++) {
        assert_string_equal(attach_by(database, run->region, 0.5).text, ALL);
        struct answer answer = ask_and_kill(
            run, database, ROWS("1000000000") "SELECT sum(length(go_upper('r' || i))) FROM n",
            50 + 7 * i);
        if (strncmp(answer.text, "error: go_upper: not started: ", 30) != 0 &&
            strncmp(answer.text, "error: go_upper: maybe executed: ", 33) != 0)
            fail_msg("the guest was killed, and the answer is \"%s\"", answer.text);
        print_message("             %.70s\n", answer.text);
        start_functions(run);
        assert_string_equal(attach_by(database, run->region, 10).text, ALL);
        expect_service(database);
    }
    close_pair(run, database);
}

// The message ids of its functions are not those of ours.
static void another_program_runs_nothing_in_its_place(struct run *run) {
    sqlite3 *database = open_pair(run);
    peer_kill(&run->guest);
    peer_start(&run->other, EXAMPLES_BUILD "/example_c_guest", run->region, NULL);
    expect_beginning(database, "SELECT go_upper('x')", "error: go_upper: the guest \"");
    assert_non_null(strstr(sqlite3_errmsg(database), "does not have this function"));
    assert_int_equal(sqlite3_close(database), SQLITE_OK);
    peer_finish(&run->other);
}

// A handler that takes too long keeps its slot, but not the connection.
static void slow_functions_time_out(struct run *run) {
    start_functions(run);
    sqlite3 *database = open_attached(run, 0.5);
    expect_beginning(database, "SELECT go_sleep(2)", "error: go_sleep: maybe executed: ");
    assert_string_equal(attach_by(database, run->region, 10).text, ALL);
    expect(database, "SELECT go_upper('next')", "NEXT");
    close_pair(run, database);
}

// The guest serves one SQLite after the other.
static void hosts_come_and_go(struct run *run) {
    char pid[16];
    start_functions(run);
    snprintf(pid, sizeof pid, "%d", (int)run->guest.pid);
    sqlite3 *last = NULL;
    for (int i = 0; i < 3; i++) {
        sqlite3 *database = open_attached(run, 10);
        expect(database, "SELECT go_pid()", pid);
        sqlite3 *second = open_attached(run, 10);
        assert_int_equal(sqlite3_close(database), SQLITE_OK);
        expect(second, "SELECT go_pid()", pid); // it has the host still
        if (i < 2)
            assert_int_equal(sqlite3_close(second), SQLITE_OK);
        else
            last = second;
    }
    close_pair(run, last);
}

// ---- Many --------------------------------------------------------------------------------------

struct caller {
    const char *region;
    pthread_t thread;
    struct answer answer;
};

// A connection of its own in each thread.
static void *use_functions(void *context) {
    struct caller *caller = context;
    sqlite3 *database = open_database();
    if (!database) return NULL;
    caller->answer = attach_by(database, caller->region, 10);
    if (strcmp(caller->answer.text, ALL) == 0)
        caller->answer = ask(database, ROWS("5000") "SELECT count(*) FROM n "
                                                    "WHERE go_upper('r' || i) = 'R' || i");
    sqlite3_close(database);
    return NULL;
}

static void threads_have_connections_of_their_own(struct run *run) {
    struct caller callers[THREADS] = {{.region = NULL}};
    start_functions(run);
    for (unsigned i = 0; i < THREADS; i++) {
        callers[i].region = run->region;
        assert_int_equal(pthread_create(&callers[i].thread, NULL, use_functions, &callers[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++) pthread_join(callers[i].thread, NULL);
    for (unsigned i = 0; i < THREADS; i++) assert_string_equal(callers[i].answer.text, "5000");
    end_guest(&run->guest);
}

static void as_many_connections_as_slots(struct run *run) {
    enum { SLOTS = 64 };
    sqlite3 *databases[SLOTS];
    start_functions(run);
    for (int i = 0; i < SLOTS; i++) databases[i] = open_attached(run, 10);
    sqlite3 *another = open_database();
    assert_non_null(another);
    assert_string_equal(attach_by(another, run->region, 0.2).text,
                        "error: simpleipc_attach: not started: all 64 slots were busy until the "
                        "deadline; create more slots or wait longer");
    for (int i = 0; i < SLOTS; i++) expect(databases[i], "SELECT go_upper('x')", "X");
    assert_int_equal(sqlite3_close(databases[0]), SQLITE_OK);
    assert_string_equal(attach_by(another, run->region, 10).text, ALL);
    for (int i = 1; i < SLOTS; i++) assert_int_equal(sqlite3_close(databases[i]), SQLITE_OK);
    close_pair(run, another);
}

static void a_million_rows_are_compared(struct run *run) {
    start_functions(run);
    peer_start(&run->other, SQLITE_MILLION, EXTENSION, run->region, "100000", NULL);
    peer_expect(&run->other, "100000 rows, ");
    peer_expect(&run->other, "function ");
    for (int i = 0; i < 6; i++) print_message("             %s\n", peer_hear(&run->other));
    peer_finish(&run->other);
    end_guest(&run->guest);
}

int main(void) {
    static const struct promise promises[] = {
        {"values of every type pass both ways", values_pass_both_ways, 20, ONCE},
        {"errors are SQL errors", errors_are_sql_errors, 20, ONCE},
        {"bad attachments are errors", bad_attachments_are_errors, 20, ONCE},
        {"other functions are left alone", other_functions_are_left_alone, 20, ONCE},
        {"other guests are told apart", other_guests_are_told_apart, 20, ONCE},
        {"guests killed between calls", guests_killed_between_calls, 30, ONCE},
        {"queries outlive a restart between calls", queries_outlive_a_restart_between_calls, 30,
         ONCE},
        {"guests killed in a call", guests_killed_in_a_call, 30, ONCE},
        {"guests killed at any time", guests_killed_at_any_time, 30, ONCE},
        {"another program runs nothing in its place", another_program_runs_nothing_in_its_place, 30,
         ONCE},
        {"slow functions time out", slow_functions_time_out, 20, ONCE},
        {"hosts come and go", hosts_come_and_go, 30, ONCE},
        {"threads have connections of their own", threads_have_connections_of_their_own, 30, ONCE},
        {"as many connections as slots", as_many_connections_as_slots, 30, ONCE},
        {"a million rows, in short", a_million_rows_are_compared, 60, ONCE},
    };
    return run_promises("SQLite", GROUP_SECONDS, promises, COUNT_OF(promises));
}
