// SPDX-License-Identifier: Apache-2.0
/**
 * @file simpleipc.h
 * @brief Calls into another process over shared memory.
 *
 * A host creates a region with a fixed pool of slots and calls; a guest attaches to the region and
 * answers. One exchange occupies one slot from the request to the response: there is no queue.
 * The wire protocol is docs/spec/protocol.md.
 *
 * Conventions of every function here:
 * - Times are nanoseconds of a monotonic clock. Sizes are bytes.
 * - A function that fails has done nothing but what its status says, and has left a text for the
 *   calling thread in sipc_error_text(): what was wrong, with which value, and what to do.
 * - A handle belongs to the process that made it. In a child made by fork() its
 *   functions fail with SIPC_INVALID_ARGUMENT or do nothing.
 * - Strings are UTF-8 and end with a NUL byte.
 * - Each host and each guest has one thread of the library's own, which sleeps until a peer's
 * process ends, or a guest asks for a sealed region. The first region of a process installs a
 * handler of SIGBUS, which minds accesses to regions only (a peer may cut their memory short) and
 * leaves all others to the handler before it.
 */
#ifndef SIMPLEIPC_SIMPLEIPC_H
#define SIMPLEIPC_SIMPLEIPC_H

#include <stdint.h>

#ifndef SIPC_API
#if defined(__GNUC__)
/** Marks what the shared library exports; a build may define it otherwise. */
#define SIPC_API __attribute__((visibility("default")))
#else
#define SIPC_API
#endif
#endif

#ifdef __cplusplus
extern "C" {
#endif

/**
 * @name Version of the library
 * @{
 */
#define SIPC_VERSION_MAJOR 0 /**< Changes when the ABI does. */
#define SIPC_VERSION_MINOR 1 /**< Changes when functions are added. */
#define SIPC_VERSION_PATCH 0 /**< Changes with each release. */
/** @} */

/**
 * The table of all statuses: X(name, value, fate of the request, message).
 * The fates are explained at sipc_fate.
 */
#define SIPC_STATUS_TABLE(X)                                                                       \
    X(OK, 0, ANSWERED, "success")                                                                  \
    X(INVALID_ARGUMENT, -1, NOT_STARTED, "an argument is invalid")                                 \
    X(BAD_NAME, -2, NOT_STARTED, "the region's name is invalid")                                   \
    X(OUT_OF_MEMORY, -3, NOT_STARTED, "out of memory")                                             \
    X(SYSTEM, -4, NOT_STARTED, "a system call failed")                                             \
    X(NO_SPACE, -5, NOT_STARTED, "not enough shared memory for the region")                        \
    X(EXISTS, -6, NOT_STARTED, "a host of this name is alive")                                     \
    X(NO_HOST, -7, NOT_STARTED, "there is no host of this name")                                   \
    X(NOT_A_REGION, -8, NOT_STARTED, "the object of this name is not a SimpleIPC region")          \
    X(VERSION_MISMATCH, -9, NOT_STARTED, "the region's protocol version is not supported")         \
    X(BAD_GEOMETRY, -10, NOT_STARTED, "the region's geometry is invalid")                          \
    X(BACKEND_UNSUPPORTED, -11, NOT_STARTED, "the event backend is not supported here")            \
    X(FORBIDDEN, -12, NOT_STARTED, "the region belongs to another user")                           \
    X(NO_SLOT, -13, NOT_STARTED, "no slot is left to serve")                                       \
    X(BUSY, -14, NOT_STARTED, "the object is in use")                                              \
    X(ALL_SLOTS_BUSY, -15, NOT_STARTED, "no slot became free before the deadline")                 \
    X(CLOSED, -16, NOT_STARTED, "closed before the request was started")                           \
    X(CLOSED_MAYBE_EXECUTED, -17, MAYBE_EXECUTED, "closed; the request may have been executed")    \
    X(TIMEOUT, -18, NOT_STARTED, "the deadline passed before the request was started")             \
    X(TIMEOUT_MAYBE_EXECUTED, -19, MAYBE_EXECUTED,                                                 \
      "the deadline passed; the request may have been executed")                                   \
    X(PEER_DIED, -20, NOT_STARTED, "the peer process is gone; the request was not started")        \
    X(PEER_DIED_MAYBE_EXECUTED, -21, MAYBE_EXECUTED,                                               \
      "the peer process is gone; the request may have been executed")                              \
    X(REQUEST_TOO_LARGE, -22, NOT_STARTED, "the request is larger than its buffer")                \
    X(RESPONSE_TOO_LARGE, -23, ANSWERED, "the response is larger than the slot's buffer")          \
    X(BUFFER_TOO_SMALL, -24, ANSWERED, "the response is larger than the buffer given for it")      \
    X(BAD_MESSAGE_ID, -25, NOT_STARTED, "the message id is reserved")                              \
    X(UNKNOWN_MESSAGE, -26, NOT_STARTED, "the guest does not handle this message id")              \
    X(HANDLER_FAILED, -27, ANSWERED, "the guest's handler reported an error")                      \
    X(PROTOCOL_VIOLATED, -28, MAYBE_EXECUTED, "the peer broke the protocol")                       \
    X(RESPONSE_LOST, -29, ANSWERED, "the response came, but there was no memory to take it")       \
    X(REGION_LOST, -30, NOT_STARTED, "the region's memory was taken away")                         \
    X(REGION_LOST_MAYBE_EXECUTED, -31, MAYBE_EXECUTED,                                             \
      "the region's memory was taken away; the request may have been executed")                    \
    X(PENDING, -32, MAYBE_EXECUTED, "the handler answers later")                                   \
    X(NO_GUEST, -33, NOT_STARTED, "no guest of this name serves")                                  \
    X(STREAM_ABORTED, -34, MAYBE_EXECUTED, "the stream was aborted by its caller")                 \
    X(STREAM_LOST, -35, MAYBE_EXECUTED, "the other side does not know the stream any more")

/** Outcome of a function: SIPC_OK is 0, every error is negative. */
typedef enum sipc_status {
#define SIPC_STATUS_ENUM(name, value, fate, message) SIPC_##name = (value),
    SIPC_STATUS_TABLE(SIPC_STATUS_ENUM)
#undef SIPC_STATUS_ENUM
} sipc_status;

/** What became of a request (spec 4.1). */
typedef enum sipc_fate {
    SIPC_FATE_NOT_STARTED = 0,    /**< No handler saw it, and none will. It may be sent again. */
    SIPC_FATE_MAYBE_EXECUTED = 1, /**< A handler began it; whether it ended is unknown. */
    SIPC_FATE_ANSWERED = 2        /**< The guest answered, with a response or with an error. */
} sipc_fate;

/** The fate that a status of a call tells. @param status any status. @return its fate. */
SIPC_API sipc_fate sipc_status_fate(sipc_status status);
/** @param status any status. @return its name, as "SIPC_TIMEOUT"; never NULL. */
SIPC_API const char *sipc_status_name(sipc_status status);
/** @param status any status. @return its message in plain English; never NULL. */
SIPC_API const char *sipc_status_message(sipc_status status);
/**
 * The text of the last failure in the calling thread: what was wrong, with which value, what to do.
 * @return the text; valid until the next failure in this thread; empty before the first.
 */
SIPC_API const char *sipc_error_text(void);
/** @return the library's version, as "0.1.0". */
SIPC_API const char *sipc_version(void);

/**
 * @name Message ids (spec 5)
 * @{
 */
#define SIPC_MESSAGE_NORMAL 0u /**< An ordinary request. */
#define SIPC_MESSAGE_HEARTBEAT_REQUEST                                                             \
    1u /**< Answered by the guest's library, not by the handler. */
#define SIPC_MESSAGE_HEARTBEAT_RESPONSE 2u /**< A response only. */
#define SIPC_MESSAGE_SHUTDOWN 3u           /**< Ends the workers of the guest that receives it. */
#define SIPC_MESSAGE_FIRST_USER 128u       /**< This and all above are the application's. */
/** @} */

/** As a timeout: the host's default, see sipc_host_options. */
#define SIPC_DEFAULT_TIMEOUT UINT64_C(0)
/** As a timeout: none. */
#define SIPC_FOREVER UINT64_MAX
/** As a slot: any free one. */
#define SIPC_ANY_SLOT UINT32_MAX

/** How two sides wake each other. The host chooses; the region's header says it. */
typedef enum sipc_backend {
    SIPC_BACKEND_DEFAULT = 0,      /**< The system's best: futex on Linux. */
    SIPC_BACKEND_FUTEX = 1,        /**< Linux futex on the region's own words. */
    SIPC_BACKEND_SEMAPHORE = 2,    /**< POSIX named semaphores, two per slot. */
    SIPC_BACKEND_WINDOWS_EVENT = 3 /**< Windows auto-reset events, two per slot. */
} sipc_backend;

/** How long a waiting side spins and yields before it sleeps (docs/waiting.md). */
typedef enum sipc_wait_preset {
    SIPC_WAIT_BALANCED = 0, /**< Steady also with more threads than cores: spins for 1.2 to 200 us,
                                 as it pays, and yields 20 times. */
    SIPC_WAIT_LATENCY = 1,  /**< For a core of its own on each side: 50 us to 1 ms, 50 yields. */
    SIPC_WAIT_POWER = 2,    /**< Sleeps soon: 0 to 2.5 us, 2 yields. */
    SIPC_WAIT_CUSTOM = 3    /**< The numbers beside it. */
} sipc_wait_preset;

/** A wait policy. The spin budget adapts between its two limits to what the last waits cost. */
typedef struct sipc_wait_policy {
    sipc_wait_preset
        preset;        /**< With SIPC_WAIT_CUSTOM the fields below count, else they are ignored. */
    uint32_t spin_min; /**< Polls at the least; 0 to 1,000,000. */
    uint32_t spin_max; /**< Polls at the most; spin_min to 1,000,000. */
    uint32_t yields;   /**< Turns given to other threads before sleeping; 0 to 1,000,000. */
} sipc_wait_policy;

/** Which processors the two ends of a slot run on. */
typedef enum sipc_place {
    SIPC_PLACE_NOWHERE = 0, /**< The system decides. */
    SIPC_PLACE_AUTO = 1, /**< Each worker and its callers on two cores that share a cache, as close
                              as there are. Nobody is placed where that might harm: with fewer
                              such pairs than the region's slots ask for workers, or if the system
                              does not tell. Both sides need to be allowed the same processors. */
    SIPC_PLACE_LIST = 2  /**< On the processors of a list, one after the other, and again. */
} sipc_place;

/** As a processor: none, the system decides. */
#define SIPC_NO_PROCESSOR UINT32_MAX

/** Options of a host. Zero all of it, then set what differs: 0 is each field's default. */
typedef struct sipc_host_options {
    uint32_t struct_size;       /**< 0, or sizeof(sipc_host_options) as the caller knows it. */
    sipc_backend backend;       /**< Event backend. */
    uint32_t request_capacity;  /**< Payload bytes of a request; 0: half of data_size. */
    uint32_t response_capacity; /**< Payload bytes of a response; 0: half of data_size. */
    uint32_t mode;         /**< Permission bits of the region; 0: 0600. The umask has no part in
                                it, but takes bits away from those of named semaphores. */
    sipc_wait_policy wait; /**< How callers wait. */
    uint32_t resend; /**< 1: a request that was not started when its guest died is sent again until
                          its deadline: through any slot that another guest serves or will serve, or
                          through the slot that was asked for; 0: it fails with SIPC_PEER_DIED. */
    uint32_t guest_slots; /**< Slots in which guests call this host: see sipc_host_serve(). At most
                               65,535 together with the host's own. */
    uint64_t timeout_ns;  /**< Default timeout of a call; 0: 10 s. */
    const char *sealed_folder; /**< Not NULL: the region has no name in shared memory and nobody can
                                  cut it short. Guests get it at the socket "FOLDER/simpleipc.NAME",
                                  a path of at most 107 bytes, if they are of this process's user or
                                  of guest_users. The folder exists, belongs to this user or to
                                  root, and nobody else may write in it unless it is sticky. mode
                                  must be 0, the backend futex. Linux. Not kept. */
    const uint32_t *guest_users; /**< Ids of other users whose guests may attach to a sealed region;
                                      they need to be able to enter the folder. Not kept. */
    uint32_t guest_user_count;   /**< How many stand at guest_users. */
    sipc_place place;            /**< Where sipc_host_place_caller() puts threads. */
    const uint32_t *processors;  /**< The list of SIPC_PLACE_LIST, for the callers of the first
                                      worker, the next one and so on. Not kept. */
    uint32_t processor_count;    /**< How many stand there: 1 to 256. */
    uint32_t slots_per_worker;   /**< As in the options of the guests, for place alone; 0: 1. */
    uint32_t pass_deadlines;     /**< 1: handlers can see the deadline of each request, which costs
                                      a look at the clock and a store; 0: of those whose call or
                                      session asks for it. See sipc_request_deadline(). */
} sipc_host_options;

/** Options of a guest. Zero all of it, then set what differs: 0 is each field's default. */
typedef struct sipc_guest_options {
    uint32_t struct_size; /**< 0, or sizeof(sipc_guest_options) as the caller knows it. */
    uint32_t workers;   /**< Threads that serve, each slots_per_worker slots; 0: as many as it takes
                             for every slot that is not served yet. */
    uint32_t any_owner; /**< 1: accept a region that belongs to another user. */
    sipc_wait_policy wait;      /**< How workers wait. */
    uint32_t reconnect;         /**< 1: sipc_guest_wait() attaches to the next host of the name when
                                     the host has gone, in order or not, and serves on with the same
                                     handler. It waits for that host until sipc_guest_stop(). A
                                     shutdown message still ends the guest. */
    uint64_t attach_timeout_ns; /**< How long to wait for the host; 0: 10 s. */
    const char *sealed_folder;  /**< Not NULL: attach to a sealed region, whose host was given this
                                     folder; any_owner then means the host's user. Not kept. */
    uint32_t slots_per_worker;  /**< 0: 1, so that no request waits for another's handler. More: one
                                     thread answers the requests of so many slots, one at a time, as
                                     pipelines like it. At most all slots of the region. */
    sipc_place place;           /**< Where workers run. Other threads are left alone. */
    const uint32_t *processors; /**< The list of SIPC_PLACE_LIST, for the worker of slot 0, the next
                                     one and so on. Not kept. */
    uint32_t processor_count;   /**< How many stand there: 1 to 256. */
    uint32_t call_slots; /**< Guest slots to claim, for as many calls of the host at a time; 0: as
                              many as it serves host slots, as far as there are some left. */
    uint32_t calls_only; /**< 1: claims no host slot and serves nothing, but calls; then workers,
                              slots_per_worker and reconnect must be 0. */
    uint64_t timeout_ns; /**< Default timeout of a call; 0: 10 s. */
    uint32_t pass_deadlines; /**< As in sipc_host_options, for this guest's calls. */
    const char *name; /**< The guest's own, by which a host may call it among others: 1 to 40 bytes
                           out of A-Z a-z 0-9 . _ - that do not begin with a dot. Several guests may
                           have the same. NULL: none. Not kept. */
    uint32_t
        wait_for_slots; /**< 1: a guest that finds fewer free slots than workers and
                             slots_per_worker ask for, or none if workers is 0, waits for them
                             until its attach timeout, as a spare; then it takes those that there
                             are. 0: it takes those at once; SIPC_NO_SLOT if there are none. */
} sipc_guest_options;

/** A host: a region and the right to call through its slots. */
typedef struct sipc_host sipc_host;
/** A slot held by one caller. */
typedef struct sipc_session sipc_session;
/** A guest: an attachment to a region and the slots that it serves. */
typedef struct sipc_guest sipc_guest;

/**
 * Makes room for a response whose size is known only now.
 * @param context as in sipc_call. @param size bytes of the response, not 0.
 * @return where to copy it; NULL if there is no memory. Must not call the library.
 */
typedef void *(*sipc_reserve)(void *context, uint32_t size);

/** One call with copied payloads. Zero it, then set what is needed. */
typedef struct sipc_call {
    uint32_t message_id;   /**< SIPC_MESSAGE_NORMAL, HEARTBEAT_REQUEST, SHUTDOWN, or a user's. */
    uint32_t request_size; /**< Bytes at request. */
    const void *request;   /**< May be NULL if request_size is 0. Not kept. */
    void *response; /**< Where the response is copied; may be NULL if response_capacity is 0. */
    uint32_t response_capacity; /**< Bytes at response. */
    uint32_t
        response_size; /**< Out: bytes of the response; with SIPC_BUFFER_TOO_SMALL those needed. */
    uint32_t resend;   /**< 1: as in sipc_host_options, for this call; 0: as those options say. A
                          guest   that calls its host has no other: it is ignored there. */
    uint64_t timeout_ns;          /**< From now; SIPC_DEFAULT_TIMEOUT or SIPC_FOREVER. */
    sipc_reserve reserve;         /**< Not NULL: asked for room instead of using response. */
    void *reserve_context;        /**< Handed to it. */
    uint32_t response_message_id; /**< Out: the response's message id. */
    uint32_t pass_deadline;       /**< 1: as pass_deadlines in the options, for this call. */
    const char
        *guest; /**< Not NULL: only a guest of this name handles the request (guests.h), which
                     waits until the deadline for one to come. Of a host, through any slot. */
} sipc_call;

/**
 * Creates a region and becomes its host.
 *
 * A region of the same name whose host is gone is replaced. All memory is allocated here.
 * @param name 1 to 128 bytes out of A-Z a-z 0-9 . _ - that do not begin with a dot.
 * @param slots 1 to 65,535.
 * @param data_size payload bytes of a slot, half for each direction; at least 2 unless the options
 *        give both capacities.
 * @param options NULL for the defaults.
 * @param host receives the handle; the caller owns it and ends it with sipc_host_close(). NULL on
 * failure.
 * @return SIPC_OK; SIPC_INVALID_ARGUMENT, SIPC_BAD_NAME, SIPC_EXISTS, SIPC_NO_SPACE,
 *         SIPC_BACKEND_UNSUPPORTED, SIPC_FORBIDDEN (another user's object has the name, or the
 *         sealed folder is not safe), SIPC_NOT_A_REGION (what stands at the name is something
 * else), SIPC_BUSY (the sealed folder stays locked), SIPC_OUT_OF_MEMORY, SIPC_SYSTEM. Threads: any.
 * Spec 2, 9 and 12.
 */
SIPC_API sipc_status sipc_host_create(const char *name, uint32_t slots, uint32_t data_size,
                                      const sipc_host_options *options, sipc_host **host);

/**
 * Calls through any free slot and waits for the response. Waits for a slot if all are busy.
 * @param host a host.
 * @param call the call; request and response are copied.
 * @return SIPC_OK, or a status whose sipc_status_fate() tells what became of the request:
 *         SIPC_INVALID_ARGUMENT, SIPC_REQUEST_TOO_LARGE, SIPC_BAD_MESSAGE_ID, SIPC_ALL_SLOTS_BUSY,
 *         SIPC_CLOSED, SIPC_CLOSED_MAYBE_EXECUTED, SIPC_TIMEOUT, SIPC_TIMEOUT_MAYBE_EXECUTED,
 *         SIPC_PEER_DIED, SIPC_PEER_DIED_MAYBE_EXECUTED, SIPC_NO_GUEST (if the call names one),
 *         SIPC_RESPONSE_TOO_LARGE, SIPC_BUFFER_TOO_SMALL, SIPC_UNKNOWN_MESSAGE, SIPC_HANDLER_FAILED
 * (the response then holds the handler's text), SIPC_PROTOCOL_VIOLATED. Threads: any number at a
 * time. Spec 4.
 */
SIPC_API sipc_status sipc_host_call(sipc_host *host, sipc_call *call);

/**
 * The same through a given slot: waits for that one if it is busy.
 * @param host a host. @param slot 0 to slots - 1. @param call the call.
 * @return as sipc_host_call(); SIPC_INVALID_ARGUMENT for a slot that does not exist.
 */
SIPC_API sipc_status sipc_host_call_slot(sipc_host *host, uint32_t slot, sipc_call *call);

/**
 * Acquires a slot, for one call in place or for good.
 * @param host a host.
 * @param slot a slot, or SIPC_ANY_SLOT.
 * @param timeout_ns how long to wait for it.
 * @param session receives the handle; the caller owns it until sipc_session_release(). NULL on
 * failure.
 * @return SIPC_OK, SIPC_INVALID_ARGUMENT, SIPC_ALL_SLOTS_BUSY, SIPC_CLOSED.
 * Threads: any number at a time; the session belongs to one thread at a time.
 */
SIPC_API sipc_status sipc_host_acquire(sipc_host *host, uint32_t slot, uint64_t timeout_ns,
                                       sipc_session **session);

/**
 * The session's request buffer, to be written in place.
 * @param session a session that is not in a call.
 * @param capacity receives the buffer's size; may be NULL.
 * @return the buffer, 64-byte aligned; valid until the session is released. NULL while an earlier
 *         request of this slot may still be in its handler: wait with sipc_session_settle().
 */
SIPC_API void *sipc_session_request(sipc_session *session, uint32_t *capacity);

/**
 * Calls with the request that stands in the session's request buffer.
 * @param session a session.
 * @param message_id as in sipc_call.
 * @param request_size bytes of the request.
 * @param timeout_ns from now; SIPC_DEFAULT_TIMEOUT or SIPC_FOREVER.
 * @param response receives the response in place, valid until the next call or release; may be
 * NULL.
 * @param response_size receives its size; may be NULL.
 * @return as sipc_host_call(). After a call that may still be in its handler the next one fails
 * with SIPC_TIMEOUT unless the handler has ended, since its request buffer is not free to be
 * written.
 */
SIPC_API sipc_status sipc_session_call(sipc_session *session, uint32_t message_id,
                                       uint32_t request_size, uint64_t timeout_ns,
                                       const void **response, uint32_t *response_size);

/**
 * Waits until the session's slot is usable: until a handler that an earlier call gave up has ended.
 * @param session a session. @param timeout_ns from now.
 * @return SIPC_OK; SIPC_TIMEOUT; SIPC_CLOSED.
 */
SIPC_API sipc_status sipc_session_settle(sipc_session *session, uint64_t timeout_ns);

/** @param session a session. @return the index of its slot. */
SIPC_API uint32_t sipc_session_slot(const sipc_session *session);

/** @param session a session. @return the message id of its last response. */
SIPC_API uint32_t sipc_session_message_id(const sipc_session *session);

/**
 * Says whether handlers can see the deadlines of this session's requests; until its release.
 * @param session a session that is not in a call. @param pass 1 or 0, in the place of the option
 * pass_deadlines.
 */
SIPC_API void sipc_session_pass_deadlines(sipc_session *session, uint32_t pass);

/** Gives the slot back. @param session a session, no longer valid afterwards; NULL does nothing. */
SIPC_API void sipc_session_release(sipc_session *session);

/**
 * @name Pipelines: several requests in flight from one thread
 *
 * A pipeline owns a group of slots, one for each request in flight. Requests are submitted without
 * waiting and completed in any order; one sleep waits for all of them. A pipeline and its functions
 * belong to one thread at a time. Served best by a guest whose workers serve groups of slots
 * (slots_per_worker in sipc_guest_options). Spec 7.1.
 * @{
 */

/** A pipeline. */
typedef struct sipc_pipeline sipc_pipeline;

/** What became of one request. */
typedef struct sipc_completion {
    uint64_t tag;           /**< As given to sipc_pipeline_submit(). */
    sipc_status status;     /**< As of sipc_host_call(); its fate by sipc_status_fate(). */
    uint32_t message_id;    /**< The response's message id. */
    uint32_t response_size; /**< Bytes at response. */
    const void *response;   /**< In the slot; NULL if there is none. Valid until the function that
                                 hears of it returns; from sipc_pipeline_reap_into(), until the next
                                 request is submitted or the pipeline closed. */
} sipc_completion;

/**
 * Hears of each request that was submitted, once, from inside sipc_pipeline_reap() or
 * sipc_pipeline_close(), unless sipc_pipeline_reap_into() has told it. May submit, into other slots
 * than the one that it hears of; must not reap or close.
 * @param context as given to sipc_pipeline_open(). @param completion valid until it returns.
 */
typedef void (*sipc_completed)(void *context, const sipc_completion *completion);

/**
 * Opens a pipeline: acquires its slots, all or none.
 * @param host a host; to be closed after the pipeline.
 * @param first_slot the first of depth slots in a row, or SIPC_ANY_SLOT for any.
 * @param depth requests in flight at most; 1 to the host's slots.
 * @param timeout_ns how long to wait for the slots.
 * @param completed hears of the completions. @param context is handed to it.
 * @param pipeline receives the handle; the caller owns it and ends it with sipc_pipeline_close().
 * NULL on failure.
 * @return SIPC_OK; SIPC_INVALID_ARGUMENT, SIPC_ALL_SLOTS_BUSY, SIPC_CLOSED, SIPC_OUT_OF_MEMORY.
 */
SIPC_API sipc_status sipc_pipeline_open(sipc_host *host, uint32_t first_slot, uint32_t depth,
                                        uint64_t timeout_ns, sipc_completed completed,
                                        void *context, sipc_pipeline **pipeline);

/**
 * Where the next request may be written in place, to be submitted from there.
 * @param pipeline a pipeline. @param capacity receives the buffer's size; may be NULL.
 * @return the buffer, valid until the next submit or reap; NULL if as many requests as the depth
 * are in flight.
 */
SIPC_API void *sipc_pipeline_request(sipc_pipeline *pipeline, uint32_t *capacity);

/**
 * Sends a request and does not wait.
 * @param pipeline a pipeline. @param message_id as in sipc_call.
 * @param request copied, unless it is what sipc_pipeline_request() returned. @param request_size
 * its bytes.
 * @param timeout_ns from now; SIPC_DEFAULT_TIMEOUT or SIPC_FOREVER, which spares a look at the
 * clock. Deadlines are looked at by sipc_pipeline_reap().
 * @param tag comes back in the completion.
 * @return SIPC_OK: there will be one completion. Any other: nothing was sent, and there will be
 * none: SIPC_ALL_SLOTS_BUSY (reap first, with a wait if the application is to wait),
 * SIPC_REQUEST_TOO_LARGE, SIPC_BAD_MESSAGE_ID, SIPC_INVALID_ARGUMENT, SIPC_CLOSED,
 * SIPC_REGION_LOST.
 */
SIPC_API sipc_status sipc_pipeline_submit(sipc_pipeline *pipeline, uint32_t message_id,
                                          const void *request, uint32_t request_size,
                                          uint64_t timeout_ns, uint64_t tag);

/** One request of several. */
typedef struct sipc_submission {
    const void *request;   /**< As to sipc_pipeline_submit(); may be NULL if request_size is 0. */
    uint32_t request_size; /**< Bytes at request. */
    uint32_t message_id;   /**< As in sipc_call. */
    uint64_t tag;          /**< Comes back in the completion. */
} sipc_submission;

/**
 * Sends several requests, in this order, and does not wait. Cheaper than one by one: the guest is
 * looked at once, after the last.
 * @param pipeline a pipeline. @param submissions the requests. @param count how many.
 * @param timeout_ns of each, as to sipc_pipeline_submit().
 * @param submitted receives how many were sent, the first ones; may be NULL.
 * @return SIPC_OK: all were sent. Any other: why the first of the others was not, as of
 * sipc_pipeline_submit().
 */
SIPC_API sipc_status sipc_pipeline_submit_many(sipc_pipeline *pipeline,
                                               const sipc_submission *submissions, uint32_t count,
                                               uint64_t timeout_ns, uint32_t *submitted);

/**
 * Completes what can be completed: responses that stand, requests whose deadline has passed, whose
 * guest has died or whose host was shut down.
 * @param pipeline a pipeline. @param most how many at most; 0: all. Requests that end without a
 * response are not counted against it.
 * @param wait_ns how long to wait if there is none: 0, or up to SIPC_FOREVER.
 * @param reaped receives how many completions were told; may be NULL. 0 after the wait, or if
 * nothing is in flight.
 * @return SIPC_OK; SIPC_BUSY from inside a completion; SIPC_CLOSED if the host was shut down and
 * nothing is left to tell; SIPC_INVALID_ARGUMENT.
 */
SIPC_API sipc_status sipc_pipeline_reap(sipc_pipeline *pipeline, uint32_t most, uint64_t wait_ns,
                                        uint32_t *reaped);

/**
 * The same, and no function is called: the completions are written to an array.
 *
 * Their responses stay in the slots until the next request is submitted or the pipeline closed, so
 * that all of a batch can be looked at before the next one is sent.
 * @param pipeline a pipeline. @param completions receives them, in the order in which they came.
 * @param capacity how many at most, those without a response too; 1 at least. What is left is there
 * for the next reap.
 * @param wait_ns how long to wait if there is none: 0, or up to SIPC_FOREVER.
 * @param reaped receives how many there are; not NULL. 0 after the wait, or if nothing is in
 * flight.
 * @return as sipc_pipeline_reap().
 */
SIPC_API sipc_status sipc_pipeline_reap_into(sipc_pipeline *pipeline, sipc_completion *completions,
                                             uint32_t capacity, uint64_t wait_ns, uint32_t *reaped);

/**
 * Says whether handlers can see the deadlines of the requests that are submitted from here on.
 * @param pipeline a pipeline. @param pass 1 or 0, in the place of the host's option pass_deadlines.
 */
SIPC_API void sipc_pipeline_pass_deadlines(sipc_pipeline *pipeline, uint32_t pass);

/** @param pipeline a pipeline. @return requests that were submitted and not completed. */
SIPC_API uint32_t sipc_pipeline_in_flight(const sipc_pipeline *pipeline);

/**
 * Gives up what is in flight, which completes with SIPC_CLOSED or SIPC_CLOSED_MAYBE_EXECUTED, gives
 * the slots back and frees the handle.
 * @param pipeline a pipeline; NULL does nothing.
 * @return SIPC_OK; SIPC_BUSY from inside a completion, and then nothing was done.
 */
SIPC_API sipc_status sipc_pipeline_close(sipc_pipeline *pipeline);
/** @} */

/**
 * The processor for the callers of a slot, by the host's option place.
 * @param host a host. @param slot 0 to slots - 1. @param processor receives it; SIPC_NO_PROCESSOR
 * if the system is to decide.
 * @return SIPC_OK; SIPC_INVALID_ARGUMENT.
 */
SIPC_API sipc_status sipc_host_processor(const sipc_host *host, uint32_t slot, uint32_t *processor);

/**
 * Puts the calling thread on that processor, where it stays, as will threads that it starts. Does
 * nothing if the system is to decide. The library places no thread of the application by itself.
 * @param host a host. @param slot the slot that the thread will call through.
 * @return SIPC_OK; SIPC_INVALID_ARGUMENT, also if this thread may not run there any more.
 */
SIPC_API sipc_status sipc_host_place_caller(const sipc_host *host, uint32_t slot);

/** @param host a host. @return the number of its slots. */
SIPC_API uint32_t sipc_host_slots(const sipc_host *host);
/** @param host a host. @return payload bytes of a request. */
SIPC_API uint32_t sipc_host_request_capacity(const sipc_host *host);
/** @param host a host. @return payload bytes of a response. */
SIPC_API uint32_t sipc_host_response_capacity(const sipc_host *host);

/**
 * Closes the region: its name is free again, guests end, calls in flight end with SIPC_CLOSED or
 * SIPC_CLOSED_MAYBE_EXECUTED, later ones with SIPC_CLOSED. The handle stays valid. Twice does no
 * harm.
 * @param host a host.
 * Threads: any, also while others call.
 */
SIPC_API void sipc_host_shutdown(sipc_host *host);

/**
 * Shuts down and frees the handle.
 * @param host a host; NULL does nothing. No other thread may use it or one of its sessions from
 * here on.
 */
SIPC_API void sipc_host_close(sipc_host *host);

/** What a handler receives. */
typedef struct sipc_request {
    const void *data;      /**< The payload, in shared memory; valid until the handler returns. */
    uint32_t size;         /**< Bytes at data. */
    uint32_t message_id;   /**< SIPC_MESSAGE_NORMAL or a user's. */
    uint64_t transport_id; /**< Unique in the region among the last 2^41 requests of the slot. */
    void *origin;          /**< The library's own; NULL in one that the application made. */
    uint32_t slot;         /**< The slot that it came through. */
    uint32_t state;        /**< The library's own. */
} sipc_request;

/** Where a handler writes its answer. */
typedef struct sipc_response {
    void *data;        /**< The response buffer, in shared memory, 64-byte aligned. */
    uint32_t capacity; /**< Bytes that a response may have. The buffer's room is that many, rounded
                            up to a multiple of 64. */
    uint32_t size;     /**< Out: bytes written; more than capacity is SIPC_RESPONSE_TOO_LARGE at the
                          caller. */
    uint32_t at_end;   /**< Out: 0: they are the first of the room; 1: the last (in_place.h). */
} sipc_response;

/** The room of a buffer, see in_place.h. @param capacity of the buffer. @return its bytes: the
 * capacity, rounded up to a multiple of 64. */
static inline uint32_t sipc_room(uint32_t capacity) {
    return (capacity + 63u) & ~63u;
}

/**
 * Answers one request.
 *
 * A handler may end its thread, as by pthread_exit(): that is SIPC_HANDLER_FAILED at the caller,
 * and another thread carries on. Windows does not unwind such a thread: there this is for a guest's
 * workers, not for who polls nor for handlers of streams. A C++ exception must not leave a handler
 * that runs in a worker: nothing there catches it, so that std::terminate() ends the process;
 * DirectGuest.h makes an answer of it. One that leaves a handler of sipc_guest_poll() reaches who
 * called that, and is SIPC_HANDLER_FAILED at the caller. To leave a handler by longjmp() is
 * undefined.
 * @param context as given to sipc_guest_start() or sipc_guest_poll().
 * @param request the request. A hostile host may change its payload meanwhile: copy what is decided
 * on twice.
 * @param response the response, size and at_end 0 at first.
 * @return SIPC_OK; SIPC_UNKNOWN_MESSAGE for a message id that it does not know; SIPC_PENDING after
 *         sipc_request_take(); any other status is SIPC_HANDLER_FAILED at the caller, with the
 *         response as its text.
 * Threads: one call per worker at a time.
 */
typedef sipc_status (*sipc_handler)(void *context, const sipc_request *request,
                                    sipc_response *response);

/**
 * @name Deadlines and cancellation
 *
 * A handler may ask when its caller will give up, and whether it has. Spec 2.5 and 4.4.
 * @{
 */

/**
 * The deadline of a request: a look at a line of shared memory that nothing else needs.
 * @param request a request that is not answered yet.
 * @return nanoseconds of CLOCK_MONOTONIC at which its caller gives up; 0 if it does not say: see
 * pass_deadlines in the options. Information of a peer that may lie: it decides nothing here.
 * Threads: any.
 */
SIPC_API uint64_t sipc_request_deadline(const sipc_request *request);

/**
 * Whether nobody waits for the answer any more: the caller gave up or shut down, or its process is
 * gone. A host notices the death of a guest that called it when the next one takes its place. Costs
 * a look at the line that the request came in.
 * @param request a request that is not answered yet.
 * @return 1 or 0. An answer is still due after 1, and reaches nobody. Threads: any.
 */
SIPC_API uint32_t sipc_request_is_cancelled(const sipc_request *request);
/** @} */

/**
 * @name Dispatch: a handler for each message id
 *
 * sipc_dispatch() is a handler whose context is a dispatcher: hand both to sipc_guest_start(),
 * sipc_guest_poll(), sipc_host_serve() or sipc_host_poll().
 * @{
 */

/** Which handler answers which message. */
typedef struct sipc_route {
    uint32_t message_id;  /**< SIPC_MESSAGE_NORMAL or a user's. */
    sipc_handler handler; /**< Answers its requests. */
    void *context;        /**< Handed to it. */
} sipc_route;

/** Routes, ready to be followed by any number of threads at a time. */
typedef struct sipc_dispatcher sipc_dispatcher;

/**
 * Makes a dispatcher of routes.
 * @param routes each message id once, in any order; copied. @param count how many; at least 1.
 * @param dispatcher receives the handle; the caller owns it and frees it once no handler of it runs
 * any more. NULL on failure.
 * @return SIPC_OK; SIPC_INVALID_ARGUMENT, SIPC_BAD_MESSAGE_ID, SIPC_OUT_OF_MEMORY.
 */
SIPC_API sipc_status sipc_dispatcher_create(const sipc_route *routes, uint32_t count,
                                            sipc_dispatcher **dispatcher);

/**
 * Hands a request to the handler of its message id.
 * @param dispatcher a sipc_dispatcher. @param request the request. @param response the response.
 * @return what that handler returns; SIPC_UNKNOWN_MESSAGE if there is none, which is that at the
 * caller.
 */
SIPC_API sipc_status sipc_dispatch(void *dispatcher, const sipc_request *request,
                                   sipc_response *response);

/** Frees a dispatcher. @param dispatcher a dispatcher; NULL does nothing. */
SIPC_API void sipc_dispatcher_free(sipc_dispatcher *dispatcher);
/** @} */

/** How a host serves its guests. Zero all of it, then set what differs. */
typedef struct sipc_serve_options {
    uint32_t struct_size;  /**< 0, or sizeof(sipc_serve_options) as the caller knows it. */
    uint32_t workers;      /**< Threads that serve the guest slots, each about as many; 0: one for
                                each, so that no request waits for another's handler. */
    sipc_wait_policy wait; /**< How they wait. */
} sipc_serve_options;

/**
 * Starts threads that answer what guests call (sipc_guest_call()), until the host is shut down.
 *
 * Handlers may call guests, and be called by their handlers, as deep as there are slots.
 * @param host a host with guest slots. @param options NULL for the defaults.
 * @param handler answers requests. @param context is handed to it.
 * @return SIPC_OK; SIPC_INVALID_ARGUMENT, also if the host has no guest slots; SIPC_BUSY if they
 * are served already; SIPC_CLOSED; SIPC_OUT_OF_MEMORY, SIPC_SYSTEM. After a failure nothing is
 * served. Threads: any. Spec 9.1.
 */
SIPC_API sipc_status sipc_host_serve(sipc_host *host, const sipc_serve_options *options,
                                     sipc_handler handler, void *context);

/**
 * Answers what stands ready in the guest slots, once, without waiting: for an application's own
 * loop.
 * @param host a host with guest slots, not served by sipc_host_serve(). @param handler answers
 * requests. @param context is handed to it.
 * @param served receives the number of requests answered; may be NULL.
 * @return SIPC_OK; SIPC_CLOSED when the host was shut down; SIPC_BUSY if workers serve; else as
 * sipc_host_serve().
 * Threads: one at a time.
 */
SIPC_API sipc_status sipc_host_poll(sipc_host *host, sipc_handler handler, void *context,
                                    uint32_t *served);

/**
 * Attaches to a region, waiting for its host until the deadline, and claims the slots to serve.
 * @param name as in sipc_host_create().
 * @param options NULL for the defaults.
 * @param guest receives the handle; the caller owns it and ends it with sipc_guest_detach(). NULL
 * on failure.
 * @return SIPC_OK; SIPC_BAD_NAME, SIPC_INVALID_ARGUMENT, SIPC_NO_HOST, SIPC_NOT_A_REGION,
 *         SIPC_VERSION_MISMATCH, SIPC_BAD_GEOMETRY, SIPC_BACKEND_UNSUPPORTED, SIPC_FORBIDDEN,
 *         SIPC_NO_SLOT, SIPC_OUT_OF_MEMORY, SIPC_SYSTEM.
 * Threads: any. Spec 8 and 9.
 */
SIPC_API sipc_status sipc_guest_attach(const char *name, const sipc_guest_options *options,
                                       sipc_guest **guest);

/**
 * Starts the worker threads.
 * @param guest a guest. @param handler answers requests. @param context is handed to it.
 * @return SIPC_OK; SIPC_BUSY if it was started already; SIPC_CLOSED if it was stopped; SIPC_SYSTEM
 *         or SIPC_OUT_OF_MEMORY if a worker could not be started: then the guest is stopped, and
 *         the handler no longer used.
 */
SIPC_API sipc_status sipc_guest_start(sipc_guest *guest, sipc_handler handler, void *context);

/**
 * Waits until every worker has ended: by sipc_guest_stop(), by a SHUTDOWN message or with the host.
 *
 * With the option reconnect it does not return at the host's end: it lets go of that region,
 * attaches to the next host of the name and waits on. It does so until sipc_guest_stop(), which
 * also ends its search for a host at once; it then also returns what sipc_guest_attach() returns.
 * @param guest a guest that was started. Not to be called from a handler.
 * @return SIPC_OK; SIPC_PEER_DIED if the host's process is gone; SIPC_REGION_LOST if somebody cut
 *         the region short; SIPC_SYSTEM if a handler ended its thread and the system gave no other;
 *         SIPC_BUSY from inside a handler; SIPC_INVALID_ARGUMENT if it was never started.
 * Threads: any number at a time, also beside sipc_guest_detach() if they entered before it.
 */
SIPC_API sipc_status sipc_guest_wait(sipc_guest *guest);

/**
 * Answers what stands ready in the claimed slots, once, without waiting: for an application's own
 * loop. It does not reconnect.
 * @param guest a guest that was not started. @param handler answers requests. @param context is
 * handed to it.
 * @param served receives the number of requests answered; may be NULL.
 * @return SIPC_OK; SIPC_CLOSED when the host has closed every slot or the guest was stopped;
 *         SIPC_PEER_DIED if the host's process is gone; SIPC_BUSY if it was started.
 * Threads: one at a time.
 */
SIPC_API sipc_status sipc_guest_poll(sipc_guest *guest, sipc_handler handler, void *context,
                                     uint32_t *served);

/**
 * Calls the host through any guest slot that this guest has claimed. Also from a handler of this
 * guest, which the host may call again in turn: as deep as there are slots.
 * @param guest a guest. @param call as in sipc_host_call().
 * @return as sipc_host_call(), with the host as the one that handles or dies; SIPC_NO_SLOT if the
 * guest has claimed no guest slot; SIPC_NO_HOST between two hosts, with the option reconnect.
 * SIPC_BAD_MESSAGE_ID also for SIPC_MESSAGE_SHUTDOWN. A call that no host serves waits until its
 * deadline.
 * Threads: any number at a time, also before the start. Spec 9.1.
 */
SIPC_API sipc_status sipc_guest_call(sipc_guest *guest, sipc_call *call);

/**
 * Acquires a guest slot to call the host in place; see sipc_host_acquire().
 * @param guest a guest without the option reconnect, to be detached after the session's release.
 * @param timeout_ns how long to wait for a slot. @param session receives the handle; the caller
 * owns it and ends it with sipc_session_release(). NULL on failure.
 * @return as sipc_host_acquire(); SIPC_NO_SLOT as sipc_guest_call().
 */
SIPC_API sipc_status sipc_guest_acquire(sipc_guest *guest, uint64_t timeout_ns,
                                        sipc_session **session);

/**
 * Opens a pipeline of requests to the host, of which depth are in flight at most; see
 * sipc_pipeline_open(). When the host has gone, what is in flight completes with SIPC_PEER_DIED or
 * SIPC_PEER_DIED_MAYBE_EXECUTED; when it closes in order, what it does not answer any more with
 * SIPC_CLOSED or SIPC_CLOSED_MAYBE_EXECUTED.
 * @param guest a guest without the option reconnect, to be detached after the pipeline was closed.
 * @param depth 1 to the guest slots that the guest has claimed. @param timeout_ns how long to wait
 * for so many of them. @param completed hears of the completions. @param context is handed to it.
 * @param pipeline receives the handle; the caller owns it and ends it with sipc_pipeline_close().
 * NULL on failure.
 * @return as sipc_pipeline_open(); SIPC_NO_SLOT, SIPC_NO_HOST as sipc_guest_call().
 * Threads: any; the pipeline belongs to one at a time. Spec 7.1, 9.1.
 */
SIPC_API sipc_status sipc_guest_pipeline_open(sipc_guest *guest, uint32_t depth,
                                              uint64_t timeout_ns, sipc_completed completed,
                                              void *context, sipc_pipeline **pipeline);

/** @param guest a guest. @return the number of guest slots that it claimed to call the host; with
 * the option reconnect, of its last host. Threads: any. */
SIPC_API uint32_t sipc_guest_call_slots(const sipc_guest *guest);

/**
 * Tells all workers to end; those in a handler end after it. Returns at once; twice does no harm.
 * @param guest a guest. Threads: any, also from a handler.
 */
SIPC_API void sipc_guest_stop(sipc_guest *guest);

/** @param guest a guest. @return the number of slots that it claimed; with the option reconnect, of
 * its last host. Threads: any. */
SIPC_API uint32_t sipc_guest_slots(const sipc_guest *guest);

/**
 * Stops, waits for the workers and for those in sipc_guest_wait(), gives the slots back and frees
 * the handle.
 * @param guest a guest; NULL does nothing. No thread may begin to use it from here on.
 * @return SIPC_OK; SIPC_BUSY from inside one of its handlers, and then nothing was done.
 */
SIPC_API sipc_status sipc_guest_detach(sipc_guest *guest);

#ifdef __cplusplus
}
#endif

#endif
