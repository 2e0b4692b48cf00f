// SPDX-License-Identifier: Apache-2.0
// What host and guest of this example say to each other.
#ifndef LATER_ANSWERS_JOBS_H
#define LATER_ANSWERS_JOBS_H

#include <cstdint>

constexpr uint32_t kSlots = 4; // jobs at a time
constexpr uint32_t kJob = 128; // a Job; answered with a text when it is done

struct Job {
    uint32_t milliseconds;
};

#endif
