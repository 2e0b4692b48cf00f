// SPDX-License-Identifier: Apache-2.0
// The streams that are open at a responder: which there are, who uses them, and when they end. One
// thread, which sleeps while there is nothing to end, ends those that were idle for too long or
// whose caller is gone.
#include <stdlib.h>
#include <string.h>

#include "internal/errors.h"
#include "internal/lock.h"
#include "internal/streams.h"

#define DEFAULT_MOST 64u
#define DEFAULT_IDLE_NS UINT64_C(10000000000)
// Low bits of a stream's number: where it is. The others are random.
#define PLACE_BITS 16u
#define MOST_PLACES (1u << PLACE_BITS)
// How long a request that finds another of its stream being handled tries before it sleeps.
#define YIELDS 50u

struct sipc_streams {
    sipc_stream_handler *handlers;
    uint32_t handler_count;
    uint32_t most;
    uint64_t idle_ns;
    uint32_t forks;
    sipc_word alarm;      // changes when the watcher has something new to look at; waited on
    sipc_word suspicious; // 1: look whether callers are gone
    sipc_word stopping;
    sipc_word open;
    sipc_word lock; // guards what follows
    struct sipc_os_work work;
    struct sipc_os_thread thread;
    bool watched;
    bool armed;        // the watcher sleeps no longer than until a stream that begins now is idle
    sipc_word running; // 1: the watcher's thread has not left; waited on
    struct place {
        sipc_stream *stream; // NULL: it is free
    } places[];
};

// ---- Making ------------------------------------------------------------------------------------

static sipc_status check_handlers(const sipc_stream_handler *handlers, uint32_t count) {
    if (!handlers || count == 0)
        return sipc_fail(SIPC_INVALID_ARGUMENT, "there is no handler; name at least one");
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t id = handlers[i].message_id;
        if (id != SIPC_MESSAGE_NORMAL && id < SIPC_MESSAGE_FIRST_USER)
            return sipc_fail(SIPC_BAD_MESSAGE_ID,
                             "the message id %u is reserved; use 0 or 128 and above", id);
        if (handlers[i].request_limit > SIPC_STREAM_MAX_SIZE)
            return sipc_fail(SIPC_INVALID_ARGUMENT,
                             "a request_limit of %llu bytes; a stream has at most %llu",
                             (unsigned long long)handlers[i].request_limit,
                             (unsigned long long)SIPC_STREAM_MAX_SIZE);
        for (uint32_t j = 0; j < i; j++)
            if (handlers[j].message_id == id)
                return sipc_fail(SIPC_INVALID_ARGUMENT,
                                 "the message id %u has two handlers; name one of them", id);
    }
    return SIPC_OK;
}

static sipc_status check_options(const sipc_streams_options *options) {
    if (options->struct_size && options->struct_size < sizeof *options)
        return sipc_fail(SIPC_INVALID_ARGUMENT,
                         "struct_size is %u; set it to sizeof(sipc_streams_options)",
                         options->struct_size);
    if (options->most > MOST_PLACES)
        return sipc_fail(SIPC_INVALID_ARGUMENT, "most is %u; at most %u streams can be open",
                         options->most, MOST_PLACES);
    return SIPC_OK;
}

sipc_status sipc_streams_create(const sipc_stream_handler *handlers, uint32_t count,
                                const sipc_streams_options *given, sipc_streams **streams) {
    if (!streams)
        return sipc_fail(SIPC_INVALID_ARGUMENT, "streams is NULL; pass where to put the handle");
    *streams = NULL;
    const sipc_streams_options options = given ? *given : (sipc_streams_options){0};
    sipc_status status = check_handlers(handlers, count);
    if (!status) status = check_options(&options);
    if (status) return status;
    const uint32_t most = options.most ? options.most : DEFAULT_MOST;
    sipc_streams *made = calloc(1, sizeof *made + most * sizeof made->places[0]);
    sipc_stream_handler *kept = malloc(count * sizeof *kept);
    if (!made || !kept) {
        free(made);
        free(kept);
        return sipc_fail(SIPC_OUT_OF_MEMORY, "no memory for %u streams", most);
    }
    memcpy(kept, handlers, count * sizeof *kept);
    made->handlers = kept;
    made->handler_count = count;
    made->most = most;
    made->idle_ns = options.idle_ns ? options.idle_ns : DEFAULT_IDLE_NS;
    made->forks = sipc_os_forks();
    *streams = made;
    return SIPC_OK;
}

uint32_t sipc_streams_open(const sipc_streams *streams) {
    return sipc_load_acquire(&streams->open);
}

// ---- The end of a stream -----------------------------------------------------------------------

// No request finds it from here on. True: nobody uses it, and it is this thread's to finish; else
// its last user does. With the lock.
static bool retire(sipc_streams *streams, sipc_stream *stream, sipc_status status,
                   const char *text) {
    if (stream->retired) return false;
    streams->places[stream->number % MOST_PLACES].stream = NULL;
    stream->retired = true;
    stream->end_status = status;
    stream->end_text = text;
    return stream->uses == 0;
}

static void finish(sipc_streams *streams, sipc_stream *stream) {
    sipc_stream_end(stream, stream->end_status, SIPC_OUTCOME_UNKNOWN_STREAM, stream->end_text);
    free(stream);
    sipc_subtract_barrier(&streams->open, 1);
}

// ---- The watcher -------------------------------------------------------------------------------

static void ring(sipc_streams *streams) {
    sipc_add_barrier(&streams->alarm, 1);
    sipc_os_unpark(&streams->alarm, 1);
}

static bool caller_is_gone(const sipc_stream *stream) {
    bool claimed = true;
    sipc_status status = sipc_os_claimed_by_another(stream->object, stream->caller_claim, &claimed);
    return !status && !claimed;
}

// One stream whose time has come, retired; NULL: none, and when to look again. With the lock.
static sipc_stream *next_victim(sipc_streams *streams, bool suspicious, uint64_t *look_again) {
    const uint64_t now = sipc_os_now();
    *look_again = SIPC_NEVER;
    for (uint32_t i = 0; i < streams->most; i++) {
        sipc_stream *stream = streams->places[i].stream;
        if (!stream) continue;
        const bool gone = suspicious && caller_is_gone(stream);
        const bool idle = stream->uses == 0 && now - stream->last_used >= streams->idle_ns;
        if ((gone &&
             retire(streams, stream, SIPC_PEER_DIED_MAYBE_EXECUTED, "the caller is gone")) ||
            (!gone && idle &&
             retire(streams, stream, SIPC_TIMEOUT_MAYBE_EXECUTED, "the caller fell silent")))
            return stream;
        const uint64_t from = stream->uses ? now : stream->last_used;
        if (!gone && from + streams->idle_ns < *look_again) *look_again = from + streams->idle_ns;
    }
    streams->armed = *look_again != SIPC_NEVER;
    return NULL;
}

static void watch(void *context) {
    sipc_streams *streams = context;
    streams->thread = sipc_os_this_thread();
    while (sipc_load_acquire(&streams->stopping) == 0) {
        const uint32_t alarm = sipc_load_acquire(&streams->alarm);
        const bool suspicious = sipc_exchange_acquire(&streams->suspicious, 0) != 0;
        uint64_t look_again;
        sipc_stream *victim;
        do {
            sipc_lock(&streams->lock);
            victim = next_victim(streams, suspicious, &look_again);
            sipc_unlock(&streams->lock);
            if (victim) finish(streams, victim);
        } while (victim);
        sipc_os_park(&streams->alarm, alarm, look_again);
    }
}

static void watch_ended(void *context) {
    sipc_streams *streams = context;
    sipc_store_release(&streams->running, 0);
    sipc_os_unpark(&streams->running, UINT32_MAX);
}

// With the lock.
static bool start_watching(sipc_streams *streams) {
    if (streams->watched) return true;
    streams->work = (struct sipc_os_work){watch, watch_ended, streams};
    sipc_store_release(&streams->running, 1);
    streams->watched = sipc_os_thread_start(&streams->work) == SIPC_OK;
    if (!streams->watched) sipc_store_release(&streams->running, 0);
    return streams->watched;
}

void sipc_streams_look(sipc_streams *streams) {
    sipc_store_release(&streams->suspicious, 1);
    ring(streams);
}

// One that came through this object; NULL: none is left.
static sipc_stream *retire_one_of(sipc_streams *streams, const struct sipc_os_object *object,
                                  sipc_status status, const char *text) {
    sipc_stream *found = NULL;
    sipc_lock(&streams->lock);
    for (uint32_t i = 0; i < streams->most && !found; i++) {
        sipc_stream *stream = streams->places[i].stream;
        if (stream && (!object || stream->object == object) &&
            retire(streams, stream, status, text))
            found = stream;
    }
    sipc_unlock(&streams->lock);
    return found;
}

void sipc_streams_leave(sipc_streams *streams, const struct sipc_os_object *object) {
    sipc_stream *stream;
    while ((stream =
                retire_one_of(streams, object, SIPC_CLOSED_MAYBE_EXECUTED, "this side was closed")))
        finish(streams, stream);
}

void sipc_streams_free(sipc_streams *streams) {
    // In a child made by fork() its thread and its lock are nobody's.
    if (!streams || streams->forks != sipc_os_forks()) return;
    sipc_store_release(&streams->stopping, 1);
    ring(streams);
    while (sipc_load_acquire(&streams->running) != 0)
        sipc_os_park(&streams->running, 1, SIPC_NEVER);
    if (streams->watched) sipc_os_thread_join(streams->thread);
    sipc_streams_leave(streams, NULL);
    free(streams->handlers);
    free(streams);
}

// ---- Using a stream ----------------------------------------------------------------------------

static void enter(sipc_stream *stream) {
    for (uint32_t i = 0; i < YIELDS; i++) {
        if (sipc_exchange_acquire(&stream->lock, 1) == 0) return;
        sipc_os_yield();
    }
    sipc_lock(&stream->lock);
}

// A request of a stream while it is handled. Left also when a handler's function does not return.
struct use {
    sipc_streams *streams;
    sipc_stream *stream;
    bool returned;
};

static bool begin_use(struct use *use, sipc_streams *streams, uint64_t number) {
    use->streams = streams;
    sipc_lock(&streams->lock);
    const uint64_t place = number % MOST_PLACES;
    sipc_stream *stream = place < streams->most ? streams->places[place].stream : NULL;
    if (stream && stream->number != number) stream = NULL;
    if (stream) stream->uses++;
    sipc_unlock(&streams->lock);
    use->stream = stream;
    if (stream) enter(stream);
    return stream != NULL;
}

static void end_use(struct use *use) {
    sipc_stream *stream = use->stream;
    if (!stream) return;
    if (!use->returned)
        sipc_stream_end(stream, SIPC_HANDLER_FAILED, SIPC_OUTCOME_HANDLER_FAILED,
                        "the stream's handler did not return");
    sipc_unlock(&stream->lock);
    const uint64_t now = sipc_os_now();
    sipc_lock(&use->streams->lock);
    stream->last_used = now;
    const bool finished = --stream->uses == 0 && stream->retired;
    sipc_unlock(&use->streams->lock);
    if (finished) finish(use->streams, stream);
}

// ---- Answers -----------------------------------------------------------------------------------

// Writes an answer without a piece, with the text of a failure.
static void write_answer(sipc_response *response, const struct sipc_stream_answer *answer,
                         const char *text) {
    memcpy(response->data, answer, SIPC_STREAM_ANSWER_TEXT);
    response->size = SIPC_STREAM_ANSWER_TEXT;
    if (answer->outcome == SIPC_OUTCOME_OK) return;
    size_t size = strlen(text);
    const size_t room = response->capacity - SIPC_STREAM_ANSWER_TEXT;
    if (size > room) size = room;
    memcpy((uint8_t *)response->data + SIPC_STREAM_ANSWER_TEXT, text, size);
    response->size += (uint32_t)size;
}

static void refuse(sipc_response *response, enum sipc_outcome outcome, const char *text) {
    write_answer(response, &(struct sipc_stream_answer){.outcome = outcome}, text);
}

static void refuse_unknown(sipc_response *response) {
    refuse(response, SIPC_OUTCOME_UNKNOWN_STREAM, "there is no stream of this number");
}

// ---- Opening -----------------------------------------------------------------------------------

static const sipc_stream_handler *find_handler(const sipc_streams *streams, uint32_t message_id) {
    for (uint32_t i = 0; i < streams->handler_count; i++)
        if (streams->handlers[i].message_id == message_id) return &streams->handlers[i];
    return NULL;
}

static bool is_sound(const struct sipc_stream_open *opening) {
    return (opening->request_size <= SIPC_STREAM_MAX_SIZE ||
            opening->request_size == SIPC_STREAM_UNKNOWN_SIZE) &&
           opening->window >= 1 && opening->window <= SIPC_STREAM_MAX_WINDOW;
}

// Gives it a number and a place. It is in use.
static enum sipc_outcome add(sipc_streams *streams, sipc_stream *stream) {
    uint64_t random;
    if (sipc_os_random(&random)) return SIPC_OUTCOME_OUT_OF_MEMORY;
    enum sipc_outcome outcome = SIPC_OUTCOME_TOO_MANY;
    bool arm = false;
    sipc_lock(&streams->lock);
    for (uint32_t i = 0; i < streams->most; i++) {
        if (streams->places[i].stream) continue;
        outcome = SIPC_OUTCOME_OUT_OF_MEMORY;
        if (!start_watching(streams)) break;
        stream->number = ((random << PLACE_BITS) | i) | UINT64_C(1) << 63;
        stream->uses = 1;
        streams->places[i].stream = stream;
        sipc_add_barrier(&streams->open, 1);
        outcome = SIPC_OUTCOME_OK;
        arm = !streams->armed;
        streams->armed = true;
        break;
    }
    sipc_unlock(&streams->lock);
    if (arm) ring(streams);
    return outcome;
}

static void note_caller(sipc_stream *stream, const struct sipc_slot *slot) {
    stream->object = slot->object;
    stream->caller_claim =
        slot->guest_calls ? SIPC_CLAIM_FIRST_SLOT + slot->index : SIPC_CLAIM_HOST;
}

// The opening is answered after the use of the stream: it is there when the caller knows it.
static void begin_stream(sipc_streams *streams, sipc_stream *stream,
                         const sipc_stream_handler *handler, const struct sipc_stream_open *opening,
                         uint32_t slot, sipc_response *response) {
    SIPC_FINALLY(end_use) struct use use = {.streams = streams, .stream = stream};
    enter(stream);
    sipc_stream_begin(stream, handler, opening, slot);
    struct sipc_stream_answer answer = {.outcome = stream->outcome, .value = stream->number};
    write_answer(response, &answer, stream->text);
    // cppcheck-suppress unreadVariable ; end_use() does
    use.returned = true;
    if (stream->outcome == SIPC_OUTCOME_OK) return;
    sipc_lock(&streams->lock);
    (void)retire(streams, stream, SIPC_HANDLER_FAILED, NULL);
    sipc_unlock(&streams->lock);
}

// Nobody knows its process: its claim is waited for. Of one that has gone by now the watch tells as
// well. Without a watch the stream ends when it was idle for too long.
static void watch_caller(struct sipc_os_watch *watch, const sipc_stream *stream) {
    const struct sipc_os_process unknown = {.id = stream->caller_claim}; // each claim's its own
    if (watch && stream->caller_claim != SIPC_CLAIM_HOST)
        (void)sipc_os_watch_claim(watch, stream->object, stream->caller_claim, &unknown);
}

static void answer_open(sipc_streams *streams, const struct sipc_slot *slot,
                        struct sipc_os_watch *watch, const sipc_request *request,
                        sipc_response *response) {
    struct sipc_stream_open opening;
    if (request->size != sizeof opening) {
        refuse(response, SIPC_OUTCOME_BROKEN, "an opening has 32 bytes");
        return;
    }
    memcpy(&opening, request->data, sizeof opening);
    if (!is_sound(&opening)) {
        refuse(response, SIPC_OUTCOME_BROKEN, "a field of the opening is out of range");
        return;
    }
    const sipc_stream_handler *handler = find_handler(streams, opening.message_id);
    if (!handler) {
        refuse(response, SIPC_OUTCOME_NO_HANDLER, "no handler takes streams with this message id");
        return;
    }
    sipc_stream *stream = calloc(1, sizeof *stream);
    enum sipc_outcome outcome = SIPC_OUTCOME_OUT_OF_MEMORY;
    if (stream) {
        note_caller(stream, slot);
        outcome = add(streams, stream);
    }
    if (outcome != SIPC_OUTCOME_OK) {
        free(stream);
        refuse(response, outcome,
               outcome == SIPC_OUTCOME_TOO_MANY ? "as many streams are open as this side allows"
                                                : "there is no memory for a stream");
        return;
    }
    watch_caller(watch, stream); // it is in use, and stays until that has ended
    begin_stream(streams, stream, handler, &opening, slot->index, response);
}

// ---- Requests of a stream ----------------------------------------------------------------------

static void answer_data(sipc_streams *streams, const sipc_request *request,
                        sipc_response *response) {
    struct sipc_stream_data head;
    if (request->size < sizeof head) {
        refuse(response, SIPC_OUTCOME_BROKEN, "a piece has at least 64 bytes");
        return;
    }
    memcpy(&head, request->data, sizeof head);
    SIPC_FINALLY(end_use) struct use use = {.stream = NULL};
    if (!begin_use(&use, streams, head.stream)) {
        refuse_unknown(response);
        return;
    }
    struct sipc_stream_answer answer = {.outcome = SIPC_OUTCOME_OK};
    sipc_stream_data(use.stream, &head, (const uint8_t *)request->data + SIPC_STREAM_PIECE,
                     request->size - SIPC_STREAM_PIECE, &answer);
    write_answer(response, &answer, use.stream->text);
    // cppcheck-suppress unreadVariable ; end_use() does
    use.returned = true;
}

static void answer_next(sipc_streams *streams, const sipc_request *request,
                        sipc_response *response) {
    struct sipc_stream_next wish;
    if (request->size != sizeof wish) {
        refuse(response, SIPC_OUTCOME_BROKEN, "a wish for a piece has 8 bytes");
        return;
    }
    memcpy(&wish, request->data, sizeof wish);
    SIPC_FINALLY(end_use) struct use use = {.stream = NULL};
    if (!begin_use(&use, streams, wish.stream)) {
        refuse_unknown(response);
        return;
    }
    struct sipc_stream_answer answer = {.outcome = SIPC_OUTCOME_OK};
    uint8_t *to = response->data;
    const uint32_t size = sipc_stream_next(use.stream, to + SIPC_STREAM_PIECE,
                                           response->capacity - SIPC_STREAM_PIECE, &answer);
    if (answer.outcome == SIPC_OUTCOME_OK) {
        memcpy(to, &answer, sizeof answer);
        response->size = SIPC_STREAM_PIECE + size;
    } else {
        write_answer(response, &answer, use.stream->text);
    }
    // cppcheck-suppress unreadVariable ; end_use() does
    use.returned = true;
}

// What the end means here, and the caller's words for it.
static void take_leave(sipc_streams *streams, sipc_stream *stream,
                       const struct sipc_stream_end *farewell, const char *text) {
    const bool whole = farewell->reason == SIPC_STREAM_FINISHED && stream->given_all;
    sipc_stream_end(stream, whole ? SIPC_OK : SIPC_STREAM_ABORTED, SIPC_OUTCOME_UNKNOWN_STREAM,
                    text);
    sipc_lock(&streams->lock);
    (void)retire(streams, stream, SIPC_STREAM_ABORTED, NULL);
    sipc_unlock(&streams->lock);
}

static void answer_end(sipc_streams *streams, const sipc_request *request,
                       sipc_response *response) {
    struct sipc_stream_end farewell;
    if (request->size < sizeof farewell || request->size > sizeof farewell + SIPC_STREAM_MAX_TEXT) {
        refuse(response, SIPC_OUTCOME_BROKEN, "an end has 16 bytes and a text of at most 256");
        return;
    }
    memcpy(&farewell, request->data, sizeof farewell);
    char text[SIPC_STREAM_MAX_TEXT + 1] = "";
    memcpy(text, (const uint8_t *)request->data + sizeof farewell, request->size - sizeof farewell);
    SIPC_FINALLY(end_use) struct use use = {.stream = NULL};
    if (!begin_use(&use, streams, farewell.stream)) {
        refuse_unknown(response);
        return;
    }
    take_leave(streams, use.stream, &farewell, text);
    // cppcheck-suppress unreadVariable ; end_use() does
    use.returned = true;
    write_answer(response, &(struct sipc_stream_answer){.outcome = SIPC_OUTCOME_OK}, "");
}

void sipc_streams_answer(sipc_streams *streams, const struct sipc_slot *slot,
                         struct sipc_os_watch *watch, const sipc_request *request,
                         sipc_response *response) {
    switch (request->message_id) {
    case SIPC_MESSAGE_STREAM_OPEN:
        answer_open(streams, slot, watch, request, response);
        break;
    case SIPC_MESSAGE_STREAM_DATA:
        answer_data(streams, request, response);
        break;
    case SIPC_MESSAGE_STREAM_NEXT:
        answer_next(streams, request, response);
        break;
    default:
        answer_end(streams, request, response);
    }
}
