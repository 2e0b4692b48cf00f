// SPDX-License-Identifier: Apache-2.0
/**
 * @file DirectCounters.h
 * @brief Reading counters in C++17: RAII over simpleipc/counters.h, with no logic of its own.
 *
 * No function throws.
 */
#ifndef SIMPLEIPC_DIRECTCOUNTERS_H
#define SIMPLEIPC_DIRECTCOUNTERS_H

#include <simpleipc/counters.h>

#include <chrono>
#include <string>
#include <utility>

#include "DirectError.h"

namespace shm {

/** The figures of one slot, or sums of several; see sipc_counters. */
struct Counters : sipc_counters {
    /** Nothing was counted. */
    Counters() : sipc_counters{} {}
    /** Adds the figures of another slot. @param more these. @return this. */
    Counters &operator+=(const sipc_counters &more) {
        sipc_counters_add(this, &more);
        return *this;
    }
};

/** @param histogram of a slot's latencies, or of sums. @return how many were measured. */
inline uint64_t Samples(const sipc_histogram &histogram) {
    return sipc_histogram_samples(&histogram);
}

/**
 * Tells a percentile; see sipc_histogram_percentile().
 * @param histogram of a slot's latencies, or of sums. @param share above 0 and up to 1.
 * @return a time that this share stayed below; the longest one if it is in the last bucket.
 */
inline std::chrono::nanoseconds Percentile(const sipc_histogram &histogram, double share) {
    const uint64_t ns = sipc_histogram_percentile(&histogram, share);
    if (ns == UINT64_MAX) return std::chrono::nanoseconds::max();
    return std::chrono::nanoseconds(static_cast<int64_t>(ns));
}

/** Reads a slot of a host's region; see sipc_host_counters().
 * @param host DirectHost::Handle(). @param slot its index. @param[out] counters the figures. */
inline Error ReadCounters(const sipc_host *host, uint32_t slot, Counters &counters) {
    return Error(sipc_host_counters(host, slot, &counters));
}

/** Reads a slot of the region that a guest is attached to; see sipc_guest_counters().
 * @param guest DirectGuest::Handle(). @param slot its index. @param[out] counters the figures. */
inline Error ReadCounters(sipc_guest *guest, uint32_t slot, Counters &counters) {
    return Error(sipc_guest_counters(guest, slot, &counters));
}

/** A region opened only to read its counters; see sipc_counters_open(). Move-only. */
class CountersReader {
public:
    /** None is open. */
    CountersReader() = default;
    /** Moves the reader; the other is closed. */
    CountersReader(CountersReader &&other) noexcept
        : reader_(std::exchange(other.reader_, nullptr)) {}
    /** Moves the reader; what was open here is closed. */
    CountersReader &operator=(CountersReader &&other) noexcept {
        if (this != &other)
            sipc_counters_close(std::exchange(reader_, std::exchange(other.reader_, nullptr)));
        return *this;
    }
    CountersReader(const CountersReader &) = delete;
    CountersReader &operator=(const CountersReader &) = delete;
    ~CountersReader() { sipc_counters_close(reader_); }

    /**
     * Opens a region; what was open is closed if this succeeds.
     * @param name the region's name.
     * @param sealedFolder of a sealed region its folder; empty: a named one.
     */
    Error Open(const std::string &name, const std::string &sealedFolder = std::string()) {
        sipc_counters_reader *opened = nullptr;
        // A name with a NUL byte inside would be cut off there: an empty one is refused.
        const char *text = name.find('\0') == std::string::npos ? name.c_str() : "";
        sipc_status status = sipc_counters_open(
            text, sealedFolder.empty() ? nullptr : sealedFolder.c_str(), &opened);
        if (status == SIPC_OK) sipc_counters_close(std::exchange(reader_, opened));
        return Error(status);
    }

    /** Reads a slot. @param slot its index. @param[out] counters the figures. */
    Error Read(uint32_t slot, Counters &counters) const {
        return Error(sipc_counters_read(reader_, slot, &counters));
    }

    /** @return in how many slots the host calls; 0 if nothing is open. */
    uint32_t HostSlots() const {
        uint32_t slots = 0;
        if (reader_) sipc_counters_slots(reader_, &slots, nullptr);
        return slots;
    }
    /** @return in how many slots guests call, which follow; 0 if nothing is open. */
    uint32_t GuestSlots() const {
        uint32_t slots = 0;
        if (reader_) sipc_counters_slots(reader_, nullptr, &slots);
        return slots;
    }

private:
    sipc_counters_reader *reader_ = nullptr;
};

} // namespace shm

#endif
