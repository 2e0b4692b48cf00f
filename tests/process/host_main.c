// SPDX-License-Identifier: Apache-2.0
// The host of the process tests: reads one command a line and answers each with one line, which
// begins with "ok", with "wrong", or with the name of a status.
#define _POSIX_C_SOURCE 200809L
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host_api.h"
#include "message.h"
#include "resources.h"
#include "traffic.h"

enum { MOST_HELD = 16, OWN_CALLER = COUNTED_CALLERS - 1 };

static struct held *held[MOST_HELD];
static struct resources before_open;

static void answer_status(sipc_status status, uint64_t took_us) {
    printf("%s fate=%d took_us=%" PRIu64 " text=%s\n", sipc_status_name(status),
           (int)sipc_status_fate(status), took_us, status ? api_error_text() : "");
}

// ---- The commands ------------------------------------------------------------------------------

static void wait_until_ns(uint64_t moment) {
    while (now_us() * 1000 < moment) {
    }
}

// open NAME SLOTS DATA_SIZE BACKEND MOMENT: spins until the moment, so that two hosts race.
static bool do_open(const char *arguments) {
    char name[200];
    unsigned slots, data_size, backend;
    uint64_t moment;
    if (sscanf(arguments, "%199s %u %u %u %" SCNu64, name, &slots, &data_size, &backend, &moment) !=
        5)
        return false;
    before_open = resources_now();
    wait_until_ns(moment);
    uint64_t began = now_us();
    sipc_status status = api_open(name, slots, data_size, (sipc_backend)backend);
    answer_status(status, now_us() - began);
    return true;
}

static bool do_shutdown(const char *arguments) {
    (void)arguments;
    uint64_t began = now_us();
    api_shutdown();
    answer_status(SIPC_OK, now_us() - began);
    return true;
}

static bool do_close(const char *arguments) {
    (void)arguments;
    uint64_t began = now_us();
    api_close();
    uint64_t took = now_us() - began;
    resources_expect(&before_open);
    answer_status(SIPC_OK, took);
    return true;
}

// sizes FROM TO STEP
static bool do_sizes(const char *arguments) {
    unsigned from, to, step;
    if (sscanf(arguments, "%u %u %u", &from, &to, &step) != 3) return false;
    uint32_t wrong = sweep_sizes(from, to, step);
    printf("%s wrong=%u capacity=%u\n", wrong ? "wrong" : "ok", wrong, api_capacity());
    return true;
}

static void answer_tally(const struct tally *tally) {
    printf("%s answered=%" PRIu64 " not_started=%" PRIu64 " maybe_executed=%" PRIu64
           " wrong=%" PRIu64 " longest_us=%" PRIu64 " overrun_us=%" PRIu64 " late=%" PRIu64 "\n",
           tally->wrong ? "wrong" : "ok", tally->answered, tally->not_started,
           tally->maybe_executed, tally->wrong, tally->longest_us, tally->overrun_us, tally->late);
}

// Reads "key=least..most" or "key=number"; leaves the two alone if the key is not there.
static void read_range(const char *arguments, const char *key, uint32_t *least, uint32_t *most) {
    const char *at = strstr(arguments, key);
    if (!at) return;
    char *end;
    *least = *most = (uint32_t)strtoul(at + strlen(key), &end, 10);
    if (strncmp(end, "..", 2) == 0) *most = (uint32_t)strtoul(end + 2, NULL, 10);
}

static uint32_t read_number(const char *arguments, const char *key, uint32_t otherwise) {
    uint32_t number = otherwise, most = otherwise;
    read_range(arguments, key, &number, &most);
    return number;
}

static enum way read_way(const char *arguments) {
    static const char *const names[WAYS] = {"way=any", "way=own", "way=session", "way=in-place"};
    for (int way = 0; way < WAYS; way++)
        if (strstr(arguments, names[way])) return (enum way)way;
    return WAY_ANY;
}

static bool start_traffic(const char *arguments) {
    struct plan plan = {
        .callers = read_number(arguments, "callers=", 1),
        .calls = read_number(arguments, "calls=", 0),
        .way = read_way(arguments),
        .request_min = STAMP_WITH_SLEEP_SIZE,
        .request_max = 300,
        .response_max = 300,
    };
    read_range(arguments, "request=", &plan.request_min, &plan.request_max);
    read_range(arguments, "response=", &plan.response_min, &plan.response_max);
    read_range(arguments, "timeout=", &plan.timeout_min, &plan.timeout_max);
    read_range(arguments, "pause=", &plan.pause_min, &plan.pause_max);
    read_range(arguments, "sleep=", &plan.sleep_min, &plan.sleep_max);
    if (plan.callers >= OWN_CALLER) return false;
    traffic_start(&plan);
    return true;
}

// traffic callers=N calls=N way=any|own|session|in-place request=N..N response=N..N timeout=N..N
// pause=N..N sleep=N..N: see struct plan. What is not said has a default; of a range one number
// will do.
static bool do_traffic(const char *arguments) {
    if (!start_traffic(arguments)) return false;
    struct tally tally = traffic_join();
    answer_tally(&tally);
    return true;
}

// begin, with the arguments of traffic but without an end of its own, and end.
static bool do_begin(const char *arguments) {
    if (!start_traffic(arguments)) return false;
    puts("ok");
    return true;
}

static bool do_end(const char *arguments) {
    (void)arguments;
    traffic_stop();
    struct tally tally = traffic_join();
    answer_tally(&tally);
    return true;
}

static bool do_audit(const char *arguments) {
    (void)arguments;
    uint32_t wrong = traffic_audit();
    printf("%s wrong=%u\n", wrong ? "wrong" : "ok", wrong);
    return true;
}

// stamped SLOT MESSAGE_ID SIZE TIMEOUT_US SLEEP_US
static bool do_stamped(const char *arguments) {
    struct stamped call = {.caller = OWN_CALLER, .sequence = next_sequence(OWN_CALLER)};
    if (sscanf(arguments, "%u %u %u %u %u", &call.slot, &call.message_id, &call.request_size,
               &call.timeout_us, &call.sleep_us) != 5)
        return false;
    sipc_status status;
    uint64_t began = now_us();
    bool right = stamped_call(&call, &status);
    uint64_t took = now_us() - began;
    if (right)
        printf("%s fate=%d took_us=%" PRIu64 " sequence=%u text=%s\n", sipc_status_name(status),
               (int)sipc_status_fate(status), took, call.sequence, status ? api_error_text() : "");
    else
        printf("wrong %s\n", sipc_status_name(status));
    return true;
}

// executions SEQUENCE: of the stamped command's requests.
static bool do_executions(const char *arguments) {
    int count = executions_of(OWN_CALLER, (uint32_t)atoi(arguments));
    printf("%s executions=%d\n", count < 0 ? sipc_status_name((sipc_status)count) : "ok", count);
    return true;
}

// plain SLOT MESSAGE_ID SIZE TIMEOUT_US: prints the response as a text, without a check of it.
static bool do_plain(const char *arguments) {
    struct request request = {.data = NULL};
    unsigned timeout_us;
    if (sscanf(arguments, "%u %u %u %u", &request.slot, &request.message_id, &request.size,
               &timeout_us) != 4)
        return false;
    request.timeout_ns = (uint64_t)timeout_us * 1000;
    uint8_t *data = calloc(1, request.size + 1u);
    request.data = data;
    struct reply reply = {.capacity = api_capacity()};
    reply.data = malloc(reply.capacity);
    if (!data || !reply.data) abort();
    uint64_t began = now_us();
    sipc_status status = api_call(&request, &reply);
    printf("%s fate=%d took_us=%" PRIu64 " size=%u answer=%.*s text=%s\n", sipc_status_name(status),
           (int)sipc_status_fate(status), now_us() - began, reply.size, (int)reply.size,
           (const char *)reply.data, status ? api_error_text() : "");
    free(data);
    free(reply.data);
    return true;
}

// reveal SLOT MESSAGE_ID: who served it. answered_id is the response's message id.
static bool reveal(struct request request) {
    struct revelation who = {0};
    struct reply reply = {.data = (uint8_t *)&who, .capacity = sizeof who};
    uint32_t answered_id = 0;
    sipc_status status = request.slot == SIPC_ANY_SLOT
                             ? api_call_for_id(&request, &reply, &answered_id)
                             : api_call(&request, &reply);
    if (status || reply.size != sizeof who) {
        printf("%s size=%u text=%s\n", status ? sipc_status_name(status) : "wrong", reply.size,
               status ? api_error_text() : "");
        return true;
    }
    printf("ok id=%u answered_id=%u slot=%u process=%u worker=%u transport=%" PRIu64 "\n",
           who.message_id, answered_id, who.slot, who.process_id, who.worker, who.transport_id);
    return true;
}

static bool do_reveal(const char *arguments) {
    struct request request = {.data = NULL};
    if (sscanf(arguments, "%u %u", &request.slot, &request.message_id) != 2) return false;
    return reveal(request);
}

// named GUEST TIMEOUT_US: who answers a call that names a guest.
static bool do_named(const char *arguments) {
    char name[41];
    struct request request = {.slot = SIPC_ANY_SLOT, .message_id = SIPC_MESSAGE_FIRST_USER};
    uint64_t timeout_us;
    if (sscanf(arguments, "%40s %" SCNu64, name, &timeout_us) != 2) return false;
    request.guest = name;
    request.timeout_ns = timeout_us * 1000;
    return reveal(request);
}

// id MESSAGE_ID: the response's message id and size.
static bool do_id(const char *arguments) {
    struct request request = {.slot = SIPC_ANY_SLOT};
    if (sscanf(arguments, "%u", &request.message_id) != 1) return false;
    uint8_t room[64] = {0};
    struct reply reply = {.data = room, .capacity = sizeof room};
    uint32_t answered_id = 0;
    sipc_status status = api_call_for_id(&request, &reply, &answered_id);
    printf("%s answered_id=%u size=%u text=%s\n", sipc_status_name(status), answered_id, reply.size,
           status ? api_error_text() : "");
    return true;
}

// hold PLACE SLOT TIMEOUT_US: keeps a slot until release PLACE.
static bool do_hold(const char *arguments) {
    unsigned place, slot, timeout_us;
    if (sscanf(arguments, "%u %u %u", &place, &slot, &timeout_us) != 3) return false;
    if (place >= MOST_HELD || held[place]) return false;
    uint64_t began = now_us();
    sipc_status status = api_hold(slot, (uint64_t)timeout_us * 1000, &held[place]);
    printf("%s fate=%d took_us=%" PRIu64 " slot=%u\n", sipc_status_name(status),
           (int)sipc_status_fate(status), now_us() - began,
           status ? UINT32_MAX : api_held_slot(held[place]));
    return true;
}

static bool do_release(const char *arguments) {
    unsigned place;
    if (sscanf(arguments, "%u", &place) != 1 || place >= MOST_HELD || !held[place]) return false;
    api_release(held[place]);
    held[place] = NULL;
    puts("ok");
    return true;
}

// ---- The loop ----------------------------------------------------------------------------------

static const struct command {
    const char *name;
    bool (*run)(const char *arguments);
} commands[] = {
    {"open", do_open},   {"shutdown", do_shutdown},     {"close", do_close},
    {"sizes", do_sizes}, {"traffic", do_traffic},       {"begin", do_begin},
    {"end", do_end},     {"audit", do_audit},           {"stamped", do_stamped},
    {"plain", do_plain}, {"executions", do_executions}, {"reveal", do_reveal},
    {"hold", do_hold},   {"release", do_release},       {"id", do_id},
    {"named", do_named},
};

static bool obey(char *line) {
    line[strcspn(line, "\n")] = '\0';
    char *arguments = line + strcspn(line, " ");
    if (*arguments) *arguments++ = '\0';
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
        if (strcmp(line, commands[i].name) == 0) return commands[i].run(arguments);
    return false;
}

int main(void) {
    char line[512];
    resources_settle();
    puts("ready");
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        if (!obey(line)) {
            fprintf(stderr, "cannot obey \"%s\"\n", line);
            return 2;
        }
        fflush(stdout);
    }
    return 0;
}
