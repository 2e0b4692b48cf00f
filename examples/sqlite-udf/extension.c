// SPDX-License-Identifier: Apache-2.0
// A SQLite extension whose functions are served by another process:
//
//   SELECT simpleipc_attach('NAME');            -- waits up to 10 s for the guest of that name
//   SELECT simpleipc_attach('NAME', SECONDS);   -- other than 10 s, for this and for each call
//
// It asks the guest for its functions, adds them to the connection and returns their list.
#include <sqlite3ext.h>
SQLITE_EXTENSION_INIT1

#include <limits.h>
#include <pthread.h>
#include <string.h>

#include "link.h"
#include "values.h"

// As in guest/udf/functions.go.
enum { VERSION = 1, FLAG_DETERMINISTIC = 1, FLAG_DIRECT_ONLY = 2 };
enum { MOST_NAME = 255, MOST_ARITY = 127 };
#define MESSAGE_LIST SIPC_MESSAGE_FIRST_USER

// What a connection to a database has: guests, and the functions that they serve. It lives as long
// as one of the SQL functions that it is the context of.
struct connection {
    sqlite3 *database;
    unsigned references;
    struct guest *guests;
    struct function *functions;
};

struct guest {
    struct guest *next;
    struct link link;
    char name[]; // ends with a NUL byte
};

struct function {
    struct function *next;
    struct connection *connection;
    struct guest *guest;
    uint32_t message_id;
    int arity;
    char name[]; // ends with a NUL byte
};

// ---- Life --------------------------------------------------------------------------------------

static void release_connection(void *context) {
    struct connection *connection = context;
    if (--connection->references > 0) return;
    while (connection->guests) {
        struct guest *guest = connection->guests;
        connection->guests = guest->next;
        link_close(&guest->link);
        sqlite3_free(guest);
    }
    sqlite3_free(connection);
}

// SQLite calls it when the function is replaced or the connection closed.
static void release_function(void *context) {
    struct function *function = context;
    struct function **at = &function->connection->functions;
    while (*at != function) at = &(*at)->next;
    *at = function->next;
    release_connection(function->connection);
    sqlite3_free(function);
}

// ---- Errors ------------------------------------------------------------------------------------

// Takes the text, which is NULL if there was no memory for it.
static void fail(sqlite3_context *context, int code, char *text) {
    if (!text) {
        sqlite3_result_error_nomem(context);
        return;
    }
    sqlite3_result_error(context, text, -1);
    if (code != SQLITE_ERROR) sqlite3_result_error_code(context, code);
    sqlite3_free(text);
}

static const char *name_of(sipc_fate fate) {
    switch (fate) {
    case SIPC_FATE_NOT_STARTED:
        return "not started";
    case SIPC_FATE_MAYBE_EXECUTED:
        return "maybe executed";
    case SIPC_FATE_ANSWERED:
    default:
        return "answered";
    }
}

static void fail_call(sqlite3_context *context, const char *function, const struct guest *guest,
                      sipc_status status, const char *response, uint32_t size) {
    switch (status) {
    case SIPC_HANDLER_FAILED:
        fail(context, SQLITE_ERROR, sqlite3_mprintf("%s: %.*s", function, (int)size, response));
        break;
    case SIPC_UNKNOWN_MESSAGE:
        fail(context, SQLITE_ERROR,
             sqlite3_mprintf("%s: the guest \"%s\" does not have this function; is it another "
                             "program than before?",
                             function, guest->name));
        break;
    case SIPC_RESPONSE_TOO_LARGE:
        fail(context, SQLITE_TOOBIG,
             sqlite3_mprintf("%s: the result takes more than %u bytes, which is the limit",
                             function, LINK_CAPACITY));
        break;
    default:
        fail(context, SQLITE_ERROR,
             sqlite3_mprintf("%s: %s: %s", function, name_of(sipc_status_fate(status)),
                             sipc_error_text()));
    }
}

static void fail_broken(sqlite3_context *context, const char *function, const struct guest *guest,
                        const char *problem) {
    fail(context, SQLITE_ERROR,
         sqlite3_mprintf("%s: the guest \"%s\" sent a broken message: %s", function, guest->name,
                         problem));
}

// ---- Calling -----------------------------------------------------------------------------------

// False: no memory.
static bool add_argument(struct value_writer *writer, sqlite3_value *argument) {
    int type = sqlite3_value_type(argument);
    switch (type) {
    case SQLITE_INTEGER:
        values_add_integer(writer, sqlite3_value_int64(argument));
        return true;
    case SQLITE_FLOAT:
        values_add_real(writer, sqlite3_value_double(argument));
        return true;
    case SQLITE_NULL:
        values_add_null(writer);
        return true;
    default:
        break;
    }
    bool is_text = type == SQLITE_TEXT;
    // The bytes first: that may change their number.
    const void *bytes =
        is_text ? (const void *)sqlite3_value_text(argument) : sqlite3_value_blob(argument);
    int size = sqlite3_value_bytes(argument);
    values_add_bytes(writer, is_text ? VALUE_TEXT : VALUE_BLOB, bytes, (uint64_t)size);
    return bytes != NULL || size == 0;
}

static void set_result(sqlite3_context *context, const struct value *value) {
    switch (value->type) {
    case VALUE_INTEGER:
        sqlite3_result_int64(context, value->integer);
        break;
    case VALUE_REAL:
        sqlite3_result_double(context, value->real);
        break;
    case VALUE_TEXT:
        sqlite3_result_text64(context, value->bytes, value->size, SQLITE_TRANSIENT, SQLITE_UTF8);
        break;
    case VALUE_BLOB:
        sqlite3_result_blob64(context, value->bytes, value->size, SQLITE_TRANSIENT);
        break;
    case VALUE_NULL:
    default:
        sqlite3_result_null(context);
    }
}

// Calls with the request that stands in the link. False: that failed, and the error is set.
static bool call(sqlite3_context *context, const char *function, struct guest *guest,
                 uint32_t message_id, uint64_t request_size, struct value_reader *reader) {
    if (request_size > LINK_CAPACITY) {
        fail(context, SQLITE_TOOBIG,
             sqlite3_mprintf("%s: the arguments take %llu bytes; the limit is %u", function,
                             (unsigned long long)request_size, LINK_CAPACITY));
        return false;
    }
    const void *response = NULL;
    uint32_t size = 0;
    sipc_status status =
        link_call(&guest->link, message_id, (uint32_t)request_size, &response, &size);
    if (status != SIPC_OK) {
        fail_call(context, function, guest, status, response, size);
        return false;
    }
    if (values_open(reader, response, size)) return true;
    fail_broken(context, function, guest, reader->problem);
    return false;
}

static void fail_request(sqlite3_context *context, const char *function) {
    fail(context, SQLITE_ERROR,
         sqlite3_mprintf("%s: not started: %s", function, sipc_error_text()));
}

// A function that a guest serves.
static void call_function(sqlite3_context *context, int count, sqlite3_value **arguments) {
    const struct function *function = sqlite3_user_data(context);
    struct guest *guest = function->guest;
    void *request = link_request(&guest->link);
    if (!request) {
        fail_request(context, function->name);
        return;
    }
    struct value_writer writer;
    values_begin(&writer, request, LINK_CAPACITY, (uint32_t)count);
    for (int i = 0; i < count; i++) {
        if (add_argument(&writer, arguments[i])) continue;
        sqlite3_result_error_nomem(context);
        return;
    }
    struct value_reader reader;
    if (!call(context, function->name, guest, function->message_id, writer.size, &reader)) return;
    struct value result;
    if (values_next(&reader, &result) && values_close(&reader))
        set_result(context, &result);
    else
        fail_broken(context, function->name, guest, reader.problem);
}

// ---- Attaching ---------------------------------------------------------------------------------

static const char ATTACH[] = "simpleipc_attach";

static struct guest *find_guest(struct connection *connection, const char *name) {
    struct guest *guest = connection->guests;
    while (guest && strcmp(guest->name, name) != 0) guest = guest->next;
    return guest;
}

// NULL: that failed, and the error is set.
static struct guest *add_guest(sqlite3_context *context, struct connection *connection,
                               const char *name) {
    size_t size = strlen(name) + 1;
    struct guest *guest = sqlite3_malloc64(sizeof *guest + size);
    if (!guest) {
        sqlite3_result_error_nomem(context);
        return NULL;
    }
    memcpy(guest->name, name, size);
    sipc_status status = link_open(&guest->link, name);
    if (status != SIPC_OK) {
        if (status == SIPC_OUT_OF_MEMORY)
            sqlite3_result_error_nomem(context);
        else
            fail(context, SQLITE_ERROR, sqlite3_mprintf("%s: %s", ATTACH, sipc_error_text()));
        sqlite3_free(guest);
        return NULL;
    }
    guest->next = connection->guests;
    connection->guests = guest;
    return guest;
}

// One entry of the guest's list, checked.
struct entry {
    char name[MOST_NAME + 1];
    int arity;
    int64_t flags;
    uint32_t message_id;
};

static bool take_name(struct value_reader *reader, char *name) {
    struct value value;
    if (!values_next(reader, &value)) return false;
    if (value.type != VALUE_TEXT || value.size < 1 || value.size > MOST_NAME) {
        reader->problem = "a function's name is no text of 1 to 255 bytes";
        return false;
    }
    memcpy(name, value.bytes, value.size);
    name[value.size] = '\0';
    return true;
}

static bool take_integer(struct value_reader *reader, int64_t least, int64_t most,
                         int64_t *integer) {
    struct value value;
    if (!values_next(reader, &value)) return false;
    *integer = value.integer;
    if (value.type == VALUE_INTEGER && value.integer >= least && value.integer <= most) return true;
    reader->problem = "a function's arity, flags or message id is out of its range";
    return false;
}

static bool take_entry(struct value_reader *reader, struct entry *entry) {
    int64_t arity, message_id;
    if (!take_name(reader, entry->name) || !take_integer(reader, -1, MOST_ARITY, &arity) ||
        !take_integer(reader, 0, INT64_MAX, &entry->flags) ||
        !take_integer(reader, (int64_t)MESSAGE_LIST + 1, UINT32_MAX, &message_id))
        return false;
    entry->arity = (int)arity;
    entry->message_id = (uint32_t)message_id;
    return true;
}

static struct function *find_function(struct connection *connection, const struct entry *entry) {
    struct function *function = connection->functions;
    while (function &&
           (function->arity != entry->arity || sqlite3_stricmp(function->name, entry->name) != 0))
        function = function->next;
    return function;
}

static int add_function(struct connection *connection, struct guest *guest,
                        const struct entry *entry) {
    size_t size = strlen(entry->name) + 1;
    struct function *function = sqlite3_malloc64(sizeof *function + size);
    if (!function) return SQLITE_NOMEM;
    *function = (struct function){.next = connection->functions,
                                  .connection = connection,
                                  .guest = guest,
                                  .message_id = entry->message_id,
                                  .arity = entry->arity};
    memcpy(function->name, entry->name, size);
    connection->functions = function;
    connection->references++;
    int flags = SQLITE_UTF8;
    if (entry->flags & FLAG_DETERMINISTIC) flags |= SQLITE_DETERMINISTIC;
    if (entry->flags & FLAG_DIRECT_ONLY) flags |= SQLITE_DIRECTONLY;
    // SQLite replaces no function while a statement runs: one of the same name stays as it is.
    return sqlite3_create_function_v2(connection->database, entry->name, entry->arity, flags,
                                      function, call_function, NULL, NULL, release_function);
}

// Adds the function unless the connection has it from this guest already. False: the error is set.
static bool take_function(sqlite3_context *context, struct connection *connection,
                          struct guest *guest, const struct entry *entry) {
    struct function *known = find_function(connection, entry);
    if (known && known->guest == guest) {
        known->message_id = entry->message_id;
        return true;
    }
    int code = add_function(connection, guest, entry);
    if (code == SQLITE_OK) return true;
    if (code == SQLITE_NOMEM) {
        sqlite3_result_error_nomem(context);
        return false;
    }
    fail(context, SQLITE_ERROR,
         sqlite3_mprintf("%s: cannot add %s(%d) of the guest \"%s\": %s", ATTACH, entry->name,
                         entry->arity, guest->name,
                         code == SQLITE_BUSY ? "the connection has such a function already; rename "
                                               "it in the guest"
                                             : sqlite3_errmsg(connection->database)));
    return false;
}

// As "geo_distance(4)"; three dots for any number of arguments.
static void describe(sqlite3_str *text, const struct entry *entry) {
    sqlite3_str_appendf(text, "%s%s(", sqlite3_str_length(text) > 0 ? ", " : "", entry->name);
    if (entry->arity < 0)
        sqlite3_str_appendall(text, "...)");
    else
        sqlite3_str_appendf(text, "%d)", entry->arity);
}

// Takes the list of functions; its text is the result.
static void take_functions(sqlite3_context *context, struct connection *connection,
                           struct guest *guest, struct value_reader *reader) {
    sqlite3_str *text = sqlite3_str_new(connection->database);
    struct entry entry;
    bool good = true;
    while (good && reader->taken < reader->count) {
        good = take_entry(reader, &entry);
        if (!good)
            fail_broken(context, ATTACH, guest, reader->problem);
        else if ((good = take_function(context, connection, guest, &entry)))
            describe(text, &entry);
    }
    if (good && !(good = values_close(reader)))
        fail_broken(context, ATTACH, guest, reader->problem);
    char *list = sqlite3_str_finish(text);
    if (good) sqlite3_result_text(context, list ? list : "", -1, SQLITE_TRANSIENT);
    sqlite3_free(list);
}

// False: out of range.
static bool set_timeout(struct guest *guest, sqlite3_value *seconds) {
    double value = sqlite3_value_double(seconds);
    if (!(value >= 0.001 && value <= 86400)) return false;
    guest->link.timeout_ns = (uint64_t)(value * 1e9);
    return true;
}

static void attach(sqlite3_context *context, int count, sqlite3_value **arguments) {
    struct connection *connection = sqlite3_user_data(context);
    const char *name = (const char *)sqlite3_value_text(arguments[0]);
    if (!name || strlen(name) != (size_t)sqlite3_value_bytes(arguments[0])) name = "";
    struct guest *guest = find_guest(connection, name);
    if (!guest) guest = add_guest(context, connection, name);
    if (!guest) return;
    if (count == 2 && !set_timeout(guest, arguments[1])) {
        fail(
            context, SQLITE_ERROR,
            sqlite3_mprintf("%s: the timeout is no number of seconds from 0.001 to 86400", ATTACH));
        return;
    }
    void *request = link_request(&guest->link);
    if (!request) {
        fail_request(context, ATTACH);
        return;
    }
    struct value_writer writer;
    values_begin(&writer, request, LINK_CAPACITY, 1);
    values_add_integer(&writer, VERSION);
    struct value_reader reader;
    if (call(context, ATTACH, guest, MESSAGE_LIST, writer.size, &reader))
        take_functions(context, connection, guest, &reader);
}

// ---- Loading -----------------------------------------------------------------------------------

// Connections of several threads load it at the same time as others use it: the one pointer to
// SQLite is written once. The lock orders that before each load that finds it written.
static void use_sqlite(const sqlite3_api_routines *api) {
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    pthread_mutex_lock(&lock);
    if (!sqlite3_api) {
        SQLITE_EXTENSION_INIT2(api)
    }
    pthread_mutex_unlock(&lock);
}

// NOLINTNEXTLINE(readability-non-const-parameter): SQLite's signature
__attribute__((visibility("default"))) int
sqlite3_simpleipcudf_init(sqlite3 *database, char **error, const sqlite3_api_routines *api);

int sqlite3_simpleipcudf_init(sqlite3 *database, char **error, const sqlite3_api_routines *api) {
    use_sqlite(api);
    (void)error;
    struct connection *connection = sqlite3_malloc64(sizeof *connection);
    if (!connection) return SQLITE_NOMEM;
    *connection = (struct connection){.database = database};
    for (int arity = 1; arity <= 2; arity++) {
        connection->references++;
        // Direct only: what a database's own views and triggers say attaches nothing.
        int code =
            sqlite3_create_function_v2(database, ATTACH, arity, SQLITE_UTF8 | SQLITE_DIRECTONLY,
                                       connection, attach, NULL, NULL, release_connection);
        if (code != SQLITE_OK) return code;
    }
    // The library's threads and its handler of SIGBUS outlive the connection.
    return SQLITE_OK_LOAD_PERMANENTLY;
}
