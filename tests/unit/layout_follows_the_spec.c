// SPDX-License-Identifier: Apache-2.0
// Promise: every offset, size and constant of C is that of docs/spec/constants.txt, and none is
// missing on either side.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <simpleipc/simpleipc.h>

#include "internal/layout.h"
#include "internal/stream_layout.h"
#include "left_behind.h"

struct constant {
    char name[64];
    uint64_t value;
};

#define HEADER(field) offsetof(struct sipc_exchange_header, field)
#define HOST(field) (sizeof(struct sipc_exchange_header) + offsetof(struct sipc_host_line, field))
#define SLOT(field) offsetof(struct sipc_slot_header, field)
#define TAIL(field) offsetof(struct sipc_slot_tail, field)

static const struct constant ours[] = {
    {"magic", SIPC_MAGIC},
    {"version_major", SIPC_PROTOCOL_MAJOR},
    {"version_minor", SIPC_PROTOCOL_MINOR},
    {"backend_futex", SIPC_BACKEND_FUTEX},
    {"backend_semaphore", SIPC_BACKEND_SEMAPHORE},
    {"backend_windows_event", SIPC_BACKEND_WINDOWS_EVENT},
    {"line_size", SIPC_LINE_SIZE},
    {"exchange_header_size", sizeof(struct sipc_exchange_header)},
    {"slot_header_size", sizeof(struct sipc_slot_header)},
    {"slots_offset", SIPC_SLOTS_OFFSET},
    {"max_slots", SIPC_MAX_SLOTS},
    {"max_capacity", SIPC_MAX_CAPACITY},
    {"max_name", SIPC_MAX_NAME},
    {"max_guest_name", SIPC_MAX_GUEST_NAME},
    {"header_magic", HEADER(magic)},
    {"header_version", HEADER(version)},
    {"header_event_backend", HEADER(event_backend)},
    {"header_host_slots", HEADER(host_slots)},
    {"header_guest_slots", HEADER(guest_slots)},
    {"header_request_capacity", HEADER(request_capacity)},
    {"header_response_capacity", HEADER(response_capacity)},
    {"header_region_size", HEADER(region_size)},
    {"header_slots_offset", HEADER(slots_offset)},
    {"header_slot_size", HEADER(slot_size)},
    {"header_tail_offset", HEADER(tail_offset)},
    {"host_line", sizeof(struct sipc_exchange_header)},
    {"host_incarnation", HOST(incarnation)},
    {"host_pid", HOST(host_pid)},
    {"host_pid_namespace", HOST(host_pid_namespace)},
    {"host_closing", HOST(closing)},
    {"turn_caller_state", SLOT(turn.caller_state)},
    {"turn_tiny_state", SLOT(turn.tiny_state)},
    {"turn_transport_id", SLOT(turn.transport_id)},
    {"turn_size", SLOT(turn.size)},
    {"turn_message_id", SLOT(turn.message_id)},
    {"turn_flags", SLOT(turn.flags)},
    {"turn_tiny_payload", SLOT(turn.tiny_payload)},
    {"turn_tiny_message_id", SLOT(turn.tiny_message_id)},
    {"tiny_capacity", SIPC_TINY_CAPACITY},
    {"tiny_named_capacity", SIPC_TINY_NAMED_CAPACITY},
    {"responder_state", SLOT(responder.state)},
    {"responder_waiting", SLOT(responder.waiting)},
    {"responder_transport_id", SLOT(responder.transport_id)},
    {"responder_size", SLOT(responder.size)},
    {"responder_message_id", SLOT(responder.message_id)},
    {"responder_status", SLOT(responder.status)},
    {"responder_flags", SLOT(responder.flags)},
    {"responder_attendance", SLOT(responder.attendance)},
    {"tail_size", sizeof(struct sipc_slot_tail)},
    {"owner_started", TAIL(owner.started)},
    {"owner_pid", TAIL(owner.owner_pid)},
    {"owner_incarnation", TAIL(owner.owner_incarnation)},
    {"owner_pid_namespace", TAIL(owner.owner_pid_namespace)},
    {"owner_name", TAIL(owner.owner_name)},
    {"annex_deadline", TAIL(annex.deadline)},
    {"annex_trace_id", TAIL(annex.trace_id)},
    {"annex_caller_bell", TAIL(annex.caller_bell)},
    {"annex_responder_bell", TAIL(annex.responder_bell)},
    {"annex_caller_waiting", TAIL(annex.caller_waiting)},
    {"annex_addressee", TAIL(annex.addressee)},
    {"caller_counters_round_trip", TAIL(caller_counters.round_trip)},
    {"caller_counters_wake", TAIL(caller_counters.wake)},
    {"caller_counters_handler_failed", TAIL(caller_counters.handler_failed)},
    {"caller_counters_response_too_large", TAIL(caller_counters.response_too_large)},
    {"caller_counters_unknown_message", TAIL(caller_counters.unknown_message)},
    {"caller_counters_timed_out", TAIL(caller_counters.timed_out)},
    {"caller_counters_peer_died", TAIL(caller_counters.peer_died)},
    {"caller_counters_closed", TAIL(caller_counters.closed)},
    {"caller_counters_maybe_executed", TAIL(caller_counters.maybe_executed)},
    {"caller_counters_protocol_violated", TAIL(caller_counters.protocol_violated)},
    {"caller_counters_calls", TAIL(caller_counters.calls)},
    {"caller_counters_request_bytes", TAIL(caller_counters.request_bytes)},
    {"caller_counters_response_bytes", TAIL(caller_counters.response_bytes)},
    {"caller_counters_published_at", TAIL(caller_counters.published_at)},
    {"caller_counters_spin_ns", TAIL(caller_counters.waits.spin_ns)},
    {"caller_counters_yield_ns", TAIL(caller_counters.waits.yield_ns)},
    {"caller_counters_sleep_ns", TAIL(caller_counters.waits.sleep_ns)},
    {"caller_counters_sleeps", TAIL(caller_counters.waits.sleeps)},
    {"responder_counters_handler_failed", TAIL(responder_counters.handler_failed)},
    {"responder_counters_response_too_large", TAIL(responder_counters.response_too_large)},
    {"responder_counters_unknown_message", TAIL(responder_counters.unknown_message)},
    {"responder_counters_bad_request", TAIL(responder_counters.bad_request)},
    {"responder_counters_not_executed", TAIL(responder_counters.not_executed)},
    {"responder_counters_inherited", TAIL(responder_counters.inherited)},
    {"responder_counters_requests", TAIL(responder_counters.requests)},
    {"responder_counters_request_bytes", TAIL(responder_counters.request_bytes)},
    {"responder_counters_response_bytes", TAIL(responder_counters.response_bytes)},
    {"responder_counters_answered_at", TAIL(responder_counters.answered_at)},
    {"responder_counters_spin_ns", TAIL(responder_counters.waits.spin_ns)},
    {"responder_counters_yield_ns", TAIL(responder_counters.waits.yield_ns)},
    {"responder_counters_sleep_ns", TAIL(responder_counters.waits.sleep_ns)},
    {"responder_counters_sleeps", TAIL(responder_counters.waits.sleeps)},
    {"responder_counters_queue", TAIL(responder_counters.queue)},
    {"responder_counters_service", TAIL(responder_counters.service)},
    {"histogram_buckets", SIPC_HISTOGRAM_BUCKETS},
    {"histogram_first_bits", SIPC_HISTOGRAM_FIRST_BITS},
    {"sample_interval", SIPC_SAMPLE_INTERVAL},
    {"waiting_alone", SIPC_WAITING_ALONE},
    {"waiting_first_lead", SIPC_WAITING_FIRST_LEAD},
    {"generation_shift", SIPC_GENERATION_SHIFT},
    {"code_idle", SIPC_CODE_IDLE},
    {"code_request", SIPC_CODE_REQUEST},
    {"code_cancelled", SIPC_CODE_CANCELLED},
    {"code_closed", SIPC_CODE_CLOSED},
    {"code_none", SIPC_CODE_NONE},
    {"code_response", SIPC_CODE_RESPONSE},
    {"flag_tiny", SIPC_FLAG_TINY},
    {"flag_attended", SIPC_FLAG_ATTENDED},
    {"flag_at_end", SIPC_FLAG_AT_END},
    {"message_normal", SIPC_MESSAGE_NORMAL},
    {"message_heartbeat_request", SIPC_MESSAGE_HEARTBEAT_REQUEST},
    {"message_heartbeat_response", SIPC_MESSAGE_HEARTBEAT_RESPONSE},
    {"message_shutdown", SIPC_MESSAGE_SHUTDOWN},
    {"message_first_user", SIPC_MESSAGE_FIRST_USER},
    {"answer_ok", SIPC_ANSWER_OK},
    {"answer_handler_failed", SIPC_ANSWER_HANDLER_FAILED},
    {"answer_response_too_large", SIPC_ANSWER_RESPONSE_TOO_LARGE},
    {"answer_unknown_message", SIPC_ANSWER_UNKNOWN_MESSAGE},
    {"answer_bad_request", SIPC_ANSWER_BAD_REQUEST},
    {"answer_not_executed", SIPC_ANSWER_NOT_EXECUTED},
    {"answer_responder_died", SIPC_ANSWER_RESPONDER_DIED},
    {"answer_not_addressed", SIPC_ANSWER_NOT_ADDRESSED},
    {"claim_host", SIPC_CLAIM_HOST},
    {"claim_first_slot", SIPC_CLAIM_FIRST_SLOT},
    {"claim_name", SIPC_CLAIM_NAME},
    {"transport_id_slot_shift", SIPC_TRANSPORT_ID_SLOT_SHIFT},
    {"transport_id_count_shift", SIPC_TRANSPORT_ID_COUNT_SHIFT},
    {"transport_id_named", SIPC_TRANSPORT_ID_NAMED},
    {"transport_id_size_mask", SIPC_TRANSPORT_ID_SIZE_MASK},
    {"handover_size", sizeof(struct sipc_handover)},
    {"handover_magic", offsetof(struct sipc_handover, magic)},
    {"handover_answer", offsetof(struct sipc_handover, answer)},
    {"handover_given", SIPC_HANDOVER_GIVEN},
    {"handover_refused", SIPC_HANDOVER_REFUSED},
    {"max_socket_path", SIPC_MAX_SOCKET_PATH},
    {"overflow_user", SIPC_OVERFLOW_USER},
    {"message_stream_open", SIPC_MESSAGE_STREAM_OPEN},
    {"message_stream_data", SIPC_MESSAGE_STREAM_DATA},
    {"message_stream_next", SIPC_MESSAGE_STREAM_NEXT},
    {"message_stream_end", SIPC_MESSAGE_STREAM_END},
    {"stream_max_size", SIPC_STREAM_MAX_SIZE},
    {"stream_unknown_size", SIPC_STREAM_UNKNOWN_SIZE},
    {"stream_max_window", SIPC_STREAM_MAX_WINDOW},
    {"stream_piece", SIPC_STREAM_PIECE},
    {"stream_max_text", SIPC_STREAM_MAX_TEXT},
    {"stream_open_size", sizeof(struct sipc_stream_open)},
    {"stream_open_request_size", offsetof(struct sipc_stream_open, request_size)},
    {"stream_open_response_limit", offsetof(struct sipc_stream_open, response_limit)},
    {"stream_open_message_id", offsetof(struct sipc_stream_open, message_id)},
    {"stream_open_window", offsetof(struct sipc_stream_open, window)},
    {"stream_data_stream", offsetof(struct sipc_stream_data, stream)},
    {"stream_data_offset", offsetof(struct sipc_stream_data, offset)},
    {"stream_data_flags", offsetof(struct sipc_stream_data, flags)},
    {"stream_next_stream", offsetof(struct sipc_stream_next, stream)},
    {"stream_next_size", sizeof(struct sipc_stream_next)},
    {"stream_end_stream", offsetof(struct sipc_stream_end, stream)},
    {"stream_end_reason", offsetof(struct sipc_stream_end, reason)},
    {"stream_end_text", sizeof(struct sipc_stream_end)},
    {"stream_answer_outcome", offsetof(struct sipc_stream_answer, outcome)},
    {"stream_answer_flags", offsetof(struct sipc_stream_answer, flags)},
    {"stream_answer_value", offsetof(struct sipc_stream_answer, value)},
    {"stream_answer_response_size", offsetof(struct sipc_stream_answer, response_size)},
    {"stream_answer_text", SIPC_STREAM_ANSWER_TEXT},
    {"stream_last", SIPC_STREAM_LAST},
    {"stream_enough", SIPC_STREAM_ENOUGH},
    {"stream_finished", SIPC_STREAM_FINISHED},
    {"stream_aborted", SIPC_STREAM_ABORTED_BY_CALLER},
    {"stream_ok", SIPC_OUTCOME_OK},
    {"stream_handler_failed", SIPC_OUTCOME_HANDLER_FAILED},
    {"stream_unknown_stream", SIPC_OUTCOME_UNKNOWN_STREAM},
    {"stream_no_handler", SIPC_OUTCOME_NO_HANDLER},
    {"stream_too_many", SIPC_OUTCOME_TOO_MANY},
    {"stream_too_large", SIPC_OUTCOME_TOO_LARGE},
    {"stream_broken", SIPC_OUTCOME_BROKEN},
    {"stream_out_of_memory", SIPC_OUTCOME_OUT_OF_MEMORY},
    {"stream_response_too_large", SIPC_OUTCOME_RESPONSE_TOO_LARGE},
};

#define OUR_COUNT (sizeof ours / sizeof ours[0])
#define MOST_CONSTANTS 512

static struct constant spec[MOST_CONSTANTS];
static size_t spec_count;

static int read_the_spec(void **state) {
    (void)state;
    FILE *file = fopen(SIPC_SOURCE_FOLDER "/docs/spec/constants.txt", "r");
    if (!file) fail_msg("docs/spec/constants.txt cannot be opened");
    char line[256];
    while (fgets(line, sizeof line, file)) {
        if (line[0] == '#' || line[0] == '\n') continue;
        struct constant *constant = &spec[spec_count++];
        assert_true(spec_count <= MOST_CONSTANTS);
        char value[64];
        if (sscanf(line, "%63s %63s", constant->name, value) != 2) fail_msg("not a line: %s", line);
        char *end;
        constant->value = strtoull(value, &end, 0);
        if (*end) fail_msg("not a number: %s", line);
    }
    fclose(file);
    return 0;
}

static const struct constant *find(const struct constant *table, size_t count, const char *name) {
    for (size_t i = 0; i < count; i++)
        if (strcmp(table[i].name, name) == 0) return &table[i];
    return NULL;
}

static void every_constant_of_ours_is_in_the_spec_with_its_value(void **state) {
    (void)state;
    for (size_t i = 0; i < OUR_COUNT; i++) {
        const struct constant *found = find(spec, spec_count, ours[i].name);
        if (!found) fail_msg("%s is not in the spec", ours[i].name);
        if (found->value != ours[i].value)
            fail_msg("%s is %" PRIu64 " here and %" PRIu64 " in the spec", ours[i].name,
                     ours[i].value, found->value);
    }
}

static void every_constant_of_the_spec_is_ours(void **state) {
    (void)state;
    assert_true(spec_count > 0);
    for (size_t i = 0; i < spec_count; i++)
        if (!find(ours, OUR_COUNT, spec[i].name)) fail_msg("%s is not in C", spec[i].name);
}

static void no_constant_is_named_twice(void **state) {
    (void)state;
    for (size_t i = 0; i < spec_count; i++)
        if (find(spec, i, spec[i].name)) fail_msg("%s is twice in the spec", spec[i].name);
}

// The magic reads SIMPLIPC in the file, so the layout is little-endian.
static void the_magic_reads_simplipc(void **state) {
    (void)state;
    const uint64_t magic = SIPC_MAGIC;
    assert_memory_equal(&magic, "SIMPLIPC", 8);
}

static void a_state_word_is_generation_flag_and_code(void **state) {
    (void)state;
    assert_int_equal(sipc_state(5, SIPC_CODE_REQUEST | SIPC_FLAG_TINY), 5 << 3 | 4 | 1);
    assert_int_equal(sipc_state_generation(sipc_state(5, SIPC_CODE_CANCELLED)), 5);
    assert_int_equal(sipc_state_code(sipc_state(5, SIPC_CODE_REQUEST | SIPC_FLAG_TINY)),
                     SIPC_CODE_REQUEST);
    assert_int_equal(sipc_state_unattended(sipc_state(5, SIPC_CODE_RESPONSE | SIPC_FLAG_ATTENDED)),
                     sipc_state(5, SIPC_CODE_RESPONSE));
    // Generations count modulo 2^29.
    assert_int_equal(sipc_state(UINT32_C(1) << 29, SIPC_CODE_REQUEST), SIPC_CODE_REQUEST);
}

static void a_transport_id_is_slot_and_count(void **state) {
    (void)state;
    assert_true(sipc_transport_id(0, 1) == (UINT64_C(1) << 48 | 1 << 7));
    // Counts go modulo 2^41 and leave the slot alone; the low bits are the message's.
    const uint64_t last = (UINT64_C(1) << 41) - 1;
    assert_true(sipc_transport_id(65534, last) == UINT64_C(0xFFFFFFFFFFFFFF80));
    assert_true(sipc_transport_id(6, last + 1) == UINT64_C(7) << 48);
    assert_true(SIPC_TRANSPORT_ID_MESSAGE_MASK == 127);
}

static void a_tiny_request_fits_the_turn_line_with_its_message_id(void **state) {
    (void)state;
    for (uint32_t size = 0; size < 100; size++) {
        assert_int_equal(sipc_request_is_tiny(0, size), size <= 48);
        assert_int_equal(sipc_request_is_tiny(1, size), size <= 44);
        assert_int_equal(sipc_request_is_tiny(UINT32_MAX, size), size <= 44);
    }
    assert_false(sipc_request_is_tiny(0, UINT32_MAX));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        PROMISE(every_constant_of_ours_is_in_the_spec_with_its_value),
        PROMISE(every_constant_of_the_spec_is_ours),
        PROMISE(no_constant_is_named_twice),
        PROMISE(the_magic_reads_simplipc),
        PROMISE(a_state_word_is_generation_flag_and_code),
        PROMISE(a_transport_id_is_slot_and_count),
        PROMISE(a_tiny_request_fits_the_turn_line_with_its_message_id),
    };
    return cmocka_run_group_tests(tests, read_the_spec, NULL);
}
