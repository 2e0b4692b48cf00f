// SPDX-License-Identifier: Apache-2.0
/**
 * @file counters.h
 * @brief What each slot of a region has carried, and how its two sides have waited.
 *
 * The counters stand in shared memory, written by the side that they are of and by nobody else,
 * from the region's creation on. They survive the processes that count: a successor goes on from
 * what stands there. So whoever reads a slot sees both sides of it, in any of the processes; a
 * third one opens the region by its name.
 *
 * Counting costs a few additions a call. Latencies are measured at one exchange in 1024 of each
 * slot. In a quiet region all figures are exact but the time spent spinning, which is an estimate
 * from samples. Under traffic each figure is the value of some moment, and not all are of the same
 * one.
 *
 * Nothing depends on the figures. A peer that may write to the region can write any numbers there.
 * Spec: docs/spec/protocol.md, section 2.6. All numbers wrap at 2^64.
 */
#ifndef SIMPLEIPC_COUNTERS_H
#define SIMPLEIPC_COUNTERS_H

#include <simpleipc/simpleipc.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Buckets of a histogram. */
#define SIPC_HISTOGRAM_BUCKETS 24u

/** How often a time of some length was measured. */
typedef struct sipc_histogram {
    /** Bucket 0: below 64 ns; bucket i: from 2^(5 + i) up to 2^(6 + i) ns; the last: all from 2^28
     * ns (0.27 s) on. */
    uint64_t buckets[SIPC_HISTOGRAM_BUCKETS];
} sipc_histogram;

/** How a side has waited for the other. */
typedef struct sipc_wait_times {
    uint64_t spin_ns;  /**< Time spent polling; an estimate. */
    uint64_t yield_ns; /**< Time in which it let other threads run instead. */
    uint64_t sleep_ns; /**< Time spent asleep, from announcing it to being awake again. */
    uint64_t sleeps;   /**< How often it slept, or was about to. */
} sipc_wait_times;

/** The calling side of a slot. */
typedef struct sipc_caller_counters {
    uint64_t calls;         /**< Requests published. */
    uint64_t request_bytes; /**< Payload of these. */
    uint64_t
        response_bytes;    /**< Payload of the responses taken, a handler's error text included. */
    sipc_wait_times waits; /**< For responses. Of several slots that one thread waits for at once,
                               as in a pipeline: in the first of them. */
    uint64_t handler_failed;     /**< Calls that ended with SIPC_HANDLER_FAILED. */
    uint64_t response_too_large; /**< With SIPC_RESPONSE_TOO_LARGE. */
    uint64_t unknown_message;    /**< With SIPC_UNKNOWN_MESSAGE. */
    uint64_t timed_out;          /**< With a timeout, of either fate. */
    uint64_t peer_died;          /**< Because the other side died, with either fate. */
    uint64_t closed; /**< Because one side closed or the call was called off, with either fate. */
    uint64_t maybe_executed;    /**< How many of the last three were maybe executed. */
    uint64_t protocol_violated; /**< With SIPC_PROTOCOL_VIOLATED. */
    sipc_histogram round_trip;  /**< From publishing a request until its response was seen. */
    sipc_histogram wake;        /**< From the end of the handler until the response was seen. */
} sipc_caller_counters;

/** The answering side of a slot. */
typedef struct sipc_responder_counters {
    uint64_t requests;           /**< Answers given, whatever their status. */
    uint64_t request_bytes;      /**< Payload of the requests that a handler saw. */
    uint64_t response_bytes;     /**< Payload of the answers. */
    sipc_wait_times waits;       /**< For requests. Of a worker with several slots: in its first. */
    uint64_t handler_failed;     /**< Answers whose handler reported an error or did not return. */
    uint64_t response_too_large; /**< Whose response did not fit the slot. */
    uint64_t unknown_message;    /**< To message ids that nobody handles. */
    uint64_t bad_request;        /**< To requests that broke the protocol. */
    uint64_t not_executed;       /**< To requests that were cancelled before they began. */
    uint64_t inherited;          /**< To requests that a predecessor, which died, had begun. */
    sipc_histogram queue;        /**< From publishing a request until its handler began. */
    sipc_histogram service;      /**< How long the handler took. */
} sipc_responder_counters;

/** Both sides of a slot, or sums over slots. */
typedef struct sipc_counters {
    sipc_caller_counters caller;       /**< The side that calls. */
    sipc_responder_counters responder; /**< The side that answers. */
} sipc_counters;

/**
 * Reads the counters of a slot of a host's region.
 *
 * @param host a host, not closed. Any thread, at any time.
 * @param slot 0 to one less than the region's slots: its host slots come first, then its guest
 * slots, in which guests call and the host answers.
 * @param[out] counters receives the figures; unchanged on failure.
 * @return SIPC_OK, SIPC_INVALID_ARGUMENT, or SIPC_REGION_LOST.
 */
SIPC_API sipc_status sipc_host_counters(const sipc_host *host, uint32_t slot,
                                        sipc_counters *counters);

/**
 * Reads the counters of a slot of the region that a guest is attached to, its own slot or another.
 *
 * @param guest a guest, not detached. Any thread, at any time.
 * @param slot as of sipc_host_counters().
 * @param[out] counters receives the figures; unchanged on failure.
 * @return SIPC_OK, SIPC_INVALID_ARGUMENT, SIPC_REGION_LOST, or SIPC_NO_HOST between two hosts.
 */
SIPC_API sipc_status sipc_guest_counters(sipc_guest *guest, uint32_t slot, sipc_counters *counters);

/** A region opened only to read its counters. */
typedef struct sipc_counters_reader sipc_counters_reader;

/**
 * Opens a region to read its counters. It is not mapped, nothing is claimed and nothing written:
 * its processes do not notice. Also of a region whose host is gone, as long as its name stands. The
 * region may be another user's, if its mode lets this one read.
 *
 * @param name the region's name.
 * @param sealed_folder NULL; of a sealed region the folder in which its host offers it.
 * @param[out] reader receives the handle, to be closed by sipc_counters_close(); NULL on failure.
 * @return SIPC_OK, SIPC_INVALID_ARGUMENT, SIPC_BAD_NAME, SIPC_NO_HOST if there is no such region or
 * it is not complete, SIPC_NOT_A_REGION, SIPC_VERSION_MISMATCH, SIPC_BAD_GEOMETRY, SIPC_FORBIDDEN,
 * SIPC_OUT_OF_MEMORY, SIPC_SYSTEM.
 */
SIPC_API sipc_status sipc_counters_open(const char *name, const char *sealed_folder,
                                        sipc_counters_reader **reader);

/**
 * Tells how many slots there are.
 * @param reader an open reader.
 * @param[out] host_slots receives how many slots the host calls in; may be NULL.
 * @param[out] guest_slots receives how many slots guests call in, which follow; may be NULL.
 */
SIPC_API void sipc_counters_slots(const sipc_counters_reader *reader, uint32_t *host_slots,
                                  uint32_t *guest_slots);

/**
 * Reads the counters of a slot.
 *
 * @param reader an open reader. Any thread.
 * @param slot as of sipc_host_counters().
 * @param[out] counters receives the figures; unchanged on failure.
 * @return SIPC_OK, SIPC_INVALID_ARGUMENT, SIPC_BAD_GEOMETRY if somebody cut the region's object
 * short, SIPC_SYSTEM.
 */
SIPC_API sipc_status sipc_counters_read(const sipc_counters_reader *reader, uint32_t slot,
                                        sipc_counters *counters);

/**
 * Closes a reader.
 * @param reader the reader, or NULL, which does nothing.
 */
SIPC_API void sipc_counters_close(sipc_counters_reader *reader);

/**
 * Adds figures up: of several slots, or of several regions.
 * @param[in,out] sum what more is added to.
 * @param more what is added.
 */
SIPC_API void sipc_counters_add(sipc_counters *sum, const sipc_counters *more);

/**
 * Counts what a histogram has counted.
 * @param histogram a histogram.
 * @return how many times were measured.
 */
SIPC_API uint64_t sipc_histogram_samples(const sipc_histogram *histogram);

/**
 * Tells a percentile.
 * @param histogram a histogram.
 * @param share which one, above 0 and up to 1: 0.5 is the median, 0.99 the 99th percentile.
 * @return a time in ns that this share of the measured ones stayed below, a power of two;
 * UINT64_MAX if it is in the last bucket, which has no end; 0 if nothing was measured.
 */
SIPC_API uint64_t sipc_histogram_percentile(const sipc_histogram *histogram, double share);

#ifdef __cplusplus
}
#endif

#endif
