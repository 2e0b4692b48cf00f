// SPDX-License-Identifier: Apache-2.0
// One stream, at its caller: sends the pieces of the request and asks for those of the response, as
// many in flight as there are slots, through a pipeline (spec 13.2).
#include <stdlib.h>
#include <string.h>

#include "internal/errors.h"
#include "internal/host.h"
#include "internal/pipeline.h"
#include "internal/stream_call.h"
#include "internal/stream_intake.h"
#include "internal/stream_layout.h"

#define DEFAULT_DEPTH 4u
#define DEFAULT_ASSEMBLED_LIMIT (UINT64_C(16) << 20)
// How long the other side may take to hear that a stream has failed.
#define FAREWELL_NS UINT64_C(1000000000)

// What a completion is of: in the high bits of its tag, above the number of the piece.
enum { TAG_OPEN, TAG_DATA, TAG_NEXT, TAG_END, TAG_KIND_SHIFT = 56 };

struct conversation {
    sipc_stream_call *call;
    sipc_pipeline *pipeline;
    uint32_t depth;
    uint64_t stream; // its number; 0: not open
    bool taken_leave;
    // The request.
    uint64_t offset;   // of the next piece
    uint64_t answered; // bytes
    bool whole;        // nothing is left to be sent
    uint64_t next;     // number of the next piece
    uint64_t oldest;   // of the oldest piece that was not answered
    uint64_t done;     // bit i: piece oldest + i was answered
    uint32_t data;     // pieces in flight
    uint32_t sizes[SIPC_STREAM_MAX_WINDOW];
    // The response.
    struct sipc_stream_intake response;
    struct sipc_stream_assembly assembly;
    uint32_t wishes;       // in flight
    bool quiet;            // there was nothing yet, and nothing was answered since
    bool flowing;          // there was something
    uint64_t patience_ns;  // with answers that there is nothing yet, though the request is whole
    uint64_t patience_end; // 0: it was not tried yet
    // The end.
    sipc_status status;
    char text[512];
};

// ---- Failures ----------------------------------------------------------------------------------

// Of a stream that is open a handler knows, whatever became of the piece.
static sipc_status since_opening(sipc_status status) {
    switch (status) {
    case SIPC_CLOSED:
        return SIPC_CLOSED_MAYBE_EXECUTED;
    case SIPC_TIMEOUT:
    case SIPC_ALL_SLOTS_BUSY:
        return SIPC_TIMEOUT_MAYBE_EXECUTED;
    case SIPC_PEER_DIED:
        return SIPC_PEER_DIED_MAYBE_EXECUTED;
    case SIPC_REGION_LOST:
        return SIPC_REGION_LOST_MAYBE_EXECUTED;
    case SIPC_UNKNOWN_MESSAGE: // of a successor that serves no streams
        return SIPC_STREAM_LOST;
    default:
        return status;
    }
}

// The first failure counts; only that the stream is lost may be a consequence of another.
static void fail(struct conversation *talk, sipc_status status, const char *text) {
    if (talk->status != SIPC_OK && talk->status != SIPC_STREAM_LOST) return;
    talk->status = talk->stream ? since_opening(status) : status;
    size_t size = strlen(text);
    if (size >= sizeof talk->text) size = sizeof talk->text - 1;
    memcpy(talk->text, text, size);
    talk->text[size] = 0;
}

static void violated(struct conversation *talk, const char *text) {
    fail(talk, SIPC_PROTOCOL_VIOLATED, text);
}

static sipc_status status_of(uint32_t outcome, int kind) {
    switch (outcome) {
    case SIPC_OUTCOME_HANDLER_FAILED:
        return SIPC_HANDLER_FAILED;
    case SIPC_OUTCOME_UNKNOWN_STREAM:
        return SIPC_STREAM_LOST;
    case SIPC_OUTCOME_NO_HANDLER:
        return kind == TAG_OPEN ? SIPC_UNKNOWN_MESSAGE : SIPC_PROTOCOL_VIOLATED;
    case SIPC_OUTCOME_TOO_MANY:
        return kind == TAG_OPEN ? SIPC_BUSY : SIPC_PROTOCOL_VIOLATED;
    case SIPC_OUTCOME_TOO_LARGE:
        return kind == TAG_OPEN ? SIPC_REQUEST_TOO_LARGE : SIPC_HANDLER_FAILED;
    case SIPC_OUTCOME_RESPONSE_TOO_LARGE:
        return SIPC_RESPONSE_TOO_LARGE;
    case SIPC_OUTCOME_OUT_OF_MEMORY:
        return kind == TAG_OPEN ? SIPC_OUT_OF_MEMORY : SIPC_HANDLER_FAILED;
    default:
        return SIPC_PROTOCOL_VIOLATED;
    }
}

// Copies and checks what stands before an answer's piece. False: it is not what was hoped for.
static bool read_answer(struct conversation *talk, int kind, const sipc_completion *completion,
                        struct sipc_stream_answer *answer) {
    memset(answer, 0, sizeof *answer);
    if (completion->status != SIPC_OK) {
        fail(talk, completion->status, sipc_error_text());
        return false;
    }
    const uint8_t *from = completion->response;
    const uint32_t size = completion->response_size;
    if (size < SIPC_STREAM_ANSWER_TEXT) {
        violated(talk, "an answer of the stream is too short");
        return false;
    }
    memcpy(answer, from, size < sizeof *answer ? size : sizeof *answer);
    if (answer->outcome == SIPC_OUTCOME_OK) return true;
    char text[SIPC_STREAM_MAX_TEXT + 1];
    uint32_t length = size - SIPC_STREAM_ANSWER_TEXT;
    if (length > SIPC_STREAM_MAX_TEXT) length = SIPC_STREAM_MAX_TEXT;
    memcpy(text, from + SIPC_STREAM_ANSWER_TEXT, length);
    text[length] = 0;
    fail(talk, status_of(answer->outcome, kind), text);
    return false;
}

// ---- What came ---------------------------------------------------------------------------------

static void report(struct conversation *talk) {
    sipc_stream_call *call = talk->call;
    call->response_size = talk->response.taken;
    if (!call->progress || talk->status != SIPC_OK) return;
    if (call->progress(call->context, talk->answered, talk->response.taken, talk->response.size))
        fail(talk, SIPC_STREAM_ABORTED, "the stream's progress function aborted it");
}

static void open_answered(struct conversation *talk, const sipc_completion *completion) {
    struct sipc_stream_answer answer;
    if (!read_answer(talk, TAG_OPEN, completion, &answer)) return;
    talk->stream = answer.value;
    if (answer.value == 0) violated(talk, "the stream has the number 0");
}

static void data_answered(struct conversation *talk, const sipc_completion *completion,
                          uint64_t piece) {
    struct sipc_stream_answer answer;
    talk->data--;
    talk->quiet = false;
    talk->done |= UINT64_C(1) << (piece - talk->oldest);
    for (; talk->done & 1; talk->done >>= 1) talk->oldest++;
    if (!read_answer(talk, TAG_DATA, completion, &answer)) return;
    talk->answered += talk->sizes[piece % SIPC_STREAM_MAX_WINDOW];
    if (answer.flags & SIPC_STREAM_ENOUGH) talk->whole = true;
    report(talk);
}

static void deliver(struct conversation *talk, const uint8_t *piece, uint32_t size) {
    sipc_stream_call *call = talk->call;
    if (call->sink) {
        if (call->sink(call->context, piece, size)) {
            fail(talk, SIPC_STREAM_ABORTED, "the stream's sink aborted it");
            return;
        }
    } else if (call->response && !call->allocated) {
        memcpy((uint8_t *)call->response + talk->response.taken, piece, size);
    } else if (!sipc_stream_assemble(&talk->assembly, &talk->response, piece, size)) {
        fail(talk, SIPC_RESPONSE_LOST, "there is no memory to assemble the response");
        return;
    }
    sipc_stream_intake_advance(&talk->response, size);
}

static void deliver_in_order(struct conversation *talk, const uint8_t *piece, uint32_t size) {
    deliver(talk, piece, size);
    struct sipc_stream_piece *kept;
    while (talk->status == SIPC_OK && (kept = sipc_stream_intake_next(&talk->response))) {
        deliver(talk, kept->bytes, kept->size);
        free(kept);
    }
    report(talk);
}

// Pieces before the one that first says the response's size may come after it.
static const char *note_size(struct sipc_stream_intake *response, uint64_t size) {
    if (size == SIPC_STREAM_UNKNOWN_SIZE || size == response->size) return NULL;
    if (response->size != SIPC_STREAM_UNKNOWN_SIZE) return "the response's size has changed";
    if (size > response->limit) return "the response is larger than was asked for";
    if (size < response->taken) return "the response is larger than its size";
    response->size = size;
    return NULL;
}

// What is wrong with a piece; *end: it is an empty one that says, maybe again, where the end is.
static const char *check_piece(struct sipc_stream_intake *response,
                               const struct sipc_stream_answer *answer, uint32_t size, bool *end) {
    bool last = (answer->flags & SIPC_STREAM_LAST) != 0;
    *end = last && size == 0;
    const char *wrong = note_size(response, answer->response_size);
    if (wrong) return wrong;
    if (last && answer->value + size != response->size)
        return "the last piece of the response does not end at its size";
    if (last && response->last_seen) last = false;
    if (*end && !last) return NULL;
    wrong = sipc_stream_intake_check(response, answer->value, size, last);
    if (!wrong) sipc_stream_intake_note(response, answer->value, size, last);
    return wrong;
}

// A responder that answers each wish at once, but never with anything, makes no exchange late.
static void nothing_yet(struct conversation *talk) {
    if (!talk->whole || talk->data > 0 || talk->patience_ns == SIPC_FOREVER) return;
    const uint64_t now = sipc_os_now();
    if (talk->patience_end == 0)
        talk->patience_end = now + talk->patience_ns;
    else if (now >= talk->patience_end)
        fail(talk, SIPC_TIMEOUT_MAYBE_EXECUTED, "the response did not go on before the deadline");
}

static void next_answered(struct conversation *talk, const sipc_completion *completion) {
    struct sipc_stream_answer answer;
    talk->wishes--;
    if (!read_answer(talk, TAG_NEXT, completion, &answer)) return;
    if (completion->response_size < sizeof answer) {
        violated(talk, "a piece of the response is too short");
        return;
    }
    const uint8_t *piece = (const uint8_t *)completion->response + SIPC_STREAM_PIECE;
    const uint32_t size = completion->response_size - SIPC_STREAM_PIECE;
    if (talk->status != SIPC_OK) return; // it comes too late
    talk->quiet = size == 0;
    if (size == 0 && !(answer.flags & SIPC_STREAM_LAST)) {
        nothing_yet(talk);
        return;
    }
    talk->patience_end = 0;
    talk->flowing = true;
    bool end;
    const char *wrong = check_piece(&talk->response, &answer, size, &end);
    if (wrong)
        violated(talk, wrong);
    else if (end)
        report(talk);
    else if (answer.value == talk->response.taken)
        deliver_in_order(talk, piece, size);
    else if (!sipc_stream_intake_keep(&talk->response, answer.value, piece, size))
        fail(talk, SIPC_RESPONSE_LOST, "there is no memory for a piece before its turn");
}

static void completed(void *context, const sipc_completion *completion) {
    struct conversation *talk = context;
    const uint64_t piece = completion->tag & ((UINT64_C(1) << TAG_KIND_SHIFT) - 1);
    switch (completion->tag >> TAG_KIND_SHIFT) {
    case TAG_OPEN:
        open_answered(talk, completion);
        break;
    case TAG_DATA:
        data_answered(talk, completion, piece);
        break;
    case TAG_NEXT:
        next_answered(talk, completion);
        break;
    default:
        talk->taken_leave = true;
    }
}

// ---- What is sent ------------------------------------------------------------------------------

// False: it was not sent. No slot free now is no failure.
static bool submit(struct conversation *talk, uint32_t message_id, int kind, const void *payload,
                   uint32_t size) {
    const uint64_t tag = (uint64_t)kind << TAG_KIND_SHIFT | (kind == TAG_DATA ? talk->next : 0);
    sipc_status status = sipc_pipeline_submit(talk->pipeline, message_id, payload, size,
                                              talk->call->timeout_ns, tag);
    if (status && status != SIPC_ALL_SLOTS_BUSY) fail(talk, status, sipc_error_text());
    return status == SIPC_OK;
}

// The next piece of the request, in its slot. False: the stream has failed.
static bool fill_piece(struct conversation *talk, uint8_t *to, uint32_t capacity, uint32_t *size,
                       bool *last) {
    sipc_stream_call *call = talk->call;
    const uint64_t left = call->request_size - talk->offset;
    const bool known = call->request_size != SIPC_STREAM_UNKNOWN_SIZE;
    if (known && left < capacity) capacity = (uint32_t)left;
    if (!call->source || capacity == 0) {
        *size = capacity;
        *last = capacity == left;
        if (*size) memcpy(to, (const uint8_t *)call->request + talk->offset, *size);
        return true;
    }
    uint32_t filled = 0, at_end = 0;
    const char *wrong = NULL;
    if (call->source(call->context, to, capacity, &filled, &at_end))
        wrong = "the stream's source aborted it";
    else if (filled > capacity)
        wrong = "the stream's source wrote more bytes than there is room for";
    else if (filled == 0 && !at_end)
        wrong = "the stream's source produced nothing";
    else if (known && at_end && filled != left)
        wrong = "the stream's source produced fewer bytes than announced";
    else if (!known && filled > SIPC_STREAM_MAX_SIZE - talk->offset)
        wrong = "the stream's source produced more bytes than a stream can carry";
    if (wrong) fail(talk, SIPC_STREAM_ABORTED, wrong);
    *size = filled;
    *last = known ? filled == left : at_end != 0;
    return !wrong;
}

static bool send_piece(struct conversation *talk) {
    uint32_t capacity, size;
    bool last;
    uint8_t *to = sipc_pipeline_request(talk->pipeline, &capacity);
    if (!to) return false;
    if (!fill_piece(talk, to + SIPC_STREAM_PIECE, capacity - SIPC_STREAM_PIECE, &size, &last))
        return false;
    const struct sipc_stream_data head = {
        .stream = talk->stream, .offset = talk->offset, .flags = last ? SIPC_STREAM_LAST : 0};
    memcpy(to, &head, sizeof head);
    if (!submit(talk, SIPC_MESSAGE_STREAM_DATA, TAG_DATA, to, SIPC_STREAM_PIECE + size))
        return false;
    talk->sizes[talk->next % SIPC_STREAM_MAX_WINDOW] = size;
    talk->next++;
    talk->data++;
    talk->offset += size;
    talk->whole = last;
    return true;
}

// A slot is left for the response, which may have to flow before more of the request is taken.
static bool may_send(const struct conversation *talk) {
    const uint32_t most = talk->depth > 1 ? talk->depth - 1 : 1;
    return !talk->whole && talk->data < most && talk->next - talk->oldest < talk->depth;
}

// And one for the request, which may have to be taken before there is more of the response; or for
// the farewell.
static bool may_wish(const struct conversation *talk) {
    if (talk->response.last_seen) return false;
    const bool idle = talk->data == 0 && talk->wishes == 0 && talk->whole;
    if (talk->quiet && !idle) return false;
    // As long as one answer is late all others may bring pieces that have to wait for it.
    const uint32_t asked = talk->wishes + talk->response.ahead;
    const uint32_t all = talk->depth > 2 ? talk->depth - 1 : talk->depth;
    if (talk->whole) return asked < (talk->flowing ? all : 1);
    const uint32_t most = talk->flowing && talk->depth > 3 ? talk->depth / 2 : 1;
    return talk->depth > 1 && asked < most;
}

static void send_what_may_be_sent(struct conversation *talk) {
    while (talk->status == SIPC_OK && may_wish(talk)) {
        const struct sipc_stream_next wish = {.stream = talk->stream};
        if (!submit(talk, SIPC_MESSAGE_STREAM_NEXT, TAG_NEXT, &wish, sizeof wish)) break;
        talk->wishes++;
    }
    while (talk->status == SIPC_OK && may_send(talk))
        if (!send_piece(talk)) break;
}

// ---- An abort by another thread ----------------------------------------------------------------

static bool is_aborted(const sipc_stream_call *call) {
    return __atomic_load_n(&call->aborted, __ATOMIC_ACQUIRE) != 0;
}

// From here on who aborts rouses this thread. Either it finds the pipeline, or its word is seen.
static void let_be_roused(struct conversation *talk) {
    __atomic_store_n(&talk->call->waiting, talk->pipeline, __ATOMIC_SEQ_CST);
}

// Nobody does any more, and the pipeline waits as ever.
static void let_be(struct conversation *talk) {
    sipc_stream_call *call = talk->call;
    __atomic_store_n(&call->waiting, NULL, __ATOMIC_SEQ_CST);
    while (__atomic_load_n(&call->rousing, __ATOMIC_SEQ_CST) != 0) sipc_os_yield();
    sipc_pipeline_forget_rouse(talk->pipeline);
}

void sipc_stream_abort(sipc_stream_call *call) {
    __atomic_fetch_add(&call->rousing, 1, __ATOMIC_SEQ_CST);
    __atomic_store_n(&call->aborted, 1, __ATOMIC_SEQ_CST);
    sipc_pipeline *pipeline = __atomic_load_n(&call->waiting, __ATOMIC_SEQ_CST);
    if (pipeline) sipc_pipeline_rouse(pipeline);
    __atomic_fetch_sub(&call->rousing, 1, __ATOMIC_SEQ_CST);
}

// False: the stream has failed by now, or before.
static bool goes_on(struct conversation *talk) {
    if (talk->status == SIPC_OK && is_aborted(talk->call))
        fail(talk, SIPC_STREAM_ABORTED, "sipc_stream_abort() was called");
    return talk->status == SIPC_OK;
}

// ---- The course of it --------------------------------------------------------------------------

static void wait_for_one(struct conversation *talk, uint64_t wait_ns) {
    sipc_status status = sipc_pipeline_reap(talk->pipeline, 1, wait_ns, NULL);
    if (status) fail(talk, status, sipc_error_text());
}

// Everything in flight is answered, or ends at its deadline; at most that long.
static void drain(struct conversation *talk, uint64_t most_ns) {
    const uint64_t end = most_ns == SIPC_FOREVER ? SIPC_NEVER : sipc_os_now() + most_ns;
    while (sipc_pipeline_in_flight(talk->pipeline) > 0) {
        const uint64_t now = end == SIPC_NEVER ? 0 : sipc_os_now();
        if (now >= end || sipc_pipeline_reap(talk->pipeline, 1, end - now, NULL)) return;
    }
}

static void open_stream(struct conversation *talk) {
    const sipc_stream_call *call = talk->call;
    const struct sipc_stream_open opening = {.request_size = call->request_size,
                                             .response_limit = talk->response.limit,
                                             .message_id = call->message_id,
                                             .window = talk->depth};
    if (!submit(talk, SIPC_MESSAGE_STREAM_OPEN, TAG_OPEN, &opening, sizeof opening))
        fail(talk, SIPC_ALL_SLOTS_BUSY, "no slot became free for the stream");
    while (goes_on(talk) && sipc_pipeline_in_flight(talk->pipeline) > 0)
        wait_for_one(talk, SIPC_FOREVER);
    // Who serves may have come only now.
    if (talk->status == SIPC_OK && !sipc_pipeline_carry_streams(talk->pipeline))
        fail(talk, SIPC_STREAM_LOST, "the slots of the stream are served by several guests by now");
}

// Who has left answers nothing any more. What is in flight tells better why.
static void check_reach(struct conversation *talk) {
    if (talk->status != SIPC_OK || sipc_pipeline_reaches_stream(talk->pipeline)) return;
    fail(talk, SIPC_STREAM_LOST, "the guest that served the stream has left");
    drain(talk, FAREWELL_NS);
    if (talk->status == SIPC_STREAM_LOST) talk->status = SIPC_PEER_DIED_MAYBE_EXECUTED;
}

static void converse(struct conversation *talk) {
    while (!sipc_stream_intake_is_whole(&talk->response) && goes_on(talk)) {
        send_what_may_be_sent(talk);
        check_reach(talk);
        if (talk->status != SIPC_OK) break;
        if (sipc_pipeline_in_flight(talk->pipeline) == 0)
            violated(talk, "a piece of the response is missing");
        else
            wait_for_one(talk, SIPC_FOREVER);
        if (talk->response.ahead > 0 && talk->wishes == 0)
            violated(talk, "a piece of the response is missing");
    }
}

// Whether the other side still answers.
static bool is_heard(const struct conversation *talk) {
    return talk->stream != 0 && talk->status != SIPC_STREAM_LOST && talk->status != SIPC_CLOSED &&
           talk->status != SIPC_CLOSED_MAYBE_EXECUTED && talk->status != SIPC_PEER_DIED &&
           talk->status != SIPC_PEER_DIED_MAYBE_EXECUTED && talk->status != SIPC_REGION_LOST &&
           talk->status != SIPC_REGION_LOST_MAYBE_EXECUTED;
}

// False: it was not sent, for want of a slot.
static bool send_farewell(struct conversation *talk) {
    const bool failed = talk->status != SIPC_OK;
    uint8_t farewell[sizeof(struct sipc_stream_end) + SIPC_STREAM_MAX_TEXT];
    const struct sipc_stream_end head = {.stream = talk->stream,
                                         .reason = failed ? SIPC_STREAM_ABORTED_BY_CALLER
                                                          : SIPC_STREAM_FINISHED};
    uint32_t room, size = 0;
    if (!sipc_pipeline_request(talk->pipeline, &room)) return false;
    if (room > sizeof farewell) room = sizeof farewell;
    memcpy(farewell, &head, sizeof head);
    for (; failed && size < room - sizeof head && talk->text[size]; size++)
        farewell[sizeof head + size] = (uint8_t)talk->text[size];
    // What becomes of it changes nothing: the response is there, or the failure is known.
    return !sipc_pipeline_submit(talk->pipeline, SIPC_MESSAGE_STREAM_END, farewell,
                                 (uint32_t)(sizeof head + size), talk->call->timeout_ns,
                                 (uint64_t)TAG_END << TAG_KIND_SHIFT);
}

// Of a failure the other side hears at once if a slot is free, whatever else is in flight.
static void take_leave(struct conversation *talk) {
    const bool failed = talk->status != SIPC_OK;
    const bool told = failed && is_heard(talk) && send_farewell(talk);
    drain(talk, failed ? FAREWELL_NS : SIPC_FOREVER);
    if (!told && is_heard(talk) && send_farewell(talk))
        drain(talk, failed ? FAREWELL_NS : SIPC_FOREVER);
}

// Success is success also if something that is not needed any more was still in flight.
static sipc_status run(struct conversation *talk) {
    sipc_stream_call *call = talk->call;
    let_be_roused(talk);
    open_stream(talk);
    if (talk->status == SIPC_OK) converse(talk);
    let_be(talk);
    const sipc_status status = talk->status;
    take_leave(talk);
    sipc_pipeline_close(talk->pipeline);
    sipc_stream_intake_drop(&talk->response);
    call->response_size = talk->response.taken;
    if (!call->sink && !call->response) {
        call->response = talk->assembly.bytes;
        call->allocated = talk->assembly.bytes != NULL;
    }
    return status ? sipc_fail(talk->status, "%s", talk->text) : SIPC_OK;
}

// ---- What is asked for -------------------------------------------------------------------------

static sipc_status check_call(const sipc_stream_call *call) {
    if (!call) return sipc_fail(SIPC_INVALID_ARGUMENT, "call is NULL");
    if (call->message_id != SIPC_MESSAGE_NORMAL && call->message_id < SIPC_MESSAGE_FIRST_USER)
        return sipc_fail(SIPC_BAD_MESSAGE_ID,
                         "the message id %u is reserved; use 0 or 128 and above", call->message_id);
    if (call->depth > SIPC_STREAM_MAX_WINDOW)
        return sipc_fail(SIPC_INVALID_ARGUMENT, "a depth of %u; use 1 to %u, or 0", call->depth,
                         SIPC_STREAM_MAX_WINDOW);
    if (!call->source && !call->request && call->request_size)
        return sipc_fail(SIPC_INVALID_ARGUMENT, "the request is NULL but its size is %llu",
                         (unsigned long long)call->request_size);
    const bool unknown = call->source && call->request_size == SIPC_STREAM_UNKNOWN_SIZE;
    if (call->request_size > SIPC_STREAM_MAX_SIZE && !unknown)
        return sipc_fail(
            SIPC_REQUEST_TOO_LARGE, "the request has %llu bytes, a stream carries %llu",
            (unsigned long long)call->request_size, (unsigned long long)SIPC_STREAM_MAX_SIZE);
    if (call->response_limit > SIPC_STREAM_MAX_SIZE)
        return sipc_fail(SIPC_INVALID_ARGUMENT, "a response_limit of %llu; at most %llu",
                         (unsigned long long)call->response_limit,
                         (unsigned long long)SIPC_STREAM_MAX_SIZE);
    return SIPC_OK;
}

static uint64_t response_limit(const sipc_stream_call *call) {
    if (call->response_limit || call->response) return call->response_limit;
    return call->sink ? SIPC_STREAM_MAX_SIZE : DEFAULT_ASSEMBLED_LIMIT;
}

static void prepare(struct conversation *talk, sipc_stream_call *call, uint64_t default_ns) {
    *talk = (struct conversation){.call = call, .status = SIPC_OK};
    talk->patience_ns = call->timeout_ns ? call->timeout_ns : default_ns;
    call->response_size = 0;
    call->allocated = 0;
    sipc_stream_intake_init(&talk->response, SIPC_STREAM_UNKNOWN_SIZE, response_limit(call),
                            SIPC_STREAM_MAX_WINDOW);
}

static sipc_status check_slots(const struct sipc_calls *calls) {
    const struct sipc_slot *slot = sipc_pool_session(&calls->pool, 0)->caller.slot;
    if (slot->request_capacity > SIPC_STREAM_PIECE && slot->response_capacity > SIPC_STREAM_PIECE)
        return SIPC_OK;
    return sipc_fail(SIPC_REQUEST_TOO_LARGE,
                     "slots of %u and %u bytes are too small for streams; create them with more "
                     "than %u for each direction",
                     slot->request_capacity, slot->response_capacity, SIPC_STREAM_PIECE);
}

// The slots from there on, if one responder serves them all; else SIPC_ALL_SLOTS_BUSY.
static sipc_status open_pipeline(struct conversation *talk, struct sipc_calls *calls,
                                 uint32_t first, uint64_t timeout_ns) {
    const struct sipc_pipelining wish = {.first_slot = first,
                                         .depth = talk->depth,
                                         .timeout_ns = timeout_ns,
                                         .completed = completed,
                                         .context = talk};
    sipc_status status = sipc_calls_open_pipeline(calls, &wish, &talk->pipeline);
    if (status || sipc_pipeline_carry_streams(talk->pipeline)) return status;
    sipc_pipeline_close(talk->pipeline);
    return sipc_fail(SIPC_ALL_SLOTS_BUSY, "the slots for the stream have changed hands");
}

// A pipeline opens all or none of its slots; fewer of them are better than to wait for others.
static sipc_status open_some(struct conversation *talk, struct sipc_calls *calls) {
    uint32_t depth = talk->call->depth ? talk->call->depth : DEFAULT_DEPTH;
    if (depth > calls->pool.count) depth = calls->pool.count;
    for (; depth > 1; depth /= 2) {
        talk->depth = depth;
        sipc_status status = open_pipeline(talk, calls, SIPC_ANY_SLOT, 1);
        if (status != SIPC_ALL_SLOTS_BUSY) return status;
        uint32_t first;
        talk->depth = sipc_calls_slots_of_one(calls, depth, &first);
        if (talk->depth <= depth / 2) continue;
        status = open_pipeline(talk, calls, first, 1);
        if (status != SIPC_ALL_SLOTS_BUSY) return status;
    }
    talk->depth = 1;
    return open_pipeline(talk, calls, SIPC_ANY_SLOT, talk->call->timeout_ns);
}

sipc_status sipc_calls_stream(struct sipc_calls *calls, sipc_stream_call *call) {
    sipc_status status = check_call(call);
    if (!status) status = check_slots(calls);
    if (status) return status;
    struct conversation talk;
    prepare(&talk, call, calls->timeout_ns);
    status = open_some(&talk, calls);
    return status ? status : run(&talk);
}

sipc_status sipc_host_stream(sipc_host *host, sipc_stream_call *call) {
    sipc_status status = sipc_host_check(host);
    return status ? status : sipc_calls_stream(&host->calls, call);
}

void sipc_stream_free(sipc_stream_call *call) {
    if (!call || !call->allocated) return;
    free(call->response);
    call->response = NULL;
    call->allocated = 0;
}
