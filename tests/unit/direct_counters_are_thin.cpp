// SPDX-License-Identifier: Apache-2.0
// Promise: the C++ reader of counters says what the C API says.
#include <vector>

#include "DirectCounters.h"
#include "DirectHost.h"
#include "left_behind.h"

static void the_reader_opens_reads_and_moves(void **) {
    shm::DirectHost host;
    const std::string name = fresh_name();
    assert_true(host.Init(name, 2, 256));
    std::vector<uint8_t> response;
    assert_true(host.Call(1, nullptr, 0, 0, response, std::chrono::milliseconds(1)) ==
                SIPC_TIMEOUT);
    shm::CountersReader reader;
    assert_int_equal(reader.HostSlots(), 0);
    assert_true(reader.Open(name) == SIPC_OK);
    assert_int_equal(reader.HostSlots(), 2);
    assert_int_equal(reader.GuestSlots(), 0);
    shm::CountersReader other(std::move(reader));
    shm::Counters one, mine, sum;
    // NOLINTNEXTLINE(bugprone-use-after-move): a moved reader is closed
    assert_true(reader.Read(1, one) == SIPC_INVALID_ARGUMENT);
    assert_true(other.Read(1, one) == SIPC_OK);
    assert_true(shm::ReadCounters(host.Handle(), 1, mine) == SIPC_OK);
    assert_int_equal(one.caller.timed_out, 1);
    assert_int_equal(mine.caller.timed_out, 1);
    sum += one;
    sum += mine;
    assert_int_equal(sum.caller.calls, 2);
    assert_true(other.Read(2, one) == SIPC_INVALID_ARGUMENT);
    assert_true(other.Open("no/name") == SIPC_BAD_NAME);
    assert_true(other.Read(0, one) == SIPC_OK); // what was open stays so
}

static void percentiles_are_times(void **) {
    sipc_histogram histogram = {};
    histogram.buckets[1] = 2;
    histogram.buckets[SIPC_HISTOGRAM_BUCKETS - 1] = 2;
    assert_int_equal(shm::Samples(histogram), 4);
    assert_true(shm::Percentile(histogram, 0.5) == std::chrono::nanoseconds(128));
    assert_true(shm::Percentile(histogram, 0.9) == std::chrono::nanoseconds::max());
}

int main() {
    const struct CMUnitTest tests[] = {
        PROMISE(the_reader_opens_reads_and_moves),
        PROMISE(percentiles_are_times),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
